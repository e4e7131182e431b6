package kms

import (
	"crypto/cipher"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Key states, as DescribeKey reports them.
const (
	keyEnabled                = "Enabled"
	keyDisabled               = "Disabled"
	keyPendingDeletion        = "PendingDeletion"
	keyPendingReplicaDeletion = "PendingReplicaDeletion"
	keyPendingImport          = "PendingImport"
	keyUnavailable            = "Unavailable"
)

const (
	keyType       = "AWS::KMS::Key" // of a record's resources
	symmetricSpec = "SYMMETRIC_DEFAULT"
)

// store is KMS in one account and Region.
type store struct {
	keys    map[string]*Key
	aliases map[string]*alias       // by "alias/…"
	stores  map[string]*customStore // by id
}

func newStore() *store {
	return &store{keys: map[string]*Key{}, aliases: map[string]*alias{}, stores: map[string]*customStore{}}
}

func keysAt(a *core.AWS, at core.Location) *store { return core.Regional(a, at, newStore) }

// Key is one KMS key, customer or AWS managed.
type Key struct {
	id, ARN     string
	At          core.Location
	Manager     string // "AWS" or "CUSTOMER"
	state       string
	spec, usage string
	origin      string
	description string
	Policy      string
	Shared      string // policy that AWS RAM keeps for it; "" where it is not shared
	tags        map[string]string
	aliases     []string // sorted
	grants      []*grant
	created     time.Time
	deletion    time.Time // end of the waiting period; zero unless scheduled
	window      int       // its length in days

	multiRegion bool
	primary     core.Location   // multi-Region keys: where the primary is
	replicas    []core.Location // primaries: where the replicas are
	replicaGone time.Time       // primaries: when the last replica was deleted
	material    []byte          // 32 bytes; the same in every Region of a multi-Region key; nil while it has none
	external    material        // where it comes from, of a key of the origin EXTERNAL
	store       *customStore    // that it is in; nil for none
	xksKeyID    string          // its name in an external key manager
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

type alias struct {
	name             string
	target           string // key id
	created, updated time.Time
}

func operations() map[string]core.Operation {
	all := map[string]core.Operation{}
	for _, part := range []map[string]core.Operation{keyOperations(), stateOperations(), aliasOperations(), grantOperations(), rotationOperations(), cryptoOperations(),
		importOperations(), customStoreOperations()} {
		maps.Copy(all, part)
	}
	return all
}

type keyInput struct {
	KeyId string
}

func aliasARN(p core.Location, name string) string {
	return p.ARN("kms", name)
}

func keyARN(p core.Location, id string) string {
	return p.ARN("kms", "key/"+id)
}

// FindKey finds a key by id, key ARN, alias name or alias ARN, as seen from a location. Aliases of AWS managed keys make
// their key on first use.
func FindKey(a *core.AWS, from core.Location, id string) (*Key, error) {
	if id == "" {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null"}
	}
	at := from
	if named, resource, ok := a.Locate(id, "kms"); ok {
		at, id = named, resource
		if at.Region != from.Region {
			return nil, &core.Error{Code: "NotFoundException", Message: "Invalid arn " + at.Region}
		}
		if !strings.HasPrefix(id, "alias/") {
			if id = strings.TrimPrefix(id, "key/"); livingKey(a, at, id) == nil {
				return nil, &core.Error{Code: "NotFoundException", Message: "Key '" + keyARN(at, id) + "' does not exist"}
			}
		}
	}
	if strings.HasPrefix(id, "alias/") {
		return keyByAlias(a, at, id)
	}
	if found := livingKey(a, at, id); found != nil {
		return found, nil
	}
	if len(id) < 36 { // what is no key id, e.g. an alias without its prefix
		return nil, &core.Error{Code: "NotFoundException", Message: "Invalid keyId " + id}
	}
	return nil, &core.Error{Code: "NotFoundException", Message: "Key '" + keyARN(at, id) + "' does not exist"}
}

func keyByAlias(a *core.AWS, at core.Location, name string) (*Key, error) {
	if strings.HasPrefix(name, "alias/aws/") {
		return awsManagedKey(a, at, name), nil
	}
	if alias, ok := keysAt(a, at).aliases[name]; ok {
		if found := livingKey(a, at, alias.target); found != nil {
			return found, nil
		}
	}
	return nil, &core.Error{Code: "NotFoundException", Message: "Alias " + aliasARN(at, name) + " is not found."}
}

// livingKey is the key of an id, nil when there is none or its waiting period has ended.
func livingKey(a *core.AWS, at core.Location, id string) *Key {
	found := keysAt(a, at).keys[id]
	if found != nil {
		found.followReplicas(a)
	}
	if found != nil && !found.deletion.IsZero() && !a.Options.Now().Before(found.deletion) {
		deleteKey(a, found)
		return nil
	}
	if found != nil {
		found.expire(a)
	}
	return found
}

// deleteKey is the end of the waiting period: the key and its aliases are gone for good.
func deleteKey(a *core.AWS, k *Key) {
	store := keysAt(a, k.At)
	delete(store.keys, k.id)
	for _, name := range k.aliases {
		delete(store.aliases, name)
	}
	if k.multiRegion {
		if primary := keysAt(a, k.primary).keys[k.id]; primary != nil && k.deletion.After(primary.replicaGone) {
			primary.replicaGone = k.deletion
		}
	}
	a.Happened(k.At, core.ServiceEvent{Source: "kms", Name: "DeleteKey", Caller: "AWS Internal",
		Resources: []core.Resource{{ARN: k.ARN, Type: keyType, Account: k.At.Account}}})
}

// awsManagedKey is the key that AWS manages for a service in an account and Region, made on first use.
func awsManagedKey(a *core.AWS, at core.Location, alias string) *Key {
	store := keysAt(a, at)
	if found, ok := store.aliases[alias]; ok {
		return store.keys[found.target]
	}
	service := strings.TrimPrefix(alias, "alias/aws/")
	made := newKey(a, at, a.UUID())
	made.Manager, made.Policy = "AWS", awsManagedKeyPolicy(at, service)
	made.description = "Default key that protects my " + service + " data when no other key is defined"
	if service == "secretsmanager" {
		made.description = "Default key that protects my Secrets Manager data when no other key is defined"
	}
	made.rotationDays, made.rotationFrom = 365, made.created
	addAlias(a, made, alias)
	return made
}

// awsManagedKeyPolicy lets everybody in the account use the key through its service, and nobody change it.
func awsManagedKeyPolicy(at core.Location, service string) string {
	through := `"Condition":{"StringEquals":{"kms:CallerAccount":"` + at.Account + `","kms:ViaService":"` + arn.PartitionOf(at.Region).Regional(service, at.Region) + `"}}`
	return `{"Version":"2012-10-17","Id":"auto-` + service + `-2","Statement":[` +
		`{"Sid":"Allow access through AWS ` + service + ` for all principals in the account that are authorized to use it","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:CreateGrant","kms:DescribeKey","kms:GenerateDataKey*"],"Resource":"*",` + through + `},` +
		`{"Sid":"Allow direct access to key metadata to the account","Effect":"Allow","Principal":{"AWS":"` + arn.PartitionOf(at.Region).Root(at.Account) + `"},` +
		`"Action":["kms:Describe*","kms:Get*","kms:List*","kms:RevokeGrant"],"Resource":"*"}]}`
}

// newKey makes an enabled symmetric customer managed key in a location.
func newKey(a *core.AWS, at core.Location, id string) *Key {
	made := &Key{id: id, ARN: keyARN(at, id), At: at, Manager: "CUSTOMER", state: keyEnabled, spec: symmetricSpec,
		usage: "ENCRYPT_DECRYPT", origin: "AWS_KMS", created: a.Options.Now().UTC(), tags: map[string]string{}, material: randomBytes(a, 32)}
	made.Policy = defaultKeyPolicy(at)
	keysAt(a, at).keys[id] = made
	return made
}

func defaultKeyPolicy(at core.Location) string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"` +
		arn.PartitionOf(at.Region).Root(at.Account) + `"},"Action":"kms:*","Resource":"*"}]}`
}

func addAlias(a *core.AWS, k *Key, name string) {
	now := a.Options.Now().UTC()
	keysAt(a, k.At).aliases[name] = &alias{name: name, target: k.id, created: now, updated: now}
	k.aliases = append(k.aliases, name)
	slices.Sort(k.aliases)
}

// randomBytes are random bytes from the seeded source.
func randomBytes(a *core.AWS, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(a.Random.Uint32())
	}
	return out
}

