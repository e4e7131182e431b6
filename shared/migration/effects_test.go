package migration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// moved is a secret that apply has moved, and whose readers are observed.
func moved(t *testing.T) *fake {
	t.Helper()
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.notices, w.entries, w.changes = nil, nil, nil
	return w
}

func (w *fake) rollback(t *testing.T, by string) (migration.Job, error) {
	t.Helper()
	e := w.worker(by)
	e.By = by
	return e.Rollback(t.Context(), w.secret.ARN, "the app broke")
}

// calls counts calls by name from now on.
func (w *fake) calls() map[string]int {
	counted := map[string]int{}
	w.trouble = func(at string) error {
		if name, is := strings.CutPrefix(at, "before "); is {
			counted[name]++
		}
		return nil
	}
	return counted
}

// Our own tags come back as they were; those of others stay as they are now.
func TestGoingBackRestoresOurTagsAndNoOthers(t *testing.T) {
	for sentence, c := range map[string]struct {
		before, now, want map[string]string
		tag, untag        int
	}{
		"all of it":              {map[string]string{"doublelock:state": "default", "Owner": "a"}, map[string]string{"doublelock:state": "dual", "doublelock:new": "x", "Owner": "b"}, map[string]string{"doublelock:state": "default", "Owner": "b"}, 1, 1},
		"one that we took away":  {map[string]string{"doublelock:state": "default"}, map[string]string{}, map[string]string{"doublelock:state": "default"}, 1, 0},
		"one that we added":      {map[string]string{}, map[string]string{"doublelock:state": "dual"}, map[string]string{}, 0, 1},
		"nothing that is ours":   {map[string]string{"doublelock:state": "default"}, map[string]string{"doublelock:state": "default", "Owner": "b"}, map[string]string{"doublelock:state": "default", "Owner": "b"}, 0, 0},
		"the wave is the owners": {map[string]string{migration.TagWave: "canary"}, map[string]string{migration.TagWave: "prod"}, map[string]string{migration.TagWave: "prod"}, 0, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := steady(t)
			w.secret.Tags = c.before
			if err := w.apply(t); err != nil {
				t.Fatal(err)
			}
			w.secret.Tags = c.now
			calls := w.calls()
			if _, err := w.rollback(t, "alice"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, w.secret.Tags); diff != "" || calls["Tag"] != c.tag || calls["Untag"] != c.untag {
				t.Errorf("tagged %d and untagged %d times (-want +got):\n%s", calls["Tag"], calls["Untag"], diff)
			}
		})
	}
}

// A copy that we made again under another key is made again under the one it had.
func TestGoingBackMakesTheCopiesAgainThatWeTookAway(t *testing.T) {
	const third = "us-east-1"
	ours := cmk("far", other)
	copies := []migration.ReplicaTo{{Region: "ap-south-1"}, {Region: third, Removed: now}, {Region: other, Removed: now, Done: now}}
	for sentence, c := range map[string]struct {
		replicas []guard.Replica
		want     []string
	}{
		"it is under a key of ours": {[]guard.Replica{{Region: third, KeyID: "theirs"}, {Region: other, KeyID: ours.ARN, Key: ours}}, []string{"UpdateSecret", "RemoveRegionsFromReplication", "ReplicateSecretToRegions"}},
		"it is away":                {nil, []string{"UpdateSecret", "ReplicateSecretToRegions"}},
		"it is as it was":           {[]guard.Replica{{Region: other, KeyID: ""}}, []string{"UpdateSecret"}},
		"another copy is as it was": {[]guard.Replica{{Region: third, KeyID: ""}}, []string{"UpdateSecret", "ReplicateSecretToRegions"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := moved(t)
			w.secret.Replicas = c.replicas
			w.edit(t, func(j *migration.Job) {
				j.Before.Replicas, j.Copies = []guard.Replica{{Region: other, KeyID: ""}}, copies
			})
			j, err := w.rollback(t, "alice")
			if diff := cmp.Diff(c.want, w.changes); diff != "" || err != nil || j.Phase != migration.RolledBack || !j.Copies[2].Removed.IsZero() || !j.Copies[2].Done.IsZero() {
				t.Errorf("%s, copies %+v, error %v (-want +got):\n%s", j.Phase, j.Copies, err, diff)
			}
		})
	}
}

