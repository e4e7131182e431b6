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

func TestAnAliasDidNotLeadToAKeyThatWasMadeLater(t *testing.T) {
	called := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) // as event has it
	for sentence, tt := range map[string]struct {
		created          time.Time
		denied, notOther simulate.Outcome
	}{
		"made before":    {called.AddDate(0, -1, 0), simulate.Denied, simulate.Passes},
		"made later":     {called.AddDate(0, 1, 0), simulate.Unknown, simulate.Unknown},
		"nobody says it": {time.Time{}, simulate.Denied, simulate.Passes},
	} {
		o := simulate.Options{Keys: map[string]guard.Key{appKey: {ARN: appKey, Manager: guard.ManagerCustomer}}, Created: map[string]time.Time{appKey: tt.created},
			Aliases: map[string]string{"arn:aws:kms:us-east-1:111122223333:alias/app": appKey}}
		for name, text := range map[string]string{
			"a new secret":  event("secretsmanager", "CreateSecret", role("111122223333", "app"), `{"name":"a","kmsKeyId":"alias/app"}`, ``),
			"the key alone": event("kms", "GenerateDataKey", role("111122223333", "app"), `{"keyId":"alias/app"}`, ``),
		} {
			for key, want := range map[string]simulate.Outcome{appKey: tt.denied, vendorKey: tt.notOther} {
				v := trial(t, []simulate.Candidate{denying(t, `"Action":"kms:GenerateDataKey","Resource":"`+key+`"`)}, o).Try(recorded(t, text))
				if v.Outcome != want {
					t.Errorf("%s under an alias of a key %s, without %s: %s, want %s: %s", name, sentence, key, v.Outcome, want, v.Decision.Why)
				}
			}
		}
	}
}
