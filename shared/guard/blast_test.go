package guard_test

import (
	"slices"
	"testing"
	"time"

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
	if diff := cmp.Diff([]string{"dual-with-dead-cmk", "sealed"}, names(radius.Stops)); diff != "" {
		t.Errorf("stops (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dual", "dual-with-live-cmk", "moved-on", "never-re-encrypted", "no-value"}, names(radius.Remains)); diff != "" {
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
	}{ // what the class of each is, TestEachCopyOfASecretHasItsFate says
		"a replica under the AWS managed key of its Region still opens": {replicated(secret(off, off), under("eu-west-1", awsKey)), guard.FateReplica,
			"stops in " + here + "; what is in eu-west-1 still opens with the AWS managed key"},
		"a replica under a CMK of its Region still opens": {replicated(secret(off, off), under("eu-west-1", there)), guard.FateReplica,
			"stops in " + here + "; what is in eu-west-1 still opens with " + there.ARN},
		"one replica of which nothing is known does not hide another that opens": {
			replicated(secret(off, off), under("eu-west-2", guard.Key{ARN: there.ARN}), under("eu-west-1", there)), guard.FateReplica,
			"stops in " + here + "; what is in eu-west-1 still opens with " + there.ARN + "; whether its current version opens in eu-west-2 could not be read"},
		"a replica whose replication failed may hold another value, or none": {
			replicated(secret(off, off), guard.Replica{Region: "eu-west-1", Key: there, Status: "Failed"}), guard.FateUnreadReplica,
			"stops in " + here + "; what opens its replica in eu-west-1 could not be read"},
		"a replica whose key could not be read is unknown": {replicated(secret(off, off), under("eu-west-1", guard.Key{ARN: there.ARN})), guard.FateUnreadReplica,
			"stops in " + here + "; what opens its replica in eu-west-1 could not be read"},
		"a replica whose own key is out of use may have older copies": {
			replicated(secret(off, off), under("eu-west-1", inState(there, guard.KeyDisabled))), guard.FateUnreadReplica,
			"stops in " + here + "; what opens its replica in eu-west-1 could not be read"},
		"a replica does not make a secret stop whose older copy opens": {replicated(secret(off, off, awsKey), under("eu-west-1", there)), guard.FateOlderCopy,
			"another copy still opens with the AWS managed key"},
		"the key that is off is a replica's": {replicated(secret(otherKey, otherKey), under("eu-west-1", off)), guard.FateReplicaStops,
			"it stops in eu-west-1, unless another copy there still opens, which could not be read; its primary is under another key"},
		"the key that is off was the secret's, whose own key opens it now": {secret(otherKey, otherKey, off), guard.FateOwnKey,
			"of its current version one copy is under this key, and one opens with its own, " + otherKey.ARN},
		"an unread key beside one that opens does not make it unknown": {secret(off, off, guard.Key{ARN: there.ARN}, awsKey), guard.FateOlderCopy,
			"another copy still opens with the AWS managed key"},
	} {
		radius := guard.Blast(off, []guard.Secret{c.secret})
		all := everyList(radius)
		if len(all) != 1 {
			t.Errorf("%s: %d secrets are touched", sentence, len(all))
			continue
		}
		if all[0].Fate != c.fate || all[0].Describe() != c.says {
			t.Errorf("%s: %s: %s", sentence, all[0].Fate, all[0].Describe())
		}
		if stops := len(radius.Stops) > 0; stops != (c.fate == guard.FateReplica || c.fate == guard.FateUnreadReplica) {
			t.Errorf("%s: it is said to stop: %v", sentence, stops)
		}
	}
}

