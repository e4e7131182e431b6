package migration

import (
	"fmt"
	"strings"
	"time"
)

// UnreadUses is what somebody accepts, beside principals, who lets a secret move although CloudTrail recorded more uses of it than
// were read. It is accepted by this name alone, and by no pattern.
const UnreadUses = "unread-uses"

// Gap is a time of which it is not known who used a secret, from From on and before To.
type Gap struct{ From, To time.Time }

// unread says of which times it is not known who used a secret; "" is none.
func unread(gaps []Gap) string {
	const most = 3
	var times []string
	for _, g := range gaps {
		if len(times) == most {
			times = append(times, fmt.Sprintf("%d more times", len(gaps)-most))
			break
		}
		times = append(times, fmt.Sprintf("%s and %s", g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339)))
	}
	if len(times) == 0 {
		return ""
	}
	return "who used it between " + strings.Join(times, ", between ") + " is not known: CloudTrail recorded more than was read so far, and each look reads on"
}
