package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

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

// Cleanup removes what a run made: what is written down, and what is found by name and tag, for lists of AWS may lag behind. Nil is nothing
// that anybody wrote down: then a key that cannot be looked at may be one of a run's.
// Sessions are by account: those that act as the run in it. Kinds are what it can have made.
// What is of a run that spare answers yes to stays; nil spares none. A thing that was never made, or is gone, is nothing to do, so
// that it can be repeated. Things that do not depend on each other are removed at once. The error is of what could not be looked for.
func Cleanup(ctx context.Context, sessions map[string]*sandbox.Session, regions []string, kinds []sandbox.Kind, written []sandbox.Resource, spare func(sandbox.Run) bool) (Removed, error) {
	all, failed := find(ctx, sessions, regions, kinds, written != nil)
	for _, r := range written { // as it was written: a name found says less
		all = slices.DeleteFunc(all, func(other sandbox.Resource) bool { return same1(r, other) })
	}
	all = append(slices.Clone(written), all...)
	var out Removed
	all = slices.DeleteFunc(all, func(r sandbox.Resource) bool {
		stays := spare != nil && spare(r.Run())
		if stays && !slices.Contains(out.Spared, r.Run()) {
			out.Spared = append(out.Spared, r.Run())
		}
		return stays
	})
	for _, stage := range sandbox.Stages() {
		removeStage(ctx, sessions, slices.DeleteFunc(slices.Clone(all), func(r sandbox.Resource) bool { return !slices.Contains(stage, r.Kind) }), &out)
	}
	return out, failed
}

// atOnce is how many things are looked for, or removed, at a time.
const atOnce = 8

// find finds what the runs of some sessions made, in the order of accounts, Regions and kinds. Known says that all of it is written down: a
// key that cannot be looked at is none of it, or is missed when that one is removed.
func find(ctx context.Context, sessions map[string]*sandbox.Session, regions []string, kinds []sandbox.Kind, known bool) ([]sandbox.Resource, error) {
	type look struct {
		account, region string
		global          bool
		kind            sandbox.Kind
	}
	var looks []look
	for _, account := range sortedKeys(sessions) {
		for n, region := range regions {
			for _, kind := range kinds {
				looks = append(looks, look{account, region, n == 0, kind})
			}
		}
	}
	found, failed := make([][]sandbox.Resource, len(looks)), make([]error, len(looks))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for at, l := range looks {
		group.Go(func() error {
			var err error
			found[at], err = sessions[l.account].Find(ctx, l.region, l.global, []sandbox.Kind{l.kind})
			if _, unseen := errors.AsType[*sandbox.UnseenError](err); err != nil && (!known || !unseen) {
				failed[at] = fmt.Errorf("account %s: %w", l.account, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	return slices.Concat(found...), errors.Join(failed...)
}

// removeStage removes things at once, but for those of one name, such as a secret and its replica, which go one after the
// other.
func removeStage(ctx context.Context, sessions map[string]*sandbox.Session, all []sandbox.Resource, out *Removed) {
	type thing struct {
		there bool
		err   error
	}
	done := make([]thing, len(all))
	named := map[string][]int{}
	var names []string
	for at, r := range all {
		name := string(r.Kind) + r.Name
		if named[name] == nil {
			names = append(names, name)
		}
		named[name] = append(named[name], at)
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, name := range names {
		group.Go(func() error {
			for _, at := range named[name] {
				if session := sessions[all[at].Account]; session == nil {
					done[at].err = errors.New("its account was not entered")
				} else {
					done[at].there, done[at].err = session.Remove(ctx, all[at])
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in done
	for at, r := range all {
		switch one := done[at]; {
		case errors.Is(one.err, sandbox.ErrNotOurs):
			out.Foreign = append(out.Foreign, r)
		case one.err != nil:
			out.Left = append(out.Left, Leftover{r, one.err})
		case one.there:
			out.Gone = append(out.Gone, r)
		}
	}
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