func TestWhatIsLostIsSaidWithItsDate(t *testing.T) {
	soon, later := now.AddDate(0, 0, 7), now.AddDate(0, 0, 30)
	dying := doomed(ownKey, soon)
	day := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") + " UTC" }
	labelled := func(keys ...guard.Key) guard.Secret {
		return with(secret(otherKey, otherKey), func(s *guard.Secret) {
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"last-year"}, Keys: keys})
		})
	}
	for sentence, c := range map[string]struct {
		key    guard.Key
		secret guard.Secret
		says   string
	}{
		"the only key of every copy":            {dying, secret(dying, dying), "every copy of the current version is under this key; what stops is lost for good from " + day(soon) + " on"},
		"the other one is deleted later":        {dying, secret(dying, dying, doomed(otherKey, later)), "every copy of the current version is under this key, or another that opens nothing: " + otherKey.ARN + " is in state PendingDeletion; what stops is lost for good from " + day(later) + " on"},
		"the other one can be enabled again":    {dying, secret(dying, dying, inState(otherKey, guard.KeyDisabled)), "every copy of the current version is under this key, or another that opens nothing: " + otherKey.ARN + " is in state Disabled"},
		"a key that does not exist any more":    {inState(ownKey, guard.KeyMissing), secret(inState(ownKey, guard.KeyMissing), ownKey), "every copy of the current version is under this key; what stopped is lost for good: no key of it exists any more"},
		"a version that is not the current":     {dying, labelled(dying), "last-year stops; its current version is under another key; what stops is lost for good from " + day(soon) + " on"},
		"its replica stays":                     {dying, with(secret(dying, dying), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", otherKey)} }), "stops in us-east-1; what is in eu-west-1 still opens with " + otherKey.ARN + "; what stops is lost for good from " + day(soon) + " on"},
		"its copy in another account stays":     {dying, with(secret(dying, dying), inAnotherAccount(centralKey)), "stops in us-east-1; what is in account 444455556666 still opens with " + centralKey.ARN + "; what stops is lost for good from " + day(soon) + " on"},
		"a disabled key takes nothing for good": {inState(ownKey, guard.KeyDisabled), secret(ownKey, ownKey), "every copy of the current version is under this key"},
	} {
		radius := guard.Blast(c.key, []guard.Secret{c.secret})
		all := everyList(radius)
		if len(all) != 1 || all[0].Describe() != c.says {
			t.Errorf("%s: %+v\nwant %s", sentence, all, c.says)
			if len(all) == 1 {
				t.Errorf("said %s", all[0].Describe())
			}
		}
	}
}

// inAnotherAccount gives a secret a copy under a key there.
func inAnotherAccount(key guard.Key) func(*guard.Secret) {
	return func(s *guard.Secret) {
		s.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: "copy", Account: key.Account, Region: s.Region, Key: key, Status: "InSync",
			Listing: guard.Listed, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}}}}
	}
}

func TestMissingTagsNeverUsesUpTheOwnersTags(t *testing.T) {
	want := map[string]string{guard.TagState: "dual", guard.TagControls: "none", guard.TagSince: "x"}
	full := map[string]string{}
	for i := range 48 {
		full[string(rune('A'+i))] = "v"
	}
	almost := map[string]string{}
	for i := range 47 {
		almost[string(rune('A'+i))] = "v"
	}
	for sentence, c := range map[string]struct {
		have map[string]string
		want int
	}{
		"nothing there yet":                    {map[string]string{"Owner": "a"}, 3},
		"one value differs":                    {map[string]string{guard.TagState: "default", guard.TagControls: "none", guard.TagSince: "x"}, 1},
		"everything is right":                  {want, 0},
		"48 tags leave no room for 3, so none": {full, 0},
		"47 tags leave room for just these":    {almost, 3},
	} {
		if got := guard.MissingTags(c.have, want); len(got) != c.want {
			t.Errorf("%s: writes %v, want %d tags", sentence, got, c.want)
		}
	}
}

