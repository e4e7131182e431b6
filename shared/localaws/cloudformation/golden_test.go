package cloudformation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/testdata/templates"
)

// sampleWorld is the organization of testdata/config/sample.yaml.
func sampleWorld() *localaws.AWS {
	a := localaws.New(localaws.Options{Seed: 1})
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", "111111111111")
	a.AddOUWithID("", "ou-ab12-workloads", "Workloads")
	a.AddOUWithID("", "ou-ab12-sandboxes", "Sandboxes")
	a.AddAccount("", "222222222222", "security")
	a.AddAccount("ou-ab12-workloads", "333333333333", "payments")
	a.AddAccount("", "444444444444", "search")
	a.AddAccount("", "555555555555", "billing")
	a.AddAccount("ou-ab12-sandboxes", "666666666666", "sandbox")
	return a
}

// sampleStacks are the stacks of the sample configuration, in the order of `cdk deploy --all`.
func sampleStacks() []localaws.Stack {
	return []localaws.Stack{
		{Name: "Doublelock-Hub", Template: templates.Hub, Account: "222222222222", Region: "us-east-1"},
		{Name: "Doublelock-Member", Template: templates.Member, Account: "111111111111", Region: "us-east-1"},
		{Name: "Doublelock-Member", Template: templates.Member, Account: "111111111111", Region: "eu-west-1"},
		{Name: "Doublelock-Org", Template: templates.Org, Account: "111111111111", Region: "us-east-1"},
	}
}

func deploySample(t *testing.T, a *localaws.AWS) {
	t.Helper()
	for _, s := range sampleStacks() {
		if _, err := a.Deploy(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSynthesizedTemplatesWork deploys what the CDK app synthesizes and follows one event of every account and Region
// through its rule, over the hub's bus, into the queue that feeds detect.
func TestSynthesizedTemplatesWork(t *testing.T) {
	a := sampleWorld()
	deploySample(t, a)
	var seen []string
	a.RegisterFunction("222222222222", "us-east-1", "doublelock-detect", func(_ context.Context, payload []byte) ([]byte, error) {
		seen = append(seen, eventsIn(t, payload)...)
		return []byte(`{"batchItemFailures":[]}`), nil
	})
	if err := a.Settle(t.Context()); err != nil { // what the deployment itself caused
		t.Fatal(err)
	}
	seen = nil
	var want []string
	for _, account := range []string{"111111111111", "333333333333", "444444444444", "555555555555", "666666666666"} {
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			_, err := a.AsPrincipal(account, "role/Admin/dana", region, "secretsmanager", "CreateSecret", map[string]any{"Name": "app/" + region, "SecretString": "x"})
			outcome := ""
			if account == "333333333333" { // its OU is under the SCP
				outcome = "AccessDenied"
			}
			if (err != nil) != (outcome != "") {
				t.Errorf("create in %s %s: %v", account, region, err)
			}
			want = append(want, strings.TrimSpace(account+" "+region+" CreateSecret "+outcome))
		}
	}
	if err := a.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(seen)
	if diff := cmp.Diff(want, slices.Compact(seen)); diff != "" {
		t.Error(diff)
	}
	if failures := a.Failures(); len(failures) > 0 {
		t.Errorf("functions failed: %v", failures)
	}
}

// eventsIn lists the creations of secrets in a batch of queue messages.
func eventsIn(t *testing.T, payload []byte) []string {
	t.Helper()
	var batch struct{ Records []struct{ Body string } }
	if err := json.Unmarshal(payload, &batch); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, record := range batch.Records {
		var event struct {
			Account, Region string
			Detail          struct{ EventName, ErrorCode string }
		}
		if err := json.Unmarshal([]byte(record.Body), &event); err != nil {
			t.Fatal(err)
		}
		if event.Detail.EventName == "CreateSecret" {
			names = append(names, strings.TrimSpace(event.Account+" "+event.Region+" CreateSecret "+event.Detail.ErrorCode))
		}
	}
	return names
}

func TestSynthesizedTemplatesGoWithoutATrace(t *testing.T) {
	a := sampleWorld()
	before := inventory(t, a)
	deploySample(t, a)
	stacks := sampleStacks()
	if len(inventory(t, a)) < 100 {
		t.Errorf("only %d things were made", len(inventory(t, a)))
	}
	for i := len(stacks) - 1; i >= 0; i-- {
		if err := a.Undeploy(t.Context(), stacks[i].Name, stacks[i].Account, stacks[i].Region); err != nil {
			t.Error(err)
		}
	}
	left := slices.DeleteFunc(inventory(t, a), func(thing string) bool {
		return strings.Contains(thing, "cfn-exec-role") || strings.Contains(thing, "stacksets-exec") // AWS's own, not of the stacks
	})
	if diff := cmp.Diff(before, left); diff != "" {
		t.Error(diff)
	}
}

// tester is a service principal, which may do everything.
const tester = "test.amazonaws.com"

// inventory lists roles, rules, buses, queues, topics, tables, functions, sources and SCPs, sorted.
func inventory(t *testing.T, a *localaws.AWS) []string {
	t.Helper()
	things := []string{}
	list := func(account, region string, service, operation, list string) {
		out, err := a.As(tester, account, region, service, operation, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		found, _ := out[list].([]any)
		for i := range found {
			if text, _ := json.Marshal(found[i]); !strings.Contains(string(text), ":event-bus/default") && !strings.Contains(string(text), "alias/aws/") {
				things = append(things, strings.Join([]string{account, region, list, string(text)}, " "))
			}
		}
	}
	for _, account := range []string{"111111111111", "222222222222", "333333333333", "444444444444", "555555555555", "666666666666"} {
		for _, region := range a.Regions(account) {
			for operation, name := range map[[2]string]string{
				{"events", "ListRules"}: "Rules", {"events", "ListEventBuses"}: "EventBuses", {"sqs", "ListQueues"}: "QueueUrls",
				{"sns", "ListTopics"}: "Topics", {"dynamodb", "ListTables"}: "TableNames", {"lambda", "ListFunctions"}: "Functions",
				{"lambda", "ListEventSourceMappings"}: "EventSourceMappings", {"kms", "ListAliases"}: "Aliases",
			} {
				list(account, region, operation[0], operation[1], name)
			}
		}
		list(account, "us-east-1", "iam", "ListRoles", "Roles")
	}
	out, err := a.As(tester, "111111111111", "us-east-1", "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})
	if err != nil {
		t.Fatal(err)
	}
	policies, _ := out["Policies"].([]any)
	for _, p := range policies {
		things = append(things, fmt.Sprintf("SCP %v", p.(map[string]any)["Id"]))
	}
	slices.Sort(things)
	return things
}
