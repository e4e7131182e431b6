package table

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/store"
)

// attributeWrite marks an item with the write that made it.
const attributeWrite = "write"

// write is an item to be written: its key and attributes, and its body, which may be longer than one item holds. was is
// what is there, as it was read: what of it is a newer version's is kept.
type write struct {
	it   item
	body string
	was  row

	puts, removals []entry // of the index, of a record alone
}

// Conditions under which an item is written.
const (
	ifNew  = "attribute_not_exists(" + AttributeKey + ")"
	ifSame = attributeRevision + " = :before" // it is at the revision that was read
)

// versioned writes an item with the revision after that which was read, if nobody else did.
func (t *Table) versioned(ctx context.Context, w write) error {
	w.it[attributeRevision] = number(w.was.revision + 1)
	if w.was.revision == 0 {
		return t.write(ctx, w, ifNew, nil)
	}
	return t.write(ctx, w, ifSame, item{":before": number(w.was.revision)})
}

// write writes an item under a condition; "" is none. It answers *store.TooLargeError before AWS does.
func (t *Table) write(ctx context.Context, w write, condition string, values item) error {
	return t.writeNamed(ctx, w, condition, nil, values)
}

func (t *Table) writeNamed(ctx context.Context, w write, condition string, names map[string]string, values item) error {
	mark := rand.Text()
	it := carried(w.was.it)
	if it == nil {
		it = item{}
	}
	maps.Copy(it, w.it)
	it[attributeWrite] = text(mark)
	if newer, is := numberOf(w.was.it[attributeSchema]); is && newer > Schema {
		it[attributeSchema] = number(newer)
	}
	parts, err := t.divide(ctx, w, it, mark)
	if err != nil {
		return err
	}
	before, with, after := divided(w.puts, w.removals)
	if err = t.putEntries(ctx, before); err == nil {
		if len(with) > 0 {
			err = t.putAll(ctx, it, condition, names, values, with)
		} else {
			err = t.put(ctx, it, condition, names, values)
		}
	}
	if err != nil {
		if parts {
			revision, _ := numberOf(it[attributeRevision])
			err = errors.Join(err, t.query(ctx, partsKey(it), partPrefix(revision, mark), func(part item) error { return t.remove(ctx, keyOf(part)) }))
		}
		return err
	}
	for _, e := range after {
		if err := t.Prune(ctx, e.ref, e.is.Secret); err != nil {
			return err
		}
	}
	if parts || w.was.it[attributeParts] != nil {
		return t.dropParts(ctx, it, mark)
	}
	return nil
}

// divide puts the body into the item, or into parts of their own.
func (t *Table) divide(ctx context.Context, w write, it item, mark string) (parts bool, err error) {
	if len(w.body) <= inline {
		it[attributeBody] = text(w.body)
		return false, tooLarge(it, 0)
	}
	pieces := cut(w.body)
	if len(pieces) > mostParts {
		return false, tooLarge(it, len(w.body))
	}
	revision, _ := numberOf(it[attributeRevision]) // 0 where none is kept
	it[attributeParts], it[attributePartOf] = number(int64(len(pieces))), text(mark)
	if err := tooLarge(it, 0); err != nil {
		return false, err
	}
	for n, piece := range pieces {
		part := item{AttributeKey: text(partsKey(it)), AttributeSort: text(fmt.Sprintf("%s%03d", partPrefix(revision, mark), n)),
			attributeBody: text(piece)}
		if expires := it[AttributeExpires]; expires != nil {
			part[AttributeExpires] = expires
		}
		if err := t.put(ctx, part, "", nil, nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

// tooLarge refuses an item, or a body that no number of parts holds.
func tooLarge(it item, body int) error {
	of := subject(it)
	switch bytes := size(it); {
	case body > 0:
		return &store.TooLargeError{Kind: of.Kind, ID: of.ID, Bytes: body, Most: partBytes * mostParts}
	case bytes > mostItem:
		return &store.TooLargeError{Kind: of.Kind, ID: of.ID, Bytes: bytes, Most: mostItem}
	}
	return nil
}

// dropParts takes away the parts of an item's earlier bodies, and of writes that lost against this one. Those of later
// revisions are somebody's who read this one.
func (t *Table) dropParts(ctx context.Context, it item, mark string) error {
	revision, _ := numberOf(it[attributeRevision])
	mine, next := partPrefix(revision, mark), partPrefix(revision+1, "")
	return t.query(ctx, partsKey(it), "", func(part item) error {
		sort := textOf(part[AttributeSort])
		if len(sort) >= len(mine) && sort[:len(mine)] == mine || sort >= next {
			return nil
		}
		return t.remove(ctx, keyOf(part))
	})
}

func (t *Table) remove(ctx context.Context, key item) error {
	_, err := t.client().DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: key})
	return err
}

// put writes one item under a condition, with the schema that it has. A write whose answer got lost is tried again by the SDK and then fails its own
// condition: the mark tells that from somebody else's write, which alone is a conflict.
func (t *Table) put(ctx context.Context, it item, condition string, names map[string]string, values item) error {
	if it[attributeSchema] == nil {
		it[attributeSchema] = number(Schema)
	}
	if err := tooLarge(it, 0); err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: &t.name, Item: it, ExpressionAttributeNames: names, ExpressionAttributeValues: values}
	if condition != "" {
		in.ConditionExpression = aws.String(condition)
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	_, err := t.client().PutItem(ctx, in)
	if conflict, found := errors.AsType[*types.ConditionalCheckFailedException](err); found {
		if mark := textOf(it[attributeWrite]); mark != "" && textOf(conflict.Item[attributeWrite]) == mark {
			return nil
		}
	}
	return err
}
