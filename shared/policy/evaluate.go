package policy

import "strings"

// Answer is what AWS would say, or Unknown where what was given does not decide it.
type Answer string

const (
	Allowed          Answer = "Allowed"
	ImplicitlyDenied Answer = "ImplicitlyDenied" // nothing that is needed allows it
	ExplicitlyDenied Answer = "ExplicitlyDenied" // a Deny statement matches
	Unknown          Answer = "Unknown"
)

// Decision is an answer with its reasons.
type Decision struct {
	Answer     Answer
	Decided    []StatementRef // the statements that made the answer; empty where their absence did
	Missing    []string       // for Unknown: condition keys whose values would have mattered
	Unreadable []string       // for Unknown: documents that could not be parsed, or not where they are attached
	Notes      []string       // where AWS's documentation leaves doubt
	Why        string         // for people: what decided, and what would have to change
}

// StatementRef points to a statement of a document.
type StatementRef struct {
	Type     Type
	Document string
	Level    int // of an SCP or RCP: 0 is the root of the organization
	Index    int // 0 is the first statement
	SID      string
	Line     int
	Effect   Effect
	Grant    string // id of the KMS grant, where that allowed instead of a statement
}

// Evaluate answers a request.
// Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Key policies" and "Grants"; AWS Organizations
// User Guide, "SCP evaluation" and "RCP evaluation".
func Evaluate(r Request, p Policies) Decision {
	var e evaluation
	e.begin(&r, &p)
	e.run()
	d := Decision{Answer: e.answer()}
	e.explain(&d)
	return d
}

// evaluation is the work on one request.
type evaluation struct {
	request  *Request
	policies *Policies
	context  context
	spelled  string // the action as the request writes it
	service  string
	action   string
	narrowed bool // the documents hold only statements about the action, the context only keys in lower case
	findings

	reasons reasons // of statements that are not certain to match
	scratch reasons
}

// findings are what begin and run find out.
type findings struct {
	kind    ResourceKind
	same    bool // principal and resource are in one account
	applies struct{ identity, scp, rcp, resource bool }

	identity, boundary, session, resource, endpoint, scp, rcp tally

	grants    [grades]truth // by grade
	grantedBy *Grant
}

// tally is what the documents of one type say.
type tally struct {
	deny, allow truth
	grades      [grades]truth // of allows by how the principal is named; resource policies only
	gap         int           // level that allows nothing; -1 for none
	unreadable  bool
}

// begin makes ready for a request; an evaluation may be used again.
func (e *evaluation) begin(r *Request, p *Policies) {
	e.request, e.policies, e.findings = r, p, findings{}
	e.reasons.keys, e.reasons.notes = e.reasons.keys[:0], e.reasons.notes[:0]
	if e.spelled != r.Action {
		e.spelled = r.Action
		e.service, e.action, _ = strings.Cut(strings.ToLower(r.Action), ":")
	}
	account := r.ResourceAccount
	if account == "" {
		account = accountOf(r.Resource)
	}
	if account == "" {
		account = r.Principal.Account
	}
	e.context = context{request: r, service: e.service, action: e.action, account: account, lowered: e.narrowed}
	if r.Pattern {
		e.context.asked = compileAsked(r.Resource)
	}
	e.same = r.Principal.Account != "" && r.Principal.Account == account
	e.apply()
}

// apply finds which policies take part.
func (e *evaluation) apply() {
	principal, p := &e.request.Principal, e.policies
	var policyApplies bool
	e.kind, policyApplies = kindOf(e.service, e.request.Resource)
	if p.ResourceKind != "" {
		e.kind, policyApplies = p.ResourceKind, true
	}
	serviceLinked := principal.ServiceLinked()
	e.applies.resource = policyApplies && p.Resource != nil
	e.applies.identity = principal.signed()
	e.applies.scp = len(p.SCPs) > 0 && principal.signed() && !serviceLinked && !p.ManagementPrincipal
	e.applies.rcp = len(p.RCPs) > 0 && restrictedByRCP(e.service, e.action) && !serviceLinked && !p.ManagementResource && !p.AWSManagedKey
}

func (e *evaluation) run() {
	p := e.policies
	if e.applies.identity {
		e.scan(&e.identity, TypeIdentity, p.Identity)
		e.scan(&e.boundary, TypeBoundary, p.Boundary)
		e.scan(&e.session, TypeSession, p.Session)
	}
	if e.applies.scp {
		e.scanLevels(&e.scp, TypeSCP, p.SCPs)
	}
	if e.applies.rcp {
		e.scanLevels(&e.rcp, TypeRCP, p.RCPs)
	}
	if e.applies.resource {
		e.scanDocument(&e.resource, e.resourceType(), p.Resource)
	}
	e.scan(&e.endpoint, TypeEndpoint, p.Endpoint)
	if e.kind == ResourceKey {
		e.scanGrants()
	}
}

func (e *evaluation) resourceType() Type {
	switch e.kind {
	case ResourceKey:
		return TypeKey
	case ResourceTrust:
		return TypeTrust
	}
	return TypeResource
}

