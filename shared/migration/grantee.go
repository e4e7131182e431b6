package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// grantee is whom a key policy names for a reader.
type grantee struct {
	kind, name string             // as a policy writes them: AWS, Service
	like       []policy.Condition // that make many principals the one
	source     []policy.Condition // that keep a service from reading for somebody else
	assumes    string             // what source rests on
}

const (
	byARN     = "AWS"
	byService = "Service"
)

// granteeOf is a principal as a key policy of the question should name it.
//
// A service principal is everybody's: the statement says for whom it reads, in the words of the secret's own policy where it
// has some. Source: IAM User Guide, "The confused deputy problem".
func granteeOf(q Question, s guard.Secret, principal string) grantee {
	p, err := policy.ParsePrincipal(principal)
	switch {
	case err == nil && p.Kind == policy.KindService:
		g := grantee{kind: byService, name: principal, source: sourcesOf(q, s, principal)}
		if len(g.source) > 0 {
			g.assumes = "it holds where the service says its source to KMS as it does to the secret's own policy"
			return g
		}
		g.source = []policy.Condition{{Operator: "StringEquals", Key: "aws:SourceAccount", Values: []string{s.Account}}}
		g.assumes = "it holds where the service sends aws:SourceAccount, which its own page says"
		return g
	case err == nil && p.PermissionSet() != "":
		return grantee{kind: byARN, name: "*", like: []policy.Condition{{Operator: "ArnLike", Key: "aws:PrincipalArn", Values: []string{p.PermissionSetRoles()}}}}
	}
	return grantee{kind: byARN, name: principal}
}

// saysSource reports whether a condition key says for whom a service calls.
func saysSource(key string) bool {
	return slices.ContainsFunc([]string{"aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths"}, func(name string) bool { return strings.EqualFold(name, key) })
}

// sourcesOf are the conditions by which the secret's policy lets a service in, where one statement does.
func sourcesOf(q Question, s guard.Secret, service string) []policy.Condition {
	secret, err := q.Access.Secret(s.ARN)
	if err != nil || secret.Policy == "" {
		return nil
	}
	d, err := policy.Parse(s.ARN, []byte(secret.Policy))
	if err != nil {
		return nil
	}
	var out []policy.Condition
	for _, st := range d.Statements {
		if st.Effect != policy.Allow || st.Principal == nil || !slices.Contains(st.Principal.Service, service) {
			continue
		}
		if len(out) > 0 {
			return nil // which of them lets it in is not said
		}
		for _, c := range st.Conditions {
			if saysSource(c.Key) {
				out = append(out, policy.Condition{Operator: c.Operator, Key: c.Key, Values: c.Values})
			}
		}
	}
	return out
}

// Quotas of what takes a statement. IAM counts the inline policies of a user, group or role together, without white space.
// Sources: IAM User Guide, "IAM and AWS STS quotas"; IAM Identity Center User Guide, "Quotas"; KMS Developer Guide, "Resource
// quotas".
const (
	maxInlineUser = 2048
	maxInlineRole = 10240
	maxAttached   = 10 // managed policies; an account may have raised it
)

// room says whether what takes the statement has room for it, and how: why is what has none, "" where all have. managed says
// that it must be a managed policy.
func (t *trial) room(kind FixKind) (managed bool, why string) {
	f := Fix{Kind: kind}
	if f.inKey() {
		added, err := withStatement(t.question.Target.Policy, t.statement.keyPolicy())
		if limit := policy.Limits[policy.TypeKey].Characters; err != nil || len(added) > limit {
			return false, fmt.Sprintf("the key policy would have %d bytes, of %d", len(added), limit)
		}
	}
	if !f.inIdentity() {
		return false, ""
	}
	used := len([]rune(document(t.statement.identity())))
	for _, text := range t.of.Inline {
		used += len([]rune(strings.Join(strings.Fields(text), "")))
	}
	limit := maxInlineRole
	if iamKind(t.of.ARN) == "user" {
		limit = maxInlineUser
	}
	switch {
	case used <= limit:
		return false, ""
	case len(t.of.Managed) < maxAttached:
		return true, ""
	}
	return false, fmt.Sprintf("its inline policies would have %d characters, of %d, and %d managed policies are attached to it, of %d", used, limit, len(t.of.Managed), maxAttached)
}
