package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Entries keeps lists that grow in the same table, an item an element.
type Entries struct {
	t    *Table
	keep time.Duration // after which an element is forgotten; 0: never
}

// Entries opens the lists of the table.
func (t *Table) Entries() *Entries { return &Entries{t: t} }

// EntriesFor opens lists whose elements are forgotten some time after they were written.
func (t *Table) EntriesFor(keep time.Duration) *Entries { return &Entries{t: t, keep: keep} }

func entryKey(list, id string) item {
	return item{AttributeKey: text("list#" + list), AttributeSort: text(id)}
}

// Add writes an element, once: a repeat of its id keeps what was written first, and is no error.
func (e *Entries) Add(ctx context.Context, list, id string, body json.RawMessage) error {
	it := entryKey(list, id)
	if e.keep > 0 {
		it[AttributeExpires] = number(e.t.c.Options().Now().Add(e.keep).Unix())
	}
	err := session.Fail(e.t.write(ctx, write{it: it, body: string(body)}, ifNew, nil), "add to %s", list)
	if errors.Is(err, guard.ErrConflict) {
		return nil
	}
	return err
}

// Has finds an element by its id, without reading the list.
func (e *Entries) Has(ctx context.Context, list, id string) (bool, error) {
	it, err := e.t.getItem(ctx, entryKey(list, id))
	return len(it) > 0, session.Fail(err, "look into %s", list)
}

// Read yields the elements of a list, sorted by id, each whole; of one that cannot be read why. An error of yield ends it,
// but not where it says that it cannot read it either: that is set aside.
func (e *Entries) Read(ctx context.Context, list string, yield func(id string, body json.RawMessage, bad *store.Unreadable) error) error {
	var ended error
	err := e.t.query(ctx, "list#"+list, "", func(it item) error {
		r, err := e.t.read(ctx, it)
		var body json.RawMessage
		if err == nil {
			err = r.decode(&body)
		}
		bad, err := e.t.aside(ctx, it, err)
		if err != nil {
			return err
		}
		ended, err = e.t.yielded(ctx, it, yield(textOf(it[AttributeSort]), body, bad))
		return cmp.Or(ended, err)
	})
	if ended != nil {
		return ended
	}
	return session.Fail(err, "read %s", list)
}
