package detect

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// tag writes the tags that are missing, where the mode allows tags at all, and of a secret whose state is not known any
// more corrects those that say what it was: a tag that does not follow the record is false. A secret that cannot be tagged is no reason
// to handle its event again: the record says the same.
func (h *Handler) tag(ctx context.Context, rec guard.Record, s guard.Secret, mode guard.Mode) (bool, error) {
	decision := guard.Decide(rec.State, mode, false)
	if !decision.Tag && !decision.Retag || s.Foreign() || s.PendingDeletion() {
		return false, nil
	}
	want := guard.Tags(rec)
	if !decision.Tag {
		want = guard.OwnTags(s.Tags, want)
	}
	missing := guard.MissingTags(s.Tags, want)
	if len(missing) == 0 {
		return false, nil
	}
	how, err := h.writeTags(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN}, missing)
	_, paused := errors.AsType[*store.PausedError](err)
	_, unreadable := errors.AsType[*store.Unreadable](err) // the intent: nobody may write the tags until it is repaired
	switch {
	case err == nil:
		return how == store.Made, nil
	case paused: // the look of the next sweep writes them
		h.Log.InfoContext(ctx, "tag", "account", s.Account, "region", s.Region, "secret", s.ARN, "action", "postponed", "reason", err.Error())
		return false, nil
	case unreadable, errors.Is(err, guard.ErrRefused), errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrDenied):
		h.Log.WarnContext(ctx, "tag", "account", s.Account, "region", s.Region, "secret", s.ARN, "action", "tag_refused", "error", err)
		return false, nil
	default:
		return false, fmt.Errorf("tag secret: %w", passing(err))
	}
}

// passing says of what another worker is at, or may have done, that waiting mends it: the event is not broken. The lease of a
// worker that died is longer than a queue brings a message five times.
func passing(err error) error {
	switch {
	case errors.Is(err, store.ErrHeld), errors.Is(err, store.ErrLost), errors.Is(err, store.ErrFenced):
		return fmt.Errorf("%w: %w", guard.ErrUnsent, err)
	case errors.Is(err, store.ErrUnknown):
		return fmt.Errorf("%w: %w", guard.ErrUnavailable, err)
	}
	return err
}

// writeTags adds tags, a single time for several workers that saw the same. The tags of a secret are a target beside the
// secret: a migration that is at its key holds up no tag.
func (h *Handler) writeTags(ctx context.Context, ref guard.SecretRef, tags map[string]string) (store.Outcome, error) {
	return h.Effects.Do(ctx, ref.ID+"|tags", store.Change{
		Call: "TagResource", Wanted: fmt.Sprint(tags),
		Look: func(ctx context.Context) (bool, error) {
			s, err := h.Secrets.Describe(ctx, ref)
			return err == nil && len(guard.MissingTags(s.Tags, tags)) == 0, err
		},
		Send:  func(ctx context.Context) error { return h.Secrets.Tag(ctx, ref, tags) },
		Later: func(err error) bool { return errors.Is(err, guard.ErrThrottled) },
	})
}
