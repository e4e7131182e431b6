package simulate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/simulate"
)

// What opens a version is what it is under, not the key that its secret has now. Source: Secrets Manager User Guide, "Secret encryption and
// decryption"; API Reference, SecretVersionsListEntry, KmsKeyIds.
func TestAReadIsTriedWithTheKeysOfTheVersionItAsksFor(t *testing.T) {
	app, vendor := guard.Key{ARN: appKey, Manager: guard.ManagerCustomer}, guard.Key{ARN: vendorKey, Manager: guard.ManagerCustomer}
	called := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) // as event has it
	rekeyed := before("a/b", "AbCdEf")
	rekeyed.Key = app
	rekeyed.Versions = []guard.Version{
		{ID: "v3", Stages: []string{"AWSPENDING", "both"}, Keys: []guard.Key{app, vendor}},
		{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{app}},
		{ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{vendor}},
		{ID: "v0", Stages: []string{"keyless"}},
	}
	changed := func(change func(*guard.Secret)) guard.Secret {
		s := rekeyed
		s.Versions = append([]guard.Version(nil), s.Versions...)
		change(&s)
		return s
	}
	get := func(more string) string {
		return event("secretsmanager", "GetSecretValue", role("111122223333", "app"), `{"secretId":"a/b"`+more+`}`, ``)
	}
	for sentence, tt := range map[string]struct {
		event             string
		secret            guard.Secret
		wantApp, wantThen simulate.Outcome // where the key of the current version, or the one before, is denied
		why               string
	}{
		"the current one":              {get(``), rekeyed, simulate.Denied, simulate.Passes, ""},
		"the current one, by label":    {get(`,"versionStage":"AWSCURRENT"`), rekeyed, simulate.Denied, simulate.Passes, ""},
		"the one before":               {get(`,"versionStage":"AWSPREVIOUS"`), rekeyed, simulate.Passes, simulate.Denied, ""},
		"the one before, by id":        {get(`,"versionId":"v1"`), rekeyed, simulate.Passes, simulate.Denied, ""},
		"one that two keys open":       {get(`,"versionStage":"both"`), rekeyed, simulate.Unknown, simulate.Unknown, "several keys may open"},
		"one that nobody knows":        {get(`,"versionId":"v9"`), rekeyed, simulate.Unknown, simulate.Unknown, "does not have the version"},
		"a label that nobody knows":    {get(`,"versionStage":"blue"`), rekeyed, simulate.Unknown, simulate.Unknown, "does not have the version"},
		"one whose keys are not known": {get(`,"versionStage":"keyless"`), rekeyed, simulate.Unknown, simulate.Unknown, "does not say which key opened"},
		"of versions that were not read": {get(``), changed(func(s *guard.Secret) { s.Versions, s.VersionsUnread = nil, true }),
			simulate.Unknown, simulate.Unknown, "could not be read"},
		"one that got its label later": {get(``), changed(func(s *guard.Secret) { s.Versions[1].CreatedAt = called.Add(time.Hour) }),
			simulate.Unknown, simulate.Unknown, "which key opened the version then"},
		"of a secret that was changed since": {get(``), changed(func(s *guard.Secret) { s.LastChangedAt = called.Add(time.Hour) }),
			simulate.Unknown, simulate.Unknown, "was changed after the call"},
		"of one that was changed in that second": {get(``), changed(func(s *guard.Secret) { s.LastChangedAt = called.Add(300 * time.Millisecond) }),
			simulate.Denied, simulate.Passes, ""},
		"each of a batch": {event("secretsmanager", "BatchGetSecretValue", role("111122223333", "app"), `{"secretIdList":["a/b"]}`, ``), rekeyed, simulate.Denied, simulate.Passes, ""},
		"a replica of all that has a label": {event("secretsmanager", "ReplicateSecretToRegions", role("111122223333", "app"), `{"secretId":"a/b","addReplicaRegions":[{"region":"eu-west-1","kmsKeyId":"1"}]}`, ``),
			rekeyed, simulate.Unknown, simulate.Unknown, "several keys may open"},
	} {
		for key, want := range map[string]simulate.Outcome{appKey: tt.wantApp, vendorKey: tt.wantThen} {
			o := simulate.Options{Keys: map[string]guard.Key{appKey: app, vendorKey: vendor}, Secrets: []guard.Secret{tt.secret}}
			v := trial(t, []simulate.Candidate{denying(t, `"Action":"kms:Decrypt","Resource":"`+key+`"`)}, o).Try(recorded(t, tt.event))
			if v.Outcome != want || want == simulate.Unknown && !strings.Contains(v.Decision.Why, tt.why) {
				t.Errorf("%s, without %s: %s, want %s with %q: %s", sentence, key, v.Outcome, want, tt.why, v.Decision.Why)
			}
		}
	}
}

