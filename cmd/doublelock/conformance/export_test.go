package conformance

import (
	"context"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/cloud"
)

// OpenConfigured opens AWS as a run in a Region does, before anybody is asked.
func OpenConfigured(ctx context.Context, getenv func(string) string, region string) (*cloud.Cloud, error) {
	return (&options{region: region}).openConfigured(ctx, &command.Env{Getenv: getenv})
}
