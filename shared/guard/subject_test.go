package guard_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
)

// replicaIn is a replica that is in sync, and whose Region lists one current version that the keys open: without any, its own.
func replicaIn(region string, key guard.Key, opens ...guard.Key) guard.Replica {
	if len(opens) == 0 {
		opens = []guard.Key{key}
	}
	return guard.Replica{Region: region, KeyID: key.ARN, Key: key, Status: "InSync", Listing: guard.Listed,
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: opens}}}
}

// briefKey is what a subject keeps of a key.
func briefKey(k guard.Key) guard.Key {
	return guard.Key{ARN: k.ARN, ID: k.ID, Manager: k.Manager, State: k.State}
}

// noneOfThree is what may be of a version that has one of the three labels now.
const noneOfThree = "it had none of the labels AWSCURRENT, AWSPREVIOUS and AWSPENDING when the key was set"

// aliasGone is what is read of a key that is named by an alias which was deleted.
var aliasGone = guard.Key{ID: "alias/app", Account: "111122223333", Region: "us-east-1", State: guard.KeyMissing}

// The key that an alias led to is there, and opens what was written: what is known of the copies decides, and every control says so.
func TestAnAliasThatIsGoneLeavesTheCopiesAsTheyAre(t *testing.T) {
	gone := func(versions ...guard.Version) guard.Secret {
		s := secret(aliasGone)
		s.KeyID, s.Versions = "alias/app", versions
		return s
	}
	replicated := gone(version("v1", "AWSCURRENT", ownKey))
	replicated.Key = ownKey
	replicated.Replicas = []guard.Replica{replicaIn("eu-west-1", aliasGone, otherKey)}
	unlisted := replicated
	unlisted.Replicas = []guard.Replica{{Region: "eu-west-1", Key: aliasGone, Status: "InSync"}}
	for sentence, c := range map[string]struct {
		secret guard.Secret
		state  guard.LockState
		want   map[guard.ControlID]guard.Outcome
	}{
		"every version under one key": {gone(version("v1", "AWSCURRENT", ownKey)), guard.StateSealed,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Pass, guard.SecretNotSealed: guard.Pass, guard.SecretReplicaKey: guard.Pass, guard.SecretKeyUnusable: guard.Fail}},
		"an older key beside it": {gone(version("v1", "AWSCURRENT", awsKey, ownKey)), guard.StateDual,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Pass, guard.SecretNotSealed: guard.Fail, guard.SecretReplicaKey: guard.Pass, guard.SecretKeyUnusable: guard.Fail}},
		"the AWS managed key alone": {gone(version("v1", "AWSCURRENT", awsKey)), guard.StateDefault,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Fail, guard.SecretNotSealed: guard.NotApplicable, guard.SecretReplicaKey: guard.Pass, guard.SecretKeyUnusable: guard.Fail}},
		"no version": {gone(), guard.StateUnknown,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Unknown, guard.SecretNotSealed: guard.Unknown, guard.SecretReplicaKey: guard.Pass, guard.SecretKeyUnusable: guard.Fail}},
		"a replica's": {replicated, guard.StateSealed,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Pass, guard.SecretNotSealed: guard.Pass, guard.SecretReplicaKey: guard.Pass, guard.SecretKeyUnusable: guard.Fail}},
		"a replica's whose versions could not be listed": {unlisted, guard.StateUnknown,
			map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: guard.Pass, guard.SecretReplicaKey: guard.Unknown, guard.SecretKeyUnusable: guard.Fail}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := guard.StateOf(c.secret, ""); got != c.state {
				t.Errorf("it is %s, want %s", got, c.state)
			}
			for _, v := range guard.Evaluate(c.secret, guard.Standard{}, now) {
				if want := c.want[v.Control.ID]; want != "" && v.Outcome != want {
					t.Errorf("%s is %s, want %s: %s", v.Control.ID, v.Outcome, want, v.Describe())
				}
				if says := v.Describe(); strings.Contains(says, "metadata") && v.Control.ID != guard.SecretReplicaKey || strings.Contains(says, "key does not exist") {
					t.Errorf("%s says %q", v.Control.ID, says)
				}
			}
		})
	}
}

