package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Single makes a call of which a repeat would do harm. call must switch the SDK's own tries off: they send again what was
// sent and not answered. It is called again only after an error which proves that nothing came of it, and that passes.
func Single(ctx context.Context, call func() error) error {
	var err error
	for round := range maxTries {
		if paused := Pause(ctx, round); paused != nil && err == nil {
			return fmt.Errorf("%w: %w", guard.ErrUnsent, paused)
		} else if paused != nil {
			return err
		}
		if err = call(); err == nil || !guard.NothingDone(err) || !guard.Passing(err) || errors.Is(err, store.ErrFenced) {
			return err
		}
		if sending := store.SendingOf(ctx); sending != nil {
			sending.After(true) // an error that proves so much is an answer
		}
	}
	return err
}
