package keyreview

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// inquiry is one Allow under judgement: whom it lets in that is not of the account, is asked of the engine. That nobody gets in is
// concluded from symbolic callers alone, who are any principal but ours; examples show whom it lets in.
type inquiry struct {
	*review
	key        *inventory.Key
	statement  policy.Statement
	only       only
	conditions []policy.Condition // that may tell callers apart
	uses       []string           // what it is about, of openActions
	grants     bool               // whether it is about kms:CreateGrant
	vias       []map[string][]string
	named      []string // accounts that the finding names
	another    string   // what shows that the key is used for something else than secrets
	fault      *fault
}

func (r *review) inquire(k *inventory.Key, d *policy.Document, s policy.Statement, f *fault) *inquiry {
	q := &inquiry{review: r, key: k, statement: s, only: r.only(k, d, s), conditions: conditionsOf(d, s), uses: covered(k, s, openActions), grants: covers(k, s, grant), another: r.another(k), fault: f}
	q.vias = []map[string][]string{directly(), through(viaServices(k)...)}
	for _, service := range draw(q.conditions, arn.Example, viaService) {
		q.vias = append(q.vias, through(viaForms(service.example)...))
	}
	return q
}

// opens are the actions that outsiders are asked about.
func (q *inquiry) opens() []string {
	if q.grants {
		return append(slices.Clone(q.uses), grant)
	}
	return q.uses
}

// crossing are those, and what else of the statement KMS takes from other accounts.
func (q *inquiry) crossing() []string {
	return slices.Concat(q.opens(), covered(q.key, q.statement, grantActions))
}

// decides are those, and the actions by which a key is managed.
func (q *inquiry) decides() []string {
	return slices.Concat(q.crossing(), covered(q.key, q.statement, manageActions))
}

// idle is what is said of outsiders whom a statement names for nothing that they may do.
const idle = ", for what KMS takes from those of the key's account alone"

// somebody is any principal but those of accounts that may use the key, and of the organization.
func (q *inquiry) somebody() policy.Principal {
	p := policy.Principal{Kind: policy.KindSomebody, NotAccounts: q.insiders(q.key)}
	if id := q.snapshot.Organization.ID; id != "" {
		p.NotOrganizations = []string{id}
	}
	return p
}

// people are callers by all ways, whose own policies allow everything.
func (q *inquiry) people(principals ...policy.Principal) []caller {
	var out []caller
	for _, p := range principals {
		for _, context := range q.vias {
			out = append(out, caller{principal: p, iam: true, context: context})
		}
	}
	return out
}

// among says whether people that are known by an example get in; the others of their kind are asked about as one.
func (q *inquiry) among(actions []string, examples []policy.Principal, all ...policy.Principal) policy.Answer {
	callers := q.people(examples...)
	for _, p := range all {
		callers = append(callers, caller{principal: p, iam: true})
	}
	return q.only.worst(actions, callers...)
}

// outsiders finds whom the statement lets in that is not approved; bound says that the fix keeps it within the account and Secrets Manager.
func (q *inquiry) outsiders() (bound bool) {
	actions := q.opens()
	found := q.accounts(q.decides())
	if len(actions) == 0 {
		q.organizations()
		return false
	}
	if q.only.worst(actions, caller{principal: q.somebody(), iam: true}) != policy.ImplicitlyDenied {
		bound = q.world(found)
	}
	if !bound {
		q.services(actions)
	}
	q.federated(actions)
	return bound
}

