package table

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// BrakeKey is the partition key of the brake's item: who may set it may write that partition alone.
const BrakeKey = "brake#changes"

// keepBrake is how long a brake is kept that nobody touches: no brake ends by being forgotten.
const keepBrake = 100 * 365 * 24 * time.Hour

func brakeKey() item { return item{AttributeKey: text(BrakeKey), AttributeSort: text(store.KindBrake)} }

var _ store.Brakes = (*Table)(nil)

// Brake reads the brake as last written. One that cannot be read is set aside, stays where it is, and is answered as a
// *store.Unreadable.
func (t *Table) Brake(ctx context.Context) (store.Brake, error) {
	var have store.Brake
	was, err := t.orAside(ctx, brakeKey(), &have)
	if err == nil && was.revision > 0 && len(have.Turns) == 0 {
		bad := unreadable(was.it, "it says nothing")
		if _, err = t.aside(ctx, was.it, bad); err == nil {
			err = bad
		}
	}
	have.Revision, have.Stored = was.revision, json.RawMessage(was.body)
	return have, session.Fail(err, "read the brake")
}

// SetBrake writes the brake if nobody wrote it since it was read, and else answers false.
func (t *Table) SetBrake(ctx context.Context, b store.Brake) (bool, error) {
	err := t.over(ctx, brakeKey(), row{revision: b.Revision, body: string(b.Stored)}, b, t.c.Options().Now().Add(keepBrake))
	if errors.Is(err, guard.ErrConflict) {
		return false, nil
	}
	return err == nil, session.Fail(err, "write the brake")
}

// Brake reads what stops every change.
func (i *Intents) Brake(ctx context.Context) (store.Brake, error) { return i.t.Brake(ctx) }
