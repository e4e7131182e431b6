package table

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// quarantine is the partition of the copies of rows that could not be read.
const quarantine = "quarantine"

// keepEnded is how long a copy is kept that nobody needs any more.
const keepEnded = 90 * 24 * time.Hour

func copyKey(name string) item {
	return item{AttributeKey: text(quarantine), AttributeSort: text(name)}
}

// aside sorts out what came of reading an item: one that cannot be read is copied into quarantine and answered apart from
// errors. Whoever may only read the table is answered the same, and copies nothing.
func (t *Table) aside(ctx context.Context, it item, err error) (*store.Unreadable, error) {
	bad, is := errors.AsType[*store.Unreadable](err)
	if !is {
		return nil, err
	}
	err = session.Fail(t.setAside(ctx, it, *bad), "set a row aside")
	if errors.Is(err, guard.ErrDenied) {
		err = nil
	}
	return bad, err
}

// yielded sorts out what a yield answered: it ends the list unless it cannot read the item, which is then set aside.
func (t *Table) yielded(ctx context.Context, it item, answer error) (ended, failed error) {
	bad, is := errors.AsType[*store.Unreadable](answer)
	if !is {
		return answer, nil
	}
	why := unreadable(it, "%s", bad.Reason)
	_, failed = t.aside(ctx, it, why)
	return nil, failed
}

// setAside copies an item into quarantine. The same item is copied a single time, and its copy is open again where it had
// ended.
func (t *Table) setAside(ctx context.Context, it item, why store.Unreadable) error {
	whole, err := t.whole(ctx, it)
	if err != nil {
		return err
	}
	q := store.Quarantined{Unreadable: why, Copy: sum(whole), At: t.c.Options().Now().UTC(), Item: whole}
	made, err := t.getItem(ctx, copyKey(q.Copy))
	if err != nil || made[attributeParts] != nil && made[AttributeExpires] == nil { // a long one is not joined to see that it is open
		return err
	}
	was := row{}
	if len(made) > 0 {
		was, err = t.read(ctx, made)
	}
	have, bad := quarantinedIn(was, err)
	switch {
	case bad != nil && bad.Newer:
		return nil
	case bad != nil: // the copy is broken, too, and the row is there to be copied again
		if err := t.removeIfSame(ctx, was.it); err != nil {
			return err
		}
		was = row{}
	case err != nil:
		return err
	case was.it != nil && have.Open():
		return nil
	case was.it != nil:
		q.At = have.At
	}
	err = t.writeCopy(ctx, q, was)
	if errors.Is(session.Fail(err, "copy"), guard.ErrConflict) {
		return nil // somebody else copied it
	}
	return err
}

// sum names an item by all that is in it.
func sum(whole string) string {
	of := sha256.Sum256([]byte(whole))
	return hex.EncodeToString(of[:6])
}

func (t *Table) writeCopy(ctx context.Context, q store.Quarantined, was row) error {
	body, err := store.Merge([]byte(was.body), q)
	if err != nil {
		return err
	}
	it := copyKey(q.Copy)
	if !q.Open() {
		it[AttributeExpires] = number(q.EndedAt.Add(keepEnded).Unix())
	}
	return t.versioned(ctx, write{it: it, body: string(body), was: was})
}

// whole is an item with the parts of its body, as DynamoDB's own JSON.
func (t *Table) whole(ctx context.Context, it item) (string, error) {
	if it[attributeParts] == nil {
		return encoded(it), nil
	}
	revision, _ := numberOf(it[attributeRevision])
	var body strings.Builder
	err := t.query(ctx, partsKey(it), partPrefix(revision, textOf(it[attributePartOf])), func(part item) error {
		body.WriteString(textOf(part[attributeBody]))
		return nil
	})
	joined := maps.Clone(it)
	joined[attributeBody] = text(body.String())
	return encoded(joined), err
}

// displace moves an item into quarantine, so that another can be made in its stead. One that was written since it was read
// stays.
func (t *Table) displace(ctx context.Context, it item, why store.Unreadable) error {
	if err := t.setAside(ctx, it, why); err != nil {
		return err
	}
	return t.removeIfSame(ctx, it)
}

// removeIfSame takes an item and the parts of its body away, if nobody wrote it since it was read.
func (t *Table) removeIfSame(ctx context.Context, it item) error {
	condition, names, values := unchanged(it)
	_, err := t.client().DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: keyOf(it),
		ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values})
	if errors.Is(session.Fail(err, "remove"), guard.ErrConflict) {
		return nil
	}
	if err != nil || it[attributeParts] == nil {
		return err
	}
	return t.query(ctx, partsKey(it), "", func(part item) error { return t.remove(ctx, keyOf(part)) })
}

