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

// unproved says why a policy is not to be proposed for a key, "" when it was proved: it fits, the control finds less than
// before and no other finds more, somebody of the account who is no service can still change the policy (which is what KMS
// asks of PutKeyPolicy as well), and whoever opens a secret under the key today still does.
func (r *review) unproved(id guard.ControlID, k *inventory.Key, after string) string {
	if r.proving {
		return ""
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
	if who := r.usersLost(k, d); who != "" {
		return who
	}
	changed := *k
	changed.Policy = after
	before, then := r.faults(k), r.faults(&changed)
	if then[id] >= before[id] {
		return "no change of this statement alone ends the finding"
	}
	for control, n := range then {
		if control != id && n > before[control] {
			return "the change would be a finding of " + string(control)
		}
	}
	if !r.manageable(&changed, d) {
		return "after the change nobody could manage the key; name first who is to"
	}
	return r.losers(k, &changed)
}

// usersLost says who was seen using the key and no statement of the changed policy would let in, whatever their own policies
// allow; "" when nobody. Somebody whom the policy of today does not explain either is said to be so: the model is wrong about them.
func (r *review) usersLost(k *inventory.Key, after *policy.Document) string {
	before, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return "the policy of today cannot be read"
	}
	lets := func(d *policy.Document, u Use) bool {
		c := caller{account: arn.Of(u.Principal).Account, arn: u.Principal, iam: true, action: u.Action, via: u.Via}
		return slices.ContainsFunc(d.Statements, func(s policy.Statement) bool {
			return s.Effect == policy.Allow && answer(k, d, s, c, r.snapshot.Organization) == policy.Allowed
		})
	}
	for _, u := range r.std.Seen {
		if u.Key != k.Facts.ARN || byGrant(k, u) {
			continue
		}
		how := u.Action
		if u.Via != "" {
			how += " through " + u.Via
		}
		switch {
		case !lets(before, u):
			return fmt.Sprintf("%s was seen using it (%s), and the policy of today does not explain that", u.Principal, how)
		case !lets(after, u):
			return fmt.Sprintf("%s was seen using it (%s) and would lose it", u.Principal, how)
		}
	}
	return ""
}

// byGrant reports whether a grant lets somebody use the key, which no change of the policy ends.
func byGrant(k *inventory.Key, u Use) bool {
	return slices.ContainsFunc(k.Grants, func(g inventory.Grant) bool {
		return g.Grantee == u.Principal && len(g.Equals)+len(g.Subset) == 0 && slices.Contains(g.Operations, strings.TrimPrefix(u.Action, "kms:"))
	})
}

// faults counts what the controls of the policy find.
func (r *review) faults(k *inventory.Key) map[guard.ControlID]int {
	tried := &review{access: r.access, snapshot: r.snapshot, std: r.std, now: r.now, under: r.under, proving: true}
	tried.open(k)
	tried.onlyDelegates(k)
	counts := map[guard.ControlID]int{}
	for _, f := range tried.findings {
		counts[f.Control.ID]++
	}
	return counts
}

// manageable reports whether somebody of the key's account may change its policy: a principal that it names, or whoever has
// the right by an IAM policy, where the account has it.
func (r *review) manageable(k *inventory.Key, d *policy.Document) bool {
	callers := []caller{{account: k.Facts.Account, iam: true, action: putPolicy}}
	for _, s := range d.Statements {
		if s.Effect != policy.Allow || s.Principal == nil {
			continue
		}
		for _, name := range s.Principal.AWS {
			if p, err := policy.ParsePrincipal(name); err == nil && p.Account == k.Facts.Account && arn.Of(name).Resource != "root" {
				callers = append(callers, caller{account: p.Account, arn: name, action: putPolicy})
			}
		}
	}
	for _, s := range d.Statements {
		if s.Effect != policy.Allow {
			continue
		}
		if slices.ContainsFunc(callers, func(c caller) bool { return answer(k, d, s, c, r.snapshot.Organization) == policy.Allowed }) {
			return true
		}
	}
	return false
}

// losers says who would no longer open a secret under the key, "" when nobody would.
func (r *review) losers(k, changed *inventory.Key) string {
	secrets := r.under[k.Facts.ARN]
	if len(secrets) == 0 {
		return ""
	}
	part := *r.snapshot
	part.Keys = slices.Clone(part.Keys)
	for i := range part.Keys {
		if part.Keys[i].Facts.ARN == k.Facts.ARN {
			part.Keys[i] = *changed
		}
	}
	access := inventory.Prepare(part)
	for _, s := range secrets[:min(len(secrets), mostNamed)] {
		before, _, err := r.access.Readers(s.Facts.ARN)
		after, _, err2 := access.Readers(s.Facts.ARN)
		if err != nil || err2 != nil {
			return "who reads " + s.Facts.Name + " cannot be said"
		}
		answers := map[string]policy.Answer{}
		for _, reader := range after {
			answers[reader.Principal] = reader.Answer
		}
		for _, reader := range before {
			if reader.Answer == policy.Allowed && answers[reader.Principal] != policy.Allowed {
				return fmt.Sprintf("%s would lose %s", reader.Principal, s.Facts.Name)
			}
		}
	}
	return ""
}
