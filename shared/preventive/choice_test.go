package preventive_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/preventive"
)

// The layer against choosing the AWS managed key comes where a stage asks for it, and goes where the KMS layer does more.
func TestChoosingTheManagedKeyIsDeniedWhereAStageAsks(t *testing.T) {
	c := config()
	c.Rollout[0].DenyDefaultKey, c.Rollout[1].DenyDefaultKey = true, true
	scps, err := preventive.SCPs(c)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, scp := range scps {
		got[scp.Name] = scp.Targets
		if scp.Name != "doublelock-choice" {
			continue
		}
		golden := filepath.Join("testdata", scp.Name+".json")
		if *update {
			if err := os.WriteFile(golden, []byte(scp.Content+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), scp.Content+"\n"); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want := map[string][]string{"ou-ab12-guarded": {"doublelock-choice"}, "ou-ab12-done": {"doublelock-kms"}}
	for target, policies := range want {
		var found []string
		for _, name := range []string{"doublelock-choice", "doublelock-kms"} {
			for _, attached := range got[name] {
				if attached == target {
					found = append(found, name)
				}
			}
		}
		if diff := cmp.Diff(policies, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
}
