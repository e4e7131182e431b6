package cloudformation

import (
	"context"
)

func tableMakers() map[string]maker {
	return map[string]maker{"AWS::DynamoDB::GlobalTable": makeTable}
}

type tableProperties struct {
	TableName, BillingMode  string
	AttributeDefinitions    []struct{ AttributeName, AttributeType string }
	KeySchema               []keyPart
	GlobalSecondaryIndexes  []tableIndex
	TimeToLiveSpecification *struct {
		AttributeName string
		Enabled       truth
	}
	StreamSpecification                                                                 *struct{ StreamViewType string }
	DeletionProtectionEnabled, PointInTimeRecoverySpecification, SSESpecification       ignored
	Replicas, WriteProvisionedThroughputSettings, WriteOnDemandThroughputSettings, Tags ignored
	ProvisionedThroughput, TableClass, OnDemandThroughput, WarmThroughput               ignored
}

type keyPart struct{ AttributeName, KeyType string }

type tableIndex struct {
	IndexName  string
	KeySchema  []keyPart
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string `json:",omitempty"`
	}
	WriteProvisionedThroughputSettings, ReadProvisionedThroughputSettings *ignored `json:",omitempty"`
}

func makeTable(_ context.Context, c *creation) (made, error) {
	var p tableProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	name := c.nameOr(p.TableName, 255)
	in := map[string]any{"TableName": name, "AttributeDefinitions": p.AttributeDefinitions, "KeySchema": p.KeySchema,
		"BillingMode": "PAY_PER_REQUEST"}
	if len(p.GlobalSecondaryIndexes) > 0 {
		in["GlobalSecondaryIndexes"] = p.GlobalSecondaryIndexes
	}
	if p.StreamSpecification != nil {
		in["StreamSpecification"] = map[string]any{"StreamEnabled": true, "StreamViewType": p.StreamSpecification.StreamViewType}
	}
	out, err := c.call("dynamodb", "CreateTable", in)
	if err != nil {
		return made{}, err
	}
	c.onRemoval("dynamodb", "DeleteTable", map[string]any{"TableName": name})
	if p.TimeToLiveSpecification != nil {
		_, err := c.call("dynamodb", "UpdateTimeToLive", map[string]any{"TableName": name, "TimeToLiveSpecification": map[string]any{
			"AttributeName": p.TimeToLiveSpecification.AttributeName, "Enabled": bool(p.TimeToLiveSpecification.Enabled)}})
		if err != nil {
			return made{}, err
		}
	}
	arn := answer(out, "TableDescription.TableArn")
	return made{id: name, attributes: map[string]any{"Arn": arn, "TableId": answer(out, "TableDescription.TableId"), "StreamArn": arn + "/stream/local"}}, nil
}

func functionMakers() map[string]maker {
	return map[string]maker{
		"AWS::Lambda::Function": makeFunction, "AWS::Lambda::EventSourceMapping": makeEventSource,
		"AWS::Lambda::Permission": makePermission,
	}
}

type functionProperties struct {
	FunctionName, Description, Runtime, Handler, Role, PackageType string
	Architectures                                                  []string
	MemorySize, Timeout, ReservedConcurrentExecutions              *number
	Environment                                                    struct{ Variables map[string]string }
	DeadLetterConfig                                               *struct{ TargetArn string } //nolint:revive // AWS's own names
	Code, TracingConfig, LoggingConfig, Tags, KmsKeyArn, Layers    ignored
	VpcConfig, EphemeralStorage, RecursiveLoop, SnapStart          ignored
	RuntimeManagementConfig                                        ignored
}

