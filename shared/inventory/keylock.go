package inventory

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

const decrypt = "kms:Decrypt"

// keyUse is the second lock: one key, as Secrets Manager uses it for one secret.
type keyUse struct {
	target policy.Target
	key    string // ARN; guard.DefaultKeyID where the AWS managed key's is not known
	grants string // why the grants are not known; "" when they are
	shared string // why AWS RAM may let in whom the key policy does not; "" when it does not
	closed string // why the key opens nothing now, for anybody
	doubt  string // why it is not known whether it does
}

// known prefers what the snapshot holds of a key to what the secret's facts say.
func (a *Access) known(k guard.Key) Key {
	if found := a.keys[k.ARN]; found != nil && k.ARN != "" {
		return *found
	}
	return Key{Facts: k, PolicyUnread: "the key is not in the snapshot", GrantsUnread: "the key is not in the snapshot",
		SharedUnread: "the key is not in the snapshot"}
}

// keyUse is kms:Decrypt by Secrets Manager in the name of the reader. version "" is one that is not known.
// Source: Secrets Manager User Guide, "Secret encryption and decryption"; KMS Developer Guide, condition keys.
func (a *Access) keyUse(s *Secret, k Key, version string) keyUse {
	use := keyUse{key: k.Facts.ARN, grants: k.GrantsUnread, shared: sharing(k)}
	if k.Facts.Manager == guard.ManagerAWS {
		return a.managedUse(s, k, version)
	}
	account, region := k.Facts.Account, k.Facts.Region
	if use.key == "" { // an alias that could not be resolved
		use.key = k.Facts.ID
	}
	use.target = policy.Target{ARN: use.key, Account: account, Kind: policy.ResourceKey, Policy: a.keyPolicy(&k), Grants: a.grantsOf(k)}
	a.addResourceOrganization(&use.target)
	a.addUse(&use.target, s, region, version)
	// A key that opens a copy, or that is set for those to come, is a symmetric encryption key, whether or not that was read.
	// Source: Secrets Manager User Guide, "Secret encryption and decryption".
	addKey(&use.target, k.Facts, guard.CopiesOf(s.Facts).Under(k.Facts))
	use.closed, use.doubt = stateOf(k.Facts)
	return use
}

// managedUse is the AWS managed key: its policy lets every caller of its own account use it through Secrets Manager.
// Source: Secrets Manager User Guide, "Permissions for the KMS key".
func (a *Access) managedUse(s *Secret, k Key, version string) keyUse {
	account, region := s.Facts.Account, s.Facts.Region
	use := keyUse{key: k.Facts.ARN}
	if use.key == "" {
		use.key = guard.DefaultKeyID
	}
	keyARN := k.Facts.ARN
	if keyARN == "" {
		keyARN = arn.PartitionOf(region).New("kms", region, account, "key/"+guard.DefaultKeyID).String()
	}
	use.target = policy.Target{ARN: keyARN, Account: account, Kind: policy.ResourceKey, AWSManagedKey: true,
		Policy: a.documents.read("aws/secretsmanager", managedPolicy(account, region))}
	a.addResourceOrganization(&use.target)
	a.addUse(&use.target, s, region, version)
	addKey(&use.target, guard.Key{Manager: guard.ManagerAWS, Origin: "AWS_KMS", Aliases: []string{guard.DefaultKeyAlias}}, true)
	return use
}

// addUse adds the condition keys of a call that Secrets Manager makes for the reader.
func (a *Access) addUse(t *policy.Target, s *Secret, region, version string) {
	c := t.Context
	t.OneOf[viaServiceKey] = viaForms(s.Facts.Region)
	c["aws:ViaAWSService"] = []string{"true"}
	c["aws:RequestedRegion"] = []string{region}
	c["kms:EncryptionContextKeys"] = []string{"SecretARN", "SecretVersionId"}
	c["kms:EncryptionContext:SecretARN"] = []string{s.Facts.ARN}
	t.Absent = append(t.Absent, "kms:EncryptionContext:*")
	if version != "" {
		c[secretVersion] = []string{version}
	} else {
		t.Unknown = append(t.Unknown, secretVersion)
	}
}

