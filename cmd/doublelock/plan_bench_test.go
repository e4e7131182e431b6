package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
)

var planned = flag.Int("planned", 10_000, "secrets in the account of which BenchmarkPlan makes a plan")

// BenchmarkPlan has a process of its own plan the secrets of an account with 200 roles, ten of which may do everything, and reports
// the most memory that the process held.
func BenchmarkPlan(b *testing.B) {
	w := localtest.New(b)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for n := range 200 {
		allows := fmt.Sprintf(`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:app-%03d-*"},`+
			`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`, n)
		if n < 10 {
			allows = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		}
		w.AWS.AddRole(local.Search, fmt.Sprintf("app-%03d", n), trust, `{"Version":"2012-10-17","Statement":[`+allows+`]}`)
	}
	for n := range *planned {
		localtest.Call(b, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": fmt.Sprintf("app-%03d-%d", 10+n%190, n), "SecretString": "not a real value"})
	}
	set, err := w.FunctionEnvironment("remediate")
	if err != nil {
		b.Fatal(err)
	}
	env := os.Environ()
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	var most int64
	for b.Loop() {
		run := exec.CommandContext(b.Context(), "doublelock", "migrate", "plan", "--account", local.Search, "--out", filepath.Join(b.TempDir(), "plan.json"))
		run.Env = env
		var stdout, stderr bytes.Buffer
		run.Stdout, run.Stderr = &stdout, &stderr
		if err := run.Run(); run.ProcessState == nil || run.ProcessState.ExitCode() == 1 || bytes.Count(stdout.Bytes(), []byte("app-")) < *planned {
			b.Fatalf("%v\n%s%.2000s", err, stderr.String(), stdout.String())
		}
		if usage, is := run.ProcessState.SysUsage().(*syscall.Rusage); is {
			most = max(most, usage.Maxrss) // kilobytes, on Linux
			b.ReportMetric((run.ProcessState.UserTime() + run.ProcessState.SystemTime()).Seconds(), "processor-s/op")
		}
	}
	b.ReportMetric(float64(most)/1024, "MiB-most")
}