func (p functionProperties) input(name string) map[string]any {
	in := map[string]any{"FunctionName": name, "Role": p.Role, "Code": map[string]any{"ZipFile": ""},
		"Environment": map[string]any{"Variables": p.Environment.Variables}}
	for key, value := range map[string]string{"Description": p.Description, "Runtime": p.Runtime, "Handler": p.Handler, "PackageType": p.PackageType} {
		if value != "" {
			in[key] = value
		}
	}
	for key, value := range map[string]*number{"MemorySize": p.MemorySize, "Timeout": p.Timeout} {
		if value != nil {
			in[key] = int64(*value)
		}
	}
	if len(p.Architectures) > 0 {
		in["Architectures"] = p.Architectures
	}
	if p.DeadLetterConfig != nil {
		in["DeadLetterConfig"] = p.DeadLetterConfig
	}
	return in
}

// makeFunction creates the function without its code: what runs under its name is registered with this AWS.
func makeFunction(_ context.Context, c *creation) (made, error) {
	var p functionProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	name := c.nameOr(p.FunctionName, 64)
	out, err := c.call("lambda", "CreateFunction", p.input(name))
	if err != nil {
		return made{}, err
	}
	c.onRemoval("lambda", "DeleteFunction", map[string]any{"FunctionName": name})
	if p.ReservedConcurrentExecutions != nil {
		_, err := c.call("lambda", "PutFunctionConcurrency", map[string]any{
			"FunctionName": name, "ReservedConcurrentExecutions": int64(*p.ReservedConcurrentExecutions)})
		if err != nil {
			return made{}, err
		}
	}
	return made{id: name, attributes: map[string]any{"Arn": answer(out, "FunctionArn")}}, nil
}

func makeEventSource(_ context.Context, c *creation) (made, error) {
	var p struct {
		FunctionName, EventSourceArn              string //nolint:revive // AWS's own names
		BatchSize, MaximumBatchingWindowInSeconds *number
		FunctionResponseTypes                     []string
		Enabled                                   *truth
		ScalingConfig                             *struct{ MaximumConcurrency *number }
		FilterCriteria                            *struct{ Filters []struct{ Pattern string } }
		Tags, MetricsConfig                       ignored
	}
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	in := map[string]any{"FunctionName": p.FunctionName, "EventSourceArn": p.EventSourceArn, "Enabled": p.Enabled == nil || bool(*p.Enabled)}
	for key, value := range map[string]*number{"BatchSize": p.BatchSize, "MaximumBatchingWindowInSeconds": p.MaximumBatchingWindowInSeconds} {
		if value != nil {
			in[key] = int64(*value)
		}
	}
	if len(p.FunctionResponseTypes) > 0 {
		in["FunctionResponseTypes"] = p.FunctionResponseTypes
	}
	if p.ScalingConfig != nil {
		in["ScalingConfig"] = p.ScalingConfig
	}
	if p.FilterCriteria != nil {
		in["FilterCriteria"] = p.FilterCriteria
	}
	out, err := c.call("lambda", "CreateEventSourceMapping", in)
	if err != nil {
		return made{}, err
	}
	id := answer(out, "UUID")
	c.onRemoval("lambda", "DeleteEventSourceMapping", map[string]any{"UUID": id})
	return made{id: id, attributes: map[string]any{"Id": id, "EventSourceMappingArn": answer(out, "EventSourceMappingArn")}}, nil
}

func makePermission(_ context.Context, c *creation) (made, error) {
	var p struct{ FunctionName, Action, Principal, SourceArn, SourceAccount, PrincipalOrgID string } //nolint:revive // AWS's own names
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	id := c.nameOr("", 100)
	in := map[string]any{"FunctionName": p.FunctionName, "StatementId": id, "Action": p.Action, "Principal": p.Principal}
	for key, value := range map[string]string{"SourceArn": p.SourceArn, "SourceAccount": p.SourceAccount, "PrincipalOrgID": p.PrincipalOrgID} {
		if value != "" {
			in[key] = value
		}
	}
	if _, err := c.call("lambda", "AddPermission", in); err != nil {
		return made{}, err
	}
	c.onRemoval("lambda", "RemovePermission", map[string]any{"FunctionName": p.FunctionName, "StatementId": id})
	return made{id: id, attributes: map[string]any{"Id": id}}, nil
}
