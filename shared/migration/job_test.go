package migration_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	arns "github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// What a job is said to be decides who moves it, which wave waits for it, and what is done with its secret.
func TestWhatAJobIsSaidToBe(t *testing.T) {
	type said struct{ Setting, UnderWay, Touched, TouchedByAnother, Past, PastAnother, Visit bool }
	rekeying := &migration.Pending{Action: migration.DoRekey}
	back := &migration.Pending{Action: "rollback"}
	was := &migration.Before{}
	for sentence, c := range map[string]struct {
		job  migration.Job
		want said
	}{
		"planned":                    {migration.Job{Phase: migration.Planned}, said{Visit: true}},
		"its key is being set":       {migration.Job{Phase: migration.Planned, Pending: rekeying, Before: was}, said{Setting: true, UnderWay: true, Touched: true, TouchedByAnother: true, Visit: true}},
		"going back was begun":       {migration.Job{Phase: migration.Failed, Pending: back, Before: was}, said{Touched: true, Past: true, Visit: true}},
		"observed":                   {migration.Job{Phase: migration.Observing, Before: was}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Visit: true}},
		"observed, with a key begun": {migration.Job{Phase: migration.Observing, Before: was, Pending: rekeying}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Visit: true}},
		"sealing":                    {migration.Job{Phase: migration.Sealing, Before: was}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Past: true, PastAnother: true, Visit: true}},
		"sealed":                     {migration.Job{Phase: migration.Sealed, Before: was}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Past: true, PastAnother: true}},
		"sealed, with a grant":       {migration.Job{Phase: migration.Sealed, Before: was, Rescues: []migration.Rescue{{}}}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Past: true, PastAnother: true, Visit: true}},
		"sealed, a grant has ended":  {migration.Job{Phase: migration.Sealed, Before: was, Rescues: []migration.Rescue{{Ended: now}}}, said{UnderWay: true, Touched: true, TouchedByAnother: true, Past: true, PastAnother: true}},
		"blocked":                    {migration.Job{Phase: migration.Blocked}, said{Past: true}},
		"blocked, with a notice":     {migration.Job{Phase: migration.Blocked, Outbox: []guard.Notice{{}}}, said{Past: true, Visit: true}},
		"failed":                     {migration.Job{Phase: migration.Failed, Before: was}, said{Touched: true, Past: true}},
		"set back":                   {migration.Job{Phase: migration.RolledBack, Before: was}, said{Touched: true, Past: true}},
	} {
		c.job.Plan = "plan"
		got := said{c.job.Setting(), c.job.UnderWay(), c.job.Touched("plan"), c.job.Touched("second"), c.job.PastObserving("plan"), c.job.PastObserving("second"), c.job.NeedsVisit()}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestOnlyReadersThatReadAndHaveToAreKnown(t *testing.T) {
	seen, allowed := []migration.Source{migration.SourceSeen}, []migration.Source{migration.SourceAllowed}
	readers := []migration.Reader{
		{Principal: "keeps", Verdict: migration.Keeps, Sources: seen, Class: migration.ClassSeen}, {Principal: "allowed", Verdict: migration.Unknown, Sources: allowed},
		{Principal: "cannot", Verdict: migration.Cannot, Sources: seen}, {Principal: "accepted", Verdict: migration.Loses, Sources: seen, Accepted: true},
		{Principal: "administrator", Verdict: migration.Loses, Sources: allowed, Class: migration.ClassCould},
	}
	known := []migration.Known{{Principal: "keeps", Seen: true}, {Principal: "allowed"}}
	for keep, want := range map[migration.Keep][]migration.Known{migration.KeepSeen: known, migration.KeepWorkloads: known, migration.KeepEverybody: append(known, migration.Known{Principal: "administrator"})} {
		if diff := cmp.Diff(want, migration.KnownReaders(readers, keep)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", keep, diff)
		}
	}
}

// The command lines of going back make its calls: of the key where it is another, and of the copies that we took away.
func TestCommandsOfGoingBack(t *testing.T) {
	const third, fourth = "us-east-1", "eu-north-1"
	old, target := cmk("old", region), cmk("new", region)
	rekey := awscli.OnSecret("update-secret", arn("db"), "--kms-key-id", old.ARN)
	remove := func(region string) string {
		return awscli.OnSecret("remove-regions-from-replication", arn("db"), "--remove-replica-regions", region)
	}
	add := func(to string) string {
		return awscli.OnSecret("replicate-secret-to-regions", arn("db"), "--add-replica-regions", to)
	}
	was := &migration.Before{KeyID: old.ARN, KeyARN: old.ARN, Replicas: []guard.Replica{{Region: other}, {Region: third, KeyID: "alias/x"}, {Region: "ap-south-1", KeyID: "k"}}}
	gone := func(regions ...string) []migration.ReplicaTo {
		var out []migration.ReplicaTo
		for _, r := range regions {
			out = append(out, migration.ReplicaTo{Region: r, Removed: now})
		}
		return out
	}
	is := func(key string, regions ...string) []guard.Replica {
		var out []guard.Replica
		for _, r := range regions {
			out = append(out, guard.Replica{Region: r, KeyID: key})
		}
		return out
	}
	for sentence, c := range map[string]struct {
		before   *migration.Before
		pending  *migration.Pending
		copies   []migration.ReplicaTo
		under    guard.Key
		replicas []guard.Replica
		want     []string
	}{
		"nothing was recorded":                      {nil, nil, nil, target, nil, nil},
		"it is as it was":                           {was, nil, nil, old, nil, nil},
		"it is as it was, and going back was begun": {was, &migration.Pending{Action: "rollback"}, gone(other), old, nil, []string{add("Region=" + other)}},
		"the key":                                 {was, nil, nil, target, nil, []string{rekey}},
		"the key, and a copy that is away":        {was, nil, gone(other), target, nil, []string{rekey, add("Region=" + other)}},
		"the key, and a copy under a key of ours": {was, nil, gone(third), target, is("ours", third), []string{rekey, remove(third), add("Region=" + third + ",KmsKeyId=alias/x")}},
		"a copy that is as it was":                {was, nil, gone(third, other), old, is("alias/x", third), []string{add("Region=" + other)}},
		"a copy that was not there before":        {was, nil, gone(fourth, other), old, nil, []string{add("Region=" + other)}},
		"a copy that we did not touch":            {was, nil, append([]migration.ReplicaTo{{Region: third}}, gone(other)...), old, is("ours", third), []string{add("Region=" + other)}},
		"a copy whose key we set where it is":     {was, nil, []migration.ReplicaTo{{Region: third, Moved: now}}, old, is("ours", third), []string{awscli.OnSecret("update-secret", arns.Of(arn("db")).In(third).String(), "--kms-key-id", "alias/x")}},
		"two copies whose keys we set where they are": {was, nil, []migration.ReplicaTo{{Region: third, Moved: now}, {Region: "ap-south-1", Moved: now}}, old, is("ours", third, "ap-south-1"), []string{
			awscli.OnSecret("update-secret", arns.Of(arn("db")).In(third).String(), "--kms-key-id", "alias/x"),
			awscli.OnSecret("update-secret", arns.Of(arn("db")).In("ap-south-1").String(), "--kms-key-id", "k")}},
		"such a copy that is as it was":          {was, nil, []migration.ReplicaTo{{Region: third, Moved: now}}, old, is("alias/x", third), nil},
		"such a copy that its owner took away":   {was, nil, []migration.ReplicaTo{{Region: third, Moved: now}}, old, nil, nil},
		"the first of two copies that are there": {was, nil, gone(other), old, append(is("ours", other), is("x", third)...), []string{remove(other), add("Region=" + other)}},
	} {
		s := secret("db", c.under)
		s.Replicas = c.replicas
		j := migration.Job{Secret: arn("db"), Target: target.ARN, Before: c.before, Pending: c.pending, Copies: c.copies}
		if diff := cmp.Diff(c.want, j.BackCommands(s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// Whoever asks to go back is kept, with each reason, a single time.
func TestEveryRequestToGoBackIsKeptASingleTime(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{{"alice", "a"}, {"alice", "a"}, {"alice", "b"}, {"bob", "a"}, {"bob", "b"}, {"bob", "b"}} {
		e := w.operator()
		e.By = r[0]
		if _, err := e.Rollback(t.Context(), w.secret.ARN, r[1]); !errors.Is(err, migration.ErrLeft) {
			t.Fatal(err)
		}
	}
	var got []string
	p := w.job(t).Pending
	for _, r := range append([]migration.Request{{By: p.By, Why: p.Why}}, p.Also...) {
		got = append(got, r.By+" "+r.Why)
	}
	if diff := cmp.Diff([]string{"alice a", "alice b", "bob a", "bob b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What became of a secret before decides whether the hub may move it by itself.
func TestWhatTheHubDoesNotMoveByItself(t *testing.T) {
	flips := func(n int) func(*migration.Job) {
		return func(j *migration.Job) {
			j.Phase, j.Reason, j.Tool = migration.Blocked, "a reader would lose access", "terraform"
			for range n {
				j.Flips = append(j.Flips, migration.Flip{At: now.Add(-time.Hour)})
			}
		}
	}
	anyFlips := func(n, most int) func(*migration.Job) {
		return func(j *migration.Job) { flips(n)(j); j.Rules.Flips = most }
	}
	for sentence, c := range map[string]struct {
		job     func(*migration.Job)
		refused string
		waits   string
		moved   bool
	}{
		"nothing speaks against it": {func(j *migration.Job) { j.Plan = "" }, "", "", true},
		"it failed before":          {func(j *migration.Job) { inPhase(migration.Failed)(j); j.Before = nil }, "", "", true},
		"it was set back": {func(j *migration.Job) {
			inPhase(migration.RolledBack)(j)
			j.Reason, j.Since = "the app broke", now.Add(-time.Hour)
		}, "it was set back (the app broke)", "", false},
		"it was set back just now":                    {func(j *migration.Job) { inPhase(migration.RolledBack)(j); j.Since = now.Add(-time.Minute) }, "", "less than 10m0s ago", false},
		"it is blocked":                               {flips(0), "a reader would lose access", "", false},
		"it is blocked, and was moved back once":      {flips(1), "a reader would lose access", "", false},
		"somebody undoes it":                          {flips(2), "moved back 2 times: terraform undoes the change", "", false},
		"somebody undid it, where no time is allowed": {anyFlips(1, 1), "moved back 1 time: terraform undoes the change", "", false},
		"nobody undid it, where no time is allowed":   {anyFlips(0, 0), "a reader would lose access", "", false},
		"it is a plan's":                              {func(j *migration.Job) { j.Reason = "outside the window" }, "", "plan plan moves it: outside the window", false},
		"it is a plan's, whose change was begun": {func(j *migration.Job) {
			j.Before = &migration.Before{}
			j.Pending = &migration.Pending{Action: migration.DoRekey, At: now}
		}, "", "", true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := begun(t, c.job)
			_, step, err := w.worker("hub").Order(t.Context(), w.asked("n-1"))
			if err != nil {
				t.Fatal(err)
			}
			reason := ""
			if step.Refused != nil {
				reason = step.Refused.Reason
			}
			if (reason == "") != (c.refused == "") || !strings.Contains(reason, c.refused) {
				t.Errorf("refused %q, want %q", reason, c.refused)
			}
			if !strings.Contains(step.Reason, c.waits) || (len(w.changes) > 0) != c.moved {
				t.Errorf("%+v, changed %v", step, w.changes)
			}
		})
	}
}

// What an order finds in the way is the owner's answer, and is stored nowhere.
func TestAnOrderThatCannotBeObeyedIsAnswered(t *testing.T) {
	losing := migration.Reader{Principal: role("app"), Verdict: migration.Loses}
	for sentence, c := range map[string]struct {
		world   func(*granting)
		refused *guard.Move
	}{
		"readers would lose access": {func(g *granting) { g.readers = []migration.Reader{losing} }, &guard.Move{Breaks: []string{role("app") + " would lose access"}}},
		"its deletion is scheduled": {func(g *granting) { g.secret.DeletedAt = now }, &guard.Move{Reason: "its deletion is scheduled"}},
		"it is gone":                {func(g *granting) { g.refusing("Describe", guard.ErrGone) }, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			g := &granting{fake: steady(t)}
			c.world(g)
			e := g.worker("hub")
			e.Preflight = problematic{g}
			_, step, err := e.Order(t.Context(), g.asked("n-1"))
			if diff := cmp.Diff(c.refused, step.Refused); diff != "" || err != nil || len(g.changes) > 0 || len(g.stored) > 0 {
				t.Errorf("%+v, changed %v, stored %s, error %v (-want +got):\n%s", step, g.changes, g.stored, err, diff)
			}
		})
	}
}

// problematic says of each reader that it would lose access.
type problematic struct{ *granting }

func (p problematic) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	a := migration.Assessment{Readers: p.readers}
	for _, r := range p.readers {
		a.Problems = append(a.Problems, r.Principal+" would lose access")
	}
	return a, nil
}

func TestAComplaintCountsWhatItLeavesOut(t *testing.T) {
	for n, want := range map[int]int{5: 5, 6: 6, 8: 6} {
		var a migration.Assessment
		for range n {
			a.Problems = append(a.Problems, "x would lose access")
		}
		got := a.Complaint().Breaks
		if len(got) != want || n == 8 && got[5] != "and 3 more" || n == 5 && got[4] != "x would lose access" {
			t.Errorf("%d problems: %q", n, got)
		}
	}
}

// What waits to be said and what waits to be answered need a visit each, however many there are of both.
func TestASealedJobIsVisitedForWhatWaitsInIt(t *testing.T) {
	for sentence, c := range map[string]struct {
		job  migration.Job
		want bool
	}{
		"nothing":                     {migration.Job{Phase: migration.Sealed}, false},
		"a notice":                    {migration.Job{Phase: migration.Sealed, Outbox: []guard.Notice{{ID: "n"}}}, true},
		"a denied read":               {migration.Job{Phase: migration.Sealed, Refusals: []migration.Refused{{EventID: "e"}}}, true},
		"a notice and a denied read":  {migration.Job{Phase: migration.Sealed, Outbox: []guard.Notice{{ID: "n"}}, Refusals: []migration.Refused{{EventID: "e"}}}, true},
		"it rests, and a notice does": {migration.Job{Phase: migration.Blocked, Outbox: []guard.Notice{{ID: "n"}}}, true},
	} {
		if got := c.job.NeedsVisit(); got != c.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

func TestThatAnotherWorkerIsAtASecretPassesLikeAConflict(t *testing.T) {
	if !errors.Is(migration.ErrBusy, guard.ErrConflict) || errors.Is(migration.ErrBusy, guard.ErrDenied) || errors.Is(migration.ErrBusy, guard.ErrGone) {
		t.Error("it is not tried again, or taken for something that lasts")
	}
}

// A go-ahead shortens what waits for readers, and nothing later; a way back is one when its moment and the lock are recorded.
func TestWhatWaitsForAGoAheadAndWhatIsAWayBack(t *testing.T) {
	for sentence, c := range map[string]struct {
		job   migration.Job
		waits bool
	}{
		"its readers are observed":     {migration.Job{Phase: migration.Observing}, true},
		"it is sealing":                {migration.Job{Phase: migration.Sealing}, true},
		"a first new version is there": {migration.Job{Phase: migration.Sealing, FirstNewAt: now}, false},
		"it is planned":                {migration.Job{Phase: migration.Planned}, false},
	} {
		if got := c.job.Waits(); got != c.waits {
			t.Errorf("%s: waits %t", sentence, got)
		}
	}
	for before, want := range map[*migration.Before]bool{
		nil: false, {}: false, {At: now}: false, {State: guard.StateDefault}: false, {At: now, State: guard.StateDefault}: true,
	} {
		if got := before.Recorded(); got != want {
			t.Errorf("%+v: recorded %t", before, got)
		}
	}
}
