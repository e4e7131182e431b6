package guard

import (
	"fmt"
	"time"
)

// Mode says how far the guard may go for an OU, account or tag.
type Mode string

const (
	ModeObserve   Mode = "observe"   // record
	ModeNotify    Mode = "notify"    // record, tag and tell
	ModeRemediate Mode = "remediate" // record, tag, tell and fix
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
	Resource string // canonical ARN, or a pattern with "*"
	By       string
	Reason   string
	Expires  time.Time
}

// Covers reports whether the waiver excuses the control on the resource at that moment.
func (w Waiver) Covers(control ControlID, resource string, now time.Time) bool {
	return w.Control == control && now.Before(w.Expires) && matchWildcard(w.Resource, resource)
}

// matchWildcard matches "*" against any run of characters, as AWS resource patterns do.
func matchWildcard(pattern, s string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			for i := len(s); i >= 0; i-- {
				if matchWildcard(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		}
		if s == "" || pattern[0] != s[0] {
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
