package guard

import (
	"fmt"
	"strings"
	"time"
)

// Evaluate runs every control on a secret as Describe found it. It is pure and total: one verdict a control, in the
// order of Controls, whatever could or could not be read.
func Evaluate(s Secret, std Standard, now time.Time) []Verdict {
	controls := Controls()
	verdicts := make([]Verdict, 0, len(controls))
	for _, c := range controls {
		verdicts = append(verdicts, judge(c, s, std))
	}
	return verdicts
}

func judge(c Control, s Secret, std Standard) Verdict {
	v := Verdict{Control: c, Outcome: NotApplicable}
	if s.PendingDeletion() || s.IsReplica() {
		return v // nothing reads the first; the primary answers for the second
	}
	v.Outcome, v.Detail = c.check(s, std)
	if v.Outcome != Fail {
		return v
	}
	v.Fix = c.Fix
	if s.Foreign() {
		v.Fix = foreignFix(s.ForeignService())
	}
	return v
}

func checkDefaultKey(s Secret, _ Standard) (Outcome, string) {
	switch {
	case s.Foreign():
		return NotApplicable, ""
	case s.Key.Manager == ManagerAWS:
		return Fail, "opens with the AWS managed key, which the organization cannot switch off"
	case s.Key.Manager == ManagerCustomer:
		return Pass, ""
	default:
		return Unknown, "the metadata of its key could not be read"
	}
}

func checkSealed(s Secret, _ Standard) (Outcome, string) {
	switch StateOf(s, "") {
	case StateDual:
		return Fail, dualDetail(s)
	case StateSealed:
		return Pass, ""
	case StateUnknown:
		return Unknown, "the keys of its versions could not be read"
	default:
		return NotApplicable, ""
	}
}

// dualDetail tells older copies from versions that were never re-encrypted at all, which needs another fix.
func dualDetail(s Secret) string {
	older, stuck := 0, 0
	for _, v := range s.Versions {
		if !v.Labelled() {
			continue
		}
		has, other := false, false
		for _, k := range v.Keys {
			has = has || k.Same(s.Key)
			other = other || !k.Same(s.Key)
		}
		switch {
		case !has:
			stuck++
		case other:
			older++
		}
	}
	if stuck > 0 {
		return fmt.Sprintf("%s not re-encrypted: whoever re-keyed it lacked kms:Encrypt on the new key or kms:Decrypt on the old one, or the old key was disabled", versions(stuck, "was", "were"))
	}
	return fmt.Sprintf("%s with the previous key", versions(older, "still opens", "still open"))
}

func versions(n int, one, many string) string {
	if n == 1 {
		return "1 labelled version " + one
	}
	return fmt.Sprintf("%d labelled versions %s", n, many)
}

func checkReplicas(s Secret, _ Standard) (Outcome, string) {
	if s.Foreign() {
		return NotApplicable, ""
	}
	var bad, unread []string
	for _, r := range s.Replicas {
		switch r.Key.Manager {
		case ManagerAWS:
			bad = append(bad, r.Region)
		case ManagerUnknown:
			unread = append(unread, r.Region)
		}
	}
	switch {
	case len(bad) > 0:
		return Fail, "opens with the AWS managed key in " + strings.Join(bad, ", ")
	case len(unread) > 0:
		return Unknown, "the replica's key could not be read in " + strings.Join(unread, ", ")
	default:
		return Pass, ""
	}
}

func checkKeyUsable(s Secret, _ Standard) (Outcome, string) {
	result, detail := keyUsable(s.Key, "its key")
	for _, r := range s.Replicas {
		o, d := keyUsable(r.Key, "the key of its replica in "+r.Region)
		if o == Fail || (o == Unknown && result == Pass) {
			if result != Fail {
				result, detail = o, d
			}
		}
	}
	return result, detail
}

func keyUsable(k Key, which string) (Outcome, string) {
	if k.Manager == ManagerAWS {
		return Pass, ""
	}
	switch k.State {
	case KeyEnabled, KeyUpdating:
		return Pass, ""
	case KeyStateUnknown, KeyCreating:
		return Unknown, which + " could not be read"
	case KeyMissing:
		return Fail, which + " does not exist"
	default:
		return Fail, fmt.Sprintf("%s %s is in state %s", which, k.ARN, k.State)
	}
}

func checkApproved(s Secret, std Standard) (Outcome, string) {
	result, detail := keyApproved(s.Key, "its key", s, std)
	for _, r := range s.Replicas {
		o, d := keyApproved(r.Key, "the key of its replica in "+r.Region, s, std)
		if result != Fail && (o == Fail || o == Unknown) {
			result, detail = o, d
		}
	}
	return result, detail
}

func keyApproved(k Key, which string, s Secret, std Standard) (Outcome, string) {
	if k.Manager == ManagerAWS {
		return NotApplicable, ""
	}
	switch std.Approved.Allows(k, s.Account) {
	case Pass:
		return Pass, ""
	case Fail:
		return Fail, fmt.Sprintf("%s %s is not approved", which, k.ARN)
	default:
		return Unknown, which + " could not be read, so it cannot be compared with the approved ones"
	}
}

func checkForeign(s Secret, _ Standard) (Outcome, string) {
	switch {
	case !s.Foreign():
		return NotApplicable, ""
	case s.Key.Manager == ManagerAWS:
		return Fail, fmt.Sprintf("owned by %s, which keeps it under the AWS managed key", s.ForeignService())
	case s.Key.Manager == ManagerCustomer:
		return Pass, ""
	default:
		return Unknown, "the metadata of its key could not be read"
	}
}
