package main

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// newSchedules puts a worker's tasks into its queue by the clock. They take the way of every other message, so that a
// task that fails is tried again, parked and seen.
func newSchedules(scope constructs.Construct, w worker, o settings.Operations, n names, key awskms.CfnKey, queues pair) {
	if len(w.Schedules) == 0 {
		return
	}
	role := newRole(scope, "Scheduler-"+w.Name, schedulerRole(w, n, key))
	for _, s := range w.Schedules {
		awsscheduler.NewCfnSchedule(scope, jsii.String("Schedule-"+s.Task), &awsscheduler.CfnScheduleProps{
			Name:               jsii.String("doublelock-" + s.Task),
			Description:        jsii.String("Doublelock " + w.Name + ": " + s.Task),
			ScheduleExpression: jsii.String(s.At(o)),
			FlexibleTimeWindow: awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
			Target: awsscheduler.CfnSchedule_TargetProperty{
				Arn: queues.Queue.AttrArn(), RoleArn: role.AttrArn(), Input: jsii.String(taskMessage(s.Task, n)),
				DeadLetterConfig: awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: queues.Dead.AttrArn()},
			},
		})
	}
}

// taskMessage is a task as a worker finds it in its queue, in the envelope of every other event.
func taskMessage(task string, n names) string {
	message := struct {
		Source     string            `json:"source"`
		DetailType string            `json:"detail-type"`
		Account    string            `json:"account"`
		Detail     map[string]string `json:"detail"`
	}{settings.EventSource, settings.DetailTypeSchedule, n.account, map[string]string{"task": task}}
	raw, err := json.Marshal(message)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(raw)
}

func schedulerRole(w worker, n names, key awskms.CfnKey) role {
	return role{
		Name: "doublelock-scheduler-" + w.Name, Description: "EventBridge Scheduler puts tasks into the queue of doublelock-" + w.Name,
		Trust: trust("Service", n.principal("scheduler"), preventive.Condition{
			"StringEquals": {"aws:SourceAccount": {n.account}},
			"ArnLike":      {"aws:SourceArn": {n.arn("scheduler", "schedule-group/default")}},
		}),
		May: []preventive.Statement{
			allow("Queue", []string{"sqs:SendMessage"}, []string{n.queue(w.id()), n.queue(w.id() + "-dlq")}, nil),
			allow("HubKey", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{*key.AttrArn()}, preventive.Condition{
				"StringEquals": {"kms:ViaService": n.via("sqs")},
			}),
		},
	}
}