// unchanged is the condition that an item is as it was read. The mark of its write is not enough: who wrote a row by hand
// may have kept that of another.
func unchanged(it item) (condition string, names map[string]string, values item) {
	compared := []string{attributeWrite, attributeSchema, attributeNeeds, attributeRevision, attributeParts, attributeBody}
	var all []string
	names, values = map[string]string{}, item{}
	for i, name := range compared {
		alias, value := fmt.Sprintf("#n%d", i), fmt.Sprintf(":v%d", i)
		names[alias] = name
		if it[name] == nil {
			all = append(all, "attribute_not_exists("+alias+")")
			continue
		}
		values[value] = it[name]
		all = append(all, alias+" = "+value)
	}
	if len(values) == 0 {
		values = nil
	}
	return strings.Join(all, " AND "), names, values
}

// Quarantined yields the copies of rows that could not be read, those that ended among them, sorted by name.
func (t *Table) Quarantined(ctx context.Context, yield func(store.Quarantined) error) error {
	err := t.query(ctx, quarantine, "", func(it item) error {
		r, err := t.read(ctx, it)
		q, bad := quarantinedIn(r, err)
		if bad == nil && (err != nil || r.it == nil) {
			return err
		}
		return yield(q)
	})
	return session.Fail(err, "list quarantine")
}

// Open lists the copies of rows about which nothing was done yet, sorted by name: those that doctor and repair count.
func (t *Table) Open(ctx context.Context) ([]store.Quarantined, error) {
	var open []store.Quarantined
	err := t.Quarantined(ctx, func(q store.Quarantined) error {
		if q.Open() {
			open = append(open, q)
		}
		return nil
	})
	return open, err
}

// quarantinedIn reads a copy. One that cannot be read, or is not of the row that it names, stands for itself: somebody has
// to see and discard it like any other row.
func quarantinedIn(r row, err error) (q store.Quarantined, bad *store.Unreadable) {
	if err == nil && r.it != nil {
		if err = r.decode(&q); err == nil {
			err = matches(r.it, q)
		}
	}
	if bad, _ = errors.AsType[*store.Unreadable](err); bad != nil {
		q = store.Quarantined{Unreadable: *bad, Copy: textOf(r.it[AttributeSort]), Item: encoded(r.it)}
	}
	return q, bad
}

// matches says why a copy is not that of the row that it names: what is repaired must be what was shown.
func matches(it item, q store.Quarantined) error {
	if q.Copy != textOf(it[AttributeSort]) {
		return unreadable(it, "its body is of another copy")
	}
	key, err := keyIn(q)
	if err != nil {
		return unreadable(it, "its body holds no row")
	}
	if of := subject(key); of.Kind != q.Kind || of.ID != q.ID {
		return unreadable(it, "its body holds another row than it names")
	}
	return nil
}

// Copy reads one of them. One that is not there is guard.ErrGone.
func (t *Table) Copy(ctx context.Context, name string) (store.Quarantined, error) {
	r, err := t.get(ctx, copyKey(name))
	q, bad := quarantinedIn(r, err)
	switch {
	case bad != nil:
		return q, nil //nolint:nilerr // it stands for itself
	case err != nil:
		return q, session.Fail(err, "read quarantine %s", name)
	case r.it == nil:
		return q, fmt.Errorf("read quarantine %s: %w", name, guard.ErrGone)
	}
	return q, nil
}

// End says how a quarantined row ended. One that has ended keeps its end.
func (t *Table) End(ctx context.Context, name, how string) error {
	r, err := t.get(ctx, copyKey(name))
	if err != nil || r.it == nil {
		return session.Fail(err, "end quarantine %s", name)
	}
	var q store.Quarantined
	if err := r.decode(&q); err != nil || !q.Open() || q.Copy != name {
		return err
	}
	q.EndedAt, q.End = t.c.Options().Now().UTC(), how
	return session.Fail(t.writeCopy(ctx, q, r), "end quarantine %s", name)
}

