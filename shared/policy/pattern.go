package policy

import "strings"

// pattern is a value of a policy that may hold wildcards and policy variables.
type pattern struct {
	raw   string
	glob  glob   // where it has no variables
	parts []part // where it has
	bad   bool   // it has a variable of which AWS does not say what it means there, or one badly written
}

// part is literal text (wildcards included) or a policy variable.
type part struct {
	text       string
	key        contextKey // its name is "" for literal text
	fallback   string
	hasDefault bool
}

// flavour is what a pattern may contain.
type flavour struct {
	wild      bool // * and ? are wildcards
	variables bool // ${…} is replaced: only since Version 2012-10-17
}

// compile splits a pattern into literal text and variables.
// Source: IAM User Guide, "IAM policy elements: Variables and tags".
func compile(raw string, f flavour) pattern {
	p := pattern{raw: raw}
	literal := func(s string) string {
		if f.wild {
			return wildcards.Replace(s)
		}
		return s
	}
	if !f.variables || !strings.Contains(raw, "${") {
		p.glob = newGlob(literal(raw))
		return p
	}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			p.parts = append(p.parts, part{text: text.String()})
			text.Reset()
		}
	}
	rest := raw
	for {
		before, after, found := strings.Cut(rest, "${")
		text.WriteString(literal(before))
		if !found {
			break
		}
		inside, tail, closed := strings.Cut(after, "}")
		if !closed {
			p.bad = true
			text.WriteByte(anyRun)
			break
		}
		rest = tail
		if inside == "*" || inside == "?" || inside == "$" {
			text.WriteString(inside)
			continue
		}
		variable, ok := parseVariable(inside)
		if !ok {
			p.bad = true
		}
		flush()
		p.parts = append(p.parts, variable)
	}
	flush()
	p.settle()
	return p
}

// settle makes a pattern static whose variables were all special characters, and one with a bad variable: that may stand for
// anything.
func (p *pattern) settle() {
	if p.bad {
		var text strings.Builder
		for i := range p.parts {
			text.WriteString(p.parts[i].text)
			if p.parts[i].key.name != "" {
				text.WriteByte(anyRun)
			}
		}
		p.glob, p.parts = newGlob(text.String()), nil
		return
	}
	switch {
	case len(p.parts) == 0:
		p.glob = newGlob("")
	case len(p.parts) == 1 && p.parts[0].key.name == "":
		p.glob = newGlob(p.parts[0].text)
		p.parts = nil
	}
}

// parseVariable reads "key" or "key, 'default'".
func parseVariable(inside string) (part, bool) {
	key, rest, hasDefault := strings.Cut(inside, ",")
	v := part{key: contextKeyOf(strings.TrimSpace(key)), hasDefault: hasDefault}
	if v.key.name == "" {
		return part{key: contextKey{name: "?"}}, false
	}
	if !hasDefault {
		return v, true
	}
	rest, spaced := strings.CutPrefix(rest, " ")
	rest = strings.TrimSpace(rest)
	if !spaced || len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
		return v, false
	}
	v.fallback = rest[1 : len(rest)-1]
	return v, true
}

// compileResource compiles a Resource: a * that ends a segment of the ARN may run past colons, one inside a segment
// may not; in the resource part, after the fifth colon, it may always. Variables count only there.
// Source: IAM User Guide, "IAM JSON policy elements: Resource".
func compileResource(raw string, variables bool) pattern {
	head, tail, isARN := cutARN(raw)
	if !isARN {
		return compile(raw, flavour{wild: true, variables: variables})
	}
	if strings.Contains(head, "${") && variables { // AWS's own policies have them there, the guide says that they do not count
		p := compile(raw, flavour{wild: true, variables: true})
		p.bad = true
		p.settle()
		return p
	}
	p := compile(tail, flavour{wild: true, variables: variables})
	p.raw = raw
	head = compileSegments(head, tail == "")
	if p.parts != nil {
		p.parts = append([]part{{text: head}}, p.parts...)
	} else {
		p.glob = newGlob(head + p.glob.text)
	}
	return p
}

// cutARN cuts an ARN after its fifth colon, or behind its end where it has fewer.
func cutARN(raw string) (head, tail string, ok bool) {
	if !strings.HasPrefix(raw, "arn:") {
		return "", raw, false
	}
	at := 0
	for range 5 {
		next := strings.IndexByte(raw[at:], ':')
		if next < 0 {
			return raw, "", true
		}
		at += next + 1
	}
	return raw[:at], raw[at:], true
}

func compileSegments(head string, short bool) string {
	out := []byte(head)
	for i, c := range out {
		last := i == len(out)-1 && short || i < len(out)-1 && out[i+1] == ':'
		switch {
		case c == '*' && last:
			out[i] = anyRun
		case c == '*':
			out[i] = segmentRun
		case c == '?':
			out[i] = segmentOne
		}
	}
	return string(out)
}

// arnPattern is a value of an ARN operator: each of the six components is matched by itself.
// Source: IAM User Guide, "Amazon Resource Name (ARN) condition operators".
type arnPattern struct {
	components [6]pattern
	bad        bool
}

func compileARN(raw string, variables bool) arnPattern {
	parts := splitARN(raw)
	if len(parts) != 6 {
		return arnPattern{bad: true}
	}
	var a arnPattern
	for i, text := range parts {
		a.components[i] = compile(text, flavour{wild: true, variables: variables})
	}
	return a
}

// splitARN splits into components, but not inside a variable: ${aws:username} has a colon too.
func splitARN(raw string) []string {
	var parts []string
	start, depth := 0, 0
	for i := 0; i < len(raw) && len(parts) < 5; i++ {
		switch {
		case strings.HasPrefix(raw[i:], "${"):
			depth++
		case raw[i] == '}' && depth > 0:
			depth--
		case raw[i] == ':' && depth == 0:
			parts = append(parts, raw[start:i])
			start = i + 1
		}
	}
	return append(parts, raw[start:])
}

// actionPattern is an action with its service apart, both in lower case: action names know no case.
type actionPattern struct {
	service string // "" for every service
	name    glob
}

func compileAction(raw string) actionPattern {
	raw = strings.ToLower(raw)
	service, name, found := strings.Cut(raw, ":")
	if !found || service == "*" {
		return actionPattern{name: newGlob(string([]byte{anyRun}))}
	}
	return actionPattern{service: service, name: newGlob(wildcards.Replace(name))}
}

func (a *actionPattern) match(service, name string) bool {
	return (a.service == "" || a.service == service) && a.name.match(name)
}
