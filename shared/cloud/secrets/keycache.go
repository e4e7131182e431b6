package secrets

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// keyCache remembers what keys are. Answers that may soon be better (missing, denied) are kept a fifth as long.
type keyCache struct {
	ttl time.Duration
	now func() time.Time

	mu      sync.Mutex
	entries map[string]keyEntry
}

type keyEntry struct {
	asked string // id the key was asked by
	key   guard.Key
	err   error
	until time.Time
}

// cachedKeys bounds the cache: a hub sees a few keys per account and Region.
const cachedKeys = 20_000

func newKeyCache(ttl time.Duration, now func() time.Time) *keyCache {
	return &keyCache{ttl: ttl, now: now, entries: map[string]keyEntry{}}
}

func (k *keyCache) get(name string) (guard.Key, error, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, found := k.entries[name]
	if !found || !k.now().Before(e.until) {
		return guard.Key{}, nil, false
	}
	return e.key, e.err, true
}

// put keeps an answer. Throttling, timeouts and broken calls are no answers.
func (k *keyCache) put(name, asked string, key guard.Key, err error) {
	ttl := k.ttl
	switch {
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		ttl /= 5
	case err != nil:
		return
	case key.State == guard.KeyMissing:
		ttl /= 5
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.entries) >= cachedKeys {
		clear(k.entries)
	}
	k.entries[name] = keyEntry{asked: asked, key: key, err: err, until: k.now().Add(ttl)}
}

// forget drops every answer that the name (id, ARN, alias or alias ARN) led to or that is about it.
func (k *keyCache) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for at, e := range k.entries {
		if e.is(name) {
			delete(k.entries, at)
		}
	}
}

func (e keyEntry) is(name string) bool {
	short := name
	if a := arn.Of(name); a.Resource != "" {
		short = strings.TrimPrefix(a.Resource, "key/")
	}
	return e.asked == name || e.asked == short || strings.HasSuffix(e.asked, ":"+short) ||
		e.key.ARN == name || (e.key.ID != "" && e.key.ID == short)
}
