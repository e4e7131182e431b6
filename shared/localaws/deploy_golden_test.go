package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/testdata/templates"
)

// sampleWorld is the organization of testdata/config/sample.yaml.
func sampleWorld() *AWS {
	a := New(Options{Seed: 1})
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
func sampleStacks() []Stack {
	return []Stack{
		{Name: "Doublelock-Hub", Template: templates.Hub, Account: "222222222222", Region: "us-east-1"},
		{Name: "Doublelock-Member", Template: templates.Member, Account: "111111111111", Region: "us-east-1"},
		{Name: "Doublelock-Member", Template: templates.Member, Account: "111111111111", Region: "eu-west-1"},
		{Name: "Doublelock-Org", Template: templates.Org, Account: "111111111111", Region: "us-east-1"},
	}
}

func deploySample(t *testing.T, a *AWS) {
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
			who := roleCaller(account, a.adminOf(account), "dana")
			_, err := a.do(location{account, region}, who, "secretsmanager", "CreateSecret", map[string]any{"Name": "app/" + region, "SecretString": "x"})
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

func (a *AWS) adminOf(account string) *identity {
	a.lock()
	defer a.unlock()
	return a.adminUnlessPresent(account, "role", "Admin")
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
	before := a.inventory()
	deploySample(t, a)
	stacks := sampleStacks()
	if len(a.inventory()) < 100 {
		t.Errorf("only %d things were made", len(a.inventory()))
	}
	for i := len(stacks) - 1; i >= 0; i-- {
		if err := a.Undeploy(t.Context(), stacks[i].Name, stacks[i].Account, stacks[i].Region); err != nil {
			t.Error(err)
		}
	}
	left := slices.DeleteFunc(a.inventory(), func(thing string) bool {
		return strings.Contains(thing, "cfn-exec-role") || strings.Contains(thing, "stacksets-exec") // AWS's own, not of the stacks
	})
	if diff := cmp.Diff(before, left); diff != "" {
		t.Error(diff)
	}
}

// inventory lists roles, rules, buses, queues, topics, tables, functions, sources and SCPs, sorted.
func (a *AWS) inventory() []string {
	things := []string{}
	note := func(format string, args ...any) { things = append(things, fmt.Sprintf(format, args...)) }
	for id, account := range a.accounts {
		for name := range account.roles {
			note("role %s %s", id, name)
		}
	}
	for p := range a.locations {
		for operation, list := range map[[2]string]string{
			{"events", "ListRules"}: "Rules", {"events", "ListEventBuses"}: "EventBuses", {"sqs", "ListQueues"}: "QueueUrls",
			{"sns", "ListTopics"}: "Topics", {"dynamodb", "ListTables"}: "TableNames", {"lambda", "ListFunctions"}: "Functions",
			{"lambda", "ListEventSourceMappings"}: "EventSourceMappings", {"kms", "ListAliases"}: "Aliases",
		} {
			out, err := a.do(p, serviceCaller(p.Account, "test.amazonaws.com"), operation[0], operation[1], map[string]any{})
			if err != nil {
				note("%v %v", operation, err)
			}
			found, _ := out[list].([]any)
			for i := range found {
				if text, _ := json.Marshal(found[i]); !strings.Contains(string(text), ":event-bus/default") && !strings.Contains(string(text), "alias/aws/") {
					note("%v %s %s", p, list, text)
				}
			}
		}
	}
	for id := range a.organization.policies {
		note("SCP %s", id)
	}
	slices.Sort(things)
	return things
}
