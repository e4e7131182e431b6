package migration

import (
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Remedy is that of the reader's fix, as every plan, mail and log says it; the zero Remedy where it needs none or none
// was looked for.
func (r Reader) Remedy() guard.Remedy {
	if r.Fix == nil {
		return guard.Remedy{}
	}
	f := *r.Fix
	remedy := guard.Remedy{Principal: f.Principal, Assumes: f.Assumes}
	statements := f.statements()
	switch who := maintainer(f.Principal); {
	case who != "":
		remedy.Decide, remedy.Accept = "it is "+who, accept(f.Principal)
		if madeByAWS(f.Principal) {
			remedy.Then = statements
		}
	case len(statements) == 0:
		remedy.Decide, remedy.Accept = f.Why+". Change that", accept(f.Principal)
	default:
		remedy.Statements = statements
	}
	return remedy
}

// statements are the parts of a fix, each with the policy that takes it. None is for the policies of a role that nobody edits.
func (f Fix) statements() []guard.Statement {
	var out []guard.Statement
	if f.inIdentity() && maintainer(f.Principal) == "" {
		where := string(FixIdentity)
		if f.Managed {
			where = "identity policy (a managed one: the inline ones have no room)"
		}
		out = append(out, guard.Statement{Where: where + " of " + f.reader(), JSON: string(f.Identity)})
	}
	if f.inSet() && f.Set != nil {
		out = append(out, guard.Statement{Where: "inline policy of the permission set " + f.Set.Name, JSON: string(f.Set.Statement)})
	}
	if f.inKey() && len(f.KeyPolicy) > 0 {
		out = append(out, guard.Statement{Where: string(FixKey) + " of " + f.Key, JSON: string(f.KeyPolicy)})
	}
	return out
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
	p, err := policy.ParsePrincipal(principal)
	switch {
	case err != nil || p.Kind != policy.KindRole && p.Kind != policy.KindSession:
		return ""
	case strings.HasPrefix(p.Name, "stacksets-exec-"), p.Name == "AWSCloudFormationStackSetExecutionRole":
		return "an execution role of CloudFormation StackSets: decide whether stack sets read this secret, and if they do name the role in the key policy"
	case p.ServiceLinked(), strings.HasPrefix(p.Name, "AWSServiceRoleFor"):
		return "a service-linked role, whose policies its service alone changes: decide whether the service reads this secret, and if it does name the role in the key policy"
	case p.PermissionSet() != "":
		return "made by IAM Identity Center from the permission set " + p.PermissionSet() + ": decide whether its people read this secret, and if they do add kms:Decrypt on the key to the permission set, and to the key policy where that does not let them in"
	default:
		return ""
	}
}

// madeByAWS reports whether the role is one that no account can make or change itself: nobody else takes its name.
func madeByAWS(principal string) bool {
	p, err := policy.ParsePrincipal(principal)
	return err == nil && (p.ServiceLinked() || p.PermissionSet() != "")
}

// permissionSet is the name of the permission set that a role, or that of a session, was made of; "" for every other.
func permissionSet(principal string) string {
	p, err := policy.ParsePrincipal(principal)
	if err != nil {
		return ""
	}
	return p.PermissionSet()
}
