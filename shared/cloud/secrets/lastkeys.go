package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// lastKeys is what KMS said last of keys, for the time when it cannot be asked.
type lastKeys struct {
	answers store.Answers
	now     func() time.Time

	mu   sync.Mutex
	kept map[string]keptAnswer // by question: what this process kept, so that the table is asked once an hour and key
	used map[string]usedAnswer // by question: what stands in for KMS now
}

type keptAnswer struct {
	body []byte
	at   time.Time
}

type usedAnswer struct {
	key   guard.Key
	until time.Time // KMS is asked again after it
}

const (
	keptFor = time.Hour        // as long as the table keeps an answer that stays the same
	usedFor = 30 * time.Second // so that a secret with many keys does not wait for KMS at each of them
)

func newLastKeys(answers store.Answers, now func() time.Time) *lastKeys {
	return &lastKeys{answers: answers, now: now, kept: map[string]keptAnswer{}, used: map[string]usedAnswer{}}
}

// describeOrLast describes a key. While KMS cannot be asked, it is as it was described last, and says so.
func (k *Keys) describeOrLast(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	if k.last == nil {
		return k.describe(ctx, ref)
	}
	question := "kms:DescribeKey " + ref.Account + " " + ref.Region + " " + ref.ID
	if key, used := k.last.standsIn(question); used {
		return key, nil
	}
	key, err := k.describe(ctx, ref)
	switch {
	case err == nil && key.State != guard.KeyMissing:
		k.last.keep(ctx, question, key)
	case errors.Is(err, guard.ErrUnavailable):
		return k.last.use(ctx, question, err)
	}
	return key, err
}

func (l *lastKeys) standsIn(question string) (guard.Key, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, found := l.used[question]
	return u.key, found && l.now().Before(u.until)
}

// keep remembers what KMS said. Where it cannot, nothing is lost but the answer for an outage.
func (l *lastKeys) keep(ctx context.Context, question string, key guard.Key) {
	body, err := json.Marshal(key)
	if err != nil {
		return
	}
	now := l.now().UTC()
	l.mu.Lock()
	delete(l.used, question)
	was, found := l.kept[question]
	l.mu.Unlock()
	if found && now.Sub(was.at) < keptFor && bytes.Equal(was.body, body) {
		return
	}
	if l.answers.Keep(ctx, question, store.Answer{At: now, Body: body}) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) >= cachedKeys {
		clear(l.kept)
	}
	l.kept[question] = keptAnswer{body, now}
}

// use answers what was said last; the error of now where that is nothing, or too old.
func (l *lastKeys) use(ctx context.Context, question string, now error) (guard.Key, error) {
	last, err := l.answers.Last(ctx, question)
	if err != nil {
		return guard.Key{}, errors.Join(now, err)
	}
	var key guard.Key
	if !last.Usable(l.now()) || json.Unmarshal(last.Body, &key) != nil {
		return guard.Key{}, now
	}
	key.AsOf = last.At.UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.used) >= cachedKeys {
		clear(l.used)
	}
	l.used[question] = usedAnswer{key, l.now().Add(usedFor)}
	return key, nil
}
