package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// Approval finds out where aliases and tags approve keys: in accounts that are bound by an SCP of ours that keeps their people
// from writing them. It goes by what is attached now and by what that denies, not by its name or by what a configuration says.
// It is safe for concurrent use. Of a nil Approval nothing is known.
type Approval struct {
	Path       func(ctx context.Context, account string) (path []string, asOf time.Time, err error) // as Modes.Path
	SCPs       func(ctx context.Context) ([]SCP, error)                                             // by name those that could protect, with content and targets
	Protected  func(contents []string, account, region string) guard.Outcome                        // whether they keep everybody but approvers there from approving keys
	Management string                                                                               // the account that no SCP binds; "": not known
	Now        func() time.Time
	Changes    *Changes // of policies, of where accounts are, and of Origins; shared with who answers Path
	Origins    *Origins // who approved keys; nil: nobody keeps that
	Afresh     bool     // for who changes secrets: ask at each question whether anything has changed, and not each minute

	turn   turn
	again  bool            // ask at the next question as if Afresh
	kept   map[string]kept // by key
	scps   []SCP
	judged map[judgement]guard.Outcome // of scps
	until  time.Time
	unread bool   // scps
	change string // the last one when all that was forgotten
}

// judgement is what a policy is judged for.
type judgement struct{ contents, account, region string }

// Of completes what approves keys by what is known of the accounts of these keys, and of who approved them, where that decides.
// What AWS Organizations does not let us see stays unknown. Errors are those that pass.
func (a *Approval) Of(ctx context.Context, approved guard.Approved, keys ...guard.Key) (guard.Approved, error) {
	accounts := approved.DependsOn(keys...)
	if a == nil || len(accounts) == 0 {
		return approved, nil
	}
	if err := a.doubt(ctx, &approved, keys); err != nil {
		return guard.Approved{}, err
	}
	if a.Management == "" {
		return approved, nil
	}
	approved.Protected = map[string]bool{}
	for _, account := range accounts {
		outcome, err := a.judge(ctx, account, regionsOf(account, keys))
		switch {
		case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), err == nil && outcome == guard.Unknown:
		case err != nil:
			return guard.Approved{}, fmt.Errorf("find out who may approve keys of %s: %w", account, err)
		default:
			approved.Protected[account] = outcome == guard.Pass
		}
	}
	return approved, nil
}

// doubt completes what approves keys by who approved these.
func (a *Approval) doubt(ctx context.Context, approved *guard.Approved, keys []guard.Key) error {
	if a.Origins == nil {
		return nil
	}
	if err := a.turn.take(ctx); err != nil {
		return err
	}
	defer a.turn.give()
	if err := a.refresh(ctx); err != nil {
		return err
	}
	all := map[string][]guard.Doubt{}
	for i := range keys {
		k := &keys[i]
		if k.ARN == "" || all[k.ARN] != nil || len(approved.DependsOn(*k)) == 0 {
			continue
		}
		have, known := a.kept[k.ARN]
		if !known {
			var err error
			if have, err = a.Origins.of(ctx, k.ARN); err != nil {
				return err
			}
			a.kept[k.ARN] = have
		}
		if doubts := a.Origins.doubts(k, have, a.Now()); len(doubts) > 0 {
			all[k.ARN] = doubts
		}
	}
	approved.Doubts = all
	return nil
}

// Learn keeps who wrote what approves a key, where a call did that. All other processes know it within a minute, and this one
// at once.
func (a *Approval) Learn(ctx context.Context, c trail.Change) error {
	if a == nil || a.Origins == nil {
		return nil
	}
	news, err := a.Origins.learn(ctx, c)
	if err != nil || !news {
		return err
	}
	return a.Forget(ctx)
}

// AskAgain has the next question asked as if Afresh: an event may have been read elsewhere a moment ago.
func (a *Approval) AskAgain(ctx context.Context) error {
	if a == nil {
		return nil
	}
	if err := a.turn.take(ctx); err != nil {
		return err
	}
	defer a.turn.give()
	a.again = true
	return nil
}

// regionsOf lists the Regions of an account's keys.
func regionsOf(account string, keys []guard.Key) []string {
	var regions []string
	for _, k := range keys {
		if region := arn.Of(k.ARN).Region; k.Account == account && !slices.Contains(regions, region) {
			regions = append(regions, region)
		}
	}
	return regions
}

// judge answers Pass where an account is protected in all of these Regions.
func (a *Approval) judge(ctx context.Context, account string, regions []string) (guard.Outcome, error) {
	if account == a.Management {
		return guard.Fail, nil
	}
	if err := a.turn.take(ctx); err != nil {
		return guard.Unknown, err
	}
	defer a.turn.give()
	if err := a.read(ctx); err != nil {
		return guard.Unknown, err
	}
	if len(a.scps) == 0 {
		return guard.Fail, nil
	}
	path, asOf, err := a.Path(ctx, account)
	switch {
	case err != nil:
		return guard.Unknown, err
	case !asOf.IsZero():
		return guard.Unknown, fmt.Errorf("where it is was last said at %s: %w", asOf.Format(time.RFC3339), guard.ErrUnavailable)
	case len(path) == 0:
		return guard.Fail, nil
	}
	var contents []string
	for _, p := range a.scps {
		if slices.ContainsFunc(p.Targets, func(target string) bool { return target == account || slices.Contains(path, target) }) {
			contents = append(contents, p.Content)
		}
	}
	if len(contents) == 0 {
		return guard.Fail, nil
	}
	outcome := guard.Pass
	for _, region := range regions {
		switch a.in(contents, account, region) {
		case guard.Pass:
		case guard.Fail:
			return guard.Fail, nil
		default:
			outcome = guard.Unknown
		}
	}
	return outcome, nil
}

// in judges policies in one Region. The turn must be taken.
func (a *Approval) in(contents []string, account, region string) guard.Outcome {
	about := judgement{strings.Join(contents, "\n"), account, region}
	outcome, known := a.judged[about]
	if !known {
		outcome = a.Protected(contents, account, region)
		a.judged[about] = outcome
	}
	return outcome
}

// Forget has the policies, where accounts are, and who approved keys asked for again at the next question, here and, within a
// minute, in every other process: an event says that they have changed.
func (a *Approval) Forget(ctx context.Context) error {
	if a == nil {
		return nil
	}
	return a.Changes.Record(ctx)
}

// refresh forgets everything, once an hour, or after a change. The turn must be taken.
func (a *Approval) refresh(ctx context.Context) error {
	last := a.Changes.Last
	if a.Afresh || a.again {
		last = a.Changes.Ask
	}
	change, err := last(ctx)
	if err != nil {
		return err
	}
	a.again = false
	if a.kept != nil && a.Now().Before(a.until) && a.change == change {
		return nil
	}
	a.kept, a.unread, a.until, a.change = map[string]kept{}, true, a.Now().Add(pathsFor), change
	return nil
}

// read reads the policies, unless nothing has changed since. The turn must be taken.
func (a *Approval) read(ctx context.Context) error {
	if err := a.refresh(ctx); err != nil || !a.unread {
		return err
	}
	scps, err := a.SCPs(ctx)
	if err != nil {
		return err
	}
	a.scps, a.judged, a.unread = scps, map[judgement]guard.Outcome{}, false
	return nil
}
