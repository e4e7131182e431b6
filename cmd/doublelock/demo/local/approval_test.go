package local_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Somebody puts a secret under a key of their own, and approves that key by its alias and its tag: with the real aws CLI, as the
// demo's engineers. Where the SCP is, each call is refused; where it is not, each is made, and approves nothing.
func TestAnEngineerWhoApprovesTheirOwnKey(t *testing.T) {
	cli := awsclitest.Find(t)
	w := localtest.New(t)
	folder := localtest.Profiles(t, w)
	run := func(profile string, args ...string) (string, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, cli, append([]string{"--profile", profile, "--output", "json"}, args...)...)
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.URL, "AWS_CONFIG_FILE="+filepath.Join(folder, "config"),
			"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
		out, err := command.CombinedOutput()
		return string(out), err
	}
	made := func(profile string) string {
		t.Helper()
		out, err := run(profile, "kms", "create-key", "--multi-region")
		var key struct {
			KeyMetadata struct {
				KeyID string `json:"KeyId"`
			}
		}
		if err != nil || json.Unmarshal([]byte(out), &key) != nil {
			t.Fatalf("create a key in %s: %v\n%s", profile, err, out)
		}
		return key.KeyMetadata.KeyID
	}
	approve := func(key string) map[string][]string {
		tag := "TagKey=doublelock-approved,TagValue=yes"
		return map[string][]string{
			"moves the approved alias to it":     {"kms", "update-alias", "--alias-name", "alias/doublelock/secrets", "--target-key-id", key},
			"tags it":                            {"kms", "tag-resource", "--key-id", key, "--tags", tag},
			"tags one that is made":              {"kms", "create-key", "--tags", tag},
			"tags a replica of it":               {"kms", "replicate-key", "--key-id", key, "--replica-region", w.Second(), "--tags", tag},
			"removes the alias":                  {"kms", "delete-alias", "--alias-name", "alias/doublelock/secrets"},
			"makes one of our aliases elsewhere": {"kms", "create-alias", "--alias-name", "alias/doublelock/mine", "--target-key-id", key},
			"takes the tag away":                 {"kms", "untag-resource", "--key-id", key, "--tag-keys", "doublelock-approved"},
		}
	}

	t.Run("is refused in the guarded OU, whatever way", func(t *testing.T) {
		for how, args := range approve(made("shop")) {
			out, err := run("shop", args...)
			if err == nil || !strings.Contains(out, "AccessDenied") || !strings.Contains(out, "with an explicit deny in a service control policy") {
				t.Errorf("%s: %v\n%s", how, err, out)
			}
		}
	})
	t.Run("is refused where that SCP alone is attached", func(t *testing.T) {
		for how, args := range approve(made("search")) {
			if out, err := run("search", args...); err == nil || !strings.Contains(out, "explicit deny in a service control policy") {
				t.Errorf("%s: %v\n%s", how, err, out)
			}
		}
	})
	t.Run("is found by what the manual says to look for", func(t *testing.T) {
		manual, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "operations.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, block, _ := strings.Cut(string(manual), "**Look before you attach it.**")
		_, block, _ = strings.Cut(block, "```bash\n")
		block, _, _ = strings.Cut(block, "```")
		key := made("sandbox")
		if out, err := run("sandbox", approve(key)["tags it"]...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		env := append(os.Environ(), "PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"), "AWS_PROFILE=sandbox", "AWS_ENDPOINT_URL="+w.URL,
			"AWS_CONFIG_FILE="+filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
		for line, want := range map[int]string{0: "alias/doublelock/secrets", 1: key + "\tyes"} { // the local AWS keeps no event history to look up
			out, err := awsclitest.Paste(t.Context(), folder, env, strings.Replace(strings.Split(block, "\n")[line], "secrets-approved", "doublelock-approved", 1)) // the sample's tag
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("line %d: %v\n%s", line, err, out)
			}
		}
	})
	t.Run("is possible elsewhere, and the finding stays", func(t *testing.T) {
		key := made("sandbox")
		out, err := run("sandbox", "secretsmanager", "create-secret", "--name", "try/mine", "--kms-key-id", key, "--secret-string", "x")
		var secret struct{ ARN string }
		if err != nil || json.Unmarshal([]byte(out), &secret) != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		finding := func() string {
			t.Helper()
			if err := w.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			return unapproved(t, w, secret.ARN)
		}
		if got := finding(); !strings.HasSuffix(got, " is not approved") {
			t.Errorf("before: %s", got)
		}
		for _, c := range []struct{ how, want string }{
			{"tags it", " is approved by a tag that its owner can write"},
			{"moves the approved alias to it", " is approved by an alias that its owner can move"},
		} {
			if out, err := run("sandbox", approve(key)[c.how]...); err != nil {
				t.Fatalf("%s: %v\n%s", c.how, err, out)
			}
			if out, err := run("sandbox", "secretsmanager", "tag-resource", "--secret-id", "try/mine", "--tags", "Key=look,Value="+strings.ReplaceAll(c.how, " ", "-")); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := finding(); !strings.HasSuffix(got, c.want) {
				t.Errorf("%s: %s", c.how, got)
			}
		}
	})
}

