package guard

import "time"

// NoticeKind says what happened to a resource that others may have to act on.
type NoticeKind string

// Kinds of notices of a secret and its findings.
const (
	NoticeOpened   NoticeKind = "finding_opened"
	NoticeResolved NoticeKind = "finding_resolved"
	NoticeWaived   NoticeKind = "finding_waived"
	NoticeRekeyDue NoticeKind = "rekey_due" // asked for before and not done; for remediate alone
	NoticeRekeyed  NoticeKind = "rekeyed"
	NoticeUnproven NoticeKind = "rekey_unproven" // the key is set, and that its copies carry it could not be read
	NoticeSealed   NoticeKind = "sealed"
	NoticeDrifted  NoticeKind = "drifted"
	NoticeFailed   NoticeKind = "remediation_failed"
)

// Kinds of notices of a migration.
const (
	NoticeSealDue    NoticeKind = "seal_due"            // the owner has to write a new version
	NoticeRolledBack NoticeKind = "rolled_back"         // a secret is under its previous key again
	NoticeAttention  NoticeKind = "migration_attention" // a secret is not as its migration left it, or out of its reach: a person has to look
	NoticeReaderLost NoticeKind = "reader_lost"         // a principal that read the secret before is refused by the new key
)

// Kinds of notices that no finding stands behind.
const (
	NoticeIncident    NoticeKind = "incident_opened" // a key that secrets are under cannot be used
	NoticeKeyRestored NoticeKind = "key_restored"    // such a key can be used again
	NoticeDenied      NoticeKind = "attempt_denied"  // AWS refused a change that one of our policies is against
	NoticeDeniedRead  NoticeKind = "read_denied"     // somebody tried to read a secret, or decrypt with its key, and was refused
	NoticeTampered    NoticeKind = "tampered"        // what the guard stands on was touched: trail, rule or organization policy
	NoticeDigest      NoticeKind = "digest"          // reminds one owner of everything of theirs that is still open: Notice.Open
)

// NoticeKinds lists every kind, for tables.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		NoticeOpened, NoticeResolved, NoticeWaived, NoticeRekeyDue, NoticeRekeyed, NoticeUnproven, NoticeSealed, NoticeDrifted, NoticeIncident, NoticeKeyRestored, NoticeDenied,
		NoticeFailed, NoticeSealDue, NoticeRolledBack, NoticeAttention, NoticeReaderLost, NoticeDeniedRead, NoticeTampered, NoticeDigest,
	}
}

// Notice says to the rest of the hub that something changed. It travels on the hub's bus as the detail of a
// "Doublelock Finding" event. ID is the same however often it is published, so receivers can drop repeats.
type Notice struct {
	ID       string            `json:"id"`
	Kind     NoticeKind        `json:"kind"`
	At       time.Time         `json:"at"`
	Account  string            `json:"account"`
	Region   string            `json:"region"`
	Resource string            `json:"resource"` // canonical ARN
	Name     string            `json:"name"`
	State    LockState         `json:"state"`
	Finding  *Finding          `json:"finding,omitempty"`
	Decision Decision          `json:"decision"`
	Blast    *BlastRadius      `json:"blast,omitempty"`
	Detail   string            `json:"detail,omitempty"` // of kinds that neither Finding, Blast nor Move describe, and of moves stored before those were
	Move     *Move             `json:"move,omitempty"`   // of a migration
	Back     bool              `json:"back,omitempty"`   // of NoticeFailed: what failed was setting the previous key again
	Tags     map[string]string `json:"tags,omitempty"`   // the resource's own tags, to find its owner
	Actor    string            `json:"actor,omitempty"`  // who made the change that led here, as an ARN
	Tool     string            `json:"tool,omitempty"`   // what they made it with: terraform, cloudformation, console, …
	EventID  string            `json:"eventId,omitempty"`
	Open     []Notice          `json:"open,omitempty"` // of a digest: what is still open, as it was opened
	AsOf     time.Time         `json:"asOf,omitzero"`  // the oldest fact that it rests on, where AWS could not be asked; zero: none is old
}

// Notified says whether a person is notified of it. A digest of nothing is for nobody.
func (n Notice) Notified() bool {
	if n.Kind == NoticeDigest && len(n.Open) == 0 {
		return false
	}
	control := ControlID("")
	if n.Finding != nil {
		control = n.Finding.Control
	}
	return Notified(n.Kind, control, n.Decision)
}
