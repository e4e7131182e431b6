package remediate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Re-encryption can end a moment after UpdateSecret answers, so a change is looked at more than once.
const (
	looks        = 3
	betweenLooks = 2 * time.Second
)

// finish proves the change, journals what was found, and tells.
func (h *Handler) finish(ctx context.Context, n guard.Notice, begun guard.JournalEntry) (Outcome, error) {
	target := begun.After[keyField]
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
		if problem = unproven(s, target); problem == "" {
			break
		}
	}
	return h.end(ctx, n, begun, s, problem)
}

// end journals how a change ended, lets the record follow, and tells. Each step is safe to repeat, and the journal
// comes first: what is in it is not done again.
func (h *Handler) end(ctx context.Context, n guard.Notice, begun guard.JournalEntry, s guard.Secret, problem string) (Outcome, error) {
	entry := h.ending(n, begun, s, problem)
	if err := h.Journal.Append(ctx, entry); err != nil {
		return Outcome{}, fmt.Errorf("write journal after the change: %w", err)
	}
	return h.told(ctx, n, entry)
}

// told tells what a journal entry says of the change a notice asked for.
func (h *Handler) told(ctx context.Context, n guard.Notice, ended guard.JournalEntry) (Outcome, error) {
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	if err := h.look(ctx, ref, n); err != nil {
		return Outcome{}, err
	}
	notice := answer(n, guard.NoticeRekeyed, ended.At)
	notice.State = guard.LockState(ended.After[stateField])
	outcome := Outcome{"rekeyed", "under " + ended.After[keyField]}
	if problem := ended.After[resultField]; problem != resultDone {
		notice.Kind, notice.ID, notice.Detail = guard.NoticeFailed, noticeID(guard.NoticeFailed, n), problem
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
	notice.State, notice.Tags, notice.Detail = guard.StateOf(s, ""), s.Tags, problem
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
	a.Decision = guard.Decision{Tag: true, Tell: true, Reason: "answers " + n.ID}
	return a
}

func noticeID(kind guard.NoticeKind, n guard.Notice) string { return string(kind) + "|" + n.ID }

// unproven says what is missing for every labelled version to open with the target key, and which right is probably
// the reason: UpdateSecret answers success when it could not re-encrypt (API reference, UpdateSecret, KmsKeyId).
func unproven(s guard.Secret, target string) string {
	if s.Key.ARN != target {
		return "UpdateSecret was accepted, but the secret is not under the new key: somebody may have moved it back at the same moment"
	}
	if s.VersionsUnread {
		return "the key is set, but the versions could not be read, so nothing is proven: let the role doublelock-read list them"
	}
	for _, v := range s.Versions {
		if v.Labelled() && !opensWith(v, target) {
			return "the key is set, but version " + v.ID + " was not re-encrypted: " + missingRight(v, target)
		}
	}
	return ""
}

func opensWith(v guard.Version, target string) bool {
	for _, k := range v.Keys {
		if k.ARN == target {
			return true
		}
	}
	return false
}

// missingRight guesses from the older key. Under the AWS managed key decrypting needs no right of ours, so what lacks
// is the right to encrypt with the new one.
func missingRight(v guard.Version, target string) string {
	for _, k := range v.Keys {
		switch {
		case k.Manager != guard.ManagerCustomer:
		case k.State == guard.KeyEnabled:
			return fmt.Sprintf("the role doublelock-change probably lacks kms:Decrypt on %s or kms:Encrypt on %s", k.ARN, target)
		default:
			return fmt.Sprintf("its key %s is in state %s: enable it, then set the key again", k.ARN, k.State)
		}
	}
	return fmt.Sprintf("the role doublelock-change probably lacks kms:Encrypt on %s", target)
}
