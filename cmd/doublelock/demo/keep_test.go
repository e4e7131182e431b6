package demo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
)

// Version 1 of the CLI knows addresses of SQS of its own, and would ask AWS itself with the demo's credentials.
func TestWhatKeepPrintsForSQSReachesTheLocalAWS(t *testing.T) {
	cli := awsclitest.Find(t)
	w := localtest.New(t)
	folder := localtest.Profiles(t, w)
	env := append(os.Environ(), "PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"), "AWS_ENDPOINT_URL="+w.URL, "AWS_REGION="+w.Home(),
		"AWS_CONFIG_FILE="+filepath.Join(folder, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(folder, "credentials"))
	lines := 0
	for line := range strings.Lines(demo.KeepText) {
		if !strings.Contains(line, " sqs ") || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		lines++
		if out, err := awsclitest.Paste(t.Context(), folder, env, strings.TrimSpace(line)); err != nil || !strings.Contains(out, "doublelock-detect") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines for SQS", lines)
	}
}
