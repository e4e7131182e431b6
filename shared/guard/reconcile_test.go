package guard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
)

var cause = guard.Cause{Actor: "arn:aws:iam::111122223333:user/alice", Tool: "terraform", EventID: "e-1"}

// look is one visit: evaluate the secret and move the record.
func look(rec guard.Record, s guard.Secret, mode guard.Mode, at time.Time, waivers ...guard.Waiver) guard.Record {
	return guard.Reconcile(rec, s, guard.Evaluate(s, guard.Standard{}, at), waivers, mode, at, cause)
}

func kinds(r guard.Record) []string {
	var out []string
	for _, n := range r.Outbox {
		entry := string(n.Kind)
		if n.Finding != nil {
			entry += " " + string(n.Finding.Control)
		}
		out = append(out, entry)
	}
	return out
}

func TestReconcileAnnouncesEachChangeOnce(t *testing.T) {
	var rec guard.Record
	steps := []struct {
		sentence string
		secret   guard.Secret
		want     []string
		state    guard.LockState
	}{
		{"found on the default key", secret(awsKey, awsKey), []string{"finding_opened DL.SECRET.1"}, guard.StateDefault},
		{"seen again unchanged", secret(awsKey, awsKey), nil, guard.StateDefault},
		{"re-keyed", secret(ownKey, ownKey, awsKey), []string{"finding_resolved DL.SECRET.1", "finding_opened DL.SECRET.2"}, guard.StateDual},
		{"a look that failed closes nothing", secret(guard.Key{ARN: ownKey.ARN}), nil, guard.StateUnknown},
		{"sealed by a new version", secret(ownKey, ownKey), []string{"finding_resolved DL.SECRET.2", "sealed"}, guard.StateSealed},
		{"set back to the default key", secret(awsKey, awsKey), []string{"finding_opened DL.SECRET.1", "drifted"}, guard.StateDrifted},
	}
	at := now
	for _, step := range steps {
		at = at.Add(time.Minute)
		rec.Outbox = nil
		rec = look(rec, step.secret, guard.ModeNotify, at)
		if rec.State != step.state {
			t.Errorf("%s: state = %q, want %q", step.sentence, rec.State, step.state)
		}
		if diff := cmp.Diff(step.want, kinds(rec)); diff != "" {
			t.Errorf("%s: noticed (-want +got):\n%s", step.sentence, diff)
		}
	}
}

func TestOnlyTheDefaultKeyFindingAsksForARekey(t *testing.T) {
	bad := with(secret(awsKey, awsKey), func(s *guard.Secret) {
		s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: awsKey}}
	})
	rec := look(guard.Record{}, bad, guard.ModeRemediate, now)
	var rekeys []guard.ControlID
	for _, n := range rec.Outbox {
		if n.Decision.Rekey {
			rekeys = append(rekeys, n.Finding.Control)
		}
	}
	if diff := cmp.Diff([]guard.ControlID{guard.SecretDefaultKey}, rekeys); diff != "" {
		t.Errorf("rekeys (-want +got):\n%s", diff)
	}
}

func TestAWaiverSilencesUntilItEnds(t *testing.T) {
	waiver := guard.Waiver{Control: guard.SecretDefaultKey, Resource: "arn:aws:secretsmanager:*:111122223333:secret:shop/*", By: "ciso", Reason: "vendor", Expires: now.Add(time.Hour)}
	rec := look(guard.Record{}, secret(awsKey, awsKey), guard.ModeRemediate, now, waiver)
	if rec.Findings[0].Status != guard.FindingWaived || rec.Outbox[0].Notified() || rec.Outbox[0].Decision.Rekey {
		t.Fatalf("a waived finding is %+v, noticed as %+v", rec.Findings[0], rec.Outbox[0].Decision)
	}
	if tags := guard.Tags(rec); tags[guard.TagControls] != "none" {
		t.Errorf("a waived control is tagged: %v", tags)
	}
	rec.Outbox = nil
	rec = look(rec, secret(awsKey, awsKey), guard.ModeRemediate, now.Add(2*time.Hour), waiver)
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.1"}, kinds(rec)); diff != "" {
		t.Errorf("after the waiver ended (-want +got):\n%s", diff)
	}
	if !rec.Outbox[0].Decision.Rekey {
		t.Error("after the waiver ended nothing is remediated")
	}
}