// A copy gets its key where it is, where readers go on. It is taken away only where AWS refuses that, and not where a right of ours
// is missing: to take it away would not bring the right.
func TestACopyGetsItsKeyWhereItIs(t *testing.T) {
	const there = string(migration.DoRekeyReplica)
	far := cmk("far", other)
	copying := func(t *testing.T) *fake {
		w := moved(t)
		w.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
		w.secret.Replicas = []guard.Replica{copied(w.secret.Versions, "")}
		w.edit(t, func(j *migration.Job) {
			j.Phase, j.FirstNewAt, j.Seal = migration.Sealing, now, migration.SealRotate
			j.Before.Replicas, j.Copies = []guard.Replica{{Region: other, KeyID: ""}}, []migration.ReplicaTo{{Region: other, Target: far.ARN}}
		})
		w.now = w.now.Add(time.Hour)
		return w
	}
	advance := func(t *testing.T, w *fake) migration.Job {
		j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		return j
	}
	t.Run("its key is set, and two new versions seal it", func(t *testing.T) {
		w := copying(t)
		var j migration.Job
		for range 3 {
			j = advance(t, w)
		}
		if j.Phase != migration.Sealing || !strings.Contains(j.Reason, "AWSPREVIOUS still opens") {
			t.Fatalf("%s (%s), changes %v", j.Phase, j.Reason, w.changes)
		}
		w.write()
		j = advance(t, w)
		if diff := cmp.Diff([]string{there, "RotateSecret"}, w.changes); diff != "" || j.Phase != migration.Sealed || j.Copies[0].Moved.IsZero() {
			t.Fatalf("%s (%s), copies %+v (-want +got):\n%s", j.Phase, j.Reason, j.Copies, diff)
		}
		w.changes = nil
		if j, err := w.rollback(t, "alice"); err != nil || j.Phase != migration.RolledBack || j.Copies[0].Moved != (time.Time{}) || w.secret.Replicas[0].KeyID != "" {
			t.Errorf("%s (%s), copies %+v, error %v", j.Phase, j.Reason, j.Copies, err)
		}
		if diff := cmp.Diff([]string{"UpdateSecret", there}, w.changes); diff != "" {
			t.Errorf("going back (-want +got):\n%s", diff)
		}
	})
	t.Run("it cannot be set back there, so the copy is made again", func(t *testing.T) {
		w := copying(t)
		advance(t, w)
		w.changes, w.fixed = nil, true
		if j, err := w.rollback(t, "alice"); err != nil || j.Phase != migration.RolledBack || w.secret.Replicas[0].KeyID != "" {
			t.Errorf("%s (%s), error %v", j.Phase, j.Reason, err)
		}
		if diff := cmp.Diff([]string{"UpdateSecret", "RemoveRegionsFromReplication", "ReplicateSecretToRegions"}, w.changes); diff != "" {
			t.Errorf("going back (-want +got):\n%s", diff)
		}
	})
	t.Run("what its owner took away stays so", func(t *testing.T) {
		w := copying(t)
		advance(t, w)
		w.changes, w.secret.Replicas = nil, nil
		if j, err := w.rollback(t, "alice"); err != nil || j.Phase != migration.RolledBack || !slices.Equal(w.changes, []string{"UpdateSecret"}) {
			t.Errorf("%s (%s), changes %v, error %v", j.Phase, j.Reason, w.changes, err)
		}
	})
	t.Run("AWS refuses it: the copy is made again", func(t *testing.T) {
		w := copying(t)
		w.fixed = true
		j := advance(t, w)
		if diff := cmp.Diff([]string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"}, w.changes); diff != "" || j.Phase != migration.Sealed || j.Copies[0].Refused.IsZero() {
			t.Errorf("%s (%s), copies %+v (-want +got):\n%s", j.Phase, j.Reason, j.Copies, diff)
		}
	})
	t.Run("we may not: nothing is taken away", func(t *testing.T) {
		w := copying(t)
		w.refusing(there, guard.ErrDenied)
		if j := advance(t, w); j.Phase != migration.Failed || len(w.changes) > 0 || !strings.HasPrefix(j.Reason, there+" was refused: ") {
			t.Errorf("%s (%s), changes %v", j.Phase, j.Reason, w.changes)
		}
	})
	t.Run("the primary does not say it: it was seen there", func(t *testing.T) {
		w := copying(t)
		w.edit(t, func(j *migration.Job) { j.Copies[0].Moved = now })
		if j := advance(t, w); len(w.changes) > 0 && w.changes[0] != "RotateSecret" {
			t.Errorf("%s (%s), changes %v", j.Phase, j.Reason, w.changes)
		}
	})
}

