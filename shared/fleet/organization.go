package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Account is an account of the organization.
type Account struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Path   []string `json:"path"`   // root and OUs above it, root first
	Active bool     `json:"active"` // it may hold something
}

// Organization looks at AWS Organizations.
type Organization interface {
	Accounts(ctx context.Context) ([]Account, error)
	SCPs(ctx context.Context) ([]SCP, error)
}

// Remembered is an organization whose accounts are kept each time that they are listed. While AWS cannot list them, those that
// it listed last stand in for them.
type Remembered struct {
	Organization
	Answers store.Answers
	Now     func() time.Time
	Log     *slog.Logger
}

// accountsQuestion names what is kept of an organization.
const accountsQuestion = "organizations:ListAccounts"

// Accounts lists every account, and says in the log where the list is not of now.
func (r Remembered) Accounts(ctx context.Context) ([]Account, error) {
	accounts, _, err := r.Last(ctx)
	return accounts, err
}

// Last lists every account. asOf is when they were listed, where AWS cannot list them now; else it is zero.
func (r Remembered) Last(ctx context.Context) (accounts []Account, asOf time.Time, err error) {
	accounts, err = r.Organization.Accounts(ctx)
	if err == nil {
		r.keep(ctx, accounts)
		return accounts, time.Time{}, nil
	}
	last, unread := r.Answers.Last(ctx, accountsQuestion)
	if unread == nil && last.Usable(r.Now()) {
		unread = json.Unmarshal(last.Body, &accounts)
	}
	switch {
	case unread != nil:
		return nil, time.Time{}, errors.Join(err, unread)
	case !last.Usable(r.Now()):
		return nil, time.Time{}, err
	}
	r.Log.With(guard.AnswerOf(err).Fields()...).WarnContext(ctx, "list accounts", "action", "last known", "asOf", last.At.UTC(), "accounts", len(accounts))
	return accounts, last.At.UTC(), nil
}

// keep remembers a list. Where it cannot, that is no reason to do without the list.
func (r Remembered) keep(ctx context.Context, accounts []Account) {
	body, err := json.Marshal(accounts)
	if err == nil {
		err = r.Answers.Keep(ctx, accountsQuestion, store.Answer{At: r.Now().UTC(), Body: body})
	}
	if err != nil {
		r.Log.WarnContext(ctx, "remember accounts", "action", "failed", "error", err)
	}
}

// Enrolled is the part of an organization that has the member stack.
type Enrolled struct {
	Organization                                          // all of it
	Management   string                                   // the account that has the stack wherever it is
	Has          func(account string, path []string) bool // whether the stack is to be in an account under a path, root first
}

// Accounts lists the active accounts that have the member stack.
func (e Enrolled) Accounts(ctx context.Context) ([]Account, error) {
	all, err := e.Organization.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var kept []Account
	for _, a := range all {
		if a.Active && (a.ID == e.Management || e.Has(a.ID, a.Path)) {
			kept = append(kept, a)
		}
	}
	return kept, nil
}

const (
	pathsFor   = time.Hour       // how long the path of an account in the organization is believed
	unknownFor = 5 * time.Minute // and that an account is not in it: a new one is within minutes
	oldFor     = time.Minute     // and what AWS said last, before AWS is asked again whether it can say it now
)

// Modes finds the mode of a secret. It asks Organizations only for accounts whose OUs matter. It is safe for concurrent
// use.
type Modes struct {
	Of     func(account string, path []string, tags map[string]string) guard.Mode // path: OUs above, nearest first
	ByPath func(account string) bool                                              // whether the path of the account matters
	// Accounts lists the accounts of the organization as of now, or as of asOf where AWS cannot be asked.
	Accounts func(ctx context.Context) (accounts []Account, asOf time.Time, err error)
	Now      func() time.Time
	Changes  *Changes // after which Accounts is asked again

	turn   turn
	paths  map[string][]string
	asOf   time.Time // zero: when they were asked for
	asked  time.Time
	change string // the last one when they were asked for
}

// Mode is how far the guard may go with a secret of an account that has these tags. asOf is when AWS last said where the
// account is, where it cannot say that now; else it is zero.
func (m *Modes) Mode(ctx context.Context, account string, tags map[string]string) (mode guard.Mode, asOf time.Time, err error) {
	if !m.ByPath(account) {
		return m.Of(account, nil, tags), time.Time{}, nil
	}
	path, asOf, err := m.Path(ctx, account)
	if err != nil {
		return "", time.Time{}, err
	}
	return m.Of(account, path, tags), asOf, nil
}

// Path lists the OUs above an account, nearest first; none for one that is not in the organization. asOf is when that was so,
// where AWS cannot say it now; else it is zero.
func (m *Modes) Path(ctx context.Context, account string) (path []string, asOf time.Time, err error) {
	if err := m.turn.take(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer m.turn.give()
	change, err := m.Changes.Last(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	if m.paths == nil || m.change != change || m.Now().Sub(m.asked) >= m.believed(account) {
		accounts, asOf, err := m.Accounts(ctx)
		if err != nil {
			return nil, time.Time{}, err
		}
		m.paths, m.asOf, m.asked, m.change = map[string][]string{}, asOf, m.Now(), change
		for _, a := range accounts {
			path := slices.Clone(a.Path)
			slices.Reverse(path)
			m.paths[a.ID] = path
		}
	}
	path, known := m.paths[account]
	if !known && !m.asOf.IsZero() {
		return nil, time.Time{}, fmt.Errorf("find account %s in the organization as of %s: %w", account, m.asOf.Format(time.RFC3339), guard.ErrUnavailable)
	}
	return path, m.asOf, nil
}

// Member reports whether an account is of the organization, as AWS says it now: guard.ErrUnavailable where AWS cannot.
func (m *Modes) Member(ctx context.Context, account string) (bool, error) {
	path, asOf, err := m.Path(ctx, account)
	if err == nil && len(path) > 0 && !asOf.IsZero() {
		return false, fmt.Errorf("find account %s in the organization as of %s: %w", account, asOf.Format(time.RFC3339), guard.ErrUnavailable)
	}
	return len(path) > 0, err
}

// believed is how long what is known of an account is used without asking again.
func (m *Modes) believed(account string) time.Duration {
	switch _, known := m.paths[account]; {
	case !m.asOf.IsZero():
		return oldFor
	case known:
		return pathsFor
	default:
		return unknownFor
	}
}
