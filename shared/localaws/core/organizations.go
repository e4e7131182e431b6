package core

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	serviceControlPolicy  = "SERVICE_CONTROL_POLICY"
	resourceControlPolicy = "RESOURCE_CONTROL_POLICY"
)

// policyKind is what AWS says of one type of policy.
type policyKind struct {
	name   string
	of     policy.Type
	full   string // id of AWS's own policy of the type, which is attached everywhere while the type is switched on
	size   int    // characters, white space counts
	most   int    // policies of the type on one target
	unless string // nobody detaches full; "" where it may be
}

// policyKinds are the types of policies here that bind requests. Source: AWS Organizations User Guide, quotas (SCPs since May 2026),
// "Resource control policies" (RCPFullAWSAccess is attached when the type is switched on, and cannot be detached).
var policyKinds = []policyKind{
	{serviceControlPolicy, policy.TypeSCP, "p-FullAWSAccess", 10240, 10, ""},
	{resourceControlPolicy, policy.TypeRCP, "p-RCPFullAWSAccess", 5120, 5, "You can't detach the RCPFullAWSAccess policy."},
}

// kindNamed is a type of policies by its name; false for the types that bind no requests.
func kindNamed(name string) (policyKind, bool) {
	at := slices.IndexFunc(policyKinds, func(k policyKind) bool { return k.name == name })
	if at < 0 {
		return policyKind{}, false
	}
	return policyKinds[at], true
}

// organization is the one organization of this AWS.
type organization struct {
	partition  arn.Partition
	id         string
	management string // account id
	rootID     string
	units      map[string]*unit
	members    map[string]*member
	policies   map[string]*orgPolicy
	attached   map[string][]string // target (root, OU, account) → policy ids
	disabled   map[string]bool     // policy types switched off
	delegates  map[string][]string // account → service principals

	paths map[string]map[string][][]*policy.Document // by type of policy and account, level by level from the root; a cache
	texts map[string][]string                        // path by account; a cache
}

// unit is an organizational unit; the root is one without parent.
type unit struct{ id, parent, name string }

type member struct {
	id, parent, name, email string
	joined                  time.Time
}

type orgPolicy struct {
	id, name, description, content, kind string
	aws                                  bool
	tags                                 []tag
}

func (o *organization) arn(kind, id string) string {
	return o.partition.New("organizations", "", o.management, kind+"/"+o.id+"/"+id).String()
}

func (o *organization) policyARN(p *orgPolicy) string {
	if p.aws {
		return o.partition.New("organizations", "", "aws", "policy/"+strings.ToLower(p.kind)+"/"+p.id).String()
	}
	return o.arn("policy", strings.ToLower(p.kind)+"/"+p.id)
}

// changed forgets what was derived from accounts, OUs and attachments.
func (o *organization) changed() {
	o.paths, o.texts = map[string]map[string][][]*policy.Document{serviceControlPolicy: {}, resourceControlPolicy: {}}, map[string][]string{}
}

// parents are the ids from the root down to the account itself; nil for accounts outside.
func (o *organization) parents(accountID string) []string {
	m, ok := o.members[accountID]
	if !ok {
		return nil
	}
	path := []string{accountID}
	for id := m.parent; id != ""; id = o.units[id].parent {
		path = append(path, id)
	}
	slices.Reverse(path)
	return path
}

// MemberPaths are, for every account but the management account, the ids from the root down to the account; nil where
// there is no organization. The state lock must be held.
func (a *AWS) MemberPaths() map[string][]string {
	o := a.organization
	if o == nil {
		return nil
	}
	paths := map[string][]string{}
	for id := range o.members {
		if id != o.management {
			paths[id] = o.parents(id)
		}
	}
	return paths
}

// HasUnit reports whether the organization has a root or OU of that id. The state lock must be held.
func (a *AWS) HasUnit(id string) bool {
	return a.organization != nil && a.organization.units[id] != nil
}

// controls are the SCPs over the people of an account, or the RCPs over its resources, one list a level from the root down to the
// account. None when the type is switched off, and none for the management account, which neither affects.
func (o *organization) controls(kind, accountID string) [][]*policy.Document {
	if o == nil || accountID == o.management || o.disabled[kind] {
		return nil
	}
	if levels, ok := o.paths[kind][accountID]; ok {
		return levels
	}
	levels := eachControl(o, kind, accountID, func(p *orgPolicy) *policy.Document { return policy.Read(o.policyARN(p), []byte(p.content)) })
	o.paths[kind][accountID] = levels
	return levels
}

