package settings_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/settings"
)

// What has no effect is said, and partners are accounts.
func TestStageSettingsWithoutEffectAreProblems(t *testing.T) {
	const head = `organization: {id: o-exampleorgid, rootId: r-ab12, managementAccount: "111111111111", securityAccount: "222222222222"%s}
regions: {home: us-east-1}
owners: {fallback: security-team}
rollout:
  - {name: one, targets: [ou-ab12-11111111], mode: observe%s}
`
	for sentence, tt := range map[string]struct{ organization, stage, want string }{
		"a choice layer without SCPs":     {"", ", denyDefaultKey: true", "denyDefaultKey without scp has no effect"},
		"a choice layer with them":        {"", ", scp: true, denyDefaultKey: true", ""},
		"partners without a perimeter":    {`, partners: ["777777777777"]`, "", "partners have no effect where no stage has perimeter"},
		"partners with one":               {`, partners: ["777777777777"]`, ", perimeter: true", ""},
		"a partner that is no account id": {`, partners: [example]`, ", perimeter: true", "organization.partners[0]"},
	} {
		text := strings.Replace(strings.Replace(head, "%s", tt.organization, 1), "%s", tt.stage, 1)
		_, err := settings.Parse("f", []byte(text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if tt.want == "" && (strings.Contains(got, "denyDefaultKey") || strings.Contains(got, "partners")) || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", sentence, got, tt.want)
		}
	}
}
