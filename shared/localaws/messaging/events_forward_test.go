package messaging_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func busARN(account, name string) string {
	return "arn:aws:events:" + home + ":" + account + ":event-bus/" + name
}

// forward makes a bus in the hub and a rule in the member that sends to it.
func (c *cloud) forward(t *testing.T, condition string) (hubQueue, dead string) {
	t.Helper()
	events := eventbridge.NewFromConfig(c.as(t, hub))
	must[*eventbridge.CreateEventBusOutput](t)(events.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("central")}))
	policy := `{"Version":"2012-10-17","Statement":[{"Sid":"org","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"` +
		busARN(hub, "central") + `","Condition":` + condition + `}]}`
	must[*eventbridge.PutPermissionOutput](t)(events.PutPermission(t.Context(), &eventbridge.PutPermissionInput{EventBusName: aws.String("central"), Policy: &policy}))
	hubQueue, hubARN := c.makeQueue(t, hub, "central", nil)
	c.makeRule(t, hub, "central", "all", `{"source":[{"prefix":""}]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &hubARN})
	dead, deadARN := c.makeQueue(t, member, "undelivered", nil)
	c.AddRole(member, "forward", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"`+busARN(hub, "central")+`"}]}`)
	c.makeRule(t, member, "default", "forward", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("hub"), Arn: aws.String(busARN(hub, "central")),
		RoleArn: aws.String("arn:aws:iam::" + member + ":role/forward"), DeadLetterConfig: &ebtypes.DeadLetterConfig{Arn: &deadARN}})
	return hubQueue, dead
}

func TestForwardingKeepsTheEnvelope(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	queue, _ := c.forward(t, ofOrganization)
	id := *c.put(t, member, "default", "test", `{"n":1}`).Entries[0].EventId
	c.settle(t)
	got := c.bodies(t, hub, queue)
	want := []string{`{"account":"` + member + `","detail":{"n":1},"detail-type":"Test","id":"` + id +
		`","region":"eu-central-1","resources":[],"source":"test","time":"2026-03-02T10:00:00Z","version":"0"}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The bus of a hub takes what rules forward, and no event that somebody of another account puts there to look like one.
func TestABusTakesWhatARuleForwardsAndNotWhatSomebodyPutsThere(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	queue, dead := c.forward(t, `{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","events:eventBusInvocation":"true"}}`)
	_, err := eventbridge.NewFromConfig(c.signed(t, member, "role/forward/somebody")).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
		{EventBusName: aws.String(busARN(hub, "central")), Source: aws.String("test"), DetailType: aws.String("Test"), Detail: aws.String(`{"n":1}`)}}})
	if err == nil || !strings.Contains(err.Error(), "not authorized to perform: events:PutEvents") {
		t.Errorf("put by hand: %v", err)
	}
	c.put(t, member, "default", "test", `{"n":2}`)
	c.settle(t)
	if got := c.bodies(t, hub, queue); len(got) != 1 || !strings.Contains(got[0], `"n":2`) {
		t.Errorf("the hub got %q", got)
	}
	if lost := c.bodies(t, member, dead); len(lost) != 0 {
		t.Errorf("not delivered: %q", lost)
	}
}

