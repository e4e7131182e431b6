package cloud

import (
	"context"
	"errors"
	"sync"
)

// crew runs a bounded number of jobs at once and keeps their first errors. A crew of one works in the caller's own
// goroutine, so that calls come in a repeatable order.
type crew struct {
	places chan struct{}
	alone  bool
	group  sync.WaitGroup
	mu     sync.Mutex
	failed []error
}

// keptErrors bounds how many errors a crew reports: a broken account would say the same ten thousand times.
const keptErrors = 3

func newCrew(size int) *crew { return &crew{places: make(chan struct{}, size), alone: size <= 1} }

// do runs the job now or as soon as there is a place. Its own error is only that of a cancelled context.
func (c *crew) do(ctx context.Context, job func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.alone {
		c.keep(job())
		return nil
	}
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.group.Go(func() {
		defer func() { <-c.places }()
		c.keep(job())
	})
	return nil
}

func (c *crew) keep(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) < keptErrors {
		c.failed = append(c.failed, err)
	}
}

func (c *crew) wait() error {
	c.group.Wait()
	return errors.Join(c.failed...)
}
