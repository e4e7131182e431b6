package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func doomed(k guard.Key, at time.Time) guard.Key {
	k.State, k.DeletionDate = guard.KeyPendingDeletion, at
	return k
}

func expiring(k guard.Key, at time.Time) guard.Key {
	k.ValidTo = at
	return k
}

func TestWhatBecomesOfACopy(t *testing.T) {
	soon, later := now.AddDate(0, 0, 7), now.AddDate(0, 0, 30)
	off, missing, unread := inState(ownKey, guard.KeyDisabled), inState(ownKey, guard.KeyMissing), guard.Key{ARN: otherKey.ARN}
	for sentence, c := range map[string]struct {
		keys []guard.Key
		want guard.Life
	}{
		"a key that can be used opens it":                            {[]guard.Key{ownKey}, guard.Life{Opens: guard.OpensYes}},
		"one that can is enough":                                     {[]guard.Key{off, awsKey}, guard.Life{Opens: guard.OpensYes}},
		"one that can is enough beside one that was not read":        {[]guard.Key{unread, awsKey}, guard.Life{Opens: guard.OpensYes}},
		"a key that was not read may open it":                        {[]guard.Key{off, unread}, guard.Life{}},
		"no keys are listed":                                         {nil, guard.Life{}},
		"a disabled key can be enabled on any day":                   {[]guard.Key{off}, guard.Life{Opens: guard.OpensNo}},
		"a key pending deletion is lost on its day":                  {[]guard.Key{doomed(ownKey, soon)}, guard.Life{Opens: guard.OpensNo, Lost: soon}},
		"of two, the later day counts":                               {[]guard.Key{doomed(ownKey, later), doomed(otherKey, soon)}, guard.Life{Opens: guard.OpensNo, Lost: later}},
		"a disabled key beside it can still be enabled":              {[]guard.Key{doomed(ownKey, soon), inState(otherKey, guard.KeyDisabled)}, guard.Life{Opens: guard.OpensNo}},
		"a missing key beside it changes nothing":                    {[]guard.Key{doomed(otherKey, soon), missing}, guard.Life{Opens: guard.OpensNo, Lost: soon}},
		"no key of it exists any more":                               {[]guard.Key{missing}, guard.Life{Opens: guard.OpensNo, Gone: true}},
		"one that can be used keeps it beyond the day":               {[]guard.Key{doomed(ownKey, soon), otherKey}, guard.Life{Opens: guard.OpensYes}},
		"a key whose deletion waits for replicas has no day":         {[]guard.Key{inState(ownKey, guard.KeyPendingReplicaDeletion)}, guard.Life{Opens: guard.OpensNo}},
		"imported material expires":                                  {[]guard.Key{expiring(ownKey, soon)}, guard.Life{Opens: guard.OpensYes, Until: soon}},
		"of two that expire, the later day counts":                   {[]guard.Key{expiring(ownKey, later), expiring(otherKey, soon)}, guard.Life{Opens: guard.OpensYes, Until: later}},
		"one that does not expire keeps it":                          {[]guard.Key{expiring(ownKey, soon), otherKey}, guard.Life{Opens: guard.OpensYes}},
		"what was not read may keep it beyond the day":               {[]guard.Key{expiring(ownKey, soon), unread}, guard.Life{Opens: guard.OpensYes}},
		"material that expires in a key that is off opens it no day": {[]guard.Key{expiring(off, soon)}, guard.Life{Opens: guard.OpensNo}},
	} {
		t.Run(sentence, func(t *testing.T) {
			copied, found := guard.CopiesOf(secret(ownKey, c.keys...)).Current()
			if diff := cmp.Diff(c.want, copied.Life()); diff != "" || !found {
				t.Errorf("life (-want +got):\n%s", diff)
			}
		})
	}
}

