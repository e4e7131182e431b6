package policy

import (
	"fmt"
	"slices"
	"strings"
)

// String is the reference as a person would write it.
func (r StatementRef) String() string {
	if r.Grant != "" {
		return "grant " + r.Grant
	}
	if r.Index < 0 {
		return fmt.Sprintf("%s %q", r.Type, r.Document)
	}
	name := fmt.Sprintf("statement %d", r.Index)
	if r.SID != "" {
		name = fmt.Sprintf("statement %q", r.SID)
	}
	text := fmt.Sprintf("%s of %s %q", name, r.Type, r.Document)
	if r.Line > 0 {
		text += fmt.Sprintf(" (line %d)", r.Line)
	}
	return text
}

// explain fills in why: the statements, the missing keys and a sentence for people.
func (e *evaluation) explain(d *Decision) {
	switch d.Answer {
	case ExplicitlyDenied:
		denials := e.collect(Deny, yes)
		d.Decided = references(denials)
		d.Why = e.whyDenied(denials)
	case Allowed:
		if e.free() {
			d.Why = "allowed: sts:GetCallerIdentity needs no permission, and no policy can deny it"
			return
		}
		d.Decided = e.granting()
		d.Why = "allowed by " + join(d.Decided)
	case ImplicitlyDenied:
		d.Why = e.whyNotAllowed()
	case Unknown:
		e.explainUnknown(d)
	}
}

func (e *evaluation) whyDenied(by []found) string {
	text := "denied by " + join(references(by))
	if len(by) == 1 && len(by[0].statement.conditions) > 0 {
		text += ", for " + e.conditionsMet(by[0].statement)
	}
	return text + "; an explicit deny overrides every allow, so it would have to except this request or go"
}

// conditionsMet says which conditions made a deny apply.
func (e *evaluation) conditionsMet(s *Statement) string {
	out := make([]string, len(s.conditions))
	for i := range s.conditions {
		out[i] = e.describe(s, i)
	}
	return strings.Join(out, " and ")
}

