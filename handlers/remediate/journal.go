package remediate

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Fields of a journal entry's Before and After.
const (
	KeyField    = "kmsKeyId" // as UpdateSecret takes it: "" is the AWS managed key
	StateField  = "state"    // lock state
	TagField    = "tag:"     // and the name of one of our own tags, in Before
	resultField = "result"   // of an entry that ends a change: done or the reason why not
	resultDone  = "done"
)

const (
	actionUpdate = "UpdateSecret"   // what was done, written before it is
	actionVerify = "DescribeSecret" // what was found afterwards
)

// past is what the journal says of a secret.
type past struct {
	begun  *store.JournalEntry // the change of this notice
	ended  *store.JournalEntry // and how it ended
	last   time.Time           // when a change for another notice was proven
	inWork time.Time           // when a change for another notice was begun that has no end yet
}

func readPast(entries []store.JournalEntry, notice string) past {
	var p past
	open := map[string]time.Time{}
	for _, e := range entries {
		of, step, _ := strings.Cut(e.ID, stepMark)
		switch {
		case of == notice && step != stepEnd:
			p.begun = &e
		case of == notice:
			p.ended = &e
		case step != stepEnd:
			open[of] = e.At
		default:
			delete(open, of)
			if e.After[resultField] == resultDone && e.At.After(p.last) {
				p.last = e.At
			}
		}
	}
	for _, at := range open {
		if at.After(p.inWork) {
			p.inWork = at
		}
	}
	return p
}

// An entry's ID is that of the notice, stepMark, and the step: the key that is set, or stepEnd.
const (
	stepMark = "|step|"
	stepEnd  = "end"
)

// begin is the way back: the key as it was set, in the words of UpdateSecret.
func (h *Handler) begin(n guard.Notice, s guard.Secret, key guard.Key) store.JournalEntry {
	e := store.JournalEntry{
		ID: n.ID + stepMark + key.ARN, Resource: s.ARN, Action: actionUpdate, At: h.Now().UTC(), By: h.By,
		Before: map[string]string{KeyField: s.KeyID, StateField: string(guard.StateOf(s, ""))},
		After:  map[string]string{KeyField: key.ARN},
	}
	for name, value := range s.Tags {
		if strings.HasPrefix(name, "doublelock:") {
			e.Before[TagField+name] = value
		}
	}
	return e
}

func (h *Handler) ending(n guard.Notice, begun store.JournalEntry, s guard.Secret, problem string) store.JournalEntry {
	result := resultDone
	if problem != "" {
		result = problem
	}
	after := map[string]string{resultField: result}
	if s.ARN != "" {
		after[KeyField], after[StateField] = s.KeyID, string(guard.StateOf(s, ""))
	}
	return store.JournalEntry{
		ID: n.ID + stepMark + stepEnd, Resource: begun.Resource, Action: actionVerify, At: h.Now().UTC(), By: h.By,
		Before: begun.Before, After: after,
	}
}
