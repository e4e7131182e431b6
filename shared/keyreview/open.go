package keyreview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// open is DL.KEY.3: one finding for each statement, and each grant, that lets in more than it must. Conditions count: a
// statement for everybody that asks for kms:CallerAccount and kms:ViaService lets nobody else in.
func (r *review) open(k *inventory.Key) {
	r.changed(guard.KeyOpen, k, lettingIn)
	if d := r.document(guard.KeyOpen, k); d != nil {
		managing := r.managing(k, d)
		for i, s := range d.Statements {
			if s.Effect == policy.Allow {
				r.statement(k, d, i, s, managing)
			}
		}
		if !r.proving { // else it is asked for itself
			r.unmanageable(k)
		}
	}
	switch {
	case k.SharedUnread != "":
		r.unknown(guard.KeyOpen, k, "whether AWS RAM shares it could not be read: "+k.SharedUnread)
	case k.Shared != "":
		r.add(guard.KeyOpen, k, Finding{Outcome: guard.Unknown, Detail: "AWS RAM shares it by a policy of its own, beside the key policy: whom that lets in is not judged",
			Statement: k.Shared, Fix: "look in AWS RAM with whom the resource share is, and take the key out of it where that is not meant"})
	}
	r.grants(k)
}

// fault is what is wrong with a statement and what would mend it.
type fault struct {
	details []string
	certain bool // one of the details at least; else the finding is unknown
	fixes   []string
	by      []policy.Statement
	decide  string // why no policy is proposed; "" where one is
}

func (f *fault) add(detail, fix string) {
	f.certain = true
	f.doubt(detail, fix)
}

// doubt adds what may be wrong.
func (f *fault) doubt(detail, fix string) {
	f.details = append(f.details, detail)
	if !slices.Contains(f.fixes, fix) {
		f.fixes = append(f.fixes, fix)
	}
}

func (r *review) statement(k *inventory.Key, d *policy.Document, index int, s policy.Statement, managing []duty) {
	if isRoot(s, k.Facts.Account) {
		return // handing over to IAM is DL.KEY.7
	}
	if ofNoAccount(s) {
		return
	}
	f := &fault{by: []policy.Statement{bare(s)}}
	q := r.inquire(k, d, s, f)
	bound := q.outsiders()
	if len(q.uses) > 0 && !bound {
		q.insideDirectly()
	}
	q.granting(bound)
	if together := q.duties(index, managing); !together && q.grants && !onlyForServices(s) && q.handsOn() {
		const says = "it lets its principals hand the key on by grants"
		switch {
		case q.another != "":
			f.add(says, "drop kms:CreateGrant, or ask for kms:GrantIsForAWSResource")
			f.decide = cmp.Or(f.decide, "whether what uses the key needs grants; "+q.another)
		case namesServiceLinked(s):
			f.add(says, "ask for kms:GrantIsForAWSResource where kms:CreateGrant is allowed, which the service of a service-linked role needs")
			f.by = grantsForServices(f.by)
		default:
			f.add(says, "drop kms:CreateGrant: Secrets Manager needs no grants")
			f.by = withoutGrants(f.by)
		}
	}
	if len(f.details) == 0 {
		return
	}
	found := Finding{Detail: name(s, index) + ": " + strings.Join(f.details, "; "), Statement: printed(s), Fix: strings.Join(f.fixes, "; ")}
	if f.decide == "" {
		f.decide = r.propose(guard.KeyOpen, k, d, index, f.by, &found)
	}
	if f.decide != "" {
		found.Fix += "; a person has to decide: " + f.decide
	}
	if !f.certain {
		found.Outcome = guard.Unknown
	}
	r.add(guard.KeyOpen, k, found)
}

// ofNoAccount reports whether a statement asks for the caller's account by ARNs alone, such as that of its root user: the value is an account id,
// so that it matches nobody. Source: KMS Developer Guide, "kms:CallerAccount".
func ofNoAccount(s policy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool {
		return strings.EqualFold(c.Key, "kms:CallerAccount") && slices.Contains([]string{"StringEquals", "StringLike", "StringEqualsIgnoreCase"}, c.Operator) &&
			!slices.ContainsFunc(c.Values, func(value string) bool { return !arn.Is(value) || strings.Contains(value, "$") })
	})
}

