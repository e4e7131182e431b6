package localaws_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// post sends a request as it goes over the wire, and answers status, headers and body.
func (r *testbed) post(service, target, contentType, body string) (*http.Response, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := r.Principal(open, "user/wire")
	if err != nil {
		r.t.Fatal(err)
	}
	if service != "" {
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key.AccessKeyID+"/20260901/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	}
	request.Header.Set("Content-Type", contentType)
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(text)
}

func TestErrorsOnTheWire(t *testing.T) {
	r := newTestbed(t)
	const jsonType, formType = "application/x-amz-json-1.1", "application/x-www-form-urlencoded"
	for name, test := range map[string]struct {
		service, target, contentType, body string
		status                             int
		want                               string
	}{
		"an unknown operation in JSON":     {"secretsmanager", "secretsmanager.Fly", jsonType, "{}", 400, "UnknownOperationException"},
		"an unknown operation in a form":   {"iam", "", formType, "Action=Fly&Version=2010-05-08", 400, "InvalidAction"},
		"a body that is no JSON":           {"kms", "TrentService.DescribeKey", jsonType, "{", 400, "SerializationException"},
		"a field of the wrong type":        {"kms", "TrentService.DescribeKey", jsonType, `{"KeyId":1}`, 400, "SerializationException"},
		"a service that is not here":       {"s3", "", jsonType, "", 404, "UnknownOperationException"},
		"a request that is not signed":     {"", "secretsmanager.ListSecrets", jsonType, "{}", 403, "MissingAuthenticationTokenException"},
		"a number that is none, in a form": {"iam", "", formType, "Action=GetAccountAuthorizationDetails&MaxItems=x", 400, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := r.post(test.service, test.target, test.contentType, test.body)
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("got %d %s, want %d with %s", response.StatusCode, body, test.status, test.want)
			}
			if test.contentType == jsonType && response.Header.Get("X-Amzn-Errortype") != test.want {
				t.Errorf("X-Amzn-ErrorType is %q", response.Header.Get("X-Amzn-Errortype"))
			}
		})
	}
}

func TestAnswersOnTheWire(t *testing.T) {
	r := newTestbed(t)
	response, _ := r.post("secretsmanager", "secretsmanager.CreateSecret", "application/x-amz-json-1.1", `{"Name":"a","SecretString":"x"}`)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/x-amz-json-1.1" || len(response.Header.Get("X-Amzn-Requestid")) != 36 {
		t.Errorf("got %d %v", response.StatusCode, response.Header)
	}
	_, body := r.post("secretsmanager", "secretsmanager.DescribeSecret", "application/x-amz-json-1.1", `{"SecretId":"a"}`)
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	if at, ok := fields["CreatedDate"].(float64); !ok || at != float64(r.clock().Unix()) {
		t.Errorf("CreatedDate is %v, want epoch seconds", fields["CreatedDate"])
	}
	if _, there := fields["KmsKeyId"]; there {
		t.Error("KmsKeyId is there for the AWS managed key")
	}
	_, body = r.post("sts", "", "application/x-www-form-urlencoded", "Action=GetCallerIdentity&Version=2011-06-15")
	if want := "<GetCallerIdentityResult><Arn>arn:aws:iam::" + open + ":user/wire</Arn>"; !strings.Contains(body, want) || !strings.Contains(body, "<RequestId>") {
		t.Errorf("got %s, want %s in it", body, want)
	}
}

// TestRealCLI runs the aws command line where there is one.
func TestRealCLI(t *testing.T) {
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("no aws command here")
	}
	r := newTestbed(t)
	r.guard(needsKey)
	run := func(args ...string) (string, error) {
		t.Helper()
		key, err := r.Principal(guarded, admin)
		if err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), path, append(args, "--output", "json")...)
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+r.url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+key.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey, "AWS_SESSION_TOKEN="+key.SessionToken, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true")
		out, err := command.CombinedOutput()
		return string(out), err
	}
	out, err := run("secretsmanager", "create-secret", "--name", "prod/db", "--secret-string", "x")
	want := "An error occurred (AccessDeniedException) when calling the CreateSecret operation: User: arn:aws:sts::" + guarded + ":assumed-role/Admin/ada is not authorized to perform: " +
		"secretsmanager:CreateSecret on resource: prod/db with an explicit deny in a service control policy: arn:aws:organizations::" + payer
	if err == nil || !strings.Contains(out, want) {
		t.Errorf("without a key: got %v\n%s\nwant %s", err, out, want)
	}
	key := r.key(guarded, east)
	if out, err = run("secretsmanager", "create-secret", "--name", "prod/db", "--secret-string", "x", "--kms-key-id", key); err != nil {
		t.Fatalf("with a key: %v\n%s", err, out)
	}
	for _, args := range [][]string{
		{"secretsmanager", "describe-secret", "--secret-id", "prod/db"},
		{"secretsmanager", "list-secret-version-ids", "--secret-id", "prod/db"},
		{"secretsmanager", "list-secrets"},
		{"kms", "describe-key", "--key-id", key},
		{"sts", "get-caller-identity"},
		{"iam", "get-role", "--role-name", "Admin"},
	} {
		if out, err = run(args...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	if r.describe(r.secrets(guarded, admin, east), "prod/db").KmsKeyId == nil {
		t.Error("the key did not arrive")
	}
}

func TestBinaryValues(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	value := []byte{0, 1, 2, 255}
	r.create(sm, "a", func(in *secretsmanager.CreateSecretInput) { in.SecretString, in.SecretBinary = nil, value })
	out, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")})
	if err != nil || string(out.SecretBinary) != string(value) || out.SecretString != nil {
		t.Errorf("got %v, %v", out, err)
	}
}
