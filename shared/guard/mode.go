package guard

import (
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Mode says how far the guard may go for an OU, account or tag.
type Mode string

const (
	ModeObserve   Mode = "observe"   // record
	ModeNotify    Mode = "notify"    // record, tag and notify
	ModeRemediate Mode = "remediate" // record, tag, notify and fix
)

// Modes lists every mode, mildest first.
func Modes() []Mode { return []Mode{ModeObserve, ModeNotify, ModeRemediate} }

// ParseMode reads a mode by name.
func ParseMode(name string) (Mode, error) {
	for _, m := range Modes() {
		if string(m) == name {
			return m, nil
		}
	}
	return "", fmt.Errorf("mode %q: want observe, notify or remediate", name)
}

// Waiver excuses one control on one resource, by somebody, for a reason, until a date. It has no open end.
type Waiver struct {
	Control  ControlID
	Resource string // canonical ARN, or a pattern with "*" and "?"
	By       string
	Reason   string
	Expires  time.Time
}

// Covers reports whether the waiver excuses the control on the resource at that moment.
func (w Waiver) Covers(control ControlID, resource string, now time.Time) bool {
	return w.Control == control && now.Before(w.Expires) && arn.Match(w.Resource, resource)
}
