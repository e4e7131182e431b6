package migration

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Order is what the hub asks of the machine for one secret, right after it decided from what is true now that the
// secret is to be moved.
type Order struct {
	Notice guard.Notice // that asked for it
	Secret guard.Secret // as it was just looked at
	Target string       // key ARN
	// Record lets what is recorded of the secret follow a change, before anybody is notified of it. It may be nil.
	Record func(ctx context.Context) error
}

// Order begins the hub's own job for a secret, or takes up the one there is, and takes it as far as it can go now. The
// job is stored with its change: an order that changes nothing leaves nothing behind, and Step.Refused says why to the
// owner. A job of a plan stays the plan's, under its rules. Errors are those of Advance.
func (e *Engine) Order(ctx context.Context, o Order) (Job, Step, error) {
	v, err := e.claim(ctx, o.Secret.ARN)
	if err != nil {
		return Job{}, Step{}, fmt.Errorf("move %s: %w", o.Secret.Name, err)
	}
	step, err := v.obey(ctx, o)
	if err = v.leave(ctx, err); err != nil {
		return v.job, step, fmt.Errorf("move %s: %w", o.Secret.Name, err)
	}
	return v.job, step, nil
}

// obey carries an order out, or says why not.
func (v *visit) obey(ctx context.Context, o Order) (Step, error) {
	v.order = &o
	if err := v.load(ctx, o.Secret.ARN); err != nil {
		return Step{}, err
	}
	was := v.job
	refused := was.refused()
	switch {
	case was.Phase == RolledBack && v.Now().Before(was.Since.Add(time.Duration(was.Rules.Quiet))):
		return Step{Action: DoWait, Reason: "it was set back less than " + was.Rules.Quiet.String() + " ago"}, nil
	case refused != nil:
		return Step{Refused: refused}, nil
	case was.Plan != "" && was.Phase == Planned && was.Before == nil:
		return Step{Action: DoWait, Reason: "plan " + was.Plan + " moves it: " + was.Reason}, nil
	case was.goingBack(), was.Plan != "" && !was.Phase.Resting():
		v.order = nil // its own rules say how it goes on
		return v.walk(ctx)
	}
	v.job = v.ordered(o, was)
	return v.walk(ctx)
}

// Resume ends what an earlier delivery of the same order began. It answers false where nothing was begun, or the change
// was begun and not made: then the hub decides again.
func (e *Engine) Resume(ctx context.Context, order guard.Notice) (Job, bool, error) {
	j, err := e.load(ctx, order.Resource)
	if err != nil {
		return j, false, fmt.Errorf("resume the move of %s: %w", order.Name, err)
	}
	if j.Order == nil || j.Order.ID != order.ID || j.Before == nil {
		return j, false, nil
	}
	j, _, err = e.Advance(ctx, order.Resource)
	return j, j.Phase != Planned, err
}

// ordered is the job that an order begins or goes on with.
func (e *Engine) ordered(o Order, was Job) Job {
	rules := e.Rules
	if was.Rules != nil {
		rules = was.Rules.Join(rules)
	}
	j := was
	if was.Revision == 0 || was.Phase.Resting() {
		s := o.Secret
		j = Job{Secret: s.ARN, Name: s.Name, Account: s.Account, Region: s.Region, Wave: rules.WaveOf(s.Account, nil, s.Tags), Seal: SealOwner}
		if s.RotationEnabled {
			j.Seal = SealRotate
		}
		j.enter(Planned, "", e.By, e.Now().UTC())
		j.resume(was)
		j.Flips, j.Earlier.Flips = was.Flips, was.Earlier.Flips
	}
	j.Rules, j.Order, j.Tool = &rules, &o.Notice, o.Notice.Tool
	if j.Phase == Planned && j.Pending == nil {
		j.Target = o.Target
	}
	return j
}

// refused says why the hub must not move a secret by itself, from what became of it before; nil when nothing speaks
// against it.
func (j Job) refused() *guard.Move {
	switch {
	case j.Revision == 0:
	case j.Phase == RolledBack && j.Again != nil:
		return &guard.Move{Reason: "it was set back (" + j.Reason + ")"}
	case j.Phase == RolledBack:
		return &guard.Move{Reason: "it was set back (" + j.Reason + "): plan it again with doublelock migrate when that is mended"}
	case j.Phase == Blocked && j.flips() > 0 && j.flips() >= j.Rules.Flips:
		return &guard.Move{Code: CodeLine(j.Tool, j.Target),
			Reason: fmt.Sprintf("moved back %s: %s undoes the change, so it is left to you", times(j.flips()), toolName(j.Tool))}
	case j.Phase == Blocked:
		return &guard.Move{Reason: j.Reason}
	}
	return nil
}

