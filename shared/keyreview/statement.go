package keyreview

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	decrypt   = "kms:Decrypt"
	generate  = "kms:GenerateDataKey"
	encrypt   = "kms:Encrypt"
	putPolicy = "kms:PutKeyPolicy"
	grant     = "kms:CreateGrant"
	revoke    = "kms:RevokeGrant"
	replicate = "kms:ReplicateKey"

	reEncryptFrom = "kms:ReEncryptFrom"
	reEncryptTo   = "kms:ReEncryptTo"
)

// useActions are the ways to use a key for secrets.
var useActions = []string{decrypt, generate, encrypt}

// openActions are all ways to get at what a key protects, or to speak in its name.
var openActions = append(slices.Clone(useActions), reEncryptFrom, reEncryptTo, "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair",
	"kms:GenerateDataKeyPairWithoutPlaintext", "kms:Sign", "kms:GenerateMac", "kms:DeriveSharedSecret")

// manageActions decide about a key: who may use it, and whether it can be used.
var manageActions = []string{putPolicy, "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial", "kms:UpdateAlias", "kms:DeleteAlias", replicate}

// administration are all actions on a key that do not use it nor hand it on: what a fix that takes use away leaves, whatever the key's kind.
func administration() []string {
	uses := append(slices.Clone(openActions), grant, "kms:Verify", "kms:VerifyMac", "kms:GetPublicKey")
	var out []string
	for _, name := range policy.OnKeys() {
		if action := "kms:" + name; !slices.Contains(uses, action) {
			out = append(out, action)
		}
	}
	slices.Sort(out)
	return out
}

// grantActions are about grants that are there. Like use, and unlike what decides about a key, KMS takes them from other accounts as well. That
// a policy allows kms:RetireGrant says nothing: who may retire a grant is in the grant.
// Source: KMS API Reference, RevokeGrant, ListGrants and RetireGrant, "Cross-account use" and "Required permissions".
var grantActions = []string{revoke, "kms:ListGrants"}

// covered are the actions of a list that a statement of the key's policy is about.
func covered(k *inventory.Key, s policy.Statement, actions []string) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(action string) bool { return !covers(k, s, action) })
}

