package sandbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) organizations() *organizations.Client {
	return session.Client(s.c, s.at(), organizations.NewFromConfig)
}

// ManagementAccount is the management account of the organization that the session's account is in; "" for an account
// that is in none.
func (s *Session) ManagementAccount(ctx context.Context) (string, error) {
	out, err := s.organizations().DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if Code(err) == "AWSOrganizationsNotInUseException" {
		return "", nil
	}
	if err != nil {
		return "", session.Fail(err, "describe organization")
	}
	return inAnswer(aws.ToString(orZero(out.Organization).MasterAccountId), "describe organization")
}

// BindsOnly errs unless a service control policy on an OU would bind one account and nothing else: it reaches nobody who did not ask for
// it. In an organization that has not enabled such policies it would bind nobody.
func (s *Session) BindsOnly(ctx context.Context, ou, account string) error {
	roots, err := s.organizations().ListRoots(ctx, &organizations.ListRootsInput{})
	if err != nil {
		return session.Fail(err, "list roots")
	}
	if !slices.ContainsFunc(roots.Roots, func(r types.Root) bool {
		return slices.Contains(r.PolicyTypes, types.PolicyTypeSummary{Type: types.PolicyTypeServiceControlPolicy, Status: types.PolicyTypeStatusEnabled})
	}) {
		return fmt.Errorf("service control policies are not enabled in the organization, and %s would not be bound by one", ou)
	}
	accounts, err := s.organizations().ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &ou})
	if err != nil {
		return session.Fail(err, "list accounts of %s", ou)
	}
	units, err := s.organizations().ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &ou})
	if err != nil {
		return session.Fail(err, "list OUs of %s", ou)
	}
	if len(accounts.Accounts) != 1 || aws.ToString(accounts.Accounts[0].Id) != account || accounts.NextToken != nil || len(units.OrganizationalUnits) > 0 || units.NextToken != nil {
		return fmt.Errorf("%s must hold account %s and nothing else: no other account, and no OU", ou, account)
	}
	return nil
}

// AttachPolicy makes a service control policy and attaches it to an OU. It is detached, and removed, by Remove.
func (s *Session) AttachPolicy(ctx context.Context, what, ou, content string) error {
	name, err := s.intend(Policy, what)
	if err != nil {
		return err
	}
	out, err := s.organizations().CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: &name, Description: aws.String("doublelock conformance, for some minutes"),
		Content: &content, Type: types.PolicyTypeServiceControlPolicy, Tags: []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}})
	if err != nil {
		return session.Fail(err, "create policy %s", name)
	}
	id, err := inAnswer(aws.ToString(orZero(orZero(out.Policy).PolicySummary).Id), "create policy %s", name)
	if err != nil {
		return err
	}
	_, err = s.organizations().AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: &id, TargetId: &ou})
	return session.Fail(err, "attach policy %s to %s", name, ou)
}

// DetachPolicy removes what AttachPolicy made, before the run ends.
func (s *Session) DetachPolicy(ctx context.Context, what string) error {
	there, err := s.Remove(ctx, Resource{Kind: Policy, Account: s.account, Region: s.region, Name: s.run.Name(what)})
	if err == nil && !there {
		err = errNothing
	}
	return err
}

// detachTime is how long a policy may count as attached after it was detached: Organizations is eventually consistent.
const detachTime = 2 * time.Minute

func (s *Session) removePolicy(ctx context.Context, name string) error {
	id, err := s.policyID(ctx, name)
	if err != nil {
		return err
	}
	tags, err := s.organizations().ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: &id})
	if err != nil {
		return session.Fail(err, "list tags of policy %s", name)
	}
	ours := false
	for _, tag := range tags.Tags {
		ours = ours || aws.ToString(tag.Key) == TagKey && s.run.owns(name, aws.ToString(tag.Value))
	}
	if !ours {
		return notOurs(Policy, name)
	}
	targets, err := s.organizations().ListTargetsForPolicy(ctx, &organizations.ListTargetsForPolicyInput{PolicyId: &id})
	if err != nil {
		return session.Fail(err, "list targets of policy %s", name)
	}
	for _, t := range targets.Targets {
		_, err := s.organizations().DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: &id, TargetId: t.TargetId})
		if err := session.Fail(err, "detach policy %s", name); err != nil && !Gone(err) { // the target, and not the policy, may be gone
			return err
		}
	}
	var inUse error
	gone, err := s.clock.until(ctx, detachTime, func(ctx context.Context) (bool, error) {
		_, err := s.organizations().DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: &id})
		if Code(err) == "PolicyInUseException" {
			inUse = err
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !gone {
		err = inUse
	}
	return session.Fail(err, "delete policy %s", name)
}

func (s *Session) policyID(ctx context.Context, name string) (string, error) {
	id := ""
	err := s.eachPolicy(ctx, func(p types.PolicySummary) {
		if aws.ToString(p.Name) == name {
			id = aws.ToString(p.Id)
		}
	})
	if err == nil && id == "" {
		err = errNothing
	}
	return id, err
}

func (s *Session) eachPolicy(ctx context.Context, do func(types.PolicySummary)) error {
	pages := organizations.NewListPoliciesPaginator(s.organizations(), &organizations.ListPoliciesInput{Filter: types.PolicyTypeServiceControlPolicy})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list policies")
		}
		for _, p := range page.Policies {
			do(p)
		}
	}
	return nil
}

// findPolicies finds the policies of a run: the management account alone makes them.
func (s *Session) findPolicies(ctx context.Context) ([]string, error) {
	var names []string
	err := s.eachPolicy(ctx, func(p types.PolicySummary) {
		if s.run.of(aws.ToString(p.Name)) {
			names = append(names, aws.ToString(p.Name))
		}
	})
	if Denied(err) || Code(err) == "AWSOrganizationsNotInUseException" {
		if manager, unknown := s.ManagementAccount(ctx); unknown == nil && manager != s.account {
			return nil, nil
		}
	}
	return names, err
}
