package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) events() *eventbridge.Client {
	return session.Client(s.c, s.at(), eventbridge.NewFromConfig)
}

func (s *Session) eventTags() []types.Tag {
	return []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}
}

// NewRule is a rule to be made. It has a pattern or a schedule.
type NewRule struct {
	What, Pattern, Schedule string
	Bus                     string // name of a bus that the run made; "" is the default one
	All                     bool   // in the state that also takes read-only management events
	Target, TargetRole      string // ARNs; no target is ""; the role is "" where the target has a policy of its own
}

// CreateRule makes a rule with one target at most and answers its ARN.
func (s *Session) CreateRule(ctx context.Context, r NewRule) (string, error) {
	kind := Rule
	if r.Bus != "" {
		kind = BusRule
	}
	name, err := s.intend(kind, r.What)
	if err != nil {
		return "", err
	}
	in := &eventbridge.PutRuleInput{Name: &name, Tags: s.eventTags(), State: types.RuleStateEnabled}
	if r.Pattern != "" {
		in.EventPattern = &r.Pattern
	}
	if r.Schedule != "" {
		in.ScheduleExpression = &r.Schedule
	}
	if r.Bus != "" {
		in.EventBusName = &r.Bus
	}
	if r.All {
		in.State = types.RuleStateEnabledWithAllCloudtrailManagementEvents
	}
	out, err := s.events().PutRule(ctx, in)
	if err != nil {
		return "", session.Fail(err, "put rule %s", name)
	}
	if r.Target == "" {
		return aws.ToString(out.RuleArn), nil
	}
	target := types.Target{Id: aws.String("conformance"), Arn: &r.Target}
	if r.TargetRole != "" {
		target.RoleArn = &r.TargetRole
	}
	put, err := s.events().PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: in.EventBusName, Targets: []types.Target{target}})
	if err != nil {
		return "", session.Fail(err, "put target of rule %s", name)
	}
	if put.FailedEntryCount > 0 {
		return "", &RefusedTargetError{Code: aws.ToString(put.FailedEntries[0].ErrorCode)}
	}
	return aws.ToString(out.RuleArn), nil
}

// RefusedTargetError says that PutTargets refused the target, with EventBridge's code.
type RefusedTargetError struct{ Code string }

func (r *RefusedTargetError) Error() string { return "put targets: refused with " + r.Code }

// PutEvent puts an event on the default bus, with a source and a detail type and nothing in it.
func (s *Session) PutEvent(ctx context.Context, e Event) error {
	out, err := s.events().PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: &e.Source, DetailType: &e.DetailType, Detail: aws.String("{}")}}})
	if err == nil && out.FailedEntryCount > 0 {
		err = fmt.Errorf("refused with %s", aws.ToString(out.Entries[0].ErrorCode))
	}
	return session.Fail(err, "put event of %s", e.Source)
}

// HasRule reports whether there is a rule of that name on the default bus, made by whomever.
func (s *Session) HasRule(ctx context.Context, what string) (bool, error) {
	name := s.run.Name(what)
	_, err := s.events().DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
	if err = session.Fail(err, "describe rule %s", name); Gone(err) {
		return false, nil
	}
	return err == nil, err
}

// Sends reports whether there is an enabled rule of that name on the default bus, with a target.
func (s *Session) Sends(ctx context.Context, what, target string) (bool, error) {
	name := s.run.Name(what)
	rule, err := s.events().DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
	if err != nil {
		return false, session.Fail(err, "describe rule %s", name)
	}
	targets, err := s.events().ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name})
	if err != nil {
		return false, session.Fail(err, "list targets of rule %s", name)
	}
	return rule.State == types.RuleStateEnabled && slices.ContainsFunc(targets.Targets, func(t types.Target) bool { return aws.ToString(t.Arn) == target }), nil
}

// IntendRule writes down a rule that somebody else makes for the run, by name.
func (s *Session) IntendRule(what string) (name string, err error) { return s.intend(Rule, what) }

// CreateBus makes an event bus and answers its name and ARN.
func (s *Session) CreateBus(ctx context.Context, what string) (name, busARN string, err error) {
	if name, err = s.intend(Bus, what); err != nil {
		return "", "", err
	}
	out, err := s.events().CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &name, Tags: s.eventTags()})
	if err != nil {
		return "", "", session.Fail(err, "create bus %s", name)
	}
	return name, aws.ToString(out.EventBusArn), nil
}

// CreateConnection makes a connection to nowhere and answers the ARN of the secret that EventBridge keeps for it.
func (s *Session) CreateConnection(ctx context.Context, what string) (string, error) {
	name, err := s.intend(Connection, what)
	if err != nil {
		return "", err
	}
	_, err = s.events().CreateConnection(ctx, &eventbridge.CreateConnectionInput{Name: &name, Description: aws.String(TagKey + "=" + string(s.run)),
		AuthorizationType: types.ConnectionAuthorizationTypeApiKey, AuthParameters: &types.CreateConnectionAuthRequestParameters{
			ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("x-conformance"), ApiKeyValue: aws.String("none")}}})
	if err != nil {
		return "", session.Fail(err, "create connection %s", name)
	}
	out, err := s.events().DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: &name})
	if err != nil {
		return "", session.Fail(err, "describe connection %s", name)
	}
	return aws.ToString(out.SecretArn), nil
}