var (
	anything  = policy.MustParse("any IAM policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	unrelated = policy.MustParse("no IAM policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"none:Nothing","Resource":"*"}]}`)
)

// bare is a statement without what parsing added to it, ready for policy.New.
func bare(s policy.Statement) policy.Statement {
	return policy.Statement{SID: s.SID, Effect: s.Effect, Principal: s.Principal, NotPrincipal: s.NotPrincipal, Actions: s.Actions, NotActions: s.NotActions,
		Resources: s.Resources, NotResources: s.NotResources, Conditions: s.Conditions}
}

// covers reports whether a statement of the key's policy is about an action, whoever asks.
func covers(k *inventory.Key, s policy.Statement, action string) bool {
	open := bare(s)
	open.Effect, open.Principal, open.NotPrincipal, open.Conditions = policy.Allow, &policy.PrincipalSet{All: true}, nil, nil
	d, err := policy.New("statement", open)
	if err != nil {
		return true // a statement that cannot stand alone is not ruled out
	}
	o := only{key: k, document: d}
	return o.answer(caller{principal: roleOf(k, stranger), iam: true, action: action}) != policy.ImplicitlyDenied
}

const (
	stranger  = "000000000000" // an account that has nothing to do with the organization
	anybody   = "anybody"      // a role that no policy names
	elsewhere = "o-stranger"   // an organization that no policy names
)

// manager is a condition key that people use for the account that manages the caller's organization. No page of AWS describes it.
const manager = "aws:PrincipalOrgMasterAccountId"

// caller is somebody who tries to use a key.
type caller struct {
	principal policy.Principal
	iam       bool // their own policies allow everything; else nothing
	action    string
	// context is that of the request; a key without values is known to be absent, one that is not here is unknown. Of several
	// values of kms:ViaService the request has one.
	context map[string][]string
}

// roleOf is a role of an account that no policy names.
func roleOf(k *inventory.Key, account string) policy.Principal {
	name := arn.Of(k.Facts.ARN).Partition.Role(account, anybody)
	return policy.Principal{Kind: policy.KindRole, Account: account, Name: anybody, ARN: name, Role: name}
}

const (
	viaService     = "kms:ViaService"
	secretsManager = "secretsmanager"
)

// directly and through are the context of a request that a caller makes, or a service for the caller, by what kms:ViaService may hold.
// Source: KMS Developer Guide, "kms:GrantIsForAWSResource": a service makes the grant for the caller.
func directly() map[string][]string {
	return map[string][]string{viaService: nil, "aws:ViaAWSService": {"false"}, "kms:GrantIsForAWSResource": {"false"}}
}

func through(forms ...string) map[string][]string {
	return map[string][]string{viaService: forms, "aws:ViaAWSService": {"true"}, "kms:GrantIsForAWSResource": {"true"}}
}

// only is one Allow of a key's policy by itself, beside all Denies of the policy.
type only struct {
	key          *inventory.Key
	document     *policy.Document // nil where the statement cannot stand alone
	organization inventory.Organization
	path         string // aws:PrincipalOrgPaths of the key's account; "" where it is not known
}

func (r *review) only(k *inventory.Key, d *policy.Document, allow policy.Statement) only {
	statements := []policy.Statement{bare(allow)}
	for _, s := range d.Statements {
		if s.Effect == policy.Deny {
			statements = append(statements, bare(s))
		}
	}
	alone, err := policy.New(d.Name, statements...)
	if err != nil {
		alone = nil
	}
	return only{key: k, document: alone, organization: r.snapshot.Organization, path: r.path(k.Facts.Account)}
}

// path is aws:PrincipalOrgPaths of the organization's account; "" where it is not known.
// Source: IAM User Guide, "aws:PrincipalOrgPaths": the organization, the root and all OUs, each with a slash behind it.
func (r *review) path(account string) string {
	of := slices.IndexFunc(r.snapshot.Accounts, func(a inventory.Account) bool { return a.ID == account && len(a.Path) > 0 })
	if of < 0 || r.snapshot.Organization.ID == "" {
		return ""
	}
	return strings.Join(append([]string{r.snapshot.Organization.ID}, r.snapshot.Accounts[of].Path...), "/") + "/"
}

func (o only) answer(c caller) policy.Answer {
	if o.document == nil {
		return policy.Unknown
	}
	k := o.key
	if c.principal.Account == k.Facts.Account && c.principal.OrganizationID == "" {
		c.principal.OrganizationID, c.principal.OrganizationPath = o.organization.ID, o.path
	}
	context := describes(k.Facts)
	context["aws:RequestedRegion"], context["aws:SecureTransport"] = []string{k.Facts.Region}, []string{"true"}
	if o.organization.ID != "" {
		context["aws:ResourceOrgID"] = []string{o.organization.ID}
		if o.path != "" {
			context["aws:ResourceOrgPaths"] = []string{o.path}
		}
	}
	maps.Copy(context, c.context)
	if c.action != grant && !slices.Contains(grantActions, c.action) {
		context["kms:GrantIsForAWSResource"] = nil // Source: KMS Developer Guide, "kms:GrantIsForAWSResource": of CreateGrant, ListGrants and RevokeGrant
	}
	identity := unrelated
	if c.iam {
		identity = anything
	}
	request := policy.Request{Principal: c.principal, Action: c.action, Resource: k.Facts.ARN, ResourceAccount: k.Facts.Account, Context: context, Open: true}
	if forms := context[viaService]; len(forms) > 0 {
		request.OneOf = map[string][]string{viaService: forms}
		delete(context, viaService)
	}
	return policy.Evaluate(request, policy.Policies{Identity: []*policy.Document{identity}, Resource: o.document, ResourceKind: policy.ResourceKey}).Answer
}

// worst is the most that one of the callers may do by one of the actions.
func (o only) worst(actions []string, callers ...caller) policy.Answer {
	found := policy.ImplicitlyDenied
	for _, c := range callers {
		for _, c.action = range actions {
			switch o.answer(c) {
			case policy.Allowed:
				return policy.Allowed
			case policy.Unknown:
				found = policy.Unknown
			}
		}
	}
	return found
}

// describes is what policies may ask of a key, as far as it was read. Source: Service Authorization Reference, AWS KMS,
// resource type key; the deprecated names of spec and usage still work.
func describes(k guard.Key) map[string][]string {
	out := map[string][]string{}
	for name, value := range map[string]string{"kms:KeyOrigin": k.Origin, "kms:KeySpec": k.Spec, "kms:CustomerMasterKeySpec": k.Spec,
		"kms:KeyUsage": k.Usage, "kms:CustomerMasterKeyUsage": k.Usage} {
		if value != "" {
			out[name] = []string{value}
		}
	}
	if k.Aliases != nil {
		out["kms:ResourceAliases"] = k.Aliases
	}
	if k.Manager != guard.ManagerUnknown {
		out["kms:MultiRegion"] = []string{strconv.FormatBool(k.MultiRegion)}
		if !k.MultiRegion {
			out["kms:MultiRegionKeyType"] = nil // only multi-Region keys have one
		}
	}
	return out
}

// viaServices are what kms:ViaService may hold when Secrets Manager calls with the key.
func viaServices(k *inventory.Key) []string {
	return arn.PartitionOf(k.Facts.Region).ViaService(secretsManager, k.Facts.Region)
}

// viaForms are what kms:ViaService may hold where one form of it is known; whatever else a policy asks for stands for itself.
func viaForms(of string) []string {
	service, rest, _ := strings.Cut(of, ".")
	region, _, _ := strings.Cut(rest, ".")
	if forms := arn.PartitionOf(region).ViaService(service, region); slices.Contains(forms, of) {
		return forms
	}
	return []string{of}
}

// isRoot reports whether the statement names an account as a whole and nobody else.
func isRoot(s policy.Statement, account string) bool {
	if s.Principal == nil || s.Principal.All || len(s.Principal.AWS) == 0 || len(s.Principal.Service)+len(s.Principal.Federated) > 0 {
		return false
	}
	return !slices.ContainsFunc(s.Principal.AWS, func(name string) bool {
		root := arn.Of(name)
		return name != account && (root.Service != "iam" || root.Account != account || root.Resource != "root")
	})
}

// printed is a statement as JSON.
func printed(s policy.Statement) string {
	d, err := policy.New("statement", bare(s))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(d.Minified()), `{"Version":"2012-10-17","Statement":[`), `]}`)
}

// change replaces statements, by their index, by others, and returns the policy after it and the diff; "" where nothing valid is left. No Sid of
// the others is there already. Source: IAM User Guide, "IAM JSON policy elements: Sid".
func change(d *policy.Document, by map[int][]policy.Statement) (after, difference string) {
	var statements []policy.Statement
	taken := map[string]bool{"": true}
	for i, s := range d.Statements {
		if _, changed := by[i]; !changed {
			taken[s.SID] = true
		}
	}
	add := func(s policy.Statement) {
		if s.Principal = withoutDeleted(s.Principal); !nobody(s) {
			statements = append(statements, s)
		}
	}
	for i, s := range d.Statements {
		if others, changed := by[i]; changed {
			for _, other := range others {
				name := other.SID
				for n := 2; taken[other.SID] && name != ""; n++ {
					other.SID = name + strconv.Itoa(n)
				}
				taken[other.SID] = true
				add(other)
			}
		} else {
			add(bare(s))
		}
	}
	if len(statements) == 0 {
		return "", ""
	}
	written := policy.Document{Version: d.Version, ID: d.ID, Statements: statements} // a 2008 one knows no variables, and is to mean the same
	changed, err := policy.Parse(d.Name, written.Print())
	if err != nil {
		return "", ""
	}
	return string(changed.Minified()), diff(string(d.Print()), string(changed.Print()))
}

// withoutDeleted leaves out the unique ids of users and roles that were deleted: they match nobody any more, and KMS takes no policy with one.
// Source: IAM User Guide, "AWS JSON policy elements: Principal": the ARN becomes a unique id where the principal is deleted, and the policy cannot
// be saved with it.
func withoutDeleted(set *policy.PrincipalSet) *policy.PrincipalSet {
	if set == nil {
		return nil
	}
	kept := *set
	kept.AWS = slices.DeleteFunc(slices.Clone(set.AWS), unattributed)
	return &kept
}