// scanLevels wants an allow at every level of the organization's path.
func (e *evaluation) scanLevels(t *tally, policyType Type, levels [][]*Document) {
	all := yes
	t.gap = -1
	for level, documents := range levels {
		t.allow = no
		e.scan(t, policyType, documents)
		if t.allow < all {
			all, t.gap = t.allow, level
		}
	}
	t.allow = all
}

func (e *evaluation) scan(t *tally, policyType Type, documents []*Document) {
	for _, d := range documents {
		e.scanDocument(t, policyType, d)
	}
}

func (e *evaluation) scanDocument(t *tally, policyType Type, d *Document) {
	if d == nil || !d.usable(policyType) {
		t.unreadable = true
		t.deny, t.allow = max(t.deny, maybe), max(t.allow, maybe)
		for g := range t.grades {
			t.grades[g] = max(t.grades[g], maybe)
		}
		return
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		named, matched := e.matches(s)
		switch {
		case matched == no:
		case s.Effect == Deny:
			t.deny = max(t.deny, matched)
		default:
			t.allow = max(t.allow, matched)
			for g := range t.grades {
				t.grades[g] = max(t.grades[g], min(named[g], matched))
			}
		}
	}
}

// matches says whether a statement is about the request, and how it names the principal.
func (e *evaluation) matches(s *Statement) (naming, truth) {
	if !e.narrowed && !s.matchesAction(e.service, e.action) {
		return naming{}, no
	}
	bounded := len(e.policies.Boundary) > 0 && e.applies.identity
	e.scratch.keys, e.scratch.notes = e.scratch.keys[:0], e.scratch.notes[:0]
	named := s.naming(&e.request.Principal, bounded, &e.scratch)
	matched := named.any()
	if matched == no {
		return named, no
	}
	matched = min(matched, s.matchesResource(&e.context, e.request.Resource, &e.scratch))
	if matched == no {
		return named, no
	}
	matched = min(matched, s.matchesConditions(&e.context, &e.scratch))
	if matched == maybe || len(e.scratch.notes) > 0 { // which grade names it may be the doubt
		e.reasons.add(&e.scratch)
	}
	return named, matched
}

func (e *evaluation) scanGrants() {
	for i := range e.policies.Grants {
		g := &e.policies.Grants[i]
		named, result := g.allows(&e.context, e.action, &e.reasons)
		if result > e.grants[named] {
			e.grants[named] = result
			if result == yes {
				e.grantedBy = g
			}
		}
	}
}

// denies is whether any statement denies.
func (e *evaluation) denies() truth {
	return max(e.identity.deny, e.boundary.deny, e.session.deny, e.scp.deny, e.rcp.deny, e.resource.deny, e.endpoint.deny)
}

// allows is whether everything that must allow does.
func (e *evaluation) allows() truth {
	result := e.permits()
	if e.applies.scp {
		result = min(result, e.scp.allow)
	}
	if len(e.policies.Endpoint) > 0 {
		result = min(result, e.endpoint.allow)
	}
	return result
}

// permits combines the policies of the principal and of the resource.
func (e *evaluation) permits() truth {
	named := &e.resource.grades
	if !e.applies.identity {
		return max(named[gradeEveryone], named[gradeDirect], e.grants[gradeDirect])
	}
	if e.barred() != "" {
		return no
	}
	return min(e.permitsSigned(), e.perhapsBarred())
}

// permitsSigned is permits for a principal with policies of its own.
func (e *evaluation) permitsSigned() truth {
	named, limits := &e.resource.grades, e.limits()
	direct := max(named[gradeDirect], min(named[gradeEveryone], e.limitsEveryone()))
	identity := min(e.identityAllows(), limits)
	granted := min(max(e.grants[gradeRole], e.grants[gradeDirect]), limits)
	delegated := max(named[gradeAccount], e.grants[gradeAccount])
	switch {
	case !e.same:
		return max(granted, min(identity, max(delegated, named[gradeRole], named[gradeEveryone], named[gradeDirect])))
	case e.kind == ResourcePlain:
		delegated = yes
	}
	return max(granted, direct, min(named[gradeRole], limits), min(identity, delegated))
}

// identityAllows is whether the principal's own policies allow; the root user needs none.
func (e *evaluation) identityAllows() truth {
	if e.request.Principal.Kind == KindRoot {
		return yes
	}
	return e.identity.allow
}

// answer combines denies and allows.
func (e *evaluation) answer() Answer {
	denied, allowed := e.denies(), e.allows()
	switch {
	case e.free():
		return Allowed
	case denied == yes:
		return ExplicitlyDenied
	case allowed == no:
		return ImplicitlyDenied
	case denied == no && allowed == yes:
		return Allowed
	}
	return Unknown
}

// free is whether the action needs no permission and knows no deny.
// Source: STS API Reference, GetCallerIdentity.
func (e *evaluation) free() bool {
	return e.service == "sts" && e.action == "getcalleridentity" && e.applies.identity
}
