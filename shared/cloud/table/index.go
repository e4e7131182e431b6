package table

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// The index of keys and aliases: for each secret an item in the partition of each key and alias that leads to it. A global
// secondary index cannot have them, because an item has one key of it. They are written in one transaction with the record.

func entriesKey(ref guard.EntryRef) string { return "index#" + string(ref.Kind) + "#" + ref.ID }

func indexKey(ref guard.EntryRef, secret string) item {
	return item{AttributeKey: text(entriesKey(ref)), AttributeSort: text(secret)}
}

// inTransaction is how many entries are written with a record at most: DynamoDB takes 100 items and 4 MB. Those of a secret
// with more keys than that are written in part before it and taken away in part after it, so that none is ever missing.
const inTransaction = 40

// settled is how long after its look an entry is left alone that no record has: the record may be on its way. No function
// runs for longer.
const settled = 15 * time.Minute

// entry is an entry of the index that is to be written, or taken away.
type entry struct {
	ref   guard.EntryRef
	is    guard.Entry
	put   bool
	until types.AttributeValue // when it is forgotten; nil: never
}

// moved lists what a record changes of the index: entries to write, and those to take away. An entry that says the same as
// before, but of an earlier look, stays as it is.
func (t *Table) moved(before, after guard.Record) (puts, removals []entry) {
	was, is := before.Entries(), after.Entries()
	for ref, e := range is {
		if old, there := was[ref]; !there || !sameEntry(old, e) {
			puts = append(puts, entry{ref, e, true, t.forgotten(after)})
		}
	}
	for ref, e := range was {
		if _, stays := is[ref]; !stays {
			removals = append(removals, entry{ref: ref, is: e})
		}
	}
	return puts, removals
}

// sameEntry reports whether two entries say the same, whenever they were seen.
func sameEntry(a, b guard.Entry) bool {
	a.At = b.At
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// item is the item of an entry. What is too long for it is left to the record.
func (e entry) item(mark string) (item, error) {
	it := indexKey(e.ref, e.is.Secret)
	body, err := store.Merge(nil, e.is)
	if err == nil && len(body) > inline {
		e.is.Held, e.is.Cut = guard.Held{}, true
		body, err = store.Merge(nil, e.is)
	}
	it[attributeBody], it[attributeWrite], it[attributeSchema] = text(string(body)), text(mark), number(Schema)
	if e.until != nil {
		it[AttributeExpires] = e.until
	}
	return it, errors.Join(err, tooLarge(it, 0))
}

// part is the part of a transaction that writes an entry or takes it away.
func (t *Table) part(e entry, mark string) (types.TransactWriteItem, error) {
	if !e.put {
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.name, Key: indexKey(e.ref, e.is.Secret)}}, nil
	}
	it, err := e.item(mark)
	return types.TransactWriteItem{Put: &types.Put{TableName: &t.name, Item: it}}, err
}

// divided is what a record changes of the index, by when it is written: before the record, with it and after it.
func divided(puts, removals []entry) (before, with, after []entry) {
	if len(puts)+len(removals) <= inTransaction {
		return nil, slices.Concat(puts, removals), nil
	}
	with = puts[:min(len(puts), inTransaction)]
	return puts[len(with):], with, removals
}

// putEntries writes entries ahead of their record.
func (t *Table) putEntries(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		it, err := e.item(rand.Text())
		if err == nil {
			err = t.put(ctx, it, "", nil, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putAll writes an item, and entries of the index with it, or nothing. Where it is there already, by the mark of its write, an
// answer was lost.
func (t *Table) putAll(ctx context.Context, it item, condition string, names map[string]string, values item, with []entry) error {
	if it[attributeSchema] == nil {
		it[attributeSchema] = number(Schema)
	}
	if err := tooLarge(it, 0); err != nil {
		return err
	}
	mark := textOf(it[attributeWrite])
	first := &types.Put{TableName: &t.name, Item: it, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ConditionExpression: aws.String(condition), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	in := &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: first}}}
	for _, e := range with {
		part, err := t.part(e, mark)
		if err != nil {
			return err
		}
		in.TransactItems = append(in.TransactItems, part)
	}
	_, err := t.client().TransactWriteItems(ctx, in)
	return canceled(err, mark)
}

// canceled says why a transaction was canceled whose first part is the record's; nil where it was this one that wrote it.
// Source: API reference, TransactWriteItems, "Cancellation reason codes".
func canceled(err error, mark string) error {
	why, is := errors.AsType[*types.TransactionCanceledException](err)
	if !is {
		return err
	}
	for i, reason := range why.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			if i == 0 && textOf(reason.Item[attributeWrite]) == mark {
				return nil
			}
			return fmt.Errorf("%w: %w", guard.ErrConflict, err)
		case "TransactionConflict":
			return fmt.Errorf("%w: %w", guard.ErrConflict, err)
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			return fmt.Errorf("%w: %w", guard.ErrThrottled, err)
		}
	}
	return err
}

