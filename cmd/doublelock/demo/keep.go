package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// keep leaves the local AWS listening until the context ends, and shows what happens in it as it happens.
func keep(ctx context.Context, env *command.Env, w *local.Organization) error {
	w.Clock.Run()
	removeLeft(os.TempDir())
	folder, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := output.WriteFile(filepath.Join(folder, processFile), []byte(strconv.Itoa(os.Getpid())), output.Private); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	if err := local.WriteProfiles(folder, w); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	configuration := filepath.Join(folder, "doublelock.yaml")
	if err := output.WriteFile(configuration, w.Sample.Text, output.Private); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	fmt.Fprintf(env.Stderr, keepText, w.URL, w.Home(), filepath.Join(folder, "config"), filepath.Join(folder, "credentials"), configuration)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.Settle(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// A folder of profiles says which process made it, so that the next one knows what was left behind.
const (
	folderPrefix = "doublelock-demo-"
	processFile  = "process"
)

// removeLeft removes the folders of demos that were killed before they could. One that cannot be removed is somebody
// else's.
func removeLeft(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*")) // the pattern is a good one
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, processFile))
		if err != nil {
			continue
		}
		if id, err := strconv.Atoi(string(text)); err == nil && !alive(id) {
			_ = os.RemoveAll(folder)
		}
	}
}

// alive reports whether a process runs; one of somebody else does.
func alive(id int) bool {
	process, err := os.FindProcess(id)
	if err != nil {
		return false
	}
	return !errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

const keepText = `
The local AWS is listening. In another terminal:

    export AWS_ENDPOINT_URL=%s AWS_REGION=%s
    export AWS_CONFIG_FILE=%s AWS_SHARED_CREDENTIALS_FILE=%s

    aws --profile shop   secretsmanager create-secret --name try/me --secret-string x    # guarded: denied by the SCP
    aws --profile search secretsmanager create-secret --name try/me --secret-string x    # not guarded yet: watch here

    # version 1 of the CLI sends "aws sqs" to AWS all the same, unless it is told where:
    aws --profile security sqs list-queues --endpoint-url $AWS_ENDPOINT_URL

    # all is well, until you break something:
    AWS_PROFILE=security doublelock doctor --config %s

Profiles: shop search payments sandbox security management. Ctrl-C ends it and forgets everything.

`
