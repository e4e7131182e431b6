package detect

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
)

// tag writes the tags that are missing, where the mode allows tags at all. A secret that cannot be tagged is no reason
// to handle its event again: the record says the same.
func (h *Handler) tag(ctx context.Context, rec guard.Record, s guard.Secret, mode guard.Mode) (bool, error) {
	if !guard.Decide(rec.State, mode, false).Tag || s.Foreign() || s.PendingDeletion() {
		return false, nil
	}
	missing := guard.MissingTags(s.Tags, guard.Tags(rec))
	if len(missing) == 0 {
		return false, nil
	}
	err := h.Secrets.Tag(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN}, missing)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, guard.ErrRefused), errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrDenied):
		h.log().WarnContext(ctx, "tag", "account", s.Account, "region", s.Region, "secret", s.ARN, "action", "tag_refused", "error", err)
		return false, nil
	default:
		return false, fmt.Errorf("tag secret: %w", err)
	}
}
