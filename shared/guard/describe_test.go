package guard_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestANoticeOfAKeySaysHowManySecretsAreUnderIt(t *testing.T) {
	one := []guard.Affected{{Name: "x"}}
	blast := &guard.BlastRadius{State: guard.KeyEnabled, Stops: one, Remains: append(one, one...), Unknown: append(one, one...)}
	off := *blast
	off.State = guard.KeyDisabled
	part := guard.BlastRadius{State: guard.KeyDisabled, Stops: []guard.Affected{{Name: "x", Fate: guard.FateOtherVersion}}, Partly: append(one, one...)}
	ending := guard.BlastRadius{State: guard.KeyDisabled, Remains: []guard.Affected{{Name: "x"}, {Name: "y", Ends: []guard.End{{}}}}}
	waiting := guard.BlastRadius{State: guard.KeyPendingDeletion, Index: &guard.Indexed{Waiting: one, More: 1}}
	sure := guard.BlastRadius{State: guard.KeyEnabled, Unknown: []guard.Affected{{Name: "x", Fate: guard.FateUnreadKey}, {Name: "y", Fate: guard.FateShutOut}}, Index: &guard.Indexed{Waiting: one}}
	for sentence, c := range map[string]struct {
		notice guard.Notice
		want   string
	}{
		"one opens until a day":     {guard.Notice{Kind: guard.NoticeIncident, Blast: &ending}, "key is Disabled: 0 stop, 2 do NOT stop (1 opens for now only), 0 unknown"},
		"some wait to be deleted":   {guard.Notice{Kind: guard.NoticeIncident, Blast: &waiting}, "key is PendingDeletion: 0 stop, 0 do NOT stop, 0 unknown, 2 in their recovery windows need it"},
		"one is under it, unjudged": {guard.Notice{Kind: guard.NoticeKeyRestored, Blast: &sure}, "key is Enabled: 1 secret is under it, and 1 more may be, 1 in its recovery window needs it"},
		"the key is back":           {guard.Notice{Kind: guard.NoticeKeyRestored, Blast: blast}, "key is Enabled: 3 secrets are under it, and 2 more may be"},
		"the key is out of use":     {guard.Notice{Kind: guard.NoticeIncident, Blast: &off}, "key is Disabled: 1 stops, 2 do NOT stop, 2 unknown"},
		"none is known of":          {guard.Notice{Kind: guard.NoticeIncident, Blast: &guard.BlastRadius{State: guard.KeyPendingDeletion}}, "key is PendingDeletion: no secret that can be read is known to be under it"},
		"none is known of, and none was looked for in full": {guard.Notice{Kind: guard.NoticeIncident, Blast: &guard.BlastRadius{State: guard.KeyDisabled, Index: &guard.Indexed{Account: "1", Region: "r"}}},
			"key is Disabled: no secret that can be read is known to be under it; no sweep of account 1 in r is complete yet, so secrets may be missing here"},
		"some stop in part":         {guard.Notice{Kind: guard.NoticeIncident, Blast: &part}, "key is Disabled: 1 stops (1 still opens in another way), 2 stop in part, 0 do NOT stop, 0 unknown"},
		"the key is back, for none": {guard.Notice{Kind: guard.NoticeKeyRestored, Detail: "no secret is under it"}, "no secret is under it"},
	} {
		if got := c.notice.Describe(); got != c.want {
			t.Errorf("%s: %q, want %q", sentence, got, c.want)
		}
	}
}

// Of a multi-Region primary no day is known while it has replicas: what is known is for how long it stays after the last of them.
func TestAKeyThatWaitsForItsReplicasIsSaidToBeDeletedDaysAfterTheLast(t *testing.T) {
	waits := inState(otherKey, guard.KeyPendingReplicaDeletion)
	waits.Window = 7
	unread := waits
	unread.Window = 0
	const seven, least = "KMS deletes it 7 days after the last of its replica keys is deleted, for which no day is known", "KMS deletes it 7 days or more after the last of its replica keys is deleted, for which no day is known"
	for sentence, c := range map[string]struct{ got, want string }{
		"a finding about the key":              {verdict(t, guard.SecretKeyUnusable, secret(waits, waits)).Describe(), "its key " + otherKey.ARN + " is in state PendingReplicaDeletion: " + seven},
		"one about a version":                  {verdict(t, guard.SecretKeyUnusable, secret(ownKey, waits)).Describe(), "AWSCURRENT (version v1) opens with no key that lasts: " + otherKey.ARN + " is in state PendingReplicaDeletion: " + seven},
		"an incident of the key":               {guard.Blast(waits, []guard.Secret{secret(waits, waits)}).KeyWords(), "is PendingReplicaDeletion, and " + seven},
		"one of another key":                   {guard.Blast(ownKey, []guard.Secret{secret(ownKey, ownKey, waits)}).Stops[0].Describe(), "every copy of the current version is under this key, or another that opens nothing: " + otherKey.ARN + " is in state PendingReplicaDeletion: " + seven},
		"where the days could not be read":     {guard.Blast(unread, nil).KeyWords(), "is PendingReplicaDeletion, and " + least},
		"where an event says the state":        {guard.Blast(unread, nil).ByEvent(guard.Said{State: unread.State}).KeyWords(), "was PendingReplicaDeletion by the event, and " + least + "; its state could not be read"},
		"of a key that does not wait for that": {guard.Blast(inState(ownKey, guard.KeyPendingDeletion), nil).KeyWords(), "is PendingDeletion"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", sentence, c.got, c.want)
		}
	}
}