// removeConnection removes a connection. Connections have no tags: the tag is in the description.
func (s *Session) removeConnection(ctx context.Context, name string) error {
	out, err := s.events().DescribeConnection(ctx, &eventbridge.DescribeConnectionInput{Name: &name})
	if err != nil {
		return session.Fail(err, "describe connection %s", name)
	}
	if out.ConnectionState == types.ConnectionStateDeleting {
		return errNothing
	}
	if run, found := strings.CutPrefix(aws.ToString(out.Description), TagKey+"="); !found || !s.run.owns(name, run) {
		return notOurs(Connection, name)
	}
	_, err = s.events().DeleteConnection(ctx, &eventbridge.DeleteConnectionInput{Name: &name})
	return session.Fail(err, "delete connection %s", name)
}

func (s *Session) findConnections(ctx context.Context) ([]string, error) {
	prefix := s.run.prefix()
	var names []string
	err := eachPage(func(token *string) (*string, error) {
		out, err := s.events().ListConnections(ctx, &eventbridge.ListConnectionsInput{NamePrefix: &prefix, NextToken: token})
		if err != nil {
			return nil, session.Fail(err, "list connections")
		}
		for _, c := range out.Connections {
			names = append(names, aws.ToString(c.Name))
		}
		return out.NextToken, nil
	})
	return names, err
}

func (s *Session) removeRule(ctx context.Context, name string) error {
	return s.removeRuleOf(ctx, Rule, name, nil)
}

// removeBusRule removes the rule of a bus of the same name: each bus of a run has one.
func (s *Session) removeBusRule(ctx context.Context, name string) error {
	return s.removeRuleOf(ctx, BusRule, name, &name)
}

func (s *Session) removeRuleOf(ctx context.Context, kind Kind, name string, bus *string) error {
	rule, err := s.events().DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: bus})
	if err != nil {
		return session.Fail(err, "describe rule %s", name)
	}
	if err := s.taggedEvents(ctx, kind, name, rule.Arn); err != nil {
		return err
	}
	targets, err := s.events().ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name, EventBusName: bus})
	if err != nil {
		return session.Fail(err, "list targets of rule %s", name)
	}
	var ids []string
	for _, t := range targets.Targets {
		ids = append(ids, aws.ToString(t.Id))
	}
	if len(ids) > 0 {
		if _, err := s.events().RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &name, EventBusName: bus, Ids: ids}); err != nil {
			return session.Fail(err, "remove targets of rule %s", name)
		}
	}
	_, err = s.events().DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name, EventBusName: bus})
	return session.Fail(err, "delete rule %s", name)
}

// taggedEvents errs unless a rule or bus has the tag of its run.
func (s *Session) taggedEvents(ctx context.Context, kind Kind, name string, arn *string) error {
	out, err := s.events().ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: arn})
	if err != nil {
		return session.Fail(err, "list tags of %s %s", kind, name)
	}
	for _, tag := range out.Tags {
		if aws.ToString(tag.Key) == TagKey && s.run.owns(name, aws.ToString(tag.Value)) {
			return nil
		}
	}
	return notOurs(kind, name)
}

func (s *Session) findRules(ctx context.Context) ([]string, error) { return s.findRulesOf(ctx, nil) }

func (s *Session) findBusRules(ctx context.Context) ([]string, error) {
	buses, err := s.findBuses(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, bus := range buses {
		of, err := s.findRulesOf(ctx, &bus)
		if err != nil {
			return names, err
		}
		names = append(names, of...)
	}
	return names, nil
}

func (s *Session) findRulesOf(ctx context.Context, bus *string) ([]string, error) {
	prefix := s.run.prefix()
	var names []string
	err := eachPage(func(token *string) (*string, error) {
		out, err := s.events().ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: &prefix, EventBusName: bus, NextToken: token})
		if err != nil {
			return nil, session.Fail(err, "list rules")
		}
		for _, r := range out.Rules {
			names = append(names, aws.ToString(r.Name))
		}
		return out.NextToken, nil
	})
	return names, err
}

func (s *Session) removeBus(ctx context.Context, name string) error {
	bus, err := s.events().DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &name})
	if err != nil {
		return session.Fail(err, "describe bus %s", name)
	}
	if err := s.taggedEvents(ctx, Bus, name, bus.Arn); err != nil {
		return err
	}
	_, err = s.events().DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &name})
	return session.Fail(err, "delete bus %s", name)
}

func (s *Session) findBuses(ctx context.Context) ([]string, error) {
	prefix := s.run.prefix()
	var names []string
	err := eachPage(func(token *string) (*string, error) {
		out, err := s.events().ListEventBuses(ctx, &eventbridge.ListEventBusesInput{NamePrefix: &prefix, NextToken: token})
		if err != nil {
			return nil, session.Fail(err, "list buses")
		}
		for _, b := range out.EventBuses {
			if s.run.of(aws.ToString(b.Name)) {
				names = append(names, aws.ToString(b.Name))
			}
		}
		return out.NextToken, nil
	})
	return names, err
}
