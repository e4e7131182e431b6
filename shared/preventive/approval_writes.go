package preventive

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/settings"
)

// Approvals is what approves keys by name, and who alone may write that.
type Approvals struct {
	Aliases   []string          // alias/…
	Tags      map[string]string // a key needs all of them
	Approvers settings.Approvers
}

// ApprovalsIn are those of a configuration, with the alias of the keys that Doublelock makes.
func ApprovalsIn(c settings.Config) Approvals {
	aliases := slices.Clone(c.Keys.Approved.Aliases)
	if c.Keys.Create && !slices.Contains(aliases, settings.SecretsKeyAlias) {
		aliases = append(aliases, settings.SecretsKeyAlias)
	}
	return Approvals{aliases, c.Keys.Approved.Tags, c.Approvers()}
}

// Write is a way to a key that is approved by name, or to a role that may approve one. It takes all of its steps: who is
// refused one is refused the whole.
type Write struct {
	Name  string
	Steps []policy.Request // without principal, about an account and Region
	Role  string           // that may approve keys, and is made or opened to others: only one that deploys may; "" for what any approver may
}

// Writes lists every way in an account and Region.
func (a Approvals) Writes(account, region string) []Write {
	return a.writes(account, region, []string{someKey})
}

// writes lists the ways of Writes, with each of these keys.
func (a Approvals) writes(account, region string, keys []string) []Write {
	at := kmsAt{account, region, arn.PartitionOf(region)}
	var writes []Write
	for _, alias := range a.Aliases {
		for _, call := range []struct{ name, action string }{{"make", "CreateAlias"}, {"move", "UpdateAlias"}, {"delete", "DeleteAlias"}} {
			writes = append(writes, Write{Name: call.name + " the approved " + alias, Steps: []policy.Request{at.request(call.action, alias, nil)}})
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(a.Tags)) {
		for _, beside := range [][]string{nil, {"doublelock-other"}} { // a policy may ask for all tags of a call, or for any
			for _, key := range keys {
				writes = append(writes, at.tagging(key, tag, a.Tags[tag], beside)...)
			}
		}
	}
	if len(writes) > 0 {
		writes = append(writes, a.roleWrites(account, at.partition)...)
	}
	return writes
}

// roleWrites are the ways to a role that may approve keys.
func (a Approvals) roleWrites(account string, partition arn.Partition) []Write {
	var writes []Write
	for _, pattern := range a.Approvers.Roles() {
		role, mine := instance(pattern, partition, account, "")
		if !mine {
			continue
		}
		for _, call := range []struct{ name, action string }{{"make", "CreateRole"}, {"open", "UpdateAssumeRolePolicy"}} {
			writes = append(writes, Write{Name: call.name + " a role like " + pattern, Role: role, Steps: []policy.Request{{
				Action: "iam:" + call.action, Resource: role, ResourceAccount: account, Open: true,
				Context: map[string][]string{"aws:SecureTransport": {"true"}},
			}}})
		}
	}
	return writes
}

// kmsAt makes requests to KMS.
type kmsAt struct {
	account, region string
	partition       arn.Partition
}

// someKey is a key that no policy names.
const someKey = "key/11112222-3333-4444-5555-666677778888"

func (k kmsAt) request(action, resource string, context map[string][]string) policy.Request {
	name := resource
	if resource != "*" {
		name = k.partition.New("kms", k.region, k.account, resource).String()
	}
	c := map[string][]string{"aws:RequestedRegion": {k.region}, "aws:SecureTransport": {"true"}}
	maps.Copy(c, context)
	return policy.Request{Action: "kms:" + action, Resource: name, ResourceAccount: k.account, Context: c, Open: true}
}

// tagging are the ways to an approving tag. KMS asks for the right to tag where a key is made or replicated with tags, too
// (KMS API reference: CreateKey, ReplicateKey).
func (k kmsAt) tagging(key, tag, value string, beside []string) []Write {
	with := ""
	written := map[string][]string{"aws:TagKeys": append([]string{tag}, beside...), "aws:RequestTag/" + tag: {value}}
	for _, other := range beside {
		with = " with others"
		written["aws:RequestTag/"+other] = []string{"x"}
	}
	removed := map[string][]string{"aws:TagKeys": append([]string{tag}, beside...)}
	tagged := k.request("TagResource", key, written)
	return []Write{
		{Name: "write the approving tag " + tag + with, Steps: []policy.Request{tagged}},
		{Name: "take the approving tag " + tag + " away" + with, Steps: []policy.Request{k.request("UntagResource", key, removed)}},
		{Name: "make a key with the approving tag " + tag + with, Steps: []policy.Request{k.request("CreateKey", "*", written), tagged}},
		{Name: "replicate a key with the approving tag " + tag + with, Steps: []policy.Request{k.request("ReplicateKey", key, nil), tagged}},
	}
}

// Protected judges whether policies that are in force above an account deny each Write to everybody there but the approvers: Pass,
// Fail with what somebody can do, or Unknown where what a policy asks for cannot be known. In the management account no policy
// protects anything; that is for the caller to know.
//
// Not everybody can be tried, so these are: roles and a user that no policy names, the root user, and whoever a policy names (by
// ARN, with a text for each wildcard) and is no approver. The same goes for keys. Whatever else a policy makes a denial depend on is
// left open, so such a denial does not count.
func (a Approvals) Protected(scps []*policy.Document, account, region string) (guard.Outcome, string) {
	partition := arn.PartitionOf(region)
	who, unsure := callers(scps, partition, account)
	outcome, why := guard.Pass, ""
	if unsure != "" {
		outcome, why = guard.Unknown, unsure
	}
	writes := a.writes(account, region, append([]string{someKey}, keysNamed(scps)...))
	for _, write := range writes {
		if write.Role != "" && a.refusedAll(scps, writes, roleOf(write.Role, account)) {
			continue // no exemption is in force for it
		}
		for _, by := range who {
			if a.exempt(by, write.Role != "") {
				continue
			}
			switch answer := refuses(scps, write, by); {
			case answer == policy.Allowed:
				return guard.Fail, fmt.Sprintf("%s can %s", by.ARN, write.Name)
			case answer != policy.ExplicitlyDenied && outcome == guard.Pass:
				outcome, why = guard.Unknown, fmt.Sprintf("whether %s can %s depends on what nobody knows", by.ARN, write.Name)
			}
		}
	}
	for i := range scps {
		if err := scps[i].Err(); err != nil {
			return guard.Unknown, err.Error()
		}
	}
	return outcome, why
}

// refusedAll reports whether a role can approve no key.
func (a Approvals) refusedAll(scps []*policy.Document, writes []Write, role policy.Principal) bool {
	return !slices.ContainsFunc(writes, func(w Write) bool { return w.Role == "" && refuses(scps, w, role) != policy.ExplicitlyDenied })
}

func roleOf(name, account string) policy.Principal {
	return policy.Principal{Kind: policy.KindRole, ARN: name, Role: name, Account: account, Name: arn.Of(name).Base()}
}

func (a Approvals) exempt(by policy.Principal, deployer bool) bool {
	roles := a.Approvers.Roles()
	if deployer {
		roles = a.Approvers.Deployers
	}
	return by.Kind == policy.KindRole && matches(roles, by.ARN)
}

func matches(roles []string, name string) bool {
	return slices.ContainsFunc(roles, func(pattern string) bool { return arn.Like(pattern, name) })
}

// Approver reports whether a role, by its ARN, may write what approves keys.
func (a Approvals) Approver(role string) bool {
	return matches(a.Approvers.Roles(), role)
}

// Documents that allow what only the SCPs are to decide.
var (
	allowAll    = policy.MustParse("FullAWSAccess", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	allowAnyone = policy.MustParse("any resource policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)
)

// refuses is what SCPs say of a way: ExplicitlyDenied where a step certainly is, Allowed where every step certainly is.
func refuses(scps []*policy.Document, write Write, by policy.Principal) policy.Answer {
	worst := policy.Allowed
	for _, step := range write.Steps {
		step.Principal = by
		switch policy.Evaluate(step, policy.Policies{
			Identity: []*policy.Document{allowAll}, SCPs: [][]*policy.Document{append([]*policy.Document{allowAll}, scps...)},
			Resource: allowAnyone, ResourceKind: policy.ResourcePlain,
		}).Answer {
		case policy.ExplicitlyDenied:
			return policy.ExplicitlyDenied
		case policy.Allowed:
		default:
			worst = policy.Unknown
		}
	}
	return worst
}

// nobody is in the names of those whom no policy names.
const nobody = "doublelock-nobody"

// callers are those of an account whom policies could set apart. unsure says why that may not be all of them.
func callers(scps []*policy.Document, partition arn.Partition, account string) (who []policy.Principal, unsure string) {
	add := func(kind policy.PrincipalKind, name string) {
		p := roleOf(name, account)
		if kind != policy.KindRole {
			p.Kind, p.Role = kind, ""
		}
		if !slices.ContainsFunc(who, func(known policy.Principal) bool { return known.ARN == name }) {
			who = append(who, p)
		}
	}
	add(policy.KindRole, partition.Role(account, nobody))
	add(policy.KindRole, partition.Role(account, "aws-reserved/sso.amazonaws.com/"+nobody))
	add(policy.KindUser, partition.New("iam", "", account, "user/"+nobody).String())
	add(policy.KindRoot, partition.Root(account))
	for _, pattern := range named(scps) {
		if strings.Contains(pattern, "${") {
			unsure = "whom " + pattern + " means is not known"
			continue
		}
		for _, fill := range []string{nobody, "-" + nobody, ""} {
			name, _ := instance(pattern, partition, account, fill)
			switch kind, _ := arn.Of(name).Split(); kind {
			case "role":
				add(policy.KindRole, name)
			case "user":
				add(policy.KindUser, name)
			}
		}
	}
	return who, unsure
}

// named lists the ARN patterns by which policies set callers apart.
func named(scps []*policy.Document) []string {
	var patterns []string
	for _, d := range scps {
		for _, s := range d.Statements {
			for _, c := range s.Conditions {
				if strings.EqualFold(c.Key, conditionCaller) {
					patterns = append(patterns, c.Values...)
				}
			}
		}
	}
	return patterns
}

// keysNamed are keys that statements leave out, with a text for each wildcard: key/….
func keysNamed(scps []*policy.Document) []string {
	var keys []string
	for _, d := range scps {
		for _, s := range d.Statements {
			for _, pattern := range s.NotResources {
				if p := arn.Of(pattern); arn.Match(p.Service, "kms") && strings.HasPrefix(p.Resource, "key/") {
					keys = append(keys, strings.NewReplacer("*", nobody, "?", "x").Replace(p.Resource))
				}
			}
		}
	}
	return keys
}

// Instance is a role of an account that a pattern of approvers matches; mine is false where none can.
func Instance(pattern, account, region string) (role string, mine bool) {
	return instance(pattern, arn.PartitionOf(region), account, "")
}

// instance is somebody of an account whom a pattern matches, with a text for each wildcard.
func instance(pattern string, partition arn.Partition, account, fill string) (name string, mine bool) {
	p := arn.Of(pattern)
	if !arn.Match(p.Account, account) || !arn.Match(p.Service, "iam") {
		return "", false
	}
	resource := strings.NewReplacer("*", fill, "?", "x").Replace(p.Resource)
	if kind, _, found := strings.Cut(resource, "/"); !found || kind != "role" && kind != "user" {
		resource = "role/" + strings.TrimLeft(resource, "/")
	}
	return partition.New("iam", "", account, resource).String(), true
}
