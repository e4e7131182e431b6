package secretsmanager

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Staging labels that Secrets Manager moves by itself.
const (
	stageCurrent  = "AWSCURRENT"
	stagePending  = "AWSPENDING"
	stagePrevious = "AWSPREVIOUS"
)

const (
	defaultKeyAlias = "alias/aws/secretsmanager"
	defaultKeyName  = "DefaultEncryptionKey" // what ListSecretVersionIds calls the AWS managed key
)

// store is Secrets Manager in one account and Region.
type store struct {
	byName map[string]*secret
	order  []*secret // as created; deleted ones stay until enough of them pile up
	gone   int       // how many of order are deleted
	seq    int
}

func newStore() *store { return &store{byName: map[string]*secret{}} }

func secretsAt(a *core.AWS, at core.Location) *store { return core.Regional(a, at, newStore) }

// secret is a secret, or a replica of one.
type secret struct {
	seq         int
	at          core.Location
	name, arn   string
	description string
	keyID       string // as the caller set it; "" is the AWS managed key
	owning      string // service that owns it, e.g. "rds"; "" for a customer's own
	kind        string // Type of a managed external secret, e.g. "SalesforceClientSecret"
	tags        map[string]string
	policy      string
	versions    map[string]*secretVersion
	versionIDs  []string          // oldest first
	stages      map[string]string // label → version id; those of a replica are the primary's when it was last in sync

	created, changed, accessed, rotated time.Time
	removal                             time.Time // when deletion was asked for; zero otherwise
	window                              int       // days until it is done
	gone                                bool

	rotation *rotationConfig

	replicas []*secret // of a primary
	primary  *secret   // of a replica
	status   string    // of a replica: InSync, InProgress or Failed
	message  string

	elsewhere *accountCopy // of a primary that is copied to another account
	origin    *origin      // of such a copy

	stale *staleView // what ListSecrets still shows, under Faults.ListStaleness
}

// secretVersion is one version's value and the copies of its data key.
type secretVersion struct {
	id                string
	created, accessed time.Time
	text              *string
	binary            []byte
	copies            []sealedCopy // newest first; any of them opens the version
}

// sealedCopy is a version's data key, encrypted under one KMS key.
type sealedCopy struct {
	keyARN string
	aws    bool // an AWS managed key
	blob   []byte
}

func operations() map[string]core.Operation {
	all := map[string]core.Operation{
		"CreateSecret":                 createSecret,
		"DescribeSecret":               describeSecret,
		"ListSecrets":                  listSecrets,
		"ListSecretVersionIds":         listSecretVersionIDs,
		"UpdateSecret":                 updateSecret,
		"PutSecretValue":               putSecretValue,
		"GetSecretValue":               getSecretValue,
		"BatchGetSecretValue":          batchGetSecretValue,
		"UpdateSecretVersionStage":     updateSecretVersionStage,
		"TagResource":                  tagSecret,
		"UntagResource":                untagSecret,
		"DeleteSecret":                 deleteSecret,
		"RestoreSecret":                restoreSecret,
		"RotateSecret":                 rotateSecret,
		"ReplicateSecretToRegions":     replicateSecret,
		"RemoveRegionsFromReplication": removeReplicas,
		"StopReplicationToReplica":     stopReplication,
		"PutResourcePolicy":            putSecretPolicy,
		"GetResourcePolicy":            getSecretPolicy,
		"DeleteResourcePolicy":         deleteSecretPolicy,
		"ValidateResourcePolicy":       validateSecretPolicy,
	}
	maps.Copy(all, crossAccountOperations())
	return all
}

func invalidRequest(message string) error {
	return &core.Error{Code: "InvalidRequestException", Message: message}
}

func secretParameter(message string) error {
	return &core.Error{Code: "InvalidParameterException", Message: message}
}

func secretNotFound() error {
	return &core.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret."}
}

func secretARN(p core.Location, name string) string {
	return p.ARN("secretsmanager", "secret:"+name)
}

const suffixLength = 7 // "-" and six characters

// findSecret finds a living secret by name, full ARN or ARN without suffix, as seen from a location.
func findSecret(a *core.AWS, from core.Location, id string) *secret {
	at, resource, isARN := a.Locate(id, "secretsmanager")
	rest, isSecret := strings.CutPrefix(resource, "secret:")
	if !isARN || !isSecret {
		return living(a, secretsAt(a, from).byName[id])
	}
	if at.Region != from.Region {
		return nil
	}
	store := secretsAt(a, at)
	if cut := len(rest) - suffixLength; cut > 0 {
		if found := living(a, store.byName[rest[:cut]]); found != nil && found.arn == id {
			return found
		}
	}
	return living(a, store.byName[rest])
}

