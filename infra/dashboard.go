package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// widget is one graph of the dashboard: metrics as CloudWatch writes them, a list of names and an options object.
type widget struct {
	Type       string       `json:"type"`
	X          int          `json:"x"`
	Y          int          `json:"y"`
	Width      int          `json:"width"`
	Height     int          `json:"height"`
	Properties widgetDetail `json:"properties"`
}

type widgetDetail struct {
	Title   string  `json:"title"`
	Region  string  `json:"region"`
	View    string  `json:"view"`
	Stat    string  `json:"stat"`
	Period  int     `json:"period"`
	Metrics [][]any `json:"metrics"`
}

// newDashboard shows whether the guard is alive and how much it does, on one page.
func newDashboard(scope constructs.Construct, all []worker, rules []trail.Rule, n names) {
	graphs := []widgetDetail{
		perWorker(all, "Waiting (oldest, seconds)", "Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", ""),
		perWorker(all, "Parked in dead-letter queues", "Maximum", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "-dlq"),
		perWorker(all, "Events in", "Sum", "AWS/SQS", "NumberOfMessagesSent", "QueueName", ""),
		perWorker(all, "Errors", "Sum", "AWS/Lambda", "Errors", "FunctionName", ""),
		perWorker(all, "Duration (p99, ms)", "p99", "AWS/Lambda", "Duration", "FunctionName", ""),
		perRule(rules),
		{Title: "Accounts × Regions alive (%)", Stat: "Minimum", Metrics: [][]any{{settings.MetricNamespace, settings.MetricCoverage}}},
	}
	awscloudwatch.NewCfnDashboard(scope, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: jsii.String("doublelock"),
		DashboardBody: jsii.String(dashboardBody(graphs, n)),
	})
}

// dashboardBody lays graphs out two in a row.
func dashboardBody(graphs []widgetDetail, n names) string {
	const width, height = 12, 6
	var page struct {
		Widgets []widget `json:"widgets"`
	}
	for i, g := range graphs {
		g.Region, g.View, g.Period = n.region, "timeSeries", 300
		page.Widgets = append(page.Widgets, widget{"metric", i % 2 * width, i / 2 * height, width, height, g})
	}
	raw, err := json.Marshal(page)
	if err != nil {
		panic(fmt.Sprintf("write dashboard: %v", err)) // only strings and numbers
	}
	return string(raw)
}

// perWorker draws one line per worker.
func perWorker(all []worker, title, stat, namespace, metric, dimension, suffix string) widgetDetail {
	g := widgetDetail{Title: title, Stat: stat}
	for _, w := range all {
		g.Metrics = append(g.Metrics, []any{namespace, metric, dimension, w.id() + suffix, map[string]string{"label": w.Name}})
	}
	return g
}

// perRule draws one line per kind of event that arrives.
func perRule(rules []trail.Rule) widgetDetail {
	g := widgetDetail{Title: "Events by rule", Stat: "Sum"}
	for _, r := range rules {
		if r.Forwarded {
			g.Metrics = append(g.Metrics, []any{"AWS/Events", "MatchedEvents", "EventBusName", settings.HubName, "RuleName", r.Name, map[string]string{"label": r.Name}})
		}
	}
	return g
}