const appAlias = "arn:aws:kms:us-east-1:111122223333:alias/app"

func TestAnAliasLedToItsKeySinceItWasGivenToIt(t *testing.T) {
	called := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) // as event has it
	for sentence, tt := range map[string]struct {
		since            time.Time
		denied, notOther simulate.Outcome
	}{
		"before the call": {called.AddDate(0, -1, 0), simulate.Denied, simulate.Passes},
		"after it":        {called.AddDate(0, 1, 0), simulate.Unknown, simulate.Unknown},
		"nobody says":     {time.Time{}, simulate.Unknown, simulate.Unknown},
	} {
		o := simulate.Options{Keys: map[string]guard.Key{appKey: {ARN: appKey, Manager: guard.ManagerCustomer}}, Since: map[string]time.Time{appAlias: tt.since}, Aliases: map[string]string{appAlias: appKey}}
		for name, text := range map[string]string{
			"a new secret":  event("secretsmanager", "CreateSecret", role("111122223333", "app"), `{"name":"a","kmsKeyId":"alias/app"}`, ``),
			"the key alone": event("kms", "GenerateDataKey", role("111122223333", "app"), `{"keyId":"alias/app"}`, ``),
		} {
			for key, want := range map[string]simulate.Outcome{appKey: tt.denied, vendorKey: tt.notOther} {
				v := trial(t, []simulate.Candidate{denying(t, `"Action":"kms:GenerateDataKey","Resource":"`+key+`"`)}, o).Try(recorded(t, text))
				if v.Outcome != want {
					t.Errorf("%s under an alias given to the key %s, without %s: %s, want %s: %s", name, sentence, key, v.Outcome, want, v.Decision.Why)
				}
			}
		}
	}
}

// Which aliases a key had at the time of a call is known of those that were given to it before, and of no other: one may have been taken away.
func TestAKeyHadTheAliasesThatItWasGivenBeforeTheCall(t *testing.T) {
	called := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	app := guard.Key{ARN: appKey, Manager: guard.ManagerCustomer, Aliases: []string{"alias/app", "alias/new"}}
	o := simulate.Options{Keys: map[string]guard.Key{appKey: app}, Aliases: map[string]string{appAlias: appKey},
		Since: map[string]time.Time{appAlias: called.AddDate(0, -1, 0), strings.Replace(appAlias, "app", "new", 1): called.AddDate(0, 1, 0)}}
	for sentence, tt := range map[string]struct {
		named, condition string
		want             simulate.Outcome
	}{
		"one that it had":                   {appKey, `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}`, simulate.Denied},
		"all but those that it had":         {appKey, `"ForAllValues:StringNotEquals":{"kms:ResourceAliases":"alias/app"}`, simulate.Passes},
		"one that it was given later":       {appKey, `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/new"}`, simulate.Unknown},
		"one that may have been taken away": {appKey, `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/gone"}`, simulate.Unknown},
		"none other":                        {appKey, `"ForAllValues:StringLike":{"kms:ResourceAliases":"alias/app"}`, simulate.Unknown},
		"any":                               {appKey, `"Null":{"kms:ResourceAliases":"false"}`, simulate.Denied},
		"the one that the call names":       {"alias/new", `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/new"}`, simulate.Denied},
	} {
		text := event("secretsmanager", "CreateSecret", role("111122223333", "app"), `{"name":"a","kmsKeyId":"`+tt.named+`"}`, ``)
		v := trial(t, []simulate.Candidate{denying(t, `"Action":"kms:GenerateDataKey","Resource":"*","Condition":{`+tt.condition+`}`)}, o).Try(recorded(t, text))
		if v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}
