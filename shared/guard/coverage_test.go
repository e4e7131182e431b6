package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

var denied = guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseDenied}

func TestBlindSpotOpensOnceAndResolvesOnce(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	secret := guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf", Name: "app", Account: "111122223333", Region: "eu-central-1"}
	before := guard.Record{
		Resource: secret.ARN, State: guard.StateSealed, LastKnown: guard.StateSealed, KeyARN: "arn:aws:kms:eu-central-1:111122223333:key/k",
		Findings: []guard.Finding{{Control: guard.SecretReplicaKey, Resource: secret.ARN, Status: guard.FindingOpen}},
	}
	blind := guard.ReconcileUnseen(before, secret, denied, now, guard.Cause{})
	if blind.State != guard.StateUnknown || blind.LastKnown != guard.StateSealed || blind.KeyARN != before.KeyARN {
		t.Errorf("state %s, last known %s, key %q: a refused look forgets what was seen", blind.State, blind.LastKnown, blind.KeyARN)
	}
	if len(blind.Open()) != 2 || len(blind.Outbox) != 1 || !blind.Outbox[0].Notified() || blind.Outbox[0].Finding.Control != guard.OrgCoverage {
		t.Errorf("open %v, outbox %+v", blind.Open(), blind.Outbox)
	}
	if diff := cmp.Diff(blind, guard.ReconcileUnseen(blind, secret, denied, now.Add(time.Hour), guard.Cause{})); diff != "" {
		t.Errorf("the second refusal changes (-first +second):\n%s", diff)
	}
	seen := guard.ReconcileSeen(blind, now.Add(time.Hour), guard.Cause{})
	if len(seen.Open()) != 1 || len(seen.Outbox) != 2 || seen.Outbox[1].Kind != guard.NoticeResolved || !seen.Outbox[1].Notified() {
		t.Errorf("open %v, outbox %+v", seen.Open(), seen.Outbox)
	}
	if diff := cmp.Diff(seen, guard.ReconcileSeen(seen, now.Add(2*time.Hour), guard.Cause{})); diff != "" {
		t.Errorf("the second look changes (-first +second):\n%s", diff)
	}
	if len(before.Findings) != 1 || len(before.Outbox) != 0 {
		t.Error("the record that was handed in was changed")
	}
}

func TestUnreadNamesWhatCouldNotBeRead(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:111122223333:key/k"
	cmk := guard.Key{ARN: arn, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	labelled := func(keys ...guard.Key) []guard.Version {
		return []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: keys}}
	}
	for sentence, tt := range map[string]struct {
		secret guard.Secret
		want   string
	}{
		"everything was read":            {guard.Secret{Key: cmk, Versions: labelled(cmk)}, ""},
		"a key that exists no more":      {guard.Secret{Key: guard.Key{ARN: arn, State: guard.KeyMissing}, Versions: labelled(cmk)}, ""},
		"an older key, known by its ARN": {guard.Secret{Key: cmk, Versions: labelled(cmk, guard.Key{ARN: arn + "2"})}, ""},
		"the key":                        {guard.Secret{Key: guard.Key{ARN: arn}}, "the metadata of its key " + arn + " could not be read"},
		"the key, known by an alias":     {guard.Secret{Key: guard.Key{ID: "alias/x"}}, "the metadata of its key alias/x could not be read"},
		"the versions":                   {guard.Secret{Key: cmk, VersionsUnread: true}, "its versions could not be listed"},
		"the keys of a version":          {guard.Secret{Key: cmk, Versions: labelled()}, "the keys of version v1 could not be read: AWS lists none"},
		"a key of a version, not to be described": {guard.Secret{Key: cmk, Versions: labelled(cmk, guard.Key{ID: "alias/x"})},
			"the keys of version v1 could not be read"},
		"a version without a label": {guard.Secret{Key: cmk, Versions: []guard.Version{{ID: "v0"}}}, ""},
		"the keys of a version behind one without a label": {guard.Secret{Key: cmk, Versions: append([]guard.Version{{ID: "v0"}}, labelled()...)},
			"the keys of version v1 could not be read: AWS lists none"},
		"the key of a replica": {guard.Secret{Key: cmk, Replicas: []guard.Replica{{Region: "eu-west-1", Key: guard.Key{ARN: arn}}}},
			"the key of its replica in eu-west-1 could not be read"},
		"nothing is read of what is about to be deleted": {guard.Secret{DeletedAt: time.Unix(1, 0), VersionsUnread: true}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			unread := guard.Unread(tt.secret)
			if got := guard.Describe(guard.OrgCoverage, guard.Fail, unread); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (unread.Blind == nil) != (tt.want == "") {
				t.Errorf("blind spot %+v", unread.Blind)
			}
		})
	}
}

// A denial that nobody made sends its owner to look for a right that nobody lacks.
func TestAVersionOfWhichAWSListsNoKeysIsNotDenied(t *testing.T) {
	cmk := guard.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:key/1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	version := func(id string, keys ...guard.Key) guard.Version {
		return guard.Version{ID: id, Stages: []string{"AWSCURRENT"}, Keys: keys}
	}
	for sentence, tt := range map[string]struct {
		versions []guard.Version
		want     guard.BlindCause
	}{
		"no key is listed":                            {[]guard.Version{version("v1")}, guard.CauseNotListed},
		"a key is listed and not to be described":     {[]guard.Version{version("v1", guard.Key{ID: "alias/x"})}, guard.CauseDenied},
		"one of each: the right is what can be given": {[]guard.Version{version("v1"), version("v2", guard.Key{ID: "alias/x"})}, guard.CauseDenied},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := guard.Secret{Key: cmk, Versions: tt.versions}
			unread := guard.Unread(s)
			if unread.Blind == nil || *unread.Blind != (guard.BlindSpot{Part: guard.PartVersionKeys, Cause: tt.want}) {
				t.Fatalf("blind spot %+v, want cause %q", unread.Blind, tt.want)
			}
			for _, v := range guard.Evaluate(s, guard.Standard{}, time.Time{}) {
				if v.Control.ID == guard.SecretNotSealed && (v.Outcome != guard.Unknown || *v.Subject.Blind != *unread.Blind) {
					t.Errorf("%s is %s for %+v", v.Control.ID, v.Outcome, v.Subject.Blind)
				}
			}
			fix := guard.CoverageControl().FixFor(unread)
			if asksForARight := strings.Contains(fix, guard.ReadRole); asksForARight != (tt.want == guard.CauseDenied) {
				t.Errorf("the fix is %q", fix)
			}
		})
	}
}
