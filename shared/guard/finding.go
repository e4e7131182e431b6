package guard

import "time"

// ControlID names one of our checks, e.g. "DL.SECRET.1".
type ControlID string

// Severity is how urgently a failed control wants attention.
type Severity string

const (
	SeverityLow      Severity = "low"
	SeverityMedium   Severity = "medium"
	SeverityHigh     Severity = "high"
	SeverityCritical Severity = "critical"
)

// FindingStatus is where a finding is in its life.
type FindingStatus string

const (
	FindingOpen     FindingStatus = "open"
	FindingResolved FindingStatus = "resolved"
	FindingWaived   FindingStatus = "waived"
)

// Ending is how a finding was resolved. Only EndPassed and EndMoved say that anything is better than before.
type Ending string

const (
	EndPassed  Ending = "passed"  // the control holds
	EndMoot    Ending = "moot"    // the control has nothing to say any more: the secret is in another state
	EndGone    Ending = "deleted" // the secret is deleted, or about to be
	EndMoved   Ending = "moved"   // the control holds, because another key is set: the one that failed is as it was
	EndRemoved Ending = "removed" // the control holds, because what failed is not among the labelled copies any more: a replica was removed or promoted, a label taken away
	EndReplica Ending = "replica" // the secret is a replica now, and judged with its primary
	EndUnknown Ending = "unknown" // by a version that closed what was not known: its key is another one now; whether its older copies still open with the previous one is not known
)

// Finding is a control that one resource fails. Control and Resource are its identity.
type Finding struct {
	Control    ControlID     `json:"control"`
	Resource   string        `json:"resource"` // canonical ARN
	Status     FindingStatus `json:"status"`
	Severity   Severity      `json:"severity"`
	Title      string        `json:"title"`
	Subject    Subject       `json:"subject,omitzero"`
	Detail     string        `json:"detail,omitzero"` // of findings stored before they had a subject: what is wrong, in one sentence
	OpenedAt   time.Time     `json:"openedAt"`
	ResolvedAt time.Time     `json:"resolvedAt,omitzero"`
	End        Ending        `json:"end,omitzero"`      // how it was resolved
	WaivedTo   time.Time     `json:"waivedTo,omitzero"` // when the waiver ends
	Mode       Mode          `json:"mode,omitzero"`     // in which it was last seen, so that a stricter one is news
	AskedAt    time.Time     `json:"askedAt,omitzero"`  // when its re-key was last asked for
}

// ID is the identity of a finding as one string: the control, a bar, the canonical ARN.
func (f Finding) ID() string { return string(f.Control) + "|" + f.Resource }

// Record is all that is remembered of one resource. It is stored as one item, so that a change is all or nothing;
// Revision makes a write conditional on what was read.
type Record struct {
	Resource string    `json:"resource"` // canonical ARN of a secret or key
	Account  string    `json:"account"`
	Region   string    `json:"region"`
	Name     string    `json:"name"`
	KeyARN   string    `json:"keyArn,omitempty"` // the CMK that the secret named when it was last seen
	Held     Held      `json:"held,omitzero"`    // the keys of its copies, and the alias that it names
	State    LockState `json:"state"`
	Since    time.Time `json:"since"` // when it came into State
	SeenAt   time.Time `json:"seenAt"`
	GoneAt   time.Time `json:"goneAt,omitzero"` // when it was deleted, or scheduled to be
	AsOf     time.Time `json:"asOf,omitzero"`   // the oldest fact that the last look rested on, where AWS could not be asked; zero: none was old

	// LastKnown is the last state that was not unknown, so that a look that failed does not forget what was sealed.
	LastKnown LockState `json:"lastKnown,omitempty"`

	Findings []Finding `json:"findings"`
	Outbox   []Notice  `json:"outbox,omitempty"` // decided but not yet known to be published
	Revision int64     `json:"revision"`         // 0: never stored
}

// Open returns the findings that are not resolved, waived ones included.
func (r Record) Open() []Finding {
	var open []Finding
	for _, f := range r.Findings {
		if f.Status != FindingResolved {
			open = append(open, f)
		}
	}
	return open
}
