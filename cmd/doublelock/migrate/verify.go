package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/migration"
)

// verify compares the plan with what is true now, for the secrets that were not begun yet: those that were have
// changed by our own hand, and the machine inspects them before each step anyway. Each for which the plan does not hold is
// named and left out. Inspecting takes minutes, in which the hub goes on with the same plan: the jobs are listed again after it,
// and what was begun meanwhile is the plan's own doing. It answers the jobs as they were listed last.
//
// Everything in the accounts is inspected, and not the secrets of the plan alone: the policies of others name sessions and
// condition keys, and a copy of a secret in another account is found where it is.
func (a *applying) verify(ctx context.Context, m *fleet.Migrations, p migration.Plan, jobs []migration.Job) ([]migration.Job, error) {
	open := p
	open.Items = slices.DeleteFunc(slices.Clone(p.Items), func(i migration.Item) bool { return jobFor(jobs, i.Secret).Touched(p.ID) })
	if len(open.Items) == 0 {
		return jobs, nil
	}
	a.acceptFrom(p)
	for _, i := range open.Items {
		a.secrets = append(a.secrets, i.Secret)
	}
	fresh, err := a.make(ctx, m)
	if err != nil {
		return nil, err
	}
	if a.held = migration.Verify(open, fresh); len(a.held) == 0 {
		return jobs, nil
	}
	if jobs, _, err = migration.All(ctx, m.Store); err != nil {
		return nil, fmt.Errorf("list migrations again: %w", err)
	}
	a.held = slices.DeleteFunc(a.held, func(d migration.Drift) bool { return jobFor(jobs, d.Secret).Touched(p.ID) })
	for _, d := range a.held {
		for _, what := range d.What {
			fmt.Fprintf(a.env.Stderr, "doublelock: changed: %s: %s\n", output.Printable(d.Name), output.Printable(what))
		}
	}
	return jobs, nil
}

// outdated says for how much of a plan it does not hold any more.
func (a *applying) outdated(p migration.Plan) string {
	return fmt.Sprintf("plan %s does not hold any more for %s: plan again", p.ID, output.Count(len(a.held), "secret"))
}

// leftOut is why a secret of the plan is left out.
func leftOut(d migration.Drift) string {
	return "changed since the plan: " + strings.Join(d.What, ", ")
}

// isHeld reports that a secret is left out.
func (a *applying) isHeld(secret string) bool {
	return slices.ContainsFunc(a.held, func(d migration.Drift) bool { return d.Secret == secret })
}

// isOutside reports that a secret is none of the migration's any more, so that no wave waits for it.
func (a *applying) isOutside(secret string) bool {
	return slices.ContainsFunc(a.held, func(d migration.Drift) bool { return d.Secret == secret && d.Outside })
}

func waveOf(p migration.Plan, secret string) migration.Wave {
	for _, i := range p.Items {
		if i.Secret == secret {
			return i.Wave
		}
	}
	return ""
}

// acceptFrom takes over who may lose access by the plan.
func (a *applying) acceptFrom(p migration.Plan) {
	for _, i := range p.Items {
		a.acceptUnread = a.acceptUnread || i.Unread != ""
		for _, r := range i.Readers {
			if r.Accepted && !slices.Contains(a.accept, r.Principal) {
				a.accept = append(a.accept, r.Principal)
			}
		}
	}
}
