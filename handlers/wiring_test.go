package handlers_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/handlers/remediate"
	"github.com/doublelock/doublelock/handlers/wires"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

func variables() map[string]string {
	return map[string]string{
		settings.EnvRegion: "eu-central-1", settings.EnvHubAccount: "999988887777", settings.EnvTable: "doublelock", settings.EnvBus: "doublelock",
		settings.EnvOwnersTopic: "arn:aws:sns:eu-central-1:999988887777:doublelock-owners",
		settings.EnvChatTopic:   "arn:aws:sns:eu-central-1:999988887777:doublelock-chat",
		settings.EnvConfig:      `{"accounts":{"111122223333":"remediate"},"limits":{"changesPerHour":60,"changesPerAccountPerHour":20}}`,
		"AWS_ACCESS_KEY_ID":     "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	}
}

func TestEveryHandlerIsWiredByTheEnvironmentAlone(t *testing.T) {
	env := variables()
	all := wires.All()
	if diff := cmp.Diff(slices.Sorted(slices.Values(handlers.Names())), slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("names and wires (-names +wires):\n%s", diff)
	}
	for name, build := range all {
		if _, err := build(t.Context(), func(name string) string { return env[name] }, nil, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWireFollowsTheEnvironment(t *testing.T) {
	env := variables()
	getenv := func(name string) string { return env[name] }
	now := func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }
	a, err := alert.Wire(t.Context(), getenv, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Channels) != 2 || a.Account != "999988887777" || a.Source != "doublelock" {
		t.Errorf("alert %+v", a)
	}
	r, err := remediate.Wire(t.Context(), getenv, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	machine, ok := r.Machine.(*migration.Engine)
	if !ok || machine.Rules.PerHour != 60 || machine.Rules.PerAccountHour != 20 || r.By != "doublelock-remediate" || machine.By != r.By {
		t.Errorf("remediate: machine %+v, by %q", machine, r.By)
	}
	d, err := detect.Wire(t.Context(), getenv, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	mode, _, err := d.Modes.Mode(t.Context(), "111122223333", nil)
	if err != nil || mode != "remediate" {
		t.Errorf("mode %q, error %v", mode, err)
	}
	delete(env, settings.EnvChatTopic)
	if a, err = alert.Wire(t.Context(), getenv, nil, nil); err != nil || len(a.Channels) != 1 || a.Channels[0].Name != "email" {
		t.Errorf("without a chat topic: channels %v, error %v", a.Channels, err)
	}
}

// An inspector that opened AWS for itself had keys of its own: what remediate invalidated stayed old where it was judged.
func TestEachFunctionOpensTheHubOnlyOnce(t *testing.T) {
	env := variables()
	for name, build := range wires.All() {
		reads := 0
		getenv := func(name string) string {
			if name == settings.EnvConfig {
				reads++
			}
			return env[name]
		}
		if _, err := build(t.Context(), getenv, nil, nil); err != nil || reads != 1 {
			t.Errorf("%s: settings read %d times, error %v", name, reads, err)
		}
	}
	r, err := remediate.Wire(t.Context(), func(name string) string { return env[name] }, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if look, ok := r.Inspector.(detect.Inspector); !ok || look.Keys != r.Keys {
		t.Errorf("inspector %+v does not share the keys %p of remediate", r.Inspector, r.Keys)
	}
}

// A fault in the environment stops the functions that need what is broken, and no other.
func TestOneWiringFaultStopsOnlyWhoNeedsIt(t *testing.T) {
	everybody := slices.Sorted(slices.Values(handlers.Names()))
	for name, tt := range map[string]struct {
		change map[string]string
		stops  []string
		want   string // in each error, after "wire NAME: "
	}{
		"nothing is wrong":     {nil, nil, ""},
		"no bus":               {map[string]string{settings.EnvBus: ""}, []string{"detect", "operate", "remediate", "sweep", "watchdog"}, "variable DOUBLELOCK_BUS is not set"},
		"no topic":             {map[string]string{settings.EnvOwnersTopic: ""}, []string{"alert"}, "variable DOUBLELOCK_OWNERS_TOPIC is not set"},
		"no chat topic":        {map[string]string{settings.EnvChatTopic: ""}, nil, ""},
		"no table":             {map[string]string{settings.EnvTable: ""}, everybody, "variable DOUBLELOCK_TABLE is not set"},
		"no hub account":       {map[string]string{settings.EnvHubAccount: ""}, everybody, "variable DOUBLELOCK_HUB_ACCOUNT is not set"},
		"a broken config":      {map[string]string{settings.EnvConfig: "{"}, everybody, "read DOUBLELOCK_CONFIG"},
		"no Region":            {map[string]string{settings.EnvRegion: ""}, everybody, "open AWS: no Region; set AWS_REGION"},
		"a hub that is no hub": {map[string]string{settings.EnvHubAccount: "hub"}, everybody, `open AWS: hub account "hub" is not 12 digits`},
	} {
		t.Run(name, func(t *testing.T) {
			env := variables()
			maps.Copy(env, tt.change)
			var stopped []string
			for name, build := range wires.All() {
				_, err := build(t.Context(), func(name string) string { return env[name] }, nil, nil)
				if err == nil {
					continue
				}
				stopped = append(stopped, name)
				if want := "wire " + name + ": " + tt.want; !strings.HasPrefix(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			slices.Sort(stopped)
			if diff := cmp.Diff(tt.stops, stopped); diff != "" {
				t.Errorf("who stops (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWireNamesAllThatIsMissing(t *testing.T) {
	env := variables()
	delete(env, settings.EnvTable)
	delete(env, settings.EnvOwnersTopic)
	_, err := alert.Wire(t.Context(), func(name string) string { return env[name] }, nil, nil)
	if err == nil || errors.Unwrap(err) == nil || !strings.HasSuffix(err.Error(), "variable DOUBLELOCK_TABLE is not set\nvariable DOUBLELOCK_OWNERS_TOPIC is not set") {
		t.Errorf("error %v", err)
	}
}
