package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

const (
	stuckFor  = 2 * time.Hour      // after which people are notified: one failure may pass
	passesFor = 24 * time.Hour     // the same, of what passes by itself
	giveUpFor = 7 * 24 * time.Hour // after which a job that changed nothing is given up, and of others people are notified again
)

// Stuck says since when no visit of a job came to its end: its secret, or a role in its account, is out of reach, or AWS
// does not answer.
type Stuck struct {
	Since    time.Time `json:"since"`
	Notified time.Time `json:"notified,omitzero"` // when people were, last
}

// unreachable says what keeps a visit from its end, by the error that ended it, and for how long that is nobody's business;
// "" is another worker, or who stopped this one.
func unreachable(err error, account string) (why string, patience time.Duration) {
	switch {
	case err == nil, errors.Is(err, guard.ErrConflict), errors.Is(err, ErrNothingToUndo), errors.Is(err, ErrOvertaken), errors.Is(err, context.Canceled):
		return "", 0
	case errors.Is(err, guard.ErrThrottled), errors.Is(err, guard.ErrUnsent), errors.Is(err, guard.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
		return "AWS answers no visit of the secret, it is busy or down", passesFor
	case errors.Is(err, ErrLeft):
		why = "the role doublelock-change cannot be taken in " + account
	case errors.Is(err, guard.ErrNotOurs):
		why = "the account " + account + " cannot be entered: it may be closed, or its member roles are gone"
	case errors.Is(err, guard.ErrDenied):
		why = "the role doublelock-read may not look at the secret or what decides about it in " + account
	case errors.Is(err, guard.ErrGone):
		why = "what decides about the secret does not exist any more in " + account
	case errors.Is(err, context.DeadlineExceeded):
		why = "looking at the secret takes longer than a visit may"
	default:
		why = "a call to AWS about the secret does not go through"
	}
	return why, stuckFor
}

// noteStuck keeps a job that cannot be moved on from waiting for ever: people are notified with what to do, and by a date
// it is given up, or they are again.
func (v *visit) noteStuck(failed error) {
	j, now := &v.job, v.Now().UTC()
	why, patience := unreachable(failed, j.Account)
	switch {
	case failed == nil && v.unasked: // nobody looked whether it is within reach again
		return
	case failed == nil:
		j.Stuck = nil
		return
	case why == "" || !j.NeedsVisit() || j.Revision == 0 || v.order != nil && !v.stored:
		return
	case j.Stuck == nil:
		j.Stuck = &Stuck{Since: now}
	}
	stuck := *j.Stuck
	by := stuck.Since.Add(giveUpFor)
	next := "mend it, for example by enrolling the account again, or take the secret out with doublelock migrate rollback"
	if patience == passesFor {
		next = "look at the quotas of Secrets Manager and KMS in " + j.Account + " and at who uses them up, or take the secret out with doublelock migrate rollback"
	}
	j.Reason = fmt.Sprintf("waiting: %s; tried again by every sweep", why)
	switch {
	case now.Before(stuck.Since.Add(patience)):
		return
	case j.Before == nil && !now.Before(by):
		j.enter(Blocked, fmt.Sprintf("given up: %s since %s; %s, then apply the plan again", why, stuck.Since.Format(time.DateOnly), next), v.By, now)
		v.notify(guard.NoticeAttention, guard.Move{Reason: j.Reason}, now)
		j.Stuck = nil
		return
	case stuck.Notified.IsZero() || !now.Before(stuck.Notified.Add(giveUpFor)):
		stuck.Notified = now
		j.Stuck = &stuck
		end := "it is given up on " + by.Format(time.DateOnly)
		if j.Before != nil {
			end = "you are asked again on " + now.Add(giveUpFor).Format(time.DateOnly)
		}
		v.notify(guard.NoticeAttention, guard.Move{Reason: fmt.Sprintf("%s since %s: %s; %s", why, stuck.Since.Format(time.DateTime)+" UTC", next, end)}, now)
	}
}
