package policy

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Target is a resource with everything attached to it, to be asked about by many principals.
type Target struct {
	ARN     string
	Pattern bool   // as in Request; not in an Index
	Account string // of the resource; "" takes that in the ARN
	Kind    ResourceKind
	Policy  *Document // nil: there is none
	Grants  []Grant
	RCPs    [][]*Document
	Context map[string][]string // keys of the request that follow from the resource, such as its tags
	OneOf   map[string][]string // keys that do, of whose values one is that of the request; as in Request
	Unknown []string            // keys that do, with values not known; as in Request
	Absent  []string            // keys that the resource does not have; as in Request

	Management    bool // the resource's account is the organization's management account
	AWSManagedKey bool
}

// Index answers who may do one thing to many resources without looking at each pair: it keeps only the statements
// about the action, and of the resources those that a statement's pattern can reach.
// It is safe for concurrent use; the queries it makes are not.
type Index struct {
	targets  []Target
	contexts []map[string][]string // of each target, with keys in lower case
	choices  []map[string][]string // likewise
	byARN    []int32               // targets in the order of their ARNs

	mu           sync.Mutex
	views        map[string]*view
	valueNumbers map[string][]int32 // of each target, by condition key
	reached      map[reach][]int32  // targets, of those reaches that were looked for and have few
}

// view is the index as one action sees it.
type view struct {
	policies []*Document // of each target, only statements about the action; nil without a policy
	rcps     [][][]*Document
	granting []int32 // targets whose own policy or grants may allow, or cannot be read
	classes  []int32 // of each target: those of one class have equal things attached
	distinct int     // how many classes there are
}

// NewIndex indexes resources. The targets must not change afterwards.
func NewIndex(targets []Target) *Index {
	ix := &Index{targets: targets, contexts: make([]map[string][]string, len(targets)), choices: make([]map[string][]string, len(targets)), byARN: make([]int32, len(targets)), views: map[string]*view{}, valueNumbers: map[string][]int32{}, reached: map[reach][]int32{}}
	for i := range targets {
		ix.byARN[i], ix.contexts[i], ix.choices[i] = int32(i), lowerKeys(targets[i].Context), lowerKeys(targets[i].OneOf)
	}
	sort.SliceStable(ix.byARN, func(a, b int) bool { return targets[ix.byARN[a]].ARN < targets[ix.byARN[b]].ARN })
	return ix
}

// With is an index of the same resources under other policies and grants, which a function changes; all else of a target is to stay.
func (ix *Index) With(change func(i int, t *Target)) *Index {
	targets := slices.Clone(ix.targets)
	for i := range targets {
		change(i, &targets[i])
	}
	return &Index{targets: targets, contexts: ix.contexts, choices: ix.choices, byARN: ix.byARN, views: map[string]*view{}, valueNumbers: map[string][]int32{}, reached: map[reach][]int32{}}
}

// Query is one principal asking for one action.
type Query struct {
	index      *Index
	view       *view
	request    Request
	policies   Policies
	original   Policies
	unknown    joint // of the question; the target may add its own
	absent     joint
	evaluation evaluation
	all        bool // every target may be allowed as far as the principal's policies go
	reaches    []reach

	patterns []*pattern // what the principal's policies look at: resource patterns, and of condition keys the values
	values   [][]int32
	known    map[string]answered // by what tells targets apart; nil where that cannot be said
	byClass  []answered          // where only the class does
	key      []byte
	found    int
	unread   reasons  // of patterns, which are noted where a target is asked itself
	rests    []string // condition keys that would have mattered to the last Answer
}

// joint is a list of the question with what the target adds.
type joint struct{ own, both []string }

func (j *joint) with(more []string) []string {
	if len(more) == 0 {
		return j.own
	}
	j.both = append(append(j.both[:0], j.own...), more...)
	return j.both
}

// Ask prepares a question. Of the request only Principal, Action, Open, Unknown and Absent count; of the policies only those of
// the principal: Identity, Boundary, Session, SCPs, Endpoint and ManagementPrincipal.
func (ix *Index) Ask(r Request, policies Policies) *Query {
	action := r.Action
	q := &Query{index: ix, view: ix.view(action), original: policies, unknown: joint{own: r.Unknown}, absent: joint{own: r.Absent}}
	q.request = Request{Principal: r.Principal, Action: action, Open: r.Open}
	q.policies = policies
	service, name, _ := strings.Cut(strings.ToLower(action), ":")
	narrow := narrower{service: service, action: name}
	q.policies.Identity = narrow.list(policies.Identity)
	q.policies.Boundary = narrow.list(policies.Boundary)
	q.policies.Session = narrow.list(policies.Session)
	q.policies.Endpoint = narrow.list(policies.Endpoint)
	q.policies.SCPs = narrow.levels(policies.SCPs)
	q.reach()
	q.prepare()
	return q
}

