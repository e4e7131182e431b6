package simulate

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
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
	switch from, known := r.Context["aws:SourceIp"]; {
	case d.VPCEndpoint != "":
		r.Context["aws:SourceVpce"] = []string{d.VPCEndpoint}
		if r.Context["aws:SourceIp"] = []string{}; known && len(from) > 0 {
			r.Context["aws:VpcSourceIp"] = from
		}
	case !d.Whole && (c.Lacks("vpcEndpointId") || private(from)):
		delete(r.Context, "aws:SourceIp") // it is that, or aws:VpcSourceIp
	case d.Whole && c.Actor.InvokedBy == "":
		r.Context["aws:SourceVpce"], r.Context["aws:SourceVpc"], r.Context["aws:VpcSourceIp"] = []string{}, []string{}, []string{}
	}
	call.unsureRole = r.Principal.Kind == policy.KindSession && c.Actor.RoleARN == "" && r.Principal.PermissionSet() == ""
}

// private reports whether an address is one of a network of somebody's own, which reaches AWS through an endpoint alone.
func private(from []string) bool {
	if len(from) != 1 {
		return false
	}
	at, err := netip.ParseAddr(from[0])
	return err == nil && at.IsPrivate()
}

// variants are the calls that a record may be of, where it leaves open which. Source of the first: IAM User Guide, "AWS global
// condition context keys": aws:MultiFactorAuthPresent is there for temporary credentials, and not for those of roles that
// services take; CloudTrail writes "false" for both.
func (t *Trial) variants(call Call) []Call {
	if key := t.keyBehind(call.keyAlias, call.At); key != "" {
		call.Request.Resource, call.NoResource = key, false
	}
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
		out = t.paths(out, p.UniqueID, t.asks["aws:principalarn"], more, func(c *Call, role string) { c.Request.Principal.Role, c.Request.Principal.PathSure = role, true },
			func(c Call) string { return c.Request.Principal.Role })
	}
	if call.unsurePath {
		out = t.paths(out, "", true, nil, func(c *Call, resource string) { c.Request.Resource = resource }, func(c Call) string { return c.Request.Resource })
	}
	if found, known := t.options.Keys[call.Request.Resource]; call.rcps == bind && usesKey(call.Request.Action) {
		switch {
		case !known && !call.ownKey && call.Request.Principal.Account == call.Request.ResourceAccount: // nobody else may use a key of AWS's own
			call.rcps = mayBind
		case known && found.Manager == guard.ManagerAWS:
			for i := range out {
				out[i].rcps = bindNot
			}
		}
	}
	if call.rcps == mayBind && len(t.rcps) > 0 && !slices.Contains(t.options.Members, call.Request.ResourceAccount) {
		for _, free := range slices.Clone(out) {
			free.rcps = bindNot
			out = append(out, free)
		}
	}
	if call.unsureSuffix && !call.NoResource {
		out = t.withSuffixes(out)
	}
	return t.withDefaults(out)
}

// paths puts a role or user that the record names without its path, perhaps by its unique id, under each path that it may have: the one that is
// known, or none, some, and those that the candidates name. Who had the name before may have had another path. more are those to try
// whether or not a candidate asks for paths.
func (t *Trial) paths(calls []Call, uniqueID string, asked bool, more []string, set func(*Call, string), get func(Call) string) []Call {
	whole := arn.Of(get(calls[0]))
	kind, name := whole.Split()
	if known := t.options.Principals[whole.Account+"/"+kind+"/"+name]; known.ARN != "" && (known.Former == nil || !known.Former(uniqueID, calls[0].At)) {
		for i := range calls {
			set(&calls[i], known.ARN)
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

// withSuffixes puts a secret that the record names without the end of its ARN under the ARN that is known for it, else under each end that
// the candidates tell apart. What a policy is about is the whole ARN; of one that is yet to be made, AWS does not say.
// Source: Service Authorization Reference, Secrets Manager, resource type Secret; User Guide, "Use -?????? to match".
func (t *Trial) withSuffixes(calls []Call) []Call {
	name := strings.TrimSuffix(calls[0].Request.Resource, "-")
	var whole []string
	found, another := t.secretOf(calls[0])
	if found != nil {
		whole = append(whole, found.ARN)
	}
	if found == nil || another != "" {
		for _, end := range t.suffixes {
			whole = append(whole, name+"-"+end)
		}
	}
	if calls[0].Request.Action == "secretsmanager:CreateSecret" {
		whole = append(whole, name)
	}
	var out []Call
	for _, resource := range whole {
		for _, c := range calls {
			c.Request.Resource = resource
			out = append(out, c)
		}
	}
	return out
}

// suffixesOf are ends of secrets' ARNs of which a candidate's pattern may fit one and not another: what stands at the end of each, filled
// up to six characters, and one that nobody has thought of.
func suffixesOf(candidates []Candidate) []string {
	const length, any = suffixLength - 1, "0qZ7xK"
	out := []string{any}
	add := func(end string) {
		if len(end) == length && !slices.Contains(out, end) {
			out = append(out, end)
		}
	}
	for _, c := range candidates {
		for _, s := range c.Document.Statements {
			for _, pattern := range slices.Concat(s.Resources, s.NotResources) {
				if !strings.Contains(pattern, "secret") {
					continue
				}
				last := strings.ReplaceAll(pattern[strings.LastIndexByte(pattern, '-')+1:], "?", "x")
				if before, after, found := strings.Cut(last, "*"); found {
					after = after[strings.LastIndexByte(after, '*')+1:]
					add(before + strings.Repeat("x", max(0, length-len(before)-len(after))) + after)
					add(strings.Repeat("x", max(0, length-len(after))) + after)
				}
				add(last)
			}
		}
	}
	return out
}

// known are secrets by their ARNs, and by what those are without their ends.
func known(secrets []guard.Secret) (whole, named map[string]*guard.Secret) {
	whole, named = map[string]*guard.Secret{}, map[string]*guard.Secret{}
	for i := range secrets {
		s := &secrets[i]
		at := arn.Of(s.ARN)
		at.Resource = "secret:" + s.Name // as a call names it
		name := at.String()
		if _, seen := named[name]; seen {
			s = nil
		}
		whole[secrets[i].ARN], named[name] = &secrets[i], s
	}
	return whole, named
}

// secretOf is the known secret that a call may be about, nil for none, and why it may have been about another one of its name, which
// is gone; "" where it was not. A secret that is made under the name of one that was deleted has another ARN.
// Source: Secrets Manager User Guide, "What's in a Secrets Manager secret?", the random characters of the ARN.
func (t *Trial) secretOf(call Call) (found *guard.Secret, another string) {
	if s := t.secrets[call.Request.Resource]; s != nil {
		return s, ""
	}
	s := t.named[strings.TrimSuffix(call.Request.Resource, "-")]
	switch {
	case s == nil:
		return nil, ""
	case s.CreatedAt.IsZero():
		another = "the call may have been about another secret of its name: the snapshot does not say when the one there was created"
	case call.At.IsZero():
		another = "the call may have been about another secret of its name: its record does not say when it was made"
	case call.At.Before(s.CreatedAt.Truncate(time.Second)): // records have no parts of a second
		another = "the call was about another secret of its name: the one in the snapshot was created after it"
	}
	return s, another
}

// usesKey reports whether an action uses a key, which AWS's own are for as well; nobody manages those.
func usesKey(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return strings.HasPrefix(action, "kms:") && slices.ContainsFunc([]string{"Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt", "DescribeKey"}, func(use string) bool { return strings.HasPrefix(name, use) })
}

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
