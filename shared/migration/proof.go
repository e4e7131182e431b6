package migration

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
)

// Prove says what is missing for every version that a re-key takes along to open with the target key, and which right is
// probably the reason: UpdateSecret answers success when it could not re-encrypt (API reference, UpdateSecret, KmsKeyId).
// What AWS does not show is neither a proof nor a failure. A version that was not re-encrypted counts before one of which
// nothing is known.
func Prove(s guard.Secret, target string) Proof {
	switch {
	case s.Key.Manager == guard.ManagerUnknown && s.Key.ARN != target:
		return Proof{Unread: true, Missing: "the metadata of the key that the secret is under could not be read, so nothing is proven: let the role doublelock-read describe it"}
	case s.Key.ARN != target:
		return Proof{Missing: "UpdateSecret was accepted, but the secret is not under the new key: somebody may have moved it back at the same moment"}
	case s.VersionsUnread:
		return Proof{Unread: true, Missing: "the key is set, but the versions could not be read, so nothing is proven: let the role doublelock-read list them"}
	}
	var first Proof
	for _, c := range guard.CopiesOf(s).Here().List {
		switch {
		case !guard.ReEncrypted(c.Stages), c.Needs(guard.Key{ARN: target}): // the owner of another label writes its version again
		case !c.Nameless():
			return Proof{Missing: "the key is set, but version " + c.Version + " was not re-encrypted: " + missingRight(c, target)}
		case first.Proven():
			first = Proof{Unread: true, Missing: unreadKeys(c)}
		}
	}
	return first
}

// Proof is what a look after a change says of it.
type Proof struct {
	Missing string // what is, in one sentence; "" is proven
	Unread  bool   // it could not be read: nothing is known to have failed
}

// Proven reports that every version that a re-key takes along was seen to carry the key.
func (p Proof) Proven() bool { return p.Missing == "" }

func unreadKeys(c guard.Copy) string {
	if len(c.Keys) == 0 {
		return "the key is set, but the keys that version " + c.Version + " opens with could not be read, so nothing is proven: AWS lists none"
	}
	return "the key is set, but the keys that version " + c.Version + " opens with could not be read, so nothing is proven: let the role doublelock-read describe them"
}

// missingRight guesses from the older key. Under the AWS managed key decrypting needs no right of ours, so what lacks
// is the right to encrypt with the new one.
func missingRight(c guard.Copy, target string) string {
	for _, k := range c.Keys {
		switch {
		case k.Manager != guard.ManagerCustomer && k.State != guard.KeyMissing:
		case k.State == guard.KeyEnabled:
			return fmt.Sprintf("the role doublelock-change probably lacks kms:Decrypt on %s or kms:Encrypt on %s", k.ARN, target)
		default:
			return fmt.Sprintf("its key %s is in state %s: enable it, then set the key again", k.ARN, k.State)
		}
	}
	return fmt.Sprintf("the role doublelock-change probably lacks kms:Encrypt on %s", target)
}

// CurrentSealed reports that the version readers get opens with the secret's key alone.
func CurrentSealed(s guard.Secret) bool {
	current, found := guard.CopiesOf(s).Current()
	return found && current.Alone(s.Key)
}
