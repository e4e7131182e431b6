package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Account is an account of the organization.
type Account struct {
	ID, Name string
	Path     []string // root and OUs above it, root first
	Active   bool     // it may hold something
}

// Organization looks at AWS Organizations.
type Organization interface {
	Accounts(ctx context.Context) ([]Account, error)
	SCPs(ctx context.Context) ([]SCP, error)
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

// pathsFor is how long the path of an account in the organization is believed.
const pathsFor = time.Hour

// Modes finds the mode of a secret. It asks Organizations only for accounts whose OUs matter. It is safe for concurrent
// use.
type Modes struct {
	Of       func(account string, path []string, tags map[string]string) guard.Mode // path: OUs above, nearest first
	ByPath   func(account string) bool                                              // whether the path of the account matters
	Accounts func(ctx context.Context) ([]Account, error)                           // of the organization as of now
	Now      func() time.Time

	mu    sync.Mutex
	paths map[string][]string
	until time.Time
}

// Mode is how far the guard may go with a secret of an account that has these tags.
func (m *Modes) Mode(ctx context.Context, account string, tags map[string]string) (guard.Mode, error) {
	if !m.ByPath(account) {
		return m.Of(account, nil, tags), nil
	}
	path, err := m.path(ctx, account)
	if err != nil {
		return "", err
	}
	return m.Of(account, path, tags), nil
}

func (m *Modes) path(ctx context.Context, account string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if path, known := m.paths[account]; known && m.Now().Before(m.until) {
		return path, nil
	}
	accounts, err := m.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	m.paths, m.until = map[string][]string{}, m.Now().Add(pathsFor)
	for _, a := range accounts {
		path := slices.Clone(a.Path)
		slices.Reverse(path)
		m.paths[a.ID] = path
	}
	if _, known := m.paths[account]; !known {
		m.paths[account] = nil // not in the organization: ask again in an hour, not for every event
	}
	return m.paths[account], nil
}
