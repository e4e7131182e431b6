package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
)

// changed is the sample with some text replaced, each of which must be there.
func changed(t *testing.T, pairs ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(configs, "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the sample has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func TestEveryOwnerCanBeReached(t *testing.T) {
	const (
		search    = "team-search: {email: search@example.com, slackChannel: C0987654321}"
		slackOnly = "team-search: {slackChannel: C0987654321}"
		workspace = "  slackWorkspaceId: T0123456789\n"
		byAPI     = "operations: # of Doublelock itself\n"
	)
	for name, tt := range map[string]struct {
		changes []string
		want    string
	}{
		"Slack alone, by Amazon Q":     {[]string{search, slackOnly}, ""},
		"Slack alone, by the API":      {[]string{search, slackOnly, workspace, "", byAPI, byAPI + "  slackApi: true\n"}, ""},
		"Slack alone, by nothing":      {[]string{search, slackOnly, workspace, ""}, "f:51:1: owners.slackWorkspaceId is missing, but there are Slack channels; add the Slack workspace id such as T0123456789, or set operations.slackApi: true"},
		"Amazon Q where it is not":     {[]string{"us-east-1", "cn-north-1", "eu-west-1", "cn-northwest-1", "arn:aws:", "arn:aws-cn:"}, "f:54:21: the channel chat that owners.slackWorkspaceId deploys does not exist in partition aws-cn; remove it and use operations.slackApi"},
		"the API where Amazon Q isn't": {[]string{"us-east-1", "us-gov-west-1", "eu-west-1", "us-gov-east-1", "arn:aws:", "arn:aws-us-gov:", workspace, "", byAPI, byAPI + "  slackApi: true\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if _, err := settings.Parse("f", []byte(changed(t, tt.changes...))); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAChannelIsARowForTheConfiguration(t *testing.T) {
	pager := channels.Channel{Name: "pager", Field: channels.Field{
		Name: "pager", About: "Pager service.", What: "a pager service", Example: "P0123", Pattern: `^P\d{4}$`,
	}}
	format := settings.Format{Channels: append(channels.All(), pager)}
	const payments = "{email: payments@example.com}"
	file, err := format.Read("f", []byte(changed(t, payments, "{pager: P0001}")), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Config.Owners.Channels["team-payments"]["pager"]; got != "P0001" {
		t.Errorf("pager %q", got)
	}
	for text, want := range map[string]string{
		"{pager: P1}": `f:57:28: owners.channels["team-payments"].pager "P1" is not a pager service; write it like P0123`,
		"{}":          "f:57:5: owner team-payments has no channel; add " + fieldsJoinedBy(" or ") + " or pager",
	} {
		_, err := format.Read("f", []byte(changed(t, payments, text)), time.Time{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	schema, err := format.Schema()
	if err != nil || !strings.Contains(string(schema), `"pattern": "^P\\d{4}$"`) || !strings.Contains(string(schema), "Pager service.") {
		t.Errorf("the schema does not know it (error %v)", err)
	}
}

func TestOnlyAddressesThatAreCarriedTravelToTheFunctions(t *testing.T) {
	config, err := settings.Parse("f", []byte(changed(t)))
	if err != nil {
		t.Fatal(err)
	}
	search := settings.Channel{"email": "search@example.com", "slackChannel": "C0987654321"}
	if diff := cmp.Diff(search, config.Runtime().Owners.Channels["team-search"]); diff != "" {
		t.Errorf("with a workspace (-want +got):\n%s", diff)
	}
	if overview, topic := config.Runtime().Overview["slackChannel"], config.FallbackTopic(); overview != "C0123456789" || topic != "doublelock-owners" {
		t.Errorf("overview %q, topic of the fallback %q", overview, topic)
	}
	config.Owners.Channels["security-team"] = settings.Channel{"slackChannel": "C0SECURITY0"}
	if topic := config.FallbackTopic(); topic != "doublelock-chat-C0SECURITY0" {
		t.Errorf("topic of a fallback with Slack alone: %q", topic)
	}
	config.Owners.SlackWorkspace = ""
	if diff := cmp.Diff(settings.Channel{"email": "search@example.com"}, config.Runtime().Owners.Channels["team-search"]); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
	if topic := config.FallbackTopic(); topic != "" {
		t.Errorf("topic of a fallback whom nothing reaches: %q", topic)
	}
}
