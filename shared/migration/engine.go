package migration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	mostSteps    = 24 // of one visit; a machine that goes round in circles ends here
	betweenLooks = 2 * time.Second
	leaving      = 10 * time.Second // to store what is left, when the context has ended
)

// Start makes the job of a planned item, or takes up the one there is. A job that rests (blocked, failed, rolled back)
// begins anew, with the state that was recorded first as the one to go back to. What was rolled back under a plan stays so
// until another plan comes.
//
// The rules are those of the plan, with what was overridden. A job that is under way, or that the same plan began, keeps
// its own where they are stricter: see Rules.Join. One that another plan begins anew takes the new plan's alone, because
// nothing that was promised is under way.
func (e *Engine) Start(ctx context.Context, i Item, plan string, rules Rules) (Job, error) {
	j, fresh, err := e.begin(ctx, i, plan, rules)
	switch {
	case err != nil:
		return j, fmt.Errorf("start migration of %s: %w", i.Name, err)
	case reflect.DeepEqual(j, fresh):
		return j, nil
	}
	v, err := e.claim(ctx, i.Secret)
	if err != nil {
		return j, fmt.Errorf("start migration of %s: %w", i.Name, err)
	}
	if v.job, fresh, err = e.begin(ctx, i, plan, rules); err == nil && v.job.held(e.Now()) {
		err = ErrBusy
	}
	if err == nil {
		v.job = fresh
		err = v.save(ctx)
	}
	if err = errors.Join(err, v.hold.Release(ctx)); err != nil {
		return j, fmt.Errorf("start migration of %s: %w", i.Name, err)
	}
	return v.job, nil
}

// load reads a job. One that cannot be read, or that only a newer version may move, is an error: nothing is done to it.
func (e *Engine) load(ctx context.Context, secret string) (Job, error) {
	j, err := e.Store.Load(ctx, secret)
	if err != nil {
		return j, err
	}
	return j, j.checkKnown()
}

// begin is the job as it is stored, and as it would be begun.
func (e *Engine) begin(ctx context.Context, i Item, plan string, rules Rules) (was, fresh Job, err error) {
	if was, err = e.load(ctx, i.Secret); err != nil {
		return was, was, err
	}
	was = was.under(e.Rules, e.By, e.Now().UTC())
	rules = was.Binding(plan, rules)
	if why := was.refuses(i, plan); why != nil {
		return was, was, why
	}
	if was.goingBack() || was.Phase == RolledBack && was.Plan == plan { // which somebody asked for, and comes first
		return was, was, nil
	}
	if was.Revision > 0 && !was.Phase.Resting() && (was.Phase != Sealed || was.Target == i.Target) && (was.Phase != Planned || was.Pending != nil || was.Plan == plan) {
		fresh = was
		fresh.Rules = &rules
	} else {
		fresh = newJob(i, plan, rules, e.By, e.Now().UTC())
		fresh.resume(was)
	}
	fresh.ask(e.By, e.Why, e.Now().UTC())
	return was, fresh, nil
}

// ErrOtherPlan says that another plan is moving the secret to another key.
var ErrOtherPlan = errors.New("another plan is moving it to another key")

// refuses errs on a plan that would move the secret to another key than the one under which it is between its locks.
func (j Job) refuses(i Item, plan string) error {
	moved := j.UnderNewKey() && j.Phase != Sealed || j.Setting() || j.between()
	if !moved || j.Target == i.Target || j.Plan == plan {
		return nil
	}
	of := "plan " + j.Plan
	if j.Plan == "" {
		of = "the hub"
	}
	return fmt.Errorf("%w: %s moves it to %s, and it is %s: apply that one to its end, or go back first with doublelock migrate rollback", ErrOtherPlan, of, j.Target, j.Phase)
}

