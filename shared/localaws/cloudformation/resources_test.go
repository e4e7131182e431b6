package cloudformation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

// partsTemplate has one of every resource type that the synthesized stacks do not use, or use in one form only.
const partsTemplate = `{
	"Mappings": {"Days": {"us-east-1": {"Keep": 345600}}},
	"Resources": {
		"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": {"Fn::FindInMap": ["Days", {"Ref": "AWS::Region"}, "Keep"]},
			"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}, "Tags": [{"Key": "a", "Value": "b"}]}},
		"Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
		"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "told", "DisplayName": "Told",
			"Subscription": [{"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]}}]}},
		"Mail": {"Type": "AWS::SNS::Subscription", "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "team@example.com",
			"FilterPolicy": {"owner": ["team"]}}},
		"Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "parts", "Policy": {"Version": "2012-10-17", "Statement": [{"Sid": "Own", "Effect": "Allow",
			"Principal": {"AWS": "arn:aws:iam::333333333333:root"}, "Action": "events:PutEvents", "Resource": "arn:aws:events:us-east-1:333333333333:event-bus/parts"}]}}},
		"BusPolicy": {"Type": "AWS::Events::EventBusPolicy", "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "Others", "Statement": {"Effect": "Allow",
			"Principal": "*", "Action": "events:PutEvents", "Resource": {"Fn::GetAtt": ["Bus", "Arn"]}}}},
		"Rule": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": {"Ref": "Bus"}, "State": "DISABLED",
			"EventPattern": {"detail": {"size": [{"numeric": [">", 5]}]}},
			"Targets": [{"Id": "q", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "RetryPolicy": {"MaximumRetryAttempts": "3"},
				"InputTransformer": {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": "{\"a\": <a>}"}}]}},
		"Boundary": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"ManagedPolicyName": "boundary", "Roles": [{"Ref": "Role"}],
			"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}}},
		"Role": {"Type": "AWS::IAM::Role", "Properties": {"Path": "/parts/", "ManagedPolicyArns": ["arn:aws:iam::aws:policy/PowerUserAccess"],
			"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}},
		"Inline": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "inline", "Roles": [{"Ref": "Role"}],
			"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}}},
		"Key": {"Type": "AWS::KMS::Key", "Properties": {"Enabled": true, "MultiRegion": "true", "RotationPeriodInDays": 180, "EnableKeyRotation": true,
			"KeyPolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}, "Action": "kms:*", "Resource": "*"}]}}},
		"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": {"TableName": "parts", "BillingMode": "PAY_PER_REQUEST",
			"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
			"TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": true}, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}}},
		"Function": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "provided.al2023", "Handler": "bootstrap", "Role": {"Fn::GetAtt": ["Role", "Arn"]},
			"Timeout": "30", "ReservedConcurrentExecutions": 2, "Code": {"S3Bucket": "b", "S3Key": "k"}, "TracingConfig": {"Mode": "Active"},
			"Environment": {"Variables": {"QUEUE": {"Ref": "Queue"}, "LOGS": {"Fn::GetAtt": ["Logs", "Arn"]}, "NONE": {"Ref": "AWS::NoValue"}}}}},
		"May": {"Type": "AWS::Lambda::Permission", "Properties": {"FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com",
			"SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
		"Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "Function"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "BatchSize": "5", "Enabled": "false"}},
		"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/parts"}},
		"Slack": {"Type": "AWS::Chatbot::SlackChannelConfiguration", "Properties": {"ConfigurationName": "parts"}},
		"Sweep": {"Type": "AWS::Scheduler::Schedule", "Properties": {"Name": "sweep", "ScheduleExpression": "rate(1 hour)"}}
	},
	"Outputs": {
		"Queue": {"Value": {"Ref": "Queue"}}, "Topic": {"Value": {"Ref": "Topic"}}, "Rule": {"Value": {"Ref": "Rule"}},
		"Function": {"Value": {"Ref": "Function"}}, "Role": {"Value": {"Ref": "Role"}}, "Key": {"Value": {"Ref": "Key"}},
		"Schedule": {"Value": {"Fn::GetAtt": ["Sweep", "Arn"]}}, "SlackArn": {"Value": {"Fn::GetAtt": ["Slack", "Arn"]}}
	}
}`

// parts is the deployed template, and how to ask about it.
type parts struct {
	*testing.T
	aws *localaws.AWS
	out map[string]string
}

func (p parts) ask(service, operation string, input map[string]any) map[string]any {
	p.Helper()
	out, err := p.aws.As("test.amazonaws.com", "333333333333", "us-east-1", service, operation, input)
	if err != nil {
		p.Fatal(err)
	}
	return out
}

