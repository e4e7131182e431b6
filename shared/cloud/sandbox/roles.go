package sandbox

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) iam() *iam.Client { return session.Client(s.c, s.at(), iam.NewFromConfig) }

// inlineName is the name of the one policy of a role.
const inlineName = "conformance"

// CreateRole makes a role with a trust policy and one policy of its own, "" for none, and answers its ARN.
func (s *Session) CreateRole(ctx context.Context, what, trust, policy string) (string, error) {
	name, err := s.intend(Role, what)
	if err != nil {
		return "", err
	}
	out, err := s.iam().CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust,
		Tags: []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}})
	if err != nil {
		return "", session.Fail(err, "create role %s", name)
	}
	if policy != "" {
		if _, err := s.iam().PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String(inlineName), PolicyDocument: &policy}); err != nil {
			return "", session.Fail(err, "put policy of role %s", name)
		}
	}
	return inAnswer(aws.ToString(orZero(out.Role).Arn), "create role %s", name)
}

func (s *Session) removeRole(ctx context.Context, name string) error {
	out, err := s.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return session.Fail(err, "get role %s", name)
	}
	ours := false
	for _, tag := range orZero(out.Role).Tags {
		ours = ours || aws.ToString(tag.Key) == TagKey && s.run.owns(name, aws.ToString(tag.Value))
	}
	if !ours {
		return notOurs(Role, name)
	}
	_, err = s.iam().DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String(inlineName)})
	if err := session.Fail(err, "delete policy of role %s", name); err != nil && !Gone(err) {
		return err
	}
	_, err = s.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	return session.Fail(err, "delete role %s", name)
}

func (s *Session) findRoles(ctx context.Context) ([]string, error) {
	var names []string
	pages := iam.NewListRolesPaginator(s.iam(), &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list roles")
		}
		for _, role := range page.Roles {
			if s.run.of(aws.ToString(role.RoleName)) {
				names = append(names, aws.ToString(role.RoleName))
			}
		}
	}
	return names, nil
}
