package guard_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// version is one with a label, or with none, that keys open.
func version(id, label string, opens ...guard.Key) guard.Version {
	v := guard.Version{ID: id, Keys: opens}
	if label != "" {
		v.Stages = []string{label}
	}
	return v
}

// fate is what a blast radius says of one secret; the zero Affected where it does not name it.
func fate(t *testing.T, off guard.Key, s guard.Secret) guard.Affected {
	t.Helper()
	radius := guard.Blast(off, []guard.Secret{s})
	all := slices.Concat(radius.Stops, radius.Remains, radius.Unknown)
	if len(all) > 1 {
		t.Fatalf("%d times: %+v", len(all), all)
	}
	if len(all) == 0 {
		return guard.Affected{}
	}
	a := all[0]
	a.Secret, a.Name, a.State = "", "", ""
	if stops := len(radius.Stops) > 0; stops != (a.Fate == guard.FateEveryCopy || a.Fate == guard.FateNoValue) {
		t.Errorf("%s is said to stop: %v", a.Fate, stops)
	}
	return a
}

// The key is enabled in all of these, as it is when somebody asks what would stop.
func TestEachCopyOfASecretHasItsFate(t *testing.T) {
	off, disabled := ownKey, inState(otherKey, guard.KeyDisabled)
	having := func(s guard.Secret, more ...guard.Version) guard.Secret {
		s.Versions = append(s.Versions, more...)
		return s
	}
	in := func(s guard.Secret, replicas ...guard.Replica) guard.Secret {
		s.Replicas = replicas
		return s
	}
	failed, empty, older, unsure := replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", off), replicaIn("eu-west-1", off)
	failed.Status = "Failed"
	empty.Versions = []guard.Version{version("v0", "", otherKey)}
	older.Versions = append(older.Versions, version("v0", "AWSPREVIOUS", otherKey))
	unsure.Versions, unsure.Status = older.Versions, "Failed"
	unlisted := guard.Replica{Region: "eu-west-1", Key: otherKey, Status: "InSync"}
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   guard.Affected
	}{
		"every copy is under it":                           {secret(off, off), guard.Affected{Fate: guard.FateEveryCopy}},
		"an older copy opens, and not with the key itself": {secret(off, off, otherKey), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey)}},
		"an older copy's key is disabled":                  {secret(off, off, disabled), guard.Affected{Fate: guard.FateEveryCopy}},
		"of two others, the one that is enabled opens it":  {secret(off, off, otherKey, inState(centralKey, guard.KeyDisabled)), guard.Affected{Fate: guard.FateOlderCopy, Opens: briefKey(otherKey)}},
		"its version was never re-encrypted":               {secret(off, otherKey), guard.Affected{Fate: guard.FateOtherKey}},
		"it was not, and is under a key that is disabled":  {secret(off, disabled), guard.Affected{Fate: guard.FateEveryCopy}},
		"its previous version opens with another":          {having(secret(off, off), version("v0", "AWSPREVIOUS", otherKey)), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS"}}},
		"a version without a label, which nobody is given": {having(secret(off, off), version("v0", "", otherKey)), guard.Affected{Fate: guard.FateEveryCopy}},
		"a replica's previous version opens with another":  {in(secret(off, off), older), guard.Affected{Fate: guard.FateOtherVersion, Opens: briefKey(otherKey), Labels: []string{"AWSPREVIOUS in eu-west-1"}}},
		"one of a replica that may hold anything":          {in(secret(off, off), unsure), guard.Affected{Fate: guard.FateUnreadReplica, Regions: []string{"eu-west-1"}}},
		"a replica that failed, whose version opens":       {in(secret(off, off), failed), guard.Affected{Fate: guard.FateUnreadReplica, Regions: []string{"eu-west-1"}}},
		"a replica that lists no current version":          {in(secret(off, off), empty), guard.Affected{Fate: guard.FateUnreadReplica, Regions: []string{"eu-west-1"}}},
		"a replica that could not be asked, behind a version without a label": {in(with(secret(off, off), func(s *guard.Secret) { s.Versions = append([]guard.Version{version("v0", "", off)}, s.Versions...) }), unlisted),
			guard.Affected{Fate: guard.FateReplica, Opens: briefKey(otherKey), Regions: []string{"eu-west-1"}}},
		"its previous version stops":                          {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}}},
		"its previous version opens with another as well":     {having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off, otherKey)), guard.Affected{}},
		"its previous version stops, and so does a replica":   {in(having(secret(otherKey, otherKey), version("v0", "AWSPREVIOUS", off)), replicaIn("eu-west-1", off)), guard.Affected{Fate: guard.FateVersionStops, Labels: []string{"AWSPREVIOUS"}}},
		"a replica's version to come":                         {in(secret(otherKey, otherKey), replicaIn("eu-west-1", off, otherKey)), guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}}},
		"a replica's current version":                         {in(secret(otherKey, otherKey), replicaIn("eu-west-1", otherKey, off)), guard.Affected{Fate: guard.FateReplicaStops, Regions: []string{"eu-west-1"}}},
		"a replica's version that opens with its own as well": {in(secret(otherKey, otherKey), replicaIn("eu-west-1", otherKey, off, otherKey)), guard.Affected{}},
		"a replica that is closed by a key of its own":        {in(secret(otherKey, otherKey), replicaIn("eu-west-1", disabled)), guard.Affected{}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, fate(t, off, c.secret)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is listed as unread is unknown, though all that is recorded of it could be read.
func TestASecretOfWhichAReplicaIsUnreadMayBeUnderTheKey(t *testing.T) {
	held := guard.HeldOf(secret(otherKey, otherKey), guard.Held{})
	entry := guard.Entry{Secret: arn, Account: "111122223333", Region: "us-east-1", Name: "shop/db", Held: held}
	radius := guard.BlastRecorded(ownKey, nil, []guard.Entry{entry}, func(string) guard.Key { return otherKey }, neverSwept)
	if len(radius.Unknown) != 1 || radius.Unknown[0].Fate != guard.FateUnreadCopies {
		t.Errorf("%+v", radius)
	}
}

func TestEachKeyOfTheCopiesIsListedATimeEach(t *testing.T) {
	held := guard.Held{Key: "b", Versions: []guard.HeldVersion{{Keys: []string{"c", "a"}}}, Elsewhere: []guard.HeldCopy{{Key: ""}, {Key: "a", Versions: []guard.HeldVersion{{Keys: []string{"d"}}}}}}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, held.Keys()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A secret with as many versions as other copies is not one of which nothing is held.
func TestWhatIsHeldLeadsToTheSecret(t *testing.T) {
	rec := guard.Record{Resource: arn, Region: "us-east-1", Held: guard.Held{
		Versions:  []guard.HeldVersion{{Stages: []string{"AWSCURRENT"}, Keys: []string{"k"}}},
		Elsewhere: []guard.HeldCopy{{Kind: guard.LocationReplica, Region: "eu-west-1", Key: "r", Listing: guard.Listed}}}}
	for _, want := range []guard.EntryRef{guard.KeyEntry("k"), guard.KeyEntry("r"), guard.UnreadEntry("us-east-1")} {
		if _, found := rec.Entries()[want]; !found {
			t.Errorf("nothing leads to it by %v: %v", want, rec.Entries())
		}
	}
}

// An entry has the state for which the finding says that a key cannot be used: that of the key, of the copy that fails.
func TestAnEntryHasTheStateForWhichItsKeyCannotBeUsed(t *testing.T) {
	off := inState(otherKey, guard.KeyDisabled)
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   map[string]guard.KeyState
	}{
		"its own key":      {secret(off, off), map[string]guard.KeyState{off.ARN: guard.KeyDisabled}},
		"a version's key":  {secret(ownKey, off), map[string]guard.KeyState{ownKey.ARN: "", off.ARN: guard.KeyDisabled}},
		"of several keys":  {secret(ownKey, inState(centralKey, guard.KeyPendingDeletion), off), map[string]guard.KeyState{ownKey.ARN: "", centralKey.ARN: guard.KeyPendingDeletion, off.ARN: guard.KeyDisabled}},
		"a key that works": {secret(ownKey, ownKey), map[string]guard.KeyState{ownKey.ARN: ""}},
	} {
		got := map[string]guard.KeyState{}
		for ref, entry := range look(guard.Record{}, c.secret, guard.ModeNotify, now).Entries() {
			if ref.Kind == guard.ByKey {
				got[ref.ID] = entry.KeyState
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestAKeyIsOneWhateverTheCaseOfItsName(t *testing.T) {
	upper := guard.Key{ARN: "arn:aws:kms:us-east-1:111122223333:key/1234ABCD-12AB-34CD-56EF-1234567890AB"}
	if !upper.Same(ownKey) || upper.Same(otherKey) || (guard.Key{}).Same(guard.Key{}) {
		t.Error("keys are told apart by the case of their names, or not at all")
	}
	if got := ownKey.Identity() + " " + awsKey.Identity(); got != ownKey.ARN+" "+guard.DefaultKeyID {
		t.Errorf("their identities are %s", got)
	}
}