// resume takes over what must not be forgotten of the job that was there before.
func (j *Job) resume(was Job) {
	j.History, j.Earlier.History = append(slices.Clip(was.History), j.History...), was.Earlier.History
	j.Earlier.Rescues = was.Earlier.Rescues
	j.Revision, j.LastChangeAt, j.Rescues = was.Revision, was.LastChangeAt, was.Rescues
	if was.Phase != RolledBack && was.Phase != Overtaken && (was.Phase != Sealed || was.Target == j.Target) { // else what is found next is the state to go back to
		j.Before = was.Before
	}
}

// visit is one worker at one secret.
type visit struct {
	*Engine
	hold     *store.Hold // under which everything is changed; nil: nothing is
	job      Job
	saved    []byte // the job as it is stored
	order    *Order // nil: nobody decided just now that the hub may begin
	rescued  string // the reader for which it goes back by itself; "": somebody asked for it
	promised string // ID of the notice that is held back while what it is about is done
	stored   bool   // the job of an order is there, and what changes of it has to be written
	unasked  bool   // it ended before anything was asked of AWS
	checked  bool
	problems Assessment
	blocked  []string // those of the copies too
	unread   string   // likewise
	wait     Step     // why a step that was due is not taken now
}

// Advance takes a secret as far as it can go now, and says what it waits for. Errors: ErrBusy, guard.ErrThrottled,
// guard.ErrConflict (another worker took over) and whatever AWS answers: all of them may be tried again.
func (e *Engine) Advance(ctx context.Context, secret string) (Job, Step, error) {
	v, err := e.enter(ctx, secret)
	if err != nil {
		return v.job, Step{}, fmt.Errorf("advance %s: %w", secret, err)
	}
	step, err := v.walk(ctx)
	v.stuckAfter(ctx, step, err)
	if err = v.leave(ctx, err); err != nil {
		return v.job, step, fmt.Errorf("advance %s: %w", v.job.Name, err)
	}
	return v.job, step, nil
}

// stuckAfter remembers whether a visit found its job out of reach, and publishes what follows.
func (v *visit) stuckAfter(ctx context.Context, step Step, err error) {
	if step.Left {
		err = ErrLeft
	}
	v.noteStuck(err)
	if v.job.Stuck == nil && len(v.job.Outbox) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	if v.keep(ctx) == nil { // stored before it is published
		_ = v.publish(ctx) // what is left of it goes with the next visit
	}
}

// claim makes this worker the only one that changes a secret, until it leaves.
func (e *Engine) claim(ctx context.Context, secret string) (*visit, error) {
	hold, err := e.Effects.Hold(ctx, secret, e.seen(secret))
	if errors.Is(err, store.ErrHeld) {
		err = heldError{err}
	}
	return &visit{Engine: e, hold: hold}, err
}

// enter claims a secret and then loads its job: what a worker decides by is as the one before it left it.
func (e *Engine) enter(ctx context.Context, secret string) (*visit, error) {
	v, err := e.claim(ctx, secret)
	if err != nil {
		return v, err
	}
	if err := v.load(ctx, secret); err != nil {
		return v, errors.Join(err, v.hold.Release(ctx))
	}
	if v.job.Revision == 0 {
		return v, errors.Join(fmt.Errorf("no migration of it was begun: %w", guard.ErrGone), v.hold.Release(ctx))
	}
	return v, nil
}

// load reads the job. ErrBusy: a worker of an older version is at it.
func (v *visit) load(ctx context.Context, secret string) error {
	var err error
	if v.job, err = v.Engine.load(ctx, secret); err != nil {
		return err
	}
	if v.job.held(v.Now()) {
		return fmt.Errorf("%w: %s until %s", ErrBusy, v.job.Lease.By, v.job.Lease.Until.Format(time.TimeOnly))
	}
	if v.saved, err = json.Marshal(v.job); err != nil {
		return fmt.Errorf("read migration of %s: %w", v.job.Name, err)
	}
	v.job = v.job.under(v.Rules, v.By, v.Now().UTC())
	v.job.Lease = Lease{}
	if p := v.job.Pending; p != nil && p.Action == DoRotate && v.hold != nil && v.hold.Unsent(string(DoRotate)) { // no rotation to wait for
		v.job.Pending = nil
		if v.job.LastChangeAt.Equal(p.At) {
			v.job.LastChangeAt = slices.MaxFunc([]time.Time{v.job.RekeyedAt, v.job.FirstNewAt}, time.Time.Compare)
		}
	}
	return nil
}

