package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/policy"

	"github.com/doublelock/doublelock/shared/settings"
)

var operations = filepath.Join("..", "docs", "operations.md")

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
	manual.Compare(t, operations, "rights", table.String(), *update)
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
	text := manual.Read(t, operations, "delegation").Text
	document := strings.TrimSuffix(strings.TrimPrefix(text, "```json\n"), "```\n")
	parsed, err := policy.Parse("delegation", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Statements) != 2 {
		t.Errorf("%d statements, want one to look and one to manage SCPs", len(parsed.Statements))
	}
}

// everything is every template that is deployed, and the configuration with every option.
func everything(t *testing.T) []template {
	t.Helper()
	var all []template
	for _, load := range configurations {
		templates, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for _, tpl := range templates {
			all = append(all, tpl)
		}
	}
	return all
}

func TestTheManualShowsEveryQueue(t *testing.T) {
	templates, err := whole()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| queue | account | keeps | alarms |\n| --- | --- | --- | --- |\n")
	for _, part := range []struct{ template, account string }{{"hub", "security"}, {"member", "every account and Region"}} {
		var rows []string
		for _, queue := range templates[part.template].of("AWS::SQS::Queue") {
			name, kept := queue.text("QueueName"), queue.at("MessageRetentionPeriod").(float64)
			var named []string
			for _, a := range templates[part.template].of("AWS::CloudWatch::Alarm") {
				if strings.Contains(text(a.at("Dimensions")), `"`+name+`"`) {
					named = append(named, "`"+a.text("AlarmName")+"`")
				}
			}
			slices.Sort(named)
			if len(named) == 0 {
				named = []string{"none: `doctor` and the watchdog read it"}
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %g days | %s |\n", name, part.account, kept/86400, strings.Join(named, ", ")))
		}
		slices.Sort(rows)
		table.WriteString(strings.Join(rows, ""))
	}
	manual.Compare(t, operations, "queues", table.String(), *update)
}

// What the manual calls by a name of ours is there, and it says of every alarm what to do.
func TestTheManualNamesOnlyWhatIsDeployed(t *testing.T) {
	raw, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	named := []string{"doublelock-hub", "doublelock-org", "doublelock-member"} // stacks
	var alarmed []string
	for _, tpl := range everything(t) {
		for _, r := range tpl.Resources {
			for property, v := range r.Properties {
				if name, isText := v.(string); isText && strings.HasSuffix(property, "Name") {
					named = append(named, name)
				}
			}
			if r.Type == "AWS::CloudWatch::Alarm" {
				alarmed = append(alarmed, r.text("AlarmName"))
			}
		}
	}
	for _, name := range regexp.MustCompile(`doublelock-[a-zA-Z0-9-]*[a-zA-Z0-9]`).FindAllString(string(raw), -1) {
		if !slices.Contains(named, name) {
			t.Errorf("the manual names %s, which is not deployed", name)
		}
	}
	_, table, _ := strings.Cut(string(raw), "| alarm | means | do |")
	table, _, _ = strings.Cut(table, "\n\n")
	var rows []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(firstCells(table), -1) {
		rows = append(rows, match[1])
	}
	fits := func(row, alarm string) bool {
		end, isEnd := strings.CutPrefix(row, "…")
		return alarm == row || isEnd && strings.HasSuffix(alarm, end)
	}
	for _, alarm := range alarmed {
		if !has(rows, func(row string) bool { return fits(row, alarm) }) {
			t.Errorf("the manual does not say what to do about %s", alarm)
		}
	}
	for _, row := range rows {
		if !has(alarmed, func(alarm string) bool { return fits(row, alarm) }) {
			t.Errorf("the manual explains %s, which is no alarm", row)
		}
	}
}

// firstCells are the first cells of the rows of a table.
func firstCells(table string) string {
	var cells []string
	for _, line := range strings.Split(table, "\n") {
		if parts := strings.Split(line, "|"); len(parts) > 2 {
			cells = append(cells, parts[1])
		}
	}
	return strings.Join(cells, "\n")
}

// Lambda keeps 100 concurrent executions of an account that nobody reserves.
func TestTheManualAsksForTheRoomThatTheFunctionsReserve(t *testing.T) {
	reserved := 0
	for _, w := range workersOf(settings.Config{}) {
		reserved += w.Concurrency
	}
	raw, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	got, want := string(raw), string(raw)
	for _, number := range []struct {
		before, after string
		n             int
	}{{"They reserve ", " concurrent executions", reserved}, {"where it is less than ", ":", reserved + 100}} {
		pattern := regexp.MustCompile(number.before + `\d+` + number.after)
		if !pattern.MatchString(got) {
			t.Errorf("the manual does not say %q", pattern)
		}
		want = pattern.ReplaceAllString(want, fmt.Sprint(number.before, number.n, number.after))
	}
	if *update {
		if err := os.WriteFile(operations, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-workers +written); run go test ./infra -update:\n%s", operations, diff)
	}
}
