package keyreview

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// population is whom of ours a statement lets in who is named by no account: "" where it is nobody.
type population struct {
	whom    string // "every principal of organization o-…", "principals of organization o-…", "every principal of the account"
	certain bool
	every   string // the organization all of whose principals they are; "" for none
	partly  bool   // they are of the organization, and not all
}

// population finds it. Our organization is let in by many keys: aws:PrincipalOrgID, aws:PrincipalOrgPaths, patterns of aws:PrincipalArn and
// tags within it. All are judged alike, by a symbolic member and by examples of what conditions ask for.
func (q *inquiry) population(actions []string, context map[string][]string) population {
	if len(actions) == 0 {
		return population{}
	}
	ask := func(iam bool, principals ...policy.Principal) policy.Answer {
		var callers []caller
		for _, p := range principals {
			callers = append(callers, caller{principal: p, iam: iam, context: context})
		}
		return q.only.worst(actions, callers...)
	}
	if ours := q.snapshot.Organization.ID; ours != "" && (q.statement.NotPrincipal != nil || q.statement.NamesEverybody()) {
		anyMember := policy.Principal{Kind: policy.KindSomebody, OrganizationID: ours, NotAccounts: append(q.insiders(q.key), q.named...)}
		plain := roleOf(q.key, stranger)
		plain.OrganizationID = ours
		symbolic := ask(true, anyMember)
		switch {
		case symbolic == policy.Allowed, ask(true, plain) == policy.Allowed:
			return population{whom: "every principal of organization " + ours, certain: true, every: ours}
		case symbolic == policy.ImplicitlyDenied:
		case ask(true, q.members(plain)...) == policy.Allowed:
			return population{whom: "principals of organization " + ours, certain: true, partly: true}
		case ask(false, roleOf(q.key, q.key.Facts.Account)) != policy.Allowed:
			return population{whom: "principals of organization " + ours, partly: true}
		}
	}
	answer := ask(false, roleOf(q.key, q.key.Facts.Account))
	if answer == policy.ImplicitlyDenied || answer == policy.Unknown && (context == nil || len(q.fault.details) > 0) { // of which no more is said, or more already
		return population{}
	}
	return population{whom: "every principal of the account", certain: answer == policy.Allowed}
}

// members are examples of our organization's principals that conditions ask for, by path, name and tags.
func (q *inquiry) members(plain policy.Principal) []policy.Principal {
	ours := q.snapshot.Organization.ID
	out := []policy.Principal{plain}
	each := func(change func(*policy.Principal)) {
		for _, p := range slices.Clone(out) {
			change(&p)
			out = append(out, p)
		}
	}
	if tags := q.tags(); len(tags) > 0 {
		each(func(p *policy.Principal) { p.Tags = tags })
	}
	for _, like := range draw(q.conditions, func(value string) string { return q.foreignRole(q.key, value) }, "aws:PrincipalArn") {
		if named, err := policy.ParsePrincipal(like.example); err == nil && !slices.Contains(q.named, named.Account) {
			each(func(p *policy.Principal) {
				named.OrganizationID, named.OrganizationPath, named.Tags = p.OrganizationID, p.OrganizationPath, p.Tags
				*p = named
			})
		}
		if len(out) > mostMembers {
			break
		}
	}
	var paths []string
	for _, like := range draw(q.conditions, arn.Example, "aws:PrincipalOrgPaths") {
		if organizationLike(like.value) == ours {
			paths = append(paths, like.example)
		}
	}
	for _, a := range q.snapshot.Accounts {
		if path := q.path(a.ID); path != "" && !slices.Contains(q.insiders(q.key), a.ID) && !slices.Contains(paths, path) && len(paths) < mostMembers {
			paths = append(paths, path)
		}
	}
	known := out
	for _, path := range paths {
		for _, p := range known {
			p.OrganizationPath = path
			out = append(out, p)
		}
	}
	return out
}

// tags are those of principals that conditions ask for, with an example of the value.
func (q *inquiry) tags() map[string]string {
	tags := map[string]string{}
	for _, c := range q.conditions {
		if name, tagged := strings.CutPrefix(strings.ToLower(c.Key), "aws:principaltag/"); tagged && len(c.Values) > 0 {
			tags[name] = arn.Example(c.Values[0])
		}
	}
	return tags
}

// mostMembers bounds how many examples are made of each kind: a policy that asks for more says no more by the others.
const mostMembers = 20

// way is one to use a key without Secrets Manager.
type way struct {
	context map[string][]string
	says    string
}

