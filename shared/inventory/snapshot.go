package inventory

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Version is the format of a snapshot file that this package writes and reads.
const Version = 1

// Snapshot is an organization at one moment. Policies are kept as the JSON that AWS returned: one that cannot be parsed
// makes answers unknown instead of being lost. It holds no secret value.
type Snapshot struct {
	Version      int               `json:"version"`
	TakenAt      time.Time         `json:"takenAt"`
	Organization Organization      `json:"organization,omitzero"`
	Accounts     []Account         `json:"accounts"`
	Controls     map[string]Policy `json:"controls,omitempty"` // SCPs and RCPs by id
	Managed      map[string]string `json:"managed,omitempty"`  // managed policies by ARN
	Groups       []Group           `json:"groups,omitempty"`
	Principals   []Principal       `json:"principals"`
	Secrets      []Secret          `json:"secrets"`
	Keys         []Key             `json:"keys"`
	Unread       []Unread          `json:"unread,omitempty"`
}

// Organization is the organization the accounts belong to; the zero Organization is an account without one.
type Organization struct {
	ID                string `json:"id"`                // o-…
	ManagementAccount string `json:"managementAccount"` // 12 digits; neither SCPs nor RCPs bind it
}

// Account is one account, and the organization policies on the way down to it.
type Account struct {
	ID      string   `json:"id"` // 12 digits
	Name    string   `json:"name,omitempty"`
	Path    []string `json:"path,omitempty"`    // root and OUs above it, root first
	SCPs    []Level  `json:"scps,omitempty"`    // root first, the account itself last; none: none apply
	RCPs    []Level  `json:"rcps,omitempty"`    // likewise
	Regions []string `json:"regions,omitempty"` // whose secrets and keys were read, or are in Unread; none: it is not known which
	Enabled []string `json:"enabled,omitempty"` // Regions in which it can have any; none: that is not known
}

// Level is a root, OU or account and the policies attached right there.
type Level struct {
	Target   string   `json:"target"`
	Policies []string `json:"policies"` // ids in Controls
}

// Policy is an organization policy.
type Policy struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

// Kind is what sort of principal it is.
type Kind string

const (
	Role Kind = "role"
	User Kind = "user"
)

// Principal is a role or user and everything attached to it.
type Principal struct {
	ARN      string            `json:"arn"`
	Kind     Kind              `json:"kind"`
	Account  string            `json:"account"`
	UniqueID string            `json:"uniqueId,omitempty"` // AROA…, AIDA…
	Inline   map[string]string `json:"inline,omitempty"`   // by name
	Managed  []string          `json:"managed,omitempty"`  // ARNs in the snapshot's Managed
	Boundary string            `json:"boundary,omitempty"` // ARN in the snapshot's Managed
	Trust    string            `json:"trust,omitempty"`    // of roles
	Groups   []string          `json:"groups,omitempty"`   // names in the account, of users
	Tags     map[string]string `json:"tags,omitempty"`
	LastUsed time.Time         `json:"lastUsed,omitzero"`

	CreatedAt time.Time `json:"createdAt,omitzero"` // whoever had the name before was another; zero: not known
}

// Former reports whether somebody who was seen under the name, with a unique id where that was seen, was another one, who is gone: a role or user
// that is made anew has another unique id. Records have no parts of a second.
// Source: IAM User Guide, "IAM identifiers", Unique identifiers.
func (p Principal) Former(uniqueID string, at time.Time) bool {
	if id, _, _ := strings.Cut(uniqueID, ":"); id != "" && p.UniqueID != "" {
		return id != p.UniqueID
	}
	return !at.IsZero() && at.Before(p.CreatedAt.Truncate(time.Second))
}

// Group is a group of users and what is attached to it.
type Group struct {
	Name    string            `json:"name"`
	Account string            `json:"account"`
	Inline  map[string]string `json:"inline,omitempty"`
	Managed []string          `json:"managed,omitempty"`
}

// Secret is a secret and the policy on it.
type Secret struct {
	Facts        guard.Secret `json:"facts"`
	Policy       string       `json:"policy,omitempty"` // resource policy; "" for none
	PolicyUnread string       `json:"policyUnread,omitempty"`
}

// Key is a customer managed KMS key, who may use it and how it is kept. The …Unread fields say why something is not
// known; "" is known.
type Key struct {
	Facts          guard.Key `json:"facts"`
	Policy         string    `json:"policy,omitempty"`
	PolicyUnread   string    `json:"policyUnread,omitempty"`
	Shared         string    `json:"shared,omitempty"` // policy that AWS RAM keeps beside the other, of a key that is shared by it; "" for none
	SharedUnread   string    `json:"sharedUnread,omitempty"`
	Grants         []Grant   `json:"grants,omitempty"`
	GrantsUnread   string    `json:"grantsUnread,omitempty"`
	Rotation       Rotation  `json:"rotation,omitzero"`
	RotationUnread string    `json:"rotationUnread,omitempty"`
	Use            Use       `json:"use,omitzero"`
	UseUnread      string    `json:"useUnread,omitempty"`
	CreatedAt      time.Time `json:"createdAt,omitzero"`

	AliasesSet map[string]time.Time `json:"aliasesSet,omitempty"` // when each alias was given to the key last; of one that is not here, it is not known
}

// Grant is a KMS grant. Grantee is a principal's ARN or a service.
type Grant struct {
	ID         string            `json:"id"`
	Name       string            `json:"name,omitempty"`
	Grantee    string            `json:"grantee"`
	Retiring   string            `json:"retiring,omitempty"`
	Operations []string          `json:"operations"`
	Equals     map[string]string `json:"equals,omitempty"` // what the encryption context must equal
	Subset     map[string]string `json:"subset,omitempty"` // what it must contain
	CreatedAt  time.Time         `json:"createdAt,omitzero"`
}

// Rotation is how the material of a key is renewed.
type Rotation struct {
	Enabled    bool        `json:"enabled"`
	PeriodDays int         `json:"periodDays,omitempty"`
	Past       []time.Time `json:"past,omitempty"` // on demand and automatic, newest last
}

// Use is when a key was last used. Zero At: not since Since.
type Use struct {
	At        time.Time `json:"at,omitzero"`
	Operation string    `json:"operation,omitempty"`
	Since     time.Time `json:"since,omitzero"` // when AWS began to keep track
}

// Part names what of an account could not be read.
type Part string

const (
	PartOrganization Part = "organization" // accounts and where they hang; Account is ""
	PartControls     Part = "controls"     // SCPs and RCPs above the account
	PartPrincipals   Part = "principals"
	PartSecrets      Part = "secrets" // of the account in Region
	PartKeys         Part = "keys"    // of the account in Region
)

// parts are all of them.
var parts = []Part{PartOrganization, PartControls, PartPrincipals, PartSecrets, PartKeys}

// Unread is a part that could not be read: every answer it could change is unknown.
type Unread struct {
	Part    Part   `json:"part"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Why     string `json:"why"`
}
