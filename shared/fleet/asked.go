package fleet

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// asked are the look-ups of a batch of pre-flights: what several secrets have in common is asked once. Nothing of it is
// believed for longer than partsFor.
type asked struct {
	reader       Reader
	until        time.Time
	organization lookups[inventory.Snapshot]
	principals   lookups[inventory.Snapshot]
	keys         lookups[*inventory.Key]
	roles        lookups[string]
}

// Principals are those of an account.
func (a *asked) Principals(ctx context.Context, account string) (inventory.Snapshot, error) {
	return a.principals.get(ctx, account, func() (inventory.Snapshot, error) { return a.reader.Principals(ctx, account) })
}

// Key is one key wherever it is.
func (a *asked) Key(ctx context.Context, account, region, id string) (*inventory.Key, error) {
	return a.keys.get(ctx, account+"|"+region+"|"+id, func() (*inventory.Key, error) { return a.reader.Key(ctx, account, region, id) })
}

// named is a key as UpdateSecret takes it for a secret: "" is the AWS managed one. Of one that is not found nothing is known.
func (a *asked) named(ctx context.Context, s guard.Secret, key string) (inventory.Key, error) {
	if key == "" || arn.Alias(key) == guard.DefaultKeyAlias {
		return inventory.Key{Facts: guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}}, nil
	}
	found, err := a.Key(ctx, cmp.Or(arn.Of(key).Account, s.Account), s.Region, key)
	if errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrNotOurs) {
		found, err = nil, nil
	}
	if err != nil {
		return inventory.Key{}, err
	}
	if found == nil {
		const unread = "it could not be read"
		return inventory.Key{Facts: guard.Key{ARN: key, ID: key, Account: arn.Of(key).Account, Region: s.Region}, PolicyUnread: unread, GrantsUnread: unread, SharedUnread: unread}, nil
	}
	return *found, nil
}

// Secrets is not shared: no two pre-flights are about one secret.
func (a *asked) Secrets(ctx context.Context, account, region string, yield func(inventory.Secret)) error {
	return a.reader.Secrets(ctx, account, region, yield)
}

// Keys is not shared: a pre-flight asks for single ones.
func (a *asked) Keys(ctx context.Context, account, region string, yield func(inventory.Key)) error {
	return a.reader.Keys(ctx, account, region, yield)
}

var _ Reader = (*asked)(nil)

// lookups keeps answers by what was asked for. Who asks for the same at the same time waits for the first, each no longer
// than its own context; who asks for something else does not.
type lookups[T any] struct {
	mu   sync.Mutex
	have map[string]*lookup[T]
}

type lookup[T any] struct {
	turn  turn
	done  bool
	value T
	err   error
}

func (l *lookups[T]) get(ctx context.Context, of string, ask func() (T, error)) (T, error) {
	l.mu.Lock()
	if l.have == nil {
		l.have = map[string]*lookup[T]{}
	}
	one := l.have[of]
	if one == nil {
		one = &lookup[T]{}
		l.have[of] = one
	}
	l.mu.Unlock()
	if err := one.turn.take(ctx); err != nil {
		var none T
		return none, err
	}
	defer one.turn.give()
	if one.done {
		return one.value, one.err
	}
	value, err := ask()
	// What passes by itself, and who ran out of time, says nothing to the next.
	if err == nil || ctx.Err() == nil && !errors.Is(err, guard.ErrThrottled) {
		one.value, one.err, one.done = value, err, true
	}
	return value, err
}
