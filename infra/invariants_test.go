package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

func TestEveryFunctionHasAQueueADeadLetterQueueLogsAndAlarms(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		alarmed := alarms(tpl)
		for id, function := range tpl.of("AWS::Lambda::Function") {
			name := function.text("FunctionName")
			if function.text("Runtime") != "provided.al2023" || !slices.Equal(texts(function.at("Architectures")), []string{"arm64"}) {
				t.Errorf("%s: runtime %v on %v", name, function.at("Runtime"), function.at("Architectures"))
			}
			if function.text("LoggingConfig", "LogFormat") != "JSON" || function.text("TracingConfig", "Mode") != "Active" || function.at("ReservedConcurrentExecutions") == nil {
				t.Errorf("%s: wants JSON logs, tracing and reserved concurrency", name)
			}
			logs := tpl.Resources[function.text("LoggingConfig", "LogGroup", "Ref")]
			if logs.at("RetentionInDays") == nil || logs.at("KmsKeyId") == nil {
				t.Errorf("%s: its log group keeps for %v days under key %v", name, logs.at("RetentionInDays"), logs.at("KmsKeyId"))
			}
			if !fedByQueue(tpl, id) {
				t.Errorf("%s: no queue with item by item failures feeds it", name)
			}
			for _, metric := range []string{"Errors", "Throttles"} {
				if !alarmed[metric+" "+name] {
					t.Errorf("%s: no alarm on %s", name, metric)
				}
			}
		}
	})
}

// fedByQueue reports whether an event source with partial failures feeds a function from a queue that parks items.
func fedByQueue(tpl template, function string) bool {
	for _, source := range tpl.of("AWS::Lambda::EventSourceMapping") {
		if source.text("FunctionName", "Ref") != function {
			continue
		}
		queue := tpl.Resources[getAtt(source.at("EventSourceArn"))]
		dead := tpl.Resources[getAtt(queue.at("RedrivePolicy", "deadLetterTargetArn"))]
		return dead.Type == "AWS::SQS::Queue" && slices.Equal(texts(source.at("FunctionResponseTypes")), []string{"ReportBatchItemFailures"})
	}
	return false
}

// getAtt is the logical id in an {"Fn::GetAtt": [id, attribute]}.
func getAtt(v any) string {
	if m, ok := v.(map[string]any); ok {
		if path := texts(m["Fn::GetAtt"]); len(path) == 2 {
			return path[0]
		}
	}
	return ""
}

// alarms are the metric and value of the dimension of every alarm that notifies somebody.
func alarms(tpl template) map[string]bool {
	found := map[string]bool{}
	for _, a := range tpl.of("AWS::CloudWatch::Alarm") {
		dimensions, _ := a.at("Dimensions").([]any)
		for _, d := range dimensions {
			if len(texts(a.at("AlarmActions"))) > 0 {
				found[a.text("MetricName")+" "+text(d.(map[string]any)["Value"])] = true
			}
		}
	}
	return found
}

// A member's queue has none: an alarm per account and Region would cost more than the rest, so doctor and the watchdog
// read it.
func TestEveryQueueOfTheHubHasAnAgeAlarmAndEveryDeadLetterQueueADepthAlarm(t *testing.T) {
	for config, load := range configurations {
		templates, err := load()
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		alarmed := alarms(templates["hub"])
		for _, queue := range templates["hub"].of("AWS::SQS::Queue") {
			name := queue.text("QueueName")
			if !alarmed["ApproximateAgeOfOldestMessage "+name] {
				t.Errorf("%s: %s has no age alarm", config, name)
			}
			if strings.HasSuffix(name, "-dlq") && !alarmed["ApproximateNumberOfMessagesVisible "+name] {
				t.Errorf("%s: %s has no depth alarm", config, name)
			}
		}
	}
}

func TestEveryQueueAndTopicIsEncryptedAndTLSOnly(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		closed := map[string]bool{}
		for _, kind := range []string{"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"} {
			for id, policy := range tpl.of(kind) {
				for _, s := range statements(id, policy.Properties) {
					if s.Effect == "Deny" && strings.Contains(s.ConditionText, `"aws:SecureTransport":"false"`) {
						closed[policyTarget(policy)] = true
					}
				}
			}
		}
		for _, kind := range []string{"AWS::SQS::Queue", "AWS::SNS::Topic"} {
			for id, r := range tpl.of(kind) {
				if !closed[id] {
					t.Errorf("%s can be reached without TLS", id)
				}
				if (r.at("KmsMasterKeyId") == nil) == (r.at("SqsManagedSseEnabled") == nil) {
					t.Errorf("%s: wants exactly one encryption, has %v and %v", id, r.at("KmsMasterKeyId"), r.at("SqsManagedSseEnabled"))
				}
			}
		}
	})
}

// policyTarget is the logical id of the one queue or topic that a policy is on.
func policyTarget(policy resource) string {
	for _, list := range []any{policy.at("Queues"), policy.at("Topics")} {
		if items, ok := list.([]any); ok && len(items) == 1 {
			if m, ok := items[0].(map[string]any); ok {
				return text(m["Ref"])
			}
		}
	}
	return ""
}