// ways are the direct one, and those through whatever service fits a pattern. A service that a statement names has been chosen by whoever wrote
// it, and opens no secret: what it decrypts is what it keeps itself.
// Source: KMS Developer Guide, "kms:ViaService".
func (q *inquiry) ways() []way {
	out := []way{{directly(), "directly, not only through Secrets Manager"}}
	for _, like := range draw(q.conditions, arn.Example, viaService) {
		if service, _, _ := strings.Cut(like.value, "."); wild(service) && !strings.HasPrefix(service, secretsManager) {
			out = append(out, way{through(like.example), "through every service like " + like.value + ", not only Secrets Manager"})
		}
	}
	return out
}

// insideDirectly finds that principals of the organization, or everybody of the account, may use the key without Secrets Manager.
func (q *inquiry) insideDirectly() {
	if !q.key.Facts.Symmetric() {
		return
	}
	var found population
	var says string
	for _, by := range q.ways() {
		if found = q.population(q.uses, by.context); found.whom != "" {
			says = by.says
			break
		}
	}
	switch {
	case found.whom == "":
		return
	case found.certain:
		q.fault.add(found.everybody()+" may use the key "+says, "ask for kms:ViaService")
	default:
		q.fault.doubt("it depends on the request, or on who they are, whether "+found.whom+" may use the key "+says, "ask for kms:ViaService")
	}
	if q.another != "" {
		q.fault.decide = whichServices + q.another
		return
	}
	q.fault.by = throughSecretsManager(q.fault.by, q.key)
}

// everybody says the same of an organization in fewer words.
func (p population) everybody() string {
	if p.every != "" {
		return "everybody in organization " + p.every
	}
	return p.whom
}

// granting finds statements by which everybody may hand the key on, or decide about it. bound says that a fix keeps them within the account
// already, so that what depends is not asked.
func (q *inquiry) granting(bound bool) {
	const decide = "who is to manage the key"
	add := func(found population, what, fix string) {
		if found.certain {
			q.fault.add(found.whom+what, fix)
		} else {
			q.fault.doubt("it depends on the request, or on who they are, whether "+found.whom+what, fix)
		}
		q.fault.decide = decide
	}
	if q.grants {
		outsider := roleOf(q.key, stranger)
		outsider.OrganizationID = elsewhere
		found := population{whom: "anybody in any AWS account", certain: true}
		if q.only.worst([]string{grant}, q.people(outsider)...) != policy.Allowed {
			found = q.population([]string{grant}, nil)
		}
		if found.whom != "" && (found.certain || !bound) {
			add(found, " may hand the key on by grants", "name who may")
		}
	}
	if !bound {
		q.othersGrants(decide)
	}
	for _, way := range deciding {
		found := q.population(covered(q.key, q.statement, way.actions), nil)
		if found.whom == "" {
			continue
		}
		ofTheAccount := ""
		if !slices.Contains(way.actions, revoke) && (found.every != "" || found.partly) {
			ofTheAccount = ", which KMS takes from those of the account alone"
		}
		add(found, way.says+ofTheAccount, "name who may")
		return // the others follow from it, or say less
	}
}

const revokes = " may revoke its grants, and services work by them"

// othersGrants finds what lets people whom the policy does not name at the grants that are there, where nothing else is said of them.
func (q *inquiry) othersGrants(decide string) {
	outsider := roleOf(q.key, stranger)
	outsider.OrganizationID = elsewhere
	for _, way := range []struct{ action, says string }{{revoke, revokes}, {"kms:ListGrants", " may list its grants"}} {
		if !covers(q.key, q.statement, way.action) || len(q.named) > 0 {
			continue
		}
		switch q.among([]string{way.action}, []policy.Principal{outsider}, q.somebody()) {
		case policy.Allowed:
			q.fault.add("anybody in any AWS account"+way.says, "name who may")
		case policy.Unknown:
			if len(q.fault.details) > 0 {
				continue
			}
			if unclear := q.unclear(); len(unclear) > 0 {
				q.fault.namesUnclear(unclear)
				continue
			}
			q.fault.doubt("nothing but a condition on the request itself keeps other AWS accounts out, of whom anybody"+way.says, "name who may")
		default:
			continue
		}
		q.fault.decide = decide
	}
}

// deciding are the ways to decide about a key, the worst first.
// Source: KMS Developer Guide, "Allowing users in other accounts to use a KMS key": nobody of another account changes a key or its policy;
// KMS API Reference, ReplicateKey: the replica has a key policy of its own.
var deciding = []struct {
	actions []string
	says    string
}{
	{[]string{putPolicy}, " may change the key policy"},
	{[]string{replicate}, " may replicate the key under another key policy"},
	{[]string{"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial"}, " may switch the key off or have it deleted"},
	{[]string{revoke}, revokes},
}
