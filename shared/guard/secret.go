package guard

import (
	"strings"
	"time"
)

// SecretRef says where to look for a secret. ID is what a caller or an event named it by: a name, a partial ARN
// (without the six-character suffix) or a full ARN. It is a hint, never an identity: Secret.ARN is the identity.
type SecretRef struct {
	Account string // 12 digits
	Region  string
	ID      string
}

// Secret is what Describe found, under its canonical ARN. It never holds a value.
type Secret struct {
	ARN     string // full ARN with the six-character suffix
	Name    string
	Account string
	Region  string

	KeyID    string // as set on the secret: "" (default), key id, key ARN or alias ARN
	Key      Key    // what KeyID really is, by key metadata
	Versions []Version
	Replicas []Replica

	VersionsUnread bool // ListSecretVersionIds could not be read, so no claim about older copies can be made

	OwningService string // e.g. "rds"; "" for a customer's own secret
	PrimaryRegion string // set on replicas and on replicated primaries
	Tags          map[string]string

	RotationEnabled   bool
	RotationLambdaARN string

	CreatedAt      time.Time
	LastChangedAt  time.Time
	LastAccessedAt time.Time // day precision; zero when never read in this Region
	DeletedAt      time.Time // zero unless deletion is scheduled
}

// Version is one version of a secret and the keys that open it. A version that was re-keyed keeps its older copy,
// so it lists the new key and the previous one (UpdateSecret, "update the encryption key" in the user guide).
type Version struct {
	ID        string
	Stages    []string // AWSCURRENT, AWSPENDING, AWSPREVIOUS or a customer's label; empty when deprecated
	Keys      []Key    // every key that opens it, in the order AWS lists them
	CreatedAt time.Time
}

// Labelled reports whether Secrets Manager still hands the version out by stage.
func (v Version) Labelled() bool { return len(v.Stages) > 0 }

// Replica is a copy of a secret in another Region, under a key of its own.
type Replica struct {
	Region        string
	KeyID         string // as reported by the primary; "" is the AWS managed key of that Region
	Key           Key
	Status        string // InSync, InProgress, Failed
	StatusMessage string
}

// IsReplica reports whether the secret is a copy of a primary in another Region.
func (s Secret) IsReplica() bool { return s.PrimaryRegion != "" && s.PrimaryRegion != s.Region }

// PendingDeletion reports whether the secret is in its recovery window, in which nothing can be changed or read.
func (s Secret) PendingDeletion() bool { return !s.DeletedAt.IsZero() }

// Foreign reports whether another AWS service owns the secret. Customers cannot use "!" in a name, so it marks
// service-owned secrets even where OwningService was not readable (user guide, "secrets managed by other services").
func (s Secret) Foreign() bool { return s.OwningService != "" || strings.Contains(s.Name, "!") }

// ForeignService names the service that owns a foreign secret: OwningService, else the part of the name before "!".
func (s Secret) ForeignService() string {
	if s.OwningService != "" {
		return s.OwningService
	}
	service, _, found := strings.Cut(s.Name, "!")
	if !found {
		return ""
	}
	return service
}
