package detect

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// lifecycleOfStore is lifecycle for every key of a custom key store: KMS sends no event of the keys themselves, which cannot be used
// right away. Where its keys may not be listed, that the store was touched is said at least.
// Source: KMS developer guide, "Disconnect a custom key store", "Connect and disconnect custom key stores".
func (h *Handler) lifecycleOfStore(ctx context.Context, c trail.Change, cause guard.Cause, queue string) (Outcome, error) {
	keys, err := h.Keys.InStore(ctx, c.Account, c.Region, c.Store)
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		c.Kind, c.Target = trail.Tamper, c.Store
		return h.publish(ctx, c)
	case err != nil:
		return Outcome{}, fmt.Errorf("list keys of custom key store %s: %w", c.Store, err)
	}
	all := Outcome{Action: "unchanged", Reason: guard.Count(len(keys), "key is", "keys are") + " in custom key store " + c.Store}
	looks := h.looksOfOneEvent(ctx)
	for _, key := range keys {
		of := c
		of.Key = guard.KeyRef{Account: c.Account, Region: c.Region, ID: key.ARN}
		outcome, err := h.lifecycle(ctx, of, cause, queue, looks)
		if err != nil {
			return Outcome{}, err
		}
		if outcome.Action != "unchanged" {
			all.Action, all.Control = outcome.Action, outcome.Control
			all.Reason += "; " + key.ID + ": " + outcome.Reason
		}
	}
	return all, nil
}
