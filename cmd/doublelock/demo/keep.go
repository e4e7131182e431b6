package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/world"
)

// keep leaves the local AWS listening until the context ends, and shows what happens in it as it happens.
func keep(ctx context.Context, env *command.Env, w *world.World) error {
	w.Clock.Run()
	folder, err := os.MkdirTemp("", "doublelock-demo-")
	if err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := world.WriteProfiles(folder, w); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	fmt.Fprintf(env.Stderr, keepText, w.URL, filepath.Join(folder, "config"), filepath.Join(folder, "credentials"))
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

const keepText = `
The local AWS is listening. In another terminal:

    export AWS_ENDPOINT_URL=%s AWS_REGION=us-east-1
    export AWS_CONFIG_FILE=%s AWS_SHARED_CREDENTIALS_FILE=%s

    aws --profile shop   secretsmanager create-secret --name try/me --secret-string x    # guarded: denied by the SCP
    aws --profile search secretsmanager create-secret --name try/me --secret-string x    # not guarded yet: watch here
    AWS_PROFILE=security doublelock doctor --config testdata/config/sample.yaml          # all is well, until you break something

Profiles: shop search payments sandbox security management. Ctrl-C ends it and forgets everything.

`
