package strangers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// The manual's own lines, with the CDK's command line: bootstrap, the hub, then the organization.
func TestTheManualsDeploymentWorksWithTheCDK(t *testing.T) {
	t.Parallel() // most of its time it waits
	w := organize(t, start(t))
	w.synthesize(t)
	w.fitAssembly(t)
	people := filepath.Join(w.project, "credentials")
	write(t, people, fmt.Sprintf("[security]\naws_access_key_id = %s\naws_secret_access_key = test\n[management]\naws_access_key_id = %s\naws_secret_access_key = test\n",
		w.security, management))
	for _, line := range deployment(t) {
		line = strings.NewReplacer("222222222222", w.security, "111111111111", management,
			"npx cdk deploy", "npx --no-install cdk deploy --require-approval never", "npx cdk", "npx --no-install cdk").Replace(line)
		w.run(t, []string{"AWS_SHARED_CREDENTIALS_FILE=" + people, "AWS_CONFIG_FILE=" + os.DevNull, "AWS_REGION=" + home, "AWS_ENDPOINT_URL=" + w.endpoint,
			"AWS_CA_BUNDLE=" + w.cert, "NODE_EXTRA_CA_CERTS=" + w.cert, "AWS_EC2_METADATA_DISABLED=true", "CI=true", "CDK_DISABLE_CLI_TELEMETRY=true"}, "sh", "-c", line)
	}

	for _, s := range []struct{ account, region, name string }{
		{w.security, home, "doublelock-hub"}, {management, home, "doublelock-org"},
		{management, home, "doublelock-member-" + home}, {management, other, "doublelock-member-" + other},
	} {
		client := cloudformation.NewFromConfig(w.as(s.account, s.region))
		stack := must(client.DescribeStacks(w.alive, &cloudformation.DescribeStacksInput{StackName: &s.name}))(t).Stacks[0]
		if stack.StackStatus != "CREATE_COMPLETE" || !aws.ToBool(stack.EnableTerminationProtection) && !strings.HasPrefix(s.name, "doublelock-member-") {
			t.Errorf("stack %s is %s, protected against deletion: %v", s.name, stack.StackStatus, aws.ToBool(stack.EnableTerminationProtection))
		}
	}
	functions := lambda.NewFromConfig(w.as(w.security, home))
	out := must(functions.Invoke(w.alive, &lambda.InvokeInput{FunctionName: aws.String("doublelock-detect"), Payload: []byte(`{"Records":[]}`)}))(t)
	if answer := decode[map[string][]any](t, out.Payload); out.FunctionError != nil || len(answer) != 1 || answer["batchItemFailures"] == nil || len(answer["batchItemFailures"]) > 0 {
		t.Errorf("doublelock-detect answers an empty batch %s (%s)", out.Payload, aws.ToString(out.FunctionError))
	}
}

// deployment is the manual's commands that bootstrap and deploy, in their order.
func deployment(t *testing.T) []string {
	t.Helper()
	_, manual, found := strings.Cut(string(read(t, root+"/docs/operations.md")), "\n## Deploy\n")
	block, _, closed := strings.Cut(manual, "\n```\n")
	if !found || !closed {
		t.Fatal("docs/operations.md has no block of commands under Deploy")
	}
	lines := regexp.MustCompile(`(?m)^AWS_PROFILE=\w+ +npx cdk [^#\n]+`).FindAllString(block, -1)
	if len(lines) != 4 {
		t.Fatalf("docs/operations.md has %d commands of the CDK under Deploy, want 4: %q", len(lines), lines)
	}
	return lines
}

// fitAssembly cuts the synthesized templates where they lie, and lets the CDK deploy them rather than synthesize anew.
func (w *world) fitAssembly(t *testing.T) {
	t.Helper()
	list, removed := cuts(t), map[string]int{}
	for name, tpl := range w.templates(t) {
		region := home
		if strings.HasSuffix(name, other) {
			region = other
		}
		write(t, filepath.Join(w.assembly, name+".template.json"), tpl.fit(t, region, list, removed).String())
	}
	file := filepath.Join(w.project, "cdk.json")
	settings := decode[map[string]any](t, read(t, file))
	settings["app"] = filepath.Base(w.assembly)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(t, file, template(settings).String())
}
