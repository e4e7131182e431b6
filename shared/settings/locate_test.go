package settings_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/settings"
)

const small = `organization:
  id: o-exampleorgid
  rootId: r-ab12
  managementAccount: "111111111111"
  securityAccount: "222222222222"
regions:
  home: us-east-1
rollout:
  - name: everything
    targets: [r-ab12]
breakGlassRoles:
  - arn:aws:iam::*:role/BreakGlass
`

func TestLocateNamesTheLineOfWhatOnlyShowsLater(t *testing.T) {
	file, err := settings.Read("doublelock.yaml", []byte(small), today)
	if err != nil {
		t.Fatal(err)
	}
	other := errors.New("something else")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a field that is written": {
			&settings.FieldError{Field: "breakGlassRoles", What: "the SCP is too long", Fix: "shorten this list"},
			"doublelock.yaml:11:1: the SCP is too long; shorten this list",
		},
		"a field that is not, where it would be": {
			fmt.Errorf("synthesize: %w", &settings.FieldError{Field: "regions.guarded", What: "too many", Fix: "name fewer"}),
			"doublelock.yaml:6:1: too many; name fewer",
		},
		"another error": {other, "something else"},
	} {
		if got := file.Locate(test.err); got == nil || got.Error() != test.want {
			t.Errorf("%s: got %v, want %s", name, got, test.want)
		}
	}
	if got := file.Locate(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

func TestTheFieldThatMakesTheFunctionsEnvironmentTooLongIsNamed(t *testing.T) {
	accounts := settings.Config{Rollout: []settings.RolloutStage{{Name: "many", Mode: "notify"}}}
	channels := settings.Config{Owners: settings.Owners{Channels: map[string]settings.Channel{}}}
	for i := range 3000 {
		id := fmt.Sprintf("%012d", 100000000000+i*7919*1013)
		accounts.Rollout[0].Accounts = append(accounts.Rollout[0].Accounts, id)
		channels.Owners.Channels["team-"+id] = settings.Channel{"email": id + "@example.com"}
	}
	for field, config := range map[string]settings.Config{"rollout": accounts, "owners.channels": channels} {
		_, err := config.Runtime().Env()
		var wrong *settings.FieldError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestLimitsThatAWSSetsAreKnownBeforeDeployment(t *testing.T) {
	var channels strings.Builder
	for i := range 201 {
		fmt.Fprintf(&channels, "    team-%d: {email: team-%d@example.com}\n", i, i)
	}
	for name, test := range map[string]struct{ more, want string }{
		"an alarm that looks back too far": {"operations:\n  silentHours: 169\n", "14:16: a CloudWatch alarm looks back 168 hours at most; lower it"},
		"a tag that AWS keeps for itself": {
			"keys:\n  tags: {\"aws:owner\": me}\n", `14:23: "aws:owner" cannot be a tag of a key; use a name of up to 128 letters, not aws:, and a value of up to 256`,
		},
		"more addresses than a topic can tell apart": {
			"owners:\n  channels:\n" + channels.String(), "14:3: owners have 201 different addresses (email), at most 200 fit: a topic tells so many subscriptions apart; let teams share one",
		},
	} {
		_, err := settings.Read("f", []byte(small+test.more), today)
		if err == nil || err.Error() != "f:"+test.want {
			t.Errorf("%s: got %v, want f:%s", name, err, test.want)
		}
	}
}
