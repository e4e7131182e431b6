package session

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Workers is a pool that runs a bounded number of jobs at once and keeps their first errors, so that one failure stops
// no other job. A pool of one works in the caller's own goroutine, so that calls come in a repeatable order.
type Workers struct {
	alone bool
	group errgroup.Group

	mu     sync.Mutex
	failed []error
}

// keptErrors bounds how many errors a pool reports: a broken account would say the same ten thousand times.
const keptErrors = 3

// Workers makes a pool as large as Options.Concurrency.
func (c *Cloud) Workers() *Workers {
	w := &Workers{alone: c.opt.Concurrency <= 1}
	w.group.SetLimit(max(c.opt.Concurrency, 1))
	return w
}

// Do runs the job now or as soon as a worker is free. Its own error is only that of a cancelled context.
func (w *Workers) Do(ctx context.Context, job func() error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.alone:
		w.keep(job())
	default:
		w.group.Go(func() error {
			w.keep(job())
			return nil
		})
	}
	return nil
}

func (w *Workers) keep(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failed) < keptErrors {
		w.failed = append(w.failed, err)
	}
}

// Wait waits for all jobs and returns their first errors.
func (w *Workers) Wait() error {
	_ = w.group.Wait() // its errors are kept here
	return errors.Join(w.failed...)
}
