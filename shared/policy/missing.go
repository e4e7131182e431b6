package policy

import (
	"fmt"
	"strings"
)

// whyNotAllowed names each gate that is not open and what would open it.
func (e *evaluation) whyNotAllowed(at truth) string {
	var out []string
	if e.permits() == at {
		out = append(out, e.missingPermission()...)
	}
	if e.applies.scp && e.scp.allow == at {
		out = append(out, fmt.Sprintf("no service control policy at level %d of the organization's path allows it%s",
			e.scp.gap, e.nearest(PlaceSCP, e.scp.gap)))
	}
	if len(e.policies.Endpoint) > 0 && e.endpoint.allow == at {
		out = append(out, "the VPC endpoint policy does not allow it"+e.nearest(PlaceEndpoint, 0))
	}
	return "not allowed: " + strings.Join(out, "; ")
}

// missingPermission says what is missing between the principal's policies and the resource's.
func (e *evaluation) missingPermission() []string {
	var out []string
	place := e.resourcePlace()
	if !e.applies.identity {
		return []string{fmt.Sprintf("the %s does not allow %s, which has no policies of its own%s", place, e.request.Principal, e.nearest(place, 0))}
	}
	if e.identityAllows() != yes {
		out = append(out, "no identity policy allows it"+e.nearest(PlaceIdentity, 0))
	}
	if len(e.policies.Boundary) > 0 && e.boundary.allow != yes {
		out = append(out, "the permissions boundary does not allow it"+e.nearest(PlaceBoundary, 0))
	}
	if len(e.policies.Session) > 0 && e.session.allow != yes {
		out = append(out, "the session policy does not allow it"+e.nearest(PlaceSession, 0))
	}
	switch {
	case e.kind == ResourceKey && e.resourceSilent():
		out = append(out, "the key policy allows neither the principal nor its account (without which IAM policies count for nothing), and no grant does"+e.nearest(place, 0))
	case e.kind == ResourceTrust && e.resourceSilent():
		out = append(out, "the role's trust policy allows neither the principal nor its account"+e.nearest(place, 0))
	case !e.same && e.resourceSilent():
		out = append(out, fmt.Sprintf("the resource is of account %s and its policy does not allow the principal or account %s%s",
			e.context.account, e.request.Principal.Account, e.nearest(place, 0)))
	}
	return out
}

func (e *evaluation) resourceSilent() bool {
	n := &e.resource.grades
	return max(n[gradeAccount], n[gradeRole], n[gradeDirect]) != yes
}

// nearest tells which Allow came closest, and on what it failed.
func (e *evaluation) nearest(place Place, level int) string {
	levels := e.documents(place)
	if level < 0 || level >= len(levels) {
		return ""
	}
	best, text := 0, ""
	for _, d := range levels[level] {
		if d == nil || !d.usable(place) {
			continue
		}
		for i := range d.Statements {
			if closeness, failed := e.failure(&d.Statements[i]); closeness > best {
				best = closeness
				text = fmt.Sprintf(" (nearest is %s: %s)", reference(place, level, d, i), failed)
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
	if _, named := s.naming(&e.request.Principal, false); named != yes {
		return 1, "it names other principals"
	}
	var ignored reasons
	if s.matchesResource(&e.context, e.request.Resource, &ignored).truth(Allow) != yes {
		return 2, "it is about " + strings.Join(append(append([]string(nil), s.Resources...), s.NotResources...), ", ")
	}
	for i := range s.conditions {
		if s.conditions[i].eval(&e.context, &ignored).truth(Allow) != yes {
			return 3, e.describe(s, i)
		}
	}
	return 0, ""
}
