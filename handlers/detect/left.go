package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// left are where another secret may be now in place of one that is no more, or of a replica that it has no more: what was deleted
// may have been made again under its name, and a replica that was promoted is a secret of its own. The event of that may have been lost.
func (h *Handler) left(e guard.Entry, s guard.Secret) []guard.SecretRef {
	var locations []guard.SecretRef
	if s.ARN == "" {
		locations = append(locations, guard.SecretRef{Account: e.Account, Region: e.Region, ID: e.Name})
	}
	for _, c := range e.Held.Elsewhere {
		has := func(r guard.Replica) bool { return r.Region == c.Region }
		if c.Kind == guard.LocationReplica && slices.Contains(h.Regions, c.Region) && !slices.ContainsFunc(s.Replicas, has) {
			locations = append(locations, guard.SecretRef{Account: c.Account, Region: c.Region, ID: e.Name})
		}
	}
	return locations
}

// inspectLeft inspects what is left of a recorded secret, before its record forgets what was there.
func (h *Handler) inspectLeft(ctx context.Context, rec guard.Record, s guard.Secret, i *inspection) error {
	if rec.Revision == 0 || i.left {
		return nil
	}
	for _, ref := range h.left(guard.Entry{Account: rec.Account, Region: rec.Region, Name: rec.Name, Held: rec.Held}, s) {
		if _, err := h.inspect(ctx, inspection{ref: ref, cause: i.cause, left: true}); err != nil {
			return fmt.Errorf("inspect what is left of %s: %w", rec.Resource, err)
		}
	}
	return nil
}

// leftOf are entries of what is left of one.
func (h *Handler) leftOf(ctx context.Context, e guard.Entry, s guard.Secret) ([]guard.Entry, error) {
	var found []guard.Entry
	for _, ref := range h.left(e, s) {
		s, err := h.Secrets.Describe(ctx, ref)
		switch {
		case errors.Is(err, guard.ErrGone), err == nil && s.IsReplica():
		case err != nil:
			return nil, err
		default:
			found = append(found, guard.Entry{Secret: s.ARN, Account: s.Account, Region: s.Region, Name: s.Name, At: h.Now(), GoneAt: s.DeletedAt, Held: guard.HeldOf(s, guard.Held{}, time.Time{})})
		}
	}
	return found, nil
}