// world finds what lets in people whom the policy does not name. found says that it names some that it lets in.
func (q *inquiry) world(found bool) (bound bool) {
	f := q.fault
	none, member := roleOf(q.key, stranger), roleOf(q.key, stranger)
	member.OrganizationID = elsewhere
	alone := q.people(none)
	for i := range alone {
		alone[i].context = ofNoOrganization(alone[i].context)
	}
	whom := "anybody in any AWS account"
	members := q.people(member)
	free := q.only.worst(q.uses, alone...)
	bySome := q.only.worst(q.uses, members...)
	if free == policy.Allowed && bySome != policy.Allowed {
		whom += " that is in no organization"
	}
	switch {
	case free == policy.Allowed || bySome == policy.Allowed:
		f.add(whom+" may use the key", q.binding())
		q.bind()
		return true
	case q.grants && q.only.worst([]string{grant}, append(alone, members...)...) == policy.Allowed:
		return false // granting says so
	}
	foreign := q.organizations()
	patterns := q.patterns()
	if patterns {
		q.bind()
	}
	if foreign || patterns || found {
		return patterns
	}
	if unclear := q.unclear(); len(unclear) > 0 {
		f.namesUnclear(unclear)
		return false
	}
	f.doubt("nothing but a condition on the request itself keeps other AWS accounts out", q.binding())
	q.bind()
	return true
}

func (q *inquiry) binding() string {
	if !q.key.Facts.Symmetric() || q.another != "" {
		return "ask for kms:CallerAccount"
	}
	return "ask for kms:CallerAccount and kms:ViaService"
}

// whichServices is what a person has to decide about a key that is not for secrets alone.
const whichServices = "who uses it, and through which services; "

// bind keeps use within the account, and within Secrets Manager where the key is for secrets.
func (q *inquiry) bind() {
	q.fault.by = withinAccount(q.fault.by, q.key)
	switch {
	case q.another != "":
		q.fault.decide = whichServices + q.another
	case q.key.Facts.Symmetric():
		q.fault.by = throughSecretsManager(q.fault.by, q.key)
	}
}

// ofNoOrganization is a context of a request by somebody whose account is in none.
func ofNoOrganization(context map[string][]string) map[string][]string {
	out := maps.Clone(context)
	out["aws:PrincipalOrgID"], out["aws:PrincipalOrgPaths"] = nil, nil
	return out
}

// accounts finds those that the statement names, or that conditions do, and that are not approved.
func (q *inquiry) accounts(actions []string) bool {
	if len(actions) == 0 {
		return false
	}
	examples := map[string][]policy.Principal{}
	var accounts []string
	add := func(account string, more ...policy.Principal) {
		if !isAccount(account) || slices.Contains(q.insiders(q.key), account) {
			return
		}
		if !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
			examples[account] = []policy.Principal{roleOf(q.key, account)}
		}
		examples[account] = append(examples[account], more...)
	}
	if q.statement.Principal != nil {
		for _, name := range q.statement.Principal.AWS {
			if p, err := policy.ParsePrincipal(name); err == nil {
				add(p.Account, p)
			}
		}
	}
	exact := func(value string) string { return value }
	for _, value := range draw(q.conditions, exact, "kms:CallerAccount", "aws:PrincipalAccount") {
		add(value.example)
	}
	for _, value := range draw(q.conditions, exact, "aws:PrincipalArn") {
		if p, err := policy.ParsePrincipal(q.foreignRole(q.key, value.value)); err == nil && arn.Of(value.value).Account == p.Account {
			add(p.Account, p)
		}
	}
	var in, maybe, none []string
	for _, account := range accounts {
		all := policy.Principal{Kind: policy.KindSomebody, Account: account}
		people := examples[account]
		if slices.ContainsFunc(q.snapshot.Accounts, func(a inventory.Account) bool { return a.ID == account }) {
			all.OrganizationID = q.snapshot.Organization.ID
		}
		for i := range people {
			people[i].OrganizationID = all.OrganizationID
		}
		switch answer := q.among(actions, people, all); {
		case answer == policy.ImplicitlyDenied:
		case q.among(q.crossing(), people, all) == policy.ImplicitlyDenied:
			none = append(none, account)
		case answer == policy.Allowed:
			in = append(in, account)
		default:
			maybe = append(maybe, account)
		}
	}
	const fix = "remove it, or approve the account"
	if len(in) > 0 {
		q.fault.add("it lets in account "+strings.Join(in, " and account ")+", not approved", fix)
	}
	if len(maybe) > 0 {
		q.fault.doubt("it may let in account "+strings.Join(maybe, " and account ")+", not approved: that depends on the request", fix)
	}
	if len(none) > 0 {
		q.fault.add("it names account "+strings.Join(none, " and account ")+", not approved"+idle, fix)
	}
	q.named = slices.Concat(in, maybe, none)
	q.remove(q.named)
	return len(q.named) > 0
}