// living is the secret unless its recovery window has ended, which ends it.
func living(a *core.AWS, s *secret) *secret {
	if s == nil || s.removal.IsZero() || a.Options.Now().Before(s.removal.AddDate(0, 0, s.window)) {
		return s
	}
	purge(a, s, "")
	return nil
}

// authorizedSecret finds the secret a call names and checks the caller's right to the call on it. Who has no right does not
// learn whether there is such a secret.
func authorizedSecret(c *core.Call, id string, context map[string][]string) (*secret, error) {
	if id == "" {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must not be null"}
	}
	found := findSecret(c.AWS, c.Location, id)
	return found, onSecret(c, found, id, context)
}

func onSecret(c *core.Call, s *secret, id string, context map[string][]string) error {
	on := core.Access{Resource: id, Name: id, Context: secretContext(s, id, context)}
	switch {
	case s != nil:
		on.Resource, on.Owner, on.ResourcePolicy = s.arn, s.at.Account, s.main().policy
	case !arn.Is(id):
		on.Resource = secretARN(c.Location, id)
	}
	if err := c.Authorize(on); err != nil {
		return err
	}
	if s == nil {
		return secretNotFound()
	}
	return nil
}

func secretContext(s *secret, id string, more map[string][]string) map[string][]string {
	out := map[string][]string{"secretsmanager:SecretId": {id}}
	if s != nil {
		for name, value := range s.main().tags {
			out["aws:ResourceTag/"+name] = []string{value}
			out["secretsmanager:ResourceTag/"+name] = []string{value}
		}
		if s.primary != nil || len(s.replicas) > 0 {
			out["secretsmanager:SecretPrimaryRegion"] = []string{s.main().at.Region}
		}
		if kind := s.main().kind; kind != "" {
			out["secretsmanager:resource/Type"] = []string{kind}
		}
		if s.rotation != nil && s.rotation.lambda != "" {
			out["secretsmanager:resource/AllowRotationLambdaArn"] = []string{s.rotation.lambda}
		}
	}
	maps.Copy(out, more)
	return out
}

// main is the secret that holds the metadata: the primary of a replica, else the secret itself.
func (s *secret) main() *secret {
	if s.primary != nil {
		return s.primary
	}
	return s
}

// secretToChange is secret for calls that write: not on replicas, not in the recovery window, not on another
// service's secrets.
func secretToChange(c *core.Call, id string, context map[string][]string) (*secret, error) {
	s, err := authorizedSecret(c, id, context)
	if err != nil {
		return nil, err
	}
	return ownToChange(c, s)
}

func ownToChange(c *core.Call, s *secret) (*secret, error) {
	if err := changeable(c, s); err != nil {
		return nil, err
	}
	if s.foreignTo(c.Caller) {
		return nil, managedElsewhere(s)
	}
	return s, nil
}

func changeable(c *core.Call, s *secret) error {
	if s.primary != nil {
		return secretParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
	}
	if !s.removal.IsZero() {
		return markedForDeletion()
	}
	changes(c, s)
	return nil
}

// changes marks a secret as changed by the call, if the call succeeds.
func changes(c *core.Call, s *secret) {
	beforeChange(c, s)
	c.After(func() { s.changed = c.Now })
}

func markedForDeletion() error {
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

func managedElsewhere(s *secret) error {
	return invalidRequest("You can't perform this operation on secret " + s.name + " because it is managed by another AWS service: " + s.owning + ".")
}

// foreignTo reports whether a service other than the caller owns the secret.
func (s *secret) foreignTo(who core.Caller) bool {
	return s.owning != "" && who.Service != arn.Of(s.arn).Partition.Service(s.owning)
}

// addSecret puts a secret into its location.
func addSecret(a *core.AWS, s *secret) {
	store := secretsAt(a, s.at)
	store.seq++
	s.seq = store.seq
	store.byName[s.name] = s
	store.order = append(store.order, s)
}

// dropSecret takes a secret out of its location; ListSecrets may show it a little longer.
func dropSecret(a *core.AWS, s *secret) {
	store := secretsAt(a, s.at)
	rememberView(a, s, s.entry())
	delete(store.byName, s.name)
	s.gone = true
	store.gone++
	if store.gone > 100 && store.gone > len(store.order)/2 {
		now := a.Options.Now()
		store.order = slices.DeleteFunc(store.order, func(s *secret) bool { return s.gone && !s.stale.holds(now) })
		store.gone = 0
	}
}

type secretTag struct{ Key, Value string }

type secretOutput struct {
	ARN, Name         string
	VersionId         string              `json:",omitempty"`
	VersionStages     []string            `json:",omitempty"`
	ReplicationStatus []replicationStatus `json:",omitempty"`
	DeletionDate      *float64            `json:",omitempty"`
}

// Services is AWS Secrets Manager.
func Services() map[string]core.Service {
	return map[string]core.Service{
		"secretsmanager": {Protocol: core.JSON11, Operations: caughtUp(operations())},
	}
}
