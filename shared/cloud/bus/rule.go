package bus

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Rule is an EventBridge rule and where it sends.
type Rule struct {
	Name    string
	ARN     string
	State   string // ENABLED, DISABLED or ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS
	Pattern string // JSON
	Targets []Target
}

// Target is what a rule sends to.
type Target struct {
	ID      string
	ARN     string
	RoleARN string // the role EventBridge sends with; ""
	DLQ     string // ARN of the queue for what could not be sent; ""
}

// ReadRule reads a rule of an account's bus ("" is the default bus), through the account's member role.
func ReadRule(ctx context.Context, c *cloud.Cloud, account, region, bus, name string) (Rule, error) {
	p, err := c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return Rule{}, session.Fail(err, "describe rule %s of %s in %s", name, account, region)
	}
	client := session.Client(c, p, eventbridge.NewFromConfig)
	out, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: optional(bus)})
	if err != nil {
		return Rule{}, session.Fail(err, "describe rule %s of %s in %s", name, account, region)
	}
	rule := Rule{Name: name, ARN: aws.ToString(out.Arn), State: string(out.State), Pattern: aws.ToString(out.EventPattern)}
	in := &eventbridge.ListTargetsByRuleInput{Rule: &name, EventBusName: optional(bus)}
	for {
		page, err := client.ListTargetsByRule(ctx, in)
		if err != nil {
			return Rule{}, session.Fail(err, "list targets of rule %s of %s in %s", name, account, region)
		}
		for _, t := range page.Targets {
			target := Target{ID: aws.ToString(t.Id), ARN: aws.ToString(t.Arn), RoleARN: aws.ToString(t.RoleArn)}
			if t.DeadLetterConfig != nil {
				target.DLQ = aws.ToString(t.DeadLetterConfig.Arn)
			}
			rule.Targets = append(rule.Targets, target)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return rule, nil
		}
	}
}

// Policy returns the policy of the hub's bus as JSON, "" when it has none: then nobody else may send to it.
func (b *Bus) Policy(ctx context.Context) (string, error) {
	out, err := b.client().DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &b.name})
	if err != nil {
		return "", session.Fail(err, "describe bus %s", b.name)
	}
	return aws.ToString(out.Policy), nil
}

// optional leaves an empty text out of a request.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
