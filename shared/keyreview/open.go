package keyreview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
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
	switch {
	case k.SharedUnread != "":
		r.unknown(guard.KeyOpen, k, "whether AWS RAM shares it could not be read: "+k.SharedUnread)
	case k.Shared != "":
		r.add(guard.KeyOpen, k, Finding{Outcome: guard.Unknown, Detail: "AWS RAM shares it by a policy of its own, beside the key policy: whom that lets in is not judged",
			Statement: k.Shared, Fix: "aws ram list-principals --resource-owner SELF --resource-arn " + k.Facts.ARN + " (says with whom; if that is not meant, take the key out of the resource share)"})
	}
	r.grants(k)
}

// fault is what is wrong with a statement and what would mend it.
type fault struct {
	details []string
	unsure  bool
	fixes   []string
	by      []policy.Statement
	bind    func() // asks the statement for the account and Secrets Manager
	decide  string // why no policy is proposed; "" where one is
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
	opens := covered(s, openActions)
	if len(opens) > 0 {
		r.everybody(k, d, s, opens[0], f)
		r.services(k, s, f)
	}
	r.granting(k, d, s, f)
	if len(opens)+len(covered(s, manageActions)) > 0 || covers(s, grant) {
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
	if f.decide == "" {
		found.After, found.Diff = change(d, index, f.by...)
		f.decide = r.unproved(guard.KeyOpen, k, found.After)
	}
	if f.decide != "" {
		found.After, found.Diff = "", ""
		found.Fix += "; a person has to decide: " + f.decide
	}
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

// everybody asks as strangers whose own accounts allow everything, and as a principal of the account whom no policy names.
// The strangers are of no organization, of those and by the names that the statement's conditions ask for.
func (r *review) everybody(k *inventory.Key, d *policy.Document, s policy.Statement, action string, f *fault) {
	ask := func(c caller) policy.Answer {
		c.action = action
		return answer(k, d, s, c, r.snapshot.Organization)
	}
	world := worst(ask(caller{account: stranger, iam: true}), ask(caller{account: stranger, iam: true, through: true}))
	inside := ask(caller{account: k.Facts.Account})
	f.bind = func() { f.by = bound(f.by, k) }
	fix := "ask for kms:CallerAccount and kms:ViaService"
	if !k.Facts.Symmetric() {
		fix = "ask for kms:CallerAccount"
	}
	switch {
	case world == policy.Allowed:
		f.add("anybody in any AWS account may use the key", fix)
	case r.conditional(s, ask, f):
		return
	case world == policy.Unknown:
		f.add("nothing but a condition on the request itself keeps other AWS accounts out", fix)
		f.unsure = true
	case inside == policy.Allowed && k.Facts.Symmetric():
		f.add("every principal of the account may use the key directly, not only through Secrets Manager", fix)
	default:
		return
	}
	f.bind()
}

// conditional finds those whom a condition lets in that are of another organization, or of any account by the name of their
// role.
func (r *review) conditional(s policy.Statement, ask func(caller) policy.Answer, f *fault) bool {
	found := false
	var foreigners []string
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if strings.Contains(strings.ToLower(c.Operator), "not") {
			continue
		}
		for _, value := range c.Values {
			who := caller{account: stranger, iam: true}
			var in string
			switch {
			case key == "aws:principalorgid" || key == "aws:principalorgpaths":
				who.org, _, _ = strings.Cut(value, "/")
				in = "organization " + who.org
				if who.org == r.snapshot.Organization.ID {
					continue
				}
			case key == "aws:principalarn" && strings.ContainsAny(arn.Of(value).Account, "*?"):
				pattern := arn.Of(value)
				pattern.Account = stranger
				who.arn = strings.NewReplacer("*", "x", "?", "x").Replace(pattern.String())
				in = "whoever makes a principal named " + value + " in an account of their own"
			default:
				continue
			}
			through := who
			through.through = true
			switch worst(ask(who), ask(through)) {
			case policy.Allowed:
			case policy.Unknown:
				f.unsure = true
			default:
				continue
			}
			found = true
			if who.org == "" {
				f.add("it lets in "+in, "ask for kms:CallerAccount")
				f.bind()
				continue
			}
			f.add("it lets in "+in+", not yours", "remove it")
			foreigners = append(foreigners, value)
		}
	}
	for i := range f.by {
		conditions, emptied := withoutValues(f.by[i].Conditions, foreigners)
		if f.by[i].Conditions = conditions; emptied {
			f.by[i].Principal, f.by[i].NotPrincipal = &policy.PrincipalSet{}, nil // nobody is left
		}
	}
	f.by = slices.DeleteFunc(f.by, nobody)
	return found
}

// nobody reports whether a statement names no principal any more.
func nobody(s policy.Statement) bool {
	return s.Principal != nil && !s.Principal.All && len(s.Principal.AWS)+len(s.Principal.Service)+len(s.Principal.Federated) == 0
}

// services finds services that would use the key for anybody: a service principal whose statement does not say for whom.
// Source: IAM User Guide, the confused deputy problem.
func (r *review) services(k *inventory.Key, s policy.Statement, f *fault) {
	if s.Principal == nil || len(s.Principal.Service) == 0 {
		return
	}
	says := func(c policy.Condition) bool {
		key := strings.ToLower(c.Key)
		return !strings.Contains(strings.ToLower(c.Operator), "not") && (strings.HasPrefix(key, "aws:source") && key != "aws:sourceip" || strings.HasPrefix(key, "kms:encryptioncontext") || key == "kms:calleraccount")
	}
	if slices.ContainsFunc(s.Conditions, says) {
		return
	}
	f.add(strings.Join(s.Principal.Service, " and ")+" may use the key for anybody: no condition says for which account",
		fmt.Sprintf("ask for aws:SourceAccount %s, or for aws:SourceArn", k.Facts.Account))
	f.decide = "whether the service sends aws:SourceAccount, or what it puts into the encryption context, is on its own page"
}

// granting finds statements by which anybody may hand the key on, or decide about it.
func (r *review) granting(k *inventory.Key, d *policy.Document, s policy.Statement, f *fault) {
	for _, may := range []struct{ action, what string }{{grant, "hand the key on by grants"}, {putPolicy, "change the key policy"}} {
		if !covers(s, may.action) {
			continue
		}
		by, fix := "anybody in any AWS account", "name who may"
		if may.action == putPolicy { // KMS answers nobody from another account
			by = "every principal of the account"
		}
		got := answer(k, d, s, caller{account: stranger, iam: true, action: may.action}, r.snapshot.Organization)
		if may.action == putPolicy || got == policy.ImplicitlyDenied || got == policy.ExplicitlyDenied {
			got = answer(k, d, s, caller{account: k.Facts.Account, action: may.action}, r.snapshot.Organization)
			by = "every principal of the account"
		}
		if got == policy.Allowed {
			f.add(by+" may "+may.what, fix)
			f.decide = "who is to manage the key"
		}
	}
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
		conditions, emptied := withoutValues(f.by[i].Conditions, not)
		if f.by[i].Conditions = conditions; emptied {
			f.by[i].Principal, f.by[i].NotPrincipal = &policy.PrincipalSet{}, nil
		}
	}
	f.by = slices.DeleteFunc(f.by, nobody)
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
		switch strings.ToLower(c.Key) {
		case "kms:calleraccount", "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths":
			left := slices.DeleteFunc(slices.Clone(c.Values), func(value string) bool {
				return slices.Contains(accounts, value) || slices.Contains(accounts, arn.Of(value).Account)
			})
			kept[i].Values = left
			emptied = emptied || len(left) == 0
		}
	}
	return kept, emptied
}

// bound adds the conditions that keep use within the account and Secrets Manager.
func bound(statements []policy.Statement, k *inventory.Key) []policy.Statement {
	out := slices.Clone(statements)
	for i := range out {
		kept := slices.DeleteFunc(slices.Clone(out[i].Conditions), func(c policy.Condition) bool {
			return c.Operator == "StringEquals" && (c.Key == "kms:CallerAccount" || c.Key == "kms:ViaService")
		})
		out[i].Conditions = slices.Concat(kept, []policy.Condition{{Operator: "StringEquals", Key: "kms:CallerAccount", Values: []string{k.Facts.Account}}})
		if k.Facts.Symmetric() {
			out[i].Conditions = append(out[i].Conditions, policy.Condition{Operator: "StringEquals", Key: "kms:ViaService", Values: []string{viaService(k)}})
		}
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
		for j, a := range out[i].Actions {
			if strings.EqualFold(a, "kms:Create*") {
				out[i].Actions[j] = "kms:CreateAlias" // what else begins so is about no key that is there
			}
		}
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
