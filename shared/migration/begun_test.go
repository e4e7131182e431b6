package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// begun is a secret whose job was begun by a plan, and is as change leaves it.
func begun(t *testing.T, change func(*migration.Job)) *fake {
	t.Helper()
	w := steady(t)
	if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
		t.Fatal(err)
	}
	w.edit(t, change)
	return w
}

func (w *fake) edit(t *testing.T, change func(*migration.Job)) {
	t.Helper()
	j := w.job(t)
	change(&j)
	var err error
	if w.stored, err = json.Marshal(j); err != nil {
		t.Fatal(err)
	}
}

func inPhase(p migration.Phase) func(*migration.Job) {
	return func(j *migration.Job) {
		j.Phase = p
		if p != migration.Planned {
			j.Before = &migration.Before{}
		}
	}
}

// Another plan takes over what was not begun, or rests; what is under way keeps its own, and going back comes first.
func TestWhatAnotherPlanTakesOver(t *testing.T) {
	pending := func(action migration.Action) func(*migration.Job) {
		return func(j *migration.Job) {
			j.Pending, j.Before = &migration.Pending{Action: action, At: now}, &migration.Before{KeyID: "old"}
		}
	}
	for sentence, c := range map[string]struct {
		job   func(*migration.Job)
		apply string
		plan  string // of the job afterwards
		phase migration.Phase
		back  bool // its first state is kept
	}{
		"nothing was begun":           {inPhase(migration.Planned), "second", "second", migration.Planned, false},
		"the key was begun to be set": {pending(migration.DoRekey), "second", "plan", migration.Planned, true},
		"going back was begun":        {pending("rollback"), "second", "plan", migration.Planned, true},
		"its readers are observed":    {inPhase(migration.Observing), "second", "plan", migration.Observing, true},
		"it is sealed under that key": {inPhase(migration.Sealed), "second", "plan", migration.Sealed, true},
		"it is sealed under another key": {func(j *migration.Job) {
			inPhase(migration.Sealed)(j)
			j.Target = cmk("old", region).ARN
		}, "second", "second", migration.Planned, false},
		"it is blocked":                          {inPhase(migration.Blocked), "second", "second", migration.Planned, true},
		"it is blocked, and the same is applied": {inPhase(migration.Blocked), "plan", "plan", migration.Planned, true},
		"it is blocked, and planned for another key": {func(j *migration.Job) {
			inPhase(migration.Blocked)(j)
			j.Target = cmk("old", region).ARN
		}, "second", "second", migration.Planned, true},
		"it was set back":                          {inPhase(migration.RolledBack), "second", "second", migration.Planned, false},
		"it was set back, and the same is applied": {inPhase(migration.RolledBack), "plan", "plan", migration.RolledBack, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := begun(t, c.job)
			if _, err := w.worker("w1").Start(t.Context(), w.item(), c.apply, migration.Defaults()); err != nil {
				t.Fatal(err)
			}
			j := w.job(t)
			if j.Plan != c.plan || j.Phase != c.phase || (j.Before != nil) != c.back {
				t.Errorf("plan %s, %s, before %+v", j.Plan, j.Phase, j.Before)
			}
		})
	}
	w := begun(t, func(j *migration.Job) { j.Reason = "waits" })
	if _, err := w.worker("w1").Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil || w.job(t).Reason != "waits" {
		t.Errorf("the same plan begins anew what it has begun: %+v, error %v", w.job(t), err)
	}
}

// A worker of an older version holds a job by a lease in it.
func TestALeaseOfAnOlderVersionHoldsWhileItLasts(t *testing.T) {
	for sentence, c := range map[string]struct {
		lease migration.Lease
		busy  bool
	}{
		"it lasts":       {migration.Lease{By: "older", Until: now.Add(time.Minute)}, true},
		"it is over":     {migration.Lease{By: "older", Until: now}, false},
		"it is nobody's": {migration.Lease{Until: now.Add(time.Minute)}, false},
	} {
		w := begun(t, func(j *migration.Job) { j.Phase, j.Lease = migration.Blocked, c.lease })
		held := w.worker("w1").Held(t.Context(), w.job(t))
		_, started := w.worker("w1").Start(t.Context(), w.item(), "second", migration.Defaults())
		if errors.Is(held, migration.ErrBusy) != c.busy || errors.Is(started, migration.ErrBusy) != c.busy {
			t.Errorf("%s: held %v, started %v", sentence, held, started)
		}
	}
}

