package store

import (
	"context"
	"encoding/json"
)

// Outbox keeps what is to be sent until it was: each thing an item of its own, in a box by name.
type Outbox interface {
	// Put keeps a thing under its id. A repeat keeps what was there first, and is no error.
	Put(ctx context.Context, box, id string, body json.RawMessage) error
	// Waiting yields what is in a box, sorted by id; of what cannot be read why. An error of yield ends it,
	// except an *Unreadable: what yield cannot read is set aside, and the rest comes.
	Waiting(ctx context.Context, box string, yield func(id string, body json.RawMessage, unreadable *Unreadable) error) error
	// Remove forgets a thing that was sent. One that is not there is no error.
	Remove(ctx context.Context, box, id string) error
}
