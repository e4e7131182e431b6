package store

import (
	"context"
	"encoding/json"
	"time"
)

// Intent is what somebody is about to do to a target, or has done: one item for each target, with a single owner.
type Intent struct {
	Target string `json:"target"` // what is changed, e.g. the ARN of a secret
	Fence  int64  `json:"fence"`  // one higher with every owner, and never lower
	Owner  string `json:"owner,omitempty"`
	Lease  string `json:"lease,omitempty"` // how long an owner that writes nothing stays the owner, as time.Duration prints it

	Call    string    `json:"call,omitempty"`    // the last change, by AWS's own name
	Wanted  string    `json:"wanted,omitempty"`  // digest of the state that it leads to
	Begun   time.Time `json:"begun,omitzero"`    // when it was begun first, by the clock of who began it: for the journal, nothing is decided by it
	Counted bool      `json:"counted,omitempty"` // it was taken from what an hour allows
	Sent    bool      `json:"sent,omitempty"`    // its bytes may have left
	Outcome Outcome   `json:"outcome,omitempty"` // "" is open: nobody knows yet

	Revision int64           `json:"-"` // of the item, one higher with every write: the counter by which others see that its owner lives
	Stored   json.RawMessage `json:"-"` // the body that it was read from, whose fields of newer versions a write keeps (see Merge)
}

// underWay reports that a call was sent, and that nobody wrote how it ended.
func (i Intent) underWay() bool { return i.Sent && i.Outcome == "" }

// Outcome is how a change ended.
type Outcome string

const (
	Made    Outcome = "made"     // AWS answered that it was done, or it was seen to be
	Found   Outcome = "found"    // a fresh look found the state that was wanted: nothing was sent
	Refused Outcome = "refused"  // AWS answered that it was not done
	NotMade Outcome = "not_made" // it was seen not to be done, long enough after it was sent
)

// Watch is what somebody saw of an intent that another owns, and when by the clock of who saw it.
type Watch struct {
	Target  string    `json:"target"`
	Counter int64     `json:"counter"` // the intent's Revision
	At      time.Time `json:"at"`
	By      string    `json:"by"`

	Revision int64           `json:"-"` // of the item
	Stored   json.RawMessage `json:"-"` // as Intent's
}

// Intents keeps intents, and what was seen of them. Writes answer false, and write nothing, where somebody wrote since the
// item was read; otherwise it is stored with Revision one higher than it came.
type Intents interface {
	// Intent reads an intent as last written. Revision 0: none is kept.
	Intent(ctx context.Context, target string) (Intent, error)
	SetIntent(ctx context.Context, i Intent) (bool, error)
	// Watch reads what was last seen of an intent. Revision 0: nothing.
	Watch(ctx context.Context, target string) (Watch, error)
	SetWatch(ctx context.Context, w Watch) (bool, error)
	// Brake reads what stops every change: see Brakes.
	Brake(ctx context.Context) (Brake, error)
}
