package migration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

// Who is sent to look for a right in the wrong policy finds nothing: what keeps the right from the role is named.
func TestARightThatTheChangeRoleLacksIsNamedWithWhatKeepsItFromIt(t *testing.T) {
	const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	const noKeys = `{"Version":"2012-10-17","Statement":[{"Sid":"NoNewKeys","Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*"}]}`
	const noKeysAtKeys = `{"Version":"2012-10-17","Statement":[{"Sid":"NoKeyUse","Effect":"Deny","Principal":"*","Action":"kms:GenerateDataKey","Resource":"*"}]}`
	levels := func(policies ...string) []inventory.Level {
		return []inventory.Level{{Target: "r-ab12", Policies: []string{"p-full"}}, {Target: "ou-ab12-shop0001", Policies: policies}, {Target: shop, Policies: []string{"p-full"}}}
	}
	for name, tt := range map[string]struct {
		scps, rcps []inventory.Level
		policy     string
		want       []string
	}{
		"a service control policy that denies it":      {levels("p-full", "p-nokeys"), nil, everything, []string{`"NoNewKeys"`, "no keys (p-nokeys)", "service control policy"}},
		"a level without a service control policy":     {levels(), nil, everything, []string{"no service control policy at level 1 (ou-ab12-shop0001) of the organization's path"}},
		"a resource control policy that denies it":     {levels("p-full"), levels("p-full", "p-keyuse"), everything, []string{`"NoKeyUse"`, "key use (p-keyuse)"}},
		"no policy of the role allows it, nor anybody": {levels("p-full"), nil, may(false), []string{"not allowed: "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := org(principal("doublelock-change", tt.policy))
			s.Organization = inventory.Organization{ID: "o-exampleorg", ManagementAccount: data}
			s.Accounts[0].Path, s.Accounts[0].SCPs, s.Accounts[0].RCPs = []string{"r-ab12", "ou-ab12-shop0001"}, tt.scps, tt.rcps
			s.Controls = map[string]inventory.Policy{"p-full": {Name: "FullAWSAccess", Document: everything},
				"p-nokeys": {Name: "no keys", Document: noKeys}, "p-keyuse": {Name: "key use", Document: noKeysAtKeys}}
			found, err := migration.Assess(migration.Question{Access: inventory.Prepare(s), Secret: arn("db"), Target: s.Keys[0], Changer: role("doublelock-change")})
			if err != nil {
				t.Fatal(err)
			}
			problems := strings.Join(found.Problems, "\n")
			for _, want := range append(tt.want, "the role doublelock-change lacks kms:GenerateDataKey on "+s.Keys[0].Facts.ARN+": ") {
				if !strings.Contains(problems, want) {
					t.Errorf("problems do not say %q:\n%s", want, problems)
				}
			}
		})
	}
}