// Going back that nobody can prove is said a single time, is no error of whoever comes by, and goes on.
func TestGoingBackThatIsNotProvenGoesOn(t *testing.T) {
	w := moved(t)
	w.secret.VersionsUnread = true
	if _, err := w.rollback(t, "alice"); err == nil || !strings.Contains(err.Error(), "not proven") {
		t.Fatalf("error %v", err)
	}
	for range 2 {
		w.now = w.now.Add(time.Hour)
		if j, step, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || step.Action != migration.DoWait || step.Left || !strings.Contains(step.Reason, "could not be read") || j.Phase != migration.Observing {
			t.Errorf("%s, %+v, error %v", j.Phase, step, err)
		}
	}
	if len(w.notices) != 1 || !w.notices[0].Move.Unproven {
		t.Errorf("notices %+v", w.notices)
	}
	if _, step, err := w.operator().Advance(t.Context(), w.secret.ARN); err != nil || !step.Left {
		t.Errorf("who may not change it: %+v, error %v", step, err)
	}
	w.secret.VersionsUnread = false
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.RolledBack {
		t.Errorf("when it can be read: %s (%s), error %v", j.Phase, j.Reason, err)
	}
}

// A version that nobody reads by a label proves nothing; behind it one may be closed to its readers.
func TestAVersionThatDoesNotComeBackIsFoundBehindOneWithoutLabels(t *testing.T) {
	w := moved(t)
	w.secret.Versions = []guard.Version{{ID: "v0", Keys: []guard.Key{cmk("new", region)}}, {ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{cmk("new", region)}}}
	w.silent = true
	if _, err := w.rollback(t, "alice"); err == nil || !strings.Contains(err.Error(), "version v2 opens with the new key only") || w.job(t).Phase != migration.Failed {
		t.Errorf("%s, error %v", w.job(t).Phase, err)
	}
}

// Who asked for going back is named where somebody else makes it.
func TestWhoAskedForGoingBackIsNamedWhereItIsSomebodyElse(t *testing.T) {
	for by, want := range map[string]string{"alice": "", "": "", "bob": "bob"} {
		w := moved(t)
		w.edit(t, func(j *migration.Job) {
			j.Pending = &migration.Pending{Action: "rollback", At: now, Why: "the app broke", By: by}
		})
		e := w.worker("alice")
		e.By = "alice"
		j, _, err := e.Advance(t.Context(), w.secret.ARN)
		reason := "the app broke"
		if want != "" {
			reason += " (asked for by bob)"
		}
		if err != nil || j.Phase != migration.RolledBack || j.Reason != reason || len(w.entries) != 1 || w.entries[0].After["askedBy"] != want {
			t.Errorf("asked for by %q: %s (%s), journal %+v, error %v", by, j.Phase, j.Reason, w.entries, err)
		}
	}
}

func TestARotationIsWrittenDownWithTheVersionItReplaces(t *testing.T) {
	sealing := func(t *testing.T) *fake {
		w := moved(t)
		w.secret.Versions = append([]guard.Version{{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{managed()}}}, w.secret.Versions...)
		w.edit(t, func(j *migration.Job) { j.Phase, j.Seal = migration.Sealing, migration.SealRotate })
		w.now = w.now.Add(time.Hour)
		return w
	}
	w := sealing(t)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Reason != "the rotation is under way" || len(w.entries) != 1 || w.entries[0].Before["version"] != "v1" || !slices.Equal(w.changes, []string{"RotateSecret"}) {
		t.Errorf("%s (%s), journal %+v, changes %v, error %v", j.Phase, j.Reason, w.entries, w.changes, err)
	}
	w = sealing(t)
	w.refusing("RotateSecret", guard.ErrRefused)
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Failed || !strings.HasPrefix(j.Reason, "RotateSecret was refused: ") {
		t.Errorf("refused: %s (%s), error %v", j.Phase, j.Reason, err)
	}
	w = sealing(t)
	w.refusing("RotateSecret", errDied)
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); !errors.Is(err, errDied) || j.Phase != migration.Sealing {
		t.Errorf("not answered: %s (%s), error %v", j.Phase, j.Reason, err)
	}
}

