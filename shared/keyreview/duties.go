package keyreview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// duty is a statement by which somebody may manage the key, and whom of the account it names.
type duty struct {
	index      int
	statement  string
	only       only
	uses       []string // what it is about, of openActions
	principals []policy.Principal
}

// managing are the statements that let whom they name manage the key. What a statement leaves to the account, its IAM policies give.
func (r *review) managing(k *inventory.Key, d *policy.Document) []duty {
	var out []duty
	for i, s := range d.Statements {
		if s.Effect == policy.Allow && len(covered(k, s, ownActions(k))) > 0 {
			out = append(out, duty{i, name(s, i), r.only(k, d, s), covered(k, s, openActions), r.principals(k, s)})
		}
	}
	return out
}

// ownActions are those by which somebody who manages a key gives it to himself: by its policy, or by that of a replica, which is the same key.
// Source: KMS API Reference, PutKeyPolicy; ReplicateKey: of multi-Region keys, "The replica key" has the material and a key policy of its own.
func ownActions(k *inventory.Key) []string {
	if k.Facts.MultiRegion || k.Facts.Manager == guard.ManagerUnknown {
		return []string{putPolicy, replicate}
	}
	return []string{putPolicy}
}

// principals are those of the key's account that a statement names, and an example of each pattern of them.
func (r *review) principals(k *inventory.Key, s policy.Statement) []policy.Principal {
	var names []string
	if s.Principal != nil {
		names = slices.Clone(s.Principal.AWS)
	}
	for _, like := range draw(s.Conditions, arn.Example, "aws:PrincipalArn") {
		names = append(names, like.example)
	}
	var out []policy.Principal
	for _, name := range names {
		p, err := policy.ParsePrincipal(name)
		if err != nil || p.Account != k.Facts.Account || p.Kind == policy.KindRoot {
			continue
		}
		if at := slices.IndexFunc(r.people[p.Account], func(of policy.Principal) bool { return of.ARN == p.ARN }); at >= 0 {
			p = r.people[p.Account][at] // with its tags
		}
		out = append(out, p)
	}
	return out
}

// parting is what mends that the same principals manage and use a key.
const parting = "keep managing apart from using"

// duties finds principals whom the policy lets both use the key, by this statement that names them, and manage it, by the same one (together) or by
// another: whoever changes the key policy uses the key without anybody else. To part them is for a person: each way takes something from somebody.
func (q *inquiry) duties(index int, managing []duty) (together bool) {
	named := q.principals(q.key, q.statement)
	if len(q.uses) == 0 || len(named) == 0 && !q.statement.NamesEverybody() {
		return false
	}
	var certain, maybe, by, maybeBy []string
	for _, m := range managing {
		together = together || m.index == index && len(named) == 0 // everybody
		for _, p := range slices.Concat(named, m.principals) {
			use, manage := q.only.itself(q.uses, p, q.vias), m.only.itself(ownActions(q.key), p, q.vias)
			switch {
			case len(named) == 0 || use == policy.ImplicitlyDenied || manage == policy.ImplicitlyDenied:
			case m.index == index:
				together = true
			case m.only.itself(m.uses, p, q.vias) != policy.ImplicitlyDenied: // which is said of that one
			case use == policy.Allowed && manage == policy.Allowed:
				certain, by = append(certain, p.String()), append(by, m.statement)
			default:
				maybe, maybeBy = append(maybe, p.String()), append(maybeBy, m.statement)
			}
		}
	}
	one := func(names []string) string {
		slices.Sort(names)
		return strings.Join(slices.Compact(names), " and ")
	}
	const across = "it lets %s use the key, whom %s lets manage it"
	switch {
	case together:
		q.fault.add("it lets the same principals manage and use the key", parting)
	case len(certain) > 0:
		q.fault.add(fmt.Sprintf(across, one(certain), one(by)), parting)
	case len(maybe) > 0:
		q.fault.doubt("it depends on the request, or on who they are, whether "+fmt.Sprintf(across, one(maybe), one(maybeBy)), parting)
	default:
		return false
	}
	q.fault.decide = cmp.Or(q.fault.decide, "who is to manage the key, and who to use it")
	return together
}

// itself says whether a statement lets a principal do one of some things, in one of some ways, whatever its own policies allow.
func (o only) itself(actions []string, p policy.Principal, ways []map[string][]string) policy.Answer {
	var callers []caller
	for _, context := range ways {
		callers = append(callers, caller{principal: p, context: context})
	}
	return o.worst(actions, callers...)
}

// handsOn reports whether somebody whom the statement names may make grants, past what the policy denies them. What another service makes for its
// resources, where a statement asks for that service, they hand on to nobody.
func (q *inquiry) handsOn() bool {
	principals := []policy.Principal{{Kind: policy.KindSomebody}}
	if named := q.statement.Principal; named != nil && !named.All && len(named.Service)+len(named.Federated)+len(named.CanonicalUser) == 0 {
		principals = nil
		for _, name := range named.AWS {
			p, err := policy.ParsePrincipal(name)
			if err != nil || p.Kind == policy.KindRoot {
				p = policy.Principal{Kind: policy.KindSomebody, Account: p.Account}
			}
			principals = append(principals, p)
		}
	}
	may := func(contexts []map[string][]string) bool {
		var callers []caller
		for _, p := range principals {
			for _, context := range contexts {
				callers = append(callers, caller{principal: p, iam: true, context: context})
			}
		}
		return q.only.worst([]string{grant}, callers...) != policy.ImplicitlyDenied
	}
	others := slices.DeleteFunc(slices.Clone(q.vias[2:]), func(context map[string][]string) bool {
		return strings.HasPrefix(context[viaService][0], secretsManager+".")
	})
	return may(q.vias[:1]) || may(q.vias[1:2]) && !may(others)
}