func TestWhoIsAtASecretIsSaid(t *testing.T) {
	w := begun(t, inPhase(migration.Planned))
	if err := w.worker("w1").Held(t.Context(), w.job(t)); err != nil {
		t.Errorf("nobody is: %v", err)
	}
	w.trouble = func(at string) error {
		if at == "before Describe" {
			if err := w.worker("w2").Held(t.Context(), w.job(t)); !errors.Is(err, migration.ErrBusy) || !strings.Contains(err.Error(), ": w1/") {
				t.Errorf("w1 is: %v", err)
			}
			_, _, err := w.worker("w2").Advance(t.Context(), w.secret.ARN)
			if !errors.Is(err, migration.ErrBusy) || !errors.Is(err, guard.ErrConflict) || strings.Count(err.Error(), "another worker") != 1 || !strings.Contains(err.Error(), "w1/") {
				t.Errorf("whoever else comes to it: %v", err)
			}
		}
		return nil
	}
	if _, _, err := w.worker("w1").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
}

// trailing knows who read, and counts how often it was asked.
type trailing struct {
	reads []migration.Sighting
	err   error
	asked int
}

func (r *trailing) Reads(context.Context, guard.Secret, time.Time) ([]migration.Sighting, error) {
	r.asked++
	return r.reads, r.err
}

// CloudTrail answers two look-ups a second: it is asked when its answer can move a job on.
func TestReadersAreLookedUpWhenTheirHoursAreOver(t *testing.T) {
	reader := func(j *migration.Job) {
		j.Readers = []migration.Known{{Principal: role("app"), Seen: true}, {Principal: role("batch"), Seen: true}}
	}
	read := func(name string, at time.Duration) migration.Sighting {
		return migration.Sighting{Principal: role(name), Last: now.Add(at)}
	}
	both := []migration.Sighting{read("app", time.Hour), read("batch", 2*time.Hour), read("app", -time.Hour), read("stranger", time.Hour)}
	for sentence, c := range map[string]struct {
		phase migration.Phase
		after time.Duration
		trail *trailing
		asked int
		to    migration.Phase
	}{
		"too early":              {migration.Observing, 23 * time.Hour, &trailing{reads: both}, 0, migration.Observing},
		"all have read":          {migration.Observing, 24 * time.Hour, &trailing{reads: both}, 1, migration.Sealing},
		"one has not":            {migration.Observing, 24 * time.Hour, &trailing{reads: both[:1]}, 1, migration.Observing},
		"one has, before that":   {migration.Observing, 24 * time.Hour, &trailing{reads: []migration.Sighting{both[0], read("batch", -time.Hour)}}, 1, migration.Observing},
		"nobody asks any more":   {migration.Sealing, 48 * time.Hour, &trailing{reads: both}, 0, migration.Sealing},
		"it cannot be looked up": {migration.Observing, 24 * time.Hour, &trailing{err: errDied}, 1, migration.Observing},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := begun(t, func(j *migration.Job) { reader(j); inPhase(c.phase)(j); j.RekeyedAt = now })
			w.setKey(cmk("new", region).ARN)
			w.now = now.Add(c.after)
			e := w.worker("sweep")
			e.Trail = c.trail
			j, step, err := e.Advance(t.Context(), w.secret.ARN)
			if sentence == "one has not" && !strings.HasPrefix(step.Reason, "not read since by "+role("batch")+":") {
				t.Errorf("waits: %s", step.Reason)
			}
			if j.Phase != c.to || c.trail.asked != c.asked || !errors.Is(err, c.trail.err) {
				t.Errorf("%s (%s), asked %d times, %+v, error %v", j.Phase, j.Reason, c.trail.asked, step, err)
			}
		})
	}
}

