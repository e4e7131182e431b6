package messaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func TestReadOnlyManagementEventsReachOnlyRulesThatAskForAll(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	ordinary, ordinaryARN := c.makeQueue(t, hub, "ordinary", nil)
	all, allARN := c.makeQueue(t, hub, "all", nil)
	off, offARN := c.makeQueue(t, hub, "off", nil)
	pattern := `{"source":["aws.sqs"],"detail":{"eventName":["ListQueues","SetQueueAttributes"]}}`
	c.makeRule(t, hub, "default", "ordinary", pattern, types.RuleStateEnabled, types.Target{Id: aws.String("q"), Arn: &ordinaryARN})
	c.makeRule(t, hub, "default", "all", pattern, types.RuleStateEnabledWithAllCloudtrailManagementEvents, types.Target{Id: aws.String("q"), Arn: &allARN})
	c.makeRule(t, hub, "default", "off", pattern, types.RuleStateDisabled, types.Target{Id: aws.String("q"), Arn: &offARN})
	for _, operation := range []string{"ListQueues", "SetQueueAttributes"} {
		if _, err := c.As("test", hub, home, "sqs", operation, map[string]any{"QueueUrl": all, "Attributes": map[string]string{"VisibilityTimeout": "30"}}); err != nil {
			t.Fatal(err)
		}
	}
	c.settle(t)
	names := func(url string) []string {
		var got []string
		for _, body := range c.bodies(t, hub, url) {
			var e struct{ Detail struct{ EventName string } }
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Detail.EventName)
		}
		return got
	}
	got := map[string][]string{"ordinary": names(ordinary), "all": names(all), "off": names(off)}
	want := map[string][]string{"ordinary": {"SetQueueAttributes"}, "all": {"ListQueues", "SetQueueAttributes"}, "off": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPutEventsRefusesByEntry(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := eventbridge.NewFromConfig(c.as(t, hub))
	out := must[*eventbridge.PutEventsOutput](t)(client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{Source: aws.String("aws.secretsmanager"), DetailType: aws.String("x"), Detail: aws.String(`{}`)},
		{Source: aws.String("mine"), DetailType: aws.String("x"), Detail: aws.String(`[1]`)},
		{Source: aws.String("mine"), DetailType: aws.String("x")},
		{Source: aws.String("mine"), DetailType: aws.String("x"), Detail: aws.String(`{}`)},
	}}))
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
	}
	if diff := cmp.Diff([]string{"NotAuthorizedForSourceException", "MalformedDetail", "InvalidArgument", ""}, codes); diff != "" {
		t.Error(diff)
	}
	if out.FailedEntryCount != 3 {
		t.Errorf("failed = %d, want 3", out.FailedEntryCount)
	}
	big := `{"x":"` + strings.Repeat("x", 256<<10) + `"}`
	_, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: aws.String("mine"), DetailType: aws.String("x"), Detail: &big}}})
	if err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("err = %v, want one for more than 256 KB", err)
	}
}