// Targets is how many resources the index has.
func (ix *Index) Targets() int { return len(ix.targets) }

// Target is one of the resources.
func (ix *Index) Target(i int) *Target { return &ix.targets[i] }

// Candidates are the targets that the principal may be allowed to use; all others are denied.
func (q *Query) Candidates() iter.Seq[int] {
	return func(yield func(int) bool) {
		marked := make([]bool, len(q.index.targets))
		for _, i := range q.view.granting {
			marked[i] = true
		}
		for _, r := range q.reaches {
			q.index.mark(r, marked)
		}
		for i := range marked {
			if (q.all || marked[i]) && !yield(i) {
				return
			}
		}
	}
}

// reach is what every ARN that a pattern matches begins with and contains: cheap to look for, before the pattern itself.
type reach struct{ prefix, inside string }

// Of so many reaches it is remembered what they find, of those that find few: one principal is asked about many actions, with the same
// patterns.
const (
	mostReaches = 4096
	fewTargets  = 64
)

// mark marks the targets that a pattern may match.
func (ix *Index) mark(r reach, marked []bool) {
	ix.mu.Lock()
	found, known := ix.reached[r]
	ix.mu.Unlock()
	if !known {
		found = ix.find(r, marked)
		if len(found) > fewTargets {
			return
		}
		ix.mu.Lock()
		if len(ix.reached) >= mostReaches {
			clear(ix.reached)
		}
		ix.reached[r] = found
		ix.mu.Unlock()
	}
	for _, i := range found {
		marked[i] = true
	}
}

// find marks the targets that a pattern may match, and lists them up to one more than a few.
func (ix *Index) find(r reach, marked []bool) (found []int32) {
	start := sort.Search(len(ix.byARN), func(i int) bool { return ix.targets[ix.byARN[i]].ARN >= r.prefix })
	for _, i := range ix.byARN[start:] {
		arn := ix.targets[i].ARN
		if !strings.HasPrefix(arn, r.prefix) {
			return found
		}
		if strings.Contains(arn[len(r.prefix):], r.inside) {
			if marked[i] = true; len(found) <= fewTargets {
				found = append(found, i)
			}
		}
	}
	return found
}

// Answer is Allowed, Unknown, or ImplicitlyDenied for a denial of either kind.
func (q *Query) Answer(i int) Answer {
	class := q.view.classes[i]
	if q.byClass != nil && class != alone { // nothing but what is attached to them tells them apart
		found := &q.byClass[class]
		if found.answer == "" {
			found.answer = q.ask(i)
			found.keys = slices.Clone(q.evaluation.reasons.keys)
		}
		q.rests = found.keys
		return found.answer
	}
	alike := q.likeness(i)
	if alike {
		if found, asked := q.known[string(q.key)]; asked {
			q.found++
			q.rests = found.keys
			return found.answer
		}
		if len(q.known) >= fewAlike && q.found < len(q.known) {
			q.known, alike = nil, false // too few are, and looking costs more than it saves
		}
	}
	answer := q.ask(i)
	q.rests = q.evaluation.reasons.keys
	if alike {
		q.rests = slices.Clone(q.rests)
		q.known[string(q.key)] = answered{answer: answer, keys: q.rests}
	}
	return answer
}

func (q *Query) ask(i int) Answer {
	t := &q.index.targets[i]
	q.load(t, q.view.policies[i], q.view.rcps[i])
	q.request.Context, q.request.OneOf = q.index.contexts[i], q.index.choices[i]
	e := &q.evaluation
	e.narrowed = true
	e.begin(&q.request, &q.policies)
	e.run()
	if answer := e.answer(); answer != ExplicitlyDenied {
		return answer
	}
	return ImplicitlyDenied
}

// RestsOn reports whether the value of one of the condition keys would have mattered to the last Answer, which was Unknown.
func (q *Query) RestsOn(keys ...string) bool {
	return slices.ContainsFunc(q.rests, func(missing string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, missing) })
	})
}

// Decision is the answer about one target with its explanation.
func (q *Query) Decision(i int) Decision {
	t := &q.index.targets[i]
	q.load(t, t.Policy, t.RCPs)
	p := q.original
	p.Resource, p.RCPs, p.Grants, p.ResourceKind = q.policies.Resource, q.policies.RCPs, q.policies.Grants, q.policies.ResourceKind
	p.ManagementResource, p.AWSManagedKey = q.policies.ManagementResource, q.policies.AWSManagedKey
	return Evaluate(q.request, p)
}

