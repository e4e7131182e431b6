package simulate_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/simulate"
)

// Sources: IAM User Guide, "Grant a user permissions to pass a role to an AWS service"; EC2 User Guide, "Grant permission to tag resources
// during creation"; IAM User Guide, "Pass session tags in AWS STS".
func TestACallTakesWhatPassesItsRoleAndTagsWhatItMakes(t *testing.T) {
	const anywhere, pass = `,"Resource":"*"`, "iam:PassRole"
	const anyRole = `"Action":"iam:PassRole"` + anywhere
	const y = "arn:aws:iam::111122223333:role/y"
	const onY = `"Action":"iam:PassRole","Resource":"` + y + `"`
	const toLambda = anyRole + `,"Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}`
	function := `{"functionName":"f","role":"` + y + `"}`
	profile := `{"iamInstanceProfile":{"name":"p"},"tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"a","value":"b"}]}]}}`
	for sentence, tt := range map[string]struct {
		statement, source, name, parameters string
		want                                simulate.Outcome
		step                                string
	}{
		"a function's role":                             {anyRole, "lambda", "CreateFunction20150331", function, simulate.Denied, pass},
		"a function's role, by name":                    {onY, "lambda", "CreateFunction20150331", function, simulate.Denied, pass},
		"a function's role, another one":                {`"Action":"iam:PassRole","NotResource":"` + y + `"`, "lambda", "CreateFunction20150331", function, simulate.Passes, ""},
		"a function's role goes to Lambda":              {toLambda, "lambda", "CreateFunction20150331", function, simulate.Denied, pass},
		"a stack's does not":                            {toLambda, "cloudformation", "CreateStack", `{"stackName":"s","roleARN":"` + y + `"}`, simulate.Passes, ""},
		"a stack without a role":                        {anyRole, "cloudformation", "CreateStack", `{"stackName":"s"}`, simulate.Passes, ""},
		"a task's role":                                 {onY, "ecs", "RegisterTaskDefinition", `{"taskRoleArn":"` + y + `"}`, simulate.Denied, pass},
		"a task's role without its path":                {onY, "ecs", "RegisterTaskDefinition", `{"taskRoleArn":"y"}`, simulate.Unknown, pass},
		"an instance profile":                           {anyRole, "ec2", "RunInstances", profile, simulate.Denied, pass},
		"an instance profile, of which role":            {onY, "ec2", "RunInstances", profile, simulate.Unknown, pass},
		"an instance without one":                       {anyRole, "ec2", "RunInstances", `{"instancesSet":{"items":[{}]}}`, simulate.Passes, ""},
		"an instance of a launch template":              {anyRole, "ec2", "RunInstances", `{"launchTemplate":{"launchTemplateId":"lt-1"}}`, simulate.Unknown, pass},
		"a role in a profile":                           {anyRole, "iam", "AddRoleToInstanceProfile", `{"instanceProfileName":"p","roleName":"y"}`, simulate.Denied, pass},
		"a function of which nobody knows":              {anyRole, "lambda", "CreateFunction20150331", `null`, simulate.Unknown, pass},
		"parameters of another policy":                  {`"Action":"lambda:InvokeFunction"` + anywhere, "lambda", "CreateFunction20150331", `null`, simulate.Passes, ""},
		"a role of a call that is not known":            {onY, "newservice", "CreateThing", `{"settings":[{"executionRoleArn":"` + y + `"}]}`, simulate.Unknown, pass},
		"a role that is assumed":                        {anyRole, "sts", "AssumeRole", `{"roleArn":"` + y + `","roleSessionName":"s"}`, simulate.Passes, ""},
		"a role that is only looked for":                {anyRole, "ecs", "DescribeThings", `{"roleArn":"` + y + `"}`, simulate.Passes, ""},
		"a grant's principal":                           {anyRole, "kms", "CreateGrant", `{"keyId":"1","granteePrincipal":"` + y + `"}`, simulate.Passes, ""},
		"tags of an instance":                           {`"Action":"ec2:CreateTags"` + anywhere, "ec2", "RunInstances", profile, simulate.Denied, "ec2:CreateTags"},
		"tags of some kind of thing of EC2's":           {`"Action":"ec2:CreateTags","Resource":"arn:aws:ec2:*:*:volume/*"`, "ec2", "RunInstances", profile, simulate.Unknown, "ec2:CreateTags"},
		"tags that another call sets":                   {`"Action":"ec2:CreateTags"` + anywhere + `,"Condition":{"StringEquals":{"ec2:CreateAction":"CreateVolume"}}`, "ec2", "RunInstances", profile, simulate.Passes, ""},
		"an instance without tags":                      {`"Action":"ec2:CreateTags"` + anywhere, "ec2", "RunInstances", `{"tagSpecificationSet":{"items":[]}}`, simulate.Passes, ""},
		"tags of a launch template":                     {`"Action":"ec2:CreateTags"` + anywhere, "ec2", "RunInstances", `{"launchTemplate":{"launchTemplateId":"lt-1"}}`, simulate.Unknown, "ec2:CreateTags"},
		"tags that an export left out":                  {`"Action":"iam:TagRole"` + anywhere, "iam", "CreateRole", `null`, simulate.Unknown, "iam:TagRole"},
		"a tag that is called role":                     {anyRole, "lambda", "CreateFunction20150331", `{"functionName":"f","tags":{"role":"web"},"environment":{"variables":{"ROLE_ARN":"` + y + `"}}}`, simulate.Passes, ""},
		"tags of a role":                                {`"Action":"iam:TagRole","Resource":"arn:aws:iam::*:role/z"`, "iam", "CreateRole", `{"roleName":"z","tags":[{"key":"a","value":"b"}]}`, simulate.Denied, "iam:TagRole"},
		"tags of a device":                              {`"Action":"iam:TagMFADevice"` + anywhere, "iam", "CreateVirtualMFADevice", `{"tags":[{"key":"a","value":"b"}]}`, simulate.Denied, "iam:TagMFADevice"},
		"tags of a session":                             {`"Action":"sts:TagSession"` + anywhere, "sts", "AssumeRole", `{"roleArn":"` + y + `","tags":[{"key":"a","value":"b"}]}`, simulate.Denied, "sts:TagSession"},
		"tags of a queue, which may take another right": {`"Action":"sqs:TagQueue"` + anywhere, "sqs", "CreateQueue", `{"queueName":"q","tags":{"a":"b"}}`, simulate.Unknown, "sqs:TagQueue"},
		"tags of a table":                               {`"Action":"dynamodb:TagResource"` + anywhere, "dynamodb", "CreateTable", `{"tableName":"q","tags":[{"key":"a","value":"b"}]}`, simulate.Unknown, "dynamodb:TagResource"},
		"a table without any":                           {`"Action":"dynamodb:TagResource"` + anywhere, "dynamodb", "CreateTable", `{"tableName":"q","tags":[]}`, simulate.Passes, ""},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), tt.parameters, ``))
		v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, simulate.Options{}).Try(call)
		if v.Outcome != tt.want || v.Step != tt.step {
			t.Errorf("%s: %s at %q, want %s at %q: %s", sentence, v.Outcome, v.Step, tt.want, tt.step, v.Decision.Why)
		}
	}
}