func TestPutEventsNeedsTheRightToEveryBus(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	c.AddRole(hub, "publisher", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"`+busARN(hub, "default")+`"}]}`)
	client := eventbridge.NewFromConfig(c.signed(t, hub, "role/publisher/session"))
	entry := func(bus string) types.PutEventsRequestEntry {
		return types.PutEventsRequestEntry{Source: aws.String("mine"), DetailType: aws.String("x"), Detail: aws.String(`{}`), EventBusName: &bus}
	}
	must[*eventbridge.PutEventsOutput](t)(client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry("default")}}))
	for _, bus := range []string{"central", busARN(member, "default")} {
		_, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry("default"), entry(bus)}})
		if err == nil || !strings.Contains(err.Error(), "not authorized to perform: events:PutEvents") {
			t.Errorf("%s: err = %v", bus, err)
		}
	}
}

func TestPutEventsKeepsTheGivenTimeAndResources(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, arn := c.makeQueue(t, hub, "q", nil)
	c.makeRule(t, hub, "default", "q", `{"resources":[{"suffix":":secret/x"}]}`, "", types.Target{Id: aws.String("q"), Arn: &arn})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	must[*eventbridge.PutEventsOutput](t)(eventbridge.NewFromConfig(c.as(t, hub)).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{Source: aws.String("mine"), DetailType: aws.String("x"), Detail: aws.String(`{}`), Time: &at, Resources: []string{"arn:x:secret/x"}}}}))
	c.settle(t)
	var got struct {
		Time      time.Time
		Resources []string
	}
	if err := json.Unmarshal([]byte(c.bodies(t, hub, url)[0]), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(at) || len(got.Resources) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestTargetsGetWhatTheyAskFor(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	url, arn := c.makeQueue(t, hub, "q", nil)
	for sentence, r := range map[string]struct {
		target types.Target
		want   string
	}{
		"a constant":        {types.Target{Input: aws.String(`{"a":1}`)}, `{"a":1}`},
		"a part":            {types.Target{InputPath: aws.String("$.detail.who")}, `{"name":"Dana \"D\""}`},
		"a filled template": {types.Target{InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"n": "$.detail.n", "name": "$.detail.who.name"}, InputTemplate: aws.String(`{"text":"<name> has <n>","n":<n>,"rule":"<aws.events.rule-name>"}`)}}, `{"text":"Dana \"D\" has 5","n":5,"rule":"r"}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			r.target.Id, r.target.Arn = aws.String("q"), &arn
			c.makeRule(t, hub, "default", "r", `{"source":["test"]}`, "", r.target)
			c.put(t, hub, "default", "test", `{"n":5,"who":{"name":"Dana \"D\""}}`)
			c.settle(t)
			if diff := cmp.Diff([]string{r.want}, c.bodies(t, hub, url)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestABrokenPatternIsRefused(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := eventbridge.NewFromConfig(c.as(t, hub))
	_, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":"mine"}`)})
	var invalid *types.InvalidEventPatternException
	if !errors.As(err, &invalid) || !strings.Contains(*invalid.Message, `Event pattern is not valid. Reason: "source" must be an object or an array`) {
		t.Errorf("err = %v", err)
	}
}

func TestRulesAreListedAndRemoved(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	_, arn := c.makeQueue(t, hub, "q", nil)
	c.makeRule(t, hub, "default", "r", `{"source":["test"]}`, "", types.Target{Id: aws.String("q"), Arn: &arn})
	client := eventbridge.NewFromConfig(c.as(t, hub))
	if _, err := client.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: aws.String("r")}); err == nil {
		t.Error("a rule with targets was deleted")
	}
	must[*eventbridge.DisableRuleOutput](t)(client.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("r")}))
	rule := must[*eventbridge.DescribeRuleOutput](t)(client.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("r")}))
	if rule.State != types.RuleStateDisabled || *rule.Arn != "arn:aws:events:eu-central-1:111122223333:rule/r" || *rule.EventPattern != `{"source":["test"]}` {
		t.Errorf("rule = %+v", rule)
	}
	targets := must[*eventbridge.ListTargetsByRuleOutput](t)(client.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r")})).Targets
	if len(targets) != 1 || *targets[0].Arn != arn {
		t.Errorf("targets = %v", targets)
	}
	must[*eventbridge.RemoveTargetsOutput](t)(client.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("r"), Ids: []string{"q"}}))
	must[*eventbridge.DeleteRuleOutput](t)(client.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: aws.String("r")}))
	if rules := must[*eventbridge.ListRulesOutput](t)(client.ListRules(t.Context(), &eventbridge.ListRulesInput{})).Rules; len(rules) > 0 {
		t.Errorf("rules = %v", rules)
	}
	var missing *types.ResourceNotFoundException
	if _, err := client.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("r")}); !errors.As(err, &missing) {
		t.Errorf("err = %v, want a ResourceNotFoundException", err)
	}
}

