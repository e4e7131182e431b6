package remediate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// Re-encryption can end a moment after UpdateSecret answers, so a change is looked at more than once.
const (
	looks        = 3
	betweenLooks = 2 * time.Second
)

// finish proves the change, journals what was found, and tells.
func (h *Handler) finish(ctx context.Context, n guard.Notice, begun store.JournalEntry) (Outcome, error) {
	target := begun.After[KeyField]
	var s guard.Secret
	problem := ""
	for i := range looks {
		if i > 0 {
			if err := h.Sleep(ctx, betweenLooks); err != nil {
				return Outcome{}, fmt.Errorf("look after the change: %w", err)
			}
		}
		var err error
		s, err = h.Secrets.Describe(ctx, guard.SecretRef{Account: n.Account, Region: n.Region, ID: begun.Resource})
		switch {
		case errors.Is(err, guard.ErrGone):
			return Outcome{"unchanged", "the secret was deleted meanwhile"}, nil
		case err != nil:
			return Outcome{}, fmt.Errorf("look after the change: %w", err)
		}
		if problem = migration.Unproven(s, target); problem == "" {
			break
		}
	}
	return h.end(ctx, n, begun, s, problem)
}

// end journals how a change ended, lets the record follow, and tells. Each step is safe to repeat, and the journal
// comes first: what is in it is not done again.
func (h *Handler) end(ctx context.Context, n guard.Notice, begun store.JournalEntry, s guard.Secret, problem string) (Outcome, error) {
	entry := h.ending(n, begun, s, problem)
	if err := h.Journal.Append(ctx, entry); err != nil {
		return Outcome{}, fmt.Errorf("write journal after the change: %w", err)
	}
	return h.told(ctx, n, &begun, entry)
}

// told tells what a journal entry says of the change a notice asked for.
func (h *Handler) told(ctx context.Context, n guard.Notice, begun *store.JournalEntry, ended store.JournalEntry) (Outcome, error) {
	if begun != nil && ended.After[resultField] == resultDone {
		if err := h.Migrations.Moved(ctx, n, *begun); err != nil && !errors.Is(err, guard.ErrGone) {
			return Outcome{}, fmt.Errorf("hand over to the migration: %w", err)
		}
	}
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	if err := h.look(ctx, ref, n); err != nil {
		return Outcome{}, err
	}
	notice := answer(n, guard.NoticeRekeyed, ended.At)
	notice.State = guard.LockState(ended.After[StateField])
	outcome := Outcome{"rekeyed", "under " + ended.After[KeyField]}
	if problem := ended.After[resultField]; problem != resultDone {
		notice.Kind, notice.ID, notice.Detail = guard.NoticeFailed, failureID(n, problem), problem
		outcome = Outcome{"failed", problem}
	}
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("tell of the change: %w", err)
	}
	return outcome, nil
}

// fail tells why no change was begun. Nothing was journaled, because nothing was done.
func (h *Handler) fail(ctx context.Context, n guard.Notice, s guard.Secret, problem string) (Outcome, error) {
	notice := answer(n, guard.NoticeFailed, h.Now().UTC())
	notice.ID, notice.State, notice.Tags, notice.Detail = failureID(n, problem), guard.StateOf(s, ""), s.Tags, problem
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("tell of the failure: %w", err)
	}
	return Outcome{"failed", problem}, nil
}

// leave hands a finding to its owner after all, because the mode became milder since the fix was ordered.
func (h *Handler) leave(ctx context.Context, n guard.Notice, decision guard.Decision) (Outcome, error) {
	notice := n
	notice.ID, notice.Decision = noticeID("left", n), decision
	if err := h.Bus.Publish(ctx, []guard.Notice{notice}); err != nil {
		return Outcome{}, fmt.Errorf("leave it to the owner: %w", err)
	}
	return Outcome{"left", decision.Reason}, nil
}

func (h *Handler) look(ctx context.Context, ref guard.SecretRef, n guard.Notice) error {
	if err := h.Looker.Look(ctx, ref, guard.Cause{Actor: h.By, Tool: n.Tool, EventID: n.EventID}); err != nil {
		return fmt.Errorf("record the change: %w", err)
	}
	return nil
}

// answer is the notice of what became of another, with the same ID however often it is made.
func answer(n guard.Notice, kind guard.NoticeKind, at time.Time) guard.Notice {
	a := n
	a.ID, a.Kind, a.At, a.Detail = noticeID(kind, n), kind, at, ""
	a.Decision = guard.Decision{Tag: true, Reason: "answers " + n.ID}
	return a
}

func noticeID(kind guard.NoticeKind, n guard.Notice) string { return string(kind) + "|" + n.ID }

// failureID is one for each reason that a finding cannot be fixed for. The fix is asked for again and again; its owner
// hears of a reason once, and of the next reason again.
func failureID(n guard.Notice, problem string) string {
	if n.Finding == nil {
		return noticeID(guard.NoticeFailed, n)
	}
	reason := fnv.New64a()
	_, _ = reason.Write([]byte(problem))
	return fmt.Sprintf("%s|%s|%d|%x", guard.NoticeFailed, n.Finding.ID(), n.Finding.OpenedAt.UnixMilli(), reason.Sum64())
}
