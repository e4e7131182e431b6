package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// findLetIn finds the other accounts that have to do with each secret, as far as policies and grants name them: the secret's policy, those of
// its keys, whose account may be another, and the account of the function that rotates it. Nobody of another account has a right that
// neither of them gives.
// Source: IAM User Guide, "Cross-account policy evaluation logic"; KMS Developer Guide, "Allowing users in other accounts to use a KMS key".
func (w *world) findLetIn() {
	keys := make([]namedAccounts, w.keys.Targets())
	for k := range keys {
		keys[k] = accountsIn(w.keys.Target(k))
	}
	for i := range w.at {
		all := accountsIn(w.open.secrets.Target(i))
		for _, k := range w.keysOf[i] {
			all.any, all.services = all.any || keys[k].any, all.services || keys[k].services
			all.accounts = append(all.accounts, keys[k].accounts...)
		}
		if function := w.access.snapshot.Secrets[w.at[i]].Facts.RotationLambdaARN; function != "" {
			all.accounts = append(all.accounts, arn.Of(function).Account)
		}
		own := func(account string) bool { return account == w.accounts[i] }
		all.accounts = once(slices.DeleteFunc(all.accounts, own))
		w.letIn = append(w.letIn, all)
	}
}

// foreign reports whether people of another account have to do with a secret as things are.
func (w *world) foreign(i int) bool {
	return w.letIn[i].any || w.letIn[i].services || len(w.letIn[i].accounts) > 0
}

// mostTouched is how many secrets of others one asks about for all people of an account, before each of them is asked for himself.
const mostTouched = 1000

// touches are the secrets of other accounts that somebody of an account, or of one that is not known, may read or has a right to change. Whoever
// holds one lock alone opens nothing before somebody uses such a right.
func (w *world) touches(account string) []int {
	found, asked := w.touched[account]
	if asked {
		return found
	}
	for i := range w.at {
		if w.accounts[i] != account && (w.letIn[i].any || account == "" && w.foreign(i) || slices.Contains(w.letIn[i].accounts, account)) {
			found = append(found, i)
		}
	}
	if account != "" && len(found) > 0 && len(found) <= mostTouched {
		part := w.access.newWorld(each(found, func(i int) int { return w.at[i] }))
		p := w.access.somebodyOf(account)
		p.Kind = policy.KindSomebody
		anybody := &asker{principal: p, policies: policy.Policies{Identity: []*policy.Document{missing("their own", "of anybody")}}}
		all := part.standing(identity{of: start}, []*asker{anybody})
		may := make([]bool, len(found))
		for l := opensBoth; l < numberOfLocks; l++ {
			if l == opensBoth || l >= firstRight {
				for n, answer := range all.of(l) {
					may[n] = may[n] || answer > 0
				}
			}
		}
		var kept []int
		for n, i := range found {
			if may[n] {
				kept = append(kept, i)
			}
		}
		found = kept
	}
	w.touched[account] = found
	return found
}

// namedAccounts are those whose people the policy and the grants of something may let in.
type namedAccounts struct {
	any      bool // nothing says which
	services bool // or services, which are of none
	accounts []string
}

func accountsIn(t *policy.Target) (n namedAccounts) {
	add := func(name string) {
		switch p, err := policy.ParsePrincipal(name); {
		case err == nil && p.Kind == policy.KindService:
			n.services = true
		case err != nil || p.Account == "": // a unique id, or anybody
			n.any = true
		default:
			n.accounts = append(n.accounts, p.Account)
		}
	}
	for _, g := range t.Grants {
		add(g.Grantee)
	}
	if t.Policy == nil {
		return n
	}
	n.any = n.any || t.Policy.Err() != nil
	for _, s := range t.Policy.Statements {
		if s.Effect != policy.Allow {
			continue
		}
		if of := slices.IndexFunc(s.Conditions, asksForAccounts); of >= 0 {
			n.services, n.accounts = true, append(n.accounts, s.Conditions[of].Values...)
			continue
		}
		if s.Principal == nil || s.Principal.All || len(s.Principal.CanonicalUser)+len(s.Principal.Federated) > 0 {
			n.any = true
			continue
		}
		for _, name := range slices.Concat(s.Principal.AWS, s.Principal.Service) {
			add(name)
		}
	}
	return n
}

// asksForAccounts reports whether a condition holds for the people of the accounts alone that are its values.
func asksForAccounts(c policy.Condition) bool {
	return c.Operator == "StringEquals" && plain(c.Values) && (strings.EqualFold(c.Key, "kms:CallerAccount") || strings.EqualFold(c.Key, "aws:PrincipalAccount"))
}
