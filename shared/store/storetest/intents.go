package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/store"
)

// Intents keeps intents in memory. It is safe for concurrent use.
type Intents struct {
	mu      sync.Mutex
	intents map[string]store.Intent
	watches map[string]store.Watch
	brake   store.Brake
}

// NewIntents keeps none.
func NewIntents() *Intents {
	return &Intents{intents: map[string]store.Intent{}, watches: map[string]store.Watch{}}
}

// Intent implements store.Intents.
func (m *Intents) Intent(_ context.Context, target string) (store.Intent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.intents[target], nil
}

// SetIntent implements store.Intents.
func (m *Intents) SetIntent(_ context.Context, i store.Intent) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.intents[i.Target].Revision != i.Revision {
		return false, nil
	}
	i.Revision++
	m.intents[i.Target] = i
	return true, nil
}

// Watch implements store.Intents.
func (m *Intents) Watch(_ context.Context, target string) (store.Watch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watches[target], nil
}

// SetWatch implements store.Intents.
func (m *Intents) SetWatch(_ context.Context, w store.Watch) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watches[w.Target].Revision != w.Revision {
		return false, nil
	}
	w.Revision++
	m.watches[w.Target] = w
	return true, nil
}

// Brake implements store.Intents.
func (m *Intents) Brake(context.Context) (store.Brake, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.brake, nil
}

// SetBrake implements store.Brakes.
func (m *Intents) SetBrake(_ context.Context, b store.Brake) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.brake.Revision != b.Revision {
		return false, nil
	}
	b.Revision++
	m.brake = b
	return true, nil
}

// Turn sets the brake or lets go of it, as Alice does for a change.
func (m *Intents) Turn(t testing.TB, on bool, at time.Time) {
	t.Helper()
	b, err := m.Brake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := m.SetBrake(t.Context(), b.Turned(store.Turn{On: on, By: "arn:alice", At: at, Reason: "CHG-1"})); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

var _ store.Brakes = (*Intents)(nil)
var _ store.Intents = (*Intents)(nil)
