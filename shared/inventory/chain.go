package inventory

import (
	"slices"

	"github.com/doublelock/doublelock/shared/policy"
)

const (
	assumeRole                = "sts:AssumeRole"
	assumeRoleWithSAML        = "sts:AssumeRoleWithSAML"
	assumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity"
)

// Chain is a role that a principal may take, directly or from another one that it took, and what is opened with it.
type Chain struct {
	Roles   []string // taken one after the other; the last opens
	Certain bool     // every step is certain; else what was not read, or not given, would decide
	Opens   Openings
}

// Chains are the roles of the snapshot that a principal (role, user or session) may end up with, the shortest way to each, in the
// order of their length. Who may take a role is what both its trust policy and the principal's own policies say.
func (a *Access) Chains(principalARN string) ([]Chain, error) {
	out, err := a.chains(principalARN)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Opens, err = a.Can(out[i].Roles[len(out[i].Roles)-1]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// chains is Chains without what is opened.
func (a *Access) chains(principalARN string) ([]Chain, error) {
	a.bulkTrust.Do(func() { a.trusts = a.trustIndex() })
	seen := map[string]bool{principalARN: true}
	var out []Chain
	from := []Chain{{Certain: true}}
	for len(from) > 0 {
		var next []Chain
		taken := make([][]step, len(from))
		for i, c := range from {
			who := principalARN
			if len(c.Roles) > 0 {
				who = c.Roles[len(c.Roles)-1]
			}
			var err error
			if taken[i], err = a.takes(who); err != nil {
				return nil, err
			}
		}
		for _, certain := range []bool{true, false} { // of ways that are as long, a certain one
			for i, c := range from {
				for _, t := range taken[i] {
					if seen[t.role] || (c.Certain && t.certain) != certain {
						continue
					}
					seen[t.role] = true
					next = append(next, Chain{Roles: append(slices.Clone(c.Roles), t.role), Certain: certain})
				}
			}
		}
		out = append(out, next...)
		from = next
	}
	return out, nil
}

// step is a role that somebody may take next.
type step struct {
	role    string
	certain bool
}

// takes lists the roles that a principal may take itself, those that are certain first.
func (a *Access) takes(principalARN string) ([]step, error) {
	best := map[string]policy.Answer{}
	askers, err := a.askers(principalARN)
	if err != nil {
		return nil, err
	}
	for _, w := range askers {
		q := a.trusts.roles.Ask(policy.Request{Principal: w.principal, Action: assumeRole, Open: true, Unknown: w.unknown, Absent: w.absent}, w.policies)
		for i := range q.Candidates() {
			if answer, role := w.capped(q.Answer(i)), a.trusts.arns[i]; better(answer, best[role]) {
				best[role] = answer
			}
		}
	}
	var certain, perhaps []step
	for _, role := range a.trusts.arns {
		switch best[role] {
		case policy.Allowed:
			certain = append(certain, step{role, true})
		case policy.Unknown:
			perhaps = append(perhaps, step{role, false})
		}
	}
	return append(certain, perhaps...), nil
}

// trusts are the roles of the snapshot, as they are to be taken.
type trusts struct {
	roles *policy.Index
	arns  []string
}

func (a *Access) trustIndex() *trusts {
	t := &trusts{}
	var targets []policy.Target
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		if p.Kind == User {
			continue
		}
		target := a.principalTarget(p)
		target.Kind, target.Policy = policy.ResourceTrust, a.documents.read("trust policy of "+p.ARN, p.Trust)
		targets, t.arns = append(targets, target), append(t.arns, p.ARN)
	}
	t.roles = policy.NewIndex(targets)
	return t
}
