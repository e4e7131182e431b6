package trail

import (
	"cmp"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Kind says what an event asks of us.
type Kind string

const (
	Ignored       Kind = "ignored"        // nothing; Reason says why
	AttemptDenied Kind = "attempt_denied" // somebody tried and was stopped; nothing changed
	LookAtSecret  Kind = "look_at_secret" // a secret may have changed
	LookAtKey     Kind = "look_at_key"    // who may use a key, or what leads to it, changed
	KeyLifecycle  Kind = "key_lifecycle"  // a key was enabled, disabled or deleted
	DeniedRead    Kind = "denied_read"    // a reader did not get a value
	Unknown       Kind = "unknown"        // the export lacks what decides; of no event that EventBridge delivers
	Tamper        Kind = "tamper"         // what we stand on was touched: trail, rule or organization policy
	PolicyBinds   Kind = "policy_binds"   // policies of the organization bind more than before: what they forbid has to be asked again
)

// Kinds lists every kind, for tables and totals.
func Kinds() []Kind {
	return []Kind{LookAtSecret, LookAtKey, KeyLifecycle, DeniedRead, AttemptDenied, Tamper, PolicyBinds, Unknown, Ignored}
}

// Change is one event, read. It says where to look, never what is true there. Anything but Kind and Reason may be
// empty, because events leave things out.
type Change struct {
	Kind   Kind
	Reason string // why this kind, in half a sentence
	Rule   string // name of the rule in Rules that matches the event; "" when none does

	EventID       string // CloudTrail's; the envelope's id for an event that is not CloudTrail's
	SharedEventID string // the same in the records that two accounts get of one cross-account call
	EventName     string
	EventSource   string // e.g. "kms.amazonaws.com"
	DetailType    string // EventBridge's; for a bare record the one it would have been delivered with
	Time          time.Time
	Account       string // where it happened, 12 digits
	Region        string

	Secret guard.SecretRef // the secret it is about; of KMS calls through Secrets Manager too
	Key    guard.KeyRef    // the KMS key it is about
	// KeyState is what KMS answered that the key's state is, by the response of ScheduleKeyDeletion; "" where it says none.
	KeyState guard.KeyState
	Store    string // id of the custom key store that a call is about, whose keys it names none of
	// SecondKey is that of a call with two: ReEncrypt, whose Key is the source and whose SecondKey is the destination. Empty where the
	// record has one key alone. Source: KMS Developer Guide, "Logging ReEncrypt" ("in that order").
	SecondKey guard.KeyRef
	Alias     string // ARN of the alias that a call made, moved or took away
	Target    string // what a Tamper call was about: trail, rule or policy

	Actor        Actor
	UserAgent    string
	SourceIP     string // or the service that called
	ErrorCode    string // "" when the call succeeded
	ErrorMessage string
	ReadOnly     bool

	// Read: a value was read, or unsealed by KMS for Secrets Manager. Evidence of a reader.
	Read bool
	// Request is requestParameters of calls to Secrets Manager, KMS, CloudTrail, EventBridge and Organizations, as
	// encoding/json reads them; nil when the event has none. Values of secrets are left out.
	Request map[string]any
	// MayRead: it may be such evidence, but whether it is, or of whom, is Missing.
	MayRead bool
	// Missing are the members of the record that its export left out, as CloudTrail names them, such as "errorCode" where a query
	// did not select it: what they say is not known, so an empty field means nothing. nil for a whole record.
	Missing []string
}

// Moved are the ids of the root or OUs that an account was moved out of and into; "" for every other event, and where it does not say.
func (c Change) Moved() (from, to string) {
	if c.EventName != "MoveAccount" { // no other service has such a call
		return "", ""
	}
	return member(c.Request, "sourceParentId"), member(c.Request, "destinationParentId")
}

// Said is what a call about a key made of it, by the event alone: its state, and when KMS deletes it. "" is for calls that do not
// say that.
// Source: KMS Developer Guide, "Key states of AWS KMS keys"; KMS API reference, ScheduleKeyDeletion: 30 days where none are asked for.
func (c Change) Said() (state guard.KeyState, deleted time.Time) {
	switch c.EventName {
	case "DisableKey", "CancelKeyDeletion":
		return guard.KeyDisabled, deleted
	case "EnableKey", "ImportKeyMaterial":
		return guard.KeyEnabled, deleted
	case "DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial":
		return guard.KeyPendingImport, deleted
	case "DeleteKey":
		return guard.KeyMissing, deleted
	case "ScheduleKeyDeletion":
		if c.KeyState == guard.KeyPendingReplicaDeletion || c.Time.IsZero() { // its days begin when its last replica is gone
			return cmp.Or(c.KeyState, guard.KeyPendingDeletion), deleted
		}
		days, asked := c.Request["pendingWindowInDays"].(float64)
		if !asked {
			days = 30
		}
		return guard.KeyPendingDeletion, c.Time.AddDate(0, 0, int(days))
	default:
		return guard.KeyStateUnknown, deleted
	}
}

// Denied reports whether policy forbade the call. The code does not say which: a read that Secrets Manager denied may lack
// the permission on the secret or on its key; one that KMS denied lacks that on the key.
func (c Change) Denied() bool { return oneOf(deniedCodes, c.ErrorCode) }

// OfOrganization reports whether the event is a call to AWS Organizations.
func (c Change) OfOrganization() bool { return c.EventSource == organizations+".amazonaws.com" }

// Resource is what the event is about, as it names it: the secret, else the key or its store, else the target of a Tamper call.
func (c Change) Resource() string {
	switch {
	case c.Secret.ID != "":
		return c.Secret.ID
	case c.Key.ID != "":
		return c.Key.ID
	case c.Store != "":
		return c.Store
	default:
		return c.Target
	}
}
