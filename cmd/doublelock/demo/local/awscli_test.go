package local_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
)

// The demo's promise about the real aws CLI, kept by the real aws CLI.
func TestTheRealAWSCLIMeetsTheSCP(t *testing.T) {
	cli := awsclitest.Find(t)
	w := localtest.New(t)
	folder := localtest.Profiles(t, w)
	create := func(profile string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, cli, append([]string{"--profile", profile, "secretsmanager", "create-secret", "--name", "try/me"}, args...)...)
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+w.URL, "AWS_CONFIG_FILE="+filepath.Join(folder, "config"),
			"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
		out, err := command.CombinedOutput()
		return string(out), err
	}
	out, err := create("shop")
	want := "An error occurred (AccessDeniedException) when calling the CreateSecret operation: User: arn:aws:sts::333333333333:assumed-role/Engineer/you" +
		" is not authorized to perform: secretsmanager:CreateSecret on resource: try/me"
	if err == nil || !strings.Contains(out, want) || !strings.Contains(out, "with an explicit deny in a service control policy") {
		t.Errorf("in the guarded account: %v\n%s", err, out)
	}
	if out, err = create("shop", "--kms-key-id", "alias/doublelock/secrets"); err != nil {
		t.Errorf("in the guarded account with the CMK: %v\n%s", err, out)
	}
	if out, err = create("search"); err != nil {
		t.Errorf("in the account that is not guarded yet: %v\n%s", err, out)
	}
}
