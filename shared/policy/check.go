package policy

import (
	"fmt"
	"strings"
)

// Problem is why AWS, or good sense, would refuse a document of a type.
type Problem struct {
	Line    int // 0: the whole document
	Message string
}

// Limit is the quota on a document's size by its type: characters, white space counted or not as AWS does.
// Source: IAM and AWS STS quotas; AWS Organizations quotas; KMS and Secrets Manager quotas.
type Limit struct {
	Characters int
	WhiteSpace bool // white space counts as well, when sent through the API
}

// Limits are the quotas by type. Identity is that of a managed policy; SCPs were raised from 5,120 in May 2026.
var Limits = map[Type]Limit{
	TypeIdentity: {Characters: 6144},
	TypeBoundary: {Characters: 6144},
	TypeSession:  {Characters: 2048, WhiteSpace: true},
	TypeTrust:    {Characters: 2048},
	TypeSCP:      {Characters: 10240, WhiteSpace: true},
	TypeRCP:      {Characters: 5120, WhiteSpace: true},
	TypeKey:      {Characters: 32768, WhiteSpace: true},
	TypeResource: {Characters: 20480, WhiteSpace: true},
	TypeEndpoint: {Characters: 20480, WhiteSpace: true},
}

// Check lists what AWS would refuse about the document as one of a type, beyond what Parse refuses everywhere. raw is the
// text as it would be sent; nil leaves the size out.
func (d *Document) Check(policyType Type, raw []byte) []Problem {
	if d.broken != nil {
		return []Problem{{Message: d.broken.Error()}}
	}
	var out []Problem
	add := func(line int, format string, args ...any) {
		out = append(out, Problem{Line: line, Message: fmt.Sprintf(format, args...)})
	}
	if limit := Limits[policyType]; raw != nil {
		size := d.Size
		if limit.WhiteSpace {
			size = len([]rune(string(raw)))
		}
		if size > limit.Characters {
			add(0, "%d characters; the quota of %s is %d", size, policyType.some(), limit.Characters)
		}
	}
	if !policyType.namesPrincipals() && policyType != TypeSCP && d.ID != "" {
		add(0, "%s takes no Id", policyType.some())
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.SID != "" && sids[s.SID] {
			add(s.Line, "the Sid %q appears twice", s.SID)
		}
		sids[s.SID] = true
		for _, message := range s.problems(policyType) {
			add(s.Line, "%s", message)
		}
	}
	return out
}

// some is the type with its article.
func (p Type) some() string {
	if p == TypeIdentity {
		return "an " + string(p)
	}
	return "a " + string(p)
}

func (s *Statement) problems(policyType Type) []string {
	var out []string
	named := s.Principal != nil || s.NotPrincipal != nil
	if named && !policyType.namesPrincipals() {
		out = append(out, fmt.Sprintf("%s takes no Principal", policyType.some()))
	}
	if !named && policyType.namesPrincipals() {
		out = append(out, fmt.Sprintf("%s needs a Principal", policyType.some()))
	}
	if policyType != TypeTrust && policyType != TypeResource && s.Resources == nil && s.NotResources == nil {
		out = append(out, fmt.Sprintf("%s needs a Resource", policyType.some()))
	}
	if policyType == TypeTrust && (s.Resources != nil || s.NotResources != nil) {
		out = append(out, "a trust policy takes no Resource")
	}
	if s.NotPrincipal != nil && (s.Effect == Allow || policyType == TypeTrust || policyType == TypeRCP) {
		out = append(out, "NotPrincipal is supported only with Deny, in resource policies")
	}
	if policyType == TypeRCP {
		out = append(out, s.rcpProblems()...)
	}
	if !policyType.namesPrincipals() && strings.Trim(s.SID, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
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