// A copy that was made again cannot be read before it is in sync: going back has not come to its end, and one that failed is made again.
func TestGoingBackWaitsForTheCopiesThatItMadeAgain(t *testing.T) {
	w := moved(t)
	w.edit(t, func(j *migration.Job) {
		j.Before.Replicas = []guard.Replica{{Region: other, KeyID: cmk("was", other).ARN, Key: farKey(cmk("was", other).ARN)}}
		j.Copies = []migration.ReplicaTo{{Region: other, Target: cmk("far", other).ARN, Removed: now}}
	})
	w.status = "InProgress"
	if _, err := w.rollback(t, "alice"); err == nil || !strings.Contains(err.Error(), "the copy in "+other+" that was made again is InProgress") {
		t.Fatalf("error %v", err)
	}
	for status, changes := range map[string]int{"InProgress": 0, "Failed": 2} { // in any order
		before := len(w.changes)
		w.secret.Replicas[0].Status, w.status = status, status
		j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
		if err != nil || j.Phase == migration.RolledBack || len(w.changes)-before != changes {
			t.Errorf("%s: %s (%s), changes %v, error %v", status, j.Phase, j.Reason, w.changes[before:], err)
		}
	}
	w.secret.Replicas[0].Status = "InSync"
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.RolledBack || !j.Copies[0].Removed.IsZero() {
		t.Errorf("in sync: %s (%s), error %v", j.Phase, j.Reason, err)
	}
}

func TestACopyIsWrittenDownWithTheKeyItHad(t *testing.T) {
	const third = "us-east-1"
	away := now.Add(-time.Hour)
	copying := func(t *testing.T) *fake {
		w := moved(t)
		w.secret.Versions[0].Keys = []guard.Key{cmk("new", region)}
		w.secret.Replicas = []guard.Replica{{Region: other, KeyID: "alias/was", Key: managed(), Status: "InSync"}}
		w.fixed = true
		w.edit(t, func(j *migration.Job) {
			j.Phase, j.FirstNewAt = migration.Sealing, now
			j.Before.Replicas = []guard.Replica{{Region: third, KeyID: "alias/third"}, {Region: other, KeyID: "alias/was"}, {Region: "ap-south-1", KeyID: "alias/south"}}
			j.Copies = []migration.ReplicaTo{{Region: third, Target: "x"}, {Region: other, Target: cmk("far", other).ARN}, {Region: "ap-south-1", Target: "y", Removed: away, Done: now}}
		})
		w.now = w.now.Add(time.Hour)
		return w
	}
	w := copying(t)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	if err != nil || j.Phase != migration.Sealed || !slices.Equal(w.changes, []string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"}) {
		t.Fatalf("%s (%s), changes %v, error %v", j.Phase, j.Reason, w.changes, err)
	}
	for i, want := range []time.Time{{}, w.now, away} {
		if !j.Copies[i].Removed.Equal(want) {
			t.Errorf("copy in %s was taken away at %s, want %s", j.Copies[i].Region, j.Copies[i].Removed, want)
		}
	}
	for _, e := range w.entries {
		if strings.Contains(e.Action, "egion") && (e.Before["region"] != other || e.Before["kmsKeyId"] != "alias/was") {
			t.Errorf("journal %+v", e)
		}
	}
	for _, call := range []string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"} {
		w = copying(t)
		w.refusing(call, guard.ErrRefused)
		if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Failed || !strings.HasPrefix(j.Reason, call+" was refused: ") {
			t.Errorf("%s refused: %s (%s), error %v", call, j.Phase, j.Reason, err)
		}
		w = copying(t)
		w.refusing(call, errDied)
		if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); !errors.Is(err, errDied) || j.Phase != migration.Sealing {
			t.Errorf("%s not answered: %s (%s), error %v", call, j.Phase, j.Reason, err)
		}
	}
	// A worker that dies behind the call leaves a copy that the next one finds.
	for _, call := range []string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"} {
		g := &granting{fake: copying(t), grants: map[string]string{}}
		g.trouble = func(at string) error {
			if at == "after "+call {
				panic(errDied)
			}
			return nil
		}
		killed(t, func() { _, _, _ = g.fake.worker("w").Advance(t.Context(), g.secret.ARN) })
		g.trouble = func(string) error { return nil }
		g.patiently(t, func() error { _, _, err := g.fake.worker("sweep").Advance(t.Context(), g.secret.ARN); return err })
		if !slices.Equal(g.changes, []string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"}) || g.job(t).Phase != migration.Sealed {
			t.Errorf("died after %s: changes %v, %s", call, g.changes, g.job(t).Phase)
		}
	}
}

