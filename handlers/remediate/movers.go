package remediate

import (
	"context"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// movers let the remediate handler ask before a change, and hand the secret over after it.
type movers struct{ m *fleet.Migrations }

// Ready asks who would lose access.
func (a movers) Ready(ctx context.Context, s guard.Secret, keyARN string) (string, error) {
	j, err := a.m.Store.Load(ctx, s.ARN)
	if err != nil {
		return "", err
	}
	if j.Lease.By != "" && j.Lease.Until.After(a.m.Engine.Now()) {
		return "", fmt.Errorf("%w: %w", ErrPostponed, migration.ErrBusy)
	}
	if problem := j.Refuses(s, a.m.Engine.Settings); problem != "" {
		return problem, nil
	}
	found, err := a.m.Preflight.Check(ctx, s, keyARN, nil)
	if err != nil {
		return "", err
	}
	return complaint(found), nil
}

// complaint names who stands in the way, with the first fix: an event has room for some.
func complaint(a migration.Assessment) string {
	if a.Safe() {
		return ""
	}
	const most = 5
	var lines []string
	for i, p := range a.Problems {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(a.Problems)-most))
			break
		}
		lines = append(lines, p)
	}
	text := "it was not moved, because readers would break: " + strings.Join(lines, "; ")
	for _, r := range a.Losing() {
		switch f := r.Fix; {
		case f == nil:
		case len(f.Identity) > 0:
			return text + ". Fix: add to the policies of " + f.Principal + ": " + string(f.Identity)
		case len(f.KeyPolicy) > 0:
			return text + ". Fix: add to the policy of " + f.Key + ": " + string(f.KeyPolicy)
		}
	}
	return text
}

// Moved hands a re-keyed secret to the machine.
func (a movers) Moved(ctx context.Context, n guard.Notice, begun store.JournalEntry) error {
	was := &migration.Before{KeyID: begun.Before[KeyField], State: guard.LockState(begun.Before[StateField]), Tags: map[string]string{}, At: begun.At}
	for name, value := range n.Tags {
		if !strings.HasPrefix(name, "doublelock:") {
			was.Tags[name] = value
		}
	}
	for name, value := range begun.Before {
		if tag, isTag := strings.CutPrefix(name, TagField); isTag {
			was.Tags[tag] = value
		}
	}
	ref := guard.SecretRef{Account: n.Account, Region: n.Region, ID: n.Resource}
	s, err := a.m.Engine.Secrets.Describe(ctx, ref)
	if err != nil {
		return err
	}
	was.Replicas = s.Replicas
	j := migration.Job{Secret: s.ARN, Name: s.Name, Account: s.Account, Region: s.Region, Wave: migration.WaveOf(s.Tags), Target: begun.After[KeyField],
		Before: was, Seal: migration.SealOwner, Tool: n.Tool, RekeyedAt: begun.At}
	if s.RotationEnabled {
		j.Seal = migration.SealRotate
	}
	found, err := a.m.Preflight.Check(ctx, s, j.Target, nil)
	if err != nil {
		return err
	}
	j.Readers = migration.KnownReaders(found.Readers)
	_, err = a.m.Engine.Adopt(ctx, j)
	return err
}
