package cloud

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLimiterKeepsItsDistanceWhoeverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := &limiter{every: 500 * time.Millisecond}
		var mu sync.Mutex
		var passed []time.Duration
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := l.wait(t.Context()); err != nil {
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
		if err := l.wait(t.Context()); err != nil || time.Since(before) != 0 {
			t.Errorf("after a pause waited %v, %v", time.Since(before), err)
		}
	})
}

func TestTheLimiterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limiter{every: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := errors.Join(l.wait(ctx)); err != nil {
			t.Fatal(err)
		}
		if err := l.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want a deadline", err)
		}
	})
}
