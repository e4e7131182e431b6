package settings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

func runtimeSample(accounts int) settings.Config {
	c := settings.Config{
		Rollout: []settings.RolloutStage{
			{Name: "canary", Targets: []string{"111122223333"}, Mode: guard.ModeRemediate},
			{Name: "prod", Targets: []string{"ou-ab12-11111111"}, Mode: guard.ModeNotify},
		},
		Keys: settings.Keys{
			Approved: settings.Approved{Accounts: []string{"999988887777"}, Tags: map[string]string{"purpose": "secrets"}},
			Use: []settings.KeyChoice{
				{Accounts: []string{"111122223333"}, Regions: []string{"eu-central-1"}, Key: "arn:aws:kms:eu-central-1:999988887777:key/k"},
				{Tags: map[string]string{"tier": "gold"}, Key: "alias/gold"},
			},
		},
		Owners: settings.Owners{Tags: []string{"Owner"}, Fallback: "security", Channels: map[string]settings.Channel{
			"payments": {"email": "payments@example.com", "slackChannel": "C0123"},
		}},
		Waivers: []settings.Waiver{{
			Control: guard.SecretDefaultKey, Resource: "arn:aws:secretsmanager:*:111122223333:secret:old/*", By: "ciso@example.com",
			Reason: "leaves in spring", Expires: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC),
		}},
		Limits: settings.Limits{ChangesPerHour: 60, ChangesPerAccountPerHour: 20},
	}
	for i := range accounts {
		c.Rollout[1].Accounts = append(c.Rollout[1].Accounts, fmt.Sprintf("%012d", 200000000000+i*7))
	}
	return c
}

func TestRuntimeTravelsThroughTheEnvironment(t *testing.T) {
	for name, accounts := range map[string]int{"plain JSON": 3, "compressed, because the JSON is too long": 400} {
		t.Run(name, func(t *testing.T) {
			want := runtimeSample(accounts).Runtime()
			value, err := want.Env()
			if err != nil {
				t.Fatal(err)
			}
			if len(value) > settings.MaxRuntime {
				t.Errorf("%d bytes, at most %d fit", len(value), settings.MaxRuntime)
			}
			got, err := settings.ParseRuntime(value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what came out is not what went in (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuntimeThatCannotFitSaysWhatToDo(t *testing.T) {
	_, err := runtimeSample(6000).Runtime().Env()
	if err == nil || !strings.Contains(err.Error(), "name OUs instead of accounts") {
		t.Errorf("error %v, want advice", err)
	}
}

func TestParseRuntimeRefuses(t *testing.T) {
	for value, want := range map[string]string{
		`{"accounts":{"111122223333":"destroy"}}`: `account 111122223333: mode "destroy"`,
		`{"acounts":{}}`: `unknown field "acounts"`,
		`gz:!!!`:         "illegal base64",
		`gz:aGVsbG8=`:    "EOF",
		`{`:              "unexpected EOF",
	} {
		if _, err := settings.ParseRuntime(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRuntime(%s) = %v, want %q", value, err, want)
		}
	}
}

func TestModeOfASecret(t *testing.T) {
	r := settings.Runtime{
		Accounts: map[string]guard.Mode{"111122223333": guard.ModeRemediate, "444455556666": guard.ModeObserve},
		OUs:      map[string]guard.Mode{"ou-ab12-prod": guard.ModeNotify, "r-ab12": guard.ModeObserve},
	}
	asks := func(m string) map[string]string { return map[string]string{settings.TagMode: m} }
	for name, tt := range map[string]struct {
		account string
		path    []string
		tags    map[string]string
		want    guard.Mode
	}{
		"the account's own mode wins over its OU":           {"111122223333", []string{"ou-ab12-prod"}, nil, guard.ModeRemediate},
		"the nearest OU wins over the root":                 {"222233334444", []string{"ou-x", "ou-ab12-prod", "r-ab12"}, nil, guard.ModeNotify},
		"nothing names it: observe":                         {"222233334444", nil, nil, guard.ModeObserve},
		"a tag can ask for more from notify on":             {"222233334444", []string{"ou-ab12-prod"}, asks("remediate"), guard.ModeRemediate},
		"a tag cannot ask for less":                         {"111122223333", nil, asks("observe"), guard.ModeRemediate},
		"a tag cannot start changes in an observed account": {"444455556666", nil, asks("remediate"), guard.ModeObserve},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.Mode(tt.account, tt.path, tt.tags); got != tt.want {
				t.Errorf("mode %s, want %s", got, tt.want)
			}
		})
	}
}

func TestKeyForASecret(t *testing.T) {
	r := runtimeSample(0).Runtime()
	for name, tt := range map[string]struct {
		account, region string
		tags            map[string]string
		want            string
	}{
		"first match wins":                {"111122223333", "eu-central-1", map[string]string{"tier": "gold"}, "arn:aws:kms:eu-central-1:999988887777:key/k"},
		"by tag":                          {"111122223333", "us-east-1", map[string]string{"tier": "gold"}, "alias/gold"},
		"no match: the account's own key": {"111122223333", "us-east-1", nil, settings.SecretsKeyAlias},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.KeyFor(tt.account, tt.region, tt.tags); got != tt.want {
				t.Errorf("key %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzParseRuntime(f *testing.F) {
	f.Add(`{"default":"notify"}`)
	f.Add("gz:H4sIAAAAAAAA/6uuBQBDv6ajAgAAAA==")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := settings.ParseRuntime(value)
		if err != nil {
			return
		}
		if m := r.Mode("111122223333", nil, nil); m != guard.ModeObserve && m != guard.ModeNotify && m != guard.ModeRemediate {
			t.Errorf("mode %q out of %s", m, value)
		}
	})
}

func TestRuntimeSaysHowLongFindingsAreKeptOnlyWhereItIsNotTheDefault(t *testing.T) {
	for days, want := range map[int]int{365: 0, 400: 400, 30: 30} {
		c := settings.Config{Retention: settings.Retention{FindingDays: days}}
		if got := c.Runtime().Keep; got != want {
			t.Errorf("%d days: keep %d, want %d", days, got, want)
		}
	}
}