// Under lists the entries that a key or alias leads to. One that cannot be read is made anew from its record; where that
// cannot be read either, or is a newer version's, it is answered apart: its secret may or may not be under the key.
func (t *Table) Under(ctx context.Context, ref guard.EntryRef) ([]guard.Entry, []store.Unreadable, error) {
	var entries []guard.Entry
	var unreadable []store.Unreadable
	err := t.query(ctx, entriesKey(ref), "", func(it item) error {
		e, err := entryOf(it)
		if bad, is := errors.AsType[*store.Unreadable](err); is {
			e, err = t.mend(ctx, ref, it, *bad)
		}
		bad, is := errors.AsType[*store.Unreadable](err)
		switch {
		case is:
			unreadable = append(unreadable, *bad)
		case err != nil:
			return err
		case e.Secret != "":
			entries = append(entries, e)
		}
		return nil
	})
	return entries, unreadable, session.Fail(err, "look up %s %s", ref.Kind, ref.ID)
}

func entryOf(it item) (guard.Entry, error) {
	var e guard.Entry
	if needs, is := numberOf(it[attributeNeeds]); is && needs > Schema {
		bad := unreadable(it, "a newer version wrote it, which needs version %d to read; this is %d", needs, Schema)
		bad.Newer = true
		return e, bad
	}
	err := row{it: it, body: textOf(it[attributeBody])}.decode(&e)
	if err == nil && e.Secret != textOf(it[AttributeSort]) {
		err = unreadable(it, "its body is of another secret")
	}
	return e, err
}

// mend makes an entry anew from its record. Of a record that cannot be read nothing is known but which secret it is of.
func (t *Table) mend(ctx context.Context, ref guard.EntryRef, it item, why store.Unreadable) (guard.Entry, error) {
	if why.Newer {
		return guard.Entry{}, &why
	}
	rec, _, err := t.load(ctx, why.ID)
	if err != nil {
		return guard.Entry{}, err
	}
	if err := t.setAside(ctx, it, why); err != nil && !errors.Is(session.Fail(err, "set aside"), guard.ErrDenied) {
		return guard.Entry{}, err
	}
	e, holds := rec.Entries()[ref]
	if !holds {
		return guard.Entry{}, t.removeIfSame(ctx, it)
	}
	w, err := entry{ref, e, true, t.forgotten(rec)}.item(rand.Text())
	if err != nil {
		return e, err
	}
	condition, names, values := unchanged(it)
	if err := session.Fail(t.put(ctx, w, condition, names, values), "mend"); !errors.Is(err, guard.ErrConflict) {
		return e, err
	}
	return e, nil // its record was written meanwhile, and the entry with it
}

// Prune takes an entry away that its record does not have. A write of records that is cut short can leave one, and so can a
// record that was set aside. It is safe beside any writer: whoever puts the entry into the record writes it, too.
func (t *Table) Prune(ctx context.Context, ref guard.EntryRef, secret string) error {
	it, err := t.getItem(ctx, indexKey(ref, secret))
	if err != nil || len(it) == 0 {
		return session.Fail(err, "prune %s", secret)
	}
	if e, err := entryOf(it); err != nil || t.c.Options().Now().Sub(e.At) < settled {
		return nil //nolint:nilerr // one that cannot be read is made anew by whoever looks it up
	}
	rec, _, err := t.load(ctx, secret)
	if _, unread := errors.AsType[*store.Unreadable](err); unread {
		return nil // nobody knows what it has
	}
	if err != nil {
		return session.Fail(err, "prune %s", secret)
	}
	if _, holds := rec.Entries()[ref]; holds {
		return nil
	}
	return session.Fail(t.removeIfSame(ctx, it), "prune %s", secret)
}

// forgotten is when a record and its entries are forgotten; nil: never.
func (t *Table) forgotten(rec guard.Record) types.AttributeValue {
	if rec.GoneAt.IsZero() {
		return nil
	}
	return number(rec.GoneAt.Add(t.c.Options().KeepGone).Unix())
}