// What was not proven at first, and is later, is written down a second time.
func TestAProofThatComesLateIsWrittenDown(t *testing.T) {
	w := steady(t)
	w.secret.VersionsUnread = true
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.secret.VersionsUnread, w.now = false, w.now.Add(time.Hour)
	if j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || j.Phase != migration.Observing {
		t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
	}
	var ids, results []string
	for _, e := range w.entries {
		if e.Action == "DescribeSecret" {
			ids, results = append(ids, e.ID), append(results, fmt.Sprint(e.After["result"] == "done"))
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] || !strings.Contains(ids[1], ids[0]+"|") || !slices.Equal(results, []string{"false", "true"}) {
		t.Errorf("entries %q, done %v", ids, results)
	}
}

// So is a failure that comes late.
func TestAFailureThatComesLateIsWrittenDown(t *testing.T) {
	w := steady(t)
	w.silent, w.secret.VersionsUnread = true, true
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.secret.VersionsUnread, w.now = false, w.now.Add(time.Hour)
	j, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN)
	last := w.entries[len(w.entries)-1]
	if err != nil || j.Phase != migration.Failed || last.Action != "DescribeSecret" || last.After["result"] != j.Reason {
		t.Errorf("%s (%s), journal %+v, error %v", j.Phase, j.Reason, last, err)
	}
}

// A visit that found nothing new writes nothing; one that cannot write says so, but for what another has written since.
func TestAVisitWritesWhatHasChanged(t *testing.T) {
	w := moved(t)
	calls := w.calls()
	if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); err != nil || calls["Save"] > 1 {
		t.Errorf("saved %d times, error %v", calls["Save"], err)
	}
	for meaning, fails := range map[error]bool{errDied: true, guard.ErrConflict: false} {
		w := moved(t)
		w.edit(t, func(j *migration.Job) { j.Reason = "of an older version" })
		w.refusing("Save", meaning)
		if _, _, err := w.worker("sweep").Advance(t.Context(), w.secret.ARN); errors.Is(err, meaning) != fails {
			t.Errorf("%v: error %v", meaning, err)
		}
	}
}

func TestStatusSaysWhatGoingBackWaitsFor(t *testing.T) {
	for sentence, c := range map[string]struct {
		reason string
		tries  int
		want   string
	}{
		"just asked for":           {"", 0, "going back was asked for by bob (why); it is not done yet"},
		"asked for while it waits": {"observing its readers", 0, "going back was asked for by bob (why); it is not done yet"},
		"not proven":               {"the versions could not be read", 1, "the versions could not be read"},
		"tried, and nothing said":  {"", 1, "going back was asked for by bob (why); it is not done yet"},
	} {
		j := job(migration.Observing)
		j.Reason, j.Pending = c.reason, &migration.Pending{Action: "rollback", By: "bob", Why: "why", Tries: c.tries}
		got := migration.Summarize([]migration.Job{j}, nil).Waiting
		if len(got) != 1 || got[0].For != "time" || !strings.HasPrefix(got[0].Reason, c.want) {
			t.Errorf("%s: %+v", sentence, got)
		}
	}
}
