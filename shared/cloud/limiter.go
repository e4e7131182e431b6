package cloud

import (
	"context"
	"sync"
	"time"
)

// limiter lets one call through per interval and waits for the rest. The wall clock counts, whatever Options.Now says:
// it is AWS that counts.
type limiter struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time
}

// wait takes the next free moment, in the order of asking, and waits for it. A caller that gives up leaves its moment
// unused.
func (l *limiter) wait(ctx context.Context) error {
	l.mu.Lock()
	now := time.Now()
	at := l.next
	if at.Before(now) {
		at = now
	}
	l.next = at.Add(l.every)
	l.mu.Unlock()
	return sleepUntil(ctx, at.Sub(now))
}

func sleepUntil(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
