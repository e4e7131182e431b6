package keyreview

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/trail"
)

// Use is one use of a key that was recorded.
type Use struct {
	// Key is the ARN of the key as far as the record names it: of an alias where it names that, and with * for what it does not say.
	Key string
	// Principal is the ARN of a role or user, of a session that of its role; the account where the record names no more, as of most
	// callers of other accounts; the name of a service that called for itself; "" where the record does not say.
	Principal string
	Action    string // one of seenActions: kms:Decrypt, …
	Via       string // a form of what kms:ViaService held, with * for a Region that is not said; "" where the key was used directly
	Alias     string // ARN of the alias that the call led to the key; "" for all other calls
	// Secret is the secret that a call to Secrets Manager was about, which used its key for the caller; empty for calls to KMS. The key is that of
	// the secret's copies, so that Key is "".
	Secret guard.SecretRef
	Maybe  bool // the record does not say all that makes it a use: whether the call succeeded, or whether a service made it
}

// seenActions are those whose callers keep them: what gets at what a key protects, hands it on or changes it.
var seenActions = slices.Concat(openActions, manageActions, []string{grant, revoke, "kms:Verify", "kms:VerifyMac", "kms:GetPublicKey", "kms:EnableKey",
	"kms:CancelKeyDeletion", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:ImportKeyMaterial", "kms:GetParametersForImport",
	"kms:CreateAlias", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion"})

// UsesOf are the uses that a record is of: a call to KMS that succeeded, or may have, and is one of seenActions, to Secrets Manager by which it
// uses a key, or to another service that names one. ReEncrypt is one of its source and one of its destination. Where the record does not say
// whether a service called for the principal, it is one of each way. All others are none.
func UsesOf(r trail.Record) []Use {
	c := r.Change
	u := Use{Principal: user(c), Action: "kms:" + c.EventName, Maybe: c.Lacks("errorCode")}
	switch {
	case c.ErrorCode != "":
		return nil
	case c.EventSource == "secretsmanager.amazonaws.com":
		return bySecretsManager(c, u)
	case c.EventSource != "kms.amazonaws.com":
		return byAnotherService(r, u)
	}
	region := cmp.Or(c.Region, "*")
	if service, through := arn.ServiceOf(c.Actor.InvokedBy); through && c.Actor.Type != "AWSService" {
		u.Via = via(service, region)
	}
	if c.EventName == "CreateAlias" || c.EventName == "UpdateAlias" {
		u.Alias = c.Alias
	}
	var uses []Use
	add := func(key, action string) {
		if managedAlias(key) {
			return
		}
		u.Key, u.Action = key, action
		if c.Actor.InvokedBy != "" || !c.Lacks("userIdentity.invokedBy") {
			uses = append(uses, u)
			return
		}
		either := u
		either.Maybe = true
		uses = append(uses, either)
		either.Via = via(secretsManager, region)
		uses = append(uses, either)
	}
	switch {
	case c.EventName == "ReEncrypt":
		from, to := reEncrypted(c)
		if from != "" {
			add(from, reEncryptFrom)
		}
		if to != "" {
			add(to, "kms:ReEncryptTo")
		}
	case slices.Contains(seenActions, u.Action):
		add(keyARN(c.Key.ID, c), u.Action)
	}
	return uses
}

// secretCalls are the calls by which Secrets Manager uses the key of a secret that is there, with the rights that it needs of the caller: a
// trail may be without the events of KMS. RotateSecret and UpdateSecret need not come to that.
// Source: Secrets Manager User Guide, "Secret encryption and decryption", "Permissions for the KMS key"; API Reference, ReplicateSecretToRegions;
// CloudTrail User Guide, "Logging management events": events of KMS can be excluded.
var secretCalls = map[string][]string{"GetSecretValue": {decrypt}, "BatchGetSecretValue": {decrypt}, "PutSecretValue": writing, "UpdateSecret": writing, "RotateSecret": writing,
	"ReplicateSecretToRegions": {decrypt}}

// keyCalls are the calls to Secrets Manager that name the key of a secret or, with each Region, of its replica there.
// Source: Secrets Manager API Reference, CreateSecret, UpdateSecret and ReplicateSecretToRegions, "Required permissions" and KmsKeyId.
var keyCalls = []string{"CreateSecret", "UpdateSecret", "ReplicateSecretToRegions"}

var (
	writing     = []string{"kms:GenerateDataKey", decrypt}
	underNewKey = append(slices.Clone(writing), "kms:Encrypt")
)

// anySecret is the id of a secret that a record may be about, of an account, and does not name.
const anySecret = "*"

// via is what kms:ViaService holds of a service in a Region.
func via(service, region string) string { return arn.PartitionOf(region).Regional(service, region) }

// bySecretsManager are the uses of keys that a call to Secrets Manager is of: of those of secrets that it names, or may be about, and of those
// that it names itself.
func bySecretsManager(c trail.Change, u Use) []Use {
	if c.Actor.Type == "AWSService" {
		return nil // Secrets Manager itself tells of a rotation
	}
	u.Via = via(secretsManager, cmp.Or(c.Region, "*"))
	secrets := []guard.SecretRef{c.Secret}
	list, _ := c.Request["secretIdList"].([]any)
	for _, id := range list {
		name, _ := id.(string)
		secrets = append(secrets, guard.SecretRef{Account: c.Account, Region: c.Region, ID: name})
	}
	hidden := c.Lacks("requestParameters")
	if hidden || c.EventName == "BatchGetSecretValue" && len(list) == 0 { // filters say which, by what the secrets were then
		secrets = []guard.SecretRef{{Account: c.Account, Region: c.Region, ID: anySecret}}
	}
	var uses []Use
	for _, secret := range secrets {
		for _, action := range secretCalls[c.EventName] {
			if u.Secret, u.Action = secret, action; secret.ID != "" {
				uses = append(uses, u)
			}
		}
	}
	if !slices.Contains(keyCalls, c.EventName) {
		return uses
	}
	u.Secret = guard.SecretRef{}
	add := func(key, region string) {
		at := c
		at.Region = region
		if u.Key = keyARN(key, at); managedAlias(u.Key) {
			return
		}
		u.Via = via(secretsManager, cmp.Or(region, "*"))
		for _, u.Action = range underNewKey {
			uses = append(uses, u)
		}
	}
	if key, _ := c.Request["kmsKeyId"].(string); key != "" || hidden {
		add(key, c.Region)
	}
	replicas, _ := c.Request["addReplicaRegions"].([]any)
	for _, item := range replicas {
		replica, _ := item.(map[string]any)
		key, _ := replica["kmsKeyId"].(string)
		region, _ := replica["region"].(string)
		if key != "" {
			add(key, region)
		}
	}
	return uses
}

// byAnotherService are the uses of the keys that a call to another service names, for a secret that it makes with the rights of its caller or for
// what it keeps itself. Whether the service came to use them, and by which right, the record does not say.
// Source: RDS User Guide and Redshift Management Guide, "Permissions required for Secrets Manager integration".
func byAnotherService(r trail.Record, u Use) []Use {
	c := r.Change
	service, _ := arn.ServiceOf(c.EventSource)
	mayName := bytes.Contains(r.Raw, []byte("kms")) || bytes.Contains(r.Raw, []byte("Kms")) || bytes.Contains(r.Raw, []byte("KMS")) // most do not
	if c.Actor.Type == "AWSService" || c.ReadOnly || service == "" || !mayName {
		return nil
	}
	u.Maybe = true
	var uses []Use
	for _, key := range keysNamed(r.Details().Request) {
		if u.Key = keyARN(key, c); managedAlias(u.Key) {
			continue
		}
		region := cmp.Or(c.Region, "*")
		for _, u.Via = range []string{via(secretsManager, region), via(service, region)} {
			for _, u.Action = range append(slices.Clone(writing), grant) {
				uses = append(uses, u)
			}
		}
	}
	return uses
}

// keysNamed are the keys that a request names, in members such as kmsKeyId, masterUserSecretKmsKeyId and kmsArn, each a single time.
func keysNamed(request any) []string {
	var out []string
	switch of := request.(type) {
	case []any:
		for _, each := range of {
			out = append(out, keysNamed(each)...)
		}
	case map[string]any:
		for name, value := range of {
			if key, is := value.(string); is && key != "" && strings.Contains(strings.ToLower(name), "kms") {
				out = append(out, key)
			} else {
				out = append(out, keysNamed(value)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// user is who used a key, as far as the record says.
// Source: CloudTrail User Guide, "CloudTrail userIdentity element".
func user(c trail.Change) string {
	switch {
	case c.Actor.PrincipalARN() != "":
		return c.Actor.PrincipalARN()
	case c.Actor.Type == "AWSService":
		return c.Actor.InvokedBy
	default:
		return c.Actor.Account
	}
}

// reEncrypted are the keys that a ReEncrypt took from and put under. A record with one key alone is of one side (that of another account
// is in the record that account gets), or of both where a ciphertext stays under its key: what the request names tells them apart, and a
// key that it names by an alias is taken for both, for nobody who was seen is to be dropped.
func reEncrypted(c trail.Change) (from, to string) {
	if c.SecondKey.ID != "" {
		return keyARN(c.Key.ID, c), keyARN(c.SecondKey.ID, c)
	}
	if c.Key.ID == "" { // no resources: what the request names
		source, _ := c.Request["sourceKeyId"].(string)
		destination, _ := c.Request["destinationKeyId"].(string)
		return keyARN(source, c), keyARN(destination, c)
	}
	one, source, destination := keyARN(c.Key.ID, c), requested(c, "sourceKeyId"), requested(c, "destinationKeyId")
	if source == "" || source == one {
		from = one
	}
	if destination == "" || destination == one {
		to = one
	}
	if from == "" && to == "" {
		return one, one
	}
	if from == "" && arn.Of(source).Account == c.Account { // its owner gets no other record
		from = source
	}
	return from, to
}

// requested is the ARN of the key that a member of the request names by ARN or id; "" where it names an alias, or nothing.
func requested(c trail.Change, member string) string {
	id, _ := c.Request[member].(string)
	if id == "" || arn.Alias(id) != "" {
		return ""
	}
	return keyARN(id, c)
}

// keyARN is the ARN of a key or alias as a call names it, completed by where the call was; any key of the Region where it names none: that
// of an account of which the record says nothing, too, for a ciphertext names its key to KMS alone.
// Source: KMS API Reference, Decrypt, KeyId: not required for a symmetric ciphertext.
func keyARN(id string, c trail.Change) string {
	if arn.Is(id) {
		return id
	}
	partition, region, account := arn.PartitionOf(c.Region), cmp.Or(c.Region, "*"), cmp.Or(c.Account, "*")
	if c.Region == "" {
		partition = "*"
	}
	switch {
	case id == "":
		return partition.New("kms", region, "*", "key/*").String()
	case strings.HasPrefix(id, "alias/"):
		return partition.New("kms", region, account, id).String()
	}
	return partition.New("kms", region, account, "key/"+id).String()
}

// managedAlias reports whether an alias is one of AWS's own, which no key of a customer has.
// Source: KMS API Reference, CreateAlias: a name cannot begin with alias/aws/.
func managedAlias(name string) bool { return strings.HasPrefix(arn.Of(name).Resource, "alias/aws/") }

// concerns says whether a use is one of a key, and whether that is certain. An alias may have led to another key then: it counts for the
// key that has it now, for those that it was seen to be led to, and where none has it for all that could have had it.
func (r *review) concerns(k *inventory.Key, u Use) (is, certain bool) {
	if u.Key == k.Facts.ARN {
		return true, true
	}
	if u.Secret.ID != "" {
		return slices.ContainsFunc(r.under[k.Facts.ARN], func(s *inventory.Secret) bool { return named(s.Facts, u.Secret) }), false
	}
	if arn.Alias(u.Key) == "" {
		return wild(u.Key) && arn.Match(u.Key, k.Facts.ARN), false
	}
	if !arn.Match(u.Key, alias(k, arn.Of(u.Key).Resource)) {
		return false, false
	}
	return has(k, u.Key) || k.Facts.Aliases == nil || !slices.ContainsFunc(r.snapshot.Keys, func(k inventory.Key) bool { return has(&k, u.Key) }) ||
		slices.ContainsFunc(r.std.Seen, func(led Use) bool { return led.Alias == u.Key && led.Key == k.Facts.ARN }), false
}

// named reports whether a record names a secret: by its ARN, without the characters at its end too, or by its name, in any Region: it may be a replica's record.
// Source: Secrets Manager API Reference, PutSecretValue, SecretId: "we recommend that you specify a complete ARN rather than a partial one".
func named(s guard.Secret, by guard.SecretRef) bool {
	if by.Account != "" && by.Account != s.Account {
		return false
	}
	if arn.Is(by.ID) {
		return arn.Of(by.ID).Resource == arn.Of(s.ARN).Resource || arn.Of(by.ID).Resource == "secret:"+s.Name
	}
	return by.ID == s.Name || by.ID == anySecret
}

// alias is the ARN that an alias of a key has, or would have.
func alias(k *inventory.Key, resource string) string {
	at := arn.Of(k.Facts.ARN)
	at.Resource = resource
	return at.String()
}

// has reports whether a key has an alias that an ARN, or a pattern of one, names.
func has(k *inventory.Key, named string) bool {
	return slices.ContainsFunc(k.Facts.Aliases, func(name string) bool { return arn.Match(named, alias(k, name)) })
}
