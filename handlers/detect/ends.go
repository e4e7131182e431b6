package detect

import (
	"context"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// otherEnds inspects the secrets at the other end of a replication that was stopped: the event names one of both.
func (h *Handler) otherEnds(ctx context.Context, c trail.Change, cause guard.Cause) error {
	var ends []string
	switch c.EventName {
	case "StopReplicationToReplica": // it names the copy, which knows its primary no more
		var err error
		if ends, err = h.primaries(ctx, c.Secret); err != nil {
			return err
		}
	case "DisassociateCrossAccountReplica": // it names the primary
		if copied, _ := c.Request["crossAccountReplicaARN"].(string); arn.Is(copied) {
			ends = append(ends, copied)
		}
	}
	for _, end := range ends {
		if _, err := h.Inspect(ctx, guard.SecretRef{Account: arn.Of(end).Account, Region: arn.Of(end).Region, ID: end}, cause); err != nil {
			return err
		}
	}
	return nil
}

// primaries are the secrets whose records have a copy that is one of its own now: in another Region under the same ARN, or in
// another account, under whose key the copy is.
func (h *Handler) primaries(ctx context.Context, promoted guard.SecretRef) ([]string, error) {
	s, err := h.Secrets.Describe(ctx, promoted)
	id := secretARN(promoted)
	if err == nil {
		id = s.ARN
	}
	at := arn.Of(id)
	has := func(held guard.Held) bool {
		return slices.ContainsFunc(held.Elsewhere, func(c guard.HeldCopy) bool { return c.Account == at.Account && c.Region == at.Region })
	}
	var found []string
	for _, region := range h.Regions {
		if region == at.Region {
			continue
		}
		rec, err := h.Records.Load(ctx, at.In(region).String())
		if err != nil {
			return nil, fmt.Errorf("find the primary of %s: %w", id, err)
		}
		if has(rec.Held) {
			found = append(found, rec.Resource)
		}
	}
	for _, key := range guard.CopiesOf(s).Keys() {
		under, err := h.lookUp(ctx, guard.KeyEntry(key.ARN))
		if err != nil {
			return nil, err
		}
		for _, e := range under {
			if e.Account != at.Account && (has(e.Held) || e.Cut) && !slices.Contains(found, e.Secret) {
				found = append(found, e.Secret)
			}
		}
	}
	return found, nil
}
