package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/doubles"
	"github.com/doublelock/doublelock/shared/doubles/doublestest"
)

// The member template deploys with the stock AWS command line, into a second opinion on AWS's API, and what its rules
// catch arrives on the hub's bus in another account.
func TestMemberTemplateDeploysAndForwardsToAnotherAccount(t *testing.T) {
	aws := awsCLI{t: t, path: tool(t, "aws"), endpoint: doublestest.Start(t, doubles.Moto, "..", doubles.Options{}).Endpoint, sessions: map[string][]string{}}
	const hub, member = "222222222222", "333333333333"
	aws.as(hub, "events", "create-event-bus", "--name", "doublelock")
	queue := aws.as(hub, "sqs", "create-queue", "--queue-name", "caught", "--query", "QueueUrl")
	aws.as(hub, "events", "put-rule", "--event-bus-name", "doublelock", "--name", "all", "--event-pattern", `{"source":[{"prefix":"aws."}]}`)
	aws.as(hub, "events", "put-targets", "--event-bus-name", "doublelock", "--rule", "all",
		"--targets", "Id=queue,Arn=arn:aws:sqs:us-east-1:"+hub+":caught")

	aws.as(member, "cloudformation", "create-stack", "--stack-name", memberStackName, "--capabilities", "CAPABILITY_NAMED_IAM",
		"--template-body", "file://"+filepath.Join("..", "testdata", "templates", "member.template.json"))
	if status := aws.as(member, "cloudformation", "describe-stacks", "--query", "Stacks[0].StackStatus"); status != "CREATE_COMPLETE" {
		t.Fatalf("member stack is %s", status)
	}
	aws.as(member, "events", "put-events", "--entries", entries(t,
		record{"aws.secretsmanager", "CreateSecret", ""}, record{"aws.secretsmanager", "DescribeSecret", ""},
		record{"aws.secretsmanager", "UpdateSecret", "InternalFailure"}, record{"aws.kms", "DisableKey", ""}))

	caught := aws.as(hub, "sqs", "receive-message", "--queue-url", queue, "--max-number-of-messages", "10", "--output", "json")
	for name, want := range map[string]bool{"CreateSecret": true, "DisableKey": true, "DescribeSecret": false, "UpdateSecret": false} {
		if got := strings.Contains(caught, `\"eventName\": \"`+name+`\"`); got != want {
			t.Errorf("%s reached the hub: %v, want %v\n%s", name, got, want, caught)
		}
	}
}

// record is a CloudTrail record as EventBridge carries it, as far as rules look at it.
type record struct{ source, name, errorCode string }

func entries(t *testing.T, records ...record) string {
	t.Helper()
	var list []map[string]any
	for _, r := range records {
		detail := map[string]any{"eventName": r.name, "eventSource": strings.TrimPrefix(r.source, "aws.") + ".amazonaws.com"}
		if r.errorCode != "" {
			detail["errorCode"] = r.errorCode
		}
		raw, err := json.Marshal(detail)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, map[string]any{"Source": r.source, "DetailType": "AWS API Call via CloudTrail", "Detail": string(raw)})
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// awsCLI runs the AWS command line against an endpoint.
type awsCLI struct {
	t              *testing.T
	path, endpoint string
	sessions       map[string][]string // credentials by account, as variables
}

// as runs a command in an account and returns its output as text.
func (a awsCLI) as(account string, args ...string) string {
	a.t.Helper()
	if a.sessions[account] == nil {
		keys := strings.Fields(a.run(nil, "sts", "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/deployer",
			"--role-session-name", "test", "--query", "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]"))
		if len(keys) != 3 {
			a.t.Fatalf("assume role in %s: got %d parts", account, len(keys))
		}
		a.sessions[account] = []string{"AWS_ACCESS_KEY_ID=" + keys[0], "AWS_SECRET_ACCESS_KEY=" + keys[1], "AWS_SESSION_TOKEN=" + keys[2]}
	}
	return a.run(a.sessions[account], args...)
}

func (a awsCLI) run(env []string, args ...string) string {
	a.t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--output") {
		args = append(args, "--output", "text")
	}
	cmd := exec.CommandContext(a.t.Context(), a.path, append([]string{"--endpoint-url", a.endpoint}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	cmd.Env = append(cmd.Env, env...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		a.t.Fatalf("aws %s %s: %v: %s", args[0], args[1], err, problems.String())
	}
	return strings.TrimSpace(out.String())
}

// tool is a pinned tool of the test environment. Without it the test is skipped at a desk and fails in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".venv", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: run make setup", path)
	}
	t.Skipf("%s is missing: run make setup", path)
	return ""
}
