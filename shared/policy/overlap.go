package policy

import "strings"

// A request may ask about all resources that a pattern matches at once. A statement is about all of them, about none, or perhaps about
// some: so a Deny counts only where it is about all, and whatever has to allow may do it where it is about some. Whether two statements
// that are each about some are about the same ones is not asked.

// compileAsked is the pattern of a request. What its policy variables stand for is not asked. The name of a secret, of a key or
// of an alias has no colon.
// Source: Secrets Manager API Reference, CreateSecret, Name; KMS API Reference, CreateAlias, AliasName.
func compileAsked(resource string) glob {
	p := compileResource(resource, true)
	if p.parts != nil {
		p.bad = true
		p.settle()
	}
	if head, tail, _ := cutARN(resource); strings.Contains(head, ":secretsmanager:") && strings.HasPrefix(tail, "secret:") || strings.Contains(head, ":kms:") {
		text := p.glob.text
		p.glob = newGlob(text[:len(head)] + strings.ReplaceAll(text[len(head):], string([]byte{anyRun}), string([]byte{segmentRun})))
	}
	return bounded(resource, p.glob)
}

// bounded is the pattern of an ARN that names an account, where a * before that ends with its part: only the path of something of IAM may
// hold what looks like the rest of an ARN.
// Source: IAM and AWS STS quotas, "IAM name requirements".
func bounded(raw string, g glob) glob {
	head, _, _ := cutARN(raw)
	parts := strings.Split(head, ":")
	if len(parts) != 6 || !isAccount(parts[4]) || parts[2] == "iam" || strings.ContainsAny(parts[2], "*?") || strings.Contains(head, "${") {
		return g
	}
	return newGlob(strings.ReplaceAll(g.text[:len(head)], string([]byte{anyRun}), string([]byte{segmentRun})) + g.text[len(head):])
}

// about reports whether a statement's pattern is about the resource of the request, or about those that its pattern matches.
func (p *pattern) about(c *context, resource string, reason *reasons) truth {
	if !c.request.Pattern {
		return p.match(c, resource, false, reason)
	}
	g, sure := p.glob, !p.bad
	if p.parts != nil {
		text, complete := p.expand(c, reason)
		if complete == no {
			return no
		}
		g, sure = newGlob(text), complete == yes
	}
	g = bounded(p.raw, g)
	switch {
	case g.kind != globAll && !meet(&g, &c.asked):
		return no
	case sure && (g.kind == globAll || covers(g.text, c.asked.text)):
		return yes
	}
	return maybe
}

// meet reports whether some text matches both patterns.
func meet(a, b *glob) bool {
	if !strings.HasPrefix(a.prefix, b.prefix) && !strings.HasPrefix(b.prefix, a.prefix) {
		return false
	}
	p, q := a.text, b.text
	return paths(p, q, func(i, j int) (takesP, takesQ, takesBoth bool) {
		switch {
		case i < len(p) && isRun(p[i]):
			return true, j < len(q) && (isRun(q[j]) || mayMeet(p[i], q[j])), false
		case j < len(q) && isRun(q[j]):
			return i < len(p) && mayMeet(p[i], q[j]), true, false
		}
		return false, false, i < len(p) && j < len(q) && mayMeet(p[i], q[j])
	})
}

// covers reports whether a pattern is known to match every text that another matches.
func covers(p, q string) bool {
	return paths(p, q, func(i, j int) (takesP, takesQ, takesBoth bool) {
		if i == len(p) {
			return false, false, false
		}
		if isRun(p[i]) {
			return true, j < len(q) && (p[i] == anyRun || mayBe(p[i], q[j])), false
		}
		return false, false, j < len(q) && !isRun(q[j]) && mayBe(p[i], q[j])
	})
}

// paths reports whether steps lead to the ends of both texts, of which a function says which there are.
func paths(p, q string, steps func(i, j int) (takesP, takesQ, takesBoth bool)) bool {
	next, row := make([]bool, len(q)+2), make([]bool, len(q)+2) // of the position behind, and of this one
	for i := len(p); i >= 0; i-- {
		for j := len(q); j >= 0; j-- {
			takesP, takesQ, takesBoth := steps(i, j)
			row[j] = i == len(p) && j == len(q) || takesP && next[j] || takesQ && row[j+1] || takesBoth && next[j+1]
		}
		next, row = row, next
	}
	return next[0]
}

func isRun(c byte) bool { return c == anyRun || c == segmentRun }

// mayMeet reports whether one position of each of two patterns may be the same character.
func mayMeet(a, b byte) bool { return mayBe(a, b) || mayBe(b, a) }

// mayBe reports whether whatever one position of a pattern is, another may be: a wildcard may be any character, or any but a colon.
func mayBe(wild, c byte) bool {
	switch wild {
	case anyRun, anyOne:
		return true
	case segmentRun, segmentOne:
		return c != ':' && c != anyRun && c != anyOne
	}
	return wild == c
}
