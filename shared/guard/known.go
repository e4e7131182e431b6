package guard

import (
	"fmt"
	"slices"
)

// A stored word that this version does not know is a newer version's. It is written back as it is, and counts as unknown:
// never as one of those that are known.

// Known reports whether this version knows the lock state.
func (s LockState) Known() bool { return slices.Contains(States(), s) }

func (s LockState) String() string {
	if s == "" || s.Known() {
		return string(s)
	}
	return fmt.Sprintf("unknown (written by a newer version: %q)", string(s))
}

// Known reports whether this version knows the status. What it does not know it leaves as it is.
func (s FindingStatus) Known() bool {
	return slices.Contains([]FindingStatus{FindingOpen, FindingResolved, FindingWaived}, s)
}

// Known reports whether this version knows the ending; none is that of a finding stored before endings were.
func (e Ending) Known() bool {
	return slices.Contains([]Ending{EndPassed, EndMoot, EndGone, EndMoved, EndRemoved, EndReplica, EndUnknown, ""}, e)
}

// Identity is the control and the resource.
func (f Finding) Identity() string { return f.ID() }

// Identity is the notice's ID.
func (n Notice) Identity() string { return n.ID }

// Identity is the version's ID.
func (v Version) Identity() string { return v.ID }

// Identity is the replica's Region.
func (r Replica) Identity() string { return r.Region }

// Identity is the key's ARN, or its id where there is none.
func (k Key) Identity() string {
	if k.ARN != "" {
		return k.ARN
	}
	return k.ID
}

// Identity is the principal.
func (r Remedy) Identity() string { return r.Principal }

// Identity is the policy and the statement.
func (s Statement) Identity() string { return s.Where + "|" + s.JSON }

// Identity is the secret's ARN.
func (a Affected) Identity() string { return a.Secret }

// Identity is the copy's ARN.
func (e AccountCopy) Identity() string { return e.ARN }

// Identity is what it is the end of.
func (e End) Identity() string { return e.What }
