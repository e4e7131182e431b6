package guard

import (
	"slices"
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
	ARN     string `json:"arn"` // full ARN with the six-character suffix
	Name    string `json:"name,omitzero"`
	Account string `json:"account,omitzero"`
	Region  string `json:"region,omitzero"`

	KeyID    string    `json:"keyId,omitzero"` // as set on the secret: "" (default), key id, key ARN or alias ARN
	Key      Key       `json:"key,omitzero"`   // what KeyID really is, by key metadata
	Versions []Version `json:"versions,omitzero"`
	Replicas []Replica `json:"replicas,omitzero"`

	Elsewhere Elsewhere `json:"elsewhere,omitzero"` // its copies in other accounts

	VersionsUnread bool `json:"versionsUnread,omitzero"` // ListSecretVersionIds could not be read, so no claim about older copies can be made

	OwningService string            `json:"owningService,omitzero"` // e.g. "rds"; "" for a customer's own secret
	PrimaryRegion string            `json:"primaryRegion,omitzero"` // set on replicas and on replicated primaries
	Tags          map[string]string `json:"tags,omitzero"`

	RotationEnabled   bool   `json:"rotationEnabled,omitzero"`
	RotationLambdaARN string `json:"rotationLambdaArn,omitzero"`
	RotationRoleARN   string `json:"rotationRoleArn,omitzero"` // of a managed external secret, which Secrets Manager rotates as that role

	Type     string `json:"type,omitzero"`     // of a managed external secret: its partner; "" for any other
	TypeRead bool   `json:"typeRead,omitzero"` // Type was asked for, so that "" says that it has none
	CopyOf   string `json:"copyOf,omitzero"`   // ARN of its primary in another account; "" for a secret that is no such copy, or was only listed

	// CopyStatus is that of the replication from the primary in another account, as the copy says it: Pending, InProgress, InSync,
	// Failed, Detached; "" for a secret that is no such copy. CopyMessage is why it failed, in AWS's words.
	CopyStatus  string `json:"copyStatus,omitzero"`
	CopyMessage string `json:"copyMessage,omitzero"`

	CreatedAt      time.Time `json:"createdAt,omitzero"`
	LastChangedAt  time.Time `json:"lastChangedAt,omitzero"`
	LastAccessedAt time.Time `json:"lastAccessedAt,omitzero"` // day precision; zero when never read in this Region
	DeletedAt      time.Time `json:"deletedAt,omitzero"`      // zero unless deletion is scheduled

	// AsOf is the time of the oldest fact that a look at the secret rests on, where AWS could not be asked again: about one of
	// its keys, or about where its account is. Zero: all of it is of now.
	AsOf time.Time `json:"asOf,omitzero"`
}

// OldKeys is the time of the oldest fact about a key of the secret that could not be read afresh; zero where all could. Of
// such facts nothing follows that would make a secret look safer than it was.
func (s *Secret) OldKeys() time.Time {
	oldest := Older(s.Key.AsOf, oldestKey(s.Versions))
	for _, r := range s.Replicas {
		oldest = Older(Older(oldest, r.Key.AsOf), oldestKey(r.Versions))
	}
	for _, e := range s.Elsewhere.Copies {
		oldest = Older(Older(oldest, e.Key.AsOf), oldestKey(e.Versions))
	}
	return oldest
}

func oldestKey(versions []Version) time.Time {
	var oldest time.Time
	for i := range versions {
		for j := range versions[i].Keys {
			oldest = Older(oldest, versions[i].Keys[j].AsOf)
		}
	}
	return oldest
}

// Older is the earlier of two times of which zero is now.
func Older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Version is one version of a secret and the keys that open it. A version that was re-keyed keeps its older copy,
// so it lists the new key and the previous one (UpdateSecret, "update the encryption key" in the user guide).
type Version struct {
	ID        string    `json:"id"`
	Stages    []string  `json:"stages,omitzero"` // AWSCURRENT, AWSPENDING, AWSPREVIOUS or a customer's label; empty when deprecated
	Keys      []Key     `json:"keys,omitzero"`   // every key that opens it, in the order AWS lists them
	CreatedAt time.Time `json:"createdAt,omitzero"`

	In string `json:"in,omitzero"` // in a finding: which Region or account keeps it, where that is not the primary's
}

// Labelled reports whether Secrets Manager still hands the version out by stage.
func (v Version) Labelled() bool { return len(v.Stages) > 0 }

func (v Version) opensWith(key Key) bool { return slices.ContainsFunc(v.Keys, key.Same) }

// Elsewhere is what is known of a secret's copies in other accounts (cross-account replication). The zero Elsewhere is that
// nobody asked, or that the answer could not be kept.
type Elsewhere struct {
	Listing Listing       `json:"listing,omitzero"`
	Copies  []AccountCopy `json:"copies,omitempty"`
}

// AccountCopy is a copy of a secret in another account, in the same Region, under a key of its own.
// Source: user guide, "Cross-account replication"; DescribeSecret, CrossAccountReplicas.
type AccountCopy struct {
	ARN     string `json:"arn"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Key     Key    `json:"key,omitzero"`
	Status  string `json:"status,omitzero"` // Pending, InProgress, InSync, Failed, Detached

	StatusMessage string `json:"statusMessage,omitzero"` // why it failed, in AWS's words

	Listing  Listing   `json:"listing,omitzero"` // whether Versions are all that the account lists
	Versions []Version `json:"versions,omitzero"`
}

// Replica is a copy of a secret in another Region, under a key of its own.
type Replica struct {
	Region        string `json:"region,omitzero"`
	KeyID         string `json:"keyId,omitzero"` // as reported by the primary; "" is the AWS managed key of that Region
	Key           Key    `json:"key,omitzero"`
	Status        string `json:"status,omitzero"`        // InSync, InProgress, Failed
	StatusMessage string `json:"statusMessage,omitzero"` // why it failed, in AWS's words

	Listing  Listing   `json:"listing,omitzero"` // whether Versions are all that its Region lists
	Versions []Version `json:"versions,omitzero"`
}

// IsReplica reports whether the secret is a copy of a primary in another Region.
func (s *Secret) IsReplica() bool { return s.PrimaryRegion != "" && s.PrimaryRegion != s.Region }

// PendingDeletion reports whether the secret is in its recovery window, in which nothing can be changed or read.
func (s *Secret) PendingDeletion() bool { return !s.DeletedAt.IsZero() }

// Foreign reports whether another AWS service owns the secret. Customers cannot use "!" in a name, so it marks
// service-owned secrets even where OwningService was not readable (user guide, "secrets managed by other services").
func (s *Secret) Foreign() bool { return s.OwningService != "" || strings.Contains(s.Name, "!") }

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
