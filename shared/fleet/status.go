package fleet

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// looksAtOnce bounds how many secrets are looked at together.
const looksAtOnce = 8

// Status is how far the migrations are. Secrets on their way are looked at, because their owners may have sealed one
// since the hub last came by; one that cannot be looked at counts as its job says.
func (m *Migrations) Status(ctx context.Context) (migration.Summary, error) {
	jobs, unreadable, err := migration.All(ctx, m.Store)
	if err != nil {
		return migration.Summary{}, fmt.Errorf("list migrations: %w", err)
	}
	var mu sync.Mutex
	seen := map[string]guard.Secret{}
	looks, ctx := errgroup.WithContext(ctx)
	looks.SetLimit(looksAtOnce)
	for _, j := range jobs {
		if !j.UnderNewKey() && !j.Setting() || j.Phase == migration.Sealed {
			continue
		}
		looks.Go(func() error {
			s, err := m.Engine.Secrets.Describe(ctx, guard.SecretRef{Account: j.Account, Region: j.Region, ID: j.Secret})
			if err == nil {
				mu.Lock()
				seen[j.Secret] = s
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	if err := looks.Wait(); err != nil {
		return migration.Summary{}, fmt.Errorf("look at migrated secrets: %w", err)
	}
	summary := migration.Summarize(jobs, seen)
	summary.Unreadable = unreadable
	return summary, nil
}
