package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// A copy that failed and cannot be read now is still named; one that is mended, or is under another key, is not.
func TestAnOpenFindingKeepsNamingTheCopiesThatCannotBeReadAnyMore(t *testing.T) {
	off, lost := inState(ownKey, guard.KeyDisabled), inState(otherKey, guard.KeyDisabled)
	unread := func(k guard.Key) guard.Key { return guard.Key{ARN: k.ARN, ID: k.ID} }
	aliasesUnread, tagsUnread := tagged(centralKey, "team", "b"), centralKey
	tagsUnread.Aliases = []string{"alias/b"}
	read := aliasesUnread
	read.Aliases = []string{"alias/b"}
	approved := read
	approved.Aliases = []string{"alias/app"}
	byAlias, byTag := guard.Approved{Aliases: []string{"alias/app"}}, guard.Approved{Tags: map[string]string{"team": "a"}}
	failing := replicaIn("eu-west-1", read)
	copies := func(own guard.Key, replicas ...guard.Replica) guard.Secret {
		return with(secret(own, own), func(s *guard.Secret) { s.Replicas = replicas })
	}
	type named struct {
		Own      string
		Replicas []string
	}
	for sentence, c := range map[string]struct {
		control       guard.ControlID
		approved      guard.Approved
		before, after guard.Secret
		want          named
	}{
		"a replica under the AWS managed key cannot be read": {guard.SecretReplicaKey, guard.Approved{},
			copies(ownKey, replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", awsKey)), copies(ownKey, replicaIn("eu-west-1", guard.Key{}), replicaIn("us-west-2", awsKey)),
			named{Replicas: []string{"eu-west-1", "us-west-2"}}},
		"a replica under the AWS managed key is mended": {guard.SecretReplicaKey, guard.Approved{},
			copies(ownKey, replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", awsKey)), copies(ownKey, replicaIn("eu-west-1", otherKey), replicaIn("us-west-2", awsKey)),
			named{Replicas: []string{"us-west-2"}}},
		"a disabled key cannot be read": {guard.SecretKeyUnusable, guard.Approved{},
			copies(off, replicaIn("eu-west-1", lost)), copies(unread(off), replicaIn("eu-west-1", lost)), named{off.ARN, []string{"eu-west-1"}}},
		"a disabled key cannot be read, and is known by an alias alone": {guard.SecretKeyUnusable, guard.Approved{},
			copies(off, replicaIn("eu-west-1", lost)), copies(guard.Key{ID: "alias/x"}, replicaIn("eu-west-1", lost)), named{off.ARN, []string{"eu-west-1"}}},
		"the secret names another key, which cannot be read": {guard.SecretKeyUnusable, guard.Approved{},
			copies(off, replicaIn("eu-west-1", lost)), copies(unread(centralKey), replicaIn("eu-west-1", lost)), named{Replicas: []string{"eu-west-1"}}},
		"a disabled key is enabled": {guard.SecretKeyUnusable, guard.Approved{},
			copies(off, replicaIn("eu-west-1", lost)), copies(ownKey, replicaIn("eu-west-1", lost)), named{Replicas: []string{"eu-west-1"}}},
		"a key that is not approved cannot be read": {guard.SecretKeyUnapproved, byAlias,
			copies(read, failing), copies(unread(read), failing), named{read.ARN, []string{"eu-west-1"}}},
		"the aliases of a key that is not approved cannot be read": {guard.SecretKeyUnapproved, byAlias,
			copies(read, failing), copies(aliasesUnread, failing), named{read.ARN, []string{"eu-west-1"}}},
		"the tags of a key that is not approved cannot be read": {guard.SecretKeyUnapproved, byTag,
			copies(read, failing), copies(tagsUnread, failing), named{read.ARN, []string{"eu-west-1"}}},
		"a key that was not approved is": {guard.SecretKeyUnapproved, byAlias,
			copies(read, failing), copies(approved, failing), named{Replicas: []string{"eu-west-1"}}},
		"the secret is back under the AWS managed key, which another control judges": {guard.SecretKeyUnapproved, byAlias,
			copies(read, failing), copies(awsKey, failing), named{Replicas: []string{"eu-west-1"}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			at := func(rec guard.Record, s guard.Secret, when time.Time) guard.Record {
				return guard.Reconcile(rec, s, guard.Evaluate(s, guard.Standard{Approved: c.approved}, when), nil, guard.ModeNotify, when, cause)
			}
			rec := at(at(guard.Record{}, c.before, now), c.after, now.Add(time.Minute))
			for _, f := range rec.Findings {
				if f.Control != c.control {
					continue
				}
				got := named{Own: f.Subject.Key.ARN}
				for _, r := range f.Subject.Replicas {
					got.Replicas = append(got.Replicas, r.Region)
				}
				if diff := cmp.Diff(c.want, got); diff != "" || f.Status != guard.FindingOpen {
					t.Errorf("%s, it names (-want +got):\n%s", f.Status, diff)
				}
			}
		})
	}
}

// That a replica cannot be listed any more, or that its replication fails, is no proof that the copies which were seen there are gone,
// or open with other keys.
func TestAReplicaThatFailsOrCannotBeListedEndsNoFindingOfTheCopiesThatWereSeenThere(t *testing.T) {
	unlisted := func(status string) guard.Replica {
		return guard.Replica{Region: "eu-west-1", KeyID: ownKey.ARN, Key: ownKey, Status: status}
	}
	off := inState(otherKey, guard.KeyDisabled)
	approved := guard.Approved{ARNs: []string{ownKey.ARN}}
	for sentence, c := range map[string]struct {
		control guard.ControlID
		opens   guard.Key
	}{
		"an older copy opens with the AWS managed key": {guard.SecretNotSealed, awsKey},
		"no key opens a copy":                          {guard.SecretKeyUnusable, off},
		"a copy is under a key that is not approved":   {guard.SecretKeyUnapproved, otherKey},
	} {
		seen := replicaIn("eu-west-1", ownKey, ownKey)
		older := guard.Version{ID: "v0", Stages: []string{"custom"}, Keys: []guard.Key{c.opens}}
		if c.control == guard.SecretNotSealed {
			older.Keys = []guard.Key{ownKey, c.opens}
		}
		seen.Versions = append(seen.Versions, older)
		failing := seen
		failing.Status = "Failed"
		for how, then := range map[string]struct {
			replica guard.Replica
			own     []guard.Key
		}{
			"and its replication fails":                                     {unlisted("Failed"), []guard.Key{ownKey}},
			"and its replication fails, as the primary does":                {unlisted("Failed"), []guard.Key{ownKey, c.opens}},
			"and its replication fails, which can be listed":                {failing, []guard.Key{ownKey}},
			"and it cannot be listed, though it is in sync":                 {unlisted("InSync"), []guard.Key{ownKey}},
			"and it cannot be listed, though in sync, as the primary fails": {unlisted("InSync"), []guard.Key{ownKey, c.opens}},
		} {
			t.Run(sentence+", "+how, func(t *testing.T) {
				at := func(rec guard.Record, r guard.Replica, when time.Time) guard.Record {
					s := with(secret(ownKey, then.own...), func(s *guard.Secret) { s.Replicas = []guard.Replica{r} })
					return guard.Reconcile(rec, s, guard.Evaluate(s, guard.Standard{Approved: approved}, when), nil, guard.ModeNotify, when, cause)
				}
				rec := at(guard.Record{}, seen, now)
				rec = at(rec, then.replica, now.Add(time.Minute))
				named := func() bool {
					for _, f := range rec.Open() {
						if f.Control == c.control && strings.Contains(f.Describe(), "eu-west-1") {
							return true
						}
					}
					return false
				}
				if !named() {
					t.Errorf("the finding does not name the copy any more: %+v", rec.Findings)
				}
				if rec = at(rec, replicaIn("eu-west-1", ownKey), now.Add(2*time.Minute)); named() {
					t.Errorf("the finding names the copy though it was seen to be gone: %+v", rec.Findings)
				}
			})
		}
	}
}

func TestAFindingThatOpensAgainNamesNothingFromBefore(t *testing.T) {
	off, lost := inState(ownKey, guard.KeyDisabled), inState(otherKey, guard.KeyDisabled)
	copies := func(own, replica guard.Key) guard.Secret {
		return with(secret(own, own), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", replica)} })
	}
	rec := look(guard.Record{}, copies(off, lost), guard.ModeNotify, now)
	rec = look(rec, copies(ownKey, otherKey), guard.ModeNotify, now.Add(time.Minute))
	rec = look(rec, copies(off, guard.Key{ARN: otherKey.ARN}), guard.ModeNotify, now.Add(2*time.Minute))
	if diff := cmp.Diff(guard.Subject{Key: briefKey(off)}, rec.Findings[0].Subject); diff != "" || rec.Findings[0].Status != guard.FindingOpen {
		t.Errorf("%s, subject (-want +got):\n%s", rec.Findings[0].Status, diff)
	}
}

// What could not be looked at is what cannot be looked at now, not what could not be before.
func TestABlindSpotNamesOnlyWhatIsRefusedNow(t *testing.T) {
	s := secret(guard.Key{ARN: ownKey.ARN})
	rec := guard.ReconcileRead(guard.Record{}, s, nil, now, cause)
	if rec.Findings[0].Subject.Key.ARN != ownKey.ARN {
		t.Fatalf("the key that could not be read is not named: %+v", rec.Findings[0].Subject)
	}
	rec = guard.ReconcileUnseen(rec, guard.Secret{ARN: arn}, denied, now.Add(time.Minute), cause)
	if diff := cmp.Diff(guard.Subject{Blind: &denied}, rec.Findings[0].Subject); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
}

// A finding of a replica ends with what was seen of the replica, whatever is not known of the rest.
func TestAReplicaThatIsMendedEndsItsFindingThoughTheStateIsUnknown(t *testing.T) {
	bad := with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", awsKey)} })
	mended := with(secret(ownKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{replicaIn("eu-west-1", otherKey)} })
	rec := look(look(guard.Record{}, bad, guard.ModeNotify, now), mended, guard.ModeNotify, now.Add(time.Minute))
	if f := rec.Findings[0]; rec.State != guard.StateUnknown || f.Control != guard.SecretReplicaKey || f.End != guard.EndPassed {
		t.Errorf("state %s, %s ended %q", rec.State, f.Control, f.End)
	}
}

func TestAnOpenFindingThatGrowsAsItIsWaivedIsNoticedAsWaived(t *testing.T) {
	waiver := guard.Waiver{Control: guard.SecretKeyUnusable, Resource: arn, Reason: "drill", Expires: now.Add(time.Hour)}
	off := secret(inState(ownKey, guard.KeyDisabled), ownKey)
	rec := look(guard.Record{}, off, guard.ModeNotify, now)
	rec.Outbox = nil
	off.Replicas = []guard.Replica{replicaIn("eu-west-1", inState(otherKey, guard.KeyDisabled))}
	rec = look(rec, off, guard.ModeNotify, now.Add(time.Second), waiver)
	if diff := cmp.Diff([]string{"finding_waived DL.SECRET.4"}, kinds(rec)); diff != "" {
		t.Errorf("noticed (-want +got):\n%s", diff)
	}
}

func TestAnOpenFindingIsNoNewsForAModeThatAsksForNoMore(t *testing.T) {
	for sentence, c := range map[string]struct {
		stored, mode guard.Mode
	}{
		"the mode was lowered":                              {guard.ModeNotify, guard.ModeObserve},
		"the mode is the same":                              {guard.ModeNotify, guard.ModeNotify},
		"the finding was stored before findings had a mode": {"", guard.ModeNotify},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := secret(inState(ownKey, guard.KeyDisabled), ownKey)
			rec := look(guard.Record{}, s, guard.ModeNotify, now)
			rec.Outbox, rec.Findings[0].Mode = nil, c.stored
			if rec = look(rec, s, c.mode, now.Add(time.Minute)); len(rec.Outbox) > 0 {
				t.Errorf("noticed again: %v", kinds(rec))
			}
		})
	}
}
