package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// State is what a run has made, or was about to make: all that a later process needs to remove it. It is written before
// each thing is made.
type State struct {
	Format  int         `json:"format"`
	Run     sandbox.Run `json:"run"`
	Started time.Time   `json:"started"`
	Account string      `json:"account"`        // that is asked
	Role    string      `json:"role,omitempty"` // to take there; "" is none
	// Management is the account that manages the organization, in which the second set made its policies; "" where that was not
	// asked, and in states of older versions.
	Management string             `json:"management,omitempty"`
	Region     string             `json:"region"`
	Second     string             `json:"second,omitempty"`
	Endpoint   string             `json:"endpoint,omitempty"` // of a stand-in
	Kinds      []sandbox.Kind     `json:"kinds"`              // that the run can make
	Resources  []sandbox.Resource `json:"resources"`
}

// stateFormat is the version of State's JSON.
const stateFormat = 1

// ReadState reads what a run left behind.
func ReadState(text []byte) (State, error) {
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read state of a run: %w", err)
	}
	switch {
	case s.Format != stateFormat:
		return s, fmt.Errorf("read state of a run: its format is %d, and this version reads %d", s.Format, stateFormat)
	case s.Run == sandbox.AnyRun || s.Region == "" || s.Account == "":
		return s, fmt.Errorf("read state of a run: run, account or Region is missing")
	case !s.Run.Valid():
		return s, fmt.Errorf("read state of a run: %q is no id of a run", s.Run)
	}
	return s, nil
}

// Journal keeps the state of a run, and saves it whenever it changes.
type Journal struct {
	mu    sync.Mutex
	state State
	save  func([]byte) error
}

// NewJournal begins the state of a run.
func NewJournal(s State, save func([]byte) error) (*Journal, error) {
	s.Format = stateFormat
	if s.Resources == nil {
		s.Resources = []sandbox.Resource{}
	}
	j := &Journal{state: s, save: save}
	return j, j.write()
}

// Intend writes down what is about to be made.
func (j *Journal) Intend(r sandbox.Resource) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slices.Contains(j.state.Resources, r) {
		return nil
	}
	j.state.Resources = append(j.state.Resources, r)
	return j.write()
}

// State is the state as it was saved last.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.state
	s.Resources = slices.Clone(s.Resources)
	return s
}

func (j *Journal) write() error {
	text, err := json.MarshalIndent(j.state, "", "  ")
	if err != nil {
		return fmt.Errorf("write state of the run: %w", err)
	}
	return j.save(append(text, '\n'))
}
