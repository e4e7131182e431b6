package sweep

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/guard"
)

// round is one sweep over all accounts, several at a time. Each has its budget before the others had their turn, so that one
// that does not answer holds up none of them.
type round struct {
	*Handler
	progress   progress
	locations  map[string][]location // by account, in order
	remembered map[location][]string

	mu       sync.Mutex
	done     count
	answered map[string]bool // by Region: a location that did
	silent   []location
	budgets  map[string]time.Duration // of accounts that need more than the others
}

// accounts sweeps locations, given in order, from a bookmark on.
func (h *Handler) accounts(ctx context.Context, mark bookmark, all []location, remembered map[location][]string) (count, error) {
	r := &round{Handler: h, locations: map[string][]location{}, remembered: remembered, answered: map[string]bool{}, budgets: map[string]time.Duration{}}
	r.progress = progress{h: h, next: mark.Account, begun: map[string]position{}}
	for _, at := range all {
		r.locations[at.account] = append(r.locations[at.account], at)
	}
	for _, left := range mark.Left {
		if r.locations[left.Account] != nil {
			r.progress.begun[left.Account] = left
		}
	}
	var due []string
	for _, account := range slices.Sorted(maps.Keys(r.locations)) {
		if _, left := r.progress.begun[account]; left || account >= mark.Account {
			due = append(due, account)
		}
	}
	defer r.report(ctx)
	for len(due) > 0 {
		var err error
		if due, err = r.turn(ctx, due); err != nil {
			return r.done, err
		}
	}
	return r.done, h.put(ctx, bookmark{})
}

// turn takes each account as far as its budget allows, and lists those that are not done.
func (r *round) turn(ctx context.Context, due []string) (left []string, err error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(min(atATime, cmp.Or(r.Concurrency, 8)))
	var mu sync.Mutex
	for _, account := range due {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			again, err := r.account(inner, account)
			mu.Lock()
			defer mu.Unlock()
			if again {
				left = append(left, account)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(left)
	return left, ctx.Err()
}

// account sweeps the locations of an account as far as its budget allows. Each turn gets on by a part of a location at least,
// or gives one up as silent.
func (r *round) account(ctx context.Context, account string) (again bool, err error) {
	limit := r.budget(account)
	budget, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.progress.begin(account)
	from := r.progress.at(account)
	for _, at := range r.locations[account] {
		if at.region < from.Region {
			continue
		}
		err := r.location(budget, at)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case budget.Err() != nil:
			return true, r.spent(ctx, at, from, limit)
		case err != nil:
			return false, err
		}
	}
	r.progress.end(account)
	return false, nil
}

// budget is the time of an account's turn.
func (r *round) budget(account string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.budgets[account], r.PerAccount, perAccount)
}

// spent notes that an account's budget is spent: it goes on when the others had their turn. One that got nowhere does not
// answer, or is slow and gets more time.
func (r *round) spent(ctx context.Context, at location, from position, limit time.Duration) error {
	log := r.Log.With("account", at.account, "region", at.region, "action", "left")
	now := r.progress.at(at.account)
	switch {
	case now.Region != from.Region || now.After != from.After:
		log.InfoContext(ctx, "sweep", "reason", "the budget of the account is spent")
	case r.answers(ctx, at):
		log.WarnContext(ctx, "sweep", "reason", "the account is slow, and got nowhere in its budget")
		r.mu.Lock()
		defer r.mu.Unlock()
		r.budgets[at.account] = 2 * limit
	default:
		r.isSilent(at)
		return r.progress.move(ctx, position{Account: at.account, Region: at.region + "~"})
	}
	return nil
}

