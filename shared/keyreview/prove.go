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

// maxKeyPolicy is the most bytes of a key policy. Source: KMS Developer Guide, quotas.
const maxKeyPolicy = 32 << 10

// proposal is a change of one statement that was proved by itself.
type proposal struct {
	finding int // in the findings of the review
	control guard.ControlID
	index   int // of the statement
	by      []policy.Statement
}

// propose puts the policy into a finding that is added next, by which others take the place of one of its statements; where that is not proved, it
// says why.
func (r *review) propose(id guard.ControlID, k *inventory.Key, d *policy.Document, index int, by []policy.Statement, f *Finding) string {
	after, difference := change(d, map[int][]policy.Statement{index: by})
	if why := r.unproved(k, after, id); why != "" {
		return why
	}
	f.After, f.Diff = after, difference
	r.proposed = append(r.proposed, proposal{len(r.findings), id, index, by})
	return ""
}

// together makes one policy of what was proposed for a key, for each alone would put back what another changed. What is excused, or not asked,
// stays as it is in those of the others.
func (r *review) together(k *inventory.Key) {
	proposed := slices.DeleteFunc(r.proposed, func(p proposal) bool {
		return !r.findings[p.finding].Waived.IsZero() || !r.std.judges(p.control)
	})
	r.proposed = nil
	if len(proposed) < 2 {
		return
	}
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return
	}
	by, ends := map[int][]policy.Statement{}, []guard.ControlID{}
	for _, p := range proposed {
		by[p.index] = p.by
		ends = append(ends, p.control)
	}
	after, difference := change(d, by)
	why := r.unproved(k, after, ends...)
	for _, p := range proposed {
		f := &r.findings[p.finding]
		if why != "" {
			f.Fix += "; apply no other policy that is proposed for the key with it, and review the key again: together they are not proved: " + why
			continue
		}
		f.After, f.Diff = after, difference
		f.Fix += fmt.Sprintf("; the policy ends all %d findings of the key that it is proposed for", len(proposed))
	}
}

// unproved says why a policy is not to be proposed for a key, "" when it was proved: it fits, it ends a finding
// of each control that is given and no other control finds more, somebody of the account who is no service can still change the policy (which is what KMS
// asks of PutKeyPolicy as well), whoever opens a secret under the key today still does, and nobody gets the key who does not have it.
func (r *review) unproved(k *inventory.Key, after string, ends ...guard.ControlID) string {
	if r.proving {
		return ""
	}
	if why := r.outdated(k); why != "" {
		return why
	}
	if after == "" {
		return "nothing of the statement would be left"
	}
	if len(after) > maxKeyPolicy {
		return fmt.Sprintf("the policy would have %d bytes, of %d", len(after), maxKeyPolicy)
	}
	d, err := policy.Parse(k.Facts.ARN, []byte(after))
	if err != nil {
		return "the policy that would be left cannot be read: " + err.Error()
	}
	for i, s := range d.Statements {
		if s.NotPrincipal != nil && slices.ContainsFunc(s.NotPrincipal.AWS, unattributed) {
			return name(s, i) + " excepts (NotPrincipal) somebody who was deleted, and KMS takes no policy with such an id: whom to except in its stead"
		}
	}
	if who := r.usersLost(k, d); who != "" {
		return who
	}
	changed := *k
	changed.Policy = after
	before, then := r.faults(k), r.faults(&changed)
	for _, id := range ends {
		before[id]--
	}
	for control, n := range then {
		switch {
		case n <= before[control]:
		case slices.Contains(ends, control):
			return "no change of this statement alone ends the finding"
		default:
			return "the change would be a finding of " + string(control)
		}
	}
	access := r.with(&changed)
	switch manages := access.Manages(k.Facts.ARN); manages.Answer {
	case policy.Allowed:
	case policy.Unknown:
		return "whether anybody could manage the key after the change is not certain: " + doubt(manages) + "; name first who is to"
	default:
		return "after the change nobody could manage the key; name first who is to"
	}
	return r.moved(k, &changed, access)
}

