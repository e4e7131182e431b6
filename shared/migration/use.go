package migration

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Does is a way in which a principal uses a secret.
type Does string

const (
	Reads      Does = "reads"
	Writes     Does = "writes"     // PutSecretValue
	Updates    Does = "updates"    // UpdateSecret, which may have a value
	Rotates    Does = "rotates"    // as the role of its rotation: reads and writes
	Starts     Does = "starts"     // a rotation, by RotateSecret
	Replicates Does = "replicates" // to other Regions
)

// Moment says from when on a use takes the new key.
type Moment string

const (
	AtOnce       Moment = "the re-key"
	FirstNew     Moment = "the first new version"
	SecondNew    Moment = "the second new version"
	WrittenAgain Moment = "the version that its owner writes again under that label"
	Retired      Moment = "the end of the previous key"
)

// Use is one way in which a principal uses a secret, and what it takes on the new key.
type Use struct {
	Does     Does      `json:"does"`
	Version  string    `json:"version,omitempty"` // label or id of the version that it reads; "" is the current one
	Seen     int       `json:"seen,omitempty"`    // times in the look-back; 0: the policies let it
	LastSeen time.Time `json:"lastSeen,omitzero"`
	Needs    []string  `json:"needs,omitempty"` // actions on the new key
	From     Moment    `json:"from,omitempty"`
	Verdict  Verdict   `json:"verdict"`
	Until    time.Time `json:"until,omitzero"` // its rights end then, by a date in a policy
}

// call is what the use calls of Secrets Manager.
func (u Use) call() string {
	switch u.Does {
	case Writes:
		return "secretsmanager:PutSecretValue"
	case Updates:
		return "secretsmanager:UpdateSecret"
	case Starts:
		return "secretsmanager:RotateSecret"
	case Replicates:
		return "secretsmanager:ReplicateSecretToRegions"
	default:
		return "secretsmanager:GetSecretValue"
	}
}

const (
	decrypt  = "kms:Decrypt"
	generate = "kms:GenerateDataKey"
	encrypt  = "kms:Encrypt"
)

// plan fills in which rights on the new key the use takes, and from when on. A new version is under the new key alone as soon as the
// secret names that, so writing takes it at once; a read is served by the copy under the previous key as long as its version has one.
// Sources: Secrets Manager API Reference, PutSecretValue, UpdateSecret, ReplicateSecretToRegions; User Guide, "Secret encryption and
// decryption" and "Permissions for rotation".
func (u *Use) plan(s guard.Secret) {
	switch u.Does {
	case Writes:
		u.Needs, u.From = []string{generate}, AtOnce
	case Updates:
		u.Needs, u.From = []string{generate, decrypt, encrypt}, AtOnce
	case Rotates:
		u.Needs, u.From = []string{decrypt, generate}, AtOnce
	case Replicates:
		u.Needs, u.From = []string{decrypt}, FirstNew
	case Reads:
		u.Needs, u.From = []string{decrypt}, u.moment(s)
		if u.From == "" {
			u.Needs = nil
		}
	}
}

// moment is from when on a read takes the new key; "" is never.
func (u *Use) moment(s guard.Secret) Moment {
	switch u.Version {
	case "", "AWSCURRENT", "AWSPENDING":
		return FirstNew
	case "AWSPREVIOUS":
		return SecondNew
	}
	here := guard.CopiesOf(s).Here().List
	at := slices.IndexFunc(here, func(c guard.Copy) bool { return c.Version == u.Version || slices.Contains(c.Stages, u.Version) })
	switch {
	case at < 0 || !slices.Contains(here[at].Stages, u.Version) && guard.ReEncrypted(here[at].Stages):
		return Retired
	case len(here[at].Stages) == 0:
		return "" // a re-key leaves it alone, and nobody writes under an id again
	}
	return WrittenAgain
}

// String is the use for people, such as "reads AWSPREVIOUS".
func (u Use) String() string {
	switch u.Does {
	case Reads:
		return strings.TrimSpace("reads " + u.Version)
	case Starts:
		return "starts rotations"
	default:
		return string(u.Does)
	}
}

// because is why a use does not keep what it takes, with what it is that does not.
func (u Use) because(d policy.Decision, action string) string {
	if u.Does == Reads && u.Version == "" {
		return d.Why
	}
	return fmt.Sprintf("it %s, which takes %s from %s on: %s", u, action, u.From, d.Why)
}

// worse puts the verdicts in the order in which they count: what cannot be done today is no use.
func worse(x, y Verdict) bool {
	order := []Verdict{Cannot, Keeps, Unknown, Loses}
	return slices.Index(order, x) > slices.Index(order, y)
}