// Original is the row of a copy as it is now.
func (t *Table) Original(ctx context.Context, q store.Quarantined) (store.Original, error) {
	key, err := keyIn(q)
	if err != nil {
		return store.Original{}, err
	}
	r, err := t.get(ctx, key)
	switch {
	case err != nil || r.it == nil:
	case q.Kind == store.KindRecord:
		_, err = r.record()
	case q.Kind == quarantine:
		_, bad := quarantinedIn(r, nil)
		if bad != nil {
			err = bad
		}
	case !known(r.it):
		err = unreadable(r.it, nobody)
	default:
		var body json.RawMessage
		err = r.decode(&body)
	}
	bad, is := errors.AsType[*store.Unreadable](err)
	if err != nil && !is {
		return store.Original{}, session.Fail(err, "read the row of %s", q.ID)
	}
	if err == nil && bad == nil && r.it != nil && q.Kind != store.KindRecord {
		whole, err := t.whole(ctx, r.it)
		if err != nil {
			return store.Original{}, session.Fail(err, "read the row of %s", q.ID)
		}
		if sum(whole) == q.Copy { // it is as it was when who reads it could not
			bad = &q.Unreadable
		}
	}
	now := store.Original{There: r.it != nil, Body: []byte(r.body), Revision: r.revision, Unreadable: bad}
	if now.There {
		now.Sum = sum(encoded(r.it))
	}
	return now, nil
}

// keyIn is the key of the row that was copied.
func keyIn(q store.Quarantined) (item, error) {
	var it struct {
		PK struct{ S string } `json:"pk"` // AttributeKey
		SK struct{ S string } `json:"sk"` // AttributeSort
	}
	if err := json.Unmarshal([]byte(q.Item), &it); err != nil || it.PK.S == "" || it.SK.S == "" {
		return nil, fmt.Errorf("read copy %s: it has no key", q.Copy)
	}
	return item{AttributeKey: text(it.PK.S), AttributeSort: text(it.SK.S)}, nil
}

// Restore puts a corrected body into the row of a copy and ends the quarantine. The row must be as the caller has seen it:
// away, or the same in every attribute; else it is guard.ErrConflict.
func (t *Table) Restore(ctx context.Context, q store.Quarantined, seen store.Original, body []byte) error {
	key, err := keyIn(q)
	if err != nil {
		return err
	}
	it, err := t.getItem(ctx, key)
	if err != nil {
		return session.Fail(err, "restore %s", q.ID)
	}
	w := write{it: key, body: string(body)}
	if q.Kind == store.KindRecord {
		var rec guard.Record
		if err := json.Unmarshal(body, &rec); err != nil {
			return fmt.Errorf("restore %s: %w", q.ID, err)
		}
		w.it = t.recordItem(rec)
		w.puts, _ = t.moved(guard.Record{}, rec)
	}
	if len(it) > 0 {
		w.was.it = it
		w.was.revision, _ = numberOf(it[attributeRevision]) // 0 where that is what is wrong
	}
	if !same(it, seen) {
		return fmt.Errorf("restore %s: %w", q.ID, guard.ErrConflict)
	}
	w.it[attributeRevision] = number(w.was.revision + 1)
	condition, names, values := ifNew, map[string]string(nil), item(nil)
	if len(it) > 0 {
		condition, names, values = unchanged(it)
	}
	if err := t.writeNamed(ctx, w, condition, names, values); err != nil {
		return session.Fail(err, "restore %s", q.ID)
	}
	return t.End(ctx, q.Copy, store.EndedRestored)
}

// same reports that an item is the one that somebody saw: all of it, for who writes by hand raises no revision.
func same(it item, seen store.Original) bool {
	if len(it) == 0 || !seen.There {
		return len(it) == 0 && !seen.There
	}
	return sum(encoded(it)) == seen.Sum
}

// Discard forgets a row that cannot be read, and ends the quarantine: of the row the copy is left, for a while. A row that was
// written since it was seen is guard.ErrConflict.
func (t *Table) Discard(ctx context.Context, q store.Quarantined, seen store.Original) error {
	key, err := keyIn(q)
	if err != nil {
		return err
	}
	it, err := t.getItem(ctx, key)
	if err != nil {
		return session.Fail(err, "discard %s", q.ID)
	}
	if !same(it, seen) {
		return fmt.Errorf("discard %s: %w", q.ID, guard.ErrConflict)
	}
	if len(it) > 0 && seen.Unreadable != nil {
		if err := t.removeIfSame(ctx, it); err != nil {
			return session.Fail(err, "discard %s", q.ID)
		}
	}
	return t.End(ctx, q.Copy, store.EndedDiscarded)
}
