package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// readingKeys bounds the time in which the other keys of the secrets under a key are read, for what still opens without it, and
// otherKeys their number: each takes three calls to KMS.
const (
	readingKeys = 20 * time.Second
	otherKeys   = 200
)

// maxListed bounds the secrets of each kind in an incident, and maxIncident what they may take, in bytes of JSON, so
// that its event stays under EventBridge's 256 KB whatever the secrets are called.
const (
	maxListed   = 150
	maxIncident = 200 * 1024
)

// lifecycle opens an incident when a key cannot be used, and has every secret with a copy under it inspected.
func (h *Handler) lifecycle(ctx context.Context, c trail.Change, cause guard.Cause, queue string, looks *looks) (Outcome, error) {
	key, err := h.describeKey(ctx, c.Key)
	if err != nil {
		return Outcome{}, err
	}
	var said *guard.Said
	if key.State == guard.KeyStateUnknown {
		if state, deleted := c.Said(); state != guard.KeyStateUnknown {
			said = &guard.Said{State: state, At: c.Time.UTC(), Deleted: deleted}
			key.State, key.DeletionDate = state, deleted
		}
	}
	found, err := h.under(ctx, key)
	if err != nil {
		return Outcome{}, err
	}
	since := h.Now()
	under, moved := h.anew(ctx, found.entries, looks)
	blast := h.blast(ctx, key, found, under, since)
	if said != nil {
		key.State, key.DeletionDate = guard.KeyStateUnknown, time.Time{}
		blast = blast.ByEvent(*said)
	}
	outcome, err := h.announceKey(ctx, c, cause, key, blast)
	if err != nil {
		return Outcome{}, err
	}
	todo := found.entries.unless(func(e guard.Entry) bool { return agrees(e, key) && !moved[e.Secret] })
	return outcome, h.fanOut(ctx, queue, cause, todo)
}

// announceKey publishes what an event means for the secrets under a key, before any of them is recorded anew: it must
// not wait for that. Who did it does not matter: readers fail all the same, and a name that silences incidents would be
// worth stealing.
func (h *Handler) announceKey(ctx context.Context, c trail.Change, cause guard.Cause, key guard.Key, blast guard.BlastRadius) (Outcome, error) {
	state, now := blast.KeyWords(), blast.Now()
	kind, action := guard.NoticeIncident, "incident"
	switch {
	case blast.Empty() && len(blast.Index.Waiting) == 0 && blast.Index.Complete(h.Now()):
		return Outcome{Action: "unchanged", Reason: "key " + state + ", " + noneRecorded(*blast.Index)}, nil
	case c.EventName == "ConnectCustomKeyStore" && now == guard.KeyUnavailable: // that takes minutes, in which nothing gets worse
		return Outcome{Action: "recorded", Reason: "key " + state + " until its custom key store is connected: a sweep looks again"}, nil
	case restores(c.EventName) && now.Usable():
		kind, action = guard.NoticeKeyRestored, "restored"
	case now.Usable(), now == guard.KeyCreating,
		now == guard.KeyStateUnknown && (c.EventName == "EnableKey" || c.EventName == "CancelKeyDeletion"):
		return Outcome{Action: "recorded", Reason: fmt.Sprintf("key %s, %s: %s", state, blast.Counts().UnderWords(), blast.Index.Describe())}, nil
	}
	notices, err := h.toOwners(ctx, h.keyNotice(kind, c, cause, key, blast))
	if err != nil {
		return Outcome{}, err
	}
	if err := h.Bus.Publish(ctx, notices); err != nil {
		return Outcome{}, fmt.Errorf("publish what became of the key: %w", err)
	}
	return Outcome{Action: action, Reason: "key " + state + ": " + blast.Index.Describe(), Control: string(guard.SecretKeyUnusable)}, nil
}

// restores reports whether a call can have made a key usable again.
func restores(eventName string) bool {
	switch eventName {
	case "EnableKey", "ImportKeyMaterial", "ConnectCustomKeyStore", "CancelKeyDeletion":
		return true
	default:
		return false
	}
}

// toOwners adds a notice for each secret that stops, or is back, by an event's word: no finding says it to their owners, because
// the key's state is not known.
func (h *Handler) toOwners(ctx context.Context, n guard.Notice) ([]guard.Notice, error) {
	notices := []guard.Notice{n}
	if n.Blast.Said == nil {
		return notices, nil
	}
	supposed := slices.DeleteFunc(slices.Clone(n.Blast.Unknown), func(a guard.Affected) bool { return !a.Supposed })
	for _, a := range slices.Concat(supposed, n.Blast.Stops, n.Blast.Partly) {
		at := arn.Of(a.Secret)
		secret, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: at.Account, Region: at.Region, ID: a.Secret})
		switch {
		case errors.Is(err, guard.ErrGone), errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
			continue // who owns it is not known
		case err != nil:
			return nil, fmt.Errorf("find the owner of %s: %w", a.Secret, err)
		}
		own, radius := n, n.Blast.Only(a.Secret)
		own.ID, own.Blast, own.Tags = n.ID+"|"+a.Secret, &radius, secret.Tags
		notices = append(notices, own)
	}
	return notices, nil
}

// describeKey reads a key as it is now. One we may not see is known by its ARN alone.
func (h *Handler) describeKey(ctx context.Context, ref guard.KeyRef) (guard.Key, error) {
	h.Keys.Invalidate(ref.ID)
	key, err := h.Keys.Describe(ctx, ref)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		return guard.Key{ARN: keyARN(ref), ID: ref.ID, Account: ref.Account, Region: ref.Region}, nil
	default:
		return guard.Key{}, fmt.Errorf("inspect key: %w", err)
	}
}

