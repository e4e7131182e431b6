package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// alarm watches one metric of AWS and tells the operations topic.
type alarm struct {
	Name, Why         string
	Namespace, Metric string
	Dimension, Value  string
	Statistic         string
	Above             float64       // alarms when the metric is greater
	Over              time.Duration // length of a period
	Periods           int
}

func newAlarm(scope constructs.Construct, a alarm, topic *string) awscloudwatch.CfnAlarm {
	return awscloudwatch.NewCfnAlarm(scope, jsii.String("Alarm-"+a.Name), &awscloudwatch.CfnAlarmProps{
		AlarmName:          jsii.String(a.Name),
		AlarmDescription:   jsii.String(a.Why),
		Namespace:          jsii.String(a.Namespace),
		MetricName:         jsii.String(a.Metric),
		Dimensions:         []any{awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(a.Dimension), Value: jsii.String(a.Value)}},
		Statistic:          jsii.String(a.Statistic),
		Threshold:          jsii.Number(a.Above),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		Period:             seconds(a.Over),
		EvaluationPeriods:  jsii.Number(a.Periods),
		TreatMissingData:   jsii.String("notBreaching"),
		AlarmActions:       &[]any{topic},
		OkActions:          &[]any{topic},
	})
}

// workerAlarms are what must not happen to a worker in silence.
func workerAlarms(w worker) []alarm {
	function := func(metric, why string) alarm {
		return alarm{
			Name: w.id() + "-" + metric, Why: why, Namespace: "AWS/Lambda", Metric: metric,
			Dimension: "FunctionName", Value: w.id(), Statistic: "Sum", Above: 0, Over: 5 * time.Minute, Periods: 1,
		}
	}
	queue := func(suffix, queue, metric, why string, above float64) alarm {
		return alarm{
			Name: w.id() + suffix, Why: why, Namespace: "AWS/SQS", Metric: metric,
			Dimension: "QueueName", Value: queue, Statistic: "Maximum", Above: above, Over: time.Minute, Periods: 5,
		}
	}
	late := (15 * time.Minute).Seconds()
	return []alarm{
		function("Errors", "The function fails: its items are tried again, then parked."),
		function("Throttles", "The function wants more than its reserved concurrency: events wait."),
		queue("-age", w.id(), "ApproximateAgeOfOldestMessage", "Events wait for 15 minutes: the guard is late.", late),
		queue("-dlq-age", w.id()+"-dlq", "ApproximateAgeOfOldestMessage", "A parked item waits for 15 minutes: redrive it before 14 days.", late),
		queue("-dlq", w.id()+"-dlq", "ApproximateNumberOfMessagesVisible", "Items could not be handled and are parked: read them, then redrive.", 0),
	}
}
