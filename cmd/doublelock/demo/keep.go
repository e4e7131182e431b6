package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/settings"
)

// keep leaves the local AWS listening until the context ends, and shows what happens in it as it happens.
func keep(ctx context.Context, env *command.Env, w *local.Organization) (err error) {
	w.Clock.Run()
	folder, err := files.Temporary(os.TempDir(), folderPrefix)
	if err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	defer func() {
		if removed := folder.Remove(); err == nil {
			err = removed
		}
	}()
	if err := local.WriteProfiles(folder, w); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	if err := folder.Write(input.ConfigName, w.Sample.Text); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	at := func(name string) string { return filepath.Join(folder.Path(), name) }
	fmt.Fprintf(env.Stderr, keepText, w.URL, w.Home(), at(local.ConfigFile), at(local.CredentialsFile), at(input.ConfigName), at(input.ConfigName))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for minute := w.Clock.Now(); ; {
		if now := w.Clock.Now(); now.Sub(minute) >= time.Minute {
			minute = now
			if err := w.Schedule(ctx, settings.TaskRollUp, handlers.Alert); err != nil && ctx.Err() == nil {
				return err
			}
		}
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

// folderPrefix begins the name of the folder of profiles, in the system's folder for temporary files.
const folderPrefix = "doublelock-demo-"

// removeLeft removes the credentials of demos that were killed before they could do it.
func removeLeft() { files.RemoveLeft(os.TempDir(), folderPrefix) }

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

    # migrate a secret as an operator: the hub does it (docs/migration.md has a session):
    AWS_PROFILE=operator doublelock migrate plan --out plan.json --config %s

Profiles: shop search payments sandbox security management operator. Ctrl-C ends it and forgets everything.

`