func keyARN(ref guard.KeyRef) string {
	if arn.Is(ref.ID) {
		return ref.ID
	}
	return arn.PartitionOf(ref.Region).New("kms", ref.Region, ref.Account, "key/"+ref.ID).String()
}

// keyNotice says what stops with a key, and what does not. Its ID is that of the event and the key's state, so that a
// repeated event has one; the records of two accounts of one call share it.
func (h *Handler) keyNotice(kind guard.NoticeKind, c trail.Change, cause guard.Cause, key guard.Key, blast guard.BlastRadius) guard.Notice {
	blast = fitting(blast)
	detail := ""
	if kind == guard.NoticeIncident && c.EventName == "CancelKeyDeletion" && !blast.Now().Usable() && blast.Now() != guard.KeyPendingDeletion {
		detail = "its deletion was canceled"
	}
	id := c.SharedEventID
	if id == "" {
		id = c.EventID
	}
	return guard.Notice{
		ID:   fmt.Sprintf("%s|%s|%s|%s", key.ARN, kind, blast.Now(), id),
		Kind: kind, At: h.Now().UTC(), Account: key.Account, Region: key.Region, Resource: key.ARN, Name: keyName(key),
		Decision: guard.Decision{Reason: "secrets are under the key"}, Blast: &blast, Detail: detail, Tags: key.Tags,
		Actor: cause.Actor, Tool: cause.Tool, EventID: cause.EventID,
	}
}

// fitting lists as many secrets as an event has room for, and counts the others.
func fitting(radius guard.BlastRadius) guard.BlastRadius {
	for most := maxListed; ; most /= 2 {
		trimmed := radius.Trim(most)
		if raw, err := json.Marshal(trimmed); most == 0 || (err == nil && len(raw) <= maxIncident) {
			return trimmed
		}
	}
}

func keyName(key guard.Key) string {
	if len(key.Aliases) > 0 {
		return key.Aliases[0]
	}
	return key.ID
}

// lookAtKey has the secrets inspected that name an alias which was made, moved or taken away, and those under a key where
// what is recorded disagrees with what the key is now.
//
// Grants are made by the thousand for keys that have nothing to do with secrets: where the key's ARN is known, the index is
// asked before KMS is, which has quotas.
func (h *Handler) lookAtKey(ctx context.Context, c trail.Change, cause guard.Cause, queue string) (Outcome, error) {
	if err := h.Approval.Learn(ctx, c); err != nil {
		return Outcome{}, err
	}
	naming, err := h.naming(ctx, c.Alias)
	if err != nil {
		return Outcome{}, err
	}
	todo, reason, err := h.disagreeing(ctx, c.Key)
	if err != nil {
		return Outcome{}, err
	}
	if c.Alias != "" {
		h.Keys.Invalidate(c.Alias)
		reason = guard.Count(len(naming), "secret names", "secrets name") + " " + c.Alias + "; " + reason
	}
	todo = naming.and(todo)
	if len(todo) == 0 {
		return Outcome{Action: "unchanged", Reason: reason}, nil
	}
	return Outcome{Action: "recorded", Reason: reason + ": " + guard.Count(len(todo), "secret", "secrets") + " to inspect"}, h.fanOut(ctx, queue, cause, todo)
}

// disagreeing lists the secrets under a key whose records do not say what the key is now.
func (h *Handler) disagreeing(ctx context.Context, ref guard.KeyRef) (entries, string, error) {
	if ref.ID == "" {
		return nil, "the event names no key", nil
	}
	if kind, _ := arn.Of(ref.ID).Split(); kind == "key" {
		found, err := h.under(ctx, guard.Key{ARN: ref.ID})
		if err != nil || len(found.entries) == 0 {
			return nil, h.nothing(found), err
		}
	}
	key, err := h.describeKey(ctx, ref)
	if err != nil || key.ARN == "" {
		return nil, "the key does not exist", err
	}
	found, err := h.under(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if len(found.entries) == 0 {
		return nil, h.nothing(found), nil
	}
	standard, err := h.approving(ctx, key)
	if err != nil {
		return nil, "", fmt.Errorf("inspect key: %w", err)
	}
	todo := found.entries.unless(func(e guard.Entry) bool { return agrees(e, key) && approvalAgrees(standard.Approved, e, key) })
	records := guard.Count(len(found.entries), "record", "records")
	if key.State == guard.KeyStateUnknown {
		return todo, "the key could not be described, and " + records + " may say something else", nil
	}
	return todo, fmt.Sprintf("the key is %s, and %d of %s say something else", key.State, len(todo), records), nil
}

// agrees reports whether a record says of the key's state what the key says now. That another key of the secret is
// disabled says nothing of this one.
func agrees(e guard.Entry, key guard.Key) bool {
	switch {
	case e.At.IsZero(), key.State == guard.KeyStateUnknown:
		return false // nothing of it could be read; nothing is known now of what was recorded of the key
	case key.Unusable():
		return e.KeyState == key.State
	case key.State.Usable():
		return e.KeyState == ""
	default:
		return e.KeyState != ""
	}
}

// approvalAgrees reports the same of the key's approval, which its aliases and tags can give and take.
func approvalAgrees(approved guard.Approved, e guard.Entry, key guard.Key) bool {
	switch approved.Allows(key, e.Account) {
	case guard.Pass:
		return !e.Unapproved && !e.Doubted
	case guard.Fail:
		return e.Unapproved
	default:
		return true // the key alone does not say
	}
}
