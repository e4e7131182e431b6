package policy

import "strings"

// match compares a value with the pattern, with its variables replaced from the request.
func (p *pattern) match(c *context, value string, fold bool, reason *reasons) outcome {
	if p.bad {
		reason.note(p.raw + " has a policy variable where AWS takes none, or one badly written")
		return outUndefined
	}
	if p.parts == nil {
		return outcome(truthOf(p.glob.equal(value, fold)))
	}
	var seen reasons
	text, complete := p.expand(c, &seen)
	g := newGlob(text)
	switch {
	case complete == outYes:
		return outcome(truthOf(g.equal(value, fold)))
	case !fold && !g.match(value):
		return outNo // whatever the missing value is
	}
	reason.add(&seen)
	return complete
}

func (g *glob) equal(value string, fold bool) bool {
	if fold {
		return strings.EqualFold(g.text, value)
	}
	return g.match(value)
}

// expand replaces the variables. What it returns is a compiled glob's text: a * in a value is no wildcard. Where a
// value is missing the text has a wildcard, and the outcome says what that means: maybe for one that is not known,
// unmatched for an absent one without default, undefined for one of several values.
func (p *pattern) expand(c *context, reason *reasons) (string, outcome) {
	var text strings.Builder
	complete := outYes
	for i := range p.parts {
		part := &p.parts[i]
		if part.key == "" {
			text.WriteString(part.text)
			continue
		}
		values, known := c.lookup(part.key)
		switch {
		case known == keyPresent && len(values) == 1 && !isMultivalued(part.key):
			text.WriteString(values[0])
			continue
		case known == keyAbsent && part.hasDefault:
			text.WriteString(part.fallback)
			continue
		case known == keyUnknown:
			complete = both(complete, outMaybe)
		case known == keyAbsent:
			complete = both(complete, outUnmatched)
		default:
			complete = both(complete, outUndefined)
		}
		reason.missing(part.key)
		text.WriteByte(anyRun)
	}
	return text.String(), complete
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
