package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// accepted is every finding of cdk-nag that we live with, and why. What is not in it fails the test, and so does a
// reason that no finding needs any more: suppressions do not outlive their cause, and none is hidden in a template.
var accepted = []struct{ finding, why string }{
	{`^/doublelock-hub/\w+/Role AwsSolutions-IAM5\[Resource::\*\]`,
		"X-Ray has no resources to name; no other statement of these roles says *"},
	{`^/doublelock-hub/(\w+)/Role AwsSolutions-IAM5\[Resource::arn:aws:logs:.*:log-group:/aws/lambda/doublelock-\w+:\*\]`,
		"a log stream's name is made by Lambda; the group is the function's own"},
	{`^/doublelock-hub/(\w+/Role|OperatorRole) AwsSolutions-IAM5\[Resource::arn:aws:iam::\*:role/doublelock-(read|tag|change)\]`,
		"one named role in every account, bound to the organization by aws:ResourceOrgID"},
	{`^/doublelock-hub/alert/Role AwsSolutions-IAM5\[Resource::arn:aws:sns:.*:doublelock-chat-\*\]`,
		"a topic of the hub's own for each Slack channel of an owner: named one by one they would not fit into a role's policy"},
	{`/ReadRole AwsSolutions-IAM5\[Resource::\*\]`,
		"lists and account-wide reads have no resource to name; it reads metadata and denies values"},
	{`/(Read|Tag|Change)Role AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:secretsmanager:`,
		"the guard is for every secret of the account; values are denied, tags bound to doublelock:*, foreign secrets denied"},
	{`/ReadRole AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:sqs:\*:<AWS::AccountId>:doublelock-forward-dlq\]`,
		"one named queue, in every Region"},
	{`/ReadRole AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:lambda:`,
		"the functions that rotate secrets, by the name patterns of operations.rotationFunctions, in every Region"},
	{`/ChangeRole AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:lambda:`,
		"each secret names its own rotation function; only Secrets Manager can use this, with the caller's session"},
	{`/(Read|Change)Role AwsSolutions-IAM5\[Resource::arn:<AWS::Partition>:kms:`,
		"a secret may be under any key, also of a central account whose policy has the second lock; use is bound to Secrets Manager"},
	{`/(Forward|Slack)DeadLetters AwsSolutions-SQS3`,
		"it is the dead-letter queue of rules, which cdk-nag does not see in EventBridge targets"},
}

func TestNagFindsNothingUnexplained(t *testing.T) {
	findings, err := nag(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	used := make([]bool, len(accepted))
	for _, finding := range findings {
		explained := false
		for i, a := range accepted {
			if regexp.MustCompile(a.finding).MatchString(finding) {
				used[i], explained = true, true
			}
		}
		if !explained {
			t.Error(finding)
		}
	}
	for i, a := range accepted {
		if !used[i] {
			t.Errorf("no finding needs the explanation of %s any more", a.finding)
		}
	}
}

// nag runs the AwsSolutions pack over every stack of the whole configuration and lists "path finding".
func nag(folder string) ([]string, error) {
	in, done, err := wholeInput()
	if err != nil {
		return nil, err
	}
	defer done()
	in.Context["@aws-cdk/core:annotationsInValidationReport"] = false // a finding would end the synthesis before we read it
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(folder)})
	if err := Build(app, in, io.Discard); err != nil {
		return nil, err
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{}), nil)
	var findings []string
	for _, child := range *app.Node().Children() {
		stack, ok := child.(awscdk.Stack)
		if !ok {
			continue
		}
		annotations := assertions.Annotations_FromStack(stack)
		anything := assertions.Match_StringLikeRegexp(jsii.String("AwsSolutions-.*"))
		found := append(*annotations.FindError(jsii.String("*"), anything), *annotations.FindWarning(jsii.String("*"), anything)...)
		for _, m := range found {
			//nolint:staticcheck // the assertions of this CDK still answer in the type that it deprecates
			findings = append(findings, fmt.Sprintf("%s %v", *m.Id, m.Entry.Data))
		}
	}
	slices.Sort(findings)
	return slices.Compact(findings), nil
}
