package migration

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// Remedy is what lets a reader keep its access, as every plan, mail and log says it: statements, all of which are needed,
// or what a person decides where no statement of ours belongs.
type Remedy struct {
	Parts  []Part
	Decide string // what to decide about the reader, "it", without the last full stop; "" where Parts help
}

// Part is one statement and the policy that it is added to.
type Part struct {
	Where     string // "identity policy of arn:…", "key policy of arn:…"
	Statement json.RawMessage
}

// Remedy is that of the reader's fix; the zero Remedy where it needs none or none was looked for.
func (r Reader) Remedy() Remedy {
	if r.Fix == nil {
		return Remedy{}
	}
	f := *r.Fix
	if who := maintainer(f.Principal); who != "" {
		return Remedy{Decide: "it is " + who + ". Or " + accept(f.Principal)}
	}
	var remedy Remedy
	if f.inIdentity() {
		remedy.Parts = append(remedy.Parts, Part{string(FixIdentity) + " of " + f.reader(), f.Identity})
	}
	if f.inKey() {
		remedy.Parts = append(remedy.Parts, Part{string(FixKey) + " of " + f.Key, f.KeyPolicy})
	}
	if len(remedy.Parts) == 0 {
		remedy.Decide = f.Why + ". Change that, or " + accept(f.Principal)
	}
	return remedy
}

func (m Remedy) empty() bool { return len(m.Parts) == 0 && m.Decide == "" }

// String says it without the last full stop. Each statement stands between spaces, so that a mail prints it on a
// line of its own and it can be copied whole.
func (m Remedy) String() string {
	switch len(m.Parts) {
	case 0:
		return m.Decide
	case 1:
		return "add to the " + m.Parts[0].text() + " as it is printed"
	}
	var all []string
	for _, p := range m.Parts {
		all = append(all, p.text())
	}
	return "add to the " + strings.Join(all, " and to the ") + " both as they are printed, because one alone does not help"
}

func accept(principal string) string {
	return "run doublelock migrate plan --out plan.json --accept " + principal + " to move the secret although it loses access"
}

func (p Part) text() string { return p.Where + ": " + string(p.Statement) }

// reader is the principal whose identity policy takes the statement: the role of a session.
func (f Fix) reader() string {
	at := arn.Of(f.Principal)
	kind, name := at.Split()
	if kind != "assumed-role" {
		return f.Principal
	}
	role, _, _ := strings.Cut(name, "/")
	return at.Partition.Role(at.Account, role)
}

// maintainer says who makes and remakes the policies of a role that its account does not edit; "" for every other.
// Sources: IAM User Guide, "Service-linked roles"; IAM Identity Center User Guide, "Permission sets"; CloudFormation User
// Guide, "Grant service-managed permissions for StackSets" and "Grant self-managed permissions".
func maintainer(principal string) string {
	kind, name := arn.Of(principal).Split()
	if kind == "assumed-role" {
		name, _, _ = strings.Cut(name, "/")
	}
	switch role := path.Base(name); {
	case kind != "role" && kind != "assumed-role":
		return ""
	case strings.HasPrefix(role, "stacksets-exec-"), role == "AWSCloudFormationStackSetExecutionRole":
		return "an execution role of CloudFormation StackSets: decide whether stack sets read this secret, and if they do name the role in the key policy"
	case strings.HasPrefix(role, "AWSServiceRoleFor"):
		return "a service-linked role, whose policies its service alone changes: decide whether the service reads this secret, and if it does name the role in the key policy"
	case strings.HasPrefix(role, "AWSReservedSSO_"):
		return "made by IAM Identity Center from a permission set: decide whether its people read this secret, and if they do add kms:Decrypt on the key to the permission set, and to the key policy where that does not let them in"
	default:
		return ""
	}
}