// symmetric is what Secrets Manager's keys are, and the algorithm it uses them with.
const (
	symmetric = "SYMMETRIC_DEFAULT"
	encrypts  = "ENCRYPT_DECRYPT"
)

// addKey adds what policies may ask of a key, as far as it was read; the rest stays open.
// Source: KMS Developer Guide, "Condition keys for AWS KMS": all operations on a key have them, but for kms:MultiRegionKeyType,
// which is there on multi-Region keys alone; the deprecated names of spec and usage still work.
func addKey(t *policy.Target, k guard.Key, symmetricSurely bool) {
	spec, usage := k.Spec, k.Usage
	if symmetricSurely {
		spec, usage = cmp.Or(spec, symmetric), cmp.Or(usage, encrypts)
	}
	facts := map[string]string{"kms:KeyOrigin": k.Origin, "kms:KeySpec": spec, "kms:CustomerMasterKeySpec": spec, "kms:KeyUsage": usage,
		"kms:CustomerMasterKeyUsage": usage}
	if spec == symmetric {
		facts["kms:EncryptionAlgorithm"] = symmetric
	}
	if k.Manager != guard.ManagerUnknown {
		facts["kms:MultiRegion"] = strconv.FormatBool(k.MultiRegion)
		if !k.MultiRegion {
			t.Absent = append(t.Absent, "kms:MultiRegionKeyType")
		}
	}
	for name, value := range facts {
		if value != "" {
			t.Context[name] = []string{value}
		}
	}
	if k.Aliases != nil {
		t.Context["kms:ResourceAliases"] = k.Aliases
	}
	if k.Tags != nil {
		t.Absent = append(t.Absent, "aws:ResourceTag/*")
	}
	for name, value := range k.Tags {
		t.Context["aws:ResourceTag/"+name] = []string{value}
	}
}

func (a *Access) keyPolicy(k *Key) *policy.Document {
	name := k.Facts.ARN
	if k.PolicyUnread != "" {
		return missing(name, k.PolicyUnread)
	}
	return a.documents.read(name, k.Policy)
}

func (a *Access) grantsOf(k Key) []policy.Grant {
	var out []policy.Grant
	for _, g := range k.Grants {
		of := a.principals[g.Grantee]
		out = append(out, policy.Grant{Older: of != nil && of.Former("", g.CreatedAt), ID: g.ID, Grantee: g.Grantee, Retiring: g.Retiring, Operations: g.Operations,
			EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset})
	}
	return out
}

// stateOf says why a key opens nothing, or why that is not known.
func stateOf(k guard.Key) (closed, doubt string) {
	switch {
	case k.State == guard.KeyStateUnknown || k.Manager == guard.ManagerUnknown:
		return "", "the metadata of key " + k.ID + " could not be read"
	case k.Unusable():
		return "key " + k.ARN + " is " + string(k.State), ""
	case !k.CanDecrypt():
		return "", "whether key " + k.ARN + " opens anything in state " + string(k.State) + " is not known"
	}
	return "", ""
}

// ofSomeVersion is the target where the id of the version is not known.
func (u *keyUse) ofSomeVersion() policy.Target {
	t := u.target
	t.Context = maps.Clone(t.Context)
	delete(t.Context, secretVersion)
	t.Unknown = append(slices.Clip(t.Unknown), secretVersion)
	return t
}

// decide asks for the use of a key, and lets what was not read count as unknown.
func (u *keyUse) decide(w *asker, action string) policy.Decision {
	if u.closed != "" {
		return refused(u.closed)
	}
	d := ask(w, &u.target, action)
	if d.Answer == policy.ImplicitlyDenied && u.grants != "" && u.grantable(w, action) {
		return doubtful("a grant could allow it, and the grants could not be read: " + u.grants)
	}
	if d.Answer == policy.ImplicitlyDenied && u.shared != "" && u.sharable(w, action) {
		return doubtful(u.shared)
	}
	if d.Answer == policy.Allowed && u.doubt != "" {
		return doubtful(u.doubt)
	}
	return d
}

