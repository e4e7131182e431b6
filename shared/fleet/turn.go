package fleet

import (
	"context"
	"sync"
)

// turn lets one caller at a time ask AWS and remember the answer; the others wait for it, each no longer than its own context.
// A mutex would have them wait for as long as the call takes. The zero turn is free.
type turn struct {
	once  sync.Once
	taken chan struct{}
}

// take waits until it is the caller's turn, which ends with give. Errors: the cause why ctx ended.
func (t *turn) take(ctx context.Context) error {
	t.once.Do(func() { t.taken = make(chan struct{}, 1) })
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *turn) give() { <-t.taken }
