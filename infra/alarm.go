package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
)

// alarm watches one metric and notifies the operations topic.
type alarm struct {
	Name, Why         string
	Namespace, Metric string
	Dimension, Value  string // "" is a metric without dimensions
	Statistic         string
	Compare           string // CloudWatch's comparison operator
	Threshold         float64
	Period            time.Duration
	Periods           int
	SilenceIsBad      bool // no data alarms too
}

const (
	above = "GreaterThanThreshold"
	below = "LessThanThreshold"
)

func newAlarm(scope constructs.Construct, a alarm, topic *string) {
	missing := "notBreaching"
	if a.SilenceIsBad {
		missing = "breaching"
	}
	var dimensions []any
	if a.Dimension != "" {
		dimensions = append(dimensions, awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(a.Dimension), Value: jsii.String(a.Value)})
	}
	awscloudwatch.NewCfnAlarm(scope, jsii.String("Alarm-"+a.Name), &awscloudwatch.CfnAlarmProps{
		AlarmName:          jsii.String(a.Name),
		AlarmDescription:   jsii.String(a.Why),
		Namespace:          jsii.String(a.Namespace),
		MetricName:         jsii.String(a.Metric),
		Dimensions:         dimensions,
		Statistic:          jsii.String(a.Statistic),
		Threshold:          jsii.Number(a.Threshold),
		ComparisonOperator: jsii.String(a.Compare),
		Period:             seconds(a.Period),
		EvaluationPeriods:  jsii.Number(a.Periods),
		TreatMissingData:   jsii.String(missing),
		AlarmActions:       &[]any{topic},
		OkActions:          &[]any{topic},
	})
}

// hubAlarms are what must not happen to the hub in silence.
func hubAlarms(c settings.Config, deployed []channels.Channel) []alarm {
	var all []alarm
	for _, w := range workersOf(c) {
		all = append(all, workerAlarms(w)...)
	}
	all = append(all, silence(c.Operations))
	for _, d := range destinations(deployed) {
		all = append(all, deadLetterAlarms(d.Name)...)
	}
	return append(all, coverage(), lateNotices(), paused())
}

func workerAlarms(w worker) []alarm {
	function := func(metric, why string) alarm {
		return alarm{
			Name: w.id() + "-" + metric, Why: why, Namespace: "AWS/Lambda", Metric: metric, Dimension: "FunctionName", Value: w.id(),
			Statistic: "Sum", Compare: above, Period: 5 * time.Minute, Periods: 1,
		}
	}
	return append([]alarm{
		function("Errors", "The function fails: its items are tried again, then parked."),
		function("Throttles", "The function wants more than its reserved concurrency: events wait."),
		queueAlarm(w.id()+"-age", w.id(), "ApproximateAgeOfOldestMessage", "Events wait for 15 minutes: the guard is late.", late),
	}, deadLetterAlarms(w.id())...)
}

// late is when a waiting message alarms, in seconds.
const late = 15 * 60

// deadLetterAlarms watch the dead-letter queue of a worker or rule.
func deadLetterAlarms(id string) []alarm {
	queue := id + "-dlq"
	return []alarm{
		queueAlarm(queue+"-age", queue, "ApproximateAgeOfOldestMessage", "A parked item waits for 15 minutes: redrive it before 14 days.", late),
		queueAlarm(queue, queue, "ApproximateNumberOfMessagesVisible", "Items could not be handled and are parked: read them, then redrive.", 0),
	}
}

func queueAlarm(name, queue, metric, why string, threshold float64) alarm {
	return alarm{
		Name: name, Why: why, Namespace: "AWS/SQS", Metric: metric, Dimension: "QueueName", Value: queue,
		Statistic: "Maximum", Compare: above, Threshold: threshold, Period: time.Minute, Periods: 5,
	}
}

const defaultSilentHours = 24

// silence alarms when no event of any account arrived for hours: a dead path looks like a quiet organization.
func silence(o settings.Operations) alarm {
	hours := o.SilentHours
	if hours == 0 {
		hours = defaultSilentHours
	}
	return alarm{
		Name: "doublelock-silence", Why: "No event of any account arrived for so long that the way here may be dead: run doublelock doctor --canary.",
		Namespace: "AWS/SQS", Metric: "NumberOfMessagesSent", Dimension: "QueueName", Value: "doublelock-detect",
		Statistic: "Sum", Compare: below, Threshold: 1, Period: time.Hour, Periods: hours, SilenceIsBad: true,
	}
}

// coverage alarms when an account or Region did not answer. The watchdog writes the metric with its heartbeat.
func coverage() alarm {
	return alarm{
		Name: "doublelock-coverage", Why: "An account or Region is not watched: DL.ORG.1 says which.",
		Namespace: settings.MetricNamespace, Metric: settings.MetricCoverage,
		Statistic: "Minimum", Compare: below, Threshold: 100, Period: 15 * time.Minute, Periods: 4, SilenceIsBad: true,
	}
}

// lateNotices alarms when notices could not be published for an hour. The watchdog writes the metric with its heartbeat.
func lateNotices() alarm {
	return alarm{
		Name: "doublelock-outbox", Why: "Notices have waited for an hour, because they could not be put on the bus: the log of doublelock-watchdog says why.",
		Namespace: settings.MetricNamespace, Metric: settings.MetricLate,
		Statistic: "Maximum", Compare: above, Threshold: 0, Period: 15 * time.Minute, Periods: 1,
	}
}

// paused alarms while changes are paused. The watchdog writes the metric with its heartbeat.
func paused() alarm {
	return alarm{
		Name: "doublelock-paused", Why: "Changes are paused: doublelock pause show says by whom and why, and doublelock resume lets them go on.",
		Namespace: settings.MetricNamespace, Metric: settings.MetricPaused,
		Statistic: "Maximum", Compare: above, Threshold: 0, Period: 15 * time.Minute, Periods: 1,
	}
}
