package inventory_test

import (
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// What a key is decides where its policy, or that of the secret, asks for it; what was not collected decides nothing.
func TestAPolicyMayAskWhatAKeyOrSecretIs(t *testing.T) {
	customer := guard.Key{Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	regional, multi, unread := customer, customer, guard.Key{State: guard.KeyEnabled}
	multi.MultiRegion = true
	for name, tt := range map[string]struct {
		key       guard.Key
		condition string // of the key policy's Allow
		want      policy.Answer
	}{
		"a key of one Region":                          {regional, `"Bool":{"kms:MultiRegion":"false"}`, yes},
		"a key of one Region is none of several":       {regional, `"Bool":{"kms:MultiRegion":"true"}`, no},
		"a multi-Region key":                           {multi, `"Bool":{"kms:MultiRegion":"true"}`, yes},
		"a multi-Region key is none of one":            {multi, `"Bool":{"kms:MultiRegion":"false"}`, no},
		"a key whose metadata were not read":           {unread, `"Bool":{"kms:MultiRegion":"true"}`, may},
		"a key of one Region is neither kind":          {regional, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, no},
		"a multi-Region key is of a kind not read":     {multi, `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, may},
		"its spec, under the name that is deprecated":  {regional, `"StringEquals":{"kms:CustomerMasterKeySpec":"SYMMETRIC_DEFAULT"}`, yes},
		"its usage, under the name that is deprecated": {regional, `"StringEquals":{"kms:CustomerMasterKeyUsage":"SIGN_VERIFY"}`, no},
	} {
		s, reader := readable(tt.key, tt.condition, "")
		got, err := inventory.Prepare(s).Explain(reader, s.Secrets[0].Facts.ARN)
		if err != nil {
			t.Fatal(err)
		}
		if got.KeyLock.Answer != tt.want {
			t.Errorf("%s: %s, want %s: %s", name, got.KeyLock.Answer, tt.want, got.KeyLock.Why)
		}
	}
	for name, condition := range map[string]string{
		"the type of an external secret": `"StringEquals":{"secretsmanager:resource/Type":"Salesforce"}`,
		"that it is no external secret":  `"Null":{"secretsmanager:resource/Type":"true"}`,
	} {
		s, reader := readable(regional, "", condition)
		got, err := inventory.Prepare(s).Explain(reader, s.Secrets[0].Facts.ARN)
		if err != nil {
			t.Fatal(err)
		}
		if got.SecretLock.Answer != may {
			t.Errorf("%s: %s, want %s: %s", name, got.SecretLock.Answer, may, got.SecretLock.Why)
		}
	}
	for name, tt := range map[string]struct {
		kind, condition string
		want            policy.Answer
	}{
		"the type of an external secret, which it is":    {"Salesforce", `"StringEquals":{"secretsmanager:resource/Type":"Salesforce"}`, yes},
		"the type of an external secret, of another":     {"Snowflake", `"StringEquals":{"secretsmanager:resource/Type":"Salesforce"}`, no},
		"the type of an external secret, which has none": {"", `"StringEquals":{"secretsmanager:resource/Type":"Salesforce"}`, no},
		"that it is no external secret, which it is not": {"", `"Null":{"secretsmanager:resource/Type":"true"}`, yes},
	} {
		s, reader := readable(regional, "", tt.condition)
		s.Secrets[0].Facts.Type, s.Secrets[0].Facts.TypeRead = tt.kind, true
		got, err := inventory.Prepare(s).Explain(reader, s.Secrets[0].Facts.ARN)
		if err != nil {
			t.Fatal(err)
		}
		if got.SecretLock.Answer != tt.want {
			t.Errorf("%s: %s, want %s: %s", name, got.SecretLock.Answer, tt.want, got.SecretLock.Why)
		}
	}
	s, reader := readable(regional, "", "")
	s.Secrets[0].Facts.CopyOf = "arn:aws:secretsmanager:eu-central-1:444455556666:secret:read-AbCdEf"
	if got, err := inventory.Prepare(s).Explain(reader, s.Secrets[0].Facts.ARN); err != nil || got.SecretLock.Answer != may {
		t.Errorf("a copy of another account's secret has a policy that is not read: %s, %v", got.SecretLock.Answer, err)
	}
}

// readable is a secret and its key, whose policies let one role read under conditions.
func readable(key guard.Key, onKey, onSecret string) (s inventory.Snapshot, reader string) {
	reader = roleARN(shop, "reader")
	key.ARN, key.ID = "arn:aws:kms:eu-central-1:"+shop+":key/11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555555"
	key.Account, key.Region = shop, "eu-central-1"
	allow := func(action, condition string) string {
		return document(`{"Effect":"Allow","Principal":{"AWS":"` + reader + `"},"Action":"` + action + `","Resource":"*","Condition":{` + condition + `}}`)
	}
	return inventory.Snapshot{
		Accounts:   []inventory.Account{{ID: shop, Regions: []string{key.Region}}},
		Principals: []inventory.Principal{{ARN: reader, Kind: inventory.Role, Account: shop}},
		Keys:       []inventory.Key{{Facts: key, Policy: allow("kms:Decrypt", onKey)}},
		Secrets: []inventory.Secret{{Facts: guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:" + shop + ":secret:read-AbCdEf", Name: "read", Account: shop,
			Region: key.Region, KeyID: key.ARN, Key: key, Versions: []guard.Version{{ID: "v", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}},
			Policy: allow("secretsmanager:GetSecretValue", onSecret)}},
	}, reader
}

// Whoever is to open nothing else may not from some date on, either.
func TestWhatIsTrueFromNowOnIsTrueOnEachDayThatComes(t *testing.T) {
	for sentence, tt := range map[string]struct {
		condition     string
		today, always policy.Answer
	}{
		"open since September":            {`"DateGreaterThan":{"aws:CurrentTime":"2026-09-01T00:00:00Z"}`, yes, yes},
		"open from November on":           {`"DateGreaterThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}`, no, may},
		"the same in seconds":             {`"NumericGreaterThan":{"aws:EpochTime":"1793491200"}`, no, may},
		"open on one day that comes":      {`"DateGreaterThanEquals":{"aws:CurrentTime":"2026-11-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-11-02T00:00:00Z"}`, no, may},
		"open at one moment":              {`"DateEquals":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}`, no, may},
		"open until November":             {`"DateLessThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}`, yes, may},
		"a window in the past is over":    {`"DateGreaterThan":{"aws:CurrentTime":"2026-09-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-09-15T00:00:00Z"}`, no, no},
		"open to those who used MFA once": {`"DateLessThan":{"aws:TokenIssueTime":"2026-09-15T00:00:00Z"}`, may, may},
	} {
		s, reader := readable(guard.Key{Manager: guard.ManagerCustomer, State: guard.KeyEnabled}, `"DateGreaterThan":{"aws:CurrentTime":"2026-09-01T00:00:00Z"}`, tt.condition)
		s.TakenAt = time.Date(2026, 10, 1, 6, 0, 0, 0, time.UTC)
		access := inventory.Prepare(s)
		for of, asked := range map[*inventory.Access]policy.Answer{access: tt.today, access.FromNowOn(): tt.always} {
			got, err := of.Explain(reader, s.Secrets[0].Facts.ARN)
			if err != nil {
				t.Fatal(err)
			}
			if got.Answer != asked {
				t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, asked, got.SecretLock.Why)
			}
			can, err := of.Can(reader)
			if err != nil {
				t.Fatal(err)
			}
			if open := len(can.Open) + len(can.Unknown); (open == 0) != (asked == no) {
				t.Errorf("%s: %d secrets, want %s", sentence, open, asked)
			}
		}
	}
}

// A right to change what decides, from some date on, is one.
func TestARightThatComesWithTimeIsOne(t *testing.T) {
	s := undamaged()
	probe := role(shop, "probe", `{"Effect":"Allow","Action":["newservice:DoIt","secretsmanager:PutResourcePolicy"],"Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}}}`)
	s.Principals = append(s.Principals, probe)
	access := inventory.Prepare(s).FromNowOn()
	found, err := access.Elsewhere(probe.ARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	powers, err := access.Powers(probe.ARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Unproved) != 1 || len(found.Unread) == 0 || len(powers) == 0 {
		t.Errorf("unproved %v, unread %v, powers %v", found.Unproved, found.Unread, powers)
	}
}
