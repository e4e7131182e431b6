package detect

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// unseen opens the coverage finding of what we were not allowed to look at: of the one secret when only that was
// refused and its full ARN is known, else of the whole account and Region, once for all its secrets.
func (h *Handler) unseen(ctx context.Context, rec guard.Record, l *look, cause error) (Outcome, error) {
	target := guard.Secret{ARN: secretARN(l.ref), Account: l.ref.Account, Region: l.ref.Region, Name: rec.Name}
	blind := guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseDenied}
	switch {
	case errors.Is(cause, guard.ErrNotOurs):
		blind = guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNotEntered}
	case !canonical.MatchString(target.ARN):
		blind.Part = guard.PartLocation
	case h.readsOthers(ctx, l.ref):
		blind.Cause = guard.CauseItsPolicy
	}
	if blind.Part == guard.PartLocation {
		target.ARN, target.Name = placeARN(l.ref.Account, l.ref.Region), ""
		h.seen.set(target.ARN, false)
	}
	if target.Name == "" {
		target.Name = nameOf(target.ARN)
	}
	if target.ARN != rec.Resource {
		var err error
		if rec, err = h.Records.Load(ctx, target.ARN); err != nil {
			return Outcome{}, fmt.Errorf("open coverage finding: %w", err)
		}
	}
	if _, err := h.commit(ctx, rec, guard.ReconcileUnseen(rec, target, blind, h.Now(), l.cause)); err != nil {
		return Outcome{}, err
	}
	reason := guard.Describe(guard.OrgCoverage, guard.Fail, guard.Subject{Blind: &blind})
	return Outcome{Action: "unseen", Reason: reason, Control: string(guard.OrgCoverage)}, nil
}

// noSecret is a name that no secret has. Whoever may look at secrets is told that it does not exist, whoever may not is
// denied: AWS decides on the right before it looks.
const noSecret = "doublelock/no-such-secret"

// readsOthers reports whether we may look at other secrets in the account and Region of one that was denied.
func (h *Handler) readsOthers(ctx context.Context, denied guard.SecretRef) bool {
	_, err := h.Secrets.Describe(ctx, guard.SecretRef{Account: denied.Account, Region: denied.Region, ID: noSecret})
	return err == nil || errors.Is(err, guard.ErrGone)
}

// canonical matches the ARN of one secret with the six characters that Secrets Manager adds to its name.
var canonical = regexp.MustCompile(`^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$`)

// sighted resolves the coverage finding of an account and Region that we could look into. It asks once a process.
func (h *Handler) sighted(ctx context.Context, s guard.Secret, cause guard.Cause) error {
	place := placeARN(s.Account, s.Region)
	if h.seen.has(place) {
		return nil
	}
	rec, err := h.Records.Load(ctx, place)
	if err != nil {
		return fmt.Errorf("look for a blind spot: %w", err)
	}
	if rec.Revision > 0 {
		if _, err := h.commit(ctx, rec, guard.ReconcileSeen(rec, h.Now(), cause)); err != nil {
			return err
		}
	}
	h.seen.set(place, true)
	return nil
}

// placeARN stands for every secret of an account and Region.
func placeARN(account, region string) string {
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
