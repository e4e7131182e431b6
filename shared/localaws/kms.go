package localaws

import (
	"crypto/cipher"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key states, as DescribeKey reports them.
const (
	keyEnabled                = "Enabled"
	keyDisabled               = "Disabled"
	keyPendingDeletion        = "PendingDeletion"
	keyPendingReplicaDeletion = "PendingReplicaDeletion"
)

// kmsStore is KMS in one account and Region.
type kmsStore struct {
	keys    map[string]*kmsKey
	aliases map[string]*kmsAlias // by "alias/…"
}

func newKMSStore() *kmsStore {
	return &kmsStore{keys: map[string]*kmsKey{}, aliases: map[string]*kmsAlias{}}
}

func keysAt(a *AWS, at location) *kmsStore { return regional(a, at, newKMSStore) }

// kmsKey is one KMS key, customer or AWS managed.
type kmsKey struct {
	id, arn     string
	at          location
	manager     string // "AWS" or "CUSTOMER"
	state       string
	spec, usage string
	origin      string
	description string
	policy      string
	tags        map[string]string
	aliases     []string // sorted
	grants      []*kmsGrant
	created     time.Time
	deletion    time.Time // end of the waiting period; zero unless scheduled
	window      int       // its length in days

	multiRegion bool
	primary     location   // multi-Region keys: where the primary is
	replicas    []location // primaries: where the replicas are
	material    []byte     // 32 bytes; the same in every Region of a multi-Region key
	aead        cipher.AEAD

	rotationDays int         // 0: automatic rotation is off
	rotationFrom time.Time   // when it was switched on, or last took place
	rotations    []rotation  // done, oldest first
	last         keyLastUsed // last successful cryptographic operation
}

type rotation struct {
	at   time.Time
	kind string // AUTOMATIC or ON_DEMAND
}

type keyLastUsed struct {
	operation, eventID, requestID string
	at                            time.Time
}

type kmsAlias struct {
	name             string
	target           string // key id
	created, updated time.Time
}

func kmsOperations() map[string]operation {
	all := map[string]operation{}
	for _, part := range []map[string]operation{kmsKeyOperations(), kmsStateOperations(), kmsAliasOperations(), kmsGrantOperations(), kmsRotationOperations(), kmsCryptoOperations()} {
		maps.Copy(all, part)
	}
	return all
}

type keyInput struct {
	KeyId string
}

func aliasARN(p location, name string) string {
	return "arn:aws:kms:" + p.Region + ":" + p.Account + ":" + name
}
func keyARN(p location, id string) string {
	return "arn:aws:kms:" + p.Region + ":" + p.Account + ":key/" + id
}

// findKey finds a key by id, key ARN, alias name or alias ARN, as seen from a location. Aliases of AWS managed keys make
// their key on first use.
func (a *AWS) findKey(from location, id string) (*kmsKey, error) {
	if id == "" {
		return nil, &apiError{Code: "ValidationException", Message: "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null"}
	}
	at := from
	if parts := strings.SplitN(id, ":", 6); len(parts) == 6 && parts[2] == "kms" {
		at, id = location{Account: parts[4], Region: parts[3]}, parts[5]
		if at.Region != from.Region {
			return nil, &apiError{Code: "NotFoundException", Message: "Invalid arn " + at.Region}
		}
		if !strings.HasPrefix(id, "alias/") {
			if id = strings.TrimPrefix(id, "key/"); a.livingKey(at, id) == nil {
				return nil, &apiError{Code: "NotFoundException", Message: "Key '" + keyARN(at, id) + "' does not exist"}
			}
		}
	}
	if strings.HasPrefix(id, "alias/") {
		return a.keyByAlias(at, id)
	}
	if found := a.livingKey(at, id); found != nil {
		return found, nil
	}
	if len(id) < 36 { // what is no key id is told so, e.g. an alias without its prefix
		return nil, &apiError{Code: "NotFoundException", Message: "Invalid keyId " + id}
	}
	return nil, &apiError{Code: "NotFoundException", Message: "Key '" + keyARN(at, id) + "' does not exist"}
}

func (a *AWS) keyByAlias(at location, name string) (*kmsKey, error) {
	if strings.HasPrefix(name, "alias/aws/") {
		return a.awsManagedKey(at, name), nil
	}
	if alias, ok := keysAt(a, at).aliases[name]; ok {
		if found := a.livingKey(at, alias.target); found != nil {
			return found, nil
		}
	}
	return nil, &apiError{Code: "NotFoundException", Message: "Alias " + aliasARN(at, name) + " is not found."}
}

// livingKey is the key of an id, nil when there is none or its waiting period has ended.
func (a *AWS) livingKey(at location, id string) *kmsKey {
	found := keysAt(a, at).keys[id]
	if found != nil && !found.deletion.IsZero() && !a.options.Now().Before(found.deletion) {
		a.deleteKey(found)
		return nil
	}
	return found
}

// deleteKey is the end of the waiting period: the key and its aliases are gone for good.
func (a *AWS) deleteKey(k *kmsKey) {
	store := keysAt(a, k.at)
	delete(store.keys, k.id)
	for _, name := range k.aliases {
		delete(store.aliases, name)
	}
	a.happened(k.at, serviceEvent{source: "kms", name: "DeleteKey", caller: "AWS Internal",
		resources: []resource{{ARN: k.arn, Type: "AWS::KMS::Key", Account: k.at.Account}}})
}

// awsManagedKey is the key that AWS manages for a service in an account and Region, made on first use.
func (a *AWS) awsManagedKey(at location, alias string) *kmsKey {
	store := keysAt(a, at)
	if found, ok := store.aliases[alias]; ok {
		return store.keys[found.target]
	}
	service := strings.TrimPrefix(alias, "alias/aws/")
	made := a.newKey(at, a.uuid())
	made.manager, made.policy = "AWS", awsManagedKeyPolicy(at, service)
	made.description = "Default key that protects my " + service + " data when no other key is defined"
	if service == "secretsmanager" {
		made.description = "Default key that protects my Secrets Manager data when no other key is defined"
	}
	made.rotationDays, made.rotationFrom = 365, made.created
	a.addAlias(made, alias)
	return made
}

// awsManagedKeyPolicy lets everybody in the account use the key through its service, and nobody change it.
func awsManagedKeyPolicy(at location, service string) string {
	through := `"Condition":{"StringEquals":{"kms:CallerAccount":"` + at.Account + `","kms:ViaService":"` + service + "." + at.Region + `.amazonaws.com"}}`
	return `{"Version":"2012-10-17","Id":"auto-` + service + `-2","Statement":[` +
		`{"Sid":"Allow access through AWS ` + service + ` for all principals in the account that are authorized to use it","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey","kms:GenerateDataKey*"],"Resource":"*",` + through + `},` +
		`{"Sid":"Allow direct access to key metadata to the account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + at.Account + `:root"},` +
		`"Action":["kms:Describe*","kms:Get*","kms:List*","kms:RevokeGrant"],"Resource":"*"}]}`
}

// newKey makes an enabled symmetric customer managed key in a location.
func (a *AWS) newKey(at location, id string) *kmsKey {
	made := &kmsKey{id: id, arn: keyARN(at, id), at: at, manager: "CUSTOMER", state: keyEnabled, spec: "SYMMETRIC_DEFAULT",
		usage: "ENCRYPT_DECRYPT", origin: "AWS_KMS", created: a.options.Now().UTC(), tags: map[string]string{}, material: a.bytes(32)}
	made.policy = defaultKeyPolicy(at.Account)
	keysAt(a, at).keys[id] = made
	return made
}

func defaultKeyPolicy(accountID string) string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` +
		accountID + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

func (a *AWS) addAlias(k *kmsKey, name string) {
	now := a.options.Now().UTC()
	keysAt(a, k.at).aliases[name] = &kmsAlias{name: name, target: k.id, created: now, updated: now}
	k.aliases = append(k.aliases, name)
	slices.Sort(k.aliases)
}

// bytes are random bytes from the seeded source.
func (a *AWS) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(a.random.Uint32())
	}
	return out
}

// key finds the key a call names and checks the caller's right to the action on it: by the key policy, which must
// allow or delegate to IAM, or by a grant. The record names the key from then on.
func (c *call) key(id string, context map[string][]string) (*kmsKey, error) {
	found, err := c.aws.findKey(c.location, id)
	if err != nil {
		return nil, err
	}
	return found, c.onKey(found, "kms:"+c.Operation, context)
}

func (c *call) onKey(k *kmsKey, action string, context map[string][]string) error {
	c.resources = []resource{{ARN: k.arn, Type: "AWS::KMS::Key", Account: k.at.Account}}
	return c.authorize(access{Action: action, Resource: k.arn, ResourcePolicy: k.policy, ResourceMustAllow: true, Grants: k.policyGrants(),
		Owner: k.at.Account, Context: c.keyContext(k, context)})
}

func (c *call) keyContext(k *kmsKey, more map[string][]string) map[string][]string {
	out := map[string][]string{"kms:CallerAccount": {c.Caller.Account}, "kms:KeyOrigin": {k.origin}, "kms:KeySpec": {k.spec},
		"kms:KeyUsage": {k.usage}, "kms:MultiRegion": {strconv.FormatBool(k.multiRegion)}}
	if len(k.aliases) > 0 {
		out["kms:ResourceAliases"] = k.aliases
	}
	if c.via != "" {
		service, _, _ := strings.Cut(c.via, ".")
		out["kms:ViaService"] = []string{service + "." + c.Region + ".amazonaws.com"}
	}
	for name, value := range k.tags {
		out["aws:ResourceTag/"+name] = []string{value}
	}
	maps.Copy(out, more)
	return out
}

// ownKey is key for calls that cannot reach another account's keys.
func (c *call) ownKey(id string, context map[string][]string) (*kmsKey, error) {
	if strings.HasPrefix(id, "arn:") && !strings.HasPrefix(id, "arn:aws:kms:"+c.Region+":"+c.Account+":") {
		return nil, &apiError{Code: "InvalidArnException", Message: "Invalid arn " + id}
	}
	return c.key(id, context)
}

// kmsServices is AWS KMS.
func kmsServices() map[string]service {
	return map[string]service{
		"kms": {protocol: awsJSON11, operations: kmsOperations()},
	}
}