// location sweeps an account in a Region.
func (r *round) location(ctx context.Context, at location) error {
	mark := position{Account: at.account, Region: at.region, From: r.Now().UTC()}
	arns := map[string]bool{}
	for _, arn := range r.remembered[at] {
		arns[arn] = true
	}
	err := r.Secrets.Outline(ctx, at.account, at.region, func(s guard.Secret) error {
		arns[s.ARN] = true
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.listed(ctx, at, err)
	todo := slices.Sorted(maps.Keys(arns))
	if was := r.progress.at(at.account); was.Region == at.region {
		todo = slices.DeleteFunc(todo, func(arn string) bool { return arn <= was.After })
		mark.From, mark.Missed = was.From, was.Missed
	}
	if unanswered(err) && len(todo) == 0 {
		if r.answers(ctx, at) {
			return nil // logged: what is there is not known
		}
		r.isSilent(at)
		return ctx.Err()
	}
	for part := range slices.Chunk(todo, chunk) {
		missed, silent := r.inspectAll(ctx, at, part, unanswered(err))
		switch {
		case ctx.Err() != nil:
			return ctx.Err() // not all of them were inspected, so the bookmark stays before them
		case silent:
			r.isSilent(at)
			return nil
		}
		mark.After, mark.Missed = part[len(part)-1], missedMost(slices.Concat(mark.Missed, missed))
		if err := r.progress.move(ctx, mark); err != nil {
			return err
		}
	}
	if err != nil {
		return nil // logged: what is there is not known
	}
	return r.remember(ctx, mark)
}

// listed counts a location, and says what kept its secrets from being listed.
func (r *round) listed(ctx context.Context, at location, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.locations++
	if err == nil {
		r.answered[at.region] = true
		return
	}
	r.done.unseen++
	r.Log.ErrorContext(ctx, "list secrets", "account", at.account, "region", at.region, "action", "failed", "error", err)
}

// unanswered reports that nobody answered a call.
func unanswered(err error) bool {
	return errors.Is(err, guard.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

// answers reports whether a location answers any call, of which that to its secret may be the first.
func (r *round) answers(ctx context.Context, at location) bool {
	ctx, cancel := context.WithTimeout(ctx, perSecret)
	defer cancel()
	return !unanswered(r.Inspector.Revisit(ctx, at.account, at.region))
}

// inspectAll inspects secrets, and lists those that it could not look at. It ends early where the location is silent: neither
// the first looks nor any other call were answered. Where the list of its secrets was not, fewer looks show that.
func (r *round) inspectAll(ctx context.Context, at location, arns []string, unlisted bool) (missed []string, silent bool) {
	enough := probes
	if unlisted {
		enough = min(probes, len(arns))
	}
	asked, mute, answers := 0, 0, false
	for len(arns) > 0 && !answers && ctx.Err() == nil {
		n := min(cmp.Or(r.Concurrency, 8), len(arns))
		unseen, unanswered := r.inspectSome(ctx, at, arns[:n])
		missed, asked, mute, arns = append(missed, unseen...), asked+n, mute+unanswered, arns[n:]
		if answers = mute < asked; !answers && mute >= enough {
			if answers = r.answers(ctx, at); !answers {
				return missed, true
			}
		}
	}
	unseen, _ := r.inspectSome(ctx, at, arns)
	return append(missed, unseen...), false
}

// inspectSome inspects secrets, lists those that it could not look at, and counts the looks that were not answered.
func (r *round) inspectSome(ctx context.Context, at location, arns []string) (missed []string, mute int) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(cmp.Or(r.Concurrency, 8))
	for _, secret := range arns {
		group.Go(func() error {
			seen, err := r.inspect(ctx, guard.SecretRef{Account: at.account, Region: at.region, ID: secret})
			mu.Lock()
			defer mu.Unlock()
			r.count(err)
			if unanswered(err) {
				mute++
			}
			if !seen {
				missed = append(missed, secret)
			}
			return nil // counted: one that fails does not hold up the others
		})
	}
	_ = group.Wait() // no job answers an error
	return missed, mute
}

func (r *round) count(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.secrets++
	if err != nil {
		r.done.failed++
	}
}

func (h *Handler) inspect(ctx context.Context, ref guard.SecretRef) (seen bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, perSecret)
	defer cancel()
	seen, err = h.Inspector.Look(ctx, ref, guard.Cause{})
	if err != nil {
		h.Log.ErrorContext(ctx, "inspect", "account", ref.Account, "region", ref.Region, "secret", ref.ID, "action", "failed", "error", err)
	}
	return seen && err == nil, err
}

func (r *round) isSilent(at location) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = append(r.silent, at)
}

// report opens the findings of locations that do not answer. Where nobody in a Region does, AWS is down there, and no account is
// to blame.
func (r *round) report(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reporting)
	defer cancel()
	for _, at := range r.silent {
		log := r.Log.With("account", at.account, "region", at.region)
		if !r.answered[at.region] {
			log.WarnContext(ctx, "sweep", "action", "unseen", "reason", "no account answers in this Region")
			continue
		}
		if err := r.Inspector.Silent(ctx, at.account, at.region); err != nil {
			log.ErrorContext(ctx, "sweep", "action", "failed", "error", err)
			continue
		}
		log.WarnContext(ctx, "sweep", "action", "unseen", "reason", "it does not answer, and others do")
	}
}

// reporting is the time for it, which the function keeps in reserve.
const reporting = 10 * time.Second