// Copies that lie one after the other in the list under the same keys are asked once. What differs in one fact alone is not the same.
func TestVersionsOneAfterTheOtherAreJudgedEachByItsOwnKeys(t *testing.T) {
	soon, later := now.AddDate(0, 0, 7), now.AddDate(0, 0, 30)
	stored := inState(otherKey, guard.KeyUnavailable)
	stored.Store = "cks-1"
	managed, named, nameless, bare, unlike := otherKey, otherKey, otherKey, otherKey, otherKey
	unlike.Aliases = []string{"alias/other"}
	managed.Manager, named.Aliases, nameless.Aliases, bare.Tags = guard.ManagerAWS, []string{"alias/approved"}, []string{}, map[string]string{}
	byAlias := protected(guard.Approved{ARNs: []string{ownKey.ARN}, Aliases: []string{"alias/approved"}}, true)
	byTag := protected(guard.Approved{ARNs: []string{ownKey.ARN}, Tags: map[string]string{"approved": "yes"}}, true)
	labelled := tagged(otherKey, "approved", "yes")
	for sentence, c := range map[string]struct {
		control guard.ControlID
		std     guard.Standard
		listed  []guard.Key // by a finding
		other   []guard.Key // not
	}{
		"another key":                    {guard.SecretKeyUnusable, guard.Standard{}, []guard.Key{inState(centralKey, guard.KeyDisabled)}, []guard.Key{otherKey}},
		"another state":                  {guard.SecretKeyUnusable, guard.Standard{}, []guard.Key{inState(otherKey, guard.KeyDisabled)}, []guard.Key{otherKey}},
		"another manager":                {guard.SecretDefaultKey, guard.Standard{}, []guard.Key{managed}, []guard.Key{otherKey}},
		"an end":                         {guard.SecretKeyUnusable, guard.Standard{}, []guard.Key{expiring(otherKey, soon), expiring(otherKey, later)}, []guard.Key{otherKey}},
		"another day of its deletion":    {guard.SecretKeyUnusable, guard.Standard{}, []guard.Key{doomed(otherKey, soon), doomed(otherKey, later)}, nil},
		"a custom key store":             {guard.SecretKeyUnusable, guard.Standard{}, []guard.Key{stored, inState(otherKey, guard.KeyUnavailable)}, nil},
		"an alias that approves":         {guard.SecretKeyUnapproved, approve(byAlias), []guard.Key{nameless}, []guard.Key{named}},
		"another alias":                  {guard.SecretKeyUnapproved, approve(byAlias), []guard.Key{unlike}, []guard.Key{named}},
		"aliases that could not be read": {guard.SecretKeyUnapproved, approve(byAlias), []guard.Key{nameless}, []guard.Key{otherKey}},
		"a tag that approves":            {guard.SecretKeyUnapproved, approve(byTag), []guard.Key{bare}, []guard.Key{labelled}},
		"another value of a tag":         {guard.SecretKeyUnapproved, approve(byTag), []guard.Key{tagged(otherKey, "approved", "no")}, []guard.Key{labelled}},
		"tags that could not be read":    {guard.SecretKeyUnapproved, approve(byTag), []guard.Key{bare}, []guard.Key{otherKey}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := secret(ownKey, ownKey)
			add := func(keys ...guard.Key) string {
				id := fmt.Sprint("v", len(s.Versions)+1)
				s.Versions = append(s.Versions, version(id, "label-"+id, keys...))
				return id
			}
			want := map[string]guard.Key{}
			fails := func(k guard.Key) {
				want[add(k)] = guard.Key{ARN: k.ARN, ID: k.ID, Manager: k.Manager, State: k.State, Store: k.Store, DeletionDate: k.DeletionDate, ValidTo: k.ValidTo}
			}
			for range 2 { // so that each comes before and after another
				for _, k := range c.listed {
					fails(k)
				}
				for _, k := range c.other {
					add(k)
				}
			}
			if fails(c.listed[0]); c.control == guard.SecretKeyUnusable {
				add(c.listed[0], ownKey) // which opens it
			}
			got := map[string]guard.Key{}
			for _, v := range guard.Evaluate(s, c.std, now) {
				if v.Control.ID == c.control && v.Outcome == guard.Fail {
					for _, listed := range v.Subject.Versions {
						got[listed.ID] = listed.Keys[0]
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("versions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheKeysOfCopiesAreThoseOfEveryLocation(t *testing.T) {
	far := customerKey("777788889999", "far")
	unread := guard.Key{ARN: otherKey.ARN, Manager: guard.ManagerUnknown}
	s := with(secret(ownKey, ownKey, awsKey), func(s *guard.Secret) {
		s.Versions = append(s.Versions, guard.Version{ID: "v0", Keys: []guard.Key{unread, {ID: "alias/gone"}}})
		s.Replicas = []guard.Replica{replicaIn("eu-west-1", otherKey, otherKey, awsKey)}
		s.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: "copy", Account: "777788889999", Region: s.Region, Key: far,
			Status: "InSync", Listing: guard.Listed, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{far}}}}}}
	})
	names := func(c guard.Copies) (all []string) {
		for _, k := range c.Keys() {
			all = append(all, k.ARN+string(k.Manager))
		}
		return all
	}
	name := func(keys ...guard.Key) (all []string) {
		for _, k := range keys {
			all = append(all, k.ARN+string(k.Manager))
		}
		return all
	}
	copies := guard.CopiesOf(s)
	at := func(i int) func(string) bool { return func(of string) bool { return of == copies.ARN(i) } }
	for sentence, c := range map[string]struct {
		copies guard.Copies
		want   []string
	}{
		"of all, what was read of a key counts before its name": {copies, name(ownKey, otherKey, far, awsKey)},
		"of the primary, those without a label too":             {copies.Here(), name(ownKey, awsKey, unread)},
		"of the labelled ones in the primary":                   {copies.Here().Labelled(), name(ownKey, awsKey)},
		"without the replica":                                   {copies.Labelled().But(at(1)), name(ownKey, far, awsKey)},
		"without the copy in another account":                   {copies.Labelled().But(at(2)), name(ownKey, otherKey, awsKey)},
		"the primary stays":                                     {copies.Labelled().But(at(0)), name(ownKey, otherKey, far, awsKey)},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, names(c.copies)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			for _, copied := range c.copies.List {
				if p := c.copies.Locations[copied.Location]; (p.Account == "777788889999") != copied.Needs(far) {
					t.Errorf("version %s with %v in %s", copied.Version, copied.Keys, p.Account+" "+p.Region)
				}
			}
		})
	}
	if !copies.Under(far) || copies.Here().Under(far) {
		t.Error("the key in the other account opens a copy there, and none here")
	}
}