func TestTheSubjectOfAFindingNamesEveryCopyThatFails(t *testing.T) {
	off, doomed := inState(ownKey, guard.KeyDisabled), inState(otherKey, guard.KeyPendingDeletion)
	replicated := func(own guard.Key, replicas ...guard.Replica) guard.Secret {
		return with(secret(own, own), func(s *guard.Secret) { s.Replicas = replicas })
	}
	brief := func(region string, key guard.Key) guard.Replica {
		return guard.Replica{Region: region, KeyID: key.ARN, Key: briefKey(key)}
	}
	for sentence, c := range map[string]struct {
		secret  guard.Secret
		control guard.ControlID
		want    guard.Subject
		words   string
	}{
		"a primary and a replica under disabled keys are both named, the replica that is fine is not": {
			replicated(off, replicaIn("eu-west-1", doomed), replicaIn("us-west-2", centralKey)), guard.SecretKeyUnusable,
			guard.Subject{Key: briefKey(off), Replicas: []guard.Replica{brief("eu-west-1", doomed)}},
			"its key " + off.ARN + " is in state Disabled; the key of its replica in eu-west-1 " + doomed.ARN + " is in state PendingDeletion",
		},
		"two replicas are both named, and the primary is not": {
			replicated(ownKey, replicaIn("eu-west-1", off), replicaIn("us-west-2", inState(otherKey, guard.KeyMissing))), guard.SecretKeyUnusable,
			guard.Subject{Replicas: []guard.Replica{brief("eu-west-1", off), brief("us-west-2", inState(otherKey, guard.KeyMissing))}},
			"the key of its replica in eu-west-1 " + off.ARN + " is in state Disabled; the key of its replica in us-west-2 does not exist",
		},
		"a replica under a key that is not approved leaves the primary out": {
			replicated(ownKey, replicaIn("eu-west-1", centralKey)), guard.SecretKeyUnapproved,
			guard.Subject{Replicas: []guard.Replica{brief("eu-west-1", centralKey)}},
			"the key of its replica in eu-west-1 " + centralKey.ARN + " is not approved",
		},
		"a key that is not approved, of a secret that rotates by itself": {
			with(secret(centralKey, centralKey), func(s *guard.Secret) { s.RotationEnabled = true }), guard.SecretKeyUnapproved,
			guard.Subject{Key: briefKey(centralKey), Rotation: guard.RotationOn}, "its key " + centralKey.ARN + " is not approved",
		},
		"two replicas under the AWS managed key": {
			replicated(ownKey, replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", awsKey)), guard.SecretReplicaKey,
			guard.Subject{Replicas: []guard.Replica{brief("eu-west-1", awsKey), brief("us-west-2", awsKey)}},
			"opens with the AWS managed key in eu-west-1, us-west-2",
		},
		"the versions that an older key opens, with their labels and every key that opens them": {
			with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.RotationEnabled = true
				s.Versions = append(s.Versions,
					guard.Version{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{ownKey, awsKey}, CreatedAt: now},
					guard.Version{ID: "old", Keys: []guard.Key{awsKey}})
			}), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Rotation: guard.RotationOn,
				Versions: []guard.Version{{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{briefKey(ownKey), briefKey(awsKey)}}}},
			"1 labelled version still opens with the previous key",
		},
		"a version that is not under the key of the secret, with causes that are possible and none that is stated": {
			secret(ownKey, otherKey), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Rotation: guard.RotationOff, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{briefKey(otherKey)}}}},
			"1 labelled version is not under the key that the secret names; possible causes: " + noneOfThree + "; or whoever set the key lacked kms:Encrypt on it, or kms:Decrypt on " +
				otherKey.ARN + "; or " + otherKey.ARN + " was out of use when the key was set",
		},
		"a version that is not under the key that an alias names": {
			with(secret(ownKey, otherKey), func(s *guard.Secret) { s.KeyID = "alias/app" }), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Alias: "alias/app", Rotation: guard.RotationOff, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{briefKey(otherKey)}}}},
			"1 labelled version is not under the key that the secret names; possible causes: " + noneOfThree + "; or whoever set the key lacked kms:Encrypt on it, or kms:Decrypt on " +
				otherKey.ARN + "; or " + otherKey.ARN + " was out of use when the key was set; or alias/app named another key when the version was written",
		},
		"a version under the AWS managed key alone, which asks for no right": {
			with(secret(ownKey, awsKey), func(s *guard.Secret) { s.KeyID = "arn:aws:kms:us-east-1:111122223333:alias/app" }), guard.SecretDefaultKey,
			guard.Subject{Key: briefKey(ownKey), Alias: "arn:aws:kms:us-east-1:111122223333:alias/app", Rotation: guard.RotationOff,
				Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{briefKey(awsKey)}}}},
			"1 labelled version opens with the AWS managed key alone; possible causes: " + noneOfThree + "; or whoever set the key lacked kms:Encrypt on it", // an alias of a customer never leads there
		},
		"a version whose label no re-key follows, and one whose key is off": {
			with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"blue"}, Keys: []guard.Key{otherKey}},
					guard.Version{ID: "v9", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{inState(otherKey, guard.KeyDisabled)}},
					guard.Version{ID: "v8", Stages: []string{"AWSPENDING", "green"}, Keys: []guard.Key{inState(otherKey, guard.KeyMissing)}})
			}), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Rotation: guard.RotationOff, Versions: []guard.Version{
				{ID: "v0", Stages: []string{"blue"}, Keys: []guard.Key{briefKey(otherKey)}},
				{ID: "v9", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{briefKey(inState(otherKey, guard.KeyDisabled))}},
				{ID: "v8", Stages: []string{"AWSPENDING", "green"}, Keys: []guard.Key{briefKey(inState(otherKey, guard.KeyMissing))}},
			}},
			"3 labelled versions are not under the key that the secret names; possible causes: setting a key re-encrypts AWSCURRENT, AWSPREVIOUS and AWSPENDING alone, and its label is blue; " +
				"or whoever set the key lacked kms:Encrypt on it, or kms:Decrypt on " + otherKey.ARN + "; or " + otherKey.ARN + " was out of use when the key was set; or " + noneOfThree + "; " +
				"or " + otherKey.ARN + ", which is Disabled now, was out of use when the key was set; or " + otherKey.ARN + ", which does not exist any more, was out of use when the key was set",
		},
		"a version that an alias left behind, whose key was switched off afterwards": {
			with(secret(ownKey, inState(otherKey, guard.KeyDisabled)), func(s *guard.Secret) { s.KeyID = "alias/app" }), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Alias: "alias/app", Rotation: guard.RotationOff, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{briefKey(inState(otherKey, guard.KeyDisabled))}}}},
			"1 labelled version is not under the key that the secret names; possible causes: " + noneOfThree + "; or whoever set the key lacked kms:Encrypt on it, or kms:Decrypt on " + otherKey.ARN +
				"; or " + otherKey.ARN + ", which is Disabled now, was out of use when the key was set; or alias/app named another key when the version was written",
		},
		"a version with a label of its owner, and the current one under an older key as well": {
			with(secret(ownKey, awsKey, ownKey), func(s *guard.Secret) {
				s.Versions = append(s.Versions, version("v0", "blue", otherKey), version("v9", "AWSPREVIOUS", ownKey, inState(centralKey, guard.KeyDisabled)))
			}), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Rotation: guard.RotationOff, Versions: []guard.Version{
				{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{briefKey(awsKey), briefKey(ownKey)}},
				{ID: "v0", Stages: []string{"blue"}, Keys: []guard.Key{briefKey(otherKey)}},
				{ID: "v9", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{briefKey(ownKey), briefKey(inState(centralKey, guard.KeyDisabled))}}}},
			"1 labelled version is not under the key that the secret names; possible causes: setting a key re-encrypts AWSCURRENT, AWSPREVIOUS and AWSPENDING alone, and its label is blue; " +
				"or whoever set the key lacked kms:Encrypt on it, or kms:Decrypt on " + otherKey.ARN + "; or " + otherKey.ARN + " was out of use when the key was set; " +
				"1 labelled version still opens with the previous key; 1 labelled version is under the previous key as well, which opens nothing now",
		},
		"an alias that is gone, whose key opens every version": {
			with(secret(aliasGone, ownKey), func(s *guard.Secret) { s.KeyID = "alias/app" }), guard.SecretKeyUnusable,
			guard.Subject{Key: briefKey(aliasGone), Reads: true}, "it names alias/app, an alias that does not exist any more: it decides about the next version alone, which cannot be written",
		},
		"an alias that is gone, and an older key beside the one that it led to": {
			with(secret(aliasGone, ownKey), func(s *guard.Secret) {
				s.KeyID = "alias/app"
				s.Versions = append(s.Versions, version("v0", "AWSPREVIOUS", ownKey, otherKey))
			}), guard.SecretNotSealed,
			guard.Subject{Key: briefKey(ownKey), Alias: "alias/app", Rotation: guard.RotationOff, Versions: []guard.Version{{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{briefKey(ownKey), briefKey(otherKey)}}}},
			"1 labelled version still opens with the previous key",
		},
		"an alias of a replica that is gone": {
			replicated(ownKey, replicaIn("eu-west-1", aliasGone, otherKey)), guard.SecretKeyUnusable,
			guard.Subject{Replicas: []guard.Replica{brief("eu-west-1", aliasGone)}, Reads: true},
			"its replica in eu-west-1 names alias/app, an alias that does not exist any more: it decides about the next version alone, which cannot be written",
		},
		"a secret that another service owns": {
			with(secret(awsKey, awsKey), func(s *guard.Secret) { s.OwningService = "rds" }), guard.SecretForeignKey,
			guard.Subject{Key: briefKey(awsKey), Service: "rds"}, "owned by rds, which keeps it under the AWS managed key",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, v := range guard.Evaluate(c.secret, guard.Standard{}, now) {
				if v.Control.ID != c.control {
					continue
				}
				if diff := cmp.Diff(c.want, v.Subject); diff != "" {
					t.Errorf("subject (-want +got):\n%s", diff)
				}
				if got := v.Describe(); got != c.words {
					t.Errorf("in words: %q, want %q", got, c.words)
				}
			}
		})
	}
}

