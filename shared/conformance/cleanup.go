package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// Removed is what a cleanup did.
type Removed struct {
	Gone []sandbox.Resource // removed now; keys are scheduled for deletion
	Left []Leftover
	// Foreign has the name of a run and not its tag: somebody else's, which is left alone, and no failure.
	Foreign []sandbox.Resource
	Spared  []sandbox.Run // whose things stay
}

// Leftover is something that could not be removed.
type Leftover struct {
	Resource sandbox.Resource
	Err      error
}

// Cleanup removes what a run made: what is written down, and what is found by name and tag, for lists of AWS may lag behind.
// Sessions are by account: those that act as the run in it. Kinds are what it can have made.
// What is of a run that spare answers yes to stays; nil spares none. A thing that was never made, or is gone, is nothing to do, so
// that it can be repeated. The error is of what could not be looked for.
func Cleanup(ctx context.Context, sessions map[string]*sandbox.Session, regions []string, kinds []sandbox.Kind, written []sandbox.Resource, spare func(sandbox.Run) bool) (Removed, error) {
	all := slices.Clone(written)
	var failed []error
	for _, account := range sortedKeys(sessions) {
		for n, region := range regions {
			found, err := sessions[account].Find(ctx, region, n == 0, kinds)
			if err != nil {
				failed = append(failed, fmt.Errorf("account %s: %w", account, err))
			}
			for _, r := range found {
				if !slices.ContainsFunc(all, func(other sandbox.Resource) bool { return same1(other, r) }) {
					all = append(all, r)
				}
			}
		}
	}
	order := sandbox.Kinds()
	slices.SortStableFunc(all, func(x, y sandbox.Resource) int { return slices.Index(order, x.Kind) - slices.Index(order, y.Kind) })
	var out Removed
	for _, r := range all {
		if spare != nil && spare(r.Run()) {
			if !slices.Contains(out.Spared, r.Run()) {
				out.Spared = append(out.Spared, r.Run())
			}
			continue
		}
		session := sessions[r.Account]
		if session == nil {
			out.Left = append(out.Left, Leftover{r, errors.New("its account was not entered")})
			continue
		}
		switch there, err := session.Remove(ctx, r); {
		case errors.Is(err, sandbox.ErrNotOurs):
			out.Foreign = append(out.Foreign, r)
		case err != nil:
			out.Left = append(out.Left, Leftover{r, err})
		case there:
			out.Gone = append(out.Gone, r)
		}
	}
	return out, errors.Join(failed...)
}

// same1 reports whether two mean one thing: what is global has no Region.
func same1(x, y sandbox.Resource) bool {
	if x.Kind == sandbox.Role || x.Kind == sandbox.Policy {
		x.Region = y.Region
	}
	return x == y
}

func sortedKeys(of map[string]*sandbox.Session) []string {
	var keys []string
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
