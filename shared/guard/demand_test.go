package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
)

// What is open is notified of again exactly where its owner has something else to do, and by its new facts.
func TestAnOpenFindingIsSaidAgainWhenItAsksForSomethingElse(t *testing.T) {
	off, doomed, lost := inState(ownKey, guard.KeyDisabled), inState(otherKey, guard.KeyPendingDeletion), inState(otherKey, guard.KeyDisabled)
	unread := guard.Key{ARN: otherKey.ARN, ID: otherKey.ID}
	copies := func(own guard.Key, replicas ...guard.Replica) guard.Secret {
		return with(secret(own, own), func(s *guard.Secret) { s.Replicas = replicas })
	}
	versions := func(list ...guard.Version) guard.Secret {
		return with(secret(ownKey), func(s *guard.Secret) { s.Versions = list })
	}
	version := func(id, label string, keys ...guard.Key) guard.Version {
		return guard.Version{ID: id, Stages: []string{label}, Keys: keys}
	}
	dual := version("v1", "AWSCURRENT", awsKey, ownKey)
	for sentence, c := range map[string]struct {
		control       guard.ControlID
		before, after guard.Secret
		news          bool
	}{
		"a second key is disabled":                      {guard.SecretKeyUnusable, copies(off, replicaIn("eu-west-1", otherKey)), copies(off, replicaIn("eu-west-1", lost)), true},
		"one of two keys is enabled":                    {guard.SecretKeyUnusable, copies(off, replicaIn("eu-west-1", lost)), copies(ownKey, replicaIn("eu-west-1", lost)), true},
		"a disabled key is to be deleted":               {guard.SecretKeyUnusable, copies(off, replicaIn("eu-west-1", lost)), copies(off, replicaIn("eu-west-1", doomed)), true},
		"one of two keys cannot be read any more":       {guard.SecretKeyUnusable, copies(off, replicaIn("eu-west-1", lost)), copies(off, replicaIn("eu-west-1", unread)), false},
		"the secret's own key cannot be read":           {guard.SecretKeyUnusable, copies(lost, replicaIn("eu-west-1", off)), copies(unread, replicaIn("eu-west-1", off)), false},
		"a second replica is under the AWS managed key": {guard.SecretReplicaKey, copies(ownKey, replicaIn("eu-west-1", awsKey)), copies(ownKey, replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", awsKey)), true},
		"one of two replicas is mended":                 {guard.SecretReplicaKey, copies(ownKey, replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", awsKey)), copies(ownKey, replicaIn("eu-west-1", otherKey), replicaIn("us-west-2", awsKey)), false},
		"a replica is under another wrong key":          {guard.SecretKeyUnapproved, copies(centralKey), copies(centralKey, replicaIn("eu-west-1", centralKey)), true},
		"a new version is written as rotations do":      {guard.SecretNotSealed, versions(dual), versions(version("v2", "AWSCURRENT", ownKey), version("v1", "AWSPREVIOUS", awsKey, ownKey)), false},
		"a rotation is under way":                       {guard.SecretNotSealed, versions(dual), versions(dual, version("v2", "AWSPENDING", ownKey)), false},
		"other versions open with the same older key":   {guard.SecretNotSealed, versions(dual), versions(version("v7", "AWSCURRENT", awsKey, ownKey), version("v6", "AWSPREVIOUS", awsKey, ownKey)), false},
		"it was moved again, so a version has two older keys": {guard.SecretNotSealed, versions(dual),
			with(versions(version("v1", "AWSCURRENT", awsKey, ownKey, otherKey)), func(s *guard.Secret) { s.KeyID, s.Key = otherKey.ARN, otherKey }), true},
		"a version is not under the key any more": {guard.SecretNotSealed, versions(version("v1", "AWSCURRENT", otherKey, ownKey)), versions(version("v1", "AWSCURRENT", otherKey)), true},
		"an older copy is open in a second Region": {guard.SecretNotSealed, copies(ownKey, replicaIn("eu-west-1", otherKey, otherKey, centralKey)),
			copies(ownKey, replicaIn("eu-west-1", otherKey, otherKey, centralKey), replicaIn("us-west-2", otherKey, otherKey, centralKey)), true},
		"an older copy of a Region has another version": {guard.SecretNotSealed, copies(ownKey, replicaIn("eu-west-1", otherKey, otherKey, centralKey)),
			copies(ownKey, with(guard.Secret{}, func(s *guard.Secret) {
				s.Replicas = []guard.Replica{replicaIn("eu-west-1", otherKey, otherKey, centralKey)}
				s.Replicas[0].Versions[0].ID = "v2"
			}).Replicas[0]), false},
		"an older version got a label that no rotation moves": {guard.SecretNotSealed, versions(dual), versions(dual, version("v0", "last-year", awsKey, ownKey)), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			rec := look(guard.Record{}, c.before, guard.ModeNotify, now)
			rec.Outbox = nil
			rec = look(rec, c.after, guard.ModeNotify, now.Add(time.Second))
			said := false
			for _, n := range rec.Outbox {
				said = said || n.Kind == guard.NoticeOpened && n.Finding.Control == c.control && n.Notified()
			}
			if said != c.news {
				t.Errorf("said again: %v, want %v: %v", said, c.news, kinds(rec))
			}
			if again := look(rec, c.after, guard.ModeNotify, now.Add(time.Second)); cmp.Diff(rec, again) != "" {
				t.Errorf("a second look changes (-first +second):\n%s", cmp.Diff(rec, again))
			}
		})
	}
}

func TestAWaivedFindingThatGrowsIsNotSaid(t *testing.T) {
	waiver := guard.Waiver{Control: guard.SecretKeyUnusable, Resource: arn, Reason: "drill", Expires: now.Add(time.Hour)}
	off := secret(inState(ownKey, guard.KeyDisabled), ownKey)
	rec := look(guard.Record{}, off, guard.ModeNotify, now, waiver)
	rec.Outbox = nil
	off.Replicas = []guard.Replica{replicaIn("eu-west-1", inState(otherKey, guard.KeyDisabled))}
	if rec = look(rec, off, guard.ModeNotify, now.Add(time.Second), waiver); len(rec.Outbox) > 0 {
		t.Errorf("noticed: %v", kinds(rec))
	}
	if got := rec.Findings[0].Subject.Replicas; len(got) != 1 {
		t.Errorf("the finding does not name the second key: %+v", got)
	}
}

// Whatever happened to the keys of the copies, and in whatever order it was seen, an open finding names in the end what
// a first look at the same secret would name, and every change of what is critical was said by its last word.
func TestTheOrderOfEventsDoesNotMatterForTheFinalSubject(t *testing.T) {
	states := []guard.KeyState{guard.KeyEnabled, guard.KeyDisabled, guard.KeyPendingDeletion}
	rapid.Check(t, func(t *rapid.T) {
		s := with(secret(ownKey, ownKey), func(s *guard.Secret) {
			s.Replicas = []guard.Replica{replicaIn("eu-west-1", otherKey), replicaIn("us-west-2", centralKey)}
		})
		var rec guard.Record
		var last guard.Subject // as its owner knows it
		at := now
		for i := range rapid.IntRange(1, 10).Draw(t, "events") {
			at = at.Add(time.Second)
			s.Replicas = append([]guard.Replica(nil), s.Replicas...)
			state := rapid.SampledFrom(states).Draw(t, fmt.Sprint("state", i))
			switch which := rapid.IntRange(0, 2).Draw(t, fmt.Sprint("copy", i)); which {
			case 2:
				s.Key.State = state
			default:
				s.Replicas[which].Key.State = state
			}
			rec.Outbox = nil
			rec = look(rec, s, guard.ModeNotify, at)
			for _, n := range rec.Outbox {
				if n.Finding != nil && n.Finding.Control == guard.SecretKeyUnusable {
					if last = n.Finding.Subject; n.Kind == guard.NoticeResolved {
						last = guard.Subject{}
					}
				}
			}
			again := rec
			again.Outbox = nil
			if repeat := look(again, s, guard.ModeNotify, at.Add(time.Minute)); len(repeat.Outbox) > 0 {
				t.Fatalf("said twice: %v", kinds(repeat))
			}
		}
		fresh := look(guard.Record{}, s, guard.ModeNotify, at)
		subjects := func(r guard.Record) map[guard.ControlID]guard.Subject {
			found := map[guard.ControlID]guard.Subject{}
			for _, f := range r.Open() {
				found[f.Control] = f.Subject
			}
			return found
		}
		if diff := cmp.Diff(subjects(fresh), subjects(rec)); diff != "" {
			t.Fatalf("final subjects (-a first look +after all events):\n%s", diff)
		}
		if diff := cmp.Diff(subjects(rec)[guard.SecretKeyUnusable], last, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("its owner knows something else (-true +said):\n%s", diff)
		}
	})
}