// authorizedKey finds the key a call names and checks the caller's right to the action on it: by the key policy, which must
// allow or delegate to IAM, or by a grant. The record names the key from then on.
func authorizedKey(c *core.Call, id string, context map[string][]string) (*Key, error) {
	found, err := FindKey(c.AWS, c.Location, id)
	if err != nil {
		return nil, err
	}
	return found, AuthorizeKey(c, found, "kms:"+c.Operation, context)
}

// AuthorizeKey checks the caller's right to an action on a key, e.g. "kms:Decrypt", and names the key in the record.
func AuthorizeKey(c *core.Call, k *Key, action string, context map[string][]string) error {
	c.Resources = []core.Resource{{ARN: k.ARN, Type: keyType, Account: k.At.Account}}
	if readsSecret(c) && c.AWS.Options.Behavior.NoSecondLock {
		return nil
	}
	return c.Authorize(core.Access{Action: action, Resource: k.ARN, ResourcePolicy: k.Policy, ResourceMustAllow: true, Grants: k.policyGrants(c.AWS.Options.Behavior.GrantsIgnoreContext),
		Owner: k.At.Account, AWSManagedKey: k.Manager == "AWS", Context: keyContext(c, k, context)})
}

// readsSecret reports whether Secrets Manager opens a value for somebody with this call.
func readsSecret(c *core.Call) bool {
	return c.Operation == "Decrypt" && c.Via == "secretsmanager.amazonaws.com"
}

