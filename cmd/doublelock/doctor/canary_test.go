package doctor_test

import (
	"regexp"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/doctor"
)

// A canary that would be made elsewhere, or could prove nothing, is refused before anything is made.
func TestCanariesThatProveNothingAreRefused(t *testing.T) {
	w := localtest.New(t)
	localtest.Security(t, w)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"in an account outside the organization": {
			[]string{"--canary", "--canary-account", "999999999999", "--canary-role", "Deployer"},
			`^doublelock: doctor: --canary-account 999999999999 is no active account of o-exampleorgid; use one of its accounts\n$`,
		},
		"in an account that the credentials do not belong to": {
			[]string{"--canary", "--canary-account", local.Search},
			`^doublelock: doctor: a canary in 444444444444 would be made in 222222222222, to which the credentials belong; name a role of 444444444444 with --canary-role\n$`,
		},
		"in no account": {
			[]string{"--canary", "--canary-account", "12"},
			`^doublelock: invalid argument "12" for "--canary-account" flag: an account id has 12 digits, such as 111122223333\n$`,
		},
		"in no Region": {
			[]string{"--canary", "--canary-region", "mars-1"},
			`^doublelock: invalid argument "mars-1" for "--canary-region" flag: no Region with Secrets Manager is known by that code; use one such as eu-central-1\n$`,
		},
		"in a Region that is not guarded": {
			[]string{"--canary", "--canary-region", "eu-north-1"},
			`^doublelock: doctor: --canary-region eu-north-1 is not guarded, so no event would come from there; use us-east-1 or eu-west-1\n$`,
		},
		"which nobody asked for": {
			[]string{"--canary-account", local.Search},
			`^doublelock: doctor: --canary-account does nothing without --canary; add --canary\n$`,
		},
		"with no patience": {
			[]string{"--canary", "--canary-wait", "0s"},
			`^doublelock: invalid argument "0s" for "--canary-wait" flag: use a time span longer than 0`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"doctor", "--config", "../../../testdata/config/sample.yaml"}, tt.args...)
			out, errs, code := commandtest.Line{New: doctor.New}.Run(t, args...)
			if code != command.Failure || out != "" || !regexp.MustCompile(tt.want).MatchString(errs) {
				t.Errorf("exit code %d\n%s%s", code, out, errs)
			}
		})
	}
	for _, account := range []string{local.Hub, local.Search} {
		list := localtest.Call(t, w, account, w.Home(), "secretsmanager", "ListSecrets", map[string]any{})
		if secrets, _ := list["SecretList"].([]any); len(secrets) > 0 {
			t.Errorf("a canary was made in %s: %v", account, secrets)
		}
	}
}