func TestAKeyThatIsKnownByItsARNAloneIsNamed(t *testing.T) {
	for control, want := range map[guard.ControlID]string{
		guard.SecretKeyUnapproved: "its key " + ownKey.ARN + " is not approved",
		guard.SecretKeyUnusable:   "its key " + ownKey.ARN + " is in state ",
	} {
		if got := guard.Describe(control, guard.Fail, guard.Subject{Key: guard.Key{ARN: ownKey.ARN}}); got != want {
			t.Errorf("%s: %q, want %q", control, got, want)
		}
	}
}

func TestAnUnknownKeyIsSaidToBeComparedWithTheApprovedOnesOnlyWhereThatIsAsked(t *testing.T) {
	unread := guard.Subject{Key: guard.Key{ARN: ownKey.ARN}, Blind: &guard.BlindSpot{Part: guard.PartKey, Cause: guard.CauseDenied}}
	words := "the metadata of its key " + ownKey.ARN + " could not be read"
	for control, want := range map[guard.ControlID]string{
		guard.SecretKeyUnapproved: words + ", so it cannot be compared with the approved ones",
		guard.SecretKeyUnusable:   words,
	} {
		if got := guard.Describe(control, guard.Unknown, unread); got != want {
			t.Errorf("%s: %q, want %q", control, got, want)
		}
	}
}

// The owner of a blind spot is sent to the one policy that mends it.
func TestTheFixOfABlindSpotNamesTheRightThatIsMissing(t *testing.T) {
	for sentence, c := range map[string]struct {
		blind guard.BlindSpot
		want  string
	}{
		"the secret's key":                       {guard.BlindSpot{Part: guard.PartKey, Cause: guard.CauseDenied}, "kms:DescribeKey"},
		"a replica's key":                        {guard.BlindSpot{Part: guard.PartReplicaKey, Cause: guard.CauseDenied}, "kms:DescribeKey"},
		"a version's key":                        {guard.BlindSpot{Part: guard.PartVersionKeys, Cause: guard.CauseDenied}, "kms:DescribeKey"},
		"a version of which AWS lists no key":    {guard.BlindSpot{Part: guard.PartVersionKeys, Cause: guard.CauseNotListed}, "No right is missing"},
		"a secret whose own policy keeps us out": {guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}, "the statement of the secret's resource policy that denies it"},
		"a secret":                               {guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseDenied}, "describe secrets and list their versions"},
		"the list of versions":                   {guard.BlindSpot{Part: guard.PartVersions, Cause: guard.CauseDenied}, "describe secrets and list their versions"},
		"an account that could not be entered":   {guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNotEntered}, "Deploy the member stack"},
		"an account that answers no call":        {guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNoAnswer}, "tries again"},
		"an account from which no event arrives": {guard.BlindSpot{Part: guard.PartEvents, Cause: guard.CauseSilent}, "doublelock doctor"},
	} {
		fix := guard.CoverageControl().FixFor(guard.Subject{Blind: &c.blind})
		if !strings.Contains(fix, c.want) {
			t.Errorf("%s: %q does not say %q", sentence, fix, c.want)
		}
	}
}

// Each copy and each key of a finding has its words, whatever the one before it has.
func TestEachCopyOfAFindingHasItsWords(t *testing.T) {
	off := inState(ownKey, guard.KeyDisabled)
	for sentence, c := range map[string]struct {
		control guard.ControlID
		subject guard.Subject
		want    string
	}{
		"two copies elsewhere, of which the first failed": {guard.SecretReplicaKey, guard.Subject{Elsewhere: []guard.AccountCopy{
			{ARN: "a", Account: "444455556666", Key: otherKey, Status: "Failed"}, {ARN: "b", Account: "777788889999", Key: awsKey}}}, "replication to account 444455556666 failed, so what is read there is not known to be what the secret holds; its copy in account 777788889999 is under the AWS managed key"},
		"a version that no key opens": {guard.SecretKeyUnapproved, guard.Subject{Versions: []guard.Version{version("v0", "AWSPREVIOUS", off)}}, "AWSPREVIOUS (version v0) is under " + off.ARN + ", which is not approved"},
		"one that one of two opens":   {guard.SecretKeyUnapproved, guard.Subject{Versions: []guard.Version{version("v0", "AWSPREVIOUS", off, otherKey)}}, "AWSPREVIOUS (version v0) opens with " + otherKey.ARN + ", which is not approved, and is under " + off.ARN + ", which is not approved"},
	} {
		if diff := cmp.Diff(c.want, guard.Describe(c.control, guard.Fail, c.subject)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
	causes := strings.Join(guard.Subject{}.CausesOf(version("v0", "AWSPREVIOUS", awsKey, off)), "; ")
	if !strings.Contains(causes, off.ARN) || strings.Contains(causes, "the previous key") {
		t.Errorf("behind the AWS managed key no other is a cause: %s", causes)
	}
}
