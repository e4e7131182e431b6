package settings_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/settings"
)

func TestCompareSaysWhatIsNotThere(t *testing.T) {
	file, err := settings.Open(filepath.Join(configs, "sample.yaml"), today)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"111111111111", "222222222222", "333333333333", "444444444444", "555555555555", "666666666666"}
	ours := settings.Seen{OrganizationID: "o-exampleorgid", RootID: "r-ab12", ManagementAccount: "111111111111", Accounts: all}
	for name, test := range map[string]struct {
		change func(*settings.Seen)
		want   string
	}{
		"all as written":        {func(*settings.Seen) {}, ""},
		"another organization":  {func(s *settings.Seen) { s.OrganizationID = "o-otherexample" }, "3:7: organization.id is o-exampleorgid, but these credentials see o-otherexample; correct it, or use credentials of that organization"},
		"another root":          {func(s *settings.Seen) { s.RootID = "r-zz99" }, "4:11: organization.rootId is r-ab12, but these credentials see r-zz99; correct it, or use credentials of that organization"},
		"an OU that is gone":    {func(s *settings.Seen) { s.Missing = []string{"ou-ab12-workloads"} }, "16:15: OU ou-ab12-workloads does not exist; correct the id: AWS Organizations lists them"},
		"the hub is gone":       {func(s *settings.Seen) { s.Accounts = slices.Concat(all[:1], all[2:]) }, "6:20: account 222222222222 is not an active account of the organization; correct the id or remove it"},
		"an account of a stage": {func(s *settings.Seen) { s.Accounts = all[:5] }, "31:16: account 666666666666 is not an active account of the organization; correct the id or remove it"},
	} {
		seen := ours
		test.change(&seen)
		got := strings.TrimPrefix(file.Compare(seen).Error(), filepath.Join(configs, "sample.yaml")+":")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"ou-ab12-workloads", "ou-ab12-sandboxes"}, file.Config.OUs()); diff != "" {
		t.Error(diff)
	}
}

func TestCompareSeesAnOUThatIsEnrolledAndNotThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(configs, "minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	enrolled := strings.Replace(string(text), "  rootId: r-ab12\n", "  rootId: r-ab12\n  enroll: [ou-ab12-workloads, ou-ab12-nowhere1]\n", 1)
	file, err := settings.Read("doublelock.yaml", []byte(enrolled), today)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ou-ab12-workloads", "ou-ab12-nowhere1"}, file.Config.OUs()); diff != "" {
		t.Errorf("OUs to look for (-want +got):\n%s", diff)
	}
	got := file.Compare(settings.Seen{
		OrganizationID: "o-exampleorgid", RootID: "r-ab12", ManagementAccount: "111111111111",
		Accounts: []string{"111111111111", "222222222222"}, Missing: []string{"ou-ab12-nowhere1"},
	}).Error()
	if want := "doublelock.yaml:5:31: OU ou-ab12-nowhere1 does not exist"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
