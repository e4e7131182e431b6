package keyreview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// open is DL.KEY.3: one finding for each statement, and each grant, that lets in more than it must. Conditions count: a
// statement for everybody that asks for kms:CallerAccount and kms:ViaService lets nobody else in.
func (r *review) open(k *inventory.Key) {
	if d := r.document(guard.KeyOpen, k); d != nil {
		for i, s := range d.Statements {
			if s.Effect == policy.Allow {
				r.statement(k, d, i, s)
			}
		}
	}
	r.grants(k)
}

// fault is what is wrong with a statement and what would mend it.
type fault struct {
	details []string
	unsure  bool
	fixes   []string
	by      []policy.Statement
}

func (f *fault) add(detail, fix string) {
	f.details = append(f.details, detail)
	if !slices.Contains(f.fixes, fix) {
		f.fixes = append(f.fixes, fix)
	}
}

func (r *review) statement(k *inventory.Key, d *policy.Document, index int, s policy.Statement) {
	if isRoot(s, k.Facts.Account) {
		return // handing over to IAM is DL.KEY.7
	}
	f := &fault{by: []policy.Statement{bare(s)}}
	uses := slices.ContainsFunc(useActions, func(action string) bool { return covers(s, action) })
	if uses {
		r.everybody(k, d, s, f)
		r.strangers(k, s, f)
	}
	manages := covers(s, putPolicy)
	if uses && manages {
		f.add("it lets the same principals manage and use the key", "split it in two")
		f.by = r.split(f.by)
	} else if covers(s, grant) && !onlyForServices(s) {
		f.add("it lets its principals hand the key on by grants", "drop kms:CreateGrant: Secrets Manager needs no grants")
		f.by = withoutGrants(f.by)
	}
	if len(f.details) == 0 {
		return
	}
	found := Finding{Detail: name(s, index) + ": " + strings.Join(f.details, "; "), Statement: printed(s), Fix: strings.Join(f.fixes, "; ")}
	found.After, found.Diff = change(d, index, f.by...)
	if f.unsure {
		found.Outcome = guard.Unknown
	}
	r.add(guard.KeyOpen, k, found)
}

func name(s policy.Statement, index int) string {
	if s.SID != "" {
		return fmt.Sprintf("statement %q", s.SID)
	}
	return fmt.Sprintf("statement %d", index)
}

// everybody asks as a stranger whose own account allows everything, and as a principal of the account whom no policy
// names.
func (r *review) everybody(k *inventory.Key, d *policy.Document, s policy.Statement, f *fault) {
	ask := func(c caller) policy.Answer { return answer(k, d, s, c, r.snapshot.Organization) }
	world := worst(ask(caller{account: stranger, iam: true}), ask(caller{account: stranger, iam: true, through: true}))
	inside := ask(caller{account: k.Facts.Account})
	fix := "ask for kms:CallerAccount and kms:ViaService"
	switch {
	case world == policy.Allowed:
		f.add("anybody in any AWS account may use the key", fix)
	case world == policy.Unknown:
		f.add("nothing but a condition on the request itself keeps other AWS accounts out", fix)
		f.unsure = true
	case inside == policy.Allowed:
		f.add("every principal of the account may use the key directly, not only through Secrets Manager", fix)
	default:
		return
	}
	f.by = bound(f.by, k)
}

func worst(a, b policy.Answer) policy.Answer {
	for _, answer := range []policy.Answer{policy.Allowed, policy.Unknown} {
		if a == answer || b == answer {
			return answer
		}
	}
	return policy.ImplicitlyDenied
}

// strangers finds accounts that may use the key and are not approved.
func (r *review) strangers(k *inventory.Key, s policy.Statement, f *fault) {
	var not []string
	for _, account := range otherAccounts(s, k.Facts.Account) {
		if !slices.Contains(r.std.Approved, account) {
			not = append(not, account)
		}
	}
	if len(not) == 0 {
		return
	}
	f.add("it lets in account "+strings.Join(not, " and account ")+", not approved", "remove it, or approve the account")
	for i := range f.by {
		f.by[i].Principal = without(f.by[i].Principal, not)
	}
	f.by = slices.DeleteFunc(f.by, func(s policy.Statement) bool {
		return s.Principal != nil && !s.Principal.All && len(s.Principal.AWS)+len(s.Principal.Service)+len(s.Principal.Federated) == 0
	})
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

// bound adds the conditions that keep use within the account and Secrets Manager.
func bound(statements []policy.Statement, k *inventory.Key) []policy.Statement {
	out := slices.Clone(statements)
	for i := range out {
		kept := slices.DeleteFunc(slices.Clone(out[i].Conditions), func(c policy.Condition) bool {
			return c.Operator == "StringEquals" && (c.Key == "kms:CallerAccount" || c.Key == "kms:ViaService")
		})
		out[i].Conditions = slices.Concat(kept, []policy.Condition{
			{Operator: "StringEquals", Key: "kms:CallerAccount", Values: []string{k.Facts.Account}},
			{Operator: "StringEquals", Key: "kms:ViaService", Values: []string{viaService(k)}},
		})
	}
	return out
}

// split makes two statements of one that manages and uses.
func (r *review) split(statements []policy.Statement) []policy.Statement {
	if len(r.std.Administration) == 0 {
		return statements
	}
	var out []policy.Statement
	for _, s := range statements {
		manage, use := s, s
		manage.SID, manage.Actions, manage.NotActions = s.SID+"Manage", slices.Clone(r.std.Administration), nil
		use.SID, use.Actions, use.NotActions = s.SID+"Use", append(slices.Clone(useActions), "kms:DescribeKey"), nil
		out = append(out, manage, use)
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
	}
	return slices.DeleteFunc(out, func(s policy.Statement) bool { return len(s.Actions) == 0 })
}

// grants finds grants to principals of accounts that are not approved.
func (r *review) grants(k *inventory.Key) {
	if k.GrantsUnread != "" {
		r.unknown(guard.KeyOpen, k, "its grants could not be read: "+k.GrantsUnread)
		return
	}
	for _, g := range k.Grants {
		p, err := policy.ParsePrincipal(g.Grantee)
		if err != nil || p.Account == "" || p.Account == k.Facts.Account || slices.Contains(r.std.Approved, p.Account) {
			continue
		}
		r.add(guard.KeyOpen, k, Finding{Detail: fmt.Sprintf("grant %s lets %s of account %s use it (%s), not approved", g.ID, g.Grantee, p.Account, strings.Join(g.Operations, ", ")),
			Fix: fmt.Sprintf("aws kms revoke-grant --key-id %s --grant-id %s", k.Facts.ARN, g.ID)})
	}
}