// The policy keeps its name and its place, and somebody of the management account lets an engineer write what approves keys. From
// then on no alias and no tag approves there; with the policy back they do.
func TestAPolicyOfOurNameThatDeniesLessApprovesNothing(t *testing.T) {
	w := localtest.New(t)
	organizations := func(operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Management, w.Home(), "organizations", operation, in)
	}
	var id, ours string
	for _, p := range organizations("ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})["Policies"].([]any) {
		if p := p.(map[string]any); p["Name"] == settings.ApprovalSCP {
			id = p["Id"].(string)
		}
	}
	ours = organizations("DescribePolicy", map[string]any{"PolicyId": id})["Policy"].(map[string]any)["Content"].(string)
	made, err := w.AWS.As("secretsmanager.amazonaws.com", local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{
		"Name": "try/approved", "SecretString": "x", "KmsKeyId": "alias/doublelock/secrets"})
	if err != nil {
		t.Fatal(err)
	}
	finding := func() string {
		t.Helper()
		w.Clock.Advance(2 * time.Hour) // what Organizations said is an hour old at most
		localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "TagResource", map[string]any{
			"SecretId": made["ARN"], "Tags": []any{map[string]any{"Key": "look", "Value": w.Clock.Now().String()}}})
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		return unapproved(t, w, made["ARN"].(string))
	}
	for _, c := range []struct{ name, content, want string }{
		{"as it was deployed", ours, "none"},
		{"with an engineer exempt", strings.ReplaceAll(ours, `"aws:PrincipalArn":[`, `"aws:PrincipalArn":["arn:*:iam::*:role/Engineer",`), "is approved by an alias that its owner can move"},
		{"deployed again", ours, "none"},
		{"with statements about nothing", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:CreateCustomKeyStore","Resource":"*"}]}`, "is approved by an alias that its owner can move"},
	} {
		organizations("UpdatePolicy", map[string]any{"PolicyId": id, "Content": c.content})
		if got := finding(); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// For the time of one call the policy lets an engineer move the alias. With the policy back his key is not approved: not for what
// is there, not for what comes, and the hub moves nothing to it, until an approver sets the alias.
func TestAKeyThatAnEngineerApprovedInAGapOfThePolicyStaysDoubted(t *testing.T) {
	w := localtest.New(t)
	region := w.Home()
	organizations := func(operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Management, region, "organizations", operation, in)
	}
	settle := func() {
		t.Helper()
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var id, ours string
	for _, p := range organizations("ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})["Policies"].([]any) {
		if p := p.(map[string]any); p["Name"] == settings.ApprovalSCP {
			id = p["Id"].(string)
		}
	}
	ours = organizations("DescribePolicy", map[string]any{"PolicyId": id})["Policy"].(map[string]any)["Content"].(string)
	key := localtest.Call(t, w, local.Payments, region, "kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)["Arn"].(string)
	cli := awsclitest.Find(t)
	folder := localtest.Profiles(t, w)
	move := func(more ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, cli, "kms", "update-alias", "--alias-name", settings.SecretsKeyAlias, "--target-key-id", key)
		command.Env = slices.Concat(os.Environ(), []string{"AWS_DEFAULT_REGION=" + region, "AWS_ENDPOINT_URL=" + w.URL, "AWS_CONFIG_FILE=" + filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(folder, "credentials")}, more)
		out, err := command.CombinedOutput()
		return string(out), err
	}
	secret := func(name string, more map[string]any) string {
		t.Helper()
		in := map[string]any{"Name": name, "SecretString": "x"}
		for k, v := range more {
			in[k] = v
		}
		return localtest.Call(t, w, local.Payments, region, "secretsmanager", "CreateSecret", in)["ARN"].(string)
	}
	named := map[string]any{"KmsKeyId": settings.SecretsKeyAlias}
	before := secret("gap/before", named)
	settle()
	if got := unapproved(t, w, before); got != "none" {
		t.Fatalf("before: %s", got)
	}

	organizations("UpdatePolicy", map[string]any{"PolicyId": id, "Content": strings.ReplaceAll(ours, `"aws:PrincipalArn":[`, `"aws:PrincipalArn":["arn:*:iam::*:role/Engineer",`)})
	if out, err := move("AWS_PROFILE=payments"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	organizations("UpdatePolicy", map[string]any{"PolicyId": id, "Content": ours})
	if out, err := move("AWS_PROFILE=payments"); err == nil || !strings.Contains(out, "explicit deny") {
		t.Errorf("with the policy back: %v\n%s", err, out)
	}
	settle()
	after, bare := secret("gap/after", named), secret("gap/bare", nil)
	settle()
	for name, arn := range map[string]string{"before": before, "after": after} {
		if got := unapproved(t, w, arn); !strings.Contains(got, key+" is approved by an alias that arn:aws:sts::"+local.Payments+":assumed-role/Engineer/") || !strings.Contains(got, ", who is no approver, set at ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if named := localtest.Call(t, w, local.Payments, region, "secretsmanager", "DescribeSecret", map[string]any{"SecretId": bare})["KmsKeyId"]; named != nil {
		t.Errorf("the hub put a secret under %v", named)
	}

	w.Clock.Advance(time.Minute) // of two calls in one second the engineer's counts
	stackSets, err := w.AWS.Principal(local.Payments, "role/stacksets-exec-0123456789abcdef0123456789abcdef/AWSCloudFormation")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := move("AWS_ACCESS_KEY_ID="+stackSets.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+stackSets.SecretAccessKey, "AWS_SESSION_TOKEN="+stackSets.SessionToken); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	settle()
	if got := unapproved(t, w, after); got != "none" {
		t.Errorf("when an approver has set the alias: %s", got)
	}
}

// unapproved is what the finding about the key of a secret says; "none" where it is not open.
func unapproved(t *testing.T, w *local.Organization, secret string) string {
	t.Helper()
	rec, err := w.Records.Load(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rec.Open() {
		if f.Control == guard.SecretKeyUnapproved {
			return f.Describe()
		}
	}
	return "none"
}