// What a re-key can take along is what the versions open with, whatever key the secret names.
func TestAPlanJudgesByTheCopiesOfASecret(t *testing.T) {
	in := func(k guard.Key, state guard.KeyState) guard.Key {
		k.State = state
		if state == guard.KeyPendingDeletion {
			k.DeletionDate = now.Add(7 * 24 * time.Hour)
		}
		return k
	}
	own, old := cmk("new", region), cmk("old", region)
	label := func(stage string, opens ...guard.Key) guard.Version {
		return guard.Version{ID: "of-" + stage, Stages: []string{stage}, Keys: opens}
	}
	current := label("AWSCURRENT", own, managed())
	replica := func(opens ...guard.Key) guard.Replica {
		k := cmk("far", other)
		return guard.Replica{Region: other, KeyID: k.ARN, Key: k, Status: "InSync", Listing: guard.Listed, Versions: []guard.Version{label("AWSCURRENT", opens...)}}
	}
	for sentence, c := range map[string]struct {
		names    guard.Key
		versions []guard.Version
		replicas []guard.Replica
		want     []string // none: safe
	}{
		"it names a disabled key, and opens with the AWS managed one": {in(old, guard.KeyDisabled), []guard.Version{label("AWSCURRENT", managed())}, nil, nil},
		"it names a disabled key, and opens with another":             {in(old, guard.KeyDisabled), []guard.Version{label("AWSCURRENT", in(old, guard.KeyDisabled), own)}, nil, nil},
		"its current version is closed": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyDisabled))}, nil,
			[]string{"AWSCURRENT opens with no key now", "its key " + old.ARN + " is in state Disabled: enable it first"}},
		"its current version dies": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyPendingDeletion))}, nil,
			[]string{"AWSCURRENT opens with no key now", "is in state PendingDeletion: cancel its deletion and enable it first", "lost for good from 2026-11-28T09:00:00Z on"}},
		"its current version is under two keys": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyPendingDeletion), in(cmk("older", region), guard.KeyDisabled))}, nil,
			[]string{"its key " + old.ARN + " is in state PendingDeletion (cancel its deletion and enable it)", "is in state Disabled (enable it): bring one of them back first"}},
		"the material of its key is gone": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyPendingImport))}, nil,
			[]string{"is in state PendingImport: import the same key material into it again (without an expiry date, or with a later one) first"}},
		"the store of its key is away": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyUnavailable))}, nil,
			[]string{"is in state Unavailable: connect its custom key store again first"}},
		"its key waits for its replicas": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyPendingReplicaDeletion))}, nil,
			[]string{"is in state PendingReplicaDeletion: cancel its deletion and enable it first"}},
		"its alias is gone": {guard.Key{ID: "alias/gone", State: guard.KeyMissing}, []guard.Version{label("AWSCURRENT", old)}, nil,
			[]string{"it names alias/gone, an alias that does not exist any more, so it could not be set back: make the alias again for " + old.ARN + ", which its current version is under, or set a key"}},
		"its alias is gone, and it opens with the AWS managed key":  {guard.Key{ID: "alias/gone", State: guard.KeyMissing}, []guard.Version{label("AWSCURRENT", managed())}, nil, []string{"make the alias again, or set a key"}},
		"its alias is gone, and it opens with a key nobody may see": {guard.Key{ID: "alias/gone", State: guard.KeyMissing}, []guard.Version{label("AWSCURRENT", guard.Key{ARN: cmk("theirs", region).ARN}, managed())}, nil, []string{"make the alias again, or set a key"}},
		"its alias is gone, and it has no value":                    {guard.Key{ID: "alias/gone", State: guard.KeyMissing}, nil, nil, []string{"make the alias again, or set a key"}},
		"its key is gone":                                           {guard.Key{ARN: old.ARN, State: guard.KeyMissing}, []guard.Version{label("AWSCURRENT", managed())}, nil, []string{"its key " + old.ARN + " does not exist any more"}},
		"its key could not be read":                                 {guard.Key{ARN: old.ARN}, []guard.Version{label("AWSCURRENT", managed())}, nil, []string{"its key could not be looked at"}},
		"its current version is lost": {own, []guard.Version{label("AWSCURRENT", in(old, guard.KeyMissing))}, nil,
			[]string{"AWSCURRENT opens with no key now", "none of its keys exists any more"}},
		"its previous version dies":               {own, []guard.Version{current, label("AWSPREVIOUS", in(old, guard.KeyPendingDeletion))}, nil, []string{"AWSPREVIOUS opens with no key now"}},
		"a version under another label is closed": {own, []guard.Version{current, label("blue", in(old, guard.KeyUnavailable))}, nil, []string{"blue opens with no key now", "is in state Unavailable"}},
		"the state of a version's key is not known": {own, []guard.Version{current, label("AWSPREVIOUS", in(old, guard.KeyStateUnknown))}, nil,
			[]string{"whether AWSPREVIOUS opens, and can be re-encrypted, is not known"}},
		"a replica is closed": {own, []guard.Version{current}, []guard.Replica{replica(in(cmk("older", other), guard.KeyDisabled))},
			[]string{"AWSCURRENT in " + other + " opens with no key now"}},
		"a replica opens": {own, []guard.Version{current}, []guard.Replica{replica(cmk("far", other))}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := org(principal("app", may(true)))
			facts := facts(s)
			db := secret("db", c.names)
			db.Versions, db.Replicas = c.versions, c.replicas
			s.Secrets[0].Facts = db
			s.Keys = append(s.Keys, inventory.Key{Facts: old, Policy: delegated}, inventory.Key{Facts: cmk("far", other), Policy: delegated})
			facts.Access, facts.Approved = inventory.Prepare(s), guard.Approved{Accounts: []string{shop}}
			p := planOf(t, facts)
			if len(p.Items) != 1 {
				t.Fatalf("planned %d secrets, left alone %v", len(p.Items), p.Outside)
			}
			if blocked := strings.Join(p.Items[0].Blocked, "\n"); p.Items[0].Safe() != (len(c.want) == 0) {
				t.Errorf("blocked by %q, want %q", blocked, c.want)
			} else {
				for _, want := range c.want {
					if strings.Count(blocked, want) != 1 {
						t.Errorf("blocked by %q, which does not say %q a single time", blocked, want)
					}
				}
			}
		})
	}
}

// A re-key needs the right to decrypt with a key that opens a version, which need not be the one that the secret names.
func TestTheRightToDecryptIsAskedOfWhatOpensAVersion(t *testing.T) {
	const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:*","secretsmanager:UpdateSecret"],"Resource":"*"}]}`
	old, named := cmk("old", region), cmk("named", region)
	for sentence, c := range map[string]struct {
		opens []guard.Key
		want  string
	}{
		"of the key alone that opens it":                      {[]guard.Key{old}, "lacks kms:Decrypt on " + old.ARN},
		"of none, where the AWS managed key opens it, too":    {[]guard.Key{old, managed()}, ""},
		"of none, where a key opens it that the role may use": {[]guard.Key{old, named}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := org(principal("doublelock-change", everything))
			s.Secrets[0].Facts = secret("db", named)
			s.Secrets[0].Facts.Versions[0].Keys = c.opens
			s.Keys = append(s.Keys, inventory.Key{Facts: old, Policy: closedKey}, inventory.Key{Facts: named, Policy: delegated})
			found := assess(t, s, func(q *migration.Question) { q.Changer = role("doublelock-change") })
			if got := strings.Join(found.Problems, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("problems %q, want %q", got, c.want)
			}
		})
	}
}