func TestASecretIsSealedOnlyWhereEveryLocationIs(t *testing.T) {
	there := func(key guard.Key, status string) guard.Secret {
		return with(secret(ownKey, ownKey), func(s *guard.Secret) {
			r := replicaIn("eu-west-1", key)
			r.Status = status
			s.Replicas = []guard.Replica{r}
		})
	}
	abroad := func(key guard.Key, status string) guard.Secret {
		return with(secret(ownKey, ownKey), func(s *guard.Secret) {
			s.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: "a", Account: "444455556666", Region: "us-east-1", Key: key, Status: status,
				Listing: guard.Listed, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}}}}
		})
	}
	holding := func(r guard.Replica) guard.Secret {
		return with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{r} })
	}
	unlisted, empty, nameless := replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", otherKey), replicaIn("eu-west-1", otherKey, guard.Key{ID: "alias/x"})
	unlisted.Listing, unlisted.Versions, empty.Versions = guard.NotListed, nil, nil
	farUnlisted := abroad(centralKey, "InSync")
	farUnlisted.Elsewhere.Copies[0].Listing = guard.NotListed
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   guard.LockState
		third  guard.Outcome // DL.SECRET.3
		says   string
		second guard.Outcome // DL.SECRET.2; "" is that it passes
	}{
		"a replica under a CMK, in sync":                                     {there(otherKey, "InSync"), guard.StateSealed, guard.Pass, "", ""},
		"a replica under the AWS managed key":                                {there(awsKey, "InSync"), guard.StateDual, guard.Fail, "opens with the AWS managed key in eu-west-1", ""},
		"a replica under the AWS managed key whose replication failed":       {there(awsKey, "Failed"), guard.StateUnknown, guard.Fail, "is replicated under the AWS managed key to eu-west-1; replication to eu-west-1 failed", ""},
		"a replica under the AWS managed key that is on its way":             {there(awsKey, "InProgress"), guard.StateUnknown, guard.Fail, "is replicated under the AWS managed key to eu-west-1", ""},
		"a replica whose replication failed":                                 {there(otherKey, "Failed"), guard.StateUnknown, guard.Fail, "replication to eu-west-1 failed", ""},
		"a replica that is on its way":                                       {there(otherKey, "InProgress"), guard.StateUnknown, guard.Unknown, "replication to eu-west-1 has not come to its end", ""},
		"a replica in a status that AWS adds":                                {there(otherKey, "Paused"), guard.StateUnknown, guard.Unknown, "has not come to its end", ""},
		"a replica whose key was not read":                                   {there(guard.Key{}, "InSync"), guard.StateUnknown, guard.Unknown, "could not be read", ""},
		"a copy in another account under a CMK":                              {abroad(centralKey, "InSync"), guard.StateSealed, guard.Pass, "", ""},
		"a copy in another account under the AWS managed key":                {abroad(awsKey, "InSync"), guard.StateDual, guard.Fail, "its copy in account 444455556666", ""},
		"a copy in another account whose replication failed":                 {abroad(centralKey, "Failed"), guard.StateUnknown, guard.Fail, "replication to account 444455556666 failed, so what is read there is not known to be what the secret holds", ""},
		"a copy in another account that is on its way":                       {abroad(centralKey, "Pending"), guard.StateUnknown, guard.Unknown, "replication to account 444455556666 has not come to its end", ""},
		"a copy in another account whose key was not read":                   {abroad(guard.Key{}, "InSync"), guard.StateUnknown, guard.Unknown, "its copy in account 444455556666 could not be read", ""},
		"copies in other accounts that nobody can list":                      {secret(ownKey, ownKey), guard.StateSealed, guard.Pass, "", ""},
		"an older key that does not exist any more opens nothing":            {secret(ownKey, ownKey, inState(otherKey, guard.KeyMissing)), guard.StateSealed, guard.Pass, "", ""},
		"a replica whose versions were not listed":                           {holding(unlisted), guard.StateUnknown, guard.Pass, "", guard.Unknown},
		"a replica that lists no current version":                            {holding(empty), guard.StateUnknown, guard.Pass, "", guard.Unknown},
		"a replica with a version whose key has no name":                     {holding(nameless), guard.StateUnknown, guard.Pass, "", guard.Unknown},
		"a replica with an older copy under another CMK":                     {holding(replicaIn("eu-west-1", otherKey, otherKey, centralKey)), guard.StateDual, guard.Pass, "", guard.Fail},
		"a replica with an older copy under the AWS managed key":             {holding(replicaIn("eu-west-1", otherKey, awsKey, otherKey)), guard.StateDual, guard.Pass, "", guard.Fail},
		"a replica whose version opens with the AWS managed key alone":       {holding(replicaIn("eu-west-1", otherKey, awsKey)), guard.StateDual, guard.Fail, "AWSCURRENT (version v1) in eu-west-1 opens with the AWS managed key alone", guard.Fail},
		"a replica whose older key does not exist any more":                  {holding(replicaIn("eu-west-1", otherKey, otherKey, inState(centralKey, guard.KeyMissing))), guard.StateSealed, guard.Pass, "", ""},
		"a replica under the AWS managed key with an older copy under a CMK": {holding(replicaIn("eu-west-1", awsKey, awsKey, otherKey)), guard.StateDual, guard.Fail, "opens with the AWS managed key in eu-west-1", ""},
		"a copy in another account whose versions could not be listed":       {farUnlisted, guard.StateUnknown, guard.Pass, "", guard.Unknown},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := guard.StateOf(c.secret, ""); got != c.want {
				t.Errorf("state %s, want %s", got, c.want)
			}
			if got := guard.HereOf(c.secret); got != guard.StateSealed {
				t.Errorf("the primary is %s", got)
			}
			for _, v := range guard.Evaluate(c.secret, guard.Standard{}, now) {
				if v.Control.ID == guard.SecretNotSealed && v.Outcome != either(c.second) {
					t.Errorf("%s is %s, want %s: %s", v.Control.ID, v.Outcome, either(c.second), v.Describe())
				}
				if v.Control.ID == guard.SecretReplicaKey && (v.Outcome != c.third || !strings.Contains(v.Describe(), c.says)) {
					t.Errorf("%s: %s, want %s: %s", v.Outcome, v.Describe(), c.third, c.says)
				}
			}
		})
	}
}

