package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
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

// inspectOverwritten ends what is recorded of secrets that were replaced by a replica of another, now that this one's record has the
// replica. It looks where a replica is recorded for the first time, or in another status, and at the one that led to its primary.
func (h *Handler) inspectOverwritten(ctx context.Context, before guard.Record, s guard.Secret, i *inspection) error {
	for _, r := range s.Replicas {
		id := arn.Of(s.ARN).In(r.Region).String()
		known := func(c guard.HeldCopy) bool {
			return c.Kind == guard.LocationReplica && c.Region == r.Region && c.Status == r.Status
		}
		if id != i.from && slices.ContainsFunc(before.Held.Elsewhere, known) {
			continue
		}
		if err := h.endOverwritten(ctx, guard.SecretRef{Account: s.Account, Region: r.Region, ID: id}, i.cause); err != nil {
			return fmt.Errorf("end what is recorded of %s: %w", id, err)
		}
	}
	return nil
}

// endOverwritten ends the record of a secret, if there is one, and the secret is a replica now. Where that cannot be seen the record stays.
func (h *Handler) endOverwritten(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error {
	for range rounds {
		rec, err := h.Records.Load(ctx, ref.ID)
		if _, unreadable := errors.AsType[*store.Unreadable](err); unreadable {
			return nil // a sweep says so
		}
		if err != nil {
			return err
		}
		if rec.Revision == 0 || !rec.GoneAt.IsZero() && len(rec.Open())+len(rec.Entries()) == 0 {
			return nil
		}
		s, err := h.Secrets.Describe(ctx, ref)
		switch {
		case errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), err == nil && !s.IsReplica():
			return nil
		case err != nil:
			return err
		}
		if _, err = h.commit(ctx, rec, guard.ReconcileReplica(rec, h.Now(), cause)); !errors.Is(err, guard.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w %d times", guard.ErrConflict, rounds)
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
			found = append(found, h.entryOf(s))
		}
	}
	return found, nil
}

// entryOf is an entry of a secret that was just looked at, whatever is recorded of it.
func (h *Handler) entryOf(s guard.Secret) guard.Entry {
	return guard.Entry{Secret: s.ARN, Account: s.Account, Region: s.Region, Name: s.Name, At: h.Now(), GoneAt: s.DeletedAt, Held: guard.HeldOf(s, guard.Held{}, time.Time{})}
}