func name(s policy.Statement, index int) string {
	if s.SID != "" {
		return fmt.Sprintf("statement %q", s.SID)
	}
	return fmt.Sprintf("statement %d", index)
}

// nobody reports whether a statement names no principal any more.
func nobody(s policy.Statement) bool {
	return s.Principal != nil && !s.Principal.All && len(s.Principal.AWS)+len(s.Principal.Service)+len(s.Principal.Federated)+len(s.Principal.CanonicalUser) == 0
}

func without(set *policy.PrincipalSet, accounts []string) *policy.PrincipalSet {
	if set == nil {
		return nil
	}
	kept := *set
	kept.AWS = slices.DeleteFunc(slices.Clone(set.AWS), func(name string) bool {
		p, err := policy.ParsePrincipal(name)
		return err == nil && slices.Contains(accounts, p.Account)
	})
	return &kept
}

// withoutValues takes accounts and organizations out of what conditions ask for; emptied says that one would ask for nothing.
func withoutValues(conditions []policy.Condition, accounts []string) (kept []policy.Condition, emptied bool) {
	kept = slices.Clone(conditions)
	for i, c := range kept {
		if keepsOut(c) {
			continue
		}
		switch strings.ToLower(c.Key) {
		case "kms:calleraccount", "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:principalorgmasteraccountid":
			left := slices.DeleteFunc(slices.Clone(c.Values), func(value string) bool {
				account := arn.Of(value).Account
				return slices.Contains(accounts, value) || account != "" && slices.Contains(accounts, account)
			})
			kept[i].Values = left
			emptied = emptied || len(left) == 0
		}
	}
	return kept, emptied
}

func keepsOut(c policy.Condition) bool { return strings.Contains(strings.ToLower(c.Operator), "not") }

// withinAccount adds the condition that keeps use within the account.
func withinAccount(statements []policy.Statement, k *inventory.Key) []policy.Statement {
	return asking(statements, "kms:CallerAccount", k.Facts.Account)
}

// throughSecretsManager adds the condition that keeps use within Secrets Manager.
func throughSecretsManager(statements []policy.Statement, k *inventory.Key) []policy.Statement {
	return asking(statements, "kms:ViaService", viaServices(k)...)
}

// asking makes statements ask for one of some values of a key, and no other. What they ask for already stays, so that nobody gains: where
// that is none of the values, no more is asked.
func asking(statements []policy.Statement, key string, values ...string) []policy.Statement {
	out := slices.Clone(statements)
	for i := range out {
		left := values
		var kept []policy.Condition
		for _, c := range out[i].Conditions {
			if c.Operator == "StringEquals" && strings.EqualFold(c.Key, key) {
				left = slices.DeleteFunc(slices.Clone(left), func(value string) bool { return !slices.Contains(c.Values, value) })
			} else {
				kept = append(kept, c)
			}
		}
		if len(left) > 0 {
			out[i].Conditions = slices.Concat(kept, []policy.Condition{{Operator: "StringEquals", Key: key, Values: left}})
		}
	}
	return out
}

// onlyForServices reports whether grants may only be made for AWS services that use the key for the caller.
func onlyForServices(s policy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool {
		return strings.EqualFold(c.Key, "kms:GrantIsForAWSResource") && strings.EqualFold(c.Operator, "Bool") && slices.Equal(c.Values, []string{"true"})
	})
}

func withoutGrants(statements []policy.Statement) []policy.Statement {
	out := slices.Clone(statements)
	for i := range out {
		out[i].Actions = slices.DeleteFunc(slices.Clone(out[i].Actions), func(a string) bool { return strings.EqualFold(a, grant) })
		for j, a := range out[i].Actions {
			if strings.EqualFold(a, "kms:Create*") {
				out[i].Actions[j] = "kms:CreateAlias" // what else begins so is about no key that is there
			}
		}
	}
	return slices.DeleteFunc(out, func(s policy.Statement) bool { return len(s.Actions)+len(s.NotActions) == 0 })
}

