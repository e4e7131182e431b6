package store

import (
	"context"
	"encoding/json"
)

// Document is something that is kept under a kind, a group and an id, and written only by who has read it last. Body
// is whatever its owner keeps; nobody else looks into it.
type Document struct {
	Kind     string          // e.g. "migration"
	Group    string          // what lists are asked by, e.g. an account
	ID       string          // e.g. the ARN of a secret
	Body     json.RawMessage // JSON
	Revision int64           // 0: never stored
}

// Documents keeps the documents of one kind.
type Documents interface {
	// Load reads a document as last written. One that was never written has Revision 0; one that cannot be read is set aside,
	// stays where it is, and is answered as an *Unreadable.
	Load(ctx context.Context, group, id string) (Document, error)
	// Save stores a document with Revision one higher than it came. Where somebody wrote since it was loaded it stores
	// nothing and answers guard.ErrConflict. encode makes the body from the one that is stored, nil where none is: what a
	// newer version keeps there must survive (see Merge). doc.Body is not looked at.
	Save(ctx context.Context, doc Document, encode func(stored json.RawMessage) (json.RawMessage, error)) error
	// Groups lists the groups that have documents, sorted.
	Groups(ctx context.Context) ([]string, error)
	// List yields the documents of a group, sorted by id; of one that cannot be read why, and it is set aside as Load does.
	// An error of yield ends it.
	List(ctx context.Context, group string, yield func(Document, *Unreadable) error) error
	// SetAside copies a document into quarantine that its owner cannot read. It stays where it is.
	SetAside(ctx context.Context, why Unreadable) error
}
