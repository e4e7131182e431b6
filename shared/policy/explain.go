package policy

import (
	"fmt"
	"strings"
)

// explain fills in why: the statements, the missing keys and a sentence for people.
func (e *evaluation) explain(d *Decision) {
	d.Why = fmt.Sprintf("%s: %s on %s by %s", d.Answer, e.request.Action, e.request.Resource, e.request.Principal)
	_ = strings.Join
}