// ResourceControls are the RCPs over the resources of an account, level by level, for those who evaluate policies themselves. The
// state lock must be held.
func (a *AWS) ResourceControls(accountID string) [][]*policy.Document {
	return a.organization.controls(resourceControlPolicy, accountID)
}

// controlTexts are the policies of controls, as they were attached.
func (o *organization) controlTexts(kind, accountID string) [][]string {
	if o == nil || accountID == o.management || o.disabled[kind] {
		return nil
	}
	return eachControl(o, kind, accountID, func(p *orgPolicy) string { return p.content })
}

// ResourceControlTexts are the policies of ResourceControls, as they were attached. The state lock must be held.
func (a *AWS) ResourceControlTexts(accountID string) [][]string {
	return a.organization.controlTexts(resourceControlPolicy, accountID)
}

// eachControl makes something of each policy of a type over an account, one list a level.
func eachControl[T any](o *organization, kind, accountID string, from func(*orgPolicy) T) (levels [][]T) {
	for _, target := range o.parents(accountID) {
		here := []T{}
		for _, id := range o.attached[target] {
			if p := o.policies[id]; p.kind == kind {
				here = append(here, from(p))
			}
		}
		levels = append(levels, here)
	}
	return levels
}

// manages reports whether an account is the management account.
func (o *organization) manages(accountID string) bool { return o != nil && o.management == accountID }

// DescribeSource adds the condition keys that say where in the organization the resource is that an AWS service acts for. The state
// lock must be held.
func (a *AWS) DescribeSource(context map[string][]string, accountID string) {
	a.organization.describe(context, "aws:sourceorg", accountID)
}

// describe adds the condition keys that say where in the organization an account is, for a principal or a resource.
func (o *organization) describe(context map[string][]string, prefix, accountID string) {
	if o == nil || o.members[accountID] == nil {
		return
	}
	context[prefix+"id"] = []string{o.id}
	context[prefix+"paths"] = o.path(accountID)
}

// SameOrganization reports whether two accounts are members of the organization. The state lock must be held.
func (a *AWS) SameOrganization(one, other string) bool {
	o := a.organization
	return o != nil && o.members[one] != nil && o.members[other] != nil
}

// path is the account's path as the condition keys hold it: o-…/r-…/ou-…/
func (o *organization) path(accountID string) []string {
	if known, ok := o.texts[accountID]; ok {
		return known
	}
	path := o.id + "/"
	for _, id := range o.parents(accountID) {
		if id != accountID {
			path += id + "/"
		}
	}
	o.texts[accountID] = []string{path}
	return o.texts[accountID]
}

// exists reports whether an id is the root, an OU or an account.
func (o *organization) exists(target string) bool {
	return o.units[target] != nil || o.members[target] != nil
}

func organizationsOperations() map[string]Operation {
	all := map[string]Operation{}
	maps.Copy(all, orgTreeOperations())
	maps.Copy(all, orgPolicyOperations())
	for name, run := range all {
		all[name] = insideOrganization(name, run)
	}
	return all
}

// organizationsAccess names the policy or account that a call is about.
func organizationsAccess(c *Call) (Access, error) {
	in, o := struct{ PolicyId, AccountId, ResourceId string }{}, c.AWS.organization
	if err := c.Decode(&in); err != nil {
		return Access{}, err
	}
	switch {
	case o == nil:
	case o.policies[in.ResourceId] != nil:
		return Access{Resource: o.policyARN(o.policies[in.ResourceId])}, nil
	case o.policies[in.PolicyId] != nil:
		return Access{Resource: o.policyARN(o.policies[in.PolicyId])}, nil
	case o.members[in.AccountId] != nil:
		return Access{Resource: o.arn("account", in.AccountId)}, nil
	}
	return Access{}, nil
}

// insideOrganization lets the management account do all, a delegated administrator read and handle policies, and
// other members only look at the organization itself.
func insideOrganization(name string, run Operation) Operation {
	return func(c *Call) (any, error) {
		org := c.AWS.organization
		if org == nil || org.members[c.Account] == nil {
			return nil, &Error{Code: "AWSOrganizationsNotInUseException", Message: "Your account is not a member of an organization."}
		}
		reads := strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe")
		allowed := c.Account == org.management || name == "DescribeOrganization" ||
			len(org.delegates[c.Account]) > 0 && (reads || strings.Contains(name, "Policy"))
		if !allowed {
			return nil, &Error{Code: "AccessDeniedException", Message: "You don't have permissions to access this resource."}
		}
		return run(c)
	}
}
