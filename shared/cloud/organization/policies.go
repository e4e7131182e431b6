package organization

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// PolicyKind is a kind of organization policy, by AWS's name.
type PolicyKind string

const (
	ServiceControl  PolicyKind = "SERVICE_CONTROL_POLICY"
	ResourceControl PolicyKind = "RESOURCE_CONTROL_POLICY"
)

// Policy is an organization policy.
type Policy struct {
	ID         string
	Name       string
	ARN        string
	AWSManaged bool
	Content    string // JSON; "" until read
}

// PolicyLevel is a root, OU or account and what is attached right there.
type PolicyLevel struct {
	Target   string
	Policies []Policy
}

// PolicyPath reads the policies of a kind that act on an account (or OU), level by level from the root down, with
// their content. The path is that of Account.Path followed by the account's own id.
func (o *Organization) PolicyPath(ctx context.Context, path []string, kind PolicyKind) ([]PolicyLevel, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	client, err := o.client(ctx)
	if err != nil {
		return nil, session.Fail(err, "list policies")
	}
	var levels []PolicyLevel
	for _, target := range path {
		policies, err := o.attachedTo(ctx, client, target, kind)
		if err != nil {
			return nil, err
		}
		for i := range policies {
			if policies[i].Content, err = o.content(ctx, client, policies[i].ID); err != nil {
				return nil, err
			}
		}
		levels = append(levels, PolicyLevel{Target: target, Policies: policies})
	}
	return levels, nil
}

func (o *Organization) attachedTo(ctx context.Context, client *organizations.Client, target string, kind PolicyKind) ([]Policy, error) {
	key := string(kind) + "|" + target
	if policies, found := o.attached[key]; found {
		return slices.Clone(policies), nil
	}
	var policies []Policy
	pages := organizations.NewListPoliciesForTargetPaginator(client, &organizations.ListPoliciesForTargetInput{
		TargetId: &target, Filter: types.PolicyType(kind)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list policies of %s", target)
		}
		for _, p := range page.Policies {
			policies = append(policies, policyOf(p))
		}
	}
	o.attached[key] = policies
	return slices.Clone(policies), nil
}

func (o *Organization) content(ctx context.Context, client *organizations.Client, id string) (string, error) {
	if content, found := o.contents[id]; found {
		return content, nil
	}
	out, err := client.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: &id})
	if err != nil {
		return "", session.Fail(err, "describe policy %s", id)
	}
	if out.Policy != nil {
		o.contents[id] = aws.ToString(out.Policy.Content)
	}
	return o.contents[id], nil
}

// Policies lists the policies of a kind in the organization whose names match, with their content and the ids they are attached
// to.
func (o *Organization) Policies(ctx context.Context, kind PolicyKind, named func(string) bool) ([]AttachedPolicy, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	client, err := o.client(ctx)
	if err != nil {
		return nil, session.Fail(err, "list policies")
	}
	var policies []AttachedPolicy
	err = eachPolicy(ctx, client, kind, func(p Policy) error {
		if !named(p.Name) {
			return nil
		}
		content, err := o.content(ctx, client, p.ID)
		if err != nil {
			return err
		}
		p.Content = content
		at, err := targets(ctx, client, p.ID)
		policies = append(policies, AttachedPolicy{Policy: p, Targets: at})
		return err
	})
	if err != nil {
		return nil, err
	}
	return policies, nil
}

// eachPolicy hands on every policy of a kind in the organization, without content, and ends with the first error.
func eachPolicy(ctx context.Context, client *organizations.Client, kind PolicyKind, found func(Policy) error) error {
	pages := organizations.NewListPoliciesPaginator(client, &organizations.ListPoliciesInput{Filter: types.PolicyType(kind)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list policies")
		}
		for _, p := range page.Policies {
			if err := found(policyOf(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// AttachedPolicy is a policy and where it is attached.
type AttachedPolicy struct {
	Policy
	Targets []string // root, OU and account ids
}

func targets(ctx context.Context, client *organizations.Client, id string) ([]string, error) {
	var ids []string
	pages := organizations.NewListTargetsForPolicyPaginator(client, &organizations.ListTargetsForPolicyInput{PolicyId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list targets of policy %s", id)
		}
		for _, target := range page.Targets {
			ids = append(ids, aws.ToString(target.TargetId))
		}
	}
	return ids, nil
}

func policyOf(p types.PolicySummary) Policy {
	return Policy{ID: aws.ToString(p.Id), Name: aws.ToString(p.Name), ARN: aws.ToString(p.Arn), AWSManaged: p.AwsManaged}
}