// namesServiceLinked reports whether a statement names a service-linked role: no secret is read by one, and what the service does for its
// resources it does by grants. Source: EC2 Auto Scaling User Guide, "Required AWS KMS key policy for use with encrypted volumes".
func namesServiceLinked(s policy.Statement) bool {
	return s.Principal != nil && slices.ContainsFunc(s.Principal.AWS, func(name string) bool {
		p, err := policy.ParsePrincipal(name)
		return err == nil && p.ServiceLinked()
	})
}

// grantsForServices leaves grants to what services make for their resources.
func grantsForServices(statements []policy.Statement) []policy.Statement {
	out := withoutGrants(statements)
	for _, s := range statements {
		s.SID, s.Actions, s.NotActions = "GrantsForAWSResources", []string{grant}, nil
		s.Conditions = slices.Concat(s.Conditions, []policy.Condition{{Operator: "Bool", Key: "kms:GrantIsForAWSResource", Values: []string{"true"}}})
		out = append(out, s)
	}
	return out
}

// grants finds grants to principals of accounts that are not approved, and those by which somebody who may use the key hands that on. A grant of
// kms:CreateGrant alone hands on nothing: what comes of it gives no more. AWS services and their roles make grants of grants for their resources.
// Source: KMS Developer Guide, "Granting CreateGrant permission".
func (r *review) grants(k *inventory.Key) {
	if k.GrantsUnread != "" {
		r.unknown(guard.KeyOpen, k, "its grants could not be read: "+k.GrantsUnread)
		return
	}
	for i, g := range k.Grants {
		p, err := policy.ParsePrincipal(g.Grantee)
		if err != nil || p.Account == "" {
			continue
		}
		if slices.Contains(r.insiders(k), p.Account) {
			uses := slices.ContainsFunc(g.Operations, func(operation string) bool { return slices.Contains(openActions, "kms:"+operation) })
			of := inventory.Grant{Grantee: g.Grantee, Operations: []string{"CreateGrant"}}
			if uses && slices.Contains(g.Operations, "CreateGrant") && !p.ServiceLinked() && !strings.HasPrefix(p.Name, "aws:") && !r.denied(k, p, of) {
				kept := g
				kept.Operations = slices.DeleteFunc(slices.Clone(g.Operations), func(operation string) bool { return operation == "CreateGrant" })
				then, decide := awscli.OnKey("revoke-grant", k.Facts.ARN, "--grant-id", g.ID), "whether the grantee needs to hand it on"
				if why := r.revoked(k, i, kept); why != "" {
					then, decide = "revoke this one", why
				}
				r.add(guard.KeyOpen, k, Finding{Detail: fmt.Sprintf("grant %s lets %s use it and hand that on by grants (%s)", g.ID, g.Grantee, strings.Join(g.Operations, ", ")),
					Fix: fmt.Sprintf("a grant without CreateGrant in its place, then %s; a person has to decide: %s", then, decide)})
			}
			continue
		}
		if r.denied(k, p, g) {
			continue
		}
		fix := awscli.OnKey("revoke-grant", k.Facts.ARN, "--grant-id", g.ID)
		if why := r.revoked(k, i); why != "" {
			fix = "approve the account, or revoke the grant; a person has to decide: " + why
		}
		r.add(guard.KeyOpen, k, Finding{Detail: fmt.Sprintf("grant %s lets %s of account %s use it (%s), not approved", g.ID, g.Grantee, p.Account, strings.Join(g.Operations, ", ")), Fix: fix})
	}
}

// denied reports whether Denies of the key policy stop all that a grant lets somebody do.
// Source: KMS Developer Guide, "Grants in AWS KMS": an explicit deny in a policy wins over a grant.
func (r *review) denied(k *inventory.Key, grantee policy.Principal, g inventory.Grant) bool {
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil || k.PolicyUnread != "" {
		return false
	}
	var actions []string
	for _, operation := range g.Operations {
		actions = append(actions, "kms:"+operation)
	}
	granted := policy.Statement{Effect: policy.Allow, Principal: &policy.PrincipalSet{AWS: []string{g.Grantee}}, Actions: []string{"kms:*"}, Resources: []string{"*"}}
	return r.only(k, d, granted).worst(actions, caller{principal: grantee, iam: true}) == policy.ImplicitlyDenied
}