// A record that was written before findings had a subject is read, shown and closed like any other.
func TestAFindingThatWasStoredBeforeSubjectsIsReadable(t *testing.T) {
	stored := `{"resource":"` + arn + `","account":"111122223333","region":"us-east-1","name":"shop/db","state":"default","since":"2026-08-01T00:00:00Z",
		"seenAt":"2026-08-01T00:00:00Z","lastKnown":"default","revision":3,"findings":[{"control":"DL.SECRET.1","resource":"` + arn + `","status":"open",
		"severity":"high","title":"Secret is under the AWS managed key","detail":"opens with the AWS managed key, as it was said then","fix":"Do something.",
		"openedAt":"2026-08-01T00:00:00Z","mode":"notify"}]}`
	var rec guard.Record
	if err := json.Unmarshal([]byte(stored), &rec); err != nil {
		t.Fatal(err)
	}
	old := rec.Findings[0]
	old.Control = guard.SecretReplicaKey
	if got := old.Describe(); got != "opens with the AWS managed key, as it was said then" {
		t.Errorf("in words: %q", got)
	}
	rec = look(rec, secret(awsKey, awsKey), guard.ModeNotify, now)
	if f := rec.Findings[0]; f.Detail != "" || f.Subject.Key.Manager != guard.ManagerAWS || len(rec.Outbox) > 0 || !f.OpenedAt.Before(now) {
		t.Errorf("after the next look: %+v, outbox %v", f, kinds(rec))
	}
	if rec = look(rec, secret(ownKey, ownKey), guard.ModeNotify, now.Add(time.Hour)); len(rec.Open()) > 0 {
		t.Errorf("still open: %v", rec.Open())
	}
}

