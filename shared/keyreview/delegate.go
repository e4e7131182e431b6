package keyreview

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// onlyDelegates is DL.KEY.7: a statement leaves it to the account's IAM policies who decrypts, without asking for
// Secrets Manager.
func (r *review) onlyDelegates(k *inventory.Key) {
	if !k.Facts.Symmetric() {
		return // what it is used for does not come through Secrets Manager
	}
	if k.PolicyUnread != "" {
		r.unknown(guard.KeyOnlyDelegate, k, "the key policy could not be read: "+k.PolicyUnread)
		return
	}
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return // DL.KEY.3 has said that it cannot be parsed
	}
	for i, s := range d.Statements {
		if s.Effect != policy.Allow || !isRoot(s, k.Facts.Account) || !covers(k, s, decrypt) {
			continue
		}
		somebody := caller{principal: roleOf(k, k.Facts.Account), iam: true, action: decrypt, context: directly()}
		if r.only(k, d, s).answer(somebody) != policy.Allowed {
			continue
		}
		who, whom := r.users(k)
		found := Finding{
			Detail:    fmt.Sprintf("%s hands kms:Decrypt to every IAM policy of account %s", name(s, i), k.Facts.Account),
			Statement: printed(s), Fix: "let the account manage the key only, and " + whom + " use it through Secrets Manager; name who writes or rotates them, too",
		}
		found.After, found.Diff = r.handBack(k, d, i, s, who)
		if why := r.unproved(guard.KeyOnlyDelegate, k, found.After); why != "" {
			found.After, found.Diff = "", ""
			found.Fix += "; a person has to decide: " + why
		}
		r.add(guard.KeyOnlyDelegate, k, found)
	}
}

// handBack keeps managing with the account, and gives use to those who need it.
func (r *review) handBack(k *inventory.Key, d *policy.Document, index int, s policy.Statement, who []policy.Statement) (after, difference string) {
	if len(r.std.Administration) == 0 {
		return "", ""
	}
	manage := bare(s)
	manage.Actions, manage.NotActions = slices.Clone(r.std.Administration), nil
	by := []policy.Statement{manage}
	for i, use := range who {
		use.SID, use.Effect, use.Resources = "UseThroughSecretsManager", policy.Allow, []string{"*"}
		if i > 0 {
			use.SID += strconv.Itoa(i + 1)
		}
		use.Actions = append(slices.Clone(useActions), "kms:DescribeKey")
		by = append(by, bound([]policy.Statement{use}, k)...)
	}
	return change(d, index, by...)
}

// mostNamed is how many readers a key policy names before it is better to ask for the account and Secrets Manager.
const mostNamed = 20

// users are the principals that open secrets under the key today, by name where all are known and few, so that the
// fix takes nothing from them: a statement for those that a key policy names, and one for the roles of permission sets,
// whose names change.
func (r *review) users(k *inventory.Key) ([]policy.Statement, string) {
	everybody, all := []policy.Statement{{Principal: &policy.PrincipalSet{AWS: []string{"*"}}}}, "whoever may read its secrets"
	secrets := r.under[k.Facts.ARN]
	if why := r.hidden(k); why != "" {
		return everybody, all + " (which are not all known: " + why + ")"
	}
	if len(secrets) == 0 || len(secrets) > mostNamed {
		return everybody, all
	}
	var names []string
	for _, s := range secrets {
		readers, unread, err := r.access.Readers(s.Facts.ARN)
		if err != nil || len(unread) > 0 {
			return everybody, all
		}
		for _, reader := range readers {
			switch {
			case reader.Answer == policy.Unknown, reader.Answer == policy.Allowed && reader.Account != k.Facts.Account:
				return everybody, all
			case reader.Answer == policy.Allowed && !slices.Contains(names, reader.Principal):
				names = append(names, reader.Principal)
			}
		}
	}
	if len(names) == 0 || len(names) > mostNamed {
		return everybody, all
	}
	slices.Sort(names)
	who := "the one principal that reads its secrets"
	if len(names) > 1 {
		who = fmt.Sprintf("the %d principals that read its secrets", len(names))
	}
	return naming(names), who
}

// naming are statements for principals as a key policy should name them.
func naming(names []string) []policy.Statement {
	var plain, patterns []string
	for _, name := range names {
		p, err := policy.ParsePrincipal(name)
		if err != nil || p.PermissionSet() == "" {
			plain = append(plain, name)
		} else if pattern := p.PermissionSetRoles(); !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	var out []policy.Statement
	if len(plain) > 0 {
		out = append(out, policy.Statement{Principal: &policy.PrincipalSet{AWS: plain}})
	}
	if len(patterns) > 0 {
		out = append(out, policy.Statement{Principal: &policy.PrincipalSet{AWS: []string{"*"}},
			Conditions: []policy.Condition{{Operator: "ArnLike", Key: "aws:PrincipalArn", Values: patterns}}})
	}
	return out
}