func TestADeletedSecretResolvesItsFindingsOnce(t *testing.T) {
	rec := look(guard.Record{}, secret(awsKey, awsKey), guard.ModeNotify, now)
	rec.Outbox = nil
	rec = guard.ReconcileGone(rec, now.Add(time.Hour), cause)
	if diff := cmp.Diff([]string{"finding_resolved DL.SECRET.1"}, kinds(rec)); diff != "" {
		t.Errorf("noticed (-want +got):\n%s", diff)
	}
	if len(rec.Open()) != 0 || rec.GoneAt.IsZero() {
		t.Errorf("open %v, gone at %v", rec.Open(), rec.GoneAt)
	}
	again := guard.ReconcileGone(rec, now.Add(2*time.Hour), cause)
	if diff := cmp.Diff(rec, again); diff != "" {
		t.Errorf("a second time changes (-first +second):\n%s", diff)
	}
}

func TestARestoredSecretIsJudgedAgain(t *testing.T) {
	deleted := with(secret(awsKey, awsKey), func(s *guard.Secret) { s.DeletedAt = now })
	rec := look(guard.Record{}, secret(awsKey, awsKey), guard.ModeNotify, now)
	rec = look(rec, deleted, guard.ModeNotify, now.Add(time.Minute))
	if len(rec.Open()) != 0 || rec.GoneAt.IsZero() {
		t.Fatalf("pending deletion leaves %v open, gone at %v", rec.Open(), rec.GoneAt)
	}
	rec = look(rec, secret(awsKey, awsKey), guard.ModeNotify, now.Add(2*time.Minute))
	if len(rec.Open()) != 1 || !rec.GoneAt.IsZero() {
		t.Errorf("a restored secret has %v open, gone at %v", rec.Open(), rec.GoneAt)
	}
}

func TestReconcileHoldsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := []guard.Key{awsKey, ownKey, otherKey, centralKey, {}, inState(ownKey, guard.KeyDisabled)}
		mode := rapid.SampledFrom(guard.Modes()).Draw(t, "mode")
		var rec guard.Record
		at := now
		for i := range rapid.IntRange(1, 12).Draw(t, "looks") {
			at = at.Add(time.Minute)
			opens := rapid.SliceOfN(rapid.SampledFrom(keys), 0, 2).Draw(t, fmt.Sprint("opens", i))
			s := secret(rapid.SampledFrom(keys).Draw(t, fmt.Sprint("key", i)), opens...)
			before := slices.Clone(rec.Outbox)
			rec = look(rec, s, mode, at)
			if again := look(rec, s, mode, at); cmp.Diff(rec, again) != "" {
				t.Fatalf("looking twice at one moment changes the record:\n%s", cmp.Diff(rec, again))
			}
			if len(rec.Outbox) < len(before) {
				t.Fatal("a look took something out of the outbox")
			}
			seen := map[string]bool{}
			for _, n := range rec.Outbox {
				if seen[n.ID] {
					t.Fatalf("two notices share the ID %s", n.ID)
				}
				seen[n.ID] = true
			}
			for _, f := range rec.Findings {
				if f.Status == guard.FindingResolved && f.ResolvedAt.Before(f.OpenedAt) {
					t.Fatalf("%s resolved before it opened", f.ID())
				}
			}
		}
	})
}

func TestARekeyThatWasAskedForAndNotDoneIsAskedForAgain(t *testing.T) {
	rec := look(guard.Record{}, secret(awsKey, awsKey), guard.ModeRemediate, now)
	for _, step := range []struct {
		sentence string
		after    time.Duration
		want     []string
	}{
		{"a look soon after waits", 59 * time.Minute, nil},
		{"an hour later it is asked for again", time.Hour, []string{"rekey_due DL.SECRET.1"}},
		{"and then waited for again", 90 * time.Minute, nil},
		{"for as long as it is not done", 2 * time.Hour, []string{"rekey_due DL.SECRET.1"}},
	} {
		rec.Outbox = nil
		rec = look(rec, secret(awsKey, awsKey), guard.ModeRemediate, now.Add(step.after))
		if diff := cmp.Diff(step.want, kinds(rec)); diff != "" {
			t.Errorf("%s: noticed (-want +got):\n%s", step.sentence, diff)
		}
		for _, n := range rec.Outbox {
			if !n.Decision.Rekey {
				t.Errorf("%s: the notice does not ask for a re-key", step.sentence)
			}
		}
	}
	rec.Outbox = nil
	if rec = look(rec, secret(awsKey, awsKey), guard.ModeNotify, now.Add(5*time.Hour)); len(rec.Outbox) != 0 {
		t.Errorf("in notify mode there is %v", kinds(rec))
	}
}

