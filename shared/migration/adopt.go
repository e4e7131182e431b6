package migration

import (
	"context"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
)

// Adopt takes over a secret that the hub has just re-keyed and proven, so that it is observed, sealed and can be set
// back like any other. j says what was done: Secret, Target, Before, RekeyedAt. Adopting the same change again changes
// nothing. A secret that was moved before and is moved again was moved back in between, which is counted.
func (e *Engine) Adopt(ctx context.Context, j Job) (Job, error) {
	have, err := e.Store.Load(ctx, j.Secret)
	if err != nil {
		return have, fmt.Errorf("adopt %s: %w", j.Name, err)
	}
	if have.Revision > 0 && have.Target == j.Target && !have.RekeyedAt.Before(j.RekeyedAt) {
		return have, nil
	}
	j.History, j.Revision, j.Flips, j.Rescues = slices.Clip(have.History), have.Revision, have.Flips, have.Rescues
	if have.moved() {
		j.Flips = append(slices.Clip(have.Flips), Flip{At: j.RekeyedAt, Key: j.Before.KeyID})
		j.Before = have.Before
	}
	j.LastChangeAt, j.Phase = j.RekeyedAt, ""
	j.enter(Rekeyed, "re-keyed by the hub", e.By, j.RekeyedAt)
	if err := e.Store.Save(ctx, j); err != nil {
		return j, fmt.Errorf("adopt %s: %w", j.Name, err)
	}
	j.Revision++
	return j, nil
}

// moved reports that the secret is, as far as the job knows, under the new key.
func (j Job) moved() bool {
	return j.Phase == Rekeyed || j.Phase == Observing || j.Phase == Sealing || j.Phase == Sealed
}

// Refuses says why the hub must not re-key a secret by itself, from what became of it before; "" when nothing speaks
// against it.
func (j Job) Refuses(s guard.Secret, rules Rules) string {
	switch {
	case j.Revision == 0:
		return ""
	case j.Phase == RolledBack:
		return "it was set back (" + j.Reason + "): plan it again with doublelock migrate when that is mended"
	case j.Phase == Blocked:
		return j.Reason
	case j.moved() && s.Key.ARN != j.Target && len(j.Flips)+1 >= rules.Flips:
		return fmt.Sprintf("moved back %d times: %s undoes the change, so it is left to you; set it in the code: %s",
			len(j.Flips)+1, toolName(j.Tool), CodeLine(j.Tool, j.Target))
	}
	return ""
}
