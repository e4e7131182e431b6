package keyreview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// opening are the actions by which somebody gets at what a symmetric key protects: by itself, by a grant to himself, which may give what its maker
// has not, and by re-encryption under a key of his own.
// Source: KMS API Reference, CreateGrant and ReEncrypt, "Required permissions"; KMS Developer Guide, "Controlling access to grants".
var opening = []string{decrypt, grant, reEncryptFrom}

// onlyDelegates is DL.KEY.7: a statement leaves it to the account's IAM policies who decrypts, or comes to it, without asking for
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
		if s.Effect != policy.Allow || !isRoot(s, k.Facts.Account) {
			continue
		}
		q, handed := r.inquire(k, d, s, nil), map[policy.Answer][]string{}
		for _, action := range covered(k, s, opening) {
			answer := q.delegates(action)
			handed[answer] = append(handed[answer], action)
		}
		found := Finding{Statement: printed(s)}
		what := handed[policy.Allowed]
		switch {
		case len(what) > 0:
			found.Detail = fmt.Sprintf("%s hands %s to every IAM policy of account %s", name(s, i), worstOf(what), k.Facts.Account)
		case len(handed[policy.Unknown]) > 0:
			what = handed[policy.Unknown]
			found.Outcome = guard.Unknown
			found.Detail = fmt.Sprintf("%s may hand %s to every IAM policy of account %s: nothing but a condition on the request itself, or on who they are, keeps them out", name(s, i), worstOf(what), k.Facts.Account)
		default:
			continue
		}
		if why := r.another(k); why != "" {
			found.Fix = "name in the key policy who uses it; a person has to decide: " + whichServices + why
			r.add(guard.KeyOnlyDelegate, k, found)
			continue
		}
		named, whom := r.users(k)
		decide := "who is to use it"
		if len(named) > 0 && what[0] == decrypt {
			found.Fix = "let the account manage the key only, and " + whom + " use it through Secrets Manager; name who writes or rotates them, too"
			decide = r.propose(guard.KeyOnlyDelegate, k, d, i, r.handBack(k, s, named), &found)
		}
		if decide != "" { // whom IAM lets use it still does, and nobody else
			found.Fix = "let the account's IAM policies give use through Secrets Manager only; name in the key policy who uses it, once that is known: " + whom
			if what[0] != decrypt {
				found.Fix = "drop " + strings.Join(what, " and ") + ", which Secrets Manager has no need of"
			}
			decide = r.propose(guard.KeyOnlyDelegate, k, d, i, r.handBack(k, s, nil), &found)
		}
		if decide != "" {
			found.Fix += "; a person has to decide: " + decide
		}
		r.add(guard.KeyOnlyDelegate, k, found)
	}
}

// worstOf is what is said of some of opening: to decrypt says it all.
func worstOf(actions []string) string {
	if actions[0] == decrypt {
		return decrypt
	}
	return strings.Join(actions, " and ") + ", which comes to kms:Decrypt,"
}

// delegates says whether a statement lets whoever of the account has the right by IAM do one of opening for himself, without Secrets Manager: by
// itself, or with the tags that conditions ask for, which is not certain. What services make grants for is not himself.
// Source: KMS Developer Guide, "AWS KMS condition keys", kms:GrantOperations, kms:GranteePrincipal and kms:ReEncryptOnSameKey.
func (q *inquiry) delegates(action string) policy.Answer {
	somebody := caller{principal: roleOf(q.key, q.key.Facts.Account), iam: true}
	var callers []caller
	for _, by := range q.ways() {
		somebody.context = by.context
		switch action {
		case grant:
			somebody.context["kms:GrantOperations"], somebody.context["kms:GranteePrincipal"] = []string{"Decrypt"}, []string{somebody.principal.ARN}
		case reEncryptFrom:
			somebody.context["kms:ReEncryptOnSameKey"] = []string{"false"}
		}
		callers = append(callers, somebody)
	}
	if action == grant {
		callers = callers[:1]
	}
	answer := q.only.worst([]string{action}, callers...)
	if tags := q.tags(); answer == policy.ImplicitlyDenied && len(tags) > 0 {
		for i := range callers {
			callers[i].principal.Tags = tags
		}
		if q.only.worst([]string{action}, callers...) != policy.ImplicitlyDenied {
			return policy.Unknown
		}
	}
	return answer
}

// handBack keeps managing with the account, and leaves it use through Secrets Manager, to those who are named: nothing that the statement did
// not give. The account is the principal still, so that the IAM policies of those who are named have to allow what they do: a key policy that
// names a principal gives it each action by itself, for ever and whatever its IAM policies ask for.
// Source: KMS Developer Guide, "Default key policy", "Allows access to the AWS account and enables IAM policies"; IAM User Guide, "aws:PrincipalArn".
func (r *review) handBack(k *inventory.Key, s policy.Statement, named []string) []policy.Statement {
	var by []policy.Statement
	manage := bare(s)
	manage.Actions, manage.NotActions = covered(k, s, administration()), nil
	if len(manage.Actions) > 0 {
		by = append(by, manage)
	}
	if len(covered(k, s, useActions)) == 0 {
		return by
	}
	use := bare(s)
	use.SID, use.Actions, use.NotActions = "UseThroughSecretsManager", covered(k, s, append(slices.Clone(useActions), "kms:DescribeKey")), nil
	if len(named) > 0 {
		use.Conditions = slices.Concat(s.Conditions, []policy.Condition{{Operator: "ArnLike", Key: "aws:PrincipalArn", Values: named}})
	}
	return append(by, throughSecretsManager(withinAccount([]policy.Statement{use}, k), k)...)
}

// mostNamed is how many readers a key policy names before it is better to ask for the account and Secrets Manager.
const mostNamed = 20

// users are the principals that open secrets under the key today, as a key policy should name them, where all are known and few, so that
// the fix takes nothing from them. None where they are not.
func (r *review) users(k *inventory.Key) (named []string, whom string) {
	const all = "whoever may read its secrets"
	secrets := r.under[k.Facts.ARN]
	if why := r.hidden(k); why != "" {
		return nil, all + " (which are not all known: " + why + ")"
	}
	if len(secrets) == 0 || len(secrets) > mostNamed {
		return nil, all
	}
	var names []string
	for _, s := range secrets {
		readers, unread, err := r.access.Readers(s.Facts.ARN)
		if err != nil || len(unread) > 0 {
			return nil, all
		}
		for _, reader := range readers {
			switch {
			case reader.Answer == policy.Unknown, reader.Answer == policy.Allowed && reader.Account != k.Facts.Account:
				return nil, all
			case reader.Answer == policy.Allowed && !slices.Contains(names, reader.Principal):
				names = append(names, reader.Principal)
			}
		}
	}
	if len(names) == 0 || len(names) > mostNamed {
		return nil, all
	}
	whom = "the one principal that reads its secrets"
	if len(names) > 1 {
		whom = fmt.Sprintf("the %d principals that read its secrets", len(names))
	}
	return naming(names), whom
}

// naming are the names of principals, and patterns of those of the roles of permission sets, whose names change.
func naming(principals []string) []string {
	var out []string
	for _, name := range principals {
		if p, err := policy.ParsePrincipal(name); err == nil && p.PermissionSet() != "" {
			name = p.PermissionSetRoles()
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
