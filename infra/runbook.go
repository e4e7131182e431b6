package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// The names of the kill switch runbook. Systems Manager sends approval requests only to topics named Automation….
const (
	runbookName    = "Doublelock-KillSwitch"
	runbookRole    = "doublelock-runbook"
	approvalsTopic = "Automation-doublelock-approvals"
)

// newRunbook makes the kill switch as an operator starts it: plan, approve by another person, fire, verify. Every step
// is the incident function, which knows what stops and what does not; the document only asks and orders.
func newRunbook(scope constructs.Construct, c settings.Config, key awskms.CfnKey, n names) {
	approvals := newTopic(scope, "ApprovalsTopic", approvalsTopic, key, n)
	if address := operator(c); address != "" {
		newEmail(scope, "ApprovalsEmail", approvals, address, nil)
	}
	role := newRole(scope, "RunbookRole", role{
		Name: runbookRole, Description: "Systems Manager runs the Doublelock kill switch",
		Trust: trust("Service", "ssm.amazonaws.com", preventive.Condition{
			"StringEquals": {"aws:SourceAccount": {n.account}},
			"ArnLike":      {"aws:SourceArn": {n.arn("ssm", "automation-execution/*")}},
		}),
		May: []preventive.Statement{
			allow("Steps", []string{"lambda:InvokeFunction"}, []string{n.arn("lambda", "function:doublelock-"+incident)}, nil),
			allow("AskForApproval", []string{"sns:Publish"}, []string{n.topic(approvalsTopic)}, nil),
			allow("HubKey", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{*key.AttrArn()}, preventive.Condition{
				"StringEquals": {"kms:ViaService": {n.service("sns")}},
			}),
		},
	})
	awsssm.NewCfnDocument(scope, jsii.String("Runbook"), &awsssm.CfnDocumentProps{
		Name: jsii.String(runbookName), DocumentType: jsii.String("Automation"), DocumentFormat: jsii.String("JSON"),
		UpdateMethod: jsii.String("NewVersion"), Content: plain(runbook(*role.AttrArn(), *approvals.Ref())),
	})
}

// runbook is an SSM Automation document, schema version 0.3.
func runbook(role, topic string) map[string]any {
	return map[string]any{
		"schemaVersion": "0.3",
		"description":   "Takes a KMS key out of use, after a second person has seen what stops and what does not.",
		"assumeRole":    role,
		"parameters": map[string]any{
			"KeyArn":    parameter("String", "Key to switch off", `^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`),
			"Reason":    parameter("String", "Incident number and why", `^.{8,500}$`),
			"Approvers": map[string]any{"type": "StringList", "description": "ARNs of who may approve; not the one who starts it"},
		},
		"mainSteps": []any{
			step("plan"),
			map[string]any{
				"name": "approve", "action": "aws:approve", "timeoutSeconds": 3600, "onFailure": "Abort",
				"inputs": map[string]any{
					"NotificationArn":      topic,
					"Message":              "{{ plan.Payload }}",
					"MinRequiredApprovals": 1,
					"Approvers":            "{{ Approvers }}",
				},
			},
			step("fire"),
			step("verify"),
		},
		"outputs": []any{"plan.Payload", "fire.Payload", "verify.Payload"},
	}
}

// step calls the incident function; its answer is the step's output Payload.
func step(action string) map[string]any {
	return map[string]any{
		"name": action, "action": "aws:invokeLambdaFunction", "timeoutSeconds": 900, "onFailure": "Abort",
		"inputs": map[string]any{
			"FunctionName": "doublelock-" + incident,
			"InputPayload": map[string]any{
				"action": action, "key": "{{ KeyArn }}", "reason": "{{ Reason }}", "execution": "{{ automation:EXECUTION_ID }}",
			},
		},
	}
}

func parameter(kind, description, pattern string) map[string]any {
	return map[string]any{"type": kind, "description": description, "allowedPattern": pattern}
}
