package detect

import (
	"context"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// A client that is refused tries again, for ever: in refusedFor each process looks at a secret a single time for that, and at
// mostRefused secrets. What is refused still is looked at in the next.
const (
	refusedFor  = time.Minute
	mostRefused = 10
)

// refusals are the secrets that were looked at because a read was refused. Forgetting is harmless.
type refusals struct {
	mu     sync.Mutex
	since  time.Time
	secret map[string]bool
}

// first reports whether to look at a secret.
func (r *refusals) first(secret string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since).Abs() >= refusedFor {
		r.since, r.secret = now, map[string]bool{}
	}
	if r.secret[secret] || len(r.secret) == mostRefused {
		return false
	}
	r.secret[secret] = true
	return true
}

func (r *refusals) forget(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.secret, secret)
}

// lookAtRefused has a secret inspected whose read a key refused: the event that made it so may have been lost, that of the key or
// that of the secret. A secret of another account is looked at for the event of its own.
func (h *Handler) lookAtRefused(ctx context.Context, c trail.Change, cause guard.Cause, queue string) error {
	secret := secretARN(c.Secret)
	if c.Secret.ID == "" || arn.Of(secret).Account != c.Account || !h.refused.first(secret, h.Now()) {
		return nil
	}
	err := h.fanOut(ctx, queue, cause, entries{{Entry: guard.Entry{Secret: c.Secret.ID, Account: c.Secret.Account, Region: c.Secret.Region}}})
	if err != nil {
		h.refused.forget(secret)
	}
	return err
}
