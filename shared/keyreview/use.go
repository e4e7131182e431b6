package keyreview

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/trail"
)

// Use is one use of a key that was recorded.
type Use struct {
	// Key is the ARN of the key as far as the record names it: of an alias where it names that, and with * for what it does not say.
	Key string
	// Principal is the ARN of a role or user, of a session that of its role; the account where the record names no more, as of most
	// callers of other accounts; the name of a service that called for itself; "" where the record does not say.
	Principal string
	Action    string // kms:Decrypt, …
	Via       string // a form of what kms:ViaService held, with * for a Region that is not said; "" where the key was used directly
	// Secret is the secret that a call to Secrets Manager was about, which used its key for the caller; empty for calls to KMS. The key is that of
	// the secret's copies, so that Key is "".
	Secret guard.SecretRef
	ID     string    // unique id of the principal, where the record says it
	First  time.Time // when it was seen so first; zero where a record does not say
	Last   time.Time // and last
	Maybe  bool      // the record does not say all that makes it a use: whether the call succeeded, or whether a service made it
	Error  string    // code of the error that the call failed with; "" where it succeeded, or that is not known
}

// keyIn is the ARN of the key that an error message names; "" where it names none.
func keyIn(message string) string {
	for word := range strings.FieldsSeq(message) {
		if of := strings.Trim(word, ".,:;()"); arn.Of(of).Service == "kms" && strings.HasPrefix(arn.Of(of).Resource, "key/") {
			return of
		}
	}
	return ""
}

// failedForState reports whether a use failed for the state that the key is in, so that whoever made it needs the key.
// Source: KMS API Reference, Decrypt, "Errors".
func (u Use) failedForState() bool {
	return slices.ContainsFunc([]string{"Disabled", "KMSInvalidState", "InvalidState", "KeyUnavailable"}, func(code string) bool { return u.Error == code || u.Error == code+"Exception" })
}