// A key that is set and not proven makes nothing done: its finding ends, and says that the rest is not known.
func TestAFindingOfTheDefaultKeyStaysOpenWhereTheCopiesCouldNotBeRead(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	cmk := guard.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:key/1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	managed := guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	at := func(rec guard.Record, own guard.Key, keys ...guard.Key) guard.Record {
		now = now.Add(time.Minute)
		s := guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf", Key: own,
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: keys}}}
		return guard.Reconcile(rec, s, guard.Evaluate(s, guard.Standard{}, now), nil, guard.ModeRemediate, now, guard.Cause{})
	}
	for sentence, tt := range map[string]struct {
		keys []guard.Key
		want guard.Ending
	}{
		"no keys are listed":                {nil, ""},
		"the older copy is seen":            {[]guard.Key{managed, cmk}, guard.EndPassed},
		"the new key alone is seen":         {[]guard.Key{cmk}, guard.EndPassed},
		"a key that is not to be described": {[]guard.Key{{ID: "alias/x"}}, ""},
		"the older copy is all there is":    {[]guard.Key{managed}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			rec := at(at(guard.Record{}, managed, managed), cmk, tt.keys...)
			for _, f := range rec.Findings {
				if f.Control == guard.SecretDefaultKey && ((f.Status == guard.FindingOpen) != (tt.want == "") || f.End != tt.want) {
					t.Errorf("%s, ended %q, want %q", f.Status, f.End, tt.want)
				}
			}
		})
	}
}

// How a finding ends says what is true now: a key that was left behind cannot be used again, and a replica that is gone is
// under no CMK.
func TestAnEndingSaysWhatIsTrueNow(t *testing.T) {
	off, theirs := inState(ownKey, guard.KeyDisabled), ownKey
	theirs.Aliases, theirs.Tags = []string{"alias/theirs"}, map[string]string{}
	replicated := func(replicas ...guard.Replica) guard.Secret {
		return with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = replicas })
	}
	managed, own := replicaIn("eu-west-1", awsKey), replicaIn("eu-west-1", otherKey)
	for sentence, tt := range map[string]struct {
		control     guard.ControlID
		before, now guard.Secret
		want        guard.Ending
	}{
		"the key is enabled again":                        {guard.SecretKeyUnusable, secret(off, off), secret(ownKey, ownKey), guard.EndPassed},
		"the secret is under another key":                 {guard.SecretKeyUnusable, secret(off, off), secret(otherKey, otherKey), guard.EndMoved},
		"the secret is back under the AWS managed key":    {guard.SecretKeyUnusable, secret(off, off), secret(awsKey, awsKey), guard.EndMoved},
		"the replica is under a CMK":                      {guard.SecretReplicaKey, replicated(managed), replicated(own), guard.EndPassed},
		"the replica was taken away":                      {guard.SecretReplicaKey, replicated(managed), replicated(), guard.EndRemoved},
		"an unapproved key, and then the AWS managed one": {guard.SecretKeyUnapproved, secret(theirs, theirs), secret(awsKey, awsKey), guard.EndMoot},
	} {
		t.Run(sentence, func(t *testing.T) {
			standard := guard.Standard{}
			if tt.control == guard.SecretKeyUnapproved {
				standard.Approved.Aliases = []string{"alias/ours"}
			}
			rec := guard.Record{}
			for i, s := range []guard.Secret{tt.before, tt.now} {
				at := now.Add(time.Duration(i) * time.Hour)
				rec = guard.Reconcile(rec, s, guard.Evaluate(s, standard, at), nil, guard.ModeNotify, at, cause)
			}
			at := slices.IndexFunc(rec.Findings, func(f guard.Finding) bool { return f.Control == tt.control })
			if at < 0 || rec.Findings[at].End != tt.want {
				t.Errorf("findings %+v, want %s to end as %q", rec.Findings, tt.control, tt.want)
			}
		})
	}
}
