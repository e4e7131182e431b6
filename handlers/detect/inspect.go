package detect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// rounds bounds how often an inspection starts over because somebody else wrote first.
const rounds = 8

// inspection is one inspection of one secret, and what it has learnt so far.
type inspection struct {
	ref   guard.SecretRef
	cause guard.Cause
	left  bool   // it is what is left of another: of that alone
	doubt bool   // a read was refused: what is remembered of the keys does not count
	fresh bool   // the keys' metadata was just read, not remembered
	from  string // ARN of a replica that led here; "" for none
}

// Inspect describes a secret and records, publishes and tags what follows. It is safe to repeat and to run twice at once.
//
// The record is loaded before the secret is described, and saved only if nobody wrote in between: so of two inspections,
// the one that described later always has the last word, and a slow one never puts back what a later one has found.
func (h *Handler) Inspect(ctx context.Context, ref guard.SecretRef, cause guard.Cause) (Outcome, error) {
	return h.inspect(ctx, inspection{ref: ref, cause: cause})
}

func (h *Handler) inspect(ctx context.Context, i inspection) (Outcome, error) {
	for range rounds {
		outcome, err := h.inspectOnce(ctx, &i)
		if errors.Is(err, errAgain) || errors.Is(err, guard.ErrConflict) {
			continue
		}
		return outcome, err
	}
	return Outcome{}, fmt.Errorf("inspect secret %s: %w %d times", i.ref.ID, guard.ErrConflict, rounds)
}

// Actions after which a record is as it was, whatever the secret is.
const (
	actionUnseen = "unseen" // we may not look
	actionLeft   = "left"   // a newer version's record
)

// errAgain starts an inspection over with what it has learnt.
var errAgain = errors.New("inspect again")

func (h *Handler) inspectOnce(ctx context.Context, i *inspection) (Outcome, error) {
	rec, err := h.Records.Load(ctx, i.ref.ID)
	if bad, is := errors.AsType[*store.Unreadable](err); is && bad.Newer {
		return Outcome{Action: actionLeft, Reason: bad.Error()}, nil // to the version that wrote it, whose sweep looks again
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("inspect secret: %w", err)
	}
	secret, err := h.Secrets.Describe(ctx, i.ref)
	switch {
	case errors.Is(err, guard.ErrGone):
		if err := h.inspectLeft(ctx, rec, guard.Secret{}, i); err != nil {
			return Outcome{}, err
		}
		return h.gone(ctx, rec, i)
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		return h.unseen(ctx, rec, i, err)
	case err != nil:
		return Outcome{}, fmt.Errorf("inspect secret: %w", err)
	case secret.IsReplica() && i.left:
		return Outcome{Action: "unchanged", Reason: "a replica still"}, nil
	case secret.IsReplica():
		i.ref, i.from = primary(secret), secret.ARN
		return Outcome{}, errAgain
	case secret.ARN != i.ref.ID:
		i.ref = guard.SecretRef{Account: secret.Account, Region: secret.Region, ID: secret.ARN}
		return Outcome{}, errAgain // the record loaded is not that of the canonical ARN
	}
	if err := h.sighted(ctx, secret.Account, secret.Region, i.cause); err != nil {
		return Outcome{}, err
	}
	if err := h.inspectLeft(ctx, rec, secret, i); err != nil {
		return Outcome{}, err
	}
	outcome, err := h.record(ctx, rec, secret, i)
	if err != nil {
		return outcome, err
	}
	return outcome, h.inspectOverwritten(ctx, rec, secret, i)
}

// record moves the record to what was found and does what follows from it.
func (h *Handler) record(ctx context.Context, rec guard.Record, secret guard.Secret, i *inspection) (Outcome, error) {
	mode, asOf, err := h.Modes.Mode(ctx, secret.Account, secret.Tags)
	if err != nil {
		return Outcome{}, fmt.Errorf("inspect secret: %w", err)
	}
	standard, err := h.standard(ctx, guard.CopiesOf(secret))
	if err != nil {
		return Outcome{}, fmt.Errorf("inspect secret: %w", err)
	}
	secret.AsOf = guard.Older(secret.AsOf, asOf)
	now := h.Now()
	verdicts := guard.Evaluate(secret, standard, now)
	next := guard.Reconcile(rec, secret, verdicts, h.Waivers, mode, now, i.cause)
	next = guard.ReconcileRead(next, secret, verdicts, now, i.cause)
	if !i.fresh && (i.doubt || keyVerdict(rec) != keyVerdict(next)) {
		i.fresh = true
		h.Keys.Invalidate(keyNames(rec, secret)...)
		return Outcome{}, errAgain
	}
	changed, err := h.commit(ctx, rec, next)
	if err != nil {
		return Outcome{}, err
	}
	if !secret.OldKeys().IsZero() { // tags say what a secret is, and a job is compared with what is so now
		return about(next, "recorded"), nil
	}
	tagged, err := h.tag(ctx, next, secret, mode)
	if err == nil && h.Seen != nil {
		err = h.Seen(ctx, secret)
	}
	switch {
	case err != nil:
		return Outcome{}, err
	case changed:
		return about(next, "recorded"), nil
	case tagged:
		return about(next, "tagged"), nil
	default:
		return about(next, "unchanged"), nil
	}
}

