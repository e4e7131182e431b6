package policy

import (
	"slices"
	"strings"
)

// match compares a value with the pattern, with its variables replaced from the request.
func (p *pattern) match(c *context, value string, fold bool, reason *reasons) truth {
	if p.parts == nil {
		if p.bad && (fold || p.glob.match(value)) {
			reason.note(p.raw + " has a policy variable where AWS does not say what it means, or one badly written")
			return maybe
		}
		return truthOf(p.glob.equal(value, fold))
	}
	if p.excludes(c, value) {
		return no
	}
	var seen reasons
	text, complete := p.expand(c, &seen)
	g := newGlob(text)
	switch {
	case complete == no:
		return no // a variable without a value matches nothing
	case complete == yes:
		return truthOf(g.equal(value, fold))
	case !fold && !g.match(value):
		return no // whatever the missing value is
	}
	reason.add(&seen)
	return maybe
}

// excludes reports whether the pattern is one variable of which it is known that it does not have the value.
func (p *pattern) excludes(c *context, value string) bool {
	if len(p.parts) != 1 || p.parts[0].hasDefault {
		return false
	}
	not, known := c.lookup(p.parts[0].key)
	return (known == keyExcept || known == keyOther) && slices.Contains(not, value)
}

func (g *glob) equal(value string, fold bool) bool {
	if fold {
		return strings.EqualFold(g.text, value)
	}
	return g.match(value)
}

// matchBeginning compares a value of which only the beginning is known.
func (p *pattern) matchBeginning(beginning string, t *test, reason *reasons) truth {
	if p.parts == nil && !p.bad {
		literal, same := p.glob.prefix, strings.HasPrefix
		if t.family == famFold {
			same = func(text, prefix string) bool {
				return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
			}
		}
		switch {
		case p.glob.kind == globAll, p.glob.kind == globPrefix && same(beginning, literal):
			return yes
		case !same(beginning, literal) && !same(literal, beginning):
			return no
		case p.glob.kind == globExact && len(literal) < len(beginning):
			return no
		}
	}
	reason.missing(t.name)
	return maybe
}

// expand replaces the variables. What it returns is a compiled glob's text: a * in a value is no wildcard. Where a value is
// missing the text has a wildcard, and the truth says what that means: maybe for one that is not known, or of which AWS does not
// say what it is; no for an absent one without a default, which is equal to nothing and like nothing.
// Source: IAM User Guide, "Policy variables and tags", variables with no value.
func (p *pattern) expand(c *context, reason *reasons) (text string, complete truth) {
	var out strings.Builder
	complete = yes
	for i := range p.parts {
		part := &p.parts[i]
		if part.key.name == "" {
			out.WriteString(part.text)
			continue
		}
		values, known := c.lookup(part.key)
		switch {
		case known == keyPresent && len(values) == 1 && !part.key.multivalued():
			out.WriteString(values[0])
			continue
		case known == keyAbsent && part.hasDefault:
			out.WriteString(part.fallback)
			continue
		case known == keyAbsent:
			complete = no
		case known == keyPresent:
			complete = min(complete, maybe)
			reason.note(part.key.name + " has several values, and a policy variable takes one")
		default:
			complete = min(complete, maybe)
			reason.missing(part.key.name)
		}
		out.WriteByte(anyRun)
	}
	return out.String(), complete
}

// match compares an ARN component by component.
func (a *arnPattern) match(c *context, value string, reason *reasons) truth {
	head, tail, ok := cutARN(value)
	if !ok || tail == "" && strings.Count(head, ":") < 5 {
		reason.note(value + " is not an ARN")
		return maybe
	}
	result := yes
	for i := range a.components {
		component := tail
		if i < 5 {
			component, head, _ = strings.Cut(head, ":")
		}
		if result = min(result, a.components[i].match(c, component, false, reason)); result == no {
			return no
		}
	}
	return result
}
