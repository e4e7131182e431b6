package migration

import (
	"context"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Find is the ARN of the secret that somebody calls by ARN, partial ARN or name, as the stored jobs know it, without asking
// AWS; "" where none of them is of it. A *store.Unreadable: one may be, and cannot be read.
func (e *Engine) Find(ctx context.Context, ref guard.SecretRef) (string, error) {
	if ref.ID == "" {
		return "", nil
	}
	found, full := "", arn.Is(ref.ID)
	if full {
		j, err := e.Store.Load(ctx, ref.ID)
		if err != nil || j.Revision > 0 {
			return j.Secret, err
		}
	}
	var unread *store.Unreadable
	err := e.Store.List(ctx, func(j Job, bad *store.Unreadable) error {
		switch {
		case bad != nil && (strings.HasPrefix(bad.ID, ref.ID+"-") || !full && bad.Group == ref.Account): // a name is in its body
			unread = bad
		case bad != nil:
		case full && strings.HasPrefix(j.Secret, ref.ID+"-"), !full && j.Name == ref.ID && j.Account == ref.Account && j.Region == ref.Region:
			found = j.Secret
		}
		return nil
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("find the migration of %s: %w", ref.ID, err)
	case found == "" && unread != nil:
		return "", unread
	}
	return found, nil
}
