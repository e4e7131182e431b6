package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Documents keeps documents of one kind in the table of the records: one partition per group, and one that
// names the groups.
type Documents struct {
	t    *Table
	kind string
	keep time.Duration // after its last write, after which a document is forgotten; 0: never
}

// Documents opens the documents of a kind.
func (t *Table) Documents(kind string) *Documents { return &Documents{t: t, kind: kind} }

// DocumentsFor opens documents that are forgotten some time after they were last written.
func (t *Table) DocumentsFor(kind string, keep time.Duration) *Documents {
	return &Documents{t: t, kind: kind, keep: keep}
}

func (d *Documents) key(group, id string) item {
	return item{AttributeKey: text("document#" + d.kind + "#" + group), AttributeSort: text(id)}
}

func (d *Documents) groupsKey(group string) item {
	return item{AttributeKey: text("documents#" + d.kind), AttributeSort: text(group)}
}

// Load reads a document, as last written. One that was never written has Revision 0; one that cannot be read is set aside,
// stays where it is, and is answered as a *store.Unreadable.
func (d *Documents) Load(ctx context.Context, group, id string) (store.Document, error) {
	none := store.Document{Kind: d.kind, Group: group, ID: id}
	it, err := d.t.getItem(ctx, d.key(group, id))
	if err != nil {
		return none, session.Fail(err, "load %s %s", d.kind, id)
	}
	if len(it) == 0 {
		return none, nil
	}
	doc, bad, err := d.documentOf(ctx, group, it)
	switch {
	case err != nil:
		return none, session.Fail(err, "load %s %s", d.kind, id)
	case bad != nil:
		return none, bad
	case doc.Revision == 0:
		return none, nil
	}
	return doc, nil
}

// LoadAnew reads a document whose loss costs nothing but what it remembered. One that cannot be read is moved into quarantine,
// and is one that was never written; that of a newer version alone is answered as a *store.Unreadable.
func (d *Documents) LoadAnew(ctx context.Context, group, id string, into any) (revision int64, err error) {
	was, _, err := d.t.orAnew(ctx, d.key(group, id), into)
	if bad, is := errors.AsType[*store.Unreadable](err); is {
		_, err = d.t.aside(ctx, was.it, bad)
		err = cmp.Or(err, error(bad))
	}
	return was.revision, session.Fail(err, "load %s %s", d.kind, id)
}

// Save writes a document if nobody wrote it since it was loaded, and else answers guard.ErrConflict. It is stored with
// Revision one higher than it came. encode makes the body from what is stored, nil where nothing is.
func (d *Documents) Save(ctx context.Context, doc store.Document, encode func(stored json.RawMessage) (json.RawMessage, error)) error {
	w := write{it: d.key(doc.Group, doc.ID)}
	if doc.Revision == 0 { // the group first: a document that no list finds would be lost
		err := session.Fail(d.t.put(ctx, d.groupsKey(doc.Group), ifNew, nil, nil), "name group %s of %s", doc.Group, d.kind)
		if err != nil && !errors.Is(err, guard.ErrConflict) { // one that is named already stays as it is, whoever named it
			return err
		}
	} else {
		var err error
		if w.was, err = d.t.get(ctx, w.it); err != nil {
			return session.Fail(err, "save %s %s", d.kind, doc.ID)
		}
		if w.was.revision != doc.Revision {
			return fmt.Errorf("save %s %s: %w", d.kind, doc.ID, guard.ErrConflict)
		}
	}
	body, err := encode(json.RawMessage(w.was.body))
	if err != nil {
		return fmt.Errorf("save %s %s: %w", d.kind, doc.ID, err)
	}
	w.body = string(body)
	if d.keep > 0 {
		w.it[AttributeExpires] = number(d.t.c.Options().Now().Add(d.keep).Unix())
	}
	return session.Fail(d.t.versioned(ctx, w), "save %s %s", d.kind, doc.ID)
}

// SetAside copies a document into quarantine that its owner cannot read. It stays where it is.
func (d *Documents) SetAside(ctx context.Context, why store.Unreadable) error {
	it, err := d.t.getItem(ctx, d.key(why.Group, why.ID))
	if err != nil || len(it) == 0 {
		return session.Fail(err, "set %s %s aside", d.kind, why.ID)
	}
	_, err = d.t.aside(ctx, it, &why)
	return err
}

// Groups lists the groups that have documents, sorted.
func (d *Documents) Groups(ctx context.Context) ([]string, error) {
	var out []string
	err := d.t.query(ctx, "documents#"+d.kind, "", func(it item) error {
		out = append(out, textOf(it[AttributeSort]))
		return nil
	})
	return out, session.Fail(err, "list groups of %s", d.kind)
}

// List yields the documents of a group, sorted by id; of one that cannot be read why, and it is set aside as Load does. An
// error of yield ends it.
func (d *Documents) List(ctx context.Context, group string, yield func(store.Document, *store.Unreadable) error) error {
	var ended error
	err := d.t.query(ctx, "document#"+d.kind+"#"+group, "", func(it item) error {
		doc, bad, err := d.documentOf(ctx, group, it)
		if err != nil || doc.Revision == 0 && bad == nil {
			return err
		}
		ended = yield(doc, bad)
		return ended
	})
	if ended != nil {
		return ended
	}
	return session.Fail(err, "list %s", d.kind)
}

// documentOf reads an item: the zero Document where it is gone meanwhile.
func (d *Documents) documentOf(ctx context.Context, group string, it item) (store.Document, *store.Unreadable, error) {
	doc := store.Document{Kind: d.kind, Group: group, ID: textOf(it[AttributeSort])}
	r, err := d.t.read(ctx, it)
	var body json.RawMessage
	switch {
	case err == nil && r.it == nil:
		return doc, nil, nil
	case err == nil && r.revision == 0:
		err = unreadable(it, "it has no revision")
	case err == nil:
		err = r.decode(&body)
	}
	bad, err := d.t.aside(ctx, it, err)
	doc.Body, doc.Revision = json.RawMessage(r.body), r.revision
	return doc, bad, err
}
