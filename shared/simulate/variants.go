package simulate

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/trail"
)

// details adds what the record has of the session and of the way of the request.
func (call *Call) details(c trail.Change, d trail.Details) {
	r := &call.Request
	if d.PrincipalID != "" && r.Principal.Kind != policy.KindService {
		r.Principal.UniqueID = d.PrincipalID
	}
	session := r.Principal.Kind == policy.KindSession || r.Principal.Kind == policy.KindFederatedUser || d.MFA != ""
	switch {
	case d.MFA == "true":
		r.Context["aws:MultiFactorAuthPresent"] = []string{"true"}
	case strings.HasPrefix(d.AccessKeyID, "AKIA"):
		r.Context["aws:MultiFactorAuthPresent"], r.Context["aws:MultiFactorAuthAge"] = []string{}, []string{}
	case session && d.MFA == "false":
		r.Context["aws:MultiFactorAuthPresent"], call.unsureMFA = []string{"false"}, true
	}
	if d.IssuedAt != "" {
		r.Context["aws:TokenIssueTime"] = []string{d.IssuedAt}
	}
	if d.SourceIdentity != "" || d.Whole && c.Actor.InvokedBy == "" {
		r.Context["aws:SourceIdentity"] = one(d.SourceIdentity)
	}
	switch {
	case d.VPCEndpoint != "":
		r.Context["aws:SourceVpce"] = []string{d.VPCEndpoint}
	case d.Whole && c.Actor.InvokedBy == "":
		r.Context["aws:SourceVpce"], r.Context["aws:SourceVpc"], r.Context["aws:VpcSourceIp"] = []string{}, []string{}, []string{}
	}
	call.unsureRole = r.Principal.Kind == policy.KindSession && c.Actor.RoleARN == "" && r.Principal.PermissionSet() == ""
}

// variants are the calls that a record may be of, where it leaves open which. Source of the first: IAM User Guide, "AWS global
// condition context keys": aws:MultiFactorAuthPresent is there for temporary credentials, and not for those of roles that
// services take; CloudTrail writes "false" for both.
func (t *Trial) variants(call Call) []Call {
	out := []Call{call}
	if p := call.Request.Principal; call.unsureBound && !t.manages(p.Account) && !slices.Contains(t.options.Members, p.Account) {
		inside, outside := call, call
		inside.Request.Principal.OrganizationID = t.options.Organization
		outside.outside = true
		out = []Call{inside, outside}
	}
	if call.unsureMFA && t.asks["aws:multifactorauthpresent"] {
		for _, absent := range slices.Clone(out) {
			absent.Request.Context = maps.Clone(call.Request.Context)
			absent.Request.Context["aws:MultiFactorAuthPresent"] = []string{}
			out = append(out, absent)
		}
	}
	if p := call.Request.Principal; call.unsureRole {
		var more []string
		if p.ServiceLinked() { // by its name alone
			more = append(more, linkedFolder)
		}
		out = t.paths(out, t.asks["aws:principalarn"], more, func(c *Call, role string) { c.Request.Principal.Role, c.Request.Principal.PathSure = role, true },
			func(c Call) string { return c.Request.Principal.Role })
	}
	if call.unsurePath {
		out = t.paths(out, true, nil, func(c *Call, resource string) { c.Request.Resource = resource }, func(c Call) string { return c.Request.Resource })
	}
	return t.withDefaults(out)
}

// paths puts a role or user that the record names without its path under each path that it may have: the one that is known,
// or none, some, and those that the candidates name. more are those to try whether or not a candidate asks for paths.
func (t *Trial) paths(calls []Call, asked bool, more []string, set func(*Call, string), get func(Call) string) []Call {
	whole := arn.Of(get(calls[0]))
	kind, name := whole.Split()
	if known := t.options.Principals[whole.Account+"/"+kind+"/"+name]; known != "" {
		for i := range calls {
			set(&calls[i], known)
		}
		return calls
	}
	folders := append([]string{""}, more...)
	switch {
	case asked:
		folders = append(append(folders, "some/"), t.folders...)
	case len(more) == 0:
		return calls
	}
	var out []Call
	for _, path := range folders {
		for _, c := range calls {
			whole.Resource = kind + "/" + path + name
			set(&c, whole.String())
			out = append(out, c)
		}
	}
	return out
}

// asked are the condition keys that candidates name, in lower case, and the paths of roles and users in their patterns.
func asked(candidates []Candidate) (keys map[string]bool, folders []string) {
	keys = map[string]bool{}
	add := func(pattern string) {
		_, name := arn.Of(pattern).Split()
		if cut := strings.LastIndexByte(name, '/'); cut >= 0 {
			folder := arn.Example(name[:cut+1])
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	for _, c := range candidates {
		for _, s := range c.Document.Statements {
			for _, condition := range s.Conditions {
				key := strings.ToLower(condition.Key)
				keys[key] = true
				if key == "aws:principalarn" {
					for _, v := range condition.Values {
						add(v)
					}
				}
			}
			for _, r := range append(slices.Clone(s.Resources), s.NotResources...) {
				if arn.Of(r).Service == "iam" {
					add(r)
				}
			}
		}
	}
	return keys, folders
}

// linkedFolder is the path of a service-linked role, whatever its service.
const linkedFolder = "aws-service-role/service.amazonaws.com/"

// settle takes the verdict that all variants of a call have, and is unknown where they have several. Where organization policies
// do not bind one and let another pass, it passes either way.
func settle(verdicts []Verdict) Verdict {
	first := verdicts[0]
	for _, v := range verdicts[1:] {
		switch {
		case v.Outcome == first.Outcome, v.Outcome == Unbound && first.Outcome == Passes:
			continue
		case v.Outcome == Passes && first.Outcome == Unbound:
			first = v
			continue
		case first.Outcome == Passes || first.Outcome == Exempt || first.Outcome == Unbound:
			first = v
		}
		first.Outcome, first.Decision.Answer = Unknown, policy.Unknown
		first.Decision.Why = "unknown: the record does not say which of several calls it was; " + first.Decision.Why
		return first
	}
	return first
}