// describe tells a condition beside what the request has.
func (e *evaluation) describe(s *Statement, i int) string {
	c := s.Conditions[i]
	got := "is absent"
	switch values, known := e.context.lookup(s.conditions[i].key); known {
	case keyUnknown, keyHidden, keyExcept, keyOther:
		got = "is not known"
	case keyBegins:
		got = "begins with " + values[0]
	case keyEither:
		got = "is one of " + strings.Join(values, ", ")
	case keyAtLeast:
		got = "has " + strings.Join(values, ", ") + " and perhaps others"
	case keyPresent:
		got = "is " + strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s %s (%s %s)", c.Key, got, c.Operator, strings.Join(c.Values, ", "))
}

// documents are what is attached of a type, by level; only SCPs and RCPs have more than one level.
func (e *evaluation) documents(policyType Type) [][]*Document {
	p := e.policies
	switch policyType {
	case TypeIdentity:
		return [][]*Document{p.Identity}
	case TypeBoundary:
		return [][]*Document{p.Boundary}
	case TypeSession:
		return [][]*Document{p.Session}
	case TypeSCP:
		return p.SCPs
	case TypeRCP:
		return p.RCPs
	case TypeEndpoint:
		return [][]*Document{p.Endpoint}
	}
	if p.Resource == nil {
		return nil
	}
	return [][]*Document{{p.Resource}}
}

// consulted are the types that take part in this request, in the order in which explanations name them.
func (e *evaluation) consulted() []Type {
	var out []Type
	if e.applies.identity {
		out = append(out, TypeIdentity, TypeBoundary, TypeSession)
	}
	if e.applies.scp {
		out = append(out, TypeSCP)
	}
	if e.applies.rcp {
		out = append(out, TypeRCP)
	}
	if e.applies.resource {
		out = append(out, e.resourceType())
	}
	return append(out, TypeEndpoint)
}

// found is a statement that matched, and where it is.
type found struct {
	StatementRef
	statement *Statement
}

func references(list []found) []StatementRef {
	if len(list) == 0 {
		return nil
	}
	out := make([]StatementRef, len(list))
	for i := range list {
		out[i] = list[i].StatementRef
	}
	return out
}

// collect lists the statements of an effect that match as surely as wanted.
func (e *evaluation) collect(effect Effect, want truth) []found {
	var out []found
	for _, policyType := range e.consulted() {
		out = append(out, e.matching(policyType, effect, want, gradeNone)...)
	}
	return out
}

// matching lists the statements of one type; closest, if not gradeNone, limits it to that way of naming the principal.
func (e *evaluation) matching(policyType Type, effect Effect, want truth, closest grade) []found {
	var out []found
	for level, documents := range e.documents(policyType) {
		for _, d := range documents {
			if d == nil || !d.usable(policyType) {
				continue
			}
			for i := range d.Statements {
				s := &d.Statements[i]
				if s.Effect != effect {
					continue
				}
				if named, matched := e.matches(s); matched == want && (closest == gradeNone || named[closest] == want) {
					out = append(out, found{reference(policyType, level, d, i), s})
				}
			}
		}
	}
	return out
}

func reference(policyType Type, level int, d *Document, i int) StatementRef {
	s := &d.Statements[i]
	return StatementRef{Type: policyType, Document: d.Name, Level: level, Index: i, SID: s.SID, Line: s.Line, Effect: s.Effect}
}

// granting lists the statements, or the grant, that give the permission: the way in which the fewest took part.
func (e *evaluation) granting() []StatementRef {
	named := &e.resource.grades
	policyType := e.resourceType()
	if e.same || !e.applies.identity {
		if named[gradeDirect] == yes {
			return references(e.matching(policyType, Allow, yes, gradeDirect))
		}
		if named[gradeEveryone] == yes && (!e.applies.identity || e.limitsEveryone() == yes) {
			return references(e.matching(policyType, Allow, yes, gradeEveryone))
		}
		if named[gradeRole] == yes && e.limits() == yes {
			return references(e.matching(policyType, Allow, yes, gradeRole))
		}
	}
	if e.grantedBy != nil && (e.limits() == yes || !e.applies.identity) {
		return []StatementRef{{Type: TypeKey, Index: -1, Effect: Allow, Grant: e.grantedBy.ID}}
	}
	out := references(e.matching(TypeIdentity, Allow, yes, gradeNone))
	if e.request.Principal.Kind == KindRoot {
		out = append(out, StatementRef{Type: TypeIdentity, Document: "root user", Index: -1, Effect: Allow})
	}
	if e.kind != ResourcePlain || !e.same {
		out = append(out, references(e.matching(policyType, Allow, yes, gradeNone))...)
	}
	return out
}

func (e *evaluation) explainUnknown(d *Decision) {
	e.noteLimits()
	d.Unreadable = e.unreadable()
	d.Missing = slices.Clone(e.reasons.keys)
	d.Notes = slices.Clone(e.reasons.notes)
	slices.Sort(d.Missing)
	if e.denies() == maybe {
		d.Decided = references(e.collect(Deny, maybe))
	}
	if e.allows() == maybe {
		d.Decided = append(d.Decided, references(e.collect(Allow, maybe))...)
	}
	var why []string
	if len(d.Unreadable) > 0 {
		why = append(why, "cannot read "+strings.Join(d.Unreadable, ", "))
	}
	if len(d.Missing) > 0 {
		why = append(why, "not given "+strings.Join(d.Missing, ", "))
	}
	why = append(why, d.Notes...)
	d.Why = "unknown: " + strings.Join(why, "; ")
	if len(d.Decided) > 0 {
		d.Why += "; it would depend on " + join(d.Decided)
	}
}

// unreadable names the documents that could not be used where they are.
func (e *evaluation) unreadable() []string {
	var out []string
	for _, policyType := range e.consulted() {
		for _, documents := range e.documents(policyType) {
			for _, d := range documents {
				switch {
				case d == nil:
					out = append(out, "a missing "+string(policyType))
				case d.broken != nil:
					out = append(out, fmt.Sprintf("%s %q (%v)", policyType, d.Name, d.broken))
				case !d.usable(policyType):
					out = append(out, fmt.Sprintf("%s %q (%s)", policyType, d.Name, d.misplaced(policyType)))
				}
			}
		}
	}
	return out
}

func join(refs []StatementRef) string {
	out := make([]string, len(refs))
	for i, ref := range refs {
		out[i] = ref.String()
	}
	return strings.Join(out, " and ")
}
