package sandbox

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) scheduler() *scheduler.Client {
	return session.Client(s.c, s.at(), scheduler.NewFromConfig)
}

// Schedule lets EventBridge Scheduler call a target at a time, once, with a role: in a group of its own, for schedules have
// no tags and groups have.
func (s *Session) Schedule(ctx context.Context, what string, at time.Time, target, roleARN, input string) error {
	name, err := s.intend(Schedules, what)
	if err != nil {
		return err
	}
	_, err = s.scheduler().CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: &name,
		Tags: []types.Tag{{Key: aws.String(TagKey), Value: aws.String(string(s.run))}}})
	if err != nil {
		return session.Fail(err, "create schedule group %s", name)
	}
	_, err = s.scheduler().CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: aws.String("conformance"), GroupName: &name,
		ScheduleExpression: aws.String(at.UTC().Format("at(2006-01-02T15:04:05)")), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target: &types.Target{Arn: &target, RoleArn: &roleARN, Input: &input}})
	return session.Fail(err, "create schedule in %s", name)
}

func (s *Session) removeSchedules(ctx context.Context, name string) error {
	group, err := s.scheduler().GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: &name})
	if err != nil {
		return session.Fail(err, "get schedule group %s", name)
	}
	if group.State == types.ScheduleGroupStateDeleting {
		return errNothing
	}
	tags, err := s.scheduler().ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: group.Arn})
	if err != nil {
		return session.Fail(err, "list tags of schedule group %s", name)
	}
	ours := false
	for _, tag := range tags.Tags {
		ours = ours || aws.ToString(tag.Key) == TagKey && s.run.owns(name, aws.ToString(tag.Value))
	}
	if !ours {
		return notOurs(Schedules, name)
	}
	_, err = s.scheduler().DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: &name})
	return session.Fail(err, "delete schedule group %s", name)
}

func (s *Session) findSchedules(ctx context.Context) ([]string, error) {
	prefix := s.run.prefix()
	var names []string
	pages := scheduler.NewListScheduleGroupsPaginator(s.scheduler(), &scheduler.ListScheduleGroupsInput{NamePrefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list schedule groups")
		}
		for _, g := range page.ScheduleGroups {
			if g.State != types.ScheduleGroupStateDeleting {
				names = append(names, aws.ToString(g.Name))
			}
		}
	}
	return names, nil
}
