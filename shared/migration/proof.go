package migration

import (
	"fmt"
	"slices"

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
	Again   bool   // of going back: a version certainly does not open with the key, and setting the key again may mend it
}

// Proven reports that every version that a re-key takes along was seen to carry the key.
func (p Proof) Proven() bool { return p.Missing == "" }

func unreadKeys(c guard.Copy) string {
	if len(c.Keys) == 0 {
		return "the key is set, but the keys that version " + c.Version + " opens with could not be read, so nothing is proven: AWS lists none"
	}
	return "the key is set, but the keys that version " + c.Version + " opens with could not be read, so nothing is proven: let the role doublelock-read describe them"
}

// missingRight says what the keys that opened the copy leave as possible. Under the AWS managed key decrypting needs no right of
// ours, so what lacks is the right to encrypt with the new one. A copy that no key opens can only be written again.
func missingRight(c guard.Copy, target string) string {
	opening := c.Opening()
	switch life := c.Life(); {
	case life.Opens == guard.OpensNo:
		return "no key opens it now: " + closedBy(c, life, ", then set the key again")
	case len(opening) == 0 || slices.ContainsFunc(opening, func(k guard.Key) bool { return k.Manager == guard.ManagerAWS }):
		return fmt.Sprintf("the role doublelock-change probably lacks kms:Encrypt on %s", target)
	default:
		return fmt.Sprintf("the role doublelock-change probably lacks kms:Decrypt on %s or kms:Encrypt on %s", opening[0].ARN, target)
	}
}

// CurrentSealed reports that the version readers get opens with the secret's key alone.
func CurrentSealed(s guard.Secret) bool {
	current, found := guard.CopiesOf(s).Current()
	return found && current.Alone(s.Key)
}
