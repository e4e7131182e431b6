package migration

import (
	"context"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Find is the ARN of the secret that somebody calls by ARN, partial ARN or name, its own or that of a copy which the job
// moved, as the stored jobs know it, without asking AWS; "" where none of them is of it. A *store.Unreadable: one may be,
// and cannot be read.
func (e *Engine) Find(ctx context.Context, ref guard.SecretRef) (string, error) {
	if ref.ID == "" {
		return "", nil
	}
	found, full := "", arn.Is(ref.ID)
	if full {
		ref.Region = arn.Of(ref.ID).Region
		j, err := e.Store.Load(ctx, ref.ID)
		if err != nil || j.Revision > 0 {
			return j.Secret, err
		}
	}
	here := func(secret string) string { return arn.Of(secret).In(ref.Region).String() } // a copy's ARN differs by the Region alone
	var unread *store.Unreadable
	err := e.Store.List(ctx, func(j Job, bad *store.Unreadable) error {
		switch {
		case bad != nil && (here(bad.ID) == ref.ID || strings.HasPrefix(here(bad.ID), ref.ID+"-") || !full && bad.Group == ref.Account): // a name is in its body
			unread = bad
		case bad != nil:
		case j.Region != ref.Region && j.copyIn(ref.Region) == nil:
		case full && (here(j.Secret) == ref.ID || strings.HasPrefix(here(j.Secret), ref.ID+"-")), !full && j.Name == ref.ID && j.Account == ref.Account:
			found = j.Secret
		}
		return nil //nolint:nilerr // the error is of the whole list
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("find the migration of %s: %w", ref.ID, err)
	case found == "" && unread != nil:
		return "", unread
	}
	return found, nil
}
