package trails

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestTheLimiterKeepsItsDistanceWhoeverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := lookupLimit(0)
		var mu sync.Mutex
		var passed []time.Duration
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := waitFor(t.Context(), l); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				passed = append(passed, time.Since(start))
			})
		}
		all.Wait()
		want := []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}
		if !slices.Equal(passed, want) {
			t.Errorf("passed at %v, want %v", passed, want)
		}
		time.Sleep(time.Minute)
		before := time.Now()
		if err := waitFor(t.Context(), l); err != nil || time.Since(before) != 0 {
			t.Errorf("after a pause waited %v, %v", time.Since(before), err)
		}
	})
}

func TestTheLimiterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lookupLimit(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := waitFor(ctx, l); err != nil {
			t.Fatal(err)
		}
		if err := waitFor(ctx, l); !errors.Is(err, guard.ErrThrottled) {
			t.Errorf("error %v, want %v", err, guard.ErrThrottled)
		}
		cancel()
		if err := waitFor(ctx, l); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}