func times(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprint(n, " times")
}

// refuse turns a step that an order must not take into an answer for the owner: nothing was changed, so nothing is
// stored, and it is asked for again.
func (v *visit) refuse(step Step, seen Seen) (Step, bool) {
	j := v.job
	switch {
	case v.order == nil || j.Phase != Planned || j.Pending != nil:
		return step, false
	case step.Action == DoMove && seen.Gone:
		return Step{Reason: step.Reason}, true
	case step.Action == DoMove && step.Phase == Blocked && len(v.problems.Problems) > 0:
		return Step{Refused: v.problems.Complaint(), Reason: step.Reason}, true
	case step.Action == DoMove && step.Phase.Resting():
		return Step{Refused: &guard.Move{Reason: step.Reason}, Reason: step.Reason}, true
	case step.Action == DoWait && j.movedBackAtOnce():
		step.Refused = &guard.Move{Reason: "it was moved to a customer managed key less than ten minutes ago and moved back since: somebody, or some code, undoes the change, so it is left to you"}
		return step, true
	}
	return step, false
}

// movedBackAtOnce reports that the last change was undone within the quiet time.
func (j Job) movedBackAtOnce() bool {
	if len(j.Flips) == 0 {
		return false
	}
	undone := j.Flips[len(j.Flips)-1].At
	return !undone.Before(j.LastChangeAt) && undone.Before(j.LastChangeAt.Add(time.Duration(j.Rules.Quiet)))
}

// Held is ErrBusy with who is at a job's secret, where somebody is; else nil, or why that could not be read.
func (e *Engine) Held(ctx context.Context, j Job) error {
	if j.held(e.Now()) {
		return fmt.Errorf("%w: %s until %s", ErrBusy, j.Lease.By, j.Lease.Until.UTC().Format(time.TimeOnly))
	}
	owner, err := e.Effects.Owner(ctx, j.Secret)
	if err == nil && owner != "" {
		err = fmt.Errorf("%w: %s", ErrBusy, owner)
	}
	return err
}

// Reply is the notice of what became of an order, with the same ID however often it is made. A failure has one ID for
// each reason: what cannot be moved is asked for again and again, and its owner is to read each reason once.
func Reply(order guard.Notice, kind guard.NoticeKind, state guard.LockState, move *guard.Move, at time.Time) guard.Notice {
	n := order
	n.ID, n.Kind, n.State, n.Detail, n.Move, n.At = string(kind)+"|"+order.ID, kind, state, "", move, at
	n.Decision = guard.Decision{Tag: true, Reason: "answers " + order.ID}
	if kind == guard.NoticeFailed && order.Finding != nil {
		reason := fnv.New64a()
		_, _ = reason.Write([]byte(n.Describe())) // a hash takes every write
		n.ID = fmt.Sprintf("%s|%s|%d|%x", kind, order.Finding.ID(), order.Finding.OpenedAt.UnixMilli(), reason.Sum64())
	}
	return n
}

// maxComplaint bounds a complaint with remedies, in bytes as it is said: an event has room for some, and a reader for few.
const maxComplaint = 3900

// Complaint names who stands in the way of a move, and what lets each keep its access; nil is nobody.
func (a Assessment) Complaint() *guard.Move {
	if a.Safe() {
		return nil
	}
	const most = 5
	lines := a.against()
	if more := len(lines) - most; more > 0 {
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more", more))
	}
	complaint := &guard.Move{Breaks: lines}
	for _, r := range a.Losing() {
		remedy := r.Remedy()
		if remedy.Empty() {
			continue
		}
		longer := *complaint
		longer.Remedies = append(slices.Clip(longer.Remedies), remedy)
		if len(guard.Notice{Kind: guard.NoticeFailed, Move: &longer}.Describe()) > maxComplaint {
			complaint.More++
			continue
		}
		complaint.Remedies = longer.Remedies
	}
	return complaint
}
