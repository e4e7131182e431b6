package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/inventory"
)

// Class says why a principal counts as a user of a secret.
type Class string

const (
	ClassNamed    Class = "named"    // a break-glass role or an operator: it keeps access in every mode
	ClassRotation Class = "rotation" // the role of its rotation
	ClassSeen     Class = "seen"     // CloudTrail recorded it in the look-back
	ClassUser     Class = "user"     // an IAM user, whose keys may be anywhere
	ClassWorkload Class = "workload" // a role that a service or an identity provider gives to code
	ClassOutside  Class = "outside"  // nothing of its own was read: a service, another account, everybody
	ClassCould    Class = "could"    // a role that people or deployments take, and that was not seen
)

// Classes lists them, those first that keep access in most modes.
func Classes() []Class {
	return []Class{ClassNamed, ClassRotation, ClassSeen, ClassUser, ClassWorkload, ClassOutside, ClassCould}
}

// Keep says which classes have to keep their access: the others are counted, and hold up nothing.
type Keep string

const (
	KeepSeen      Keep = "seen"      // who was seen, rotates or is named
	KeepWorkloads Keep = "workloads" // and IAM users, what runs code, and whoever is outside
	KeepEverybody Keep = "everybody"
)

// KeepModes lists the modes, the least strict first.
func KeepModes() []Keep { return []Keep{KeepSeen, KeepWorkloads, KeepEverybody} }

// strictness puts the modes in order. A word that is not known, of an older or newer version, is as strict as can be.
func (k Keep) strictness() int {
	if at := slices.Index(KeepModes(), k); at >= 0 {
		return at
	}
	return len(KeepModes())
}

// stricter is the one of two modes under which more have to keep access.
func stricter(x, y Keep) Keep {
	if y.strictness() > x.strictness() {
		return y
	}
	return x
}

// spares reports whether those of a class need not keep access.
func (k Keep) spares(c Class) bool {
	switch k {
	case KeepSeen:
		return !slices.Contains([]Class{ClassNamed, ClassRotation, ClassSeen}, c)
	case KeepWorkloads:
		return c == ClassCould
	default:
		return false
	}
}

// Accept is a pattern of principals of whom somebody accepted that they lose access.
type Accept struct {
	Principals string `json:"principals"` // ARN; * stands for any text
	By         string `json:"by"`
	Reason     string `json:"reason"`
}

// Identity is the whole of it.
func (a Accept) Identity() string { return a.Principals + "|" + a.By + "|" + a.Reason }

func (a Accept) String() string { return a.By + ": " + a.Reason }

// classOf is the first class that a principal is of.
func (q Question) classOf(r *Reader) Class {
	seen := slices.ContainsFunc(r.Uses, func(u Use) bool { return u.Seen > 0 })
	of := behind(q.Access.Snapshot(), r.Principal)
	switch {
	case matchesAny(q.Rules.AlwaysKeep, owner(of, r.Principal)):
		return ClassNamed
	case slices.Contains(r.Sources, SourceRotation):
		return ClassRotation
	case seen:
		return ClassSeen
	case of == nil:
		return ClassOutside
	case of.Kind == inventory.User:
		return ClassUser
	case q.Access.RunsCode(of.ARN):
		return ClassWorkload
	}
	return ClassCould
}

func matchesAny(patterns []string, principal string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return arn.Like(pattern, principal) })
}

// accept notes whether somebody accepted that the principal loses access: by its name, or by a pattern of the configuration. Who is
// named to keep access in every mode is accepted by name alone.
func (q Question) accept(r *Reader) {
	r.Accepted = slices.Contains(q.Accepted, r.Principal)
	if r.Accepted || r.Class == ClassNamed {
		return
	}
	for _, a := range q.Rules.Accepted {
		if arn.Like(a.Principals, r.Principal) {
			r.Accepted, r.AcceptedBy = true, a.String()
			return
		}
	}
}

// Tally counts the users of one class by what becomes of them, each principal once, by its worst.
type Tally struct {
	Class    Class `json:"class"`
	Keeps    int   `json:"keeps"`
	Loses    int   `json:"loses"`
	Unknown  int   `json:"unknown"`
	Cannot   int   `json:"cannot"`
	Accepted int   `json:"accepted"` // of those that do not keep access
	Spared   int   `json:"spared"`   // likewise
}

// String is the count for people.
func (t Tally) String() string {
	parts := []string{}
	for _, of := range []struct {
		n    int
		word string
	}{{t.Keeps, "keep"}, {t.Loses, "lose"}, {t.Unknown, "unknown"}, {t.Cannot, "cannot"}} {
		if of.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.n, of.word))
		}
	}
	out := string(t.Class) + " " + strings.Join(parts, ", ")
	if t.Accepted+t.Spared > 0 {
		out += fmt.Sprintf(" (%d accepted, %d need not keep access)", t.Accepted, t.Spared)
	}
	return out
}

// tallied counts the users of a plan.
func tallied(items []Item) []Tally {
	worst := map[string]*Reader{}
	for i := range items {
		lists := [][]Reader{items[i].Readers}
		for _, r := range items[i].Replicas {
			lists = append(lists, r.Readers)
		}
		for _, list := range lists {
			for j := range list {
				r := &list[j]
				if known := worst[r.Principal]; known == nil || slices.Index(Classes(), r.Class) < slices.Index(Classes(), known.Class) ||
					r.Class == known.Class && worse(r.Verdict, known.Verdict) {
					worst[r.Principal] = r
				}
			}
		}
	}
	var out []Tally
	for _, c := range Classes() {
		t := Tally{Class: c}
		for _, r := range worst {
			if r.Class == c {
				t.count(r)
			}
		}
		if t != (Tally{Class: c}) {
			out = append(out, t)
		}
	}
	return out
}

func (t *Tally) count(r *Reader) {
	switch r.Verdict {
	case Keeps:
		t.Keeps++
	case Loses:
		t.Loses++
	case Unknown:
		t.Unknown++
	case Cannot:
		t.Cannot++
	}
	switch {
	case !r.endangered():
	case r.Accepted:
		t.Accepted++
	case r.Spared:
		t.Spared++
	}
}