func TestWhoMayPutEventsOfOneSourcePutsNoneOfAnother(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	c.AddRole(hub, "publisher", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"events:source":"mine"}}}]}`)
	client := eventbridge.NewFromConfig(c.signed(t, hub, "role/publisher/session"))
	for _, sources := range [][]string{{"mine"}, {"mine", "yours"}} {
		in := &eventbridge.PutEventsInput{}
		for _, source := range sources {
			in.Entries = append(in.Entries, ebtypes.PutEventsRequestEntry{Source: &source, DetailType: aws.String("x"), Detail: aws.String(`{}`)})
		}
		if _, err := client.PutEvents(t.Context(), in); (err != nil) != (len(sources) > 1) {
			t.Errorf("%q: %v", sources, err)
		}
	}
}

func TestForwardingIsRefused(t *testing.T) {
	for sentence, c := range map[string]struct {
		condition string
		change    func(*testing.T, *cloud)
		says      string
	}{
		"to another organization's members": {`{"StringEquals":{"aws:PrincipalOrgID":"o-otherorg"}}`, func(*testing.T, *cloud) {}, "not authorized to perform: events:PutEvents"},
		"without the role": {ofOrganization, func(t *testing.T, c *cloud) {
			must[*iam.DeleteRolePolicyOutput](t)(iam.NewFromConfig(c.as(t, member)).DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: aws.String("forward"), PolicyName: aws.String("inline-1")}))
			must[*iam.DeleteRoleOutput](t)(iam.NewFromConfig(c.as(t, member)).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("forward")}))
		}, "not authorized to perform: sts:AssumeRole"},
		"for a role that does not trust EventBridge": {ofOrganization, func(_ *testing.T, c *cloud) {
			c.AddRole(member, "forward", strings.ReplaceAll(trusting, "events.", "lambda."))
		}, "not authorized to perform: sts:AssumeRole"},
		"for a role without the right": {ofOrganization, func(_ *testing.T, c *cloud) {
			c.AddRole(member, "forward", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"`+busARN(third, "x")+`"}]}`)
		}, "not authorized to perform: events:PutEvents"},
		"to a bus that is gone": {ofOrganization, func(t *testing.T, c *cloud) {
			events := eventbridge.NewFromConfig(c.as(t, hub))
			must[*eventbridge.RemoveTargetsOutput](t)(events.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: aws.String("all"), EventBusName: aws.String("central"), Ids: []string{"q"}}))
			must[*eventbridge.DeleteRuleOutput](t)(events.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: aws.String("all"), EventBusName: aws.String("central")}))
			must[*eventbridge.DeleteEventBusOutput](t)(events.DeleteEventBus(t.Context(), &eventbridge.DeleteEventBusInput{Name: aws.String("central")}))
		}, "does not exist"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud := newCloud(t, localaws.Faults{})
			queue, dead := cloud.forward(t, c.condition)
			c.change(t, cloud)
			cloud.put(t, member, "default", "test", `{"n":1}`)
			cloud.settle(t)
			if got := cloud.bodies(t, hub, queue); len(got) > 0 {
				t.Errorf("arrived: %v", got)
			}
			out := must[*sqs.ReceiveMessageOutput](t)(sqs.NewFromConfig(cloud.as(t, member)).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &dead, MessageAttributeNames: []string{"ERROR_*", "ERROR.*", "All"}}))
			if len(out.Messages) != 1 {
				t.Fatalf("%d messages in the dead-letter queue", len(out.Messages))
			}
			if text := *out.Messages[0].MessageAttributes["ERROR_MESSAGE"].StringValue; !strings.Contains(text, c.says) {
				t.Errorf("error = %q, want %q in it", text, c.says)
			}
		})
	}
}

func TestAnEventFromAnotherAccountIsNotSentToAThird(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	queue, _ := c.forward(t, ofOrganization)
	thirdQueue, thirdARN := c.makeQueue(t, third, "third", nil)
	c.makeRule(t, third, "default", "all", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &thirdARN})
	must[*eventbridge.PutPermissionOutput](t)(eventbridge.NewFromConfig(c.as(t, third)).PutPermission(t.Context(), &eventbridge.PutPermissionInput{
		Action: aws.String("events:PutEvents"), Principal: aws.String(hub), StatementId: aws.String("hub")}))
	c.AddRole(hub, "onwards", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}]}`)
	c.makeRule(t, hub, "central", "onwards", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("third"), Arn: aws.String(busARN(third, "default")), RoleArn: aws.String("arn:aws:iam::" + hub + ":role/onwards")})

	c.put(t, member, "default", "test", `{"n":1}`)
	c.settle(t)
	if got := c.bodies(t, third, thirdQueue); len(got) > 0 {
		t.Errorf("a second hop arrived: %v", got)
	}
	if got := c.bodies(t, hub, queue); len(got) != 1 {
		t.Errorf("%d events at the hub, want 1", len(got))
	}
	c.put(t, hub, "central", "test", `{"n":2}`)
	c.settle(t)
	if got := c.bodies(t, third, thirdQueue); len(got) != 1 {
		t.Errorf("%d events of the hub's own arrived, want 1", len(got))
	}
}

func TestAQueueWithoutAPolicyGetsNothing(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	queue, arn := c.makeQueue(t, hub, "closed", map[string]string{"Policy": ""})
	c.makeRule(t, hub, "default", "closed", `{"source":["test"]}`, "", ebtypes.Target{Id: aws.String("q"), Arn: &arn})
	c.put(t, hub, "default", "test", `{"n":1}`)
	c.settle(t)
	if got := c.bodies(t, hub, queue); len(got) > 0 {
		t.Errorf("arrived: %v", got)
	}
	if s := c.Stats(); s.Undeliverable != 1 {
		t.Errorf("undeliverable = %d, want 1", s.Undeliverable)
	}
}
