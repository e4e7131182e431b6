package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
)

// hubParts are what every worker stands on.
type hubParts struct {
	names       names
	key         awskms.CfnKey
	environment map[string]*string
	logDays     int
	dist        string
	deployed    []channels.Channel
}

// newWorker makes a worker's queues, role, log group and function, and lets the function empty the queue.
func newWorker(scope constructs.Construct, w worker, h hubParts) (pair, error) {
	in := constructs.NewConstruct(scope, jsii.String(w.Name))
	queues := newQueuePair(in, w.id(), w.Timeout, h.key, h.names)
	code, err := binary(in, h.dist, w.Name)
	if err != nil {
		return pair{}, err
	}
	logs := newLogGroup(in, w, h)
	role := newRole(in, "Role", workerRole(w, h.names, h.key, h.deployed))
	function := awslambda.NewCfnFunction(in, jsii.String("Function"), &awslambda.CfnFunctionProps{
		FunctionName:                 jsii.String(w.id()),
		Description:                  jsii.String(w.Does),
		Runtime:                      jsii.String("provided.al2023"),
		Architectures:                jsii.Strings("arm64"),
		Handler:                      jsii.String("bootstrap"),
		Code:                         code,
		Role:                         role.AttrArn(),
		MemorySize:                   jsii.Number(w.MemoryMB),
		Timeout:                      seconds(w.Timeout),
		ReservedConcurrentExecutions: jsii.Number(w.Concurrency),
		Environment:                  awslambda.CfnFunction_EnvironmentProperty{Variables: h.variables(w)},
		TracingConfig:                awslambda.CfnFunction_TracingConfigProperty{Mode: jsii.String("Active")},
		LoggingConfig: awslambda.CfnFunction_LoggingConfigProperty{
			LogFormat: jsii.String("JSON"), LogGroup: logs.Ref(),
			ApplicationLogLevel: jsii.String("INFO"), SystemLogLevel: jsii.String("WARN"),
		},
	})
	source := &awslambda.CfnEventSourceMappingProps{
		FunctionName:          function.Ref(),
		EventSourceArn:        queues.Queue.AttrArn(),
		BatchSize:             jsii.Number(w.Batch),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
		ScalingConfig:         awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(w.Concurrency)},
	}
	if w.Gathers > 0 {
		source.MaximumBatchingWindowInSeconds = seconds(w.Gathers)
	}
	awslambda.NewCfnEventSourceMapping(in, jsii.String("Source"), source)
	return queues, nil
}

// variables are the environment of a function, and how Go manages its memory: a collection during the start of a process costs a
// third of the start and frees nothing, so there is none until seven tenths of the function's memory are used.
func (h hubParts) variables(w worker) map[string]*string {
	all := maps.Clone(h.environment)
	all["GOGC"] = jsii.String("off")
	all["GOMEMLIMIT"] = jsii.String(fmt.Sprintf("%dMiB", w.MemoryMB*7/10))
	return all
}

func newLogGroup(scope constructs.Construct, w worker, h hubParts) awslogs.CfnLogGroup {
	return awslogs.NewCfnLogGroup(scope, jsii.String("Logs"), &awslogs.CfnLogGroupProps{
		LogGroupName:    jsii.String("/aws/lambda/" + w.id()),
		RetentionInDays: jsii.Number(logRetention(h.logDays)),
		KmsKeyId:        h.key.AttrArn(),
	})
}

// logRetentions are the numbers of days that CloudWatch Logs accepts.
var logRetentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// logRetention is the shortest accepted retention that keeps logs for so many days.
func logRetention(days int) int {
	for _, accepted := range logRetentions {
		if accepted >= days {
			return accepted
		}
	}
	return logRetentions[len(logRetentions)-1]
}

// binary is the code of a handler from dist/<name>, as make build leaves it. Without one the stack still synthesizes,
// so that a template can be read on a fresh clone, and CloudFormation refuses to deploy it.
func binary(scope constructs.Construct, dist, name string) (awslambda.CfnFunction_CodeProperty, error) {
	folder := filepath.Join(dist, name)
	if _, err := os.Stat(filepath.Join(folder, "bootstrap")); err != nil {
		refuseDeployment(awscdk.Stack_Of(scope))
		var missing error
		if folder, missing = placeholder(name); missing != nil {
			return awslambda.CfnFunction_CodeProperty{}, missing
		}
		defer func() { _ = os.RemoveAll(folder) }() // the asset is a copy
	}
	asset := awss3assets.NewAsset(scope, jsii.String("Code"), &awss3assets.AssetProps{Path: jsii.String(folder)})
	return awslambda.CfnFunction_CodeProperty{S3Bucket: asset.S3BucketName(), S3Key: asset.S3ObjectKey()}, nil
}

// placeholder makes a folder with a bootstrap that says what is missing.
func placeholder(name string) (string, error) {
	folder, err := os.MkdirTemp("", "doublelock-"+name)
	if err != nil {
		return "", fmt.Errorf("make placeholder for dist/%s: %w", name, err)
	}
	script := "#!/bin/sh\necho 'dist/" + name + "/bootstrap was not built: run make build' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(folder, "bootstrap"), []byte(script), 0o755); err != nil {
		return "", fmt.Errorf("make placeholder for dist/%s: %w", name, err)
	}
	return folder, nil
}

// refuseDeployment adds a template rule that never holds: CloudFormation checks it before it touches a resource.
func refuseDeployment(stack awscdk.Stack) {
	const id = "LambdaBinariesAreBuilt"
	if stack.Node().TryFindChild(jsii.String(id)) != nil {
		return
	}
	awscdk.NewCfnRule(stack, jsii.String(id), &awscdk.CfnRuleProps{
		Assertions: &[]*awscdk.CfnRuleAssertion{{
			Assert:            awscdk.Fn_ConditionEquals("built", "missing"),
			AssertDescription: jsii.String("dist/ has no Lambda binaries: run make build, then deploy again"),
		}},
	})
}