func TestKeyPoliciesNameTheServicesThatUseTheKeyAlone(t *testing.T) {
	services := func(tpl template) []string {
		var found []string
		for id, key := range tpl.of("AWS::KMS::Key") {
			for _, s := range statements(id, key.at("KeyPolicy")) {
				if m, ok := s.Principal.(map[string]any); ok && m["Service"] != nil {
					found = append(found, texts(m["Service"])...)
				}
			}
		}
		slices.Sort(found)
		return found
	}
	templates, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"hub":    {"cloudwatch.amazonaws.com", "events.amazonaws.com", "logs.us-east-1.amazonaws.com"},
		"member": nil, "org": nil,
	}
	got := map[string][]string{}
	for name, tpl := range templates {
		got[name] = services(tpl)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services in key policies (-want +got):\n%s", diff)
	}
}

func TestEveryKeyRotatesAndSplitsManagingFromUsing(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, key := range tpl.of("AWS::KMS::Key") {
			if key.at("EnableKeyRotation") != true {
				t.Errorf("%s does not rotate", id)
			}
			for _, s := range statements(id, key.at("KeyPolicy")) {
				manages, uses := has(s.Action, prefixed("kms:Put", "kms:Schedule", "kms:Disable")), has(s.Action, prefixed("kms:Decrypt", "kms:GenerateDataKey", "kms:*"))
				if manages && uses {
					t.Errorf("%s both manages and uses the key", s.Where)
				}
				if uses && len(s.Condition) == 0 {
					t.Errorf("%s uses the key without a condition", s.Where)
				}
			}
		}
	})
}

func TestRulesAreTrailsOwn(t *testing.T) {
	templates, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	for _, rule := range trail.Rules() {
		if rule.Forwarded {
			want[rule.Name] = plain(rule.Pattern)
		}
	}
	for _, where := range []string{"member", "hub"} {
		got := map[string]any{}
		for _, rule := range templates[where].of("AWS::Events::Rule") {
			if _, ok := want[rule.text("Name")]; ok {
				got[rule.text("Name")] = rule.at("EventPattern")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s rules (-trail +template):\n%s", where, diff)
		}
	}
}

func TestReadOnlyEventsAreLetThroughByTheirRuleAlone(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, rule := range tpl.of("AWS::Events::Rule") {
			want := "ENABLED"
			for _, r := range trail.RulesWith(true) {
				if r.AllManagementEvents && cmp.Equal(plain(r.Pattern), rule.at("EventPattern")) {
					want = allManagementEvents
				}
			}
			if got := rule.text("State"); got != want {
				t.Errorf("%s: state %s, want %s", id, got, want)
			}
		}
	})
}

func TestRulesOnOurOwnEventsMatchTheHubsAccount(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, rule := range tpl.of("AWS::Events::Rule") {
			ours := has(texts(rule.at("EventPattern", "source")), prefixed(settings.EventSource))
			if ours && len(texts(rule.at("EventPattern", "account"))) != 1 {
				t.Errorf("%s: any account of the organization could put this event on the bus", id)
			}
		}
	})
}

func TestTheTableIsKeyedAsTheAdapterReadsIt(t *testing.T) {
	want := []string{table.AttributeKey, table.AttributeSort, table.AttributeExpires, table.BrakeKey}
	got := []string{attributeKey, attributeSort, attributeExpires, brakePartition}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-adapter +template):\n%s", diff)
	}
}

func TestRolesAreMadeInTheHomeRegionOnly(t *testing.T) {
	templates, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	for id, role := range templates["member"].of("AWS::IAM::Role") {
		if role.Condition != "IsHomeRegion" {
			t.Errorf("%s is made in every Region: a role is global, the second one fails", id)
		}
	}
}

func TestMemberTemplateFitsIntoAStackSet(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, set := range tpl.of("AWS::CloudFormation::StackSet") {
			if size := len(set.text("TemplateBody")); size == 0 || size > maxInlineTemplate {
				t.Errorf("%s: %d bytes of template", id, size)
			}
			if set.at("ManagedExecution", "Active") != true || set.at("AutoDeployment", "RetainStacksOnAccountRemoval") == true {
				t.Errorf("%s: wants managed execution and nothing left behind", id)
			}
		}
	})
}

func TestEveryFunctionCollectsGarbageBeforeItsMemoryIsUsedUp(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, f := range tpl.of("AWS::Lambda::Function") {
			var limit float64
			if _, err := fmt.Sscanf(text(f.at("Environment", "Variables", "GOMEMLIMIT")), "%gMiB", &limit); err != nil {
				t.Errorf("%s: GOMEMLIMIT: %v", id, err)
			}
			if memory, _ := f.at("MemorySize").(float64); limit <= 0 || limit > 0.8*memory {
				t.Errorf("%s: a limit of %g MiB, of %g", id, limit, memory)
			}
		}
	})
}

// A row is deployed when its binary is there, and a binary is built for every main: neither is without the other.
func TestEveryWorkerHasAHandlerAndEveryHandlerAWorker(t *testing.T) {
	mains, err := filepath.Glob(filepath.Join("..", "handlers", "*", "lambda", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	var built, deployed []string
	for _, path := range mains {
		built = append(built, filepath.Base(filepath.Dir(filepath.Dir(path))))
	}
	for _, w := range workers {
		deployed = append(deployed, w.Name)
	}
	slices.Sort(deployed)
	if diff := cmp.Diff(built, deployed); diff != "" {
		t.Errorf("workers (-built +deployed):\n%s", diff)
	}
}
