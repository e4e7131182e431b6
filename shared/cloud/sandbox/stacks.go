package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) cloudformation() *cloudformation.Client {
	return session.Client(s.c, s.at(), cloudformation.NewFromConfig)
}

// stackTime is how long a stack of one secret may take.
const stackTime = 5 * time.Minute

// IntendSecret writes down a secret that a stack makes, by name.
func (s *Session) IntendSecret(what string) (name string, err error) { return s.intend(Secret, what) }

// CreateStack makes a stack and waits for it.
func (s *Session) CreateStack(ctx context.Context, what, template string) error {
	name, err := s.intend(Stack, what)
	if err != nil {
		return err
	}
	_, err = s.cloudformation().CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &template,
		Tags: []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}})
	if err != nil {
		return session.Fail(err, "create stack %s", name)
	}
	return s.stackIs(ctx, name, types.StackStatusCreateComplete)
}

// UpdateStack gives a stack another template and waits for it.
func (s *Session) UpdateStack(ctx context.Context, what, template string) error {
	name := s.run.Name(what)
	if _, err := s.cloudformation().UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: &name, TemplateBody: &template}); err != nil {
		return session.Fail(err, "update stack %s", name)
	}
	return s.stackIs(ctx, name, types.StackStatusUpdateComplete)
}

// stackIs waits until a stack has a status, and errs when it comes to rest in another.
func (s *Session) stackIs(ctx context.Context, name string, wanted types.StackStatus) error {
	is, err := Until(ctx, stackTime, func(ctx context.Context) (bool, error) {
		stack, err := s.stack(ctx, name)
		switch status := stack.StackStatus; {
		case err != nil:
			return false, err
		case status == wanted:
			return true, nil
		case status == types.StackStatusCreateInProgress, status == types.StackStatusUpdateInProgress, status == types.StackStatusUpdateCompleteCleanupInProgress:
			return false, nil
		default:
			return false, fmt.Errorf("stack %s is %s", name, status)
		}
	})
	if err == nil && !is {
		err = fmt.Errorf("stack %s is not %s within %s: %w", name, wanted, stackTime, context.DeadlineExceeded)
	}
	return err
}

// stack is a stack that exists. CloudFormation answers a validation error for one that does not, as for a name that is
// none, so it is found in the list.
func (s *Session) stack(ctx context.Context, name string) (types.Stack, error) {
	var found types.Stack
	err := s.eachStack(ctx, func(stack types.Stack) {
		if aws.ToString(stack.StackName) == name {
			found = stack
		}
	})
	if err == nil && found.StackName == nil {
		err = errNothing
	}
	return found, err
}

func (s *Session) eachStack(ctx context.Context, do func(types.Stack)) error {
	pages := cloudformation.NewDescribeStacksPaginator(s.cloudformation(), &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "describe stacks")
		}
		for _, stack := range page.Stacks {
			do(stack)
		}
	}
	return nil
}

func (s *Session) removeStack(ctx context.Context, name string) error {
	stack, err := s.stack(ctx, name)
	if err != nil {
		return err
	}
	ours := false
	for _, tag := range stack.Tags {
		ours = ours || aws.ToString(tag.Key) == TagKey && s.run.owns(name, aws.ToString(tag.Value))
	}
	if !ours {
		return notOurs(Stack, name)
	}
	if _, err := s.cloudformation().DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
		return session.Fail(err, "delete stack %s", name)
	}
	gone, err := s.clock.until(ctx, stackTime, func(ctx context.Context) (bool, error) {
		stack, err := s.stack(ctx, name)
		if err == errNothing { //nolint:errorlint // ours, and never wrapped
			return true, nil
		}
		if err == nil && stack.StackStatus == types.StackStatusDeleteFailed {
			err = fmt.Errorf("stack %s is %s", name, stack.StackStatus)
		}
		return false, err
	})
	if err == nil && !gone {
		err = fmt.Errorf("stack %s is not deleted within %s: %w", name, stackTime, context.DeadlineExceeded)
	}
	return err
}

func (s *Session) findStacks(ctx context.Context) ([]string, error) {
	var names []string
	err := s.eachStack(ctx, func(stack types.Stack) {
		if s.run.of(aws.ToString(stack.StackName)) {
			names = append(names, aws.ToString(stack.StackName))
		}
	})
	return names, err
}