func keyContext(c *core.Call, k *Key, more map[string][]string) map[string][]string {
	out := map[string][]string{"kms:CallerAccount": {c.Caller.Account}, "kms:KeyOrigin": {k.origin}, "kms:KeySpec": {k.spec},
		"kms:KeyUsage": {k.usage}, "kms:MultiRegion": {strconv.FormatBool(k.multiRegion)}}
	if len(k.aliases) > 0 && (k.Manager != "AWS" || !c.AWS.Options.Behavior.NoManagedAliases) {
		out["kms:ResourceAliases"] = k.aliases
	}
	if c.Via != "" {
		service, _, _ := strings.Cut(c.Via, ".")
		out["kms:ViaService"] = []string{arn.PartitionOf(c.Region).Regional(service, c.Region)}
	}
	for name, value := range k.tags {
		out["aws:ResourceTag/"+name] = []string{value}
	}
	maps.Copy(out, more)
	return out
}

// ownKey is key for calls that cannot reach another account's keys.
func ownKey(c *core.Call, id string, context map[string][]string) (*Key, error) {
	if at, _, _ := c.AWS.Locate(id, "kms"); arn.Is(id) && at != c.Location {
		return nil, &core.Error{Code: "InvalidArnException", Message: "Invalid arn " + id}
	}
	return authorizedKey(c, id, context)
}

// Services is AWS KMS.
func Services() map[string]core.Service {
	return map[string]core.Service{
		"kms": {Protocol: core.JSON11, Operations: operations()},
	}
}
