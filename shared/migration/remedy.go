package migration

import (
	"path"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
)

// Remedy is that of the reader's fix, as every plan, mail and log says it; the zero Remedy where it needs none or none
// was looked for.
func (r Reader) Remedy() guard.Remedy {
	if r.Fix == nil {
		return guard.Remedy{}
	}
	f := *r.Fix
	remedy := guard.Remedy{Principal: f.Principal}
	if who := maintainer(f.Principal); who != "" {
		remedy.Decide, remedy.Accept = "it is "+who, accept(f.Principal)
		return remedy
	}
	if f.inIdentity() {
		remedy.Statements = append(remedy.Statements, guard.Statement{Where: string(FixIdentity) + " of " + f.reader(), JSON: string(f.Identity)})
	}
	if f.inKey() {
		remedy.Statements = append(remedy.Statements, guard.Statement{Where: string(FixKey) + " of " + f.Key, JSON: string(f.KeyPolicy)})
	}
	if len(remedy.Statements) == 0 {
		remedy.Decide, remedy.Accept = f.Why+". Change that", accept(f.Principal)
	}
	return remedy
}

// accept is the command that plans a move although a reader loses access.
func accept(principal string) string {
	return "doublelock migrate plan --out plan.json --accept " + awscli.Word(principal)
}

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
