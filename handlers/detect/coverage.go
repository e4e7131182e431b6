package detect

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// unseen opens the coverage finding of what we were not allowed to inspect: of the one secret when only that was
// refused and its full ARN is known, else of the whole account and Region, one for all its secrets.
func (h *Handler) unseen(ctx context.Context, rec guard.Record, i *inspection, cause error) (Outcome, error) {
	target := guard.Secret{ARN: secretARN(i.ref), Account: i.ref.Account, Region: i.ref.Region, Name: rec.Name}
	blind := guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseDenied}
	switch {
	case errors.Is(cause, guard.ErrNotOurs):
		blind = guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNotEntered}
	case !canonical(target.ARN):
		blind.Part = guard.PartLocation
	case h.readsOthers(ctx, i.ref):
		blind.Cause = guard.CauseItsPolicy
	}
	if blind.Part == guard.PartLocation {
		target.ARN, target.Name = locationARN(i.ref.Account, i.ref.Region), ""
		h.seen.forget(target.ARN)
	}
	h.Log.With(guard.AnswerOf(cause).Fields()...).WarnContext(ctx, "inspect", "account", i.ref.Account, "region", i.ref.Region, "secret", i.ref.ID, "action", "unseen", "blind", string(blind.Cause))
	if target.Name == "" {
		target.Name = nameOf(target.ARN)
	}
	if target.ARN != rec.Resource {
		var err error
		if rec, err = h.Records.Load(ctx, target.ARN); err != nil {
			return Outcome{}, fmt.Errorf("open coverage finding: %w", err)
		}
	}
	if _, err := h.commit(ctx, rec, guard.ReconcileUnseen(rec, target, blind, h.Now(), i.cause)); err != nil {
		return Outcome{}, err
	}
	reason := guard.Describe(guard.OrgCoverage, guard.Fail, guard.Subject{Blind: &blind})
	return Outcome{Action: actionUnseen, Reason: reason, Control: string(guard.OrgCoverage)}, nil
}

// noSecret is a name that no secret has. Whoever may describe secrets gets that it does not exist, whoever may not is
// denied: AWS decides on the right first.
const noSecret = "doublelock/no-such-secret"

// readsOthers reports whether we may describe other secrets in the account and Region of one that was denied.
func (h *Handler) readsOthers(ctx context.Context, denied guard.SecretRef) bool {
	_, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: denied.Account, Region: denied.Region, ID: noSecret})
	return err == nil || errors.Is(err, guard.ErrGone)
}

// canonical reports whether an ARN is that of one secret, with the six characters that Secrets Manager adds to its name.
func canonical(secret string) bool {
	a := arn.Of(secret)
	kind, name := a.Split()
	return a.Service == "secretsmanager" && kind == "secret" && suffixed.MatchString(name)
}

var suffixed = regexp.MustCompile(`^.+-[A-Za-z0-9]{6}$`)

// sighted resolves the coverage finding of an account and Region that we could look into. It asks every few minutes.
func (h *Handler) sighted(ctx context.Context, account, region string, cause guard.Cause) error {
	location := locationARN(account, region)
	if h.seen.has(location, h.Now()) {
		return nil
	}
	rec, err := h.Records.Load(ctx, location)
	if err != nil {
		return fmt.Errorf("look for a blind spot: %w", err)
	}
	if rec.Revision > 0 {
		if _, err := h.commit(ctx, rec, guard.ReconcileSeen(rec, h.Now(), cause)); err != nil {
			return err
		}
	}
	h.seen.set(location, h.Now())
	return nil
}

// Revisit resolves the coverage finding of an account and Region, if we may look into it again: one that has no secret left
// is looked into for no other reason. It is safe to repeat.
func (h *Handler) Revisit(ctx context.Context, account, region string) error {
	_, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: account, Region: region, ID: noSecret})
	switch {
	case err == nil, errors.Is(err, guard.ErrGone):
		h.seen.forget(locationARN(account, region))
		return h.sighted(ctx, account, region, guard.Cause{})
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs):
		return nil // still blind
	default:
		return fmt.Errorf("look into %s in %s: %w", account, region, err)
	}
}

// Silent opens the coverage finding of an account and Region that answer no call, while others do.
func (h *Handler) Silent(ctx context.Context, account, region string) error {
	location := locationARN(account, region)
	h.seen.forget(location)
	for range rounds {
		rec, err := h.Records.Load(ctx, location)
		if err != nil {
			return fmt.Errorf("open coverage finding: %w", err)
		}
		target := guard.Secret{ARN: location, Account: account, Region: region, Name: nameOf(location)}
		blind := guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNoAnswer}
		_, err = h.commit(ctx, rec, guard.ReconcileUnseen(rec, target, blind, h.Now(), guard.Cause{}))
		if !errors.Is(err, guard.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("open coverage finding of %s in %s: %w", account, region, guard.ErrConflict)
}

// locationARN stands for every secret of an account and Region.
func locationARN(account, region string) string {
	return arn.PartitionOf(region).New("secretsmanager", region, account, "secret:*").String()
}

// secretARN is the ARN a reference names, without the suffix where the reference has none.
func secretARN(ref guard.SecretRef) string {
	if arn.Is(ref.ID) {
		return ref.ID
	}
	return arn.PartitionOf(ref.Region).New("secretsmanager", ref.Region, ref.Account, "secret:"+ref.ID).String()
}

func nameOf(secret string) string {
	if kind, name := arn.Of(secret).Split(); kind == "secret" && name != "*" {
		return name
	}
	return "all secrets here"
}
