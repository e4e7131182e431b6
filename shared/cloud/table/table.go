package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Table is one DynamoDB table of the home Region, in which the hub remembers: one item per resource, and beside them what
// package store names.
type Table struct {
	c    *cloud.Cloud
	name string
	seen store.Sights // of deliveries that others have begun
}

var (
	_ store.Claims    = (*Table)(nil)
	_ store.Counter   = (*Table)(nil)
	_ store.Bookmarks = (*Table)(nil)
	_ store.Documents = (*Documents)(nil)
	_ store.Entries   = (*Entries)(nil)
	_ store.Journal   = (*Journal)(nil)
)

// Open opens a table by its name.
func Open(c *cloud.Cloud, name string) *Table { return &Table{c: c, name: name} }

func (t *Table) client() *dynamodb.Client {
	return session.Client(t.c, t.c.Home(), dynamodb.NewFromConfig)
}

func recordKey(resource string) item {
	return item{AttributeKey: text("resource#" + resource), AttributeSort: text(recordSort)}
}

// Load reads the record of a resource, as last written. A resource never seen has the zero Record, at Revision 0. So has one
// whose record could not be read: it is set aside, and the next look makes a new one. One that needs a newer version is
// left alone, and answered as a *store.Unreadable.
func (t *Table) Load(ctx context.Context, resource string) (guard.Record, error) {
	rec, it, err := t.load(ctx, resource)
	if bad, is := errors.AsType[*store.Unreadable](err); is && !bad.Newer {
		if err := t.displace(ctx, it, *bad); err != nil {
			return guard.Record{}, fmt.Errorf("%w; set it aside: %w", bad, session.Fail(err, "write quarantine"))
		}
		return guard.Record{}, nil
	}
	if err != nil {
		return guard.Record{}, session.Fail(err, "load record of %s", resource)
	}
	return rec, nil
}

// load reads a record, with the item that it is in.
func (t *Table) load(ctx context.Context, resource string) (guard.Record, item, error) {
	r, err := t.get(ctx, recordKey(resource))
	if err != nil || r.it == nil {
		return guard.Record{}, r.it, err
	}
	rec, err := r.record()
	return rec, r.it, err
}

// record reads the record in a row.
func (r row) record() (guard.Record, error) {
	var rec guard.Record
	if err := r.decode(&rec); err != nil {
		return guard.Record{}, err
	}
	switch of := subject(r.it); {
	case r.revision == 0:
		return guard.Record{}, unreadable(r.it, "it has no revision")
	case rec.Resource == "":
		return guard.Record{}, unreadable(r.it, "its body names no resource")
	case rec.Resource != of.ID:
		return guard.Record{}, unreadable(r.it, "its body is of another resource")
	}
	rec.Revision = r.revision
	return rec, nil
}

// CheckRecord says why a body is no record of a resource, as a *store.Unreadable.
func CheckRecord(resource string, body []byte) error {
	it := recordKey(resource)
	_, err := row{it: it, revision: 1, body: string(body)}.record()
	return err
}

// Save writes a record if nobody wrote it since it was loaded, and else answers guard.ErrConflict: load and decide
// again. It is stored with Revision one higher than it came, which is what a later Save must come with, and with what a
// newer version has stored in it, together with what it changes of the index. That of a secret that is gone is forgotten some time after, or the table would grow with
// every secret there ever was; a secret that is restored is written without an end again.
func (t *Table) Save(ctx context.Context, rec guard.Record) error {
	w := write{}
	if rec.Revision > 0 {
		var err error
		if w.was, err = t.get(ctx, recordKey(rec.Resource)); err != nil {
			return session.Fail(err, "save record of %s", rec.Resource)
		}
		if w.was.revision != rec.Revision {
			return fmt.Errorf("save record of %s: %w", rec.Resource, guard.ErrConflict)
		}
	}
	rec.Revision++
	body, err := store.Merge([]byte(w.was.body), rec)
	if err != nil {
		return fmt.Errorf("save record of %s: %w", rec.Resource, err)
	}
	var before guard.Record
	if w.was.body != "" { // one that cannot be read is no record: Load has set it aside
		if before, err = w.was.record(); err != nil {
			return fmt.Errorf("save record of %s: %w", rec.Resource, err)
		}
	}
	w.it, w.body = t.recordItem(rec), string(body)
	w.puts, w.removals = t.moved(before, rec)
	return session.Fail(t.versioned(ctx, w), "save record of %s", rec.Resource)
}

// recordItem is the item of a record, without its body.
func (t *Table) recordItem(rec guard.Record) item {
	it := recordKey(rec.Resource)
	it[attributeState] = text(string(rec.State))
	if forgotten := t.forgotten(rec); forgotten != nil {
		it[AttributeExpires] = forgotten
	}
	return it
}

// recordOf reads the record that a list found: the zero Record for one that is gone meanwhile. One that cannot be read is
// set aside, stays where it is, and is answered apart.
func (t *Table) recordOf(ctx context.Context, it item) (rec guard.Record, bad *store.Unreadable, err error) {
	r, err := t.read(ctx, it)
	switch {
	case err == nil && r.it != nil && !known(it):
		if wrote, is := numberOf(it[attributeSchema]); is && wrote > Schema {
			return rec, nil, nil // a newer version's own, of a kind that came with it
		}
		err = unreadable(it, nobody)
	case err == nil && r.it != nil:
		rec, err = r.record()
	}
	bad, err = t.aside(ctx, it, err)
	return rec, bad, err
}

// All yields every record, in no order, page by page; of a row that cannot be read, or that nobody reads, why. An error of
// yield ends it.
func (t *Table) All(ctx context.Context, yield func(guard.Record, *store.Unreadable) error) error {
	condition, values := strange()
	pages := dynamodb.NewScanPaginator(t.client(), &dynamodb.ScanInput{
		TableName: &t.name, FilterExpression: &condition, ExpressionAttributeValues: values,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "scan records")
		}
		for _, it := range page.Items {
			rec, bad, err := t.recordOf(ctx, it)
			if err != nil {
				return session.Fail(err, "read record")
			}
			if rec.Revision == 0 && bad == nil {
				continue
			}
			if err := yield(rec, bad); err != nil {
				return err
			}
		}
	}
	return nil
}
