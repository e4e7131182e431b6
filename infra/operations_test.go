package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

var manual = filepath.Join("..", "docs", "operations.md")

// The manual's table of rights is made from the templates, so that nobody has to believe it.
func TestTheManualShowsTheRightsOfEveryRole(t *testing.T) {
	templates, err := whole()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| role | account | who takes it | what it may do |\n| --- | --- | --- | --- |\n")
	for _, part := range []struct{ template, account string }{{"member", "every account"}, {"hub", "security"}, {"org", "management"}} {
		roles := templates[part.template].of("AWS::IAM::Role")
		var rows []string
		for id, role := range roles {
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", role.text("RoleName"), part.account, takers(id, role), rights(id, role)))
		}
		slices.Sort(rows)
		table.WriteString(strings.Join(rows, ""))
	}
	compareBlock(t, "rights", table.String())
}

// takers names the service or the roles that may take a role.
func takers(id string, role resource) string {
	var names []string
	for _, s := range statements(id, role.at("AssumeRolePolicyDocument")) {
		if service := texts(s.Principal.(map[string]any)["Service"]); len(service) > 0 {
			names = append(names, service...)
			continue
		}
		for _, arn := range texts(s.Condition["ArnLike"]["aws:PrincipalArn"]) {
			_, name, _ := strings.Cut(arn, ":role/")
			names = append(names, "`"+name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// rights lists what a role is allowed, by service: secretsmanager DescribeSecret, …
func rights(id string, role resource) string {
	byService := map[string][]string{}
	for _, s := range statements(id, role.at("Policies")) {
		if s.Effect != "Allow" {
			continue
		}
		for _, action := range s.Action {
			service, name, _ := strings.Cut(action, ":")
			byService[service] = append(byService[service], name)
		}
	}
	var parts []string
	for service, names := range byService {
		slices.Sort(names)
		parts = append(parts, "**"+service+"** "+strings.Join(slices.Compact(names), " "))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func TestTheDelegationInTheManualIsAPolicy(t *testing.T) {
	text, _, _ := manualBlock(t, "delegation")
	document := strings.TrimSuffix(strings.TrimPrefix(text, "```json\n"), "```\n")
	parsed, err := policy.Parse("delegation", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Statements) != 2 {
		t.Errorf("%d statements, want one to look and one to manage SCPs", len(parsed.Statements))
	}
}

// manualBlock is what the manual has between the two comments of a name, and what is around it.
func manualBlock(t *testing.T, name string) (text, before, after string) {
	t.Helper()
	raw, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, found := strings.Cut(string(raw), begin)
	text, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no block %q", manual, name)
	}
	return text, before + begin, end + after
}

func compareBlock(t *testing.T, name, want string) {
	t.Helper()
	got, before, after := manualBlock(t, name)
	if *update {
		if err := os.WriteFile(manual, []byte(before+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, block %q (-templates +written); run go test ./infra -update:\n%s", manual, name, diff)
	}
}
