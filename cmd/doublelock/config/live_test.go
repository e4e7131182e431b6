package config_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/config"
	"github.com/doublelock/doublelock/shared/localaws"
)

// liveOrganization starts an organization that the sample configuration describes, except what differs, and points
// the environment at it.
func liveOrganization(t *testing.T, units []string, accounts map[string]string) {
	t.Helper()
	a := localaws.New(localaws.Options{Seed: 3})
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", "111111111111")
	for _, id := range units {
		a.AddOUWithID("", id, id)
	}
	for id, unit := range accounts {
		a.AddAccount(unit, id, id)
	}
	url, stop, err := a.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	credentials, err := a.Principal("111111111111", "user/dana")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": "", "AWS_ACCESS_KEY_ID": credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": credentials.SecretAccessKey, "AWS_SESSION_TOKEN": credentials.SessionToken,
	} {
		t.Setenv(name, value)
	}
}

func validateLive(t *testing.T) (stdout, stderr string, code int) {
	t.Helper()
	t.Chdir(filepath.Join("..", "..", "..", "testdata", "config"))
	line := commandtest.Line{New: config.New, Now: func() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }}
	return line.Run(t, "config", "validate", "--live", "sample.yaml")
}

func TestConfigIsComparedWithTheOrganization(t *testing.T) {
	liveOrganization(t, []string{"ou-ab12-workloads", "ou-ab12-sandboxes"}, map[string]string{
		"222222222222": "", "333333333333": "ou-ab12-workloads", "444444444444": "", "555555555555": "", "666666666666": "ou-ab12-sandboxes",
	})
	stdout, stderr, code := validateLive(t)
	if diff := cmp.Diff("1 file: no problems, 2 warnings\n", stdout); diff != "" || code != 0 {
		t.Errorf("exit code %d, %s%s", code, diff, stderr)
	}
}

func TestConfigOfAnotherOrganizationIsRefused(t *testing.T) {
	liveOrganization(t, []string{"ou-ab12-workloads"}, map[string]string{
		"222222222222": "", "333333333333": "ou-ab12-workloads", "444444444444": "", "666666666666": "",
	})
	want := warnings("sample.yaml") + `sample.yaml:26:15: account 555555555555 is not an active account of the organization; correct the id or remove it
sample.yaml:30:15: OU ou-ab12-sandboxes does not exist; correct the id: AWS Organizations lists them
doublelock: 2 problems in 1 file
`
	_, stderr, code := validateLive(t)
	if diff := cmp.Diff(want, stderr); diff != "" || code != command.Failure {
		t.Errorf("exit code %d: %s", code, diff)
	}
}
