package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// workerRole is what a worker's function may do: empty its own queue, write its own log, remember, and what its row
// says. No statement has a value of a secret in reach.
func workerRole(w worker, n names, key awskms.CfnKey, deployed []channels.Channel) role {
	queue := []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"}
	if slices.Contains(w.Enters, settings.RoleChange) { // who dies at a secret is followed at once: see handlers.WhileAlive
		queue = append([]string{"sqs:ChangeMessageVisibility"}, queue...)
	}
	may := []preventive.Statement{
		allow("Queue", queue, []string{n.queue(w.id())}, nil),
		allow("Logs", []string{"logs:CreateLogStream", "logs:PutLogEvents"}, []string{n.arn("logs", "log-group:/aws/lambda/"+w.id()+":*")}, nil),
		allow("Traces", []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, []string{"*"}, nil),
		allow("Records",
			[]string{"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
			[]string{n.table()}, nil),
		allow("HubKey", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{*key.AttrArn()}, preventive.Condition{
			"StringEquals": {"kms:ViaService": n.via("dynamodb", "sns", "sqs")},
		}),
	}
	if w.Scans {
		may = append(may, allow("AllRecords", []string{"dynamodb:Scan"}, []string{n.table()}, nil))
	}
	if len(w.Enters) > 0 {
		may = append(may, enter(w.Enters, n))
	}
	if w.Publishes {
		may = append(may, mayPublish("Notices", n))
	}
	if w.Notifies {
		may = append(may, maySend(deployed, n)...)
	}
	return role{
		Name: w.id(), Description: "Doublelock hub: " + w.Does, May: may,
		Trust: trust("Service", n.principal("lambda"), nil),
	}
}

// mayPublish lets a worker put our own events on the hub's bus, and none of another source beside them: a call has the sources of all its entries.
// Source: Service Authorization Reference, Amazon EventBridge, events:source, an array.
func mayPublish(sid string, n names) preventive.Statement {
	return allow(sid, []string{"events:PutEvents"}, []string{n.bus()}, preventive.Condition{
		"ForAllValues:StringEquals": {"events:source": {settings.EventSource}}, "Null": {"events:source": {"false"}},
	})
}

// enter lets a role take member roles, in accounts of this organization only.
func enter(members []string, n names) preventive.Statement {
	var roles []string
	for _, name := range members {
		roles = append(roles, n.role("*", name))
	}
	return allow("Members", []string{"sts:AssumeRole"}, roles, preventive.Condition{
		"StringEquals": {"aws:ResourceOrgID": {n.org}},
	})
}
