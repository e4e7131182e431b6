package handlers

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// topic sends letters to one SNS topic.
type topic struct {
	topics *cloud.Topics
	arn    string
}

func (t topic) Send(ctx context.Context, l alert.Letter) error {
	return t.topics.Publish(ctx, t.arn, cloud.Message{
		Subject: l.Subject, ByProtocol: map[string]string{"default": l.Text}, Attributes: l.Attributes,
	})
}

// looker lets remediate have its changes recorded the way events are.
type looker struct{ h *detect.Handler }

func (l looker) Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) error {
	_, err := l.h.Look(ctx, ref, cause)
	return err
}

// pathsFor is how long the place of accounts in the organization is believed.
const pathsFor = time.Hour

// modes finds the mode of a secret. It asks Organizations only when OUs have modes and the account itself has none.
type modes struct {
	runtime settings.Runtime
	cloud   *cloud.Cloud
	now     func() time.Time

	mu    sync.Mutex
	paths map[string][]string // OUs above an account, nearest first
	until time.Time
}

func newModes(r settings.Runtime, c *cloud.Cloud, now func() time.Time) *modes {
	return &modes{runtime: r, cloud: c, now: now}
}

func (m *modes) Mode(ctx context.Context, account string, tags map[string]string) (guard.Mode, error) {
	if _, named := m.runtime.Accounts[account]; named || len(m.runtime.OUs) == 0 {
		return m.runtime.Mode(account, nil, tags), nil
	}
	path, err := m.path(ctx, account)
	if err != nil {
		return "", err
	}
	return m.runtime.Mode(account, path, tags), nil
}

func (m *modes) path(ctx context.Context, account string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if path, known := m.paths[account]; known && m.now().Before(m.until) {
		return path, nil
	}
	accounts, err := m.cloud.Organization().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	m.paths, m.until = map[string][]string{}, m.now().Add(pathsFor)
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

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