func deployParts(t *testing.T) parts {
	t.Helper()
	a := world()
	done, err := a.Deploy(t.Context(), localaws.Stack{Name: "parts", Template: []byte(partsTemplate), Account: "333333333333", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return parts{t, a, done.Outputs}
}

func TestEveryResourceTypeIsMadeAsWritten(t *testing.T) {
	p := deployParts(t)
	queue := p.ask("sqs", "GetQueueAttributes", map[string]any{"QueueUrl": p.out["Queue"], "AttributeNames": []string{"All"}})
	subscriptions, _ := p.ask("sns", "ListSubscriptionsByTopic", map[string]any{"TopicArn": p.out["Topic"]})["Subscriptions"].([]any)
	bus, rule, _ := strings.Cut(p.out["Rule"], "|")
	function := p.ask("lambda", "GetFunctionConfiguration", map[string]any{"FunctionName": p.out["Function"]})
	for name, test := range map[string]struct{ got, want any }{
		"a queue without a name gets one": {strings.Contains(p.out["Queue"], "/parts-Queue-"), true},
		"a number from a mapping":         {answer(queue, "Attributes.MessageRetentionPeriod"), "345600"},
		"a redrive policy as text":        {answer(queue, "Attributes.RedrivePolicy"), `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:333333333333:dead","maxReceiveCount":3}`},
		"both ways to subscribe":          {len(subscriptions), 2},
		"both statements of the bus":      {strings.Count(answer(p.ask("events", "DescribeEventBus", map[string]any{"Name": "parts"}), "Policy"), `"Sid"`), 2},
		"the rule's bus":                  {bus, "parts"},
		"the rule is off":                 {answer(p.ask("events", "DescribeRule", map[string]any{"Name": rule, "EventBusName": bus}), "State"), "DISABLED"},
		"numbers in a pattern":            {answer(p.ask("events", "DescribeRule", map[string]any{"Name": rule, "EventBusName": bus}), "EventPattern"), `{"detail":{"size":[{"numeric":[">",5]}]}}`},
		"a multi-Region key":              {strings.HasPrefix(p.out["Key"], "mrk-"), true},
		"the function's environment":      {answer(function, "Environment.Variables.QUEUE"), p.out["Queue"]},
		"an inert resource's attribute":   {answer(function, "Environment.Variables.LOGS"), "arn:aws:logs:us-east-1:333333333333:log-group:/parts:*"},
		"NoValue in an environment":       {answer(function, "Environment.Variables.NONE"), ""},
		"a role with a path":              {answer(p.ask("iam", "GetRole", map[string]any{"RoleName": p.out["Role"]}), "Role.Path"), "/parts/"},
		"an inert schedule's ARN":         {p.out["Schedule"], "arn:aws:scheduler:us-east-1:333333333333:schedule/sweep"},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEveryResourceTypeIsRemoved(t *testing.T) {
	p := deployParts(t)
	if err := p.aws.Undeploy(t.Context(), "parts", "333333333333", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	left := slices.DeleteFunc(inventory(t, p.aws), func(thing string) bool {
		return strings.Contains(thing, "cfn-exec-role") || strings.HasPrefix(thing, "SCP ")
	})
	if diff := cmp.Diff([]string{}, left); diff != "" {
		t.Error(diff)
	}
}

func TestResourcesSayWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct{ kind, properties, want string }{
		"a policy for no role":         {"AWS::IAM::Policy", `"PolicyName":"p","PolicyDocument":{}`, "Properties.Roles: missing"},
		"a bus policy without a name":  {"AWS::Events::EventBusPolicy", `"Statement":{}`, "Properties.StatementId: missing"},
		"an SCP on an OU not there":    {"AWS::Organizations::Policy", `"Name":"n","Type":"SERVICE_CONTROL_POLICY","Content":"{\"Statement\":[]}","TargetIds":["ou-ab12-nowhere0"]`, "Properties.TargetIds[0] ou-ab12-nowhere0: organizations:AttachPolicy: TargetNotFoundException: We can't find a root, OU, account, or policy with the TargetId that you specified."},
		"neither true nor false":       {"AWS::KMS::Key", `"EnableKeyRotation":"perhaps"`, `Properties.EnableKeyRotation: "perhaps" is neither true nor false`},
		"an unknown part of a target":  {"AWS::Events::Rule", `"Targets":[{"EcsParameters":{}}]`, `Properties.Targets: json: unknown field "EcsParameters"`},
		"a stack set without template": {"AWS::CloudFormation::StackSet", `"StackSetName":"s","PermissionModel":"SERVICE_MANAGED"`, "Properties.TemplateBody: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			template := `{"Resources":{"X":{"Type":"` + test.kind + `","Properties":{` + test.properties + `}}}}`
			_, err := world().Deploy(t.Context(), localaws.Stack{Name: "s", Template: []byte(template), Account: "111111111111", Region: "us-east-1"})
			wantError(t, err, "deploy stack s in 111111111111 us-east-1: X ("+test.kind+"): "+test.want)
		})
	}
}
