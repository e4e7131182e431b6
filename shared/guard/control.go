package guard

import "slices"

// Outcome is what a control says of one resource.
type Outcome string

const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	Unknown       Outcome = "unknown"        // what decides could not be read; never counts as safe
	NotApplicable Outcome = "not_applicable" // the control has nothing to say here
)

// Control is one of our checks.
type Control struct {
	ID       ControlID
	Title    string
	Why      string // what goes wrong without it
	Fix      string // what the owner does
	Severity Severity

	check func(*Copies, Standard) (Outcome, Subject)
	words func(Subject) string // what a subject that fails it means, in half a sentence
}

// Standard is what an organization measures its secrets against.
type Standard struct {
	Approved Approved
}

// Verdict is what one control says of one secret.
type Verdict struct {
	Control Control
	Outcome Outcome
	Subject Subject // what fails or is unknown; empty otherwise
}

// ControlByID finds a control of any kind.
func ControlByID(id ControlID) (Control, bool) {
	for _, c := range slices.Concat(Controls(), KeyControls(), []Control{CoverageControl(), StorageControl()}) {
		if c.ID == id {
			return c, true
		}
	}
	return Control{}, false
}
