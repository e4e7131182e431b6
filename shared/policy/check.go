package policy

import (
	"fmt"
	"strings"
)

// Problem is why AWS, or good sense, would refuse a document in a place.
type Problem struct {
	Line    int // 0: the whole document
	Message string
}

// Limit is the quota on a document's size in a place: characters, white space counted or not as AWS does.
// Source: IAM and AWS STS quotas; AWS Organizations quotas; KMS and Secrets Manager quotas.
type Limit struct {
	Characters int
	WhiteSpace bool // white space counts as well, when sent through the API
}

// Limits are the quotas by place. Identity is that of a managed policy; SCPs were raised from 5,120 in May 2026.
var Limits = map[Place]Limit{
	PlaceIdentity: {Characters: 6144},
	PlaceBoundary: {Characters: 6144},
	PlaceSession:  {Characters: 2048, WhiteSpace: true},
	PlaceTrust:    {Characters: 2048},
	PlaceSCP:      {Characters: 10240, WhiteSpace: true},
	PlaceRCP:      {Characters: 5120, WhiteSpace: true},
	PlaceKey:      {Characters: 32768, WhiteSpace: true},
	PlaceResource: {Characters: 20480, WhiteSpace: true},
	PlaceEndpoint: {Characters: 20480, WhiteSpace: true},
}

// Check lists what AWS would refuse about the document in a place, beyond what Parse refuses everywhere. raw is the
// text as it would be sent; nil leaves the size out.
func (d *Document) Check(place Place, raw []byte) []Problem {
	if d.broken != nil {
		return []Problem{{Message: d.broken.Error()}}
	}
	var out []Problem
	add := func(line int, format string, args ...any) {
		out = append(out, Problem{Line: line, Message: fmt.Sprintf(format, args...)})
	}
	if limit := Limits[place]; raw != nil {
		size := d.Size
		if limit.WhiteSpace {
			size = len([]rune(string(raw)))
		}
		if size > limit.Characters {
			add(0, "%d characters; the quota of %s is %d", size, place.some(), limit.Characters)
		}
	}
	if !place.namesPrincipals() && place != PlaceSCP && d.ID != "" {
		add(0, "%s takes no Id", place.some())
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.SID != "" && sids[s.SID] {
			add(s.Line, "the Sid %q appears twice", s.SID)
		}
		sids[s.SID] = true
		for _, message := range s.problems(place) {
			add(s.Line, "%s", message)
		}
	}
	return out
}

// some is the place with its article.
func (p Place) some() string {
	if p == PlaceIdentity {
		return "an " + string(p)
	}
	return "a " + string(p)
}

func (s *Statement) problems(place Place) []string {
	var out []string
	named := s.Principal != nil || s.NotPrincipal != nil
	if named && !place.namesPrincipals() {
		out = append(out, fmt.Sprintf("%s takes no Principal", place.some()))
	}
	if !named && place.namesPrincipals() {
		out = append(out, fmt.Sprintf("%s needs a Principal", place.some()))
	}
	if place != PlaceTrust && place != PlaceResource && s.Resources == nil && s.NotResources == nil {
		out = append(out, fmt.Sprintf("%s needs a Resource", place.some()))
	}
	if place == PlaceTrust && (s.Resources != nil || s.NotResources != nil) {
		out = append(out, "a trust policy takes no Resource")
	}
	if s.NotPrincipal != nil && (s.Effect == Allow || place == PlaceTrust || place == PlaceRCP) {
		out = append(out, "NotPrincipal is supported only with Deny, in resource policies")
	}
	if place == PlaceRCP {
		out = append(out, s.rcpProblems()...)
	}
	if !place.namesPrincipals() && strings.Trim(s.SID, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		out = append(out, fmt.Sprintf("the Sid %q may hold only letters and digits", s.SID))
	}
	return append(out, s.badPrincipals()...)
}

// rcpProblems are the rules of RCPs alone. Source: AWS Organizations User Guide, "RCP syntax".
func (s *Statement) rcpProblems() []string {
	var out []string
	if s.Effect != Deny {
		out = append(out, "an RCP can only Deny")
	}
	if s.Principal != nil && !s.Principal.everyone() {
		out = append(out, "the Principal of an RCP is \"*\"")
	}
	if s.NotActions != nil {
		out = append(out, "an RCP takes no NotAction")
	}
	for _, action := range s.Actions {
		if action == "*" {
			out = append(out, "an Action of an RCP begins with a service")
		}
	}
	return out
}

// badPrincipals lists names that AWS would not accept. Source: IAM User Guide, "AWS JSON policy elements: Principal".
func (s *Statement) badPrincipals() []string {
	var out []string
	for _, set := range []*PrincipalSet{s.Principal, s.NotPrincipal} {
		if set == nil {
			continue
		}
		for _, name := range set.AWS {
			id := awsIdentity(name)
			wild := name != "*" && strings.ContainsAny(name, "*?")
			if wild || id.kind == identityOther && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
				out = append(out, fmt.Sprintf("%q names no principal; parts of names take no wildcards", name))
			}
		}
		for _, name := range set.Service {
			if !isService(name) {
				out = append(out, fmt.Sprintf("%q is no service principal", name))
			}
		}
	}
	return out
}