// seenActions are those that the policy of a key has to explain: what gets at what the key protects, hands it on or changes it.
var seenActions = slices.Concat(openActions, manageActions, []string{grant, revoke, "kms:Verify", "kms:VerifyMac", "kms:GetPublicKey", "kms:EnableKey",
	"kms:CancelKeyDeletion", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:ImportKeyMaterial", "kms:GetParametersForImport",
	"kms:CreateAlias", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion"})

// UsesOf are the uses that a record is of: a call to KMS that succeeded, or may have, and is about a key or not known, or to Secrets Manager by which it uses a key. ReEncrypt is one of its
// source and one of its destination. Where the record does not say whether a service called for the principal, it is one of each way. All
// others are none. One that failed may be one of somebody who has the right, unless it failed for want of that, or there is no such key.
func UsesOf(record trail.Record) []Use {
	c := record.Change
	if c.Denied() || strings.Contains(c.ErrorCode, "UnauthorizedOperation") || strings.Contains(c.ErrorCode, "NotFound") { // Client.UnauthorizedOperation is EC2's
		return nil
	}
	uses := usesOf(record)
	if len(uses) == 0 {
		return nil
	}
	id := ""
	if kind, _ := arn.Of(uses[0].Principal).Split(); kind == "role" || kind == "user" {
		id, _, _ = strings.Cut(record.Details().PrincipalID, ":")
	}
	for i := range uses {
		uses[i].ID, uses[i].First, uses[i].Last = id, c.Time, c.Time
		if uses[i].Error = c.ErrorCode; uses[i].failedForState() && wild(uses[i].Key) {
			uses[i].Key = cmp.Or(keyIn(c.ErrorMessage), uses[i].Key)
		}
		uses[i].Maybe = uses[i].Maybe || c.ErrorCode != ""
	}
	return uses
}

func usesOf(record trail.Record) []Use {
	c := record.Change
	u := Use{Principal: user(c), Action: "kms:" + c.EventName, Maybe: c.Lacks("errorCode")}
	region := cmp.Or(c.Region, "*")
	switch throughSecrets := arn.PartitionOf(region).Regional(secretsManager, region); {
	case c.EventSource == "secretsmanager.amazonaws.com":
		u.Via = throughSecrets
		return bySecret(c, u)
	case c.EventSource != "kms.amazonaws.com":
		u.Via = throughSecrets
		return byAnotherService(record, u)
	}
	if service, through := arn.ServiceOf(c.Actor.InvokedBy); through && c.Actor.Type != "AWSService" {
		u.Via = arn.PartitionOf(region).Regional(service, region)
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
		either.Via = arn.PartitionOf(region).Regional(secretsManager, region)
		uses = append(uses, either)
	}
	switch {
	case c.EventName == "ReEncrypt":
		from, to := reEncrypted(c)
		if from != "" {
			add(from, reEncryptFrom)
		}
		if to != "" {
			add(to, reEncryptTo)
		}
	case slices.Contains(seenActions, u.Action), unheardOf(c), c.Key.ID != "" && looks(u.Action):
		add(keyARN(c.Key.ID, c), u.Action)
	}
	return uses
}

// looks reports whether an action is about a key and none of seenActions, such as kms:DescribeKey. Grants let their grantees look, and retire
// them, whatever the key policy says.
// Source: KMS Developer Guide, "Grants in AWS KMS", "Grant operations"; API Reference, RetireGrant, "Required permissions".
func looks(action string) bool {
	return !slices.Contains(seenActions, action) && slices.Contains(aboutKeys, strings.TrimPrefix(action, "kms:"))
}

// aboutKeys and knownOfKMS are asked of each event of KMS.
var aboutKeys, knownOfKMS = policy.OnKeys(), inventory.ActionsOf("kms")

// unheardOf reports whether somebody called KMS for an operation on a key that AWS has added since: what follows from it is not known.
func unheardOf(c trail.Change) bool {
	return c.Key.ID != "" && c.Actor.Type != "AWSService" && !slices.ContainsFunc(knownOfKMS, func(known string) bool { return strings.EqualFold(known, c.EventName) })
}

// secretCalls are the calls by which Secrets Manager uses the key of a secret that is there, with the rights that it needs of the caller: a
// trail may be without the events of KMS. RotateSecret and UpdateSecret need not come to that.
// Source: Secrets Manager User Guide, "Secret encryption and decryption", "Permissions for the KMS key"; API Reference, ReplicateSecretToRegions;
// CloudTrail User Guide, "Logging management events": events of KMS can be excluded.
var secretCalls = map[string][]string{"GetSecretValue": {decrypt}, "BatchGetSecretValue": {decrypt}, "PutSecretValue": writing, "UpdateSecret": writing, "RotateSecret": writing,
	"ReplicateSecretToRegions": {decrypt}}

var writing = []string{generate, decrypt}

// anySecret is the name of a secret in a use of which the record says no more than the account and Region.
const anySecret = "*"

// bySecret are the uses of keys that a call to Secrets Manager is of: of those of the secrets that it names, and of those that it sets.
func bySecret(c trail.Change, u Use) []Use {
	if c.Actor.Type == "AWSService" {
		return nil // Secrets Manager itself tells of a rotation
	}
	var uses []Use
	secrets := []guard.SecretRef{c.Secret}
	list, _ := c.Request["secretIdList"].([]any)
	for _, id := range list {
		name, _ := id.(string)
		secrets = append(secrets, guard.SecretRef{Account: c.Account, Region: c.Region, ID: name})
	}
	if c.EventName == "BatchGetSecretValue" && len(list) == 0 || c.Secret.ID == "" && c.Lacks("requestParameters") { // by filters, of which a record does not say what they found
		secrets = []guard.SecretRef{{Account: c.Account, Region: c.Region, ID: anySecret}}
	}
	for _, secret := range secrets {
		for _, action := range secretCalls[c.EventName] {
			if u.Secret, u.Action = secret, action; secret.ID != "" {
				uses = append(uses, u)
			}
		}
	}
	u.Secret = guard.SecretRef{}
	switch c.EventName {
	case "CreateSecret", "UpdateSecret", "ReplicateSecretToRegions":
		takes := writing
		if c.EventName == "UpdateSecret" { // what is there goes over to the key that is set
			takes = append(slices.Clone(writing), encrypt)
		}
		uses = append(uses, setting(c, u, c.Request["kmsKeyId"], takes)...)
		replicas, _ := c.Request["addReplicaRegions"].([]any)
		for _, item := range replicas {
			replica, _ := item.(map[string]any)
			there := c
			there.Region, _ = replica["region"].(string)
			u.Via = arn.PartitionOf(there.Region).Regional(secretsManager, cmp.Or(there.Region, "*"))
			uses = append(uses, setting(there, u, replica["kmsKeyId"], []string{generate, encrypt})...)
		}
	}
	return uses
}

// setting are the uses of a customer's key that a call sets, by the way that u is, and with the rights that this takes.
// Source: Secrets Manager API Reference, CreateSecret, UpdateSecret and ReplicateSecretToRegions, "Required permissions" and KmsKeyId.
func setting(c trail.Change, u Use, key any, takes []string) []Use {
	id, _ := key.(string)
	switch {
	case key == nil && c.Lacks("requestParameters"): // of which the export may have other parts
		u.Maybe = true
	case id == "" || managedAlias(keyARN(id, c)):
		return nil
	}
	var uses []Use
	for _, u.Action = range takes {
		u.Key = keyARN(id, c)
		uses = append(uses, u)
	}
	return uses
}

// passwordKeys are the parameters by which a service makes its secret for the password of a database under a key, with the rights of its caller,
// through Secrets Manager; that it grants itself the key, it does by itself.
// Source: RDS User Guide (also of DocumentDB) and Redshift Management Guide, "Permissions required for Secrets Manager integration".
var passwordKeys = []string{"masterUserSecretKmsKeyId", "masterPasswordSecretKmsKeyId", "adminPasswordSecretKmsKeyId"}

// namesOfKeys are what a record has that names a key, be it the member or the value.
var namesOfKeys = [][]byte{[]byte("kms"), []byte("Kms"), []byte("KMS"), []byte("alias/")}

// byAnotherService are the uses of keys that a call to another service is of: for a password, or for what else it names a key, of which it is not
// known by which right, nor through which service, nor whether it came to that.
func byAnotherService(record trail.Record, u Use) []Use {
	c := record.Change
	service, _ := arn.ServiceOf(c.EventSource)
	mayName := slices.ContainsFunc(namesOfKeys, func(of []byte) bool { return bytes.Contains(record.Raw, of) }) // few are worth reading whole
	unsaid := c.MayKeepPassword() && (c.Lacks("requestParameters") || c.Lacks("responseElements"))
	if c.Actor.Type == "AWSService" || service == "" || !mayName && !unsaid {
		return nil
	}
	details := record.Details()
	named := keysNamed("", details.Request)
	if !c.ReadOnly { // which key the service took where the request names none, or what is there already
		for _, of := range keysNamed("", details.Response) {
			if of.answered = true; !slices.ContainsFunc(named, func(asked keyNamed) bool { return asked.key == of.key }) {
				named = append(named, of)
			}
		}
	}
	switch rotates := fmt.Sprint(details.Request["rotateMasterUserPassword"]) == "true"; {
	case !unsaid || len(named) > 0:
	case c.Lacks("requestParameters"):
		named = append(named, keyNamed{member: passwordKeys[0]})
	case rotates: // the response alone names the key
		named = append(named, keyNamed{member: passwordKeys[0], key: keyARN("", c), answered: true})
	}
	var uses []Use
	itself := arn.PartitionOf(c.Region).Regional(service, cmp.Or(c.Region, "*"))
	for _, named := range named {
		of := setting(c, u, named.key, writing)
		forPassword := slices.ContainsFunc(passwordKeys, func(name string) bool { return strings.EqualFold(name, named.member) })
		if of == nil || c.ReadOnly && !forPassword {
			continue
		}
		for i := range of {
			of[i].Maybe = of[i].Maybe || named.answered
		}
		grants := of[0]
		grants.Action, grants.Via, grants.Maybe = grant, itself, true
		of = append(of, grants)
		if !forPassword {
			for i := range of[:2] {
				of[i].Maybe = true
				direct := of[i]
				direct.Via = itself
				of = append(of, direct)
			}
		}
		uses = append(uses, of...)
	}
	return uses
}

// keyNamed is a key that a request or response names, and by which member.
type keyNamed struct {
	member   string
	key      any  // nil: which it is is not in the record
	answered bool // the response names it alone, so that the caller need not have used it
}

// keysNamed are those of a request, at any depth: in kmsKeyId, kmsArn, masterUserSecretKmsKeyId …, or by an ARN or alias anywhere.
func keysNamed(member string, request any) []keyNamed {
	var out []keyNamed
	switch of := request.(type) {
	case string:
		isKey := arn.Of(of).Service == "kms" || strings.HasPrefix(of, "alias/")
		if of != "" && (isKey || strings.Contains(strings.ToLower(member), "kms")) {
			return []keyNamed{{member: member, key: of}}
		}
	case []any:
		for _, each := range of {
			out = append(out, keysNamed(member, each)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(of)) {
			out = append(out, keysNamed(name, of[name])...)
		}
	}
	return out
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