func (q *Query) load(t *Target, resource *Document, rcps [][]*Document) {
	q.request.Resource, q.request.ResourceAccount, q.request.Context, q.request.OneOf = t.ARN, t.Account, t.Context, t.OneOf
	q.request.Unknown, q.request.Absent = q.unknown.with(t.Unknown), q.absent.with(t.Absent)
	q.policies.Resource, q.policies.RCPs, q.policies.Grants, q.policies.ResourceKind = resource, rcps, t.Grants, t.Kind
	q.policies.ManagementResource, q.policies.AWSManagedKey = t.Management, t.AWSManagedKey
}

// reach finds the prefixes of ARNs that the identity policies can allow.
func (q *Query) reach() {
	if q.request.Principal.Kind == KindRoot {
		q.all = true
	}
	for _, d := range q.policies.Identity {
		if d == nil || !d.usable(TypeIdentity) {
			q.all = true
			return
		}
		for i := range d.Statements {
			s := &d.Statements[i]
			if s.Effect != Allow {
				continue
			}
			if s.Resources == nil {
				q.all = true
			}
			for j := range s.resources {
				q.reaches = append(q.reaches, s.resources[j].reach())
			}
		}
	}
}

// reach is the literal text that everything the pattern matches begins with, and the longest that it contains behind.
func (p *pattern) reach() reach {
	if p.parts == nil {
		return reach{p.glob.prefix, longestLiteral(p.glob.text[len(p.glob.prefix):])}
	}
	if p.parts[0].key.name != "" {
		return reach{}
	}
	first := newGlob(p.parts[0].text)
	return reach{prefix: first.prefix}
}

// longestLiteral is the longest part of a glob's text without wildcards.
func longestLiteral(text string) string {
	longest := ""
	for start := 0; start < len(text); {
		end := start
		for end < len(text) && text[end] < firstWild {
			end++
		}
		if end-start > len(longest) {
			longest = text[start:end]
		}
		start = end + 1
	}
	return longest
}

// view makes, once, the index as an action sees it.
func (ix *Index) view(action string) *view {
	key := strings.ToLower(action)
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if v := ix.views[key]; v != nil {
		return v
	}
	service, name, _ := strings.Cut(key, ":")
	narrow := narrower{service: service, action: name, seen: map[*Document]*Document{}}
	v := &view{policies: make([]*Document, len(ix.targets)), rcps: make([][][]*Document, len(ix.targets))}
	for i := range ix.targets {
		t := &ix.targets[i]
		v.policies[i] = narrow.document(t.Policy)
		v.rcps[i] = narrow.levels(t.RCPs)
		if len(t.Grants) > 0 || v.policies[i].mayAllow() {
			v.granting = append(v.granting, int32(i))
		}
	}
	ix.classify(v, service)
	ix.views[key] = v
	return v
}

// mayAllow reports whether a resource policy has an Allow, or cannot be read.
func (d *Document) mayAllow() bool {
	if d == nil {
		return false
	}
	if d.broken != nil || d.shape.noPrincipal {
		return true
	}
	return slices.ContainsFunc(d.Statements, func(s Statement) bool { return s.Effect == Allow })
}

// narrower keeps the statements that are about one action.
type narrower struct {
	service, action string
	seen            map[*Document]*Document // nil where documents are not shared
}

func (n *narrower) document(d *Document) *Document {
	if d == nil || d.broken != nil {
		return d
	}
	if known := n.seen[d]; known != nil {
		return known
	}
	kept := &Document{Name: d.Name, Version: d.Version, ID: d.ID, Size: d.Size, shape: d.shape}
	for i := range d.Statements {
		if s := &d.Statements[i]; s.matchesAction(n.service, n.action) {
			kept.Statements = append(kept.Statements, *s)
		}
	}
	if n.seen != nil {
		n.seen[d] = kept
	}
	return kept
}

func (n *narrower) list(documents []*Document) []*Document {
	if documents == nil {
		return nil
	}
	out := make([]*Document, len(documents))
	for i, d := range documents {
		out[i] = n.document(d)
	}
	return out
}

func (n *narrower) levels(levels [][]*Document) [][]*Document {
	if levels == nil {
		return nil
	}
	out := make([][]*Document, len(levels))
	for i, documents := range levels {
		out[i] = n.list(documents)
	}
	return out
}
