package store

import (
	"context"
	"encoding/json"
)

// Entries keeps lists that grow: each element an item of its own, so that no document grows with them. Nothing is ever
// taken out of a list.
type Entries interface {
	// Add writes an element, once: a repeat of its id keeps what was written first, and is no error.
	Add(ctx context.Context, list, id string, body json.RawMessage) error
	// Has finds an element by its id, without reading the list.
	Has(ctx context.Context, list, id string) (bool, error)
	// Read yields the elements of a list, sorted by id, each whole; of one that cannot be read why. An error of yield ends
	// it, except an *Unreadable: what yield cannot read is set aside, and the rest comes.
	Read(ctx context.Context, list string, yield func(id string, body json.RawMessage, unreadable *Unreadable) error) error
}