// held reports that a worker of an older version has the lease.
func (j Job) held(now time.Time) bool { return j.Lease.By != "" && j.Lease.Until.After(now) }

// save writes the job. It comes before every change: a worker that was replaced fails here, too.
func (v *visit) save(ctx context.Context) error {
	if err := v.Store.Save(ctx, v.job); err != nil {
		return err
	}
	v.job.Revision++
	v.stored = true
	saved, err := json.Marshal(v.job)
	v.saved = saved
	return err
}

// leave stores what is not stored of the job, and lets others have the secret, also where the context has ended: whoever
// is told to stop must not block the way back. After an error the job may be another's.
func (v *visit) leave(ctx context.Context, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	err := failed
	if !errors.Is(failed, guard.ErrConflict) {
		if left := v.keep(ctx); err == nil {
			err = left
		}
	}
	if released := v.hold.Release(ctx); err == nil {
		err = released
	}
	return err
}

// keep writes the job if anything of it changed. An order that changed nothing leaves no job behind.
func (v *visit) keep(ctx context.Context) error {
	if v.order != nil && !v.stored || len(v.saved) == 0 {
		return nil
	}
	now, err := json.Marshal(v.job)
	if err != nil || bytes.Equal(now, v.saved) {
		return err
	}
	if err := v.save(ctx); err != nil && !errors.Is(err, guard.ErrConflict) {
		return err
	}
	return nil
}

// walk takes the secret as far as it can go now.
func (v *visit) walk(ctx context.Context) (Step, error) {
	step, err := v.steps(ctx)
	if paused, is := errors.AsType[*store.PausedError](err); is { // this worker has the secret still, and nothing was sent
		return v.waitFor(paused), nil
	}
	return step, err
}

func (v *visit) steps(ctx context.Context) (Step, error) {
	for _, owed := range []func(context.Context) error{v.publish, v.answerStored, v.endRescues} {
		if err := owed(ctx); err != nil {
			return Step{}, err
		}
	}
	if s := v.job.Stopped; v.job.between() && s.Back != nil && !v.Now().Before(s.Next) && !v.job.goingBack() {
		again := *s.Back
		v.job.Pending = &again
	}
	if v.job.goingBack() {
		err := v.rollback(ctx, "going back was begun "+v.job.Pending.At.Format(time.RFC3339))
		if errors.Is(err, errBackUnproven) || errors.Is(err, ErrLeft) {
			return Step{Action: DoWait, Reason: v.job.Reason, Left: errors.Is(err, ErrLeft)}, nil
		}
		if v.job.Phase == Failed || errors.Is(err, ErrOvertaken) {
			err = nil // the reason is in the job, and was published
		}
		return Step{Action: DoNothing, Reason: "going back, taken up again"}, err
	}
	step, wait, err := v.early(ctx)
	if err != nil {
		return step, err
	}
	if wait {
		v.unasked = true
		if refused, is := v.refuse(step, Seen{}); is {
			return refused, nil
		}
		return step, nil
	}
	var seen Seen
	fresh := false
	for range mostSteps {
		if !fresh {
			if seen, err = v.look(ctx); err != nil {
				return step, err
			}
		}
		step = Next(v.job, seen, *v.job.Rules)
		if refused, is := v.refuse(step, seen); is {
			return refused, nil
		}
		on, err := v.do(ctx, step, seen)
		if errors.Is(err, ErrLeft) {
			return v.leaveToHub(ctx, step.Action, err), nil
		}
		if v.wait.Action != DoNothing {
			step = v.wait
		}
		if err != nil || !on {
			return step, err
		}
		// What changed nothing in AWS needs no new look. Before a change there is one of its own.
		fresh = step.Action == DoCheck || step.Action == DoMove
		seen.At, seen.Checked, seen.Blocked, seen.Unread = v.Now().UTC(), v.checked, v.blocked, v.unread
	}
	return step, fmt.Errorf("no end after %d steps, the last: %s", mostSteps, step.Reason)
}

