package guard

import "encoding/json"

// Document is something that is kept under a kind, a group and an id, and written only by who has read it last. Body
// is whatever its owner keeps; nobody else looks into it.
type Document struct {
	Kind     string          // e.g. "migration"
	Group    string          // what lists are asked by, e.g. an account
	ID       string          // e.g. the ARN of a secret
	Body     json.RawMessage // JSON
	Revision int64           // 0: never stored
}
