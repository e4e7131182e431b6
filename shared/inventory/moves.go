package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// gain is what was done to the rights of a role or user.
type gain uint8

const (
	anyRights  gain = 1 << iota // it has a policy that allows everything; what denies stays
	noBoundary                  // its permissions boundary is gone, or allows everything
	otherTags                   // it has tags that nobody knows yet, or its sessions have
)

// identity is a principal that somebody acts as, with what was done to its rights.
type identity struct {
	of    int32 // in the snapshot's principals; start is whoever the search begins with
	gains gain
}

const start int32 = -1

// move is one thing that an identity may do to act as another, or to give one rights.
type move struct {
	to      int32
	gain    gain // 0: act as it
	right   uint8
	certain bool
	retag   bool  // only once what the right is about has other tags
	at      int32 // of what the right is about, in the targets of its kind
}

// rights are what moves: what each does to whom follows from what it is about.
// Source: Service Authorization Reference, IAM and AWS STS; IAM User Guide, "Grant a user permissions to pass a role".
var rights = []struct {
	action  string
	on      part
	gain    gain
	perhaps bool // whether it gives enough depends on what is not in a snapshot: other versions of a policy, a group's rights
}{
	{assumeRole, onTrusts, 0, false},
	{writeTrust, onRoles, 0, false},
	{passRole, onPassed, 0, false},
	{"iam:CreateAccessKey", onUsers, 0, false},
	{"iam:CreateLoginProfile", onUsers, 0, false},
	{"iam:UpdateLoginProfile", onUsers, 0, false},
	{"iam:PutRolePolicy", onRoles, anyRights, false},
	{"iam:AttachRolePolicy", onRoles, anyRights, false},
	{"iam:PutUserPolicy", onUsers, anyRights, false},
	{"iam:AttachUserPolicy", onUsers, anyRights, false},
	{"iam:PutGroupPolicy", onGroups, anyRights, false},
	{"iam:AttachGroupPolicy", onGroups, anyRights, false},
	{"iam:AddUserToGroup", onGroups, anyRights, true},
	{"iam:CreatePolicyVersion", onPolicies, anyRights, false},
	{"iam:SetDefaultPolicyVersion", onPolicies, anyRights, true},
	{"iam:DeleteRolePermissionsBoundary", onRoles, noBoundary, false},
	{"iam:PutRolePermissionsBoundary", onRoles, noBoundary, false},
	{"iam:DeleteUserPermissionsBoundary", onUsers, noBoundary, false},
	{"iam:PutUserPermissionsBoundary", onUsers, noBoundary, false},
	{"iam:TagRole", onRoles, otherTags, true},
	{"iam:UntagRole", onRoles, otherTags, true},
	{"iam:TagUser", onUsers, otherTags, true},
	{"iam:UntagUser", onUsers, otherTags, true},
	{writeTrust, onRoles, otherTags, false}, // to take it with tags of its choice (sts:TagSession)
}

const writeTrust = "iam:UpdateAssumeRolePolicy"

const passRole = "iam:PassRole"

// principalTags are the condition keys that look at the tags of a principal.
const principalTags = "aws:PrincipalTag/*"

// movers are the principals of a snapshot as those who may act as each other.
type movers struct {
	access *Access
	number map[string]int32                // of a principal, by ARN
	trusts *policy.Index                   // roles as they are to be taken, in the order of arns
	opened *policy.Index                   // the same, once their trust policies let anybody in
	others map[*policy.Index]*policy.Index // trusts, opened, roles and users with other tags; nil where no policy decides by them
	roles  []int32                         // principals, in the order of trusts
	users  []int32
	passed *policy.Index // a role for one service that it trusts
	passes []pass
	groups [][]int32 // members, in the order of the snapshot's groups
	owners [][]owner // of each managed policy, in the order of onPolicies
	made   map[identity][]move

	ownTags bool // some policy decides by the tags of who asks
}

// pass is a role for a service that may take it; "" is one that is not known.
type pass struct {
	role    int32
	service string
}

// owner is a principal with a managed policy.
type owner struct {
	of       int32
	boundary bool // as its boundary
}