// remove takes accounts and organizations out of the statement.
func (q *inquiry) remove(names []string) {
	f := q.fault
	for i := range f.by {
		f.by[i].Principal = without(f.by[i].Principal, names)
		conditions, emptied := withoutValues(f.by[i].Conditions, names)
		if f.by[i].Conditions = conditions; emptied {
			f.by[i].Principal, f.by[i].NotPrincipal = &policy.PrincipalSet{}, nil // nobody is left
		}
	}
	f.by = slices.DeleteFunc(f.by, nobody)
}

// organizations finds those that conditions let in and that are not ours.
func (q *inquiry) organizations() bool {
	ours := q.snapshot.Organization.ID
	var values []string
	for _, of := range draw(q.conditions, organizationLike, "aws:PrincipalOrgID", "aws:PrincipalOrgPaths") {
		if of.example == ours {
			continue
		}
		p := policy.Principal{Kind: policy.KindSomebody, NotAccounts: q.insiders(q.key), OrganizationID: of.example}
		what := "organization " + of.example
		if wild(organization(of.value)) {
			what = "organizations like " + organization(of.value)
		}
		switch answer := q.among(q.decides(), []policy.Principal{p}); {
		case answer == policy.ImplicitlyDenied:
			continue
		case ours == "":
			q.doubtOurs(what)
			continue
		case q.among(q.crossing(), []policy.Principal{p}) == policy.ImplicitlyDenied:
			q.fault.add("it names "+what+", not yours"+idle, "remove it")
		case answer == policy.Unknown:
			q.fault.doubt("it lets in "+what+", not yours", "remove it")
		default:
			q.fault.add("it lets in "+what+", not yours", "remove it")
		}
		values = append(values, of.value)
	}
	if len(values) > 0 {
		q.remove(values)
	}
	return q.managed() || len(values) > 0 || q.fault.decide == whoseOrganization
}

// managed finds organizations that conditions may let in by the account that manages them. That is not certain, and of ours neither.
func (q *inquiry) managed() bool {
	found := false
	for _, of := range draw(q.conditions, arn.Example, manager) {
		callers := q.people(policy.Principal{Kind: policy.KindSomebody, NotAccounts: q.insiders(q.key), OrganizationID: elsewhere})
		for i := range callers {
			callers[i].context = maps.Clone(callers[i].context)
			callers[i].context[manager] = []string{of.example}
		}
		if q.only.worst(q.opens(), callers...) == policy.ImplicitlyDenied {
			continue
		}
		whose := "not yours"
		switch q.snapshot.Organization.ManagementAccount {
		case "":
			whose = "of which it is not known whether it is yours"
		case of.example:
			whose = "yours"
		}
		q.fault.doubt("it may let in the organization that account "+of.value+" manages, "+whose+": no page of AWS describes "+manager, "ask for aws:PrincipalOrgID")
		q.fault.decide, found = "which organization is meant", true
	}
	return found
}

// whoseOrganization is what a person has to decide where the snapshot does not say which organization is ours.
const whoseOrganization = "whether that organization is yours, which the snapshot does not say; one that was taken with the organization does"

func (q *inquiry) doubtOurs(what string) {
	q.fault.doubt("it lets in "+what+", of which it is not known whether it is yours", "remove it if it is not")
	q.fault.decide = whoseOrganization
}

// organization is the id at the beginning of an organization's path.
func organization(path string) string {
	id, _, _ := strings.Cut(path, "/")
	return id
}

// organizationLike is an example of an organization that a value is of; "" where it is a variable.
func organizationLike(value string) string {
	if strings.Contains(value, "${") {
		return ""
	}
	return arn.Example(organization(value))
}

