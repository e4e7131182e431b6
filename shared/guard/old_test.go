package guard_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// Facts about keys that KMS gave before, because it cannot be asked now, may open findings. They resolve none, and make no
// secret safer than it was.
func TestOldFactsAboutKeysOpenFindingsAndResolveNone(t *testing.T) {
	before := now.Add(-3 * time.Hour)
	old := func(s guard.Secret) guard.Secret {
		s.Key.AsOf = before
		s.AsOf = s.OldKeys()
		return s
	}
	broken := secret(inState(ownKey, guard.KeyDisabled), ownKey)
	dual := secret(ownKey, awsKey, ownKey)
	unread := secret(guard.Key{ID: "alias/x"}, ownKey)
	type result struct {
		State guard.LockState
		Open  []guard.ControlID
		News  []string
	}
	for sentence, c := range map[string]struct {
		first, then guard.Secret
		want        result
	}{
		"a key that was disabled resolves nothing when it was enabled before": {broken, old(secret(ownKey, ownKey)),
			result{guard.StateSealed, []guard.ControlID{guard.SecretKeyUnusable}, nil}},
		"a key that was disabled before opens a finding": {secret(ownKey, ownKey), old(broken),
			result{guard.StateSealed, []guard.ControlID{guard.SecretKeyUnusable}, []string{"finding_opened DL.SECRET.4"}}},
		"a dual secret is not sealed by them": {dual, old(secret(ownKey, ownKey)),
			result{guard.StateDual, []guard.ControlID{guard.SecretNotSealed}, nil}},
		"a sealed secret is dual by them": {secret(ownKey, ownKey), old(dual),
			result{guard.StateDual, []guard.ControlID{guard.SecretNotSealed}, []string{"finding_opened DL.SECRET.2"}}},
		"a secret under the AWS managed key is not re-keyed by them": {secret(awsKey, awsKey), old(secret(ownKey, ownKey)),
			result{guard.StateDefault, []guard.ControlID{guard.SecretDefaultKey}, nil}},
		"one that is under the AWS managed key now has drifted, whatever else is old": {secret(ownKey, ownKey), with(secret(awsKey, awsKey), func(s *guard.Secret) {
			was := otherKey
			was.AsOf = before
			s.Versions[0].Keys = append(s.Versions[0].Keys, was)
			s.AsOf = s.OldKeys()
		}), result{guard.StateDrifted, []guard.ControlID{guard.SecretDefaultKey}, []string{"finding_opened DL.SECRET.1", "drifted "}}},
		"a key that could not be read is not read by them": {unread, old(secret(ownKey, ownKey)),
			result{guard.StateUnknown, []guard.ControlID{guard.OrgCoverage}, nil}},
		"a replica under the AWS managed key stays named": {with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", awsKey)} }),
			with(secret(ownKey, ownKey), func(s *guard.Secret) {
				was := otherKey
				was.AsOf = before
				s.Replicas = []guard.Replica{replicaIn("eu-west-1", was)}
				s.AsOf = s.OldKeys()
			}), result{guard.StateDual, []guard.ControlID{guard.SecretReplicaKey}, nil}},
	} {
		t.Run(sentence, func(t *testing.T) {
			look := func(rec guard.Record, s guard.Secret, at time.Time) guard.Record {
				rec.Outbox = nil
				verdicts := guard.Evaluate(s, guard.Standard{}, at)
				rec = guard.Reconcile(rec, s, verdicts, nil, guard.ModeNotify, at, guard.Cause{})
				return guard.ReconcileRead(rec, s, verdicts, at, guard.Cause{})
			}
			rec := look(look(guard.Record{}, c.first, now), c.then, now.Add(time.Minute))
			got := result{State: rec.State}
			for _, f := range rec.Open() {
				got.Open = append(got.Open, f.Control)
			}
			for _, n := range rec.Outbox {
				control := guard.ControlID("")
				if n.Finding != nil {
					control = n.Finding.Control
				}
				got.News = append(got.News, string(n.Kind)+" "+string(control))
				if !n.AsOf.Equal(before) {
					t.Errorf("%s says as of %s", n.Kind, n.AsOf)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !rec.AsOf.Equal(before) {
				t.Errorf("recorded as of %s", rec.AsOf)
			}
			if fresh := look(rec, c.first, now.Add(time.Hour)); !fresh.AsOf.IsZero() {
				t.Errorf("recorded as of %s after a look that rests on what is so now", fresh.AsOf)
			}
		})
	}
}

func TestAVeryFirstLookByOldFactsSaysNoStateThatIsSafe(t *testing.T) {
	was := ownKey
	was.AsOf = now.Add(-time.Hour)
	rec := guard.Reconcile(guard.Record{}, secret(was, was), nil, nil, guard.ModeNotify, now, guard.Cause{})
	if rec.State != guard.StateUnknown || rec.LastKnown != "" {
		t.Errorf("state %s, last known %q", rec.State, rec.LastKnown)
	}
}
