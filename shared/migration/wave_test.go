package migration_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/migration"
)

// Where waves are configured the account decides: the tag that a secret's owner may write moves it to a later wave at most.
func TestATagMovesASecretToALaterWaveAtMost(t *testing.T) {
	rules := migration.Rules{Waves: []migration.Placed{
		{Wave: migration.Canary, Targets: []string{"111111111111"}}, {Wave: migration.Development, Targets: []string{"ou-ab12-workloads"}}, {Wave: migration.Test, Targets: []string{"ou-ab12-payments"}},
	}}
	workloads, payments := []string{"r-ab12", "ou-ab12-workloads"}, []string{"r-ab12", "ou-ab12-workloads", "ou-ab12-payments"}
	for sentence, c := range map[string]struct {
		rules   migration.Rules
		account string
		path    []string
		tag     string
		want    migration.Wave
	}{
		"its account is a canary":               {rules, "111111111111", workloads, "", migration.Canary},
		"its OU is dev":                         {rules, "222222222222", workloads, "", migration.Development},
		"the nearer OU decides":                 {rules, "222222222222", payments, "", migration.Test},
		"no target is above it":                 {rules, "333333333333", []string{"r-ab12"}, "", migration.Production},
		"its OUs could not be read":             {rules, "222222222222", nil, "", migration.Production},
		"a tag names a later wave":              {rules, "222222222222", workloads, "prod", migration.Production},
		"a tag names an earlier wave":           {rules, "222222222222", payments, "canary", migration.Test},
		"a tag names one where there is none":   {rules, "333333333333", nil, "canary", migration.Production},
		"no waves are configured, and a tag is": {migration.Rules{}, "333333333333", nil, "canary", migration.Canary},
		"neither":                               {migration.Rules{}, "333333333333", nil, "", migration.Production},
	} {
		tags := map[string]string{}
		if c.tag != "" {
			tags[migration.TagWave] = c.tag
		}
		if got := c.rules.WaveOf(c.account, c.path, tags); got != c.want {
			t.Errorf("%s: %s, want %s", sentence, got, c.want)
		}
	}
}
