package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// operatorRole is what people take to migrate secrets. It reads what the hub remembers and, by the read role, the accounts; it
// puts instructions into one queue; it may set the brake, and changes nothing else. SQS names the role and the session of whoever sent a message
// (API reference, ReceiveMessage, SenderId), which is how the hub knows who asks: so the session has the name of the caller's own,
// which AWS, and not the caller, gave to somebody who came by IAM Identity Center.
func operatorRole(callers []string, n names, key awskms.CfnKey) role {
	return role{
		Name: settings.RoleOperator, Description: "Doublelock operators: read, and ask the hub to migrate secrets or set them back",
		Trust: trust("AWS", n.root(), preventive.Condition{
			"ArnLike":      {"aws:PrincipalArn": callers},
			"StringEquals": {"aws:PrincipalOrgID": {n.org}},
			"StringLike":   {"aws:userid": {"*:${sts:RoleSessionName}"}},
		}),
		May: []preventive.Statement{
			allow("Records", []string{"dynamodb:GetItem", "dynamodb:Query"}, []string{n.table()}, nil),
			allow("Brake", []string{"dynamodb:PutItem"}, []string{n.table()}, preventive.Condition{
				"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": {brakePartition}}, "Null": {"dynamodb:LeadingKeys": {"false"}},
			}),
			allow("Instructions", []string{"sqs:SendMessage"}, []string{n.queue(settings.SessionPrefix + "operate")}, nil),
			allow("HubKey", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{*key.AttrArn()}, preventive.Condition{
				"StringEquals": {"kms:ViaService": n.via("dynamodb", "sqs")},
			}),
			enter([]string{settings.RoleRead}, n),
			noValues(),
		},
	}
}