// usersLost says who was seen using the key and may lose it by the changed policy, whatever their own policies allow; "" when nobody.
// Somebody whom the policy of today does not explain either is said to be so: the model is wrong about them.
func (r *review) usersLost(k *inventory.Key, after *policy.Document) string {
	before, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return "the policy of today cannot be read"
	}
	for _, u := range slices.Concat(r.std.Seen, r.lastUse(k), granted(k)) {
		concerned, certain := r.concerns(k, u)
		if !concerned || byGrant(k, u) {
			continue
		}
		how, used := u.Action, "was seen using it"
		if u.Via != "" {
			how += " through " + u.Via
		}
		now, former := r.successor(u)
		if former {
			u.ID, used = now, "or a former principal of that name was seen using it"
		}
		if u.Maybe || !certain {
			used = "may have used it"
		}
		if !certain {
			how += ", of a key that the record does not name"
		}
		callers := seenAs(k, u)
		if len(callers) == 0 {
			return fmt.Sprintf("somebody %s (%s) whom the record does not name (%q)", used, how, u.Principal)
		}
		who := u.Principal
		if isAccount(who) {
			who = "account " + who
		}
		was, by := r.lets(k, before, callers)
		if was == policy.ImplicitlyDenied {
			callers = append(callers, sessions(before, callers)...)
			was, by = r.lets(k, before, callers)
		}
		is, left := r.lets(k, after, callers)
		gone := slices.ContainsFunc(by, func(statement string) bool { return !slices.Contains(left, statement) })
		switch {
		case was == policy.ImplicitlyDenied && (u.Maybe || !certain || former || looks(u.Action)): // then it failed, was another key's, or the former one's
		case was == policy.ImplicitlyDenied:
			return fmt.Sprintf("%s %s (%s), and the policy of today does not explain that", who, used, how)
		case is == policy.Allowed:
		case was == policy.Allowed && is == policy.ImplicitlyDenied:
			return fmt.Sprintf("%s %s (%s) and would lose it", who, used, how)
		case was == policy.Allowed || gone:
			return fmt.Sprintf("%s %s (%s) and may lose it", who, used, how)
		}
	}
	return ""
}

// lets says what a policy lets callers do who are one, of whom it is not known which, and by which statements it may.
func (r *review) lets(k *inventory.Key, d *policy.Document, callers []caller) (answer policy.Answer, by []string) {
	answer = policy.ImplicitlyDenied
	for _, s := range d.Statements {
		if s.Effect != policy.Allow {
			continue
		}
		o := r.only(k, d, s)
		for _, c := range callers {
			got := o.answer(c)
			if got == policy.Allowed || got == policy.Unknown {
				by = append(by, printed(s))
				answer = worse(answer, got)
			}
		}
	}
	return answer, by
}

func worse(a, b policy.Answer) policy.Answer {
	if a == policy.Allowed || b == policy.Allowed {
		return policy.Allowed
	}
	if a == policy.Unknown || b == policy.Unknown {
		return policy.Unknown
	}
	return policy.ImplicitlyDenied
}

// seenAs are the callers that somebody who was seen may be: of an account whose principal the record hides, anybody; of a service, under
// its name for all Regions or for one. Empty where the record does not say who it was.
// Source: CloudTrail User Guide, "CloudTrail userIdentity element", AWSAccount and AWSService.
func seenAs(k *inventory.Key, u Use) []caller {
	context := directly()
	if service, _, _ := strings.Cut(u.Via, "."); wild(u.Via) {
		context = through(arn.PartitionOf(k.Facts.Region).ViaService(service, k.Facts.Region)...)
	} else if u.Via != "" {
		context = through(viaForms(u.Via)...)
	}
	if isAccount(u.Principal) {
		return []caller{{principal: policy.Principal{Kind: policy.KindSomebody, Account: u.Principal}, iam: true, action: u.Action, context: context}}
	}
	p, err := policy.ParsePrincipal(u.Principal)
	p.UniqueID = u.ID
	switch {
	case err != nil || u.Principal == "*":
		return nil
	case p.Kind != policy.KindService:
		return []caller{{principal: p, iam: true, action: u.Action, context: context}}
	}
	service, _, _ := strings.Cut(p.Name, ".")
	var out []caller
	for _, name := range []string{p.Name, arn.Of(k.Facts.ARN).Partition.Service(service), arn.PartitionOf(k.Facts.Region).Regional(service, k.Facts.Region)} {
		out = append(out, caller{principal: policy.Principal{Kind: policy.KindService, Name: name}, action: u.Action})
	}
	return out
}

