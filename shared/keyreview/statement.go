package keyreview

import (
	"cmp"
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
	putPolicy = "kms:PutKeyPolicy"
	grant     = "kms:CreateGrant"
)

// useActions are the ways to use a key for secrets.
var useActions = []string{decrypt, "kms:GenerateDataKey", "kms:Encrypt"}

// openActions are all ways to get at what a key protects, or to speak in its name.
var openActions = append(slices.Clone(useActions), "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair",
	"kms:GenerateDataKeyPairWithoutPlaintext", "kms:Sign", "kms:GenerateMac", "kms:DeriveSharedSecret")

// manageActions decide about a key: who may use it, and whether it can be used.
var manageActions = []string{putPolicy, "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ReplicateKey"}

// covered are the actions of a list that a statement is about.
func covered(s policy.Statement, actions []string) []string {
	return slices.DeleteFunc(slices.Clone(actions), func(action string) bool { return !covers(s, action) })
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

// covers reports whether a statement is about an action, whoever asks.
func covers(s policy.Statement, action string) bool {
	open := bare(s)
	open.Effect, open.Principal, open.NotPrincipal, open.Conditions = policy.Allow, &policy.PrincipalSet{All: true}, nil, nil
	d, err := policy.New("statement", open)
	if err != nil {
		return true // a statement that cannot stand alone is not ruled out
	}
	role := arn.Standard.Role(stranger, anybody) // the partition is all the same: nothing but the action is asked for
	answer := policy.Evaluate(policy.Request{Principal: policy.Principal{Kind: policy.KindRole, Account: stranger, Name: "x", ARN: role, Role: role},
		Action: action, Resource: arn.Standard.New("kms", "us-east-1", stranger, "key/x").String()},
		policy.Policies{Identity: []*policy.Document{anything}, Resource: d, ResourceKind: policy.ResourceKey}).Answer
	return answer == policy.Allowed
}

const (
	stranger = "000000000000" // an account that has nothing to do with the organization
	anybody  = "anybody"      // a role that no policy names
)

// caller is somebody in some account who tries to use a key.
type caller struct {
	account string
	arn     string // "" is a role that no policy names
	iam     bool   // their own policies allow everything; else nothing
	through bool   // through Secrets Manager; else directly
	via     string // through another service, by what kms:ViaService holds; ""
	action  string // "" is kms:Decrypt
	org     string // the organization of an account that is not in ours; "" is none
}

// answer is what the key policy, of this one Allow and all its Denies, says to a caller.
func answer(k *inventory.Key, d *policy.Document, allow policy.Statement, c caller, org inventory.Organization) policy.Answer {
	statements := []policy.Statement{bare(allow)}
	for _, s := range d.Statements {
		if s.Effect == policy.Deny {
			statements = append(statements, bare(s))
		}
	}
	alone, err := policy.New(d.Name, statements...)
	if err != nil {
		return policy.Unknown
	}
	who := c.arn
	if who == "" {
		who = arn.Of(k.Facts.ARN).Partition.Role(c.account, anybody)
	}
	p, err := policy.ParsePrincipal(who)
	if err != nil {
		return policy.Unknown
	}
	p.OrganizationID = org.ID
	if c.account == stranger {
		p.OrganizationID = cmp.Or(c.org, "o-stranger") // none that a policy names
	}
	context := describes(k.Facts)
	context["aws:ViaAWSService"], context["aws:RequestedRegion"], context["aws:SecureTransport"] = []string{"false"}, []string{k.Facts.Region}, []string{"true"}
	context["kms:CallerAccount"], context["kms:ViaService"] = []string{p.Account}, nil // none: directly
	if c.through || c.via != "" {
		context["kms:ViaService"] = []string{cmp.Or(c.via, viaService(k))}
		context["aws:ViaAWSService"] = []string{"true"}
	}
	identity := unrelated
	if c.iam {
		identity = anything
	}
	request := policy.Request{Principal: p, Action: cmp.Or(c.action, decrypt), Resource: k.Facts.ARN, ResourceAccount: k.Facts.Account, Context: context, Open: true}
	return policy.Evaluate(request, policy.Policies{Identity: []*policy.Document{identity}, Resource: alone, ResourceKind: policy.ResourceKey}).Answer
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

// viaService is what kms:ViaService holds when Secrets Manager calls with the key.
func viaService(k *inventory.Key) string {
	return arn.PartitionOf(k.Facts.Region).Regional("secretsmanager", k.Facts.Region)
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

// otherAccounts are the accounts besides the key's own that a statement names, in its Principal or in conditions on
// the caller.
func otherAccounts(s policy.Statement, own string) []string {
	var out []string
	add := func(account string) {
		if len(account) == 12 && account != own && !slices.Contains(out, account) {
			out = append(out, account)
		}
	}
	if s.Principal != nil {
		for _, name := range s.Principal.AWS {
			if p, err := policy.ParsePrincipal(name); err == nil {
				add(p.Account)
			}
		}
	}
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if strings.Contains(strings.ToLower(c.Operator), "not") || key != "kms:calleraccount" && key != "aws:principalaccount" && key != "aws:principalarn" {
			continue
		}
		for _, value := range c.Values {
			if arn.Is(value) {
				value = arn.Of(value).Account
			}
			add(value)
		}
	}
	return out
}

// printed is a statement as JSON.
func printed(s policy.Statement) string {
	d, err := policy.New("statement", bare(s))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(d.Minified()), `{"Version":"2012-10-17","Statement":[`), `]}`)
}

// change replaces one statement by others, and returns the policy after it and the diff; "" where nothing valid is left.
func change(d *policy.Document, index int, by ...policy.Statement) (after, difference string) {
	var statements []policy.Statement
	for i, s := range d.Statements {
		if i == index {
			statements = append(statements, by...)
		} else {
			statements = append(statements, bare(s))
		}
	}
	if len(statements) == 0 {
		return "", ""
	}
	changed, err := policy.New(d.Name, statements...)
	if err != nil {
		return "", ""
	}
	return string(changed.Minified()), diff(string(d.Print()), string(changed.Print()))
}