func TestABusInAnotherAccountNeedsARole(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := eventbridge.NewFromConfig(c.as(t, member))
	must[*eventbridge.PutRuleOutput](t)(client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["x"]}`)}))
	_, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{{Id: aws.String("x"), Arn: aws.String(busARN(hub, "central"))}}})
	if err == nil || !strings.Contains(err.Error(), "RoleArn is required") {
		t.Errorf("err = %v", err)
	}
}

func TestRulesReachTopicsAndFunctions(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	topic := c.makeTopic(t, "owners")
	c.subscribe(t, topic, "email", "a@example.com", nil)
	must[*sns.SetTopicAttributesOutput](t)(sns.NewFromConfig(c.as(t, hub)).SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"),
		AttributeValue: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"` + topic + `"}]}`)}))
	calls := 0
	c.RegisterFunction(hub, home, "f", func(context.Context, []byte) ([]byte, error) { calls++; return nil, errors.New("boom") })
	functionARN := "arn:aws:lambda:" + home + ":" + hub + ":function:f"
	must[*lambda.AddPermissionOutput](t)(lambda.NewFromConfig(c.as(t, hub)).AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: aws.String("f"),
		StatementId: aws.String("events"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("events.amazonaws.com")}))
	c.makeRule(t, hub, "default", "r", `{"source":["test"]}`, "", types.Target{Id: aws.String("t"), Arn: &topic, InputPath: aws.String("$.detail")}, types.Target{Id: aws.String("f"), Arn: &functionARN})
	c.put(t, hub, "default", "test", `{"n":1}`)
	c.settle(t)
	if diff := cmp.Diff(map[string][]string{"a@example.com": {`{"n":1}`}}, bodiesTo(c.Mailbox())); diff != "" {
		t.Error(diff)
	}
	if calls != 3 || len(c.Failures()) != 3 || c.Failures()[0].Function != functionARN {
		t.Errorf("%d calls, failures %v; want three tries", calls, c.Failures())
	}
	if s := c.Stats(); s.Undeliverable != 1 {
		t.Errorf("undeliverable = %d, want the one given up", s.Undeliverable)
	}
}

func TestInvoke(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := lambda.NewFromConfig(c.as(t, hub))
	c.RegisterFunction(hub, home, "echo", func(ctx context.Context, p []byte) ([]byte, error) {
		if _, ok := ctx.Deadline(); !ok {
			return nil, errors.New("no deadline")
		}
		if string(p) == `"fail"` {
			return nil, errors.New("boom")
		}
		list := must[*lambda.ListFunctionsOutput](t)(client.ListFunctions(ctx, &lambda.ListFunctionsInput{})) // the lock is free
		return fmt.Appendf(nil, `{"got":%s,"functions":%d}`, p, len(list.Functions)), nil
	})
	out := must[*lambda.InvokeOutput](t)(client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(`1`)}))
	if string(out.Payload) != `{"got":1,"functions":1}` || out.FunctionError != nil {
		t.Errorf("answer = %s %v", out.Payload, out.FunctionError)
	}
	out = must[*lambda.InvokeOutput](t)(client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(`"fail"`)}))
	if aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), `"errorMessage":"boom"`) {
		t.Errorf("answer = %s %v", out.Payload, out.FunctionError)
	}
	out = must[*lambda.InvokeOutput](t)(client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo"), InvocationType: lambdatypes.InvocationTypeEvent, Payload: []byte(`2`)}))
	if out.StatusCode != http.StatusAccepted {
		t.Errorf("status = %d, want 202", out.StatusCode)
	}
	before := c.Stats().Invocations
	c.settle(t)
	if got := c.Stats().Invocations - before; got != 1 {
		t.Errorf("%d invocations by Settle, want 1", got)
	}
	var missing *lambdatypes.ResourceNotFoundException
	if _, err := client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("none")}); !errors.As(err, &missing) {
		t.Errorf("err = %v, want a ResourceNotFoundException", err)
	}
}
