package guard_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestBlastSaysWhatStopsAndWhatDoesNot(t *testing.T) {
	off := inState(ownKey, guard.KeyDisabled)
	named := func(name string, s guard.Secret) guard.Secret {
		s.Name, s.ARN = name, "arn:aws:secretsmanager:us-east-1:111122223333:secret:"+name+"-abcdef"
		return s
	}
	radius := guard.Blast(off, []guard.Secret{
		named("sealed", secret(off, off)),
		named("dual", secret(off, off, awsKey)),
		named("dual-with-live-cmk", secret(off, off, otherKey)),
		named("dual-with-dead-cmk", secret(off, off, inState(otherKey, guard.KeyDisabled))),
		named("dual-with-unread-cmk", secret(off, off, guard.Key{ARN: otherKey.ARN})),
		named("never-re-encrypted", secret(off, awsKey)),
		named("moved-on", secret(otherKey, otherKey, off)),
		named("elsewhere", secret(otherKey, otherKey)),
		named("no-value", with(secret(off), func(s *guard.Secret) { s.Versions = nil })),
		named("unread", with(secret(off), func(s *guard.Secret) { s.VersionsUnread = true })),
	})
	names := func(list []guard.Affected) []string {
		var out []string
		for _, a := range list {
			if a.Describe() == "" {
				t.Errorf("%s has no why", a.Name)
			}
			out = append(out, a.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{"dual-with-dead-cmk", "no-value", "sealed"}, names(radius.Stops)); diff != "" {
		t.Errorf("stops (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dual", "dual-with-live-cmk", "moved-on", "never-re-encrypted"}, names(radius.Remains)); diff != "" {
		t.Errorf("remains (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dual-with-unread-cmk", "unread"}, names(radius.Unknown)); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

func TestBlastFollowsEveryCopy(t *testing.T) {
	off := inState(ownKey, guard.KeyDisabled)
	there := guard.Key{ARN: "arn:aws:kms:eu-west-1:111122223333:key/there", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	under := func(region string, key guard.Key) guard.Replica {
		return guard.Replica{Region: region, KeyID: key.ARN, Key: key, Status: "InSync"}
	}
	replicated := func(s guard.Secret, replicas ...guard.Replica) guard.Secret {
		s.Replicas = replicas
		return s
	}
	const here = "us-east-1"
	for sentence, c := range map[string]struct {
		secret guard.Secret
		fate   guard.Fate
		says   string
	}{
		"a replica under the AWS managed key of its Region still opens": {replicated(secret(off, off), under("eu-west-1", awsKey)), guard.FateReplica,
			"stops in " + here + ", and still opens in eu-west-1 with the AWS managed key"},
		"a replica under a CMK of its Region still opens": {replicated(secret(off, off), under("eu-west-1", there)), guard.FateReplica,
			"stops in " + here + ", and still opens in eu-west-1 with " + there.ARN},
		"one replica of which nothing is known does not hide another that opens": {
			replicated(secret(off, off), under("eu-west-2", guard.Key{ARN: there.ARN}), under("eu-west-1", there)), guard.FateReplica,
			"stops in " + here + ", and still opens in eu-west-1 with " + there.ARN},
		"a replica whose key could not be read is unknown": {replicated(secret(off, off), under("eu-west-1", guard.Key{ARN: there.ARN})), guard.FateUnreadReplica,
			"stops in " + here + "; what opens its replica in eu-west-1 could not be read"},
		"a replica whose own key is out of use may have older copies": {
			replicated(secret(off, off), under("eu-west-1", inState(there, guard.KeyDisabled))), guard.FateUnreadReplica,
			"stops in " + here + "; what opens its replica in eu-west-1 could not be read"},
		"a replica does not make a secret stop whose older copy opens": {replicated(secret(off, off, awsKey), under("eu-west-1", there)), guard.FateOlderCopy,
			"an older copy still opens with the AWS managed key"},
		"the key that is off is a replica's": {replicated(secret(otherKey, otherKey), under("eu-west-1", off)), guard.FateReplicaStops,
			"stops in eu-west-1 alone: its primary is under another key"},
		"the key that is off was the secret's, whose own key opens it now": {secret(otherKey, otherKey, off), guard.FateOwnKey,
			"only an older copy is under this key; it opens with its own, " + otherKey.ARN},
		"an unread key beside one that opens does not make it unknown": {secret(off, off, guard.Key{ARN: there.ARN}, awsKey), guard.FateOlderCopy,
			"an older copy still opens with the AWS managed key"},
	} {
		radius := guard.Blast(off, []guard.Secret{c.secret})
		all := slices.Concat(radius.Stops, radius.Remains, radius.Unknown)
		if len(all) != 1 {
			t.Errorf("%s: %d secrets are touched", sentence, len(all))
			continue
		}
		if all[0].Fate != c.fate || all[0].Describe() != c.says {
			t.Errorf("%s: %s: %s", sentence, all[0].Fate, all[0].Describe())
		}
		if len(radius.Stops) > 0 {
			t.Errorf("%s: it is said to stop", sentence)
		}
	}
}

func TestMissingTagsNeverUsesUpTheOwnersTags(t *testing.T) {
	want := map[string]string{guard.TagState: "dual", guard.TagControls: "none", guard.TagSince: "x"}
	full := map[string]string{}
	for i := range 48 {
		full[string(rune('A'+i))] = "v"
	}
	for sentence, c := range map[string]struct {
		have map[string]string
		want int
	}{
		"nothing there yet":                    {map[string]string{"Owner": "a"}, 3},
		"one value differs":                    {map[string]string{guard.TagState: "default", guard.TagControls: "none", guard.TagSince: "x"}, 1},
		"everything is right":                  {want, 0},
		"48 tags leave no room for 3, so none": {full, 0},
	} {
		if got := guard.MissingTags(c.have, want); len(got) != c.want {
			t.Errorf("%s: writes %v, want %d tags", sentence, got, c.want)
		}
	}
}
