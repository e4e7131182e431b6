package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

const (
	keyHere  = "arn:aws:kms:eu-central-1:111122223333:key/here"
	keyThere = "arn:aws:kms:eu-west-1:111122223333:key/there"
)

var managedKey = guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}

func cmk(arn string, state guard.KeyState) guard.Key {
	return guard.Key{ARN: arn, Manager: guard.ManagerCustomer, State: state}
}

// aliasGone is named by an alias that was deleted.
var aliasGone = guard.Key{ID: "alias/app", State: guard.KeyMissing}

func findingOf(control guard.ControlID, subject guard.Subject) guard.Notice {
	n := notifytest.Opened(control, "app", "cli")
	n.Finding.Subject = subject
	return n
}

func previous(keys ...guard.Key) []guard.Version {
	return []guard.Version{{ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: keys}}
}

// Which copy fails is in the headline and in the sentences below it.
func TestACopyIsNamedByWhereItIs(t *testing.T) {
	day := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	expired := cmk(keyHere, guard.KeyDisabled)
	expired.ValidTo = day
	there := previous(managedKey)
	there[0].In = "eu-west-1"
	abroad := func(key guard.Key, status string) []guard.AccountCopy {
		return []guard.AccountCopy{{ARN: "a", Account: "444455556666", Region: "eu-central-1", Key: key, Status: status}}
	}
	in := func(key guard.Key, status string) []guard.Replica {
		return []guard.Replica{{Region: "eu-west-1", KeyID: key.ARN, Key: key, Status: status}}
	}
	because := func(list []guard.Replica, message string) []guard.Replica {
		list[0].StatusMessage = message
		return list
	}
	const aliasSays = "The secret names alias/app, an alias that does not exist any more: what was written opens as it did, and a new version cannot be written."
	const unknownThere = " failed, so what is read there is not known to be what the secret holds."
	for sentence, c := range map[string]struct {
		control        guard.ControlID
		subject        guard.Subject
		headline, says string
	}{
		"a replica that failed":                   {guard.SecretReplicaKey, guard.Subject{Replicas: in(cmk(keyThere, guard.KeyEnabled), "Failed")}, "Replication of app failed", "Replication to eu-west-1" + unknownThere},
		"a replica that failed, and why":          {guard.SecretReplicaKey, guard.Subject{Replicas: because(in(cmk(keyThere, guard.KeyEnabled), "Failed"), "Access to\nKMS is not allowed")}, "Replication of app failed", "Replication to eu-west-1" + strings.TrimSuffix(unknownThere, ".") + "; Secrets Manager says: Access to KMS is not allowed."},
		"a replica under the AWS managed key":     {guard.SecretReplicaKey, guard.Subject{Replicas: in(managedKey, "InSync")}, "A replica of app is under the AWS managed key", "Its replica in eu-west-1 is under the AWS managed key."},
		"one of each":                             {guard.SecretReplicaKey, guard.Subject{Replicas: append(in(cmk(keyThere, guard.KeyEnabled), "Failed"), guard.Replica{Region: "us-west-2", Key: managedKey})}, "A replica of app is under the AWS managed key", "Replication to eu-west-1" + unknownThere + " Its replica in us-west-2 is under the AWS managed key."},
		"a copy abroad that failed":               {guard.SecretReplicaKey, guard.Subject{Elsewhere: abroad(cmk(keyThere, guard.KeyEnabled), "Failed")}, "Replication of app failed", "Replication to account 444455556666" + unknownThere},
		"a copy abroad under the AWS managed key": {guard.SecretReplicaKey, guard.Subject{Elsewhere: abroad(managedKey, "InSync")}, "A replica of app is under the AWS managed key", "Its copy in account 444455556666 is under the AWS managed key."},
		"an older version of a replica":           {guard.SecretReplicaKey, guard.Subject{Versions: there}, "A replica of app is under the AWS managed key", "AWSPREVIOUS (version v1) in eu-west-1 opens with the AWS managed key alone."},
		"one, and a replica that failed":          {guard.SecretReplicaKey, guard.Subject{Replicas: in(cmk(keyThere, guard.KeyEnabled), "Failed"), Versions: there}, "A replica of app is under the AWS managed key", "Replication to eu-west-1" + unknownThere + " AWSPREVIOUS (version v1) in eu-west-1 opens with the AWS managed key alone."},
		"a finding that names no copy":            {guard.SecretReplicaKey, guard.Subject{}, "A replica of app is under the AWS managed key", ""},
		"a key that is disabled before its day":   {guard.SecretKeyUnusable, guard.Subject{Key: expired}, "The key of app cannot be used", "The secret is under " + keyHere + ", which is disabled."},
		"an enabled key without a day":            {guard.SecretKeyUnusable, guard.Subject{Versions: previous(cmk(keyHere, guard.KeyEnabled))}, "A version of app opens with no key that lasts", "AWSPREVIOUS (version v1) is under " + keyHere + ", which is enabled."},
		"an alias that is gone":                   {guard.SecretKeyUnusable, guard.Subject{Key: aliasGone}, "The key alias of app is gone", aliasSays},
		"one of a replica":                        {guard.SecretKeyUnusable, guard.Subject{Replicas: in(aliasGone, "InSync")}, "The key alias of app is gone", "Its replica in eu-west-1" + strings.TrimPrefix(aliasSays, "The secret")},
		"one, and a replica's key is disabled":    {guard.SecretKeyUnusable, guard.Subject{Key: aliasGone, Replicas: in(cmk(keyThere, guard.KeyDisabled), "InSync")}, "A replica's key of app cannot be used", aliasSays + " Its replica in eu-west-1 is under " + keyThere + ", which is disabled."},
		"one, and an older version":               {guard.SecretKeyUnusable, guard.Subject{Key: aliasGone, Versions: previous(cmk(keyHere, guard.KeyDisabled))}, "A version of app opens with no key that lasts", aliasSays + " AWSPREVIOUS (version v1) is under " + keyHere + ", which is disabled."},
		"a finding that names no key":             {guard.SecretKeyUnusable, guard.Subject{}, "The key of app cannot be used", ""},
		"an older version that does not open":     {guard.SecretKeyUnapproved, guard.Subject{Versions: previous(cmk(keyHere, guard.KeyDisabled))}, "A version of app is under a key that is not approved", "AWSPREVIOUS (version v1) is under " + keyHere + ", which is not approved."},
		"a key, and an older version":             {guard.SecretKeyUnusable, guard.Subject{Key: cmk(keyHere, guard.KeyDisabled), Versions: previous(cmk(keyThere, guard.KeyDisabled))}, "The key of app cannot be used", "The secret is under " + keyHere + ", which is disabled. AWSPREVIOUS (version v1) is under " + keyThere + ", which is disabled."},
		"an older version that is not approved":   {guard.SecretKeyUnapproved, guard.Subject{Versions: previous(cmk(keyHere, guard.KeyEnabled))}, "A version of app opens with a key that is not approved", "AWSPREVIOUS (version v1) is under " + keyHere + ", which is not approved."},
		"its key, which is not approved either":   {guard.SecretKeyUnapproved, guard.Subject{Key: cmk(keyThere, guard.KeyEnabled), Versions: previous(cmk(keyHere, guard.KeyEnabled))}, "app is under a key that is not approved", "The secret is under " + keyThere + ", which is not approved. AWSPREVIOUS (version v1) is under " + keyHere + ", which is not approved."},
		"a finding about approval without a key":  {guard.SecretKeyUnapproved, guard.Subject{}, "app is under a key that is not approved", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			n := findingOf(c.control, c.subject)
			if got := notify.Headline(n); got != c.headline {
				t.Errorf("headline %q, want %q", got, c.headline)
			}
			var want []guard.Passage
			if c.says != "" {
				want = []guard.Passage{{Text: c.says}}
			}
			if diff := cmp.Diff(want, notify.Details(n)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What rests on old facts says so: in the last sentence, or on a line of its own behind what is to be pasted.
func TestWhatRestsOnOldFactsSaysHowOldTheyAre(t *testing.T) {
	const age = "AWS could not be asked again: some of this is as of 2026-11-21 06:05 UTC."
	asOf := func(n guard.Notice) guard.Notice {
		n.AsOf = time.Date(2026, 11, 21, 6, 5, 0, 0, time.UTC)
		return n
	}
	moved := findingOf(guard.SecretNotSealed, guard.Subject{})
	moved.Kind, moved.Finding, moved.Move = guard.NoticeRekeyed, nil, &guard.Move{Key: keyHere, Code: "kms_key_id = x"}
	for sentence, c := range map[string]struct {
		notice guard.Notice
		want   []guard.Passage
	}{
		"behind a sentence":        {asOf(findingOf(guard.SecretKeyUnapproved, guard.Subject{Key: guard.Key{ARN: keyHere}})), []guard.Passage{{Text: "The secret is under " + keyHere + ", which is not approved. " + age}}},
		"where nothing is said":    {asOf(findingOf(guard.SecretKeyUnapproved, guard.Subject{})), []guard.Passage{{Text: age}}},
		"behind what is pasted in": {asOf(moved), []guard.Passage{{Text: "Every labelled version carries " + keyHere + "; keep it in the code:"}, {Text: "kms_key_id = x", Paste: true}, {Text: age}}},
	} {
		if diff := cmp.Diff(c.want, notify.Details(c.notice)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// The fix moves what fails: the key, the replicas' keys, or the versions; and what follows a step is its next.
func TestAFixMovesTheCopyThatFails(t *testing.T) {
	keys := notify.Keys{"eu-central-1": notifytest.Key, "eu-west-1": notifytest.Key}
	replica := []guard.Replica{{Region: "eu-west-1", KeyID: keyThere, Key: cmk(keyThere, guard.KeyEnabled)}}
	abroad := []guard.AccountCopy{{ARN: "a", Account: "444455556666", Region: "eu-central-1", Key: managedKey}}
	older := previous(cmk(keyHere, guard.KeyEnabled))
	const seal, update, updateThere, rotate = "put-secret-value", "update-secret", "update-secret in eu-west-1", "rotate-secret"
	for sentence, c := range map[string]struct {
		control guard.ControlID
		subject guard.Subject
		want    []string // the steps, by their first command; "" for one that has none
	}{
		"a replica's older version alone":                            {guard.SecretReplicaKey, guard.Subject{Rotation: guard.RotationOff, Versions: older}, []string{seal}},
		"a replica and its older version":                            {guard.SecretReplicaKey, guard.Subject{Replicas: replica, Versions: older}, []string{updateThere}},
		"a replica, a copy abroad and an older version":              {guard.SecretReplicaKey, guard.Subject{Replicas: replica, Elsewhere: abroad, Versions: older}, []string{updateThere}},
		"a copy abroad and an older version":                         {guard.SecretReplicaKey, guard.Subject{Elsewhere: abroad, Versions: older}, []string{""}},
		"an older version that is not approved":                      {guard.SecretKeyUnapproved, guard.Subject{Rotation: guard.RotationOff, Versions: older}, []string{seal}},
		"one, and the key itself":                                    {guard.SecretKeyUnapproved, guard.Subject{Rotation: guard.RotationOff, Key: cmk(keyHere, guard.KeyEnabled), Versions: older}, []string{update}},
		"one of a secret that a service owns":                        {guard.SecretKeyUnapproved, guard.Subject{Service: "rds", Versions: older}, []string{""}},
		"one, and a replica":                                         {guard.SecretKeyUnapproved, guard.Subject{Rotation: guard.RotationOff, Replicas: replica, Versions: older}, []string{seal, updateThere}},
		"one, and a replica, of a secret that may or may not rotate": {guard.SecretKeyUnapproved, guard.Subject{Replicas: replica, Versions: older}, []string{rotate, seal, updateThere}},
	} {
		t.Run(sentence, func(t *testing.T) {
			fix := fixFor(findingOf(c.control, c.subject), keys)
			var got []string
			for step := &fix; step != nil; step = step.Next {
				got = append(got, firstCommand(*step))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func firstCommand(fix notify.Fix) string {
	if len(fix.Lines) == 0 {
		return ""
	}
	_, command, _ := strings.Cut(fix.Lines[0], "secretsmanager ")
	command, _, _ = strings.Cut(command, " ")
	if strings.Contains(fix.Lines[0], "eu-west-1") {
		command += " in eu-west-1"
	}
	return command
}

// A key that ends is imported again; one that is disabled is enabled, whatever day its material ends on.
func TestAKeyWhoseMaterialEndsIsImportedAgain(t *testing.T) {
	const again = "Import the same key material again before that day"
	ends, off := cmk(keyHere, guard.KeyEnabled), cmk(keyThere, guard.KeyDisabled)
	ends.ValidTo = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	offToo := off
	offToo.ValidTo = ends.ValidTo
	for sentence, c := range map[string]struct {
		subject   guard.Subject
		say, then bool // whether they say to import it again
		enables   int
	}{
		"it ends":                           {guard.Subject{Key: ends}, true, false, 0},
		"it is disabled":                    {guard.Subject{Key: off}, false, false, 1},
		"it is disabled, and ends":          {guard.Subject{Key: offToo}, false, false, 1},
		"one ends, and another is disabled": {guard.Subject{Key: ends, Replicas: []guard.Replica{{Region: "eu-west-1", Key: off}}}, false, true, 1},
		"a version's key is disabled, its other one is not": {guard.Subject{Versions: previous(off, cmk(keyHere, guard.KeyEnabled))}, false, false, 1},
		"nothing is named":                           {guard.Subject{}, false, false, 0},
		"its store is disconnected":                  {guard.Subject{Key: guard.Key{ARN: keyHere, State: guard.KeyUnavailable, Store: "cks-1"}}, false, false, 1},
		"its store is not known":                     {guard.Subject{Key: cmk(keyHere, guard.KeyUnavailable)}, false, false, 0},
		"one is disabled, and another is in a store": {guard.Subject{Versions: previous(off, guard.Key{ARN: keyHere, State: guard.KeyEnabled, Store: "cks-1"})}, false, false, 1},
	} {
		fix := fixFor(findingOf(guard.SecretKeyUnusable, c.subject), nil)
		if say, then := strings.Contains(fix.Say, again), strings.Contains(fix.Then, again); say != c.say || then != c.then || len(fix.Lines) != c.enables {
			t.Errorf("%s: %+v", sentence, fix)
		}
	}
}

// An alias that is gone is made again, as all that is to be done or after what brings the other keys back.
func TestAnAliasThatIsGoneIsMadeAgain(t *testing.T) {
	const again = "Make alias/app again, for the key that opens the current version, or set another key where it is named. Nothing that was written is lost."
	off := cmk(keyThere, guard.KeyDisabled)
	for sentence, c := range map[string]struct {
		subject guard.Subject
		all     bool
	}{
		"it alone":                        {guard.Subject{Key: aliasGone}, true},
		"and a replica's key is disabled": {guard.Subject{Key: aliasGone, Replicas: []guard.Replica{{Region: "eu-west-1", Key: off}}}, false},
		"and a version's key is disabled": {guard.Subject{Key: aliasGone, Versions: previous(off)}, false},
	} {
		fix := fixFor(findingOf(guard.SecretKeyUnusable, c.subject), nil)
		if c.all != (fix.Say == again) || c.all != (fix.Then == "") || c.all != (len(fix.Lines) == 0) || !c.all && fix.Then != again {
			t.Errorf("%s: %+v", sentence, fix)
		}
	}
}

// A replica that failed is made again under a key of ours; one for which there is none is named, and does not keep the others from it.
func TestEachReplicaThatFailedIsTriedAgainUnderAKeyOfOurs(t *testing.T) {
	failed := func(region string, key guard.Key) guard.Replica {
		return guard.Replica{Region: region, Key: key, Status: "Failed"}
	}
	defaultKey := cmk("arn:aws:kms:eu-north-1:111122223333:key/aws", guard.KeyEnabled)
	defaultKey.Manager = guard.ManagerAWS
	n := findingOf(guard.SecretReplicaKey, guard.Subject{Replicas: []guard.Replica{
		{Region: "us-west-2", Key: managedKey, Status: "InSync"}, failed("us-east-1", managedKey), failed("eu-west-1", cmk(keyThere, guard.KeyEnabled)),
		failed("eu-north-1", defaultKey), failed("eu-south-1", guard.Key{Manager: guard.ManagerCustomer}),
	}})
	fix := fixFor(n, notify.Keys{"eu-north-1": notifytest.Key, "eu-south-1": notifytest.Key})
	for fix.Next != nil && !strings.Contains(fix.Say, "tried again") {
		fix = *fix.Next
	}
	var replicas []string
	for _, line := range fix.Lines {
		if _, replica, found := strings.Cut(line, "--add-replica-regions "); found {
			replicas = append(replicas, replica)
		}
	}
	if diff := cmp.Diff([]string{"Region=eu-west-1,KmsKeyId=" + keyThere, "Region=eu-north-1,KmsKeyId=" + notifytest.Key, "Region=eu-south-1,KmsKeyId=" + notifytest.Key}, replicas); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(fix.Say, "to us-east-1, eu-west-1, eu-north-1, eu-south-1 tried again") || !strings.HasPrefix(fix.First, "First: ") ||
		!strings.HasSuffix(fix.First, " doublelock.yaml names no key for us-east-1: ask the security team for one.") {
		t.Errorf("%+v", fix)
	}
}

// A row whose current version is under another key, which is out of use as well, is not brought back by the key of the incident.
func TestTheCommandsOfAnIncidentBringBackEachKeyThatItsRowsNeed(t *testing.T) {
	n := notifytest.Opened(guard.SecretKeyUnusable, "app", "cli")
	n.Kind, n.Finding, n.Resource, n.Account, n.Region = guard.NoticeIncident, nil, keyHere, "111122223333", "eu-central-1"
	n.Blast = &guard.BlastRadius{Key: keyHere, State: guard.KeyDisabled, Stops: []guard.Affected{
		{Secret: "a", Fate: guard.FateEveryCopy},
		{Secret: "b", Fate: guard.FateEveryCopy, Apart: []guard.Key{cmk(keyThere, guard.KeyPendingDeletion)}},
		{Secret: "c", Fate: guard.FateEveryCopy, Apart: []guard.Key{cmk(keyThere, guard.KeyPendingDeletion)}},
	}}
	want := []string{
		"aws kms enable-key --region eu-central-1 --key-id " + keyHere,
		"aws kms cancel-key-deletion --region eu-west-1 --key-id " + keyThere,
		"aws kms enable-key --region eu-west-1 --key-id " + keyThere,
	}
	if diff := cmp.Diff(want, fixFor(n, nil).Lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
