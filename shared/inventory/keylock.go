package inventory

import (
	"slices"

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
	closed string // why the key opens nothing now, for anybody
	doubt  string // why it is not known whether it does
}

// currentKeys are the keys that open the current version: any of them is enough, because a re-keyed version keeps its
// older copy. Where they were not read it is the key that is set, and there may be others; a secret without a value has
// the key that its first version will be under.
func currentKeys(s guard.Secret) (keys []guard.Key, version string, certain bool) {
	copies := guard.CopiesOf(s)
	current, found := copies.Current()
	if !found || current.More {
		return []guard.Key{s.Key}, current.Version, !copies.Unlisted && !current.More
	}
	return current.Keys, current.Version, true
}

// keyUses are the ways to open the current version.
func (a *Access) keyUses(s *Secret) []keyUse {
	keys, version, _ := currentKeys(s.Facts)
	var uses []keyUse
	for _, k := range keys {
		uses = append(uses, a.keyUse(s, a.known(k), version))
	}
	return uses
}

// known prefers what the snapshot holds of a key to what the secret's facts say.
func (a *Access) known(k guard.Key) Key {
	if found := a.keys[k.ARN]; found != nil && k.ARN != "" {
		return *found
	}
	return Key{Facts: k, PolicyUnread: "the key is not in the snapshot", GrantsUnread: "the key is not in the snapshot"}
}

// keyUse is kms:Decrypt by Secrets Manager in the name of the reader. version "" is one that is not known.
// Source: Secrets Manager User Guide, "Secret encryption and decryption"; KMS Developer Guide, condition keys.
func (a *Access) keyUse(s *Secret, k Key, version string) keyUse {
	use := keyUse{key: k.Facts.ARN, grants: k.GrantsUnread}
	if k.Facts.Manager == guard.ManagerAWS {
		return a.managedUse(s, k, version)
	}
	account, region := k.Facts.Account, k.Facts.Region
	if use.key == "" { // an alias that could not be resolved
		use.key = k.Facts.ID
	}
	use.target = policy.Target{ARN: use.key, Account: account, Kind: policy.ResourceKey, Policy: a.keyPolicy(&k), Grants: grantsOf(k)}
	a.addResourceOrganization(&use.target)
	a.addUse(&use.target, s, region, version)
	context := use.target.Context
	if k.Facts.Origin != "" {
		context["kms:KeyOrigin"] = []string{k.Facts.Origin}
	}
	if k.Facts.Aliases != nil {
		context["kms:ResourceAliases"] = k.Facts.Aliases
	} else {
		use.target.Unknown = append(use.target.Unknown, "kms:ResourceAliases")
	}
	if k.Facts.Tags == nil {
		use.target.Unknown = append(use.target.Unknown, "aws:ResourceTag/*")
	}
	for name, value := range k.Facts.Tags {
		context["aws:ResourceTag/"+name] = []string{value}
	}
	addRegions(&use.target, k.Facts)
	use.closed, use.doubt = stateOf(k.Facts)
	return use
}

// addRegions adds what a policy may ask of a multi-Region key. Which kind it is, primary or replica, was not read.
// Source: KMS Developer Guide, "kms:MultiRegion" and "kms:MultiRegionKeyType", which is there on multi-Region keys alone.
func addRegions(t *policy.Target, k guard.Key) {
	switch {
	case k.Manager == guard.ManagerUnknown:
		t.Unknown = append(t.Unknown, "kms:MultiRegion", "kms:MultiRegionKeyType")
	case k.MultiRegion:
		t.Context["kms:MultiRegion"] = []string{"true"}
		t.Unknown = append(t.Unknown, "kms:MultiRegionKeyType")
	default:
		t.Context["kms:MultiRegion"] = []string{"false"}
	}
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
	use.target.Context["kms:ResourceAliases"] = []string{"alias/aws/secretsmanager"}
	use.target.Context["kms:KeyOrigin"] = []string{"AWS_KMS"}
	addRegions(&use.target, guard.Key{Manager: guard.ManagerAWS})
	return use
}

