package policy

import (
	"slices"
	"strings"
)

// stranger is how an identity provider for code names the code of somebody who is nobody's. Of other kinds of subjects it is none.
var stranger = []string{"repo:somebody/else:ref:refs/heads/main", "somebody"}

// SignsAnybodyIn reports whether a trust policy lets in whoever an OpenID Connect provider signs in: no condition asks whom. Calls of
// sts:AssumeRoleWithWebIdentity need no permission.
// Source: STS API Reference, AssumeRoleWithWebIdentity; IAM User Guide, "Create a role for OpenID Connect federation".
func (d *Document) SignsAnybodyIn() bool {
	return slices.ContainsFunc(d.Statements, func(s Statement) bool {
		if s.Effect != Allow || !s.About("sts:AssumeRoleWithWebIdentity") || s.Principal == nil {
			return false
		}
		web := slices.ContainsFunc(s.Principal.Federated, func(provider string) bool { return !strings.Contains(provider, ":saml-provider/") })
		return (web || s.Principal.All) && !slices.ContainsFunc(s.conditions, asksWhom)
	})
}

// asksWhom reports whether a condition asks who is signed in, beside for which application and how. The name of the session is its choice.
func asksWhom(t test) bool {
	_, claim, _ := strings.Cut(t.key.name[strings.LastIndexByte(t.key.name, '/')+1:], ":")
	global := strings.HasPrefix(t.key.name, "aws:") || strings.HasPrefix(t.key.name, "sts:")
	if global || t.negated || t.ifExists || t.quantifier == forAll || t.family == famNull || slices.Contains([]string{"aud", "oaud", "azp", "amr"}, claim) {
		return false
	}
	return !slices.ContainsFunc(t.values, func(o operand) bool {
		return slices.ContainsFunc(stranger, func(name string) bool { return o.pattern.parts == nil && o.pattern.glob.match(name) })
	})
}
