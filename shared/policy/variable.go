package policy

import "strings"

// match compares a value with the pattern, with its variables replaced from the request.
func (p *pattern) match(c *context, value string, fold bool, reason *reasons) outcome {
	g := &p.glob
	if p.bad {
		reason.note(p.raw + " has a policy variable where AWS takes none, or one badly written")
		return outUndefined
	}
	if p.parts != nil {
		text, out := p.expand(c, reason)
		if out != outYes {
			return out
		}
		fresh := newGlob(text)
		g = &fresh
	}
	if fold {
		return outcome(truthOf(strings.EqualFold(g.text, value)))
	}
	return outcome(truthOf(g.match(value)))
}

// expand replaces the variables. What it returns is a compiled glob's text: a * in a value is no wildcard.
// A variable without a value and default matches nothing; one with several values is none.
func (p *pattern) expand(c *context, reason *reasons) (string, outcome) {
	var text strings.Builder
	for i := range p.parts {
		part := &p.parts[i]
		if part.key == "" {
			text.WriteString(part.text)
			continue
		}
		values, known := c.lookup(part.key)
		switch {
		case known == keyUnknown:
			reason.missing(part.key)
			return "", outMaybe
		case known == keyPresent && len(values) == 1 && !isMultivalued(part.key):
			text.WriteString(values[0])
		case known == keyAbsent && part.hasDefault:
			text.WriteString(part.fallback)
		case known == keyAbsent:
			reason.missing(part.key)
			return "", outUnmatched
		default:
			reason.missing(part.key)
			return "", outUndefined
		}
	}
	return text.String(), outYes
}

// match compares an ARN component by component.
func (a *arnPattern) match(c *context, value string, reason *reasons) outcome {
	head, tail, ok := cutARN(value)
	if !ok || tail == "" && strings.Count(head, ":") < 5 {
		reason.note(value + " is not an ARN")
		return outUndefined
	}
	result := outYes
	for i := range a.components {
		component := tail
		if i < 5 {
			component, head, _ = strings.Cut(head, ":")
		}
		if result = both(result, a.components[i].match(c, component, false, reason)); result == outNo {
			return outNo
		}
	}
	return result
}