// patterns finds patterns of roles and accounts that some of other accounts fit.
func (q *inquiry) patterns() bool {
	found := false
	add := func(answer policy.Answer, whom string) {
		switch answer {
		case policy.Allowed:
			q.fault.add("it lets in "+whom, "ask for kms:CallerAccount")
		case policy.Unknown:
			q.fault.doubt("it may let in "+whom, "ask for kms:CallerAccount")
		default:
			return
		}
		found = true
	}
	for _, like := range draw(q.conditions, func(value string) string { return q.foreignRole(q.key, value) }, "aws:PrincipalArn") {
		if p, err := policy.ParsePrincipal(like.example); err == nil && arn.Of(like.value).Account != p.Account {
			p.OrganizationID = elsewhere
			add(q.among(q.opens(), []policy.Principal{p}), "whoever makes a principal named "+like.value+" in an account of their own")
		}
	}
	if tags := q.tags(); len(tags) > 0 { // anybody may tag a principal of their own
		p := roleOf(q.key, stranger)
		p.OrganizationID, p.Tags = elsewhere, tags
		if q.among(q.opens(), []policy.Principal{p}) == policy.Allowed {
			add(policy.Allowed, "whoever gives a principal in an account of their own the tag "+strings.Join(slices.Sorted(maps.Keys(tags)), " and "))
		}
	}
	for _, like := range draw(q.conditions, func(value string) string { return q.account(q.key, value) }, "kms:CallerAccount", "aws:PrincipalAccount") {
		if wild(like.value) {
			p := roleOf(q.key, like.example)
			p.OrganizationID = elsewhere
			add(q.among(q.opens(), []policy.Principal{p}), "every account like "+like.value)
		}
	}
	return found
}

// unclear are names of the statement that do not say of which account they are.
func (q *inquiry) unclear() []string {
	if q.statement.Principal == nil {
		return nil
	}
	return append(slices.DeleteFunc(slices.Clone(q.statement.Principal.AWS), attributed), q.statement.Principal.CanonicalUser...)
}

// attributed reports whether a name says of which account it is.
func attributed(name string) bool { return name == "*" || isAccount(name) || arn.Is(name) }

// unattributed reports whether it does not, as the unique id of somebody who was deleted.
func unattributed(name string) bool { return !attributed(name) }

// namesUnclear finds names that do not say of which account they are, and takes them out.
func (f *fault) namesUnclear(names []string) {
	f.doubt("it names "+strings.Join(names, " and ")+", which does not say of which account it is", "remove it")
	for i := range f.by {
		f.by[i].Principal = withoutUnclear(f.by[i].Principal)
	}
	f.by = slices.DeleteFunc(f.by, nobody)
}

func withoutUnclear(set *policy.PrincipalSet) *policy.PrincipalSet {
	if set == nil {
		return nil
	}
	kept := *set
	kept.AWS, kept.CanonicalUser = slices.DeleteFunc(slices.Clone(set.AWS), unattributed), nil
	return &kept
}

// federated finds identities that a provider signs in: whom, nothing in the account decides.
func (q *inquiry) federated(actions []string) {
	if q.statement.Principal == nil {
		return
	}
	for _, provider := range q.statement.Principal.Federated {
		answer := q.only.worst(actions, caller{principal: policy.Principal{Kind: policy.KindFederated, Name: provider, ARN: arn.Of(provider).String()}})
		detail, fix := "whoever "+provider+" signs in may use the key", "remove it, and name the role that they take"
		switch answer {
		case policy.ImplicitlyDenied:
			continue
		case policy.Unknown:
			q.fault.doubt(detail, fix)
		default:
			q.fault.add(detail, fix)
		}
		for i := range q.fault.by {
			if set := q.fault.by[i].Principal; set != nil {
				kept := *set
				kept.Federated = slices.DeleteFunc(slices.Clone(set.Federated), func(name string) bool { return name == provider })
				q.fault.by[i].Principal = &kept
			}
		}
	}
	q.fault.by = slices.DeleteFunc(q.fault.by, nobody)
}