// Whatever was found, the facts survive the store and the bus, and what fails or is unknown has words and, where it
// fails, a fix.
func TestSubjectsSurviveJSONAndAlwaysHaveWords(t *testing.T) {
	keys := []guard.Key{awsKey, ownKey, otherKey, centralKey, {}, {ARN: otherKey.ARN}, inState(ownKey, guard.KeyDisabled), inState(otherKey, guard.KeyMissing)}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) guard.Key { return rapid.SampledFrom(keys).Draw(t, what) }
		s := secret(draw("key"), rapid.SliceOfN(rapid.SampledFrom(keys), 0, 3).Draw(t, "opens")...)
		s.VersionsUnread = rapid.Bool().Draw(t, "unread")
		for _, region := range []string{"eu-west-1", "us-west-2"} {
			if rapid.Bool().Draw(t, region) {
				s.Replicas = append(s.Replicas, replicaIn(region, draw("key in "+region)))
			}
		}
		s.OwningService = rapid.SampledFrom([]string{"", "", "rds"}).Draw(t, "service")
		verdicts := guard.Evaluate(s, guard.Standard{}, now)
		if unread := guard.Unread(s); unread.Blind != nil {
			verdicts = append(verdicts, guard.Verdict{Control: guard.CoverageControl(), Outcome: guard.Fail, Subject: unread})
		}
		for _, v := range verdicts {
			judged := v.Outcome == guard.Fail || v.Outcome == guard.Unknown
			if words := v.Describe(); (words != "") != judged || strings.Contains(words, "  ") {
				t.Fatalf("%s is %s: %q of %+v", v.Control.ID, v.Outcome, words, v.Subject)
			}
			if (v.Fix() != "") != (v.Outcome == guard.Fail) {
				t.Fatalf("%s is %s, fix %q", v.Control.ID, v.Outcome, v.Fix())
			}
			if !judged && !cmp.Equal(v.Subject, guard.Subject{}) {
				t.Fatalf("%s is %s with a subject: %+v", v.Control.ID, v.Outcome, v.Subject)
			}
			raw, err := json.Marshal(guard.Finding{Subject: v.Subject})
			if err != nil {
				t.Fatal(err)
			}
			var back guard.Finding
			if err := json.Unmarshal(raw, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.Subject, back.Subject); diff != "" {
				t.Fatalf("%s through JSON (-before +after):\n%s", v.Control.ID, diff)
			}
		}
	})
}