// addUse adds the condition keys of a call that Secrets Manager makes for the reader.
func (a *Access) addUse(t *policy.Target, s *Secret, region, version string) {
	c := t.Context
	c["kms:ViaService"] = []string{viaService(s.Facts.Region)}
	c["aws:ViaAWSService"] = []string{"true"}
	c["aws:RequestedRegion"] = []string{region}
	c["kms:EncryptionContextKeys"] = []string{"SecretARN", "SecretVersionId"}
	c["kms:EncryptionContext:SecretARN"] = []string{s.Facts.ARN}
	c["kms:EncryptionAlgorithm"] = []string{"SYMMETRIC_DEFAULT"}
	for _, name := range []string{"kms:KeySpec", "kms:CustomerMasterKeySpec"} { // the second is deprecated, and works
		c[name] = []string{"SYMMETRIC_DEFAULT"}
	}
	for _, name := range []string{"kms:KeyUsage", "kms:CustomerMasterKeyUsage"} {
		c[name] = []string{"ENCRYPT_DECRYPT"}
	}
	if version != "" {
		c["kms:EncryptionContext:SecretVersionId"] = []string{version}
	} else {
		t.Unknown = append(t.Unknown, "kms:EncryptionContext:SecretVersionId")
	}
	t.Unknown = append(t.Unknown, "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "kms:RequestAlias")
}

func (a *Access) keyPolicy(k *Key) *policy.Document {
	name := k.Facts.ARN
	if k.PolicyUnread != "" {
		return missing(name, k.PolicyUnread)
	}
	return a.documents.read(name, k.Policy)
}

func grantsOf(k Key) []policy.Grant {
	var out []policy.Grant
	for _, g := range k.Grants {
		out = append(out, policy.Grant{ID: g.ID, Grantee: g.Grantee, Retiring: g.Retiring, Operations: g.Operations,
			EncryptionContextEquals: g.Equals, EncryptionContextSubset: g.Subset})
	}
	return out
}

// stateOf says why a key opens nothing, or why that is not known.
func stateOf(k guard.Key) (closed, doubt string) {
	switch {
	case k.State == guard.KeyStateUnknown || k.Manager == guard.ManagerUnknown:
		return "", "the metadata of key " + k.ID + " could not be read"
	case !k.CanDecrypt():
		return "key " + k.ARN + " is " + string(k.State), ""
	}
	return "", ""
}

// decide asks for the use of a key, and lets what was not read count as unknown.
func (u *keyUse) decide(w *asker) policy.Decision {
	if u.closed != "" {
		return refused(u.closed)
	}
	d := ask(w, &u.target, decrypt)
	if d.Answer == policy.ImplicitlyDenied && u.grants != "" && u.grantable(w) {
		return doubtful("a grant could allow it, and the grants could not be read: " + u.grants)
	}
	if d.Answer == policy.Allowed && u.doubt != "" {
		return doubtful(u.doubt)
	}
	return d
}

// grantable reports whether a grant, if there were one, would open the lock: a policy that denies denies grants too.
func (u *keyUse) grantable(w *asker) bool {
	t := u.target
	t.Grants = append(slices.Clip(t.Grants), policy.Grant{ID: "supposed", Grantee: w.principal.ARN, Operations: []string{"Decrypt"}})
	answer := ask(w, &t, decrypt).Answer
	return answer == policy.Allowed || answer == policy.Unknown
}

func doubtful(why string) policy.Decision {
	return policy.Decision{Answer: policy.Unknown, Unreadable: []string{why}, Why: "unknown: " + why}
}

// managedPolicy is the policy that AWS puts on its key for Secrets Manager, as far as it concerns reading.
func managedPolicy(account, region string) string {
	return `{"Version":"2012-10-17","Id":"auto-secretsmanager-2","Statement":[{` +
		`"Sid":"Allow access through AWS Secrets Manager for all principals in the account that are authorized to use AWS Secrets Manager",` +
		`"Effect":"Allow","Principal":{"AWS":["*"]},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `","kms:ViaService":"` + viaService(region) + `"}}}]}`
}

// viaService is what kms:ViaService holds when Secrets Manager calls for a reader.
func viaService(region string) string {
	return arn.PartitionOf(region).Regional("secretsmanager", region)
}
