package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// verdict is what one control says of a secret.
func verdict(t *testing.T, id guard.ControlID, s guard.Secret) guard.Verdict {
	t.Helper()
	for _, v := range guard.Evaluate(s, guard.Standard{}, now) {
		if v.Control.ID == id {
			return v
		}
	}
	t.Fatalf("no verdict of %s", id)
	return guard.Verdict{}
}

// What is unknown, or fails in a copy beside others, names just that copy.
func TestAVerdictNamesWhatItRestsOn(t *testing.T) {
	off := inState(otherKey, guard.KeyDisabled)
	unread, creating := guard.Key{ARN: otherKey.ARN, ID: otherKey.ID}, inState(otherKey, guard.KeyCreating)
	nextYear := inState(otherKey, "Resting")
	unlistedIn := func(region string) guard.Replica {
		return guard.Replica{Region: region, KeyID: otherKey.ARN, Key: otherKey, Status: "InSync"}
	}
	nameless := replicaIn("eu-west-1", otherKey, guard.Key{ID: "alias/x"})
	foreign := func(s guard.Secret) guard.Secret { s.OwningService = "rds"; return s }
	blindVersions := func(s guard.Secret) guard.Secret { s.VersionsUnread = true; return s }
	in := func(s guard.Secret, replicas ...guard.Replica) guard.Secret { s.Replicas = replicas; return s }
	abroad := func(account string, key guard.Key, listing guard.Listing) guard.AccountCopy {
		return guard.AccountCopy{ARN: "in " + account, Account: account, Region: "us-east-1", Key: key, Status: "InSync", Listing: listing, Versions: []guard.Version{version("v1", "AWSCURRENT", key)}}
	}
	copied := func(s guard.Secret, copies ...guard.AccountCopy) guard.Secret {
		s.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: copies}
		return s
	}
	briefs := func(list ...guard.Replica) []guard.Replica {
		for i := range list {
			list[i] = guard.Replica{Region: list[i].Region, KeyID: list[i].KeyID, Key: briefKey(list[i].Key)}
		}
		return list
	}
	blind := func(part guard.Part, cause guard.BlindCause) *guard.BlindSpot {
		return &guard.BlindSpot{Part: part, Cause: cause}
	}
	briefVersion := func(v guard.Version) []guard.Version {
		for i := range v.Keys {
			v.Keys[i] = briefKey(v.Keys[i])
		}
		return []guard.Version{v}
	}
	inRegion := func(v guard.Version) guard.Version { v.In = "eu-west-1"; return v }
	for sentence, c := range map[string]struct {
		control guard.ControlID
		secret  guard.Secret
		outcome guard.Outcome
		want    guard.Subject
	}{
		"versions that could not be read":                  {guard.SecretDefaultKey, blindVersions(secret(ownKey)), guard.Unknown, guard.Subject{Blind: blind(guard.PartVersions, guard.CauseDenied)}},
		"a version's key that could not be described":      {guard.SecretDefaultKey, secret(ownKey, unread), guard.Unknown, guard.Subject{Versions: briefVersion(version("v1", "AWSCURRENT", unread)), Blind: blind(guard.PartVersionKeys, guard.CauseDenied)}},
		"a key that does not exist any more":               {guard.SecretDefaultKey, secret(guard.Key{ARN: otherKey.ARN, State: guard.KeyMissing}, ownKey), guard.Unknown, guard.Subject{Key: guard.Key{ARN: otherKey.ARN, State: guard.KeyMissing}, Blind: blind(guard.PartKey, guard.CauseDenied)}},
		"versions of which nobody knows whether they open": {guard.SecretKeyUnusable, blindVersions(secret(ownKey)), guard.Unknown, guard.Subject{Blind: blind(guard.PartVersions, guard.CauseDenied)}},
		"a version whose key's state could not be read":    {guard.SecretKeyUnusable, secret(ownKey, unread), guard.Unknown, guard.Subject{Versions: briefVersion(version("v1", "AWSCURRENT", unread)), Blind: blind(guard.PartVersionKeys, guard.CauseDenied)}},
		"a version whose key is being created":             {guard.SecretKeyUnusable, secret(ownKey, creating), guard.Unknown, guard.Subject{Versions: briefVersion(version("v1", "AWSCURRENT", creating)), Blind: blind(guard.PartVersionKeys, guard.CauseState)}},
		"a replica's version whose key is being created":   {guard.SecretKeyUnusable, in(secret(ownKey, ownKey), replicaIn("eu-west-1", otherKey, inState(centralKey, guard.KeyCreating))), guard.Unknown, guard.Subject{Versions: briefVersion(inRegion(version("v1", "AWSCURRENT", inState(centralKey, guard.KeyCreating)))), Blind: blind(guard.PartVersionKeys, guard.CauseState)}},
		"a secret whose key is being created":              {guard.SecretKeyUnusable, secret(creating, creating), guard.Unknown, guard.Subject{Key: briefKey(creating), Blind: blind(guard.PartKey, guard.CauseState)}},
		"a replica whose key is in a state of next year":   {guard.SecretKeyUnusable, in(secret(ownKey, ownKey), replicaIn("eu-west-1", nextYear)), guard.Unknown, guard.Subject{Replicas: briefs(replicaIn("eu-west-1", nextYear)), Blind: blind(guard.PartReplicaKey, guard.CauseState)}},
		"one of two replicas whose key could not be read":  {guard.SecretKeyUnusable, in(secret(ownKey, ownKey), replicaIn("eu-west-1", nextYear), replicaIn("us-west-2", unread)), guard.Unknown, guard.Subject{Replicas: briefs(replicaIn("eu-west-1", nextYear), replicaIn("us-west-2", unread)), Blind: blind(guard.PartReplicaKey, guard.CauseDenied)}},
		"its own key and a version's":                      {guard.SecretKeyUnusable, secret(inState(ownKey, guard.KeyDisabled), off), guard.Fail, guard.Subject{Key: briefKey(inState(ownKey, guard.KeyDisabled)), Versions: briefVersion(version("v1", "AWSCURRENT", off))}},
		"a replica's version alone":                        {guard.SecretKeyUnusable, in(secret(ownKey, ownKey), replicaIn("eu-west-1", otherKey, inState(centralKey, guard.KeyDisabled))), guard.Fail, guard.Subject{Versions: briefVersion(inRegion(version("v1", "AWSCURRENT", inState(centralKey, guard.KeyDisabled))))}},
		"an older key of a replica that is not approved":   {guard.SecretKeyUnapproved, in(secret(ownKey, ownKey), replicaIn("eu-west-1", otherKey, otherKey, centralKey)), guard.Fail, guard.Subject{Rotation: guard.RotationOff, Versions: briefVersion(inRegion(version("v1", "AWSCURRENT", centralKey)))}},
		"a version behind one without a label": {guard.SecretKeyUnapproved, with(secret(ownKey), func(s *guard.Secret) {
			s.Versions = []guard.Version{version("v0", "", centralKey), version("v1", "AWSCURRENT", ownKey, centralKey)}
		}), guard.Fail, guard.Subject{Rotation: guard.RotationOff, Versions: briefVersion(version("v1", "AWSCURRENT", centralKey))}},
		"a service's secret whose versions could not be read":    {guard.SecretForeignKey, foreign(blindVersions(secret(ownKey))), guard.Unknown, guard.Subject{Blind: blind(guard.PartVersions, guard.CauseDenied)}},
		"a service's secret whose key could not be read":         {guard.SecretForeignKey, foreign(secret(unread, ownKey)), guard.Unknown, guard.Subject{Key: unread, Blind: blind(guard.PartKey, guard.CauseDenied)}},
		"a service's secret with a version's key like it":        {guard.SecretForeignKey, foreign(secret(ownKey, unread)), guard.Unknown, guard.Subject{Versions: briefVersion(version("v1", "AWSCURRENT", unread)), Blind: blind(guard.PartVersionKeys, guard.CauseDenied)}},
		"a replica that could not be asked, behind one that was": {guard.SecretNotSealed, in(secret(ownKey, ownKey), replicaIn("us-west-2", otherKey), unlistedIn("eu-west-1")), guard.Unknown, guard.Subject{Replicas: briefs(unlistedIn("eu-west-1")), Blind: blind(guard.PartReplicaVersions, guard.CauseDenied)}},
		"a replica of which AWS lists no name":                   {guard.SecretNotSealed, in(secret(ownKey, ownKey), nameless), guard.Unknown, guard.Subject{Replicas: briefs(nameless), Blind: blind(guard.PartReplicaVersions, guard.CauseNotListed)}},
		"the second copy abroad, behind a replica": {guard.SecretNotSealed, copied(in(secret(ownKey, ownKey), replicaIn("us-west-2", otherKey)), abroad("444455556666", centralKey, guard.Listed), abroad("777788889999", centralKey, guard.NotListed)), guard.Unknown,
			guard.Subject{Elsewhere: []guard.AccountCopy{{ARN: "in 777788889999", Account: "777788889999", Region: "us-east-1", Status: "InSync", Key: briefKey(centralKey)}}, Blind: blind(guard.PartReplicaVersions, guard.CauseDenied)}},
		"the second copy abroad, whose key is disabled": {guard.SecretKeyUnusable, copied(in(secret(ownKey, ownKey), replicaIn("us-west-2", otherKey)), abroad("444455556666", centralKey, guard.Listed), abroad("777788889999", inState(centralKey, guard.KeyDisabled), guard.Listed)), guard.Fail,
			guard.Subject{Elsewhere: []guard.AccountCopy{{ARN: "in 777788889999", Account: "777788889999", Region: "us-east-1", Status: "InSync", Key: briefKey(inState(centralKey, guard.KeyDisabled))}}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			v := verdict(t, c.control, c.secret)
			if v.Outcome != c.outcome {
				t.Errorf("%s is %s", v.Control.ID, v.Outcome)
			}
			if diff := cmp.Diff(c.want, v.Subject); diff != "" {
				t.Errorf("subject (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASubjectSaysWhatEachKeyAndVersionDoes(t *testing.T) {
	stored, disabledStore := inState(otherKey, guard.KeyUnavailable), inState(otherKey, guard.KeyDisabled)
	disabledStore.Store = "cks-1"
	day := time.Date(2026, 9, 8, 12, 0, 0, 0, time.UTC)
	there := version("v1", "AWSCURRENT", otherKey)
	there.In = "eu-west-1"
	for want, c := range map[string]struct {
		control guard.ControlID
		subject guard.Subject
	}{
		"opens with the AWS managed key, which the organization cannot switch off":              {guard.SecretDefaultKey, guard.Subject{Key: awsKey}},
		"0 labelled versions still open with the previous key":                                  {guard.SecretNotSealed, guard.Subject{Key: ownKey}},
		"1 labelled version still opens in eu-west-1 with another key than the one named there": {guard.SecretNotSealed, guard.Subject{Key: ownKey, Versions: []guard.Version{there}}},
		"1 labelled version is under another key in eu-west-1 than the one named there, which opens nothing now": {guard.SecretNotSealed, guard.Subject{Key: ownKey, Versions: []guard.Version{
			{ID: there.ID, Stages: there.Stages, In: there.In, Keys: []guard.Key{inState(otherKey, guard.KeyPendingDeletion)}}}}},
		"1 labelled version is under the previous key as well, of which it is not known whether it opens anything":           {guard.SecretNotSealed, guard.Subject{Key: ownKey, Versions: []guard.Version{version("v1", "AWSCURRENT", ownKey, guard.Key{ARN: otherKey.ARN})}}},
		"its next version opens with the AWS managed key, which the organization cannot switch off; none that is there does": {guard.SecretDefaultKey, guard.Subject{Key: awsKey, Next: true}},
		"AWSCURRENT (version v1) opens with " + otherKey.ARN + ", which is not approved, and is under " + centralKey.ARN + ", which is not approved": {guard.SecretKeyUnapproved, guard.Subject{
			Versions: []guard.Version{version("v1", "AWSCURRENT", inState(centralKey, guard.KeyDisabled), otherKey)}}},
		"1 labelled version still opens with the previous key; 1 labelled version still opens in eu-west-1 with another key than the one named there": {guard.SecretNotSealed, guard.Subject{Key: ownKey, Versions: []guard.Version{there, version("v1", "AWSCURRENT", otherKey, ownKey)}}},
		"replication to eu-west-1 failed, so what is read there is not known to be what the secret holds":                                             {guard.SecretReplicaKey, guard.Subject{Replicas: []guard.Replica{{Region: "eu-west-1", Key: otherKey, Status: "Failed"}}}},
		"its key " + otherKey.ARN + " is in state Unavailable":                                                                                        {guard.SecretKeyUnusable, guard.Subject{Key: stored}},
		"its key " + otherKey.ARN + " is in state Disabled":                                                                                           {guard.SecretKeyUnusable, guard.Subject{Key: disabledStore}},
		"its key " + ownKey.ARN + " is in state Disabled":                                                                                             {guard.SecretKeyUnusable, guard.Subject{Key: expiring(inState(ownKey, guard.KeyDisabled), day)}},
		"version v0 opens with no key that lasts: " + otherKey.ARN + " is in state Unavailable":                                                       {guard.SecretKeyUnusable, guard.Subject{Versions: []guard.Version{version("v0", "", stored)}}},
	} {
		if got := guard.Describe(c.control, guard.Fail, c.subject); got != want {
			t.Errorf("%s: %q, want %q", c.control, got, want)
		}
	}
	if got := guard.Describe(guard.SecretNotSealed, guard.Unknown, guard.Subject{}); got != "" {
		t.Errorf("of what nobody named: %q", got)
	}
	approval := guard.Subject{Key: ownKey, Blind: &guard.BlindSpot{Part: guard.PartApproval}}
	if got, want := guard.Describe(guard.SecretKeyUnapproved, guard.Fail, approval), "its key "+ownKey.ARN+" is not approved"; got != want {
		t.Errorf("of what fails: %q, want %q", got, want)
	}
}

// The approval of keys depends on accounts whose keys an alias or a tag could approve, and on no other.
func TestApprovalDependsOnAccountsWhoseOwnersNameKeys(t *testing.T) {
	byAlias, byTag := guard.Approved{Aliases: []string{"alias/app"}}, guard.Approved{Tags: map[string]string{"ok": "yes"}}
	read := func(k guard.Key, aliases []string, tags map[string]string) guard.Key {
		k.Aliases, k.Tags = aliases, tags
		return k
	}
	named := read(ownKey, []string{"alias/app"}, map[string]string{})
	withARN := byAlias
	withARN.ARNs = []string{ownKey.ARN}
	managed, homeless := named, named
	managed.Manager, homeless.Account = guard.ManagerAWS, ""
	mine := []string{ownKey.Account}
	for sentence, c := range map[string]struct {
		approved guard.Approved
		keys     []guard.Key
		want     []string
	}{
		"an alias approves it":                                {byAlias, []guard.Key{named}, mine},
		"its aliases were not read":                           {byAlias, []guard.Key{read(ownKey, nil, map[string]string{})}, mine},
		"its tags were not read":                              {byTag, []guard.Key{read(ownKey, []string{}, nil)}, mine},
		"it has no alias that is approved":                    {byAlias, []guard.Key{read(ownKey, []string{}, map[string]string{})}, nil},
		"it has no tag that is approved":                      {byTag, []guard.Key{read(ownKey, []string{}, map[string]string{})}, nil},
		"its tags were not read, and none is approved":        {byAlias, []guard.Key{read(ownKey, []string{}, nil)}, nil},
		"its aliases were not read, and none is approved":     {byTag, []guard.Key{read(ownKey, nil, map[string]string{})}, nil},
		"its ARN approves it":                                 {withARN, []guard.Key{named}, nil},
		"nobody writes the aliases of a key that AWS manages": {byAlias, []guard.Key{managed}, nil},
		"nobody knows whose it is":                            {byAlias, []guard.Key{homeless}, nil},
		"two keys of one account, and one of another":         {byAlias, []guard.Key{named, read(otherKey, nil, nil), read(centralKey, nil, nil)}, []string{ownKey.Account, centralKey.Account}},
	} {
		if diff := cmp.Diff(c.want, c.approved.DependsOn(c.keys...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestARecordNamesACustomersKeyAndSaysHowASecretDrifted(t *testing.T) {
	rec := look(guard.Record{}, secret(ownKey, ownKey), guard.ModeNotify, now)
	if rec.KeyARN != ownKey.ARN {
		t.Errorf("its key is %q", rec.KeyARN)
	}
	for detail, s := range map[string]guard.Secret{
		"was sealed, is back under the AWS managed key":                           secret(awsKey, awsKey),
		"was sealed, and a labelled version opens with the AWS managed key alone": secret(ownKey, awsKey),
	} {
		again := look(rec, s, guard.ModeNotify, now.Add(time.Hour))
		if key := again.KeyARN; (key == "") != (s.Key.Manager == guard.ManagerAWS) {
			t.Errorf("%s: its key is %q", detail, key)
		}
		var said []string
		for _, n := range again.Outbox {
			if n.Kind == guard.NoticeDrifted {
				said = append(said, n.Detail)
			}
		}
		if diff := cmp.Diff([]string{detail}, said); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Old facts make no secret safer; that one is under the AWS managed key makes it none.
func TestByOldFactsASecretThatWasUnknownMayBeKnownToBeOpen(t *testing.T) {
	s := with(secret(awsKey, awsKey), func(s *guard.Secret) {
		was := otherKey
		was.AsOf = now.Add(-time.Hour)
		s.Versions[0].Keys = append(s.Versions[0].Keys, was)
		s.AsOf = s.OldKeys()
	})
	if rec := look(guard.Record{State: guard.StateUnknown}, s, guard.ModeNotify, now); rec.State != guard.StateDefault {
		t.Errorf("its state is %s", rec.State)
	}
}

func TestARowThatBlocksIsRepairedAndAnIntentForgotten(t *testing.T) {
	fix := func(row guard.Row) string { return guard.StorageControl().FixFor(guard.Subject{Row: &row}) }
	for sentence, c := range map[string]struct {
		row  guard.Row
		says string
	}{
		"an intent, which ends by itself":   {guard.Row{Kind: "intent", Blocks: true, Copy: "c"}, "forget the row with doublelock repair discard c"},
		"the brake, which holds until then": {guard.Row{Kind: "brake", Blocks: true, Copy: "c"}, "forget the row with doublelock repair discard c"},
		"a job, which is the way back":      {guard.Row{Kind: "job", Blocks: true, Copy: "c"}, "Do not discard it"},
		"a record, which a look makes anew": {guard.Row{Kind: "record", Copy: "c"}, "The next look makes a new record"},
		"an intent that blocks nothing":     {guard.Row{Kind: "intent", Copy: "c"}, "The next look makes a new record"},
	} {
		if got := fix(c.row); !strings.Contains(got, c.says) {
			t.Errorf("%s: %q does not say %q", sentence, got, c.says)
		}
	}
	if got := guard.Describe(guard.OrgStorage, guard.Fail, guard.Subject{}); got != "a row cannot be read" {
		t.Errorf("of a row that nobody named: %q", got)
	}
	row := guard.Subject{Row: &guard.Row{Kind: "job", ID: "i", Reason: "its body is not JSON", Blocks: true}}
	if got, want := guard.Describe(guard.OrgStorage, guard.Fail, row), "the job of i cannot be read: its body is not JSON; nothing is begun, moved on or set back until it is repaired"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Of a key that cannot be used, or will not be, it is said whether readers fail, and from when.
func TestAnUnusableKeySaysWhatItMeansForReaders(t *testing.T) {
	off, soon, later := inState(ownKey, guard.KeyDisabled), now.AddDate(0, 0, 2), now.AddDate(0, 0, 9)
	for sentence, c := range map[string]struct {
		secret       guard.Secret
		reads, empty bool
		until        time.Time
	}{
		"every copy is under it":       {secret(off, off), false, false, time.Time{}},
		"another key opens it":         {secret(off, off, otherKey), true, false, time.Time{}},
		"another opens it for a while": {secret(off, off, expiring(otherKey, soon)), true, false, soon},
		"its own opens it for a while": {secret(expiring(ownKey, soon), expiring(ownKey, soon)), true, false, soon},
		"it has no value":              {with(secret(off), func(s *guard.Secret) { s.Versions = nil }), false, true, time.Time{}},
		"its versions were not listed": {with(secret(off), func(s *guard.Secret) { s.Versions, s.VersionsUnread = nil, true }), false, false, time.Time{}},
		"another's state is not known": {secret(off, off, guard.Key{ARN: otherKey.ARN}), false, false, time.Time{}},
		"of two versions the first that ends": {with(secret(off, off, expiring(otherKey, later)), func(s *guard.Secret) {
			s.Versions = append(s.Versions, version("v0", "blue", expiring(otherKey, soon)))
		}), true, false, soon},
		"its replica is closed": {with(secret(off, off, otherKey), func(s *guard.Secret) {
			s.Replicas = []guard.Replica{replicaIn("eu-west-1", inState(otherKey, guard.KeyDisabled))}
		}), false, false, time.Time{}},
	} {
		for _, v := range guard.Evaluate(c.secret, guard.Standard{}, now) {
			if v.Control.ID == guard.SecretKeyUnusable && (v.Outcome != guard.Fail || v.Subject.Reads != c.reads || v.Subject.Empty != c.empty || !v.Subject.Until.Equal(c.until)) {
				t.Errorf("%s: %s, %+v", sentence, v.Outcome, v.Subject)
			}
		}
	}
}
