package strangers_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// bootstrap is as much of the CDK's own stack as a template of ours refers to: the bucket of its assets, and a version.
const bootstrap = `{"Resources":{
	"Assets":{"Type":"AWS::S3::Bucket","Properties":{"BucketName":{"Fn::Sub":"cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}}},
	"Version":{"Type":"AWS::SSM::Parameter","Properties":{"Name":"/cdk-bootstrap/hnb659fds/version","Type":"String","Value":"30"}}}}`

// deploy deploys everything by plain CloudFormation calls, in the order of the manual.
func (w *world) deploy(t *testing.T) {
	t.Helper()
	all := w.templates(t)
	list, removed := cuts(t), map[string]int{}
	fit := func(tpl template, region string) string { return tpl.fit(t, region, list, removed).String() }
	for account, regions := range map[string][]string{w.security: {home}, management: {home, other}} {
		for _, region := range regions {
			w.create(t, account, region, "CDKToolkit", bootstrap)
		}
	}
	w.upload(t, w.security)
	w.hub = all["doublelock-hub"].fit(t, home, list, removed)
	w.create(t, w.security, home, "doublelock-hub", w.hub.String())

	org := all["doublelock-org"]
	w.create(t, management, home, "doublelock-org", fit(org, home))
	for _, scp := range policies(org) {
		w.attach(t, scp)
	}
	for _, region := range []string{home, other} { // the home Region makes the roles
		w.create(t, management, region, "doublelock-member-"+region, fit(all["doublelock-member-"+region], region))
		for _, account := range []string{w.security, w.notified, w.fixed} { // as the StackSet does
			w.create(t, account, region, "doublelock-member", fit(memberTemplate(t, org), region))
		}
	}
	for _, c := range list {
		if c.Type != call && removed[c.String()] == 0 {
			t.Errorf("cuts.json: %s cuts nothing any more: strike it", c)
		}
	}
}

// memberTemplate is what the Org stack's StackSet deploys into every account.
func memberTemplate(t *testing.T, org template) template {
	t.Helper()
	for _, r := range org.resources() {
		if resource := object(r); resource["Type"] == "AWS::CloudFormation::StackSet" {
			body, _ := object(resource["Properties"])["TemplateBody"].(string)
			return decode[template](t, []byte(body))
		}
	}
	t.Fatal("the Org stack has no StackSet")
	return nil
}

// policies are the SCPs of the Org stack.
func policies(org template) []map[string]any {
	var list []map[string]any
	for _, r := range org.resources() {
		if resource := object(r); resource["Type"] == "AWS::Organizations::Policy" {
			list = append(list, object(resource["Properties"]))
		}
	}
	return list
}

// attach makes an SCP and attaches it, as CloudFormation would.
func (w *world) attach(t *testing.T, scp map[string]any) {
	t.Helper()
	client := organizations.NewFromConfig(w.as(management, home))
	out := must(client.CreatePolicy(w.alive, &organizations.CreatePolicyInput{
		Name: aws.String(fmt.Sprint(scp["Name"])), Description: aws.String(fmt.Sprint(scp["Description"])),
		Type: "SERVICE_CONTROL_POLICY", Content: aws.String(template(object(scp["Content"])).String()),
	}))(t)
	targets, _ := scp["TargetIds"].([]any)
	if len(targets) == 0 {
		t.Fatalf("SCP %v has no targets", scp["Name"])
	}
	for _, target := range targets {
		must(client.AttachPolicy(w.alive, &organizations.AttachPolicyInput{PolicyId: out.Policy.PolicySummary.Id, TargetId: aws.String(fmt.Sprint(target))}))(t)
	}
}

// upload puts the functions' code where the hub template expects it.
func (w *world) upload(t *testing.T, account string) {
	t.Helper()
	client := w.s3(account)
	bucket := "cdk-hnb659fds-assets-" + account + "-" + home
	folders, err := filepath.Glob(filepath.Join(w.assembly, "asset.*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("find assets: %v, found %d", err, len(folders))
	}
	for _, folder := range folders {
		key := strings.TrimPrefix(filepath.Base(folder), "asset.") + ".zip"
		must(client.PutObject(w.alive, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(zipped(t, folder))}))(t)
	}
}

func (w *world) s3(account string) *s3.Client {
	return s3.NewFromConfig(w.as(account, home), func(o *s3.Options) { o.UsePathStyle = true })
}

// inline is how long a template may be in a call; a longer one is read from S3.
const inline = 51_200

// create deploys a stack and waits until it stands.
func (w *world) create(t *testing.T, account, region, name, body string) {
	t.Helper()
	client := cloudformation.NewFromConfig(w.as(account, region))
	in := &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body, Capabilities: []cfn.Capability{cfn.CapabilityCapabilityNamedIam}}
	if len(body) > inline {
		in.TemplateBody, in.TemplateURL = nil, w.stage(t, account, name, body)
	}
	must(client.CreateStack(w.alive, in))(t)
	w.settled(t, client, name, cfn.StackStatusCreateComplete)
}

// update deploys a changed template.
func (w *world) update(t *testing.T, account, region, name, body string) {
	t.Helper()
	client := cloudformation.NewFromConfig(w.as(account, region))
	in := &cloudformation.UpdateStackInput{StackName: &name, TemplateBody: &body, Capabilities: []cfn.Capability{cfn.CapabilityCapabilityNamedIam}}
	if len(body) > inline {
		in.TemplateBody, in.TemplateURL = nil, w.stage(t, account, name, body)
	}
	must(client.UpdateStack(w.alive, in))(t)
	w.settled(t, client, name, cfn.StackStatusUpdateComplete)
}

func (w *world) stage(t *testing.T, account, name, body string) *string {
	t.Helper()
	bucket := "cdk-hnb659fds-assets-" + account + "-" + home
	must(w.s3(account).PutObject(w.alive, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader(body)}))(t)
	return aws.String(w.endpoint + "/" + bucket + "/" + name)
}

func (w *world) settled(t *testing.T, client *cloudformation.Client, name string, want cfn.StackStatus) {
	t.Helper()
	var status cfn.StackStatus
	w.eventually(t, "stack "+name, func() bool {
		out, err := client.DescribeStacks(w.alive, &cloudformation.DescribeStacksInput{StackName: &name})
		if err != nil {
			return false
		}
		status = out.Stacks[0].StackStatus
		return !strings.HasSuffix(string(status), "_IN_PROGRESS")
	})
	if status == want {
		return
	}
	var problems []error
	out, err := client.DescribeStackEvents(w.alive, &cloudformation.DescribeStackEventsInput{StackName: &name})
	if err == nil {
		for _, e := range out.StackEvents {
			if strings.HasSuffix(string(e.ResourceStatus), "_FAILED") {
				problems = append(problems, fmt.Errorf("%s %s: %s", aws.ToString(e.ResourceType), aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceStatusReason)))
			}
		}
	}
	t.Fatalf("stack %s is %s: %v", name, status, errors.Join(append(problems, err)...))
}
