package handlers_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/handlers"
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

func TestWireFollowsTheEnvironment(t *testing.T) {
	env := variables()
	now := func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }
	h, err := handlers.Wire(t.Context(), func(name string) string { return env[name] }, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.Alert.Chat == nil || h.Alert.Account != "999988887777" || h.Alert.Source != "doublelock" {
		t.Errorf("alert %+v", h.Alert)
	}
	machine, ok := h.Remediate.Machine.(*migration.Engine)
	if !ok || machine.Rules.PerHour != 60 || machine.Rules.PerAccountHour != 20 || h.Remediate.By != "doublelock-remediate" || machine.By != h.Remediate.By {
		t.Errorf("remediate: machine %+v, by %q", machine, h.Remediate.By)
	}
	mode, err := h.Detect.Modes.Mode(t.Context(), "111122223333", nil)
	if err != nil || mode != "remediate" {
		t.Errorf("mode %q, error %v", mode, err)
	}
	delete(env, settings.EnvChatTopic)
	if h, err = handlers.Wire(t.Context(), func(name string) string { return env[name] }, nil, nil); err != nil || h.Alert.Chat != nil {
		t.Errorf("without a chat topic: chat %v, error %v", h.Alert.Chat, err)
	}
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		change map[string]string
		want   string
	}{
		"no table":             {map[string]string{settings.EnvTable: ""}, "variable DOUBLELOCK_TABLE is not set"},
		"no bus and no topic":  {map[string]string{settings.EnvBus: "", settings.EnvOwnersTopic: ""}, "variable DOUBLELOCK_BUS is not set\nvariable DOUBLELOCK_OWNERS_TOPIC is not set"},
		"no hub account":       {map[string]string{settings.EnvHubAccount: ""}, "variable DOUBLELOCK_HUB_ACCOUNT is not set"},
		"a broken config":      {map[string]string{settings.EnvConfig: "{"}, "read DOUBLELOCK_CONFIG"},
		"no Region":            {map[string]string{settings.EnvRegion: ""}, "set AWS_REGION"},
		"a hub that is no hub": {map[string]string{settings.EnvHubAccount: "hub"}, `hub account "hub" is not 12 digits`},
	} {
		t.Run(name, func(t *testing.T) {
			env := variables()
			maps.Copy(env, tt.change)
			_, err := handlers.Wire(t.Context(), func(name string) string { return env[name] }, nil, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
