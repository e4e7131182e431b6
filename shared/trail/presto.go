package trail

import "strings"

// presto reads a struct as Athena and CloudTrail Lake print it: {type=AssumedRole, arn=…, sessioncontext={…}}, with lists
// in brackets. Nothing is quoted there, so a value ends where ", name=" or the bracket around it follows. What is not
// such a text is answered as the string that it is.
func presto(s string) any {
	p := prestoText{rest: strings.TrimSpace(s)}
	if !strings.HasPrefix(p.rest, "{") && !strings.HasPrefix(p.rest, "[") {
		return s
	}
	value, ok := p.value(0, false)
	if !ok || strings.TrimSpace(p.rest) != "" {
		return s
	}
	return value
}

type prestoText struct{ rest string }

func (p *prestoText) value(depth int, inList bool) (any, bool) {
	if depth > maxPresto {
		return nil, false
	}
	before := p.rest
	if strings.HasPrefix(before, "{") || strings.HasPrefix(before, "[") {
		read := p.members
		if before[0] == '[' {
			read = p.elements
		}
		value, ok := read(depth)
		if ok || depth == 0 {
			return value, ok
		}
		p.rest = before // a text in brackets
	}
	end := p.end(inList)
	text := p.rest[:end]
	p.rest = p.rest[end:]
	if text == "null" {
		return nil, true
	}
	return text, true
}

func (p *prestoText) members(depth int) (any, bool) {
	members := map[string]any{}
	for p.rest = p.rest[1:]; ; {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.pass('}') {
			return members, true
		}
		name, rest, found := strings.Cut(p.rest, "=")
		if !found || !isName(name) {
			return nil, false
		}
		p.rest = rest
		value, ok := p.value(depth+1, false)
		if !ok {
			return nil, false
		}
		if value != nil && !secretMember([]byte(name)) {
			members[name] = value
		}
		if !p.pass(',') && !strings.HasPrefix(p.rest, "}") {
			return nil, false
		}
	}
}

func (p *prestoText) elements(depth int) (any, bool) {
	elements := []any{}
	for p.rest = p.rest[1:]; ; {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.pass(']') {
			return elements, true
		}
		value, ok := p.value(depth+1, true)
		if !ok {
			return nil, false
		}
		elements = append(elements, value)
		if !p.pass(',') && !strings.HasPrefix(p.rest, "]") {
			return nil, false
		}
	}
}

func (p *prestoText) pass(b byte) bool {
	if p.rest == "" || p.rest[0] != b {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// end is where a plain value ends.
func (p *prestoText) end(inList bool) int {
	depth := 0
	for i := range len(p.rest) {
		switch p.rest[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 && (inList || startsMember(p.rest[i+1:])) {
				return i
			}
		}
	}
	return len(p.rest)
}

// startsMember reports whether a text begins with the name of a member and its sign.
func startsMember(s string) bool {
	name, _, found := strings.Cut(s[:min(len(s), len(" =")+maxName)], "=")
	return found && isName(strings.TrimLeft(name, " "))
}

// maxPresto bounds nesting: at each level a text is tried as a struct and then taken as it is.
const maxPresto = 12

// maxName bounds the name of a member.
const maxName = 64

// isName reports whether a text may be the name of a struct's member.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != ':' && r != '.' && r != '/'
	}) < 0
}