// standard is what a secret is measured against, with what is known of who may approve its keys, and of the accounts that have
// copies. While AWS cannot say that, it is not known: everything else of a secret can be judged.
func (h *Handler) standard(ctx context.Context, copies guard.Copies) (guard.Standard, error) {
	std, err := h.approving(ctx, copies.Keys()...)
	if err != nil || h.Member == nil {
		return std, err
	}
	std.Members = map[string]bool{}
	for _, p := range copies.Locations {
		if p.Kind != guard.LocationElsewhere {
			continue
		}
		member, err := h.Member(ctx, p.Account)
		switch {
		case err == nil:
			std.Members[p.Account] = member
		case ctx.Err() != nil, !guard.Passing(err) && !errors.Is(err, guard.ErrDenied) && !errors.Is(err, guard.ErrNotOurs):
			return std, fmt.Errorf("find out whether %s is of the organization: %w", p.Account, err)
		}
	}
	return std, nil
}

// approving is what keys are measured against.
func (h *Handler) approving(ctx context.Context, keys ...guard.Key) (guard.Standard, error) {
	approved, err := h.Approval.Of(ctx, h.Standard.Approved, keys...)
	if guard.Passing(err) && ctx.Err() == nil {
		return h.Standard, nil
	}
	return guard.Standard{Approved: approved}, err
}

func about(rec guard.Record, action string) Outcome {
	var open []string
	for _, f := range rec.Findings {
		if f.Status == guard.FindingOpen {
			open = append(open, string(f.Control))
		}
	}
	reason := "state " + string(rec.State)
	if !rec.AsOf.IsZero() {
		reason += ", as of " + rec.AsOf.Format(time.RFC3339) + ": AWS could not be asked again"
	}
	return Outcome{Action: action, Reason: reason, Control: strings.Join(open, " ")}
}

// commit saves a record if it differs, publishes its outbox and empties it. A crash anywhere in between is healed by
// the next inspection: what was saved and not published is still in the outbox, and what was published twice has one ID.
func (h *Handler) commit(ctx context.Context, before, next guard.Record) (changed bool, err error) {
	if !same(before, next) {
		if err := h.Records.Save(ctx, next); err != nil {
			return false, fmt.Errorf("record: %w", err)
		}
		next.Revision++
		changed = true
	}
	if len(next.Outbox) == 0 {
		return changed, nil
	}
	if err := h.Bus.Publish(ctx, next.Outbox); err != nil {
		return changed, fmt.Errorf("publish notices: %w", err)
	}
	return true, h.clear(ctx, next)
}

// clear takes what was published out of the outbox, whoever else is writing the record meanwhile.
func (h *Handler) clear(ctx context.Context, rec guard.Record) error {
	published := map[string]bool{}
	for _, n := range rec.Outbox {
		published[n.ID] = true
	}
	for range rounds {
		var left []guard.Notice
		for _, n := range rec.Outbox {
			if !published[n.ID] {
				left = append(left, n)
			}
		}
		if len(left) == len(rec.Outbox) {
			return nil
		}
		resource := rec.Resource
		rec.Outbox = left
		err := h.Records.Save(ctx, rec)
		if !errors.Is(err, guard.ErrConflict) {
			return wrap("empty the outbox", err)
		}
		if rec, err = h.Records.Load(ctx, resource); err != nil {
			return wrap("empty the outbox", err)
		}
	}
	return fmt.Errorf("empty the outbox of %s: %w %d times", rec.Resource, guard.ErrConflict, rounds)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// same reports whether two records say the same, whenever they were seen.
func same(a, b guard.Record) bool {
	a.SeenAt = b.SeenAt
	left, errLeft := json.Marshal(normal(a))
	right, errRight := json.Marshal(normal(b))
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

func normal(r guard.Record) guard.Record {
	if len(r.Findings) == 0 {
		r.Findings = nil
	}
	return r
}

// gone resolves what is recorded of a secret that is no more. One that was never recorded leaves nothing to resolve.
func (h *Handler) gone(ctx context.Context, rec guard.Record, i *inspection) (Outcome, error) {
	if rec.Revision == 0 {
		return Outcome{Action: "gone", Reason: "deleted before it was inspected, never recorded"}, nil
	}
	if _, err := h.commit(ctx, rec, guard.ReconcileGone(rec, h.Now(), i.cause)); err != nil {
		return Outcome{}, err
	}
	return Outcome{Action: "gone", Reason: "the secret was deleted"}, nil
}

// primary is where the primary of a replica is: the same ARN in another Region (user guide, "Replicate secrets").
func primary(replica guard.Secret) guard.SecretRef {
	id := arn.Of(replica.ARN).In(replica.PrimaryRegion).String()
	return guard.SecretRef{Account: replica.Account, Region: replica.PrimaryRegion, ID: id}
}

// keyVerdict is what a record says of the secret's keys: which controls fail by them, and for which keys. A change in it
// is believed only from fresh metadata, because each copy of this function remembers keys for minutes.
func keyVerdict(r guard.Record) string {
	var open []string
	for _, f := range r.Findings {
		byKey := f.Control == guard.SecretKeyUnusable || f.Control == guard.SecretKeyUnapproved || f.Control == guard.OrgCoverage
		if byKey && f.Status != guard.FindingResolved {
			open = append(open, string(f.Control)+" "+f.Describe())
		}
	}
	return strings.Join(open, "\n")
}

func keyNames(rec guard.Record, s guard.Secret) []string {
	names := []string{s.KeyID, rec.KeyARN}
	for _, r := range s.Replicas {
		names = append(names, r.KeyID)
	}
	for _, k := range guard.CopiesOf(s).Keys() {
		names = append(names, k.ARN)
	}
	var known []string
	for _, name := range names {
		if name != "" {
			known = append(known, name)
		}
	}
	return known
}