// Of whom nobody saw that it reads need not keep access in most modes. Once it has read, it is a user like any other.
func TestWhoReadsForTheFirstTimeAfterTheRekeyIsRescuedFromThenOn(t *testing.T) {
	w := begun(t, func(j *migration.Job) {
		j.Readers = []migration.Known{{Principal: role("app"), Seen: true, ReadAt: now.Add(time.Hour)}, {Principal: role("admin"), Spared: true}, {Principal: role("deploy"), Spared: true}}
		inPhase(migration.Observing)(j)
		j.RekeyedAt = now
	})
	w.setKey(cmk("new", region).ARN)
	w.now = now.Add(24 * time.Hour)
	e := w.worker("sweep")
	e.Trail = &trailing{reads: []migration.Sighting{{Principal: role("admin"), Last: now.Add(2 * time.Hour)}}}
	j, _, err := e.Advance(t.Context(), w.secret.ARN)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]migration.Answer{"admin": migration.AnswerRollback, "deploy": migration.AnswerNone} {
		refused := migration.Refused{Principal: role(name), EventID: name, At: w.now.Add(48 * time.Hour), By: migration.LockKey, Read: true}
		if got, why := migration.Judge(j, refused, migration.Defaults()); got != want {
			t.Errorf("%s: %s (%s), want %s", name, got, why, want)
		}
	}
}

// checking remembers of which secrets the readers were asked for.
type checking struct {
	*fake
	asked []string
	lose  map[string]string
}

func (c *checking) Describe(ctx context.Context, ref guard.SecretRef) (guard.Secret, error) {
	s, err := c.fake.Describe(ctx, ref)
	s.Region = ref.Region
	return s, err
}

func (c *checking) Check(_ context.Context, s guard.Secret, key string, _ []string) (migration.Assessment, error) {
	c.asked = append(c.asked, s.Region+" "+key[strings.LastIndexByte(key, '/')+1:])
	if who := c.lose[s.Region]; who != "" {
		return migration.Assessment{Problems: []string{who + " would lose access"}}, nil
	}
	return migration.Assessment{}, nil
}

// The readers of a copy that will be made again read another key: they are asked for before the first change.
func TestTheReadersOfACopyThatIsMadeAgainAreAskedForToo(t *testing.T) {
	const third = "us-east-1"
	far, east := cmk("far", other), cmk("east", third)
	to := func(region string, k guard.Key) migration.ReplicaTo {
		return migration.ReplicaTo{Region: region, Target: k.ARN}
	}
	is := func(region string, k guard.Key) guard.Replica { return guard.Replica{Region: region, Key: k} }
	done := to(other, far)
	done.Done = now
	for sentence, c := range map[string]struct {
		copies   []migration.ReplicaTo
		replicas []guard.Replica
		asked    []string
		blocked  string
	}{
		"both copies":                       {[]migration.ReplicaTo{to(other, far), to(third, east)}, []guard.Replica{is(other, managed()), is(third, managed())}, []string{region + " new", other + " far", third + " east"}, ""},
		"one is under its key already":      {[]migration.ReplicaTo{to(other, far), to(third, east)}, []guard.Replica{is(other, far), is(third, managed())}, []string{region + " new", third + " east"}, ""},
		"one was made again":                {[]migration.ReplicaTo{done, to(third, east)}, []guard.Replica{is(other, managed()), is(third, managed())}, []string{region + " new", third + " east"}, ""},
		"one is not there":                  {[]migration.ReplicaTo{to(other, far), to(third, east)}, []guard.Replica{is(third, managed())}, []string{region + " new", third + " east"}, ""},
		"for one there is no key":           {[]migration.ReplicaTo{{Region: other}, to(third, east)}, []guard.Replica{is(other, far), is(third, managed())}, []string{region + " new", third + " east"}, "replica in eu-west-1: there is no key to put it under"},
		"a reader of one would lose access": {[]migration.ReplicaTo{to("eu-north-1", east)}, []guard.Replica{is("eu-north-1", managed())}, []string{region + " new", "eu-north-1 east"}, "replica in eu-north-1: app would lose access"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := begun(t, func(j *migration.Job) { j.Copies = c.copies })
			w.secret.Replicas = c.replicas
			check := &checking{fake: w, lose: map[string]string{"eu-north-1": "app"}}
			e := w.worker("sweep")
			e.Secrets, e.Preflight = check, check
			j, _, err := e.Advance(t.Context(), w.secret.ARN)
			if diff := cmp.Diff(c.asked, check.asked); diff != "" || err != nil {
				t.Errorf("error %v, asked for (-want +got):\n%s", err, diff)
			}
			if (j.Phase == migration.Blocked) != (c.blocked != "") || !strings.Contains(j.Reason, c.blocked) {
				t.Errorf("%s (%s), want %q", j.Phase, j.Reason, c.blocked)
			}
		})
	}
}

