package cloudformation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws"
)

// world is an organization: a management account, a security account, and two accounts in two OUs.
func world() *localaws.AWS {
	a := localaws.New(localaws.Options{Seed: 1})
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", "111111111111")
	a.AddOUWithID("", "ou-ab12-workloads", "Workloads")
	a.AddOUWithID("ou-ab12-workloads", "ou-ab12-inner000", "Inner")
	a.AddOUWithID("", "ou-ab12-sandboxes", "Sandboxes")
	a.AddAccount("", "222222222222", "security")
	a.AddAccount("ou-ab12-inner000", "333333333333", "payments")
	a.AddAccount("ou-ab12-sandboxes", "444444444444", "sandbox")
	return a
}

// memberTemplate has the shapes of a member stack: roles once an account, a key once a Region.
const memberTemplate = `{
	"Parameters": {"HomeRegion": {"Type": "String", "Default": "us-east-1"}},
	"Conditions": {"Home": {"Fn::Equals": [{"Ref": "AWS::Region"}, {"Ref": "HomeRegion"}]}},
	"Resources": {
		"Role": {"Type": "AWS::IAM::Role", "Condition": "Home", "Properties": {
			"RoleName": "doublelock-read", "MaxSessionDuration": "3600",
			"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
				"Principal": {"AWS": "arn:aws:iam::222222222222:root"}}]},
			"Policies": [{"PolicyName": "duty", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": "*"}]}}]}},
		"Alias": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/doublelock/secrets", "TargetKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}},
		"Key": {"Type": "AWS::KMS::Key", "DeletionPolicy": "Retain", "Properties": {
			"Description": {"Fn::Sub": "secrets of ${AWS::AccountId}"}, "EnableKeyRotation": true,
			"KeyPolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*",
				"Principal": {"AWS": {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]]}}}]},
			"Tags": [{"Key": "Owner", "Value": "security-team"}]}},
		"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/doublelock"}}
	},
	"Outputs": {
		"KeyArn": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}:key"}}},
		"LogsArn": {"Value": {"Fn::GetAtt": ["Logs", "Arn"]}},
		"RoleArn": {"Condition": "Home", "Value": {"Fn::GetAtt": ["Role", "Arn"]}}
	}
}`