// Stand-ins for what somebody would write who may write what he likes.
var (
	everything = policy.MustParse("a policy that allows everything", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	anybody    = policy.MustParse("a policy that lets anybody in", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)
	trusting   = policy.MustParse("a trust policy that lets anybody in", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`)
)

func (a *Access) newMovers() *movers {
	a.bulkTrust.Do(func() { a.trusts = a.trustIndex() })
	a.bulkPower.Do(func() { a.changeable = a.changeables() })
	m := &movers{access: a, number: map[string]int32{}, trusts: a.trusts.roles, made: map[identity][]move{}}
	var opened, passed []policy.Target
	groups := map[string][]int32{}
	owners := map[string][]owner{}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		n := int32(i)
		m.number[p.ARN] = n
		for _, of := range p.Managed {
			owners[of] = append(owners[of], owner{of: n})
		}
		if p.Boundary != "" {
			owners[p.Boundary] = append(owners[p.Boundary], owner{of: n, boundary: true})
		}
		for _, g := range p.Groups {
			groups[p.Account+"/"+g] = append(groups[p.Account+"/"+g], n)
		}
		if p.Kind == User {
			m.users = append(m.users, n)
			continue
		}
		m.roles = append(m.roles, n)
		target := a.principalTarget(p)
		target.Kind, target.Policy = policy.ResourceTrust, trusting
		opened = append(opened, target)
		for _, service := range servicesOf(a.documents.read("trust policy of "+p.ARN, p.Trust)) {
			target := a.target(p.ARN, p.Account)
			if service != "" {
				target.Context["iam:PassedToService"] = []string{service}
			}
			passed, m.passes = append(passed, target), append(m.passes, pass{n, service})
		}
	}
	m.opened, m.passed, m.ownTags = policy.NewIndex(opened), policy.NewIndex(passed), a.decidesBy("aws:principaltag/")
	if a.decidesBy("aws:resourcetag/", "iam:resourcetag/") {
		m.others = map[*policy.Index]*policy.Index{}
		for _, index := range []*policy.Index{m.trusts, m.opened, a.changeable[onRoles].index, a.changeable[onUsers].index} {
			m.others[index] = retagged(index)
		}
	}
	for _, g := range a.snapshot.Groups {
		m.groups = append(m.groups, groups[g.Account+"/"+g.Name])
		for _, n := range groups[g.Account+"/"+g.Name] { // whoever changes a policy of the group changes the rights of its members
			for _, of := range g.Managed {
				owners[of] = append(owners[of], owner{of: n})
			}
		}
	}
	for _, of := range a.changeable[onPolicies].arns {
		m.owners = append(m.owners, owners[of])
	}
	return m
}

// askers are the variants of an identity; of the start they are given.
func (m *movers) askers(id identity, first []*asker) []*asker {
	out := first
	if id.of != start {
		out = nil
		askers, err := m.access.askers(m.access.snapshot.Principals[id.of].ARN)
		if err == nil { // whoever is in the snapshot is found
			out = askers
		}
	}
	if id.gains == 0 {
		return out
	}
	changed := make([]*asker, len(out))
	for i, w := range out {
		c := *w
		if id.gains&anyRights != 0 {
			c.policies.Identity = append(denying(w.policies.Identity), everything)
		}
		if id.gains&noBoundary != 0 {
			c.policies.Boundary = nil
		}
		if id.gains&otherTags != 0 {
			c.principal.Tags = nil
			c.unknown = append(slices.Clone(w.unknown), principalTags)
			c.absent = slices.DeleteFunc(slices.Clone(w.absent), func(key string) bool { return key == principalTags })
		}
		changed[i] = &c
	}
	return changed
}

// denying are the documents without what they allow, which makes no difference beside a policy that allows everything.
func denying(documents []*policy.Document) []*policy.Document {
	var out []*policy.Document
	for _, d := range documents {
		switch denies := func(s policy.Statement) bool { return s.Effect == policy.Deny }; {
		case d.Err() != nil:
			out = append(out, d)
		case slices.ContainsFunc(d.Statements, denies):
			kept := *d
			kept.Statements = slices.DeleteFunc(slices.Clone(d.Statements), func(s policy.Statement) bool { return !denies(s) })
			out = append(out, &kept)
		}
	}
	return out
}

// moves are what an identity may do next. Those of the start are asked anew.
func (m *movers) moves(id identity, askers []*asker) []move {
	if found, made := m.made[id]; made && id.of != start {
		return found
	}
	type effect struct {
		to    int32
		gain  gain
		retag bool
	}
	best := map[effect]int{}
	var out []move
	add := func(v move) {
		e := effect{v.to, v.gain, v.retag}
		if v.to == id.of && v.gain|id.gains == id.gains {
			return
		}
		i, seen := best[e]
		switch {
		case !seen:
			best[e] = len(out)
			out = append(out, v)
		case v.certain && !out[i].certain:
			out[i] = v
		}
	}
	for _, w := range askers {
		for n := range rights {
			if rights[n].gain != otherTags || m.ownTags || m.others != nil && rights[n].action != writeTrust {
				m.ask(w, uint8(n), add)
			}
		}
	}
	if id.of != start {
		m.made[id] = out
	}
	return out
}

func (m *movers) ask(w *asker, n uint8, add func(move)) {
	right := &rights[n]
	var index *policy.Index
	switch right.on {
	case onTrusts:
		index = m.trusts
	case onPassed:
		index = m.passed
	default:
		index = m.access.changeable[right.on].index
	}
	may := m.before(w, index, right.action)
	var taking *questions // of roles whose trust policy it wrote
	if right.action == writeTrust {
		taking = m.before(w, m.opened, assumeRole)
	}
	runs := map[string]policy.Answer{}
	for i := range may.asTagged.Candidates() {
		answer, retag := may.answer(i)
		if denied(answer) {
			continue
		}
		v := move{right: n, gain: right.gain, at: int32(i), certain: answer == policy.Allowed && !right.perhaps, retag: retag}
		if about := index.Target(i).ARN; right.on == onRoles || right.on == onPassed {
			if ofService(about) {
				continue
			}
			v.certain = v.certain && !reserved(about)
		}
		switch right.on {
		case onTrusts:
			v.to = m.roles[i]
			add(v)
		case onRoles:
			if v.to = m.roles[i]; taking != nil {
				taken, retag := taking.answer(i)
				if denied(taken) {
					continue
				}
				v.certain, v.retag = v.certain && taken == policy.Allowed, v.retag || retag
			}
			if v.gain != noBoundary || m.access.snapshot.Principals[v.to].Boundary != "" {
				add(v)
			}
		case onPassed:
			p := m.passes[i]
			ran, asked := runs[p.service]
			if !asked {
				ran = m.access.runs(w, p.service)
				runs[p.service] = ran
			}
			if v.to = p.role; !denied(ran) {
				v.certain = v.certain && ran == policy.Allowed
				add(v)
			}
		case onUsers:
			if v.to = m.users[i]; v.gain != noBoundary || m.access.snapshot.Principals[v.to].Boundary != "" {
				add(v)
			}
		case onGroups:
			members := m.groups[i]
			if right.perhaps {
				members = m.users // whom it puts into the group
			}
			for _, v.to = range members {
				if m.access.snapshot.Principals[v.to].Account == m.access.snapshot.Groups[i].Account {
					add(v)
				}
			}
		case onPolicies:
			for _, o := range m.owners[i] {
				if v.to, v.gain = o.of, right.gain; o.boundary {
					v.gain = noBoundary
				}
				add(v)
			}
		}
	}
}

// questions are one about roles or users as they are, and as they would be with other tags.
type questions struct {
	by       *asker
	asTagged *policy.Query
	others   *policy.Index // nil where tags decide nothing
	action   string
	retagged *policy.Query // once it is asked
}

func (m *movers) before(w *asker, index *policy.Index, action string) *questions {
	return &questions{by: w, asTagged: w.about(index, action), others: m.others[index], action: action}
}

// answer is that about one of them, and whether it takes other tags: then it is never certain.
func (q *questions) answer(i int) (answer policy.Answer, retag bool) {
	answer = q.by.capped(q.asTagged.Answer(i))
	if !denied(answer) || q.others == nil {
		return answer, false
	}
	if q.retagged == nil {
		q.retagged = q.by.about(q.others, q.action)
	}
	if other := q.retagged.Answer(i); denied(other) {
		return other, false
	}
	return policy.Unknown, true
}

// ofService reports whether a role is a service's own, which nobody else may change or pass.
// Source: IAM API Reference, UnmodifiableEntityException; IAM User Guide, "Create a service-linked role".
func ofService(role string) bool {
	return strings.HasPrefix(arn.Of(role).Resource, "role/aws-service-role/")
}

// reserved reports whether a role is of IAM Identity Center. AWS refuses to let others change it, and no page says so.
func reserved(role string) bool {
	return strings.HasPrefix(arn.Of(role).Resource, "role/aws-reserved/")
}

// about is a question about everything of an index.
func (w *asker) about(index *policy.Index, action string) *policy.Query {
	return index.Ask(policy.Request{Principal: w.principal, Action: action, Open: true, Unknown: w.unknown, Absent: w.absent}, w.policies)
}

// step is a move in words.
func (m *movers) step(as string, v move) Step {
	s := Step{As: as, Action: rights[v.right].action, Certain: v.certain}
	switch on := rights[v.right].on; on {
	case onTrusts, onPassed:
		s.Resource = m.access.snapshot.Principals[v.to].ARN
	default:
		s.Resource = m.access.changeable[on].arns[v.at]
	}
	return s
}