func (v *visit) ref() guard.SecretRef {
	return guard.SecretRef{Account: v.job.Account, Region: v.job.Region, ID: v.job.Secret}
}

// look sees what is true now.
func (v *visit) look(ctx context.Context) (Seen, error) {
	seen := Seen{At: v.Now().UTC(), Checked: v.checked, Blocked: v.blocked, Unread: v.unread, Ordered: v.order != nil}
	if v.Halt != nil {
		seen.Halted = v.Halt(v.job)
	}
	var err error
	seen.Secret, err = v.Secrets.Describe(ctx, v.ref())
	if errors.Is(err, guard.ErrGone) {
		seen.Gone = true
		return seen, nil
	}
	if err != nil {
		return seen, fmt.Errorf("look at the secret: %w", err)
	}
	observed := !seen.At.Before(v.job.RekeyedAt.Add(time.Duration(v.job.Rules.Observe)))
	_, refused := v.job.keyRefused()
	if v.job.Phase == Observing && observed || v.job.Phase == Sealing && refused { // before that nobody asks, and CloudTrail answers two look-ups a second
		err = v.recordReads(ctx, seen.Secret)
	}
	return seen, err
}

// recordReads notes which readers have read since the re-key. Who need not keep access because nobody saw it read has to from then on.
func (v *visit) recordReads(ctx context.Context, s guard.Secret) error {
	spared := slices.ContainsFunc(v.job.Readers, func(k Known) bool { return k.Spared })
	if v.Trail == nil || len(v.job.Silent()) == 0 && !spared {
		return nil
	}
	reads, err := v.Trail.Reads(ctx, s, v.job.RekeyedAt)
	if err != nil {
		return fmt.Errorf("look up its readers: %w", err)
	}
	for _, r := range reads {
		for i := range v.job.Readers {
			known := &v.job.Readers[i]
			if known.is(r.Principal) && r.Last.After(known.ReadAt) {
				known.ReadAt, known.Spared = r.Last, false
			}
		}
	}
	return nil
}

// do takes a step, and reports whether there may be another one right away.
func (v *visit) do(ctx context.Context, step Step, seen Seen) (bool, error) {
	if step.Action.changes() {
		if err := v.MayChange(ctx, v.job.Account); err != nil {
			return false, err
		}
	}
	switch step.Action {
	case DoNothing, DoWait:
		v.job.Reason = step.Reason
		if v.job.Again != nil && !step.Until.IsZero() {
			v.job.Again.After = step.Until
		}
		return false, nil
	case DoMove:
		return true, v.move(ctx, step, seen)
	case DoCheck:
		if early, err := v.tooEarly(ctx, seen); early || err != nil {
			return false, err
		}
		return true, v.check(ctx, seen)
	case DoLook:
		v.job.Pending.Tries++
		if err := v.save(ctx); err != nil {
			return false, err
		}
		return true, v.Sleep(ctx, betweenLooks)
	case DoAsk:
		return false, v.ask(ctx, step)
	case DoHand:
		return false, v.hand(ctx, step)
	case DoRekey:
		return v.rekey(ctx, step, seen)
	case DoRotate:
		return v.rotate(ctx, seen)
	case DoRekeyReplica:
		return v.rekeyReplica(ctx, step, seen)
	case DoRemoveReplica, DoAddReplica:
		return v.replica(ctx, step, seen)
	}
	return false, fmt.Errorf("step %q is unknown", step.Action)
}

func (v *visit) check(ctx context.Context, seen Seen) error {
	found, err := v.Preflight.Check(ctx, seen.Secret, v.job.Target, v.job.Accepted)
	if err != nil {
		return fmt.Errorf("ask who would lose access: %w", err)
	}
	v.checked, v.problems, v.blocked, v.unread = true, found, found.Under(v.job.Rules.MustKeep), found.Unread
	if v.job.Plan == "" && v.job.Phase == Planned {
		v.job.Readers = KnownReaders(found.Readers, v.job.Rules.MustKeep)
	}
	return v.checkCopies(ctx, seen)
}