// sessions are those of roles that a policy names: the record of a use says the role.
func sessions(d *policy.Document, of []caller) (out []caller) {
	for _, s := range d.Statements {
		if s.Principal == nil {
			continue
		}
		for _, name := range s.Principal.AWS {
			p, err := policy.ParsePrincipal(name)
			if err != nil || p.Kind != policy.KindSession {
				continue
			}
			for _, c := range of {
				if c.principal.Kind == policy.KindRole && c.principal.Account == p.Account && c.principal.Name == p.Name {
					c.principal = p
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// byGrant reports whether a grant lets somebody use the key, which no change of the policy ends.
func byGrant(k *inventory.Key, u Use) bool {
	return slices.ContainsFunc(k.Grants, func(g inventory.Grant) bool {
		return g.Grantee == u.Principal && len(g.Equals)+len(g.Subset) == 0 && slices.Contains(g.Operations, strings.TrimPrefix(u.Action, "kms:"))
	})
}

// faults counts what the controls of the policy find.
func (r *review) faults(k *inventory.Key) map[guard.ControlID]int {
	tried := *r
	tried.findings, tried.proposed, tried.proving = nil, nil, true
	tried.open(k)
	tried.onlyDelegates(k)
	counts := map[guard.ControlID]int{}
	for _, f := range tried.findings {
		counts[f.Control.ID]++
	}
	return counts
}

// unmanageable finds a key whose policy nobody can change: KMS asks the key policy alone who may, and takes nobody of another account.
// Source: KMS Developer Guide, "Default key policy": such a key becomes unmanageable, and only AWS Support can help.
func (r *review) unmanageable(k *inventory.Key) {
	switch manages := r.access.Manages(k.Facts.ARN); manages.Answer {
	case policy.Allowed:
	case policy.Unknown:
		fix := "let somebody who is there change the key policy (kms:PutKeyPolicy) without a condition; a person has to decide who"
		if of := k.Facts.Account; r.access.ControlsUnread(of) != "" || r.access.PrincipalsUnread(of) != "" {
			fix = "take the snapshot with credentials that may read what is named here"
		}
		r.add(guard.KeyOpen, k, Finding{Outcome: guard.Unknown, Detail: "whether anybody of account " + k.Facts.Account + " can manage it is not certain: " + doubt(manages),
			Fix: fix})
	default:
		fix := "as nobody may change its policy, ask AWS Support"
		if slices.ContainsFunc(manages.Decided, func(s policy.StatementRef) bool { return s.Type == policy.TypeSCP || s.Type == policy.TypeRCP }) {
			fix = "change the SCP or RCP that stops them"
		}
		why, _, _ := strings.Cut(strings.TrimPrefix(manages.Why, "not allowed: "), "; ") // without what would have to change, which the fix says
		r.add(guard.KeyOpen, k, Finding{Detail: "nobody of account " + k.Facts.Account + " can manage it: " + why, Fix: "a person has to decide who is to manage the key; " + fix})
	}
}

// doubt is why an answer is unknown, as a part of a sentence.
func doubt(d policy.Decision) string {
	return strings.ReplaceAll(strings.TrimPrefix(d.Why, "unknown: "), "; ", ", ")
}

// moved says who would no longer open a secret under the key, or would get the key who does not have it for that secret today; "" when
// nobody would. The key lock counts alone for those who would gain: somebody may give them the other one. A key without secrets is asked
// for one that is not there.
func (r *review) moved(k, changed *inventory.Key, access *inventory.Access) string {
	today := r.access
	secrets := r.under[k.Facts.ARN]
	if len(secrets) == 0 {
		example := inventory.Secret{Facts: guard.Secret{ARN: arn.Of(k.Facts.ARN).Partition.New("secretsmanager", k.Facts.Region, k.Facts.Account, "secret:example-AbCdEf").String(),
			Name: "example", Account: k.Facts.Account, Region: k.Facts.Region, KeyID: k.Facts.ARN, Key: k.Facts,
			Versions: []guard.Version{{ID: "example", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{k.Facts}}}}}
		secrets = []*inventory.Secret{&example}
		today, access = r.with(k, example), r.with(changed, example)
	}
	var names []string
	for _, s := range secrets {
		names = append(names, s.Facts.ARN)
	}
	found, err := today.Difference(access, names)
	switch {
	case err != nil:
		return "who reads its secrets cannot be said: " + err.Error()
	case found == nil:
		return ""
	}
	of := secrets[slices.Index(names, found.Secret)].Facts.Name
	if found.Gains {
		return fmt.Sprintf("%s would get the key of %s, and does not certainly have it today", found.Principal, of)
	}
	return fmt.Sprintf("%s would lose %s", found.Principal, of)
}

// with is the snapshot with a key as it is given, and with more secrets.
func (r *review) with(k *inventory.Key, more ...inventory.Secret) *inventory.Access {
	part := *r.snapshot
	part.Keys, part.Secrets = slices.Clone(part.Keys), append(slices.Clone(part.Secrets), more...)
	for i := range part.Keys {
		if part.Keys[i].Facts.ARN == k.Facts.ARN {
			part.Keys[i] = *k
		}
	}
	return r.access.Changed(part)
}
