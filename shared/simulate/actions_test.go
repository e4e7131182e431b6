package simulate_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/simulate"
)

// CloudTrail has the name of the operation, which need not be that of the action that authorizes it: a call is not judged by a name that is no
// action's, and passes only what says nothing of its service.
func TestTheNameOfAnEventIsNotTakenForAnAction(t *testing.T) {
	for _, tt := range []struct {
		denied, source, name string
		want                 simulate.Outcome
	}{
		{"s3:PutEncryptionConfiguration", "s3", "PutBucketEncryption", simulate.Denied},
		{"s3:PutEncryptionConfiguration", "s3", "DeleteBucketEncryption", simulate.Denied},
		{"s3:PutBucketTagging", "s3", "PutBucketEncryption", simulate.Passes},
		{"s3:ListAllMyBuckets", "s3", "ListBuckets", simulate.Denied},
		{"s3:GetObject*", "s3", "HeadObject", simulate.Denied},
		{"s3:GetObject", "s3", "CopyObject", simulate.Unknown},
		{"s3:GetObjectVersion", "s3", "GetObject", simulate.Unknown},
		{"s3:DeleteObject", "s3", "DeleteObjects", simulate.Unknown},
		{"s3:ListBucket", "s3", "GetBucketSomething", simulate.Unknown},
		{"s3:*", "s3", "GetBucketSomething", simulate.Denied},
		{"kms:*", "s3", "GetBucketSomething", simulate.Passes},
		{"lambda:InvokeFunction", "lambda", "Invoke20150331", simulate.Denied},
		{"lambda:GetFunction", "lambda", "Invoke", simulate.Passes},
		{"bedrock:InvokeModel", "bedrock", "Converse", simulate.Denied},
		{"sqs:SendMessage", "sqs", "SendMessageBatch", simulate.Denied},
		{"dynamodb:PartiQLSelect", "dynamodb", "ExecuteStatement", simulate.Unknown},
		{"dynamodb:PutItem", "dynamodb", "TransactWriteItems", simulate.Unknown},
		{"dynamodb:GetItem", "dynamodb", "TransactWriteItems", simulate.Passes},
		{"apigateway:POST", "apigateway", "CreateRestApi", simulate.Unknown},
		{"application-autoscaling:RegisterScalableTarget", "autoscaling", "RegisterScalableTarget", simulate.Unknown},
		{"cloudformation:CreateResource", "cloudcontrolapi", "CreateResource", simulate.Denied},
		{"ec2:RunInstances", "newservice", "CreateThing", simulate.Unknown},
		{"secretsmanager:*", "newservice", "CreateThing", simulate.Passes},
		{"ec2:RunInstances", "ec2", "StopInstances", simulate.Passes},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), `{}`, ``))
		candidate := denying(t, `"Action":"`+tt.denied+`","Resource":"*"`)
		if v := trial(t, []simulate.Candidate{candidate}, simulate.Options{}).Try(call); v.Outcome != tt.want {
			t.Errorf("%s, denied %s: %s, want %s: %s", tt.name, tt.denied, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}
