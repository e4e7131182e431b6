// Package localtest founds organizations for tests, and makes the test's process somebody in one.
package localtest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// New is the organization of the demo at rest. It ends with the test.
func New(t testing.TB) *local.Organization {
	t.Helper()
	return In(t, arn.Standard)
}

// In is the organization in a partition.
func In(t testing.TB, partition arn.Partition) *local.Organization {
	t.Helper()
	w, stop, err := local.New(t.Context(), local.Options{Partition: partition, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return w
}

// Profiles is a folder with the profiles of everybody in an organization.
func Profiles(t *testing.T, w *local.Organization) string {
	t.Helper()
	folder, err := files.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(local.WriteProfiles(folder, w), folder.Close()); err != nil {
		t.Fatal(err)
	}
	return folder.Path()
}

// Security makes the process somebody of the security account, by a profile.
func Security(t *testing.T, w *local.Organization) {
	t.Helper()
	folder := Profiles(t, w)
	setenv(t, map[string]string{
		settings.EnvEndpoint: w.URL, "AWS_PROFILE": "security", "AWS_REGION": "",
		"AWS_CONFIG_FILE": filepath.Join(folder, local.ConfigFile), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(folder, local.CredentialsFile),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	})
}

// ActAs makes the process a principal of an account, such as role/Engineer/you, as a shell with exported credentials.
func ActAs(t *testing.T, w *local.Organization, account, principal string) {
	t.Helper()
	keys, err := w.AWS.Principal(account, principal)
	if err != nil {
		t.Fatal(err)
	}
	setenv(t, map[string]string{
		settings.EnvEndpoint: w.URL, "AWS_ACCESS_KEY_ID": keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey,
		"AWS_SESSION_TOKEN": keys.SessionToken, "AWS_REGION": w.Home(), "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	})
}

// ActAsFunction makes the process a function of the hub, with its environment and its role.
func ActAsFunction(t *testing.T, w *local.Organization, name string) {
	t.Helper()
	env, err := w.FunctionEnvironment(name)
	if err != nil {
		t.Fatal(err)
	}
	setenv(t, env)
}

func setenv(t *testing.T, variables map[string]string) {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

// Call is a call by whoever may do everything.
func Call(t testing.TB, w *local.Organization, account, region, service, operation string, in map[string]any) map[string]any {
	t.Helper()
	out, err := w.AWS.As("cloudformation.amazonaws.com", account, region, service, operation, in)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return out
}

// Schedule starts a task of the deployed template, as its clock does.
func Schedule(t testing.TB, w *local.Organization, task, worker string) {
	t.Helper()
	if err := w.Schedule(t.Context(), task, worker); err != nil {
		t.Fatal(err)
	}
}

// Run lets what happens in the organization go on while a test reads, and time pass.
func Run(t testing.TB, w *local.Organization) {
	t.Helper()
	w.Clock.Run()
	Serve(t, w)
}

// Serve lets what happens in the organization go on while a test reads, until stop or the end of the test. Time stands still.
func Serve(t testing.TB, w *local.Organization) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = w.Settle(ctx)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// ActAsOperator makes the process a person of the security account who has taken the deployed role doublelock-operator.
func ActAsOperator(t *testing.T, w *local.Organization, person string) {
	t.Helper()
	out, err := w.AWS.AsPrincipal(local.Hub, "role/SecurityEngineer/"+person, w.Home(), "sts", "AssumeRole", map[string]any{
		"RoleArn": w.Partition.Role(local.Hub, settings.RoleOperator), "RoleSessionName": person,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := out["Credentials"].(map[string]any)
	env := map[string]string{settings.EnvEndpoint: w.URL, "AWS_REGION": w.Home(), "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
	for variable, field := range map[string]string{"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey", "AWS_SESSION_TOKEN": "SessionToken"} {
		env[variable], _ = keys[field].(string)
	}
	setenv(t, env)
}
