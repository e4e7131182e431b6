package detect

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
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
	err := h.Secrets.Tag(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN}, missing)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, guard.ErrRefused), errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrDenied):
		h.Log.WarnContext(ctx, "tag", "account", s.Account, "region", s.Region, "secret", s.ARN, "action", "tag_refused", "error", err)
		return false, nil
	default:
		return false, fmt.Errorf("tag secret: %w", err)
	}
}
