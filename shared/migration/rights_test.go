package migration_test

import (
	"strings"
	"testing"

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
