package store

import (
	"sync"
	"time"
)

var processStart = time.Now()

// Elapsed is the time since some moment in this process, by a clock that nobody sets.
func Elapsed() time.Duration { return time.Since(processStart) }

// Since is how long ago something was by both clocks of this machine, the longer of them: the monotonic one may stand still
// while the machine is frozen, and the other may be set. at has both, as time.Now gives it.
func Since(at time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)))
}

// Sights are what this process saw of what others write, and when by its own monotonic clock. The zero value saw nothing. It
// is safe for concurrent use.
type Sights struct {
	mu   sync.Mutex
	seen map[string]sight
}

type sight struct {
	counter int64
	at      time.Duration
}

// mostSeen bounds what a process remembers; what is forgotten is watched from the beginning.
const mostSeen = 10_000

// Unchanged is how long this process has seen a counter of something as it is. now is from Elapsed.
func (s *Sights) Unchanged(what string, counter int64, now time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	saw, found := s.seen[what]
	if found && saw.counter == counter {
		return now - saw.at
	}
	if s.seen == nil || len(s.seen) >= mostSeen {
		s.seen = map[string]sight{}
	}
	s.seen[what] = sight{counter, now}
	return 0
}
