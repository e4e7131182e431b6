package channels_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

func TestEveryRowIsWhole(t *testing.T) {
	var names, variables []string
	for _, c := range channels.All() {
		names, variables = append(names, c.Name), append(variables, c.Env)
		carriers := 0
		for _, set := range []bool{c.Carrier.Subscriptions != nil, c.Carrier.Chatbot != nil, c.Carrier.Destination != nil} {
			if set {
				carriers++
			}
		}
		if carriers != 1 || c.Name == "" || c.Env == "" || c.Field.Name == "" || c.Field.About == "" || c.Field.What == "" {
			t.Errorf("%s: %d carriers, variable %q, field %+v", c.Name, carriers, c.Env, c.Field)
		}
		if !c.Field.Fits(c.Field.Example) || c.Field.Fits("") || c.Field.Fits("not an address") {
			t.Errorf("%s: the example %q is refused, or nonsense is taken", c.Name, c.Field.Example)
		}
		if (c.Limit > 0) != (c.LimitWhy != "") || (c.Needs.Path != "") != (c.Needs.Fix != "") {
			t.Errorf("%s: a limit or a setting without its reason: %+v", c.Name, c)
		}
	}
	for _, list := range [][]string{names, variables} {
		slices.Sort(list)
		if len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("used twice: %q", list)
		}
	}
}

func TestEveryChannelRendersEverySample(t *testing.T) {
	for _, c := range channels.All() {
		for name, m := range notifytest.Samples() {
			text, err := c.Render(m, c.Field.Example)
			if err != nil || text == "" {
				t.Errorf("%s, %s: %q, error %v", c.Name, name, text, err)
			}
		}
	}
}

// A package that renders and that no row names is a channel that nobody gets.
func TestEveryRendererIsOnTheList(t *testing.T) {
	list, err := parser.ParseFile(token.NewFileSet(), "list.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("..", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if name == "channels" || name == "notifytest" {
			continue
		}
		if !slices.ContainsFunc(list.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, "/shared/notify/"+name+`"`) }) {
			t.Errorf("package %s renders for nobody", name)
		}
	}
}

func TestWhatReachesAnOwner(t *testing.T) {
	owner := map[string]string{"email": "search@example.com", "slackChannel": "C0123456789"}
	for name, tt := range map[string]struct {
		partition string
		settings  map[string]string
		want      notify.Address
	}{
		"without Slack, the mail":                  {"aws", nil, notify.Address{"email": "search@example.com"}},
		"with a workspace, both":                   {"aws", map[string]string{"owners.slackWorkspaceId": "T0123456789"}, owner},
		"with a workspace where Amazon Q is not":   {"aws-cn", map[string]string{"owners.slackWorkspaceId": "T0123456789"}, notify.Address{"email": "search@example.com"}},
		"with the Slack API where Amazon Q is not": {"aws-cn", map[string]string{"operations.slackApi": "true"}, owner},
	} {
		t.Run(name, func(t *testing.T) {
			var deployed []channels.Channel
			for _, c := range channels.All() {
				if c.On(arn.Partition(tt.partition), tt.settings) {
					deployed = append(deployed, c)
				}
			}
			if diff := cmp.Diff(tt.want, channels.Reach(deployed, owner)); diff != "" {
				t.Errorf("reached at (-want +got):\n%s", diff)
			}
		})
	}
}
