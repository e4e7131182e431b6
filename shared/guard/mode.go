package guard

import (
	"fmt"
	"strings"
	"time"
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
	Resource string // canonical ARN, or a pattern with "*"
	By       string
	Reason   string
	Expires  time.Time
}

// Covers reports whether the waiver excuses the control on the resource at that moment.
func (w Waiver) Covers(control ControlID, resource string, now time.Time) bool {
	return w.Control == control && now.Before(w.Expires) && matchWildcard(w.Resource, resource)
}

// matchWildcard matches "*" against any run of characters, as AWS resource patterns do. It goes back to the last "*" only,
// so that a name made of what a pattern asks for does not cost more than its length for each "*".
func matchWildcard(pattern, s string) bool {
	at, star, from := 0, -1, 0
	for i := 0; i < len(s); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, from = at, i
			at++
		case at < len(pattern) && pattern[at] == s[i]:
			at, i = at+1, i+1
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}
