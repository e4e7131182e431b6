package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Unreadable is a row that this version cannot read. Lists yield it beside what they can read, and go on; a read of it alone
// answers it as an error. It is never the same as a row that is not there.
type Unreadable struct { //nolint:errname // a value of lists, too
	Kind   string `json:"kind"`            // KindRecord, a kind of documents, or what else the row is, e.g. "journal"
	Group  string `json:"group,omitempty"` // an account's id, where the row has one
	ID     string `json:"id"`              // e.g. the ARN of a secret
	Reason string `json:"reason"`          // what is wrong, in half a sentence, without anything of the body
	Newer  bool   `json:"newer,omitempty"` // a newer version wrote it, and marked it as none for this one: it is not broken
}

// What rows are called beside the kinds of documents.
const (
	KindRecord = "record" // of a resource
	KindOutbox = "outbox" // a thing in a box
)

// Kinds of rows in which the way on is lost with the row, and of those that the next who asks makes anew.
const (
	KindIntent  = "intent"   // who may change a target: nobody may until it is repaired
	KindBrake   = "brake"    // whether changes are paused: they are until it is repaired
	KindCounter = "counter"  // what an hour or a day allows: nothing until it is over
	KindWatch   = "watch"    // made anew
	KindClaim   = "delivery" // made anew: what was claimed is delivered as a repeat
	KindAnswer  = "answer"   // made anew
	KindIndex   = "index"    // made anew from the record
	KindRollUp  = "rollup"   // made anew: what an owner got this hour is counted from nothing
)

// MadeAnew reports that nothing is lost with a row of a kind but what it remembered.
func MadeAnew(kind string) bool {
	return kind == KindWatch || kind == KindClaim || kind == KindAnswer || kind == KindIndex || kind == KindRollUp
}

func (u *Unreadable) Error() string {
	return fmt.Sprintf("%s of %s cannot be read: %s", u.Kind, u.ID, u.Reason)
}

// InBox is why a thing in a box cannot be read; nil where the reason is "".
func InBox(box, id, reason string) *Unreadable {
	if reason == "" {
		return nil
	}
	return &Unreadable{Kind: KindOutbox, ID: box + " " + id, Reason: reason}
}

// Decode reads the body of a row, which is an object (or anything but null, into a json.RawMessage), and says why it cannot:
// in half a sentence, and nothing of what is in it. "" is that it could be read.
func Decode(body []byte, into any) string {
	if !json.Valid(body) {
		return "its body is not JSON"
	}
	_, opaque := into.(*json.RawMessage)
	switch first := bytes.TrimLeft(body, " \t\r\n")[0]; {
	case first == 'n':
		return "its body is null"
	case first != '{' && !opaque:
		return "its body is no object"
	}
	err := json.Unmarshal(body, into)
	if err == nil {
		return ""
	}
	wrong, is := errors.AsType[*json.UnmarshalTypeError](err)
	if !is || wrong.Field == "" {
		return "its body is of another shape: a value in it does not parse"
	}
	kind, _, _ := strings.Cut(wrong.Value, " ") // what follows a number is the number
	return fmt.Sprintf("its body is of another shape: %q is wrong, it holds a value of type %s", wrong.Field, kind)
}

// TooLargeError is a write that was refused because the item would pass what an item may have.
type TooLargeError struct {
	Kind, ID    string
	Bytes, Most int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s of %s would have %d bytes, at most %d are written", e.Kind, e.ID, e.Bytes, e.Most)
}

// Quarantined is the copy of a row that could not be read: whole, with when and why. It is kept until somebody repairs or
// discards the row, or the row reads again, and some time after.
type Quarantined struct { //nolint:errname // no error: it holds what is wrong with the row
	Unreadable

	Copy string    `json:"copy"`           // names the copy: the same for the same item, whoever makes it and how often
	At   time.Time `json:"at"`             // when it was set aside first
	Item string    `json:"item,omitempty"` // the item as DynamoDB's own JSON

	EndedAt time.Time `json:"endedAt,omitzero"` // when it was no longer needed; zero: it still is
	End     string    `json:"end,omitempty"`    // one of the Ended words
}

// How a quarantined row ends.
const (
	EndedReads     = "reads again"
	EndedAnew      = "made anew"
	EndedRestored  = "restored"
	EndedDiscarded = "discarded"
)

// Open reports that nothing was done about the row yet.
func (q Quarantined) Open() bool { return q.EndedAt.IsZero() }

// Original is the row of a copy as it is now.
type Original struct {
	There      bool
	Body       []byte      // as far as it could be read
	Revision   int64       // 0: none
	Sum        string      // of all that is in it; "" where it is not there
	Unreadable *Unreadable // why it cannot be read; nil: it can, as far as the table knows
}
