package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Intents keeps what is about to be done to targets, in the same table as the records.
type Intents struct {
	t *Table

	mu    sync.Mutex
	newer map[string]item // of items that a newer version wrote, as read last: what their next write has to carry
}

// Intents opens the intents of the table.
func (t *Table) Intents() *Intents { return &Intents{t: t, newer: map[string]item{}} }

var _ store.Intents = (*Intents)(nil)

// keepIntents is how long an intent is kept that nobody writes: far longer than any worker sleeps.
const keepIntents = 90 * 24 * time.Hour

func intentKey(target string) item {
	return item{AttributeKey: text("intent#" + target), AttributeSort: text(store.KindIntent)}
}

func watchKey(target string) item {
	return item{AttributeKey: text("intent#" + target), AttributeSort: text(store.KindWatch)}
}

// mostFence leaves room for as many owners as there may ever be: each adds one.
const mostFence = 1 << 62

// Intent reads an intent as last written. Revision 0: none is kept. One that cannot be read is set aside, stays where it is,
// and is answered as a *store.Unreadable: nobody knows who may change the target.
func (i *Intents) Intent(ctx context.Context, target string) (store.Intent, error) {
	var have store.Intent
	was, err := i.t.orAside(ctx, intentKey(target), &have)
	if err != nil {
		return store.Intent{}, session.Fail(err, "read intent for %s", target)
	}
	if was.revision > 0 && (have.Target != target || have.Fence < 0 || have.Fence > mostFence) {
		bad := unreadable(was.it, "its body is of another target, or its fence is below 0 or above %d", int64(mostFence))
		_, err = i.t.aside(ctx, was.it, bad)
		return store.Intent{}, session.Fail(cmp.Or(err, error(bad)), "read intent for %s", target)
	}
	i.remember(was.it)
	have.Target, have.Revision, have.Stored = target, was.revision, json.RawMessage(was.body)
	return have, nil
}

// remember keeps an item that a newer version wrote until it is read again.
func (i *Intents) remember(it item) {
	if len(it) == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	of := textOf(it[AttributeKey]) + "|" + textOf(it[AttributeSort])
	if wrote, _ := numberOf(it[attributeSchema]); wrote > Schema || len(carried(it)) > 0 {
		i.newer[of] = it
	} else {
		delete(i.newer, of)
	}
}

func (i *Intents) remembered(key item) item {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.newer[textOf(key[AttributeKey])+"|"+textOf(key[AttributeSort])]
}

// SetIntent writes an intent if nobody wrote it since it was read, and else answers false.
func (i *Intents) SetIntent(ctx context.Context, next store.Intent) (bool, error) {
	return i.set(ctx, intentKey(next.Target), row{revision: next.Revision, body: string(next.Stored)}, next, "intent for "+next.Target)
}

// Watch reads what was last seen of an intent. Revision 0: nothing. One that cannot be read is moved into quarantine: who saw it
// waits anew.
func (i *Intents) Watch(ctx context.Context, target string) (store.Watch, error) {
	var have store.Watch
	was, _, err := i.t.orAnew(ctx, watchKey(target), &have)
	if err != nil {
		return store.Watch{}, session.Fail(err, "read watch of %s", target)
	}
	i.remember(was.it)
	have.Target, have.Revision, have.Stored = target, was.revision, json.RawMessage(was.body)
	return have, nil
}

// SetWatch writes what was seen if nobody wrote since it was read, and else answers false.
func (i *Intents) SetWatch(ctx context.Context, next store.Watch) (bool, error) {
	return i.set(ctx, watchKey(next.Target), row{revision: next.Revision, body: string(next.Stored)}, next, "watch of "+next.Target)
}

func (i *Intents) set(ctx context.Context, key item, was row, v any, what string) (bool, error) {
	if was.revision > 0 {
		was.it = i.remembered(key)
	}
	err := i.t.over(ctx, key, was, v, i.t.c.Options().Now().Add(keepIntents))
	switch {
	case errors.Is(err, guard.ErrConflict):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("write %s: %w", what, err)
	}
	return true, nil
}