// grantable reports whether a grant, if there were one, would open the lock: a policy that denies denies grants too. A grant may name
// principals of any account and services, so one to somebody of a population, whose name is not known, stands for those.
// Source: KMS Developer Guide, "Grants in AWS KMS"; API Reference, CreateGrant, GranteePrincipal.
func (u *keyUse) grantable(w *asker, action string) bool {
	const supposed, ofAny = "supposed", "000000000000"
	t := u.target
	grantee := w.principal.ARN
	switch w.principal.Kind {
	case policy.KindService:
		grantee = cmp.Or(w.principal.Name, arn.Standard.Service(supposed))
	case policy.KindSomebody:
		grantee = arn.PartitionOf(arn.Of(t.ARN).Region).Role(cmp.Or(w.principal.Account, ofAny), supposed)
	}
	t.Grants = append(slices.Clip(t.Grants), policy.Grant{ID: supposed, Grantee: grantee, Operations: []string{strings.TrimPrefix(action, "kms:")}})
	answer := ask(w, &t, action).Answer
	return answer == policy.Allowed || answer == policy.Unknown
}

// sharing says why AWS RAM may let in whom the key policy does not; "" where the key is not shared by it.
// Source: KMS API reference, GetKeyPolicy: RAM manages the AWS_RAM key policy. How its statements count is on no page.
func sharing(k Key) string {
	switch {
	case k.SharedUnread != "":
		return "AWS RAM may share the key, and whether it does could not be read: " + k.SharedUnread
	case k.Shared != "":
		return "AWS RAM shares the key by a policy of its own, of which we do not judge whom it lets in"
	}
	return ""
}

// everybody is what a policy of AWS RAM lets in at most.
var everybody = policy.Read("AWS_RAM", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`))

// perhaps is what a policy of AWS RAM lets in, as far as it is known: it may be anybody, and anything.
var perhaps = policy.Read("AWS_RAM", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",`+
	`"Condition":{"StringEquals":{"the policy by which AWS RAM shares the key":"lets it in"}}}]}`))

// changingPolicy is the policy on a key for who may change the key. Whom AWS RAM shares it with may do so for all that is known: a
// condition that nobody knows stands for that.
func (a *Access) changingPolicy(k *Key) *policy.Document {
	d := a.keyPolicy(k)
	if sharing(*k) == "" || d.Err() != nil {
		return d
	}
	both := *d
	both.Statements = slices.Concat(d.Statements, perhaps.Statements)
	return &both
}

// sharable reports whether a policy of AWS RAM, if it let everybody in, would open the lock: what another policy denies stays so.
func (u *keyUse) sharable(w *asker, action string) bool {
	t := u.target
	both := *t.Policy
	both.Statements = slices.Concat(both.Statements, everybody.Statements)
	t.Policy = &both
	answer := ask(w, &t, action).Answer
	return answer == policy.Allowed || answer == policy.Unknown
}

func doubtful(why string) policy.Decision {
	return policy.Decision{Answer: policy.Unknown, Unreadable: []string{why}, Why: "unknown: " + why}
}

// managedPolicy is the policy that AWS puts on its key for Secrets Manager, as far as it concerns reading and writing. It names the service in
// whichever form its Region has.
func managedPolicy(account, region string) string {
	forms, err := json.Marshal(viaForms(region))
	if err != nil {
		return "" // strings are always written
	}
	return `{"Version":"2012-10-17","Id":"auto-secretsmanager-2","Statement":[{` +
		`"Sid":"Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager",` +
		`"Effect":"Allow","Principal":{"AWS":["*"]},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `","kms:ViaService":` + string(forms) + `}}},{` +
		`"Sid":"The same, to write","Effect":"Allow","Principal":{"AWS":["*"]},"Action":"kms:GenerateDataKey*","Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `"},"StringLike":{"kms:ViaService":"secretsmanager.*"}}}]}`
}

const viaServiceKey = "kms:ViaService"

// viaForms are what kms:ViaService may hold when Secrets Manager calls for a reader.
func viaForms(region string) []string {
	return arn.PartitionOf(region).ViaService("secretsmanager", region)
}