func TestATrimmedBlastRadiusCountsWhatItDoesNotList(t *testing.T) {
	secrets := func(n int) []guard.Affected { return make([]guard.Affected, n) }
	whole := guard.BlastRadius{Stops: secrets(3), Partly: secrets(4), Remains: secrets(5), Unknown: secrets(7)}
	whole.Stops[0].Fate, whole.Stops[2].Fate = guard.FateOtherVersion, guard.FateReplica // one of them is listed, one is not
	whole.Remains[0].Ends, whole.Remains[4].Ends = []guard.End{{}}, []guard.End{{}}
	whole.Partly[1].Unsure, whole.Partly[3].Unread, whole.Stops[1].Fate = []string{"blue"}, []string{"eu-west-1"}, guard.FateUnreadReplica
	whole.Unknown[0].Fate, whole.Unknown[6].Fate = guard.FateUnreadKey, guard.FateUnreadKey
	whole.Index = &guard.Indexed{Waiting: secrets(1), More: 2}
	trimmed := whole.Trim(2)
	if len(trimmed.Stops) != 2 || len(trimmed.Partly) != 2 || len(trimmed.Remains) != 2 || len(trimmed.Unknown) != 2 {
		t.Errorf("listed %d, %d, %d, want 2 of each", len(trimmed.Stops), len(trimmed.Remains), len(trimmed.Unknown))
	}
	for sentence, radius := range map[string]guard.BlastRadius{"the trimmed list": trimmed, "a list that is trimmed twice": trimmed.Trim(1)} {
		want := guard.Tally{Stops: 3, Still: 2, Partly: 4, Remains: 5, Unknown: 7, Ending: 2, Certain: 2, Unsure: 3, Waiting: 3}
		if diff := cmp.Diff(want, radius.Counts()); diff != "" {
			t.Errorf("%s counts (-want +got):\n%s", sentence, diff)
		}
	}
	if short := whole.Trim(7); short.Left != nil {
		t.Errorf("nothing was left out, and %+v is counted", short.Left)
	}
}

func TestAHeadlineSaysWhatStopsByDefaultInPartAndNotAtAll(t *testing.T) {
	for want, tally := range map[string]guard.Tally{
		"1 stops, 0 do not":                        {Stops: 1},
		"0 stop, 2 do not (1 for now)":             {Remains: 2, Ending: 1},
		"1 stops, 2 in part":                       {Stops: 1, Partly: 2},
		"1 stops in part":                          {Partly: 1},
		"2 stop in part, 1 does not":               {Partly: 2, Remains: 1},
		"3 stop, 1 in part, 1 does not":            {Stops: 3, Partly: 1, Remains: 1},
		"1 stops, 1 does not":                      {Stops: 1, Remains: 1, Unknown: 1, Waiting: 1},
		"1 stops, 1 in part, 2 do not (2 for now)": {Stops: 1, Partly: 1, Remains: 2, Ending: 2},
	} {
		if got := tally.Brief(); got != want {
			t.Errorf("%+v: %q, want %q", tally, got, want)
		}
	}
	if got, want := (guard.Tally{Stops: 1, Still: 1, Unsure: 1}).Words(), "1 stops (1 still opens in another way), 0 do NOT stop, 0 unknown, 1 unknown in part"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (guard.Tally{Stops: 1, Partly: 2, Remains: 3, Unknown: 2, Certain: 1}).UnderWords(), "7 secrets are under it, and 1 more may be"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestABlastRadiusIsEmptyOnlyWithoutAnySecret(t *testing.T) {
	one := []guard.Affected{{Name: "x"}}
	for sentence, c := range map[string]struct {
		radius guard.BlastRadius
		empty  bool
	}{
		"no secret":                              {guard.BlastRadius{}, true},
		"one stops and one remains":              {guard.BlastRadius{Stops: one, Remains: one}, false},
		"one remains and one is unknown":         {guard.BlastRadius{Remains: one, Unknown: one}, false},
		"one stops in part, and one stops":       {guard.BlastRadius{Stops: one, Partly: one}, false},
		"one is unknown, and one waits":          {guard.BlastRadius{Unknown: one, Index: &guard.Indexed{Waiting: one}}, false},
		"one that is not listed, and is unknown": {guard.BlastRadius{Left: &guard.Tally{Unknown: 1}}, false},
	} {
		if got := c.radius.Empty(); got != c.empty {
			t.Errorf("%s: empty is %v", sentence, got)
		}
	}
}

func TestASecretWhoseCopiesAreAllUnderOtherKeysIsNotAffected(t *testing.T) {
	elsewhere := with(secret(otherKey, otherKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", centralKey)} })
	if radius := guard.Blast(inState(ownKey, guard.KeyDisabled), []guard.Secret{elsewhere}); !radius.Empty() {
		t.Errorf("affected: %+v", radius)
	}
}

// everyList is each secret of a blast radius, in whichever list it is.
func everyList(b guard.BlastRadius) []guard.Affected {
	return slices.Concat(b.Stops, b.Partly, b.Remains, b.Unknown)
}