// A secret without a version leaves no older copy behind; one whose versions were not read may.
func TestASecretIsSeenToBeEmptyOnlyWhereItsVersionsWereRead(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*guard.Secret)
		empty  bool
	}{
		"no version":                     {func(s *guard.Secret) { s.Versions = nil }, true},
		"a version":                      {func(*guard.Secret) {}, false},
		"versions that were not read":    {func(s *guard.Secret) { s.Versions, s.VersionsUnread = nil, true }, false},
		"a version, and others not read": {func(s *guard.Secret) { s.VersionsUnread = true }, false},
	} {
		for _, v := range guard.Evaluate(with(secret(awsKey, awsKey), c.change), guard.Standard{}, now) {
			if v.Control.ID == guard.SecretDefaultKey && v.Subject.Empty != c.empty {
				t.Errorf("%s: empty is %v", sentence, v.Subject.Empty)
			}
		}
	}
}

// Each version of a finding keeps the keys that it has itself, also where the one before it has the same and more, or keys that differ
// in their ARN alone.
func TestAVersionOfAFindingKeepsItsOwnKeys(t *testing.T) {
	theirs := func(name string) guard.Key {
		return guard.Key{ARN: "arn:aws:kms:us-east-1:999999999999:key/" + name, Account: "999999999999", Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Aliases: []string{}, Tags: map[string]string{}}
	}
	s := secret(ownKey)
	s.Versions = []guard.Version{version("v4", "AWSCURRENT", theirs("a"), theirs("b")), version("v3", "AWSPREVIOUS", theirs("a")), version("v2", "blue", theirs("b")), version("v1", "green", theirs("b"))}
	var got []string
	for _, v := range verdict(t, guard.SecretKeyUnapproved, s).Subject.Versions {
		for _, k := range v.Keys {
			got = append(got, v.ID+" "+strings.TrimPrefix(k.ARN, "arn:aws:kms:us-east-1:999999999999:key/"))
		}
	}
	if diff := cmp.Diff([]string{"v4 a", "v4 b", "v3 a", "v2 b", "v1 b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALongMessageOfAFailureIsCut(t *testing.T) {
	for length, cut := range map[int]bool{400: false, 401: true} {
		failed := replicaIn("eu-west-1", ownKey)
		failed.Status, failed.StatusMessage = "Failed", strings.Repeat("x", length)
		v := verdict(t, guard.SecretReplicaKey, with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = []guard.Replica{failed} }))
		if len(v.Subject.Replicas) != 1 || strings.HasSuffix(v.Subject.Replicas[0].StatusMessage, "x …") != cut {
			t.Errorf("%d characters: %+v", length, v.Subject)
		}
	}
}

func TestACopyElsewhereHasItsOwnARN(t *testing.T) {
	s := with(secret(ownKey, ownKey), func(s *guard.Secret) {
		s.Elsewhere.Copies = []guard.AccountCopy{{ARN: "a", Account: "444455556666", Region: "us-east-1"}, {ARN: "b", Account: "444455556666", Region: "eu-west-1"}, {ARN: "c", Account: "777788889999", Region: "us-east-1"}}
	})
	copies := guard.CopiesOf(s)
	if got := copies.ARN(1) + copies.ARN(2) + copies.ARN(3); got != "abc" {
		t.Error(got)
	}
}
