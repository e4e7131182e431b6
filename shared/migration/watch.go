package migration

import (
	"slices"
	"time"
)

// Answer is what is done about a known reader that was refused.
type Answer string

const (
	AnswerNone     Answer = "none"
	AnswerRollback Answer = "rollback" // set the previous key again: nothing was written under the new one alone
	AnswerGrant    Answer = "grant"    // let the reader decrypt for a while, this secret only
	AnswerPage     Answer = "page"     // the owner has to act
	AnswerSession  Answer = "session"  // nothing, its role may read: what one of its sessions carries is told to the owner
)

// weakens reports that the answer lowers a lock: that takes more than an event (docs/decisions/0025).
func (a Answer) weakens() bool { return a == AnswerRollback || a == AnswerGrant }

// Lock is one of the two locks of a secret.
type Lock string

const (
	LockUnknown Lock = ""
	LockSecret  Lock = "secret"
	LockKey     Lock = "key"
	LockSession Lock = "session" // neither of the two: the role may read, and a policy of its session forbade it, or what did was mended since
)

// Refused is a denied read, as CloudTrail recorded it.
type Refused struct {
	Principal string    `json:"principal"` // ARN of the role or user
	EventID   string    `json:"eventId"`
	At        time.Time `json:"at"`
	By        Lock      `json:"by,omitempty"`     // which lock refused it; LockUnknown where the event does not say: that takes a fresh look
	What      string    `json:"what,omitempty"`   // which right it lacks
	Region    string    `json:"region,omitempty"` // of the copy that was read; "": the secret itself was
	Read      bool      `json:"read,omitempty"`   // the read failed; false: KMS refused a call on its way, and another key may have opened the version
}

// Identity is the event.
func (r Refused) Identity() string { return r.EventID }

// Judge says what to do about a denied read of a job's secret, and why, if the lock that refused it is the one that it says.
func Judge(j Job, r Refused, rules Rules) (Answer, string) {
	switch {
	case !j.UnderNewKey() && !j.between():
		return AnswerNone, "the secret is not under the new key"
	case r.Region != "" && j.copyIn(r.Region) == nil:
		return AnswerNone, "its copy in " + r.Region + " is not under the new key"
	case r.By == LockSecret:
		return AnswerNone, "the secret itself refused it, which is not the migration's doing"
	case r.At.Before(j.RekeyedAt):
		return AnswerNone, "it was refused before the re-key"
	case !j.knows(r.Principal):
		return AnswerNone, "it did not read the secret before the migration"
	case slices.ContainsFunc(j.Denials, func(d Denial) bool { return d.EventID == r.EventID }):
		return AnswerNone, "answered already"
	case slices.ContainsFunc(j.Rescues, func(x Rescue) bool { return x.Principal == r.Principal && x.Ended.IsZero() }):
		return AnswerNone, "its access was restored already"
	case slices.ContainsFunc(j.Denials, func(d Denial) bool {
		says := d.By == LockKey || r.By == LockUnknown // the key's own event says more than one that left it open
		return says && d.Principal == r.Principal && (r.At.Sub(d.At).Abs() < time.Duration(rules.Quiet) || r.At.Sub(d.Again).Abs() < time.Duration(rules.Quiet))
	}):
		return AnswerNone, "answered already: one read that is denied is two events, of the secret and of the key"
	case r.By == LockSession:
		return AnswerSession, "its role may read the secret now: the policy of its session forbids it, or what forbade it was mended since"
	case r.By == LockUnknown:
		return AnswerPage, "whether the secret or its key refused it could not be found out"
	}
	if j.Phase == Unproven {
		return AnswerPage, "which keys open its versions is not known, so nothing is weakened without a person"
	}
	if j.FirstNewAt.IsZero() {
		if rules.AutoRollback {
			return AnswerRollback, "its previous key lets it in, and going back is one UpdateSecret"
		}
		return AnswerPage, "automatic rollback is off"
	}
	if r.At.After(j.FirstNewAt.Add(time.Duration(rules.Watch))) {
		return AnswerPage, "the watch after the first new version is over"
	}
	if r.Region != "" {
		return AnswerPage, "a version is under the new key alone, and grants are made for the secret, not for its copies"
	}
	if rules.AutoGrant {
		return AnswerGrant, "a version is under the new key alone: access comes back by a grant on this secret"
	}
	return AnswerPage, "a version is under the new key alone, and automatic grants are off"
}

// copyIn is the copy in a Region whose key the job set, in place or by making it again; nil: there is none.
func (j Job) copyIn(region string) *ReplicaTo {
	at := slices.IndexFunc(j.Copies, func(c ReplicaTo) bool { return c.Region == region && (!c.Moved.IsZero() || !c.Removed.IsZero()) })
	if at < 0 {
		return nil
	}
	return &j.Copies[at]
}

func (j Job) knows(principal string) bool {
	return slices.ContainsFunc(j.Readers, func(k Known) bool { return k.is(principal) })
}
