package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/settings"
)

// The attributes that the table is keyed by, and the partition of the brake, as shared/cloud reads and writes them.
const (
	attributeKey     = "pk"
	attributeSort    = "sk"
	attributeExpires = "expiresAt"

	brakePartition = "brake#changes"
)

// newTable makes the one table of the hub: records of resources, what was sent, what was changed. It is protected:
// uninstalling takes switching that off first, because its journal is the way back of every change.
func newTable(scope constructs.Construct, key awskms.CfnKey, n names) awsdynamodb.CfnGlobalTable {
	return awsdynamodb.NewCfnGlobalTable(scope, jsii.String("Table"), &awsdynamodb.CfnGlobalTableProps{
		TableName:            jsii.String(settings.HubName),
		BillingMode:          jsii.String("PAY_PER_REQUEST"),
		AttributeDefinitions: []any{stringAttribute(attributeKey), stringAttribute(attributeSort)},
		KeySchema:            []any{keyPart(attributeKey, "HASH"), keyPart(attributeSort, "RANGE")},
		TimeToLiveSpecification: awsdynamodb.CfnGlobalTable_TimeToLiveSpecificationProperty{
			AttributeName: jsii.String(attributeExpires), Enabled: true,
		},
		SseSpecification: awsdynamodb.CfnGlobalTable_SSESpecificationProperty{SseEnabled: true, SseType: jsii.String("KMS")},
		Replicas: []any{awsdynamodb.CfnGlobalTable_ReplicaSpecificationProperty{
			Region:                    jsii.String(n.region),
			DeletionProtectionEnabled: true,
			SseSpecification:          awsdynamodb.CfnGlobalTable_ReplicaSSESpecificationProperty{KmsMasterKeyId: key.AttrArn()},
			PointInTimeRecoverySpecification: awsdynamodb.CfnGlobalTable_PointInTimeRecoverySpecificationProperty{
				PointInTimeRecoveryEnabled: true,
			},
		}},
	})
}

func stringAttribute(name string) awsdynamodb.CfnGlobalTable_AttributeDefinitionProperty {
	return awsdynamodb.CfnGlobalTable_AttributeDefinitionProperty{AttributeName: jsii.String(name), AttributeType: jsii.String("S")}
}

func keyPart(name, kind string) awsdynamodb.CfnGlobalTable_KeySchemaProperty {
	return awsdynamodb.CfnGlobalTable_KeySchemaProperty{AttributeName: jsii.String(name), KeyType: jsii.String(kind)}
}
