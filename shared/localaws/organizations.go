package localaws

import (
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	serviceControlPolicy = "SERVICE_CONTROL_POLICY"
	fullAccessPolicy     = "p-FullAWSAccess"
	policySizeLimit      = 10240 // characters, white space counts (Organizations quotas, since May 2026)
	policiesPerTarget    = 10
)

// organization is the one organization of this AWS.
type organization struct {
	id         string
	management string // account id
	rootID     string
	units      map[string]*unit
	members    map[string]*member
	policies   map[string]*orgPolicy
	attached   map[string][]string // target (root, OU, account) → policy ids
	disabled   map[string]bool     // policy types switched off
	delegates  map[string][]string // account → service principals
	services   []string            // trusted access

	paths map[string][][]string // SCP documents by account, level by level from the root; a cache
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
}

func (o *organization) arn(kind, id string) string {
	return "arn:aws:organizations::" + o.management + ":" + kind + "/" + o.id + "/" + id
}

func (o *organization) policyARN(p *orgPolicy) string {
	if p.aws {
		return "arn:aws:organizations::aws:policy/service_control_policy/" + p.id
	}
	return "arn:aws:organizations::" + o.management + ":policy/" + o.id + "/" + strings.ToLower(p.kind) + "/" + p.id
}

// changed forgets what was derived from accounts, OUs and attachments.
func (o *organization) changed() { o.paths = map[string][][]string{} }

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

// controls are the SCPs over an account, one list of policy ids a level from the root down to the account. None when
// SCPs are switched off, and none for the management account, which SCPs never affect.
func (o *organization) controls(accountID string) [][]string {
	if o == nil || accountID == o.management || o.disabled[serviceControlPolicy] {
		return nil
	}
	if levels, ok := o.paths[accountID]; ok {
		return levels
	}
	var levels [][]string
	for _, target := range o.parents(accountID) {
		var here []string
		for _, id := range o.attached[target] {
			if o.policies[id].kind == serviceControlPolicy {
				here = append(here, id)
			}
		}
		levels = append(levels, here)
	}
	o.paths[accountID] = levels
	return levels
}

// exists reports whether an id is the root, an OU or an account.
func (o *organization) exists(target string) bool {
	return o.units[target] != nil || o.members[target] != nil
}

func organizationsOperations() map[string]operation {
	all := map[string]operation{}
	maps.Copy(all, orgTreeOperations())
	maps.Copy(all, orgPolicyOperations())
	for name, run := range all {
		all[name] = insideOrganization(name, run)
	}
	return all
}

// insideOrganization lets the management account do all, a delegated administrator read and handle policies, and
// other members only look at the organization itself.
func insideOrganization(name string, run operation) operation {
	return func(c *call) (any, error) {
		org := c.aws.organization
		if org == nil || org.members[c.Account] == nil {
			return nil, &apiError{Code: "AWSOrganizationsNotInUseException", Message: "Your account is not a member of an organization."}
		}
		reads := strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Describe")
		allowed := c.Account == org.management || name == "DescribeOrganization" ||
			len(org.delegates[c.Account]) > 0 && (reads || strings.Contains(name, "Policy"))
		if !allowed {
			return nil, &apiError{Code: "AccessDeniedException", Message: "You don't have permissions to access this resource."}
		}
		return run(c)
	}
}
