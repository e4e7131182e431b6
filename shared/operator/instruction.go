// Package operator is what people ask the hub for: instructions, the plans that are recorded, and what came of each.
//
// Who asks is no part of an instruction: AWS says it of the message that brings one.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/window"
)

// Instruction is what a person asks the hub to do.
type Instruction struct {
	Batch  string `json:"batch"`  // what was asked for at one time
	Number int    `json:"number"` // among that; it is carried out once
	Do     Verb   `json:"do"`
	Reason string `json:"reason,omitempty"` // of what changes secrets

	Plan    string `json:"plan,omitempty"`    // ID; of record and apply
	Digest  string `json:"digest,omitempty"`  // of the plan
	Secrets int    `json:"secrets,omitempty"` // in the plan; of record

	Part    *migration.Part `json:"part,omitempty"`    // of apply
	Windows []window.Window `json:"windows,omitempty"` // that are said to bind the job, of apply
	GoAhead string          `json:"goAhead,omitempty"` // who says that observing is over, of apply

	Secret string `json:"secret,omitempty"` // ARN, of rollback and resume
}

// Verb is what is to be done.
type Verb string

const (
	Record  Verb = "record"   // remember the digest of a plan: what is applied must be in it
	Apply   Verb = "apply"    // take the secret of a part as far as it can go now
	SetBack Verb = "rollback" // set a secret back
	Resume  Verb = "resume"   // let the wave of a secret that went wrong go on
)

// Validate errs on an instruction that says too little.
func (i Instruction) Validate() error {
	missing := func(what string) error { return fmt.Errorf("instruction %q: no %s", i.Do, what) }
	switch {
	case i.Batch == "":
		return missing("batch")
	case i.Do == Record && (i.Plan == "" || i.Digest == ""):
		return missing("plan")
	case i.Do == Apply && (i.Plan == "" || i.Digest == "" || i.Part == nil):
		return missing("part of a plan")
	case (i.Do == SetBack || i.Do == Resume) && i.Secret == "":
		return missing("secret")
	case i.Do != Record && i.Do != Apply && i.Do != SetBack && i.Do != Resume:
		return fmt.Errorf("instruction %q is unknown", i.Do)
	case i.Do != Record && i.Reason == "":
		return missing("reason")
	}
	return nil
}

// Outcome is what became of an instruction.
type Outcome struct {
	Number  int             `json:"number"`
	At      time.Time       `json:"at"`
	By      string          `json:"by"` // ARN of the person's session
	Secret  string          `json:"secret,omitempty"`
	Phase   migration.Phase `json:"phase,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Until   time.Time       `json:"until,omitzero"`
	Problem string          `json:"problem,omitempty"` // why it was not done, or not to its end

	Unchanged bool `json:"unchanged,omitempty"` // migration.ErrNothingToUndo was the problem
}

// Recorded is who recorded a plan.
type Recorded struct {
	Plan    string    `json:"plan"`
	Secrets int       `json:"secrets"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// ErrNotRecorded says that nobody who may has recorded a plan.
var ErrNotRecorded = errors.New("no operator has recorded it: it was edited, or made without the role doublelock-operator; plan again with it")

// Dispatch keeps which plans are recorded, and what became of instructions.
type Dispatch struct{ Plans, Outcomes store.Entries }

func recordedList(digest string) string { return "plan|" + digest }
func outcomesList(batch string) string  { return "outcomes|" + batch }

// Record remembers a plan, with who recorded it first.
func (d Dispatch) Record(ctx context.Context, digest string, r Recorded) error {
	return d.add(ctx, d.Plans, recordedList(digest), "recorded", r)
}

// Recorded is who recorded the plan of a digest; ErrNotRecorded where nobody did.
func (d Dispatch) Recorded(ctx context.Context, digest string) (Recorded, error) {
	var found *Recorded
	err := d.Plans.Read(ctx, recordedList(digest), func(_ string, raw json.RawMessage, bad *store.Unreadable) error {
		if bad != nil {
			return bad
		}
		found = &Recorded{}
		return json.Unmarshal(raw, found)
	})
	if err == nil && found == nil {
		err = ErrNotRecorded
	}
	if err != nil {
		return Recorded{}, fmt.Errorf("look for the recorded plan: %w", err)
	}
	return *found, nil
}

// End says what became of an instruction, once.
func (d Dispatch) End(ctx context.Context, i Instruction, o Outcome) error {
	o.Number = i.Number
	return d.add(ctx, d.Outcomes, outcomesList(i.Batch), outcomeID(i), o)
}

// Ended reports that an instruction was carried out, or refused: a message may come twice.
func (d Dispatch) Ended(ctx context.Context, i Instruction) (bool, error) {
	return d.Outcomes.Has(ctx, outcomesList(i.Batch), outcomeID(i))
}

// Of is what became of a batch by now, by number.
func (d Dispatch) Of(ctx context.Context, batch string) (map[int]Outcome, error) {
	out := map[int]Outcome{}
	err := d.Outcomes.Read(ctx, outcomesList(batch), func(_ string, raw json.RawMessage, bad *store.Unreadable) error {
		if bad != nil {
			return bad
		}
		var o Outcome
		err := json.Unmarshal(raw, &o)
		out[o.Number] = o
		return err
	})
	return out, err
}

func outcomeID(i Instruction) string { return fmt.Sprintf("%08d", i.Number) }

func (d Dispatch) add(ctx context.Context, to store.Entries, list, id string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("add to %s: %w", list, err)
	}
	return to.Add(ctx, list, id, raw)
}
