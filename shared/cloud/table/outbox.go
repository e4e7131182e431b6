package table

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Outbox keeps what is to be sent in the same table, an item a thing and a partition a box.
type Outbox struct{ t *Table }

// Outbox opens the boxes of the table.
func (t *Table) Outbox() *Outbox { return &Outbox{t: t} }

var _ store.Outbox = (*Outbox)(nil)

// longestSort is the most bytes of a sort key (DynamoDB, "Quotas").
const longestSort = 1024

func outboxKey(box, id string) item {
	if len(id) > longestSort {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return item{AttributeKey: text("outbox#" + box), AttributeSort: text(id)}
}

// Put keeps a thing under its id. A repeat keeps what was there first, and is no error.
func (o *Outbox) Put(ctx context.Context, box, id string, body json.RawMessage) error {
	err := session.Fail(o.t.write(ctx, write{it: outboxKey(box, id), body: string(body)}, ifNew, nil), "put into %s", box)
	if errors.Is(err, guard.ErrConflict) {
		return nil
	}
	return err
}

// Waiting yields what is in a box, sorted by id; of what cannot be read why. An error of yield ends it,
// but not where it says that it cannot read it either: that is set aside.
func (o *Outbox) Waiting(ctx context.Context, box string, yield func(id string, body json.RawMessage, bad *store.Unreadable) error) error {
	var ended error
	err := o.t.query(ctx, "outbox#"+box, "", func(it item) error {
		r, err := o.t.read(ctx, it)
		if err == nil && r.it == nil {
			return nil // sent meanwhile
		}
		var body json.RawMessage
		if err == nil {
			err = r.decode(&body)
		}
		bad, err := o.t.aside(ctx, it, err)
		if err != nil {
			return err
		}
		ended, err = o.t.yielded(ctx, it, yield(textOf(it[AttributeSort]), body, bad))
		return cmp.Or(ended, err)
	})
	if ended != nil {
		return ended
	}
	return session.Fail(err, "read %s", box)
}

// Remove forgets a thing that was sent. One that is not there is no error.
func (o *Outbox) Remove(ctx context.Context, box, id string) error {
	out, err := o.t.client().DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &o.t.name, Key: outboxKey(box, id), ReturnValues: types.ReturnValueAllOld})
	if err == nil && out.Attributes[attributeParts] != nil {
		err = o.t.query(ctx, partsKey(out.Attributes), "", func(part item) error { return o.t.remove(ctx, keyOf(part)) })
	}
	return session.Fail(err, "remove from %s", box)
}
