package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// findingSecrets bounds the search for secrets that only an older copy ties to a key: AWS has no index for it.
const findingSecrets = 20 * time.Second

// maxListed bounds the secrets of each kind in an incident, and maxIncident what they may take, in bytes of JSON, so
// that its event stays under EventBridge's 256 KB whatever the secrets are called.
const (
	maxListed   = 150
	maxIncident = 200 * 1024
)

// lifecycle inspects every secret that a key holds, after the key was enabled, disabled or deleted, and opens an
// incident when the key cannot be used.
func (h *Handler) lifecycle(ctx context.Context, c trail.Change, cause guard.Cause) (Outcome, error) {
	key, err := h.describeKey(ctx, c.Key)
	if err != nil {
		return Outcome{}, err
	}
	records, err := h.recorded(ctx, key)
	if err != nil {
		return Outcome{}, err
	}
	secrets, partial, err := h.under(ctx, key, records)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := h.announceKey(ctx, c, cause, key, secrets, partial)
	if err != nil {
		return Outcome{}, err
	}
	for _, s := range secrets {
		if knows(records, s, key) {
			continue
		}
		if _, err := h.Inspect(ctx, guard.SecretRef{Account: s.Account, Region: s.Region, ID: s.ARN}, cause); err != nil {
			return Outcome{}, err
		}
	}
	return outcome, nil
}

// announceKey publishes what an event means for the secrets under a key, before any of them is inspected again: it must
// not wait for them. Who did it does not matter: readers fail all the same, and a name that silences incidents would be
// worth stealing.
func (h *Handler) announceKey(ctx context.Context, c trail.Change, cause guard.Cause, key guard.Key, secrets []guard.Secret, partial error) (Outcome, error) {
	blast := guard.Blast(key, secrets)
	state := string(key.State)
	kind, action := guard.NoticeIncident, "incident"
	switch {
	case blast.Empty() && partial == nil:
		return Outcome{Action: "unchanged", Reason: "key is " + state + ", no secret is under it"}, nil
	case restores(c.EventName, key.State):
		kind, action = guard.NoticeKeyRestored, "restored"
	case !key.Unusable() && key.State != guard.KeyStateUnknown,
		key.State == guard.KeyStateUnknown && (c.EventName == "EnableKey" || c.EventName == "CancelKeyDeletion"):
		return Outcome{Action: "recorded", Reason: fmt.Sprintf("key is %s, %s under it", state, guard.Count(len(secrets), "secret is", "secrets are"))}, nil
	}
	if err := h.Bus.Publish(ctx, []guard.Notice{h.keyNotice(kind, c, cause, key, blast, partial)}); err != nil {
		return Outcome{}, fmt.Errorf("publish what became of the key: %w", err)
	}
	return Outcome{Action: action, Reason: "key is " + state, Control: string(guard.SecretKeyUnusable)}, nil
}

// restores reports whether a call made things better: the key can be used again, or will not be deleted after all, which
// leaves it disabled and is no second incident.
func restores(eventName string, now guard.KeyState) bool {
	switch eventName {
	case "EnableKey", "ImportKeyMaterial":
		return now.Usable()
	case "CancelKeyDeletion":
		return now.Usable() || now == guard.KeyDisabled || now == guard.KeyPendingImport
	default:
		return false
	}
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

// recorded lists what is recorded under a key. Of a row that cannot be read its key says which secret it is of: that counts
// as recorded, and as one of which nothing more is known.
func (h *Handler) recorded(ctx context.Context, key guard.Key) ([]guard.Record, error) {
	if key.ARN == "" {
		return nil, nil
	}
	records, unreadable, err := h.Records.ByKey(ctx, key.ARN)
	if err != nil {
		return nil, fmt.Errorf("find secrets under key: %w", err)
	}
	for _, bad := range unreadable {
		h.Log.ErrorContext(ctx, "read record", "secret", bad.ID, "account", bad.Group, "action", "set aside", "reason", bad.Reason)
		records = append(records, guard.Record{Resource: bad.ID, Account: bad.Group, Region: arn.Of(bad.ID).Region, Name: nameOf(bad.ID), KeyARN: key.ARN})
	}
	return records, nil
}

// knows reports whether the record of a secret says already what the key's state means for it. So an event that takes
// more than one delivery goes on where the last one ended.
func knows(records []guard.Record, s guard.Secret, key guard.Key) bool {
	for _, rec := range records {
		if rec.Resource == s.ARN {
			return agrees(rec, key)
		}
	}
	return false
}

// under finds the secrets that a key holds: those recorded under it, in whatever account, and those that only an older
// copy ties to it. Where the search itself could not end, partial says why.
func (h *Handler) under(ctx context.Context, key guard.Key, records []guard.Record) (secrets []guard.Secret, partial, err error) {
	if key.ARN == "" {
		return nil, nil, nil
	}
	found, partial := h.search(ctx, key, records)
	known := map[string]bool{}
	for _, s := range found {
		known[s.ARN] = true
	}
	for _, rec := range records {
		if known[rec.Resource] || !rec.GoneAt.IsZero() {
			continue
		}
		s, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: rec.Account, Region: rec.Region, ID: rec.Resource})
		switch {
		case errors.Is(err, guard.ErrThrottled):
			return nil, nil, fmt.Errorf("find secrets under key: %w", err)
		case err == nil:
			found = append(found, s)
		case !errors.Is(err, guard.ErrGone):
			found = append(found, unreadable(rec, key))
		}
	}
	slices.SortFunc(found, func(a, b guard.Secret) int { return strings.Compare(a.ARN, b.ARN) })
	return found, partial, nil
}