// checkCopies asks for the readers of the copies that will get another key.
func (v *visit) checkCopies(ctx context.Context, seen Seen) error {
	for _, c := range v.job.Copies {
		here := slices.ContainsFunc(seen.Secret.Replicas, func(r guard.Replica) bool { return r.Region == c.Region && r.Key.ARN != c.Target })
		if !here || !c.Done.IsZero() {
			continue
		}
		if c.Target == "" {
			v.blocked = append(v.blocked, "replica in "+c.Region+": there is no key to put it under")
			continue
		}
		ref := guard.SecretRef{Account: v.job.Account, Region: c.Region, ID: inRegion(v.job.Secret, c.Region)}
		replica, err := v.Secrets.Describe(ctx, ref)
		if err != nil {
			return fmt.Errorf("look at the copy in %s: %w", c.Region, err)
		}
		found, err := v.Preflight.Check(ctx, replica, c.Target, v.job.Accepted)
		if err != nil {
			return fmt.Errorf("ask who would lose access in %s: %w", c.Region, err)
		}
		for _, p := range found.Under(v.job.Rules.MustKeep) {
			v.blocked = append(v.blocked, "replica in "+c.Region+": "+p)
		}
		if found.Unread != "" && v.unread == "" {
			v.unread = "replica in " + c.Region + ": " + found.Unread
		}
	}
	return nil
}

// move enters a phase.
func (v *visit) move(ctx context.Context, step Step, seen Seen) error {
	j, was := &v.job, v.job.Phase
	if err := v.journalEnd(ctx, was, step, seen); err != nil {
		return err
	}
	if ours := !seen.Gone && j.Before != nil && j.Before.KeyARN != j.Target && seen.Secret.Key.ARN == j.Target; ours && (step.Phase == Blocked || step.Phase == Failed) {
		var next time.Time
		if step.Phase == Failed { // only trying shows whether it is mended
			next = seen.At.Add(time.Duration(j.Rules.Observe))
		}
		j.stop(was, nil, next, seen.At)
	}
	j.enter(step.Phase, step.Reason, v.By, seen.At)
	if was == RolledBack { // what is found now is the state to go back to
		j.Again, j.Before, j.Pending, j.RekeyedAt, j.FirstNewAt, j.GoAhead, j.AskedAt = nil, nil, nil, time.Time{}, time.Time{}, "", time.Time{}
	}
	if step.Flip {
		j.Flips = append(j.Flips, Flip{At: seen.At, Key: keyName(seen.Secret.Key)})
		j.Pending, j.FirstNewAt, j.GoAhead, j.AskedAt = nil, time.Time{}, "", time.Time{}
		v.checked = false
		if v.order != nil {
			j.Target = v.order.Target
		}
	}
	if step.First {
		j.FirstNewAt, j.Pending = seen.At, nil
	}
	switch {
	case step.Phase == Rekeyed, step.Phase == Unproven:
		if j.Before == nil { // it was under the key when we came
			j.Before = before(seen.Secret, seen.At)
		}
		j.RekeyedAt, j.Pending, j.ProveBy, j.HandedAt = seen.At, nil, time.Time{}, time.Time{}
		if step.Phase == Unproven {
			j.ProveBy = seen.At.Add(proveWithin)
		}
	case step.Phase == Sealed && was != Sealed:
		j.SealedAt = seen.At
	case step.Phase == Failed || step.Phase == Planned:
		j.Pending = nil
	}
	v.notifyMove(was, seen)
	if err := v.save(ctx); err != nil {
		return err
	}
	if v.order != nil && v.order.Record != nil && len(j.Outbox) > 0 {
		if err := v.order.Record(ctx); err != nil {
			return err
		}
	}
	return v.publish(ctx)
}