func TestACopyThatDiesIsCriticalWhateverTheSecretNames(t *testing.T) {
	day := time.Date(2026, 9, 8, 12, 0, 0, 0, time.UTC)
	stored := inState(otherKey, guard.KeyUnavailable)
	stored.Store = "cks-1"
	for sentence, c := range map[string]struct {
		secret guard.Secret
		says   string
	}{
		"the current version, by a key that an alias named": {secret(ownKey, inState(otherKey, guard.KeyDisabled)), "AWSCURRENT (version v1) opens with no key that lasts: " + otherKey.ARN + " is in state Disabled"},
		"a version that is lost on a day":                   {secret(ownKey, doomed(otherKey, day)), "lost for good from 2026-09-08 12:00 UTC on"},
		"a version whose key material expires":              {secret(ownKey, expiring(otherKey, day)), otherKey.ARN + " opens nothing from 2026-09-08 12:00 UTC on"},
		"the key of the secret itself expires":              {secret(expiring(ownKey, day), expiring(ownKey, day)), "its key " + ownKey.ARN + " opens nothing from 2026-09-08 12:00 UTC on"},
		"a key whose custom key store is disconnected":      {secret(ownKey, stored), otherKey.ARN + " opens nothing while its custom key store cks-1 is disconnected"},
		"a version whose key does not exist":                {secret(ownKey, inState(otherKey, guard.KeyMissing)), "does not exist"},
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, v := range guard.Evaluate(c.secret, guard.Standard{}, now) {
				if v.Control.ID == guard.SecretKeyUnusable && (v.Outcome != guard.Fail || !strings.Contains(v.Describe(), c.says)) {
					t.Errorf("%s: %q does not say %q", v.Outcome, v.Describe(), c.says)
				}
			}
		})
	}
}

// either is an outcome, which is to pass where none is given.
func either(o guard.Outcome) guard.Outcome {
	if o == "" {
		return guard.Pass
	}
	return o
}
