package guard

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// KeyRef says where to look for a KMS key: an id, key ARN, alias name or alias ARN, as a caller or an event gave it.
type KeyRef struct {
	Account string
	Region  string
	ID      string
}

// KeyManager is who controls a KMS key, as kms:DescribeKey reports it; "" when it could not be read.
type KeyManager string

const (
	ManagerUnknown  KeyManager = ""
	ManagerAWS      KeyManager = "AWS"
	ManagerCustomer KeyManager = "CUSTOMER"
)

// KeyState is the state kms:DescribeKey reports, plus KeyMissing for a key that no longer exists.
type KeyState string

const (
	KeyStateUnknown           KeyState = ""
	KeyCreating               KeyState = "Creating"
	KeyEnabled                KeyState = "Enabled"
	KeyDisabled               KeyState = "Disabled"
	KeyPendingDeletion        KeyState = "PendingDeletion"
	KeyPendingReplicaDeletion KeyState = "PendingReplicaDeletion"
	KeyPendingImport          KeyState = "PendingImport"
	KeyUpdating               KeyState = "Updating"
	KeyUnavailable            KeyState = "Unavailable"
	KeyMissing                KeyState = "Missing" // ours: DescribeKey answered NotFoundException
)

// DefaultKeyID is what ListSecretVersionIds lists for the AWS managed key; kms:DescribeKey does not know it.
const DefaultKeyID = "DefaultEncryptionKey"

// DefaultKeyAlias is the alias of the AWS managed key, by which calls choose it.
const DefaultKeyAlias = "alias/aws/secretsmanager"

// Key is a KMS key as its metadata describes it. The zero Key is one nothing is known about.
type Key struct {
	ARN         string     `json:"arn"` // key ARN, never an alias; "" for the AWS managed key where only DefaultKeyID is known
	ID          string     `json:"id"`  // key id, or DefaultKeyID
	Account     string     `json:"account,omitzero"`
	Region      string     `json:"region,omitzero"`
	Manager     KeyManager `json:"manager,omitzero"`
	State       KeyState   `json:"state,omitzero"`
	MultiRegion bool       `json:"multiRegion,omitzero"`
	NotAsked    bool       `json:"notAsked,omitzero"` // nothing is known of it because nobody asked: too many others came first
	Origin      string     `json:"origin,omitzero"`
	Store       string     `json:"store,omitzero"`   // id of its custom key store: it opens nothing while that is disconnected; "" for none
	Spec        string     `json:"spec,omitzero"`    // as DescribeKey's KeySpec: SYMMETRIC_DEFAULT, RSA_2048; "" where it was not read
	Usage       string     `json:"usage,omitzero"`   // as its KeyUsage
	Aliases     []string   `json:"aliases,omitzero"` // "alias/…", where they were read

	AliasesSet map[string]time.Time `json:"-"` // when each alias was given to the key last, where KMS said it

	DeletionDate time.Time `json:"deletionDate,omitzero"` // when KMS deletes it; zero: no such date
	Window       int       `json:"window,omitzero"`       // of KeyPendingReplicaDeletion: how many days after the last of its replica keys KMS deletes it; 0 where it was not read
	ValidTo      time.Time `json:"validTo,omitzero"`      // when its imported material expires; zero: never

	Tags map[string]string `json:"tags,omitzero"`

	AsOf time.Time `json:"asOf,omitzero"` // when all this was so, where KMS could not say what is so now; zero: it is of now

	SelfApproved ApprovedBy `json:"selfApproved,omitzero"` // in a finding: by what it is approved that its owner can write himself
	Doubt        *Doubt     `json:"doubt,omitzero"`        // likewise: why that does not count where he cannot
}

// Same reports whether two keys are one. All keys the AWS manages for Secrets Manager in an account and Region are.
func (k Key) Same(other Key) bool { return k.is(&other) }

// is is Same without copies of both.
func (k *Key) is(other *Key) bool {
	if k.Manager == ManagerAWS && other.Manager == ManagerAWS {
		return true
	}
	n := len(k.ARN)
	if n == 0 || n != len(other.ARN) || k.ARN[n-1]|0x20 != other.ARN[n-1]|0x20 { // ids differ in their last digit mostly, and ARNs begin alike
		return false
	}
	return k.ARN == other.ARN || strings.EqualFold(k.ARN, other.ARN)
}

// judgedAs reports whether every control says the same of two keys: all that one asks of a key is the same.
func (k *Key) judgedAs(other *Key) bool {
	return k.briefly(other) && (k.Aliases == nil) == (other.Aliases == nil) && slices.Equal(k.Aliases, other.Aliases) &&
		(k.Tags == nil) == (other.Tags == nil) && maps.Equal(k.Tags, other.Tags)
}

// AliasGone reports that the key is named by an alias that does not exist any more. The key that it led to may, and opens what was
// written under it: an alias decides about the next version alone.
func (k Key) AliasGone() bool { return k.aliasGone() }

func (k *Key) aliasGone() bool {
	return k.State == KeyMissing && k.ARN == "" && arn.Alias(k.ID) != ""
}

// Opens says whether KMS decrypts with a key in the state. Of one that is being created, and of a state that this version does
// not know, that is not known.
// Source: KMS Developer Guide, "Key states of AWS KMS keys"; of Updating "Change the primary key in a set of multi-Region keys".
func (s KeyState) Opens() Opens {
	switch s {
	case KeyEnabled, KeyUpdating:
		return OpensYes
	case KeyDisabled, KeyPendingDeletion, KeyPendingReplicaDeletion, KeyPendingImport, KeyUnavailable, KeyMissing:
		return OpensNo
	default:
		return OpensUnknown
	}
}

// Usable reports whether the state lets KMS use a key. Unknown states answer false.
func (s KeyState) Usable() bool { return s.Opens() == OpensYes }

// Unusable reports that KMS refuses to use the key. Unknown states answer false.
func (k Key) Unusable() bool { return k.State.Opens() == OpensNo }

// undecided reports that the key was read, and is in a state that does not say whether it opens anything.
func (k *Key) undecided() bool { return k.State != KeyStateUnknown && k.State.Opens() == OpensUnknown }

// Symmetric reports whether the key is one for symmetric encryption, as Secrets Manager needs it. One of which neither spec
// nor usage was read answers true: KMS always gives both, and a file of an older version has neither.
// Source: Secrets Manager User Guide, "Secret encryption and decryption": the key must be a symmetric encryption key.
func (k Key) Symmetric() bool {
	return (k.Spec == "" || k.Spec == "SYMMETRIC_DEFAULT") && (k.Usage == "" || k.Usage == "ENCRYPT_DECRYPT")
}

// LeastWindow is how many days KMS waits at the least before it deletes a key.
// Source: KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays.
const LeastWindow = 7

// stateWords say what state the key is in, after its name. One whose deletion waits for its replicas has no day yet.
// Source: KMS API Reference, KeyMetadata, PendingDeletionWindowInDays.
func (k Key) stateWords() string {
	words := "is in state " + string(k.State)
	if k.State == KeyPendingReplicaDeletion {
		words += ": " + WaitWords(k.Window)
	}
	return words
}

// WaitWords say when KMS deletes a key whose deletion waits for its replicas, by Key.Window.
func WaitWords(window int) string {
	days := Count(window, "day", "days")
	if window == 0 {
		days = Count(LeastWindow, "day", "days") + " or more"
	}
	return "KMS deletes it " + days + " after the last of its replica keys is deleted, for which no day is known"
}

// CanDecrypt reports whether the state lets KMS use the key. Unknown states answer false.
func (k Key) CanDecrypt() bool { return k.State.Usable() }
