package policy

import (
	"fmt"
	"strings"
)

// gap is one thing that is missing for an allow, and what would mend it.
type gap struct{ missing, remedy string }

// whyNotAllowed names each gate that is not open and what would open it.
func (e *evaluation) whyNotAllowed() string {
	var gaps []gap
	if e.permits() == no {
		gaps = append(gaps, e.missingPermission()...)
	}
	if e.applies.scp && e.scp.allow == no {
		gaps = append(gaps, gap{
			fmt.Sprintf("no service control policy at %s of the organization's path allows it%s", e.level(), e.nearest(TypeSCP, e.scp.gap)),
			fmt.Sprintf("allow %s in a service control policy of %s", e.request.Action, e.level()),
		})
	}
	if len(e.policies.Endpoint) > 0 && e.endpoint.allow == no {
		gaps = append(gaps, gap{"the VPC endpoint policy does not allow it" + e.nearest(TypeEndpoint, 0), "allow it in the VPC endpoint policy"})
	}
	missing, remedies := make([]string, len(gaps)), make([]string, 0, len(gaps))
	for i, g := range gaps {
		missing[i] = g.missing
		if g.remedy != "" {
			remedies = append(remedies, g.remedy)
		}
	}
	text := "not allowed: " + strings.Join(missing, "; ")
	if len(remedies) > 0 {
		text += ". To allow it: " + strings.Join(remedies, ", and ")
	}
	return text
}

// level names the level at which no service control policy allows the request.
func (e *evaluation) level() string {
	if gap := e.scp.gap; gap < len(e.policies.Levels) {
		return fmt.Sprintf("level %d (%s)", gap, e.policies.Levels[gap])
	}
	return fmt.Sprintf("level %d", e.scp.gap)
}

// missingPermission says what is missing between the principal's policies and the resource's.
func (e *evaluation) missingPermission() []gap {
	p := &e.request.Principal
	policyType := e.resourceType()
	here := e.nearest(policyType, 0)
	name := e.naming(policyType)
	switch {
	case e.applies.identity && e.barred() != "":
		return []gap{{e.barred(), ""}}
	case !e.applies.identity:
		return []gap{{fmt.Sprintf("the %s does not allow %s, which has no policies of its own%s", policyType, e.request.Principal, here), name}}
	}
	var out []gap
	silent := e.resourceSilent()
	switch {
	case e.kind == ResourceKey && silent:
		out = append(out, gap{"the key policy allows neither the principal nor its account, without which IAM policies count for nothing, and no grant does" + here, name})
	case e.kind == ResourceTrust && silent:
		out = append(out, gap{"the role's trust policy allows neither the principal nor its account" + here, name})
	case !e.same && silent:
		account := "its account"
		if p.Account != "" {
			account = "account " + p.Account
		}
		out = append(out, gap{fmt.Sprintf("the resource is of account %s and its policy allows neither the principal nor %s%s", e.context.account, account, here), name})
	}
	if e.identityAllows() == no && (!e.same || e.kind == ResourcePlain || !silent) {
		out = append(out, gap{"no identity policy allows it" + e.nearest(TypeIdentity, 0), e.allowing(policyType)})
	}
	if len(e.policies.Boundary) > 0 && e.boundary.allow == no {
		out = append(out, gap{"the permissions boundary does not allow it" + e.nearest(TypeBoundary, 0), e.bounding()})
	}
	if e.withoutSessionPolicy() {
		out = append(out, gap{"no session policy was passed to sts:GetFederationToken, without which a federated user has only what a resource's policy gives to its session", ""})
	}
	if len(e.policies.Session) > 0 && e.session.allow == no {
		out = append(out, gap{"the session policy does not allow it" + e.nearest(TypeSession, 0), "allow it in the session policy"})
	}
	return out
}

// naming is how a resource's policy would name the principal. Nobody names a population, and the role of a permission set is made
// anew with another name.
func (e *evaluation) naming(policyType Type) string {
	p := &e.request.Principal
	switch {
	case p.Kind == KindSomebody || p.Kind == KindService && p.Name == "":
		return ""
	case p.PermissionSet() != "" && p.PermissionSetRoles() != "":
		return fmt.Sprintf("let in whoever's aws:PrincipalArn is like %s by an Allow of %s in the %s", p.PermissionSetRoles(), e.request.Action, policyType)
	}
	return fmt.Sprintf("name %s in an Allow of %s in the %s", p.inPolicies(), e.request.Action, policyType)
}

// allowing is what would give the principal the right by a policy of its own. Nobody changes those of a service-linked role, and
// those of a role of IAM Identity Center only by its permission set.
// Source: IAM User Guide, "Create a service-linked role"; IAM Identity Center User Guide, "Permission sets".
func (e *evaluation) allowing(policyType Type) string {
	p := &e.request.Principal
	switch set := p.PermissionSet(); {
	case p.ServiceLinked() && (e.same || e.kind == ResourceTrust):
		return e.naming(policyType)
	case p.ServiceLinked():
		return ""
	case set != "":
		return fmt.Sprintf("allow %s on %s in permission set %s", e.request.Action, e.request.Resource, set)
	}
	return fmt.Sprintf("allow %s on %s in an identity policy", e.request.Action, e.request.Resource)
}

func (e *evaluation) bounding() string {
	if set := e.request.Principal.PermissionSet(); set != "" {
		return "allow it in the permissions boundary of permission set " + set
	}
	return "allow it in the permissions boundary"
}

// inPolicies is the principal as a Principal element would name it: for a session its role.
func (p *Principal) inPolicies() string {
	if p.Kind == KindSession && p.Role != "" {
		return p.Role
	}
	return p.String()
}

func (e *evaluation) resourceSilent() bool {
	n := &e.resource.grades
	return max(n[gradeAccount], n[gradeRole], n[gradeEveryone], n[gradeDirect]) != yes
}

// nearest tells which Allow came closest, and on what it failed.
func (e *evaluation) nearest(policyType Type, level int) string {
	levels := e.documents(policyType)
	if level < 0 || level >= len(levels) {
		return ""
	}
	best, text := 0, ""
	for _, d := range levels[level] {
		if d == nil || !d.usable(policyType) {
			continue
		}
		for i := range d.Statements {
			if closeness, failed := e.failure(&d.Statements[i]); closeness > best {
				best = closeness
				text = fmt.Sprintf(" (nearest is %s: %s)", reference(policyType, level, d, i), failed)
			}
		}
	}
	return text
}

// failure says how far an Allow got and what stopped it: 1 principal, 2 resource, 3 condition; 0 is not about the action.
func (e *evaluation) failure(s *Statement) (closeness int, failed string) {
	if s.Effect != Allow || !s.matchesAction(e.service, e.action) {
		return 0, ""
	}
	var ignored reasons
	if s.naming(&e.request.Principal, false, &ignored).any() != yes {
		return 1, "it names other principals"
	}
	if s.matchesResource(&e.context, e.request.Resource, &ignored) != yes {
		return 2, "it is about " + strings.Join(append(append([]string(nil), s.Resources...), s.NotResources...), ", ")
	}
	for i := range s.conditions {
		if s.conditions[i].eval(&e.context, &ignored) != yes {
			return 3, e.describe(s, i)
		}
	}
	return 0, ""
}