// Who may not change secrets may look, and find what blocks them: the role is asked for before a change alone.
func TestTheRoleIsTakenBeforeAChangeAlone(t *testing.T) {
	w := begun(t, inPhase(migration.Planned))
	w.lose = true
	if j, step, err := w.operator().Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Blocked || step.Left {
		t.Errorf("%s (%s), %+v, error %v", j.Phase, j.Reason, step, err)
	}
	for sentence, change := range map[string]func(*fake, *migration.Job){
		"a rotation": func(_ *fake, j *migration.Job) { j.Seal = migration.SealRotate },
		"a copy that is removed": func(w *fake, j *migration.Job) {
			w.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
			w.secret.Replicas = []guard.Replica{{Region: other, Key: managed(), Status: "InSync"}}
			j.FirstNewAt, j.Copies = now, []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN}}
		},
		"a copy that is made again": func(w *fake, j *migration.Job) {
			w.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
			j.FirstNewAt, j.Copies = now, []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN, Removed: now}}
		},
	} {
		w := begun(t, inPhase(migration.Sealing))
		w.setKey(cmk("new", region).ARN)
		w.edit(t, func(j *migration.Job) { change(w, j) })
		if j, step, err := w.operator().Advance(t.Context(), w.secret.ARN); err != nil || !step.Left || j.Phase != migration.Sealing || len(w.changes) > 0 {
			t.Errorf("%s: %s (%s), %+v, changed %v, error %v", sentence, j.Phase, j.Reason, step, w.changes, err)
		}
	}
}