func TestDeployMember(t *testing.T) {
	a := world()
	done, err := a.Deploy(t.Context(), localaws.Stack{Name: "member", Template: []byte(memberTemplate), Account: "333333333333", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("arn:aws:iam::333333333333:role/doublelock-read", done.Outputs["RoleArn"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("arn:aws:logs:us-east-1:333333333333:log-group:/aws/doublelock:*", done.Outputs["LogsArn"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Logs"}, done.Inert); diff != "" {
		t.Error(diff)
	}
	out, err := a.As("test.amazonaws.com", "333333333333", "us-east-1", "kms", "DescribeKey", map[string]any{"KeyId": "alias/doublelock/secrets"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(done.Outputs["KeyArn"], answer(out, "KeyMetadata.Arn")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("secrets of 333333333333", answer(out, "KeyMetadata.Description")); diff != "" {
		t.Error(diff)
	}
}

func TestDeployReadsExportsOfOtherStacks(t *testing.T) {
	a := world()
	if _, err := a.Deploy(t.Context(), localaws.Stack{Name: "member", Template: []byte(memberTemplate), Account: "333333333333", Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	template := `{"Resources": {"A": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/other", "TargetKeyId": {"Fn::ImportValue": "member:key"}}}}}`
	if _, err := a.Deploy(t.Context(), localaws.Stack{Name: "importing", Template: []byte(template), Account: "333333333333", Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	_, err := a.Deploy(t.Context(), localaws.Stack{Name: "elsewhere", Template: []byte(template), Account: "333333333333", Region: "eu-west-1"})
	wantError(t, err, "deploy stack elsewhere in 333333333333 eu-west-1: A (AWS::KMS::Alias): Properties.TargetKeyId: "+
		"Fn::ImportValue: no stack of this account and Region exports member:key")
}

func TestUndeployLeavesWhatIsRetained(t *testing.T) {
	a := world()
	done, err := a.Deploy(t.Context(), localaws.Stack{Name: "member", Template: []byte(memberTemplate), Account: "333333333333", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Undeploy(t.Context(), "member", "333333333333", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if hasRole(a, "333333333333", "doublelock-read") {
		t.Error("the role is still there")
	}
	out, err := a.As("test.amazonaws.com", "333333333333", "us-east-1", "kms", "DescribeKey", map[string]any{"KeyId": done.PhysicalIDs["Key"]})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("Enabled", answer(out, "KeyMetadata.KeyState")); diff != "" {
		t.Errorf("the key was to be retained: %s", diff)
	}
	if err := a.Undeploy(t.Context(), "member", "333333333333", "us-east-1"); err == nil {
		t.Error("deleted a stack twice")
	}
}

func TestFailedDeploymentLeavesNothingBehind(t *testing.T) {
	a := world()
	template := `{"Resources": {
		"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "half", "AssumeRolePolicyDocument": "{\"Statement\":[]}",
			"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}},
		"Bad": {"Type": "AWS::KMS::Alias", "DependsOn": "Role", "Properties": {"AliasName": "alias/x", "TargetKeyId": "no-such-key"}}}}`
	_, err := a.Deploy(t.Context(), localaws.Stack{Name: "half", Template: []byte(template), Account: "333333333333", Region: "us-east-1"})
	if err == nil || !strings.HasPrefix(err.Error(), "deploy stack half in 333333333333 us-east-1: Bad (AWS::KMS::Alias): kms:CreateAlias: NotFoundException") {
		t.Errorf("error %v", err)
	}
	if hasRole(a, "333333333333", "half") {
		t.Error("the role is still there")
	}
	if _, err := a.Deploy(t.Context(), localaws.Stack{Name: "half", Template: []byte(memberTemplate), Account: "333333333333", Region: "us-east-1"}); err != nil {
		t.Errorf("the name is not free again: %v", err)
	}
}

func TestDeployErrors(t *testing.T) {
	for name, test := range map[string]struct{ template, want string }{
		"not JSON":         {`{`, "deploy stack s: read template: unexpected EOF"},
		"no resources":     {`{}`, "deploy stack s: read template: it has no Resources"},
		"unknown type":     {`{"Resources":{"Zoo":{"Type":"AWS::Zoo::Lion"}}}`, "deploy stack s in 333333333333 us-east-1: Zoo: resource type AWS::Zoo::Lion is not known here"},
		"unknown property": {`{"Resources":{"Q":{"Type":"AWS::SQS::Queue","Properties":{"Colour":"red"}}}}`, "deploy stack s in 333333333333 us-east-1: Q (AWS::SQS::Queue): Properties.Colour: not known here"},
		"wrong value": {`{"Resources":{"Q":{"Type":"AWS::SQS::Queue","Properties":{"DelaySeconds":"soon"}}}}`,
			`deploy stack s in 333333333333 us-east-1: Q (AWS::SQS::Queue): Properties.DelaySeconds: "soon" is no number`},
		"circle": {`{"Resources":{"A":{"Type":"AWS::SNS::Topic","DependsOn":"B"},"B":{"Type":"AWS::SNS::Topic","Properties":{"DisplayName":{"Fn::Sub":"${C.TopicName}"}}},
			"C":{"Type":"AWS::SNS::Topic","Properties":{"DisplayName":{"Ref":"A"}}}}}`,
			"deploy stack s in 333333333333 us-east-1: resources depend on each other in a circle: A -> B -> C -> A"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := world().Deploy(t.Context(), localaws.Stack{Name: "s", Template: []byte(test.template), Account: "333333333333", Region: "us-east-1"})
			wantError(t, err, test.want)
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error:\n got %v\nwant %s", err, want)
	}
}

// orgTemplate is an SCP and a stack set of the member template.
func orgTemplate(t *testing.T, more string) []byte {
	t.Helper()
	body, err := json.Marshal(memberTemplate)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, `{"Resources": {
		"Guard": {"Type": "AWS::Organizations::Policy", "Properties": {"Name": "guard", "Type": "SERVICE_CONTROL_POLICY",
			"Content": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "secretsmanager:CreateSecret", "Resource": "*"}]},
			"TargetIds": ["ou-ab12-workloads"]}},
		"Members": {"Type": "AWS::CloudFormation::StackSet", "Properties": {"StackSetName": "doublelock-member", "PermissionModel": "SERVICE_MANAGED",
			"AutoDeployment": {"Enabled": true, "RetainStacksOnAccountRemoval": false}, "ManagedExecution": {"Active": true},
			"Capabilities": ["CAPABILITY_NAMED_IAM"], "TemplateBody": %s,
			"StackInstancesGroup": [{"Regions": ["us-east-1", "eu-west-1"], "DeploymentTargets": {"OrganizationalUnitIds": [%s]}}]}}}}`, body, more)
}

func TestStackSetReachesEveryAccountOfItsOUs(t *testing.T) {
	a := world()
	org := localaws.Stack{Name: "org", Template: orgTemplate(t, `"r-ab12"`), Account: "111111111111", Region: "us-east-1"}
	if _, err := a.Deploy(t.Context(), org); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"222222222222", "333333333333", "444444444444"}, enrolled(a)); diff != "" {
		t.Errorf("the management account has no instance, all others have: %s", diff)
	}
	if attached := policiesOn(t, a, "ou-ab12-workloads"); len(attached) != 2 {
		t.Errorf("the SCP is not attached: %v", attached)
	}
	a.AddAccount("ou-ab12-sandboxes", "555555555555", "late")
	if err := a.Enroll(t.Context(), "555555555555"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"222222222222", "333333333333", "444444444444", "555555555555"}, enrolled(a)); diff != "" {
		t.Error(diff)
	}
	if err := a.Enroll(t.Context(), "555555555555"); err != nil {
		t.Errorf("enrolling twice: %v", err)
	}
	if err := a.Undeploy(t.Context(), "org", "111111111111", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if left := enrolled(a); len(left) > 0 {
		t.Errorf("left behind in %v", left)
	}
	if attached := policiesOn(t, a, "ou-ab12-workloads"); len(attached) != 1 {
		t.Errorf("the SCP is still attached: %v", attached)
	}
}

func TestStackSetOfOneOU(t *testing.T) {
	a := world()
	org := localaws.Stack{Name: "org", Template: orgTemplate(t, `"ou-ab12-workloads"`), Account: "111111111111", Region: "us-east-1"}
	if _, err := a.Deploy(t.Context(), org); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"333333333333"}, enrolled(a)); diff != "" {
		t.Error(diff)
	}
	if err := a.Enroll(t.Context(), "444444444444"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"333333333333"}, enrolled(a)); diff != "" {
		t.Errorf("enrolled an account outside: %s", diff)
	}
}

func TestStackSetRefuses(t *testing.T) {
	for name, test := range map[string]struct{ properties, want string }{
		"an OU that is not there": {`"PermissionModel":"SERVICE_MANAGED","TemplateBody":"{}","StackInstancesGroup":[{"Regions":["us-east-1"],"DeploymentTargets":{"OrganizationalUnitIds":["ou-ab12-nowhere0"]}}]`,
			"Properties.StackInstancesGroup[0].DeploymentTargets: OrganizationalUnitIds: no root or OU ou-ab12-nowhere0"},
		"a template that is too long": {`"PermissionModel":"SERVICE_MANAGED","TemplateBody":"` + strings.Repeat("x", 51201) + `"`,
			"Properties.TemplateBody: 51201 bytes, at most 51200 can be inline"},
		"self-managed permissions": {`"PermissionModel":"SELF_MANAGED","TemplateBody":"{}"`,
			`Properties.PermissionModel: "SELF_MANAGED"; only SERVICE_MANAGED is known here`},
	} {
		t.Run(name, func(t *testing.T) {
			template := `{"Resources":{"Set":{"Type":"AWS::CloudFormation::StackSet","Properties":{"StackSetName":"s",` + test.properties + `}}}}`
			_, err := world().Deploy(t.Context(), localaws.Stack{Name: "s", Template: []byte(template), Account: "111111111111", Region: "us-east-1"})
			wantError(t, err, "deploy stack s in 111111111111 us-east-1: Set (AWS::CloudFormation::StackSet): "+test.want)
		})
	}
}

func TestDeployStopsWhenItIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := world()
	if _, err := a.Deploy(ctx, localaws.Stack{Name: "member", Template: []byte(memberTemplate), Account: "333333333333", Region: "us-east-1"}); err == nil {
		t.Error("deployed although cancelled")
	}
	if left := enrolled(a); len(left) > 0 {
		t.Errorf("left behind in %v", left)
	}
}

// enrolled lists the accounts that have the member stack's role, sorted.
func enrolled(a *localaws.AWS) []string {
	var with []string
	for _, id := range []string{"111111111111", "222222222222", "333333333333", "444444444444", "555555555555"} {
		if hasRole(a, id, "doublelock-read") {
			with = append(with, id)
		}
	}
	return with
}

func hasRole(a *localaws.AWS, account, name string) bool {
	_, err := a.As(tester, account, "us-east-1", "iam", "GetRole", map[string]any{"RoleName": name})
	return err == nil
}

// policiesOn are the SCPs attached to a root, OU or account.
func policiesOn(t *testing.T, a *localaws.AWS, target string) []any {
	t.Helper()
	out, err := a.As(tester, "111111111111", "us-east-1", "organizations", "ListPoliciesForTarget", map[string]any{"TargetId": target, "Filter": "SERVICE_CONTROL_POLICY"})
	if err != nil {
		t.Fatal(err)
	}
	policies, _ := out["Policies"].([]any)
	return policies
}

// answer is the text at a dotted path of an answer.
func answer(out map[string]any, path string) string {
	var value any = out
	for step := range strings.SplitSeq(path, ".") {
		inner, _ := value.(map[string]any)
		value = inner[step]
	}
	text, _ := value.(string)
	return text
}

func TestStacksFollowThePartitionOfTheirRegion(t *testing.T) {
	template := `{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}, "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
		"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "ManagedPolicyArns": [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess"}],
			"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}}},
		"Outputs": {"Host": {"Value": {"Fn::Sub": "sqs.${AWS::Region}.${AWS::URLSuffix}"}}, "Queue": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
			"Key": {"Value": {"Fn::Select": [1, {"Fn::Split": [":", {"Fn::GetAtt": ["Key", "Arn"]}]}]}}, "Role": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}}`
	for partition, want := range map[arn.Partition]map[string]string{
		"aws": {"Host": "sqs.eu-west-1.amazonaws.com", "Queue": "arn:aws:sqs:eu-west-1:333333333333:q", "Key": "aws", "Role": "arn:aws:iam::333333333333:role/r"},
		"aws-us-gov": {"Host": "sqs.us-gov-east-1.amazonaws.com", "Queue": "arn:aws-us-gov:sqs:us-gov-east-1:333333333333:q", "Key": "aws-us-gov",
			"Role": "arn:aws-us-gov:iam::333333333333:role/r"},
		"aws-cn": {"Host": "sqs.cn-northwest-1.amazonaws.com.cn", "Queue": "arn:aws-cn:sqs:cn-northwest-1:333333333333:q", "Key": "aws-cn",
			"Role": "arn:aws-cn:iam::333333333333:role/r"},
	} {
		t.Run(string(partition), func(t *testing.T) {
			a := localaws.New(localaws.Options{Seed: 1, Partition: partition})
			region := map[arn.Partition]string{"aws": "eu-west-1", "aws-us-gov": "us-gov-east-1", "aws-cn": "cn-northwest-1"}[partition]
			done, err := a.Deploy(t.Context(), localaws.Stack{Name: "s", Template: []byte(template), Account: "333333333333", Region: region})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, done.Outputs); diff != "" {
				t.Error(diff)
			}
			if err := a.Undeploy(t.Context(), "s", "333333333333", region); err != nil {
				t.Error(err)
			}
		})
	}
}
