package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keep leaves the local AWS listening until the context ends, and shows what happens in it as it happens.
func keep(ctx context.Context, env *environment, w *world) error {
	w.clock.run()
	folder, err := os.MkdirTemp("", "doublelock-demo-")
	if err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := writeProfiles(folder, w); err != nil {
		return fmt.Errorf("keep the local AWS: %w", err)
	}
	fmt.Fprintf(env.Stderr, keepText, w.url, filepath.Join(folder, "config"), filepath.Join(folder, "credentials"))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.settle(ctx); err != nil && ctx.Err() == nil {
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

// writeProfiles gives the aws CLI and every SDK a profile for each account, of somebody with every right there.
func writeProfiles(folder string, w *world) error {
	var config, credentials strings.Builder
	for _, account := range []string{management, hub, shop, search, payments, sandbox} {
		name := accountNames()[account]
		person := "role/Engineer/you"
		if account == hub {
			person = "role/SecurityEngineer/you" // whom the configuration lets look into every account
		}
		keys, err := w.aws.Principal(account, person)
		if err != nil {
			return err
		}
		fmt.Fprintf(&config, "[profile %s]\nregion = %s\noutput = json\n\n", name, virginia)
		fmt.Fprintf(&credentials, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n\n",
			name, keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)
	}
	if err := os.WriteFile(filepath.Join(folder, "config"), []byte(config.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "credentials"), []byte(credentials.String()), 0o600)
}