// What is seen of a resting job's secret is said where it is neither as it was nor as it was to be.
func TestWhatDiffersOfARestingJob(t *testing.T) {
	third := cmk("third", region)
	from := func(k guard.Key) func(*migration.Job) {
		return func(j *migration.Job) { j.Before = &migration.Before{KeyID: k.ARN, KeyARN: k.ARN} }
	}
	old, target := cmk("old", region), cmk("new", region)
	const neither, allTheSame = "neither the key it had", "all the same"
	for sentence, c := range map[string]struct {
		phase  migration.Phase
		before func(*migration.Job)
		under  guard.Key
		want   string
	}{
		"failed, under a third key":                   {migration.Failed, from(old), third, neither},
		"blocked, under a third key":                  {migration.Blocked, from(old), third, neither},
		"failed, under the key it had":                {migration.Failed, from(old), old, ""},
		"failed, under the key it was to get":         {migration.Failed, from(old), target, ""},
		"failed, never begun, under a third key":      {migration.Failed, nil, third, ""},
		"observed, under a third key":                 {migration.Observing, from(old), third, ""},
		"set back, under a third key":                 {migration.RolledBack, from(old), third, ""},
		"blocked, under the key it was to get":        {migration.Blocked, from(old), target, allTheSame},
		"blocked, and it was under that when we came": {migration.Blocked, from(target), target, ""},
		"blocked, never begun, under that key":        {migration.Blocked, nil, target, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := begun(t, func(j *migration.Job) {
				j.Phase = c.phase
				if c.before != nil {
					c.before(j)
				}
			})
			if err := w.worker("sweep").Compare(t.Context(), w.job(t), secret("db", c.under)); err != nil {
				t.Fatal(err)
			}
			if got := w.job(t).Differs; (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("differs %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatAProofNeeds(t *testing.T) {
	target := cmk("new", region)
	old, off := cmk("old", region), cmk("old", region)
	off.State = guard.KeyDisabled
	behindUnder := func(k guard.Key) guard.Secret {
		s := secret("db", target)
		s.Versions[0].Keys = []guard.Key{k}
		return s
	}
	hidden, mine := guard.Key{Manager: guard.ManagerUnknown}, target
	mine.Manager = guard.ManagerUnknown
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   migration.Proof
	}{
		"its key cannot be read":                         {secret("db", hidden), migration.Proof{Unread: true, Missing: "metadata of the key"}},
		"its key is named, and not described":            {secret("db", mine), migration.Proof{}},
		"its key is another":                             {secret("db", managed()), migration.Proof{Missing: "not under the new key"}},
		"its key is set, and a version is behind":        {func() guard.Secret { s := secret("db", target); s.Versions[0].Keys = []guard.Key{managed()}; return s }(), migration.Proof{Missing: "not re-encrypted"}},
		"a version is behind, under the AWS managed key": {behindUnder(managed()), migration.Proof{Missing: "the role doublelock-change probably lacks kms:Encrypt on " + target.ARN}},
		"a version is behind, under a key":               {behindUnder(old), migration.Proof{Missing: "the role doublelock-change probably lacks kms:Decrypt on " + old.ARN + " or kms:Encrypt on " + target.ARN}},
		"a version is behind, under a key that is off":   {behindUnder(off), migration.Proof{Missing: "its key " + off.ARN + " is in state Disabled: enable it, then set the key again"}},
		"its key is set, and every version has it":       {secret("db", target, managed()), migration.Proof{}},
	} {
		got := migration.Prove(c.secret, target.ARN)
		if c.want.Missing != "" && !strings.HasSuffix(got.Missing, c.want.Missing) && strings.Contains(c.want.Missing, "kms:") {
			t.Errorf("%s: %s", sentence, got.Missing)
		}
		if got.Unread != c.want.Unread || got.Proven() != c.want.Proven() || !strings.Contains(got.Missing, c.want.Missing) {
			t.Errorf("%s: %+v, want %+v", sentence, got, c.want)
		}
	}
}

func TestWhatCountsAsMoved(t *testing.T) {
	target, old := cmk("new", region), cmk("old", region)
	version := func(labels []string, keys ...guard.Key) guard.Secret {
		s := secret("db", old)
		s.Versions = []guard.Version{{ID: "v0", Keys: []guard.Key{target}}, {ID: "v1", Stages: labels, Keys: keys}}
		return s
	}
	current := []string{"AWSCURRENT"}
	unlisted := version(current, old)
	unlisted.VersionsUnread = true
	was := &migration.Before{KeyID: old.ARN, KeyARN: old.ARN}
	for sentence, c := range map[string]struct {
		job    migration.Job
		secret guard.Secret
		want   bool
	}{
		"nothing was recorded":                      {migration.Job{}, secret("db", target), false},
		"it is under another key":                   {migration.Job{Before: was}, secret("db", target), true},
		"a copy was taken away":                     {migration.Job{Before: was, Copies: []migration.ReplicaTo{{Region: other, Removed: now}}}, version(current, old), true},
		"a copy was not":                            {migration.Job{Before: was, Copies: []migration.ReplicaTo{{Region: other}}}, version(current, old), false},
		"a labelled version opens with the new key": {migration.Job{Before: was}, version(current, old, target), true},
		"a version without a label does":            {migration.Job{Before: was}, version(nil, old, target), false},
		"AWS lists no key of a labelled version":    {migration.Job{Before: was}, version(current), true},
		"the versions could not be read":            {migration.Job{Before: was}, unlisted, true},
		"it was under the new key when we came":     {migration.Job{Before: &migration.Before{KeyID: target.ARN, KeyARN: target.ARN}}, secret("db", target), false},
	} {
		c.job.Target = target.ARN
		if got := c.job.Moved(c.secret); got != c.want {
			t.Errorf("%s: %t", sentence, got)
		}
	}
}

// Who asks for a move, and why, is written down a single time for each person and reason.
func TestWhoAsksForAMoveIsWrittenDownWithTheReason(t *testing.T) {
	w := begun(t, inPhase(migration.Observing))
	for _, c := range []struct {
		by, why string
		turns   int
	}{{"anna", "", 0}, {"anna", "audit", 1}, {"anna", "audit", 1}, {"bert", "audit", 2}, {"bert", "ticket", 3}, {"bert", "", 3}} {
		e := w.worker("w1")
		e.By, e.Why = c.by, c.why
		if _, err := e.Start(t.Context(), w.item(), "plan", migration.Defaults()); err != nil {
			t.Fatal(err)
		}
		j, turns := w.job(t), 0
		for _, turn := range j.History {
			if strings.HasPrefix(turn.Reason, "asked for: ") {
				turns++
			}
		}
		if turns != c.turns || c.why != "" && (j.Asked == nil || j.Asked.By != c.by || j.Asked.Why != c.why) {
			t.Errorf("%s asks because of %q: %d times in its history, asked for %+v", c.by, c.why, turns, j.Asked)
		}
	}
}