func (h *Handler) search(ctx context.Context, key guard.Key, records []guard.Record) ([]guard.Secret, error) {
	accounts := []string{key.Account}
	for _, rec := range records {
		if !slices.Contains(accounts, rec.Account) {
			accounts = append(accounts, rec.Account)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, findingSecrets)
	defer cancel()
	return h.Secrets.UsingKey(ctx, key, accounts)
}

// unreadable stands for a secret recorded under the key that could not be described now.
func unreadable(rec guard.Record, key guard.Key) guard.Secret {
	return guard.Secret{ARN: rec.Resource, Name: rec.Name, Account: rec.Account, Region: rec.Region, Key: key, VersionsUnread: true}
}

// keyNotice says what stops with a key, and what does not. Its ID is that of the event and the key's state, so that a
// repeated event has one; the records of two accounts of one call share it.
func (h *Handler) keyNotice(kind guard.NoticeKind, c trail.Change, cause guard.Cause, key guard.Key, blast guard.BlastRadius, partial error) guard.Notice {
	blast = fitting(blast)
	id := c.SharedEventID
	if id == "" {
		id = c.EventID
	}
	n := guard.Notice{
		ID:   fmt.Sprintf("%s|%s|%s|%s", key.ARN, kind, key.State, id),
		Kind: kind, At: h.Now().UTC(), Account: key.Account, Region: key.Region, Resource: key.ARN, Name: keyName(key),
		Decision: guard.Decision{Reason: "secrets are under the key"}, Blast: &blast, Tags: key.Tags,
		Actor: cause.Actor, Tool: cause.Tool, EventID: cause.EventID,
	}
	if partial != nil {
		n.Detail = "not every secret could be inspected, so more may be affected"
	}
	return n
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

// lookAtKey inspects again the secrets under a key where what is recorded disagrees with what the key is now.
//
// Grants are made by the thousand for keys that have nothing to do with secrets: where the key's ARN is known, the
// records are asked before KMS is, which has quotas.
func (h *Handler) lookAtKey(ctx context.Context, ref guard.KeyRef, cause guard.Cause) (Outcome, error) {
	if kind, _ := arn.Of(ref.ID).Split(); kind == "key" {
		records, err := h.recorded(ctx, guard.Key{ARN: ref.ID})
		if err != nil || len(records) == 0 {
			return Outcome{Action: "unchanged", Reason: "no secret is under the key"}, err
		}
	}
	key, err := h.describeKey(ctx, ref)
	if err != nil || key.ARN == "" {
		return Outcome{Action: "unchanged", Reason: "the key does not exist"}, err
	}
	records, err := h.recorded(ctx, key)
	if err != nil {
		return Outcome{}, err
	}
	standard, err := h.standard(ctx, key)
	if err != nil {
		return Outcome{}, fmt.Errorf("inspect key: %w", err)
	}
	inspected := 0
	for _, rec := range records {
		if !rec.GoneAt.IsZero() || agrees(rec, key) && approvalAgrees(standard.Approved, rec, key) {
			continue
		}
		if _, err := h.Inspect(ctx, guard.SecretRef{Account: rec.Account, Region: rec.Region, ID: rec.Resource}, cause); err != nil {
			return Outcome{}, err
		}
		inspected++
	}
	if inspected == 0 {
		return Outcome{Action: "unchanged", Reason: "the key is " + string(key.State) + ", as recorded"}, nil
	}
	return Outcome{Action: "recorded", Reason: fmt.Sprintf("key is %s, %s inspected", key.State, guard.Count(inspected, "secret", "secrets"))}, nil
}

// agrees reports whether a record says of the key's state what the key says now. That another key of the secret is
// disabled says nothing of this one.
func agrees(rec guard.Record, key guard.Key) bool {
	switch recorded := recordedState(rec, key); {
	case key.Unusable():
		return recorded == key.State
	case key.State == guard.KeyStateUnknown:
		return recorded != ""
	default:
		return recorded == ""
	}
}

// recordedState is the state for which a record says that the key cannot be used; "" where it does not.
func recordedState(rec guard.Record, key guard.Key) guard.KeyState {
	for _, f := range rec.Open() {
		if f.Control != guard.SecretKeyUnusable {
			continue
		}
		if f.Subject.Key.Same(key) {
			return f.Subject.Key.State
		}
		for _, r := range f.Subject.Replicas {
			if r.Key.Same(key) {
				return r.Key.State
			}
		}
		for _, v := range f.Subject.Versions {
			if at := slices.IndexFunc(v.Keys, key.Same); at >= 0 && v.Keys[at].Unusable() {
				return v.Keys[at].State
			}
		}
	}
	return ""
}

// approvalAgrees reports the same of the key's approval, which its aliases and tags can give and take.
func approvalAgrees(approved guard.Approved, rec guard.Record, key guard.Key) bool {
	switch approved.Allows(key, rec.Account) {
	case guard.Pass:
		return !isOpen(rec, guard.SecretKeyUnapproved)
	case guard.Fail:
		return isOpen(rec, guard.SecretKeyUnapproved)
	default:
		return true // the key alone does not say
	}
}

func isOpen(rec guard.Record, control guard.ControlID) bool {
	return slices.ContainsFunc(rec.Open(), func(f guard.Finding) bool { return f.Control == control })
}
