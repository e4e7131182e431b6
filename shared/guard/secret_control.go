package guard

import (
	"fmt"
	"slices"
	"strings"
)

// Controls on secrets.
const (
	SecretDefaultKey    ControlID = "DL.SECRET.1"
	SecretNotSealed     ControlID = "DL.SECRET.2"
	SecretReplicaKey    ControlID = "DL.SECRET.3"
	SecretKeyUnusable   ControlID = "DL.SECRET.4"
	SecretKeyUnapproved ControlID = "DL.SECRET.5"
	SecretForeignKey    ControlID = "DL.SECRET.6"
)

// Controls lists the controls on secrets in the order of their IDs.
func Controls() []Control {
	return []Control{
		{
			ID: SecretDefaultKey, Severity: SeverityHigh, check: checkDefaultKey, words: Subject.defaultKeyWords,
			Title: "Secret is under the AWS managed key",
			Why:   "Everyone who may read the secret can open it: the key of the AWS managed alias has a policy nobody can narrow, audit apart or switch off.",
			Fix:   "Set a customer managed key on the secret, then write a new version so that no older copy stays readable.",
		},
		{
			ID: SecretNotSealed, Severity: SeverityMedium, check: checkSealed, words: Subject.versionWords,
			Title: "Secret is re-keyed but not sealed",
			Why:   "Secrets Manager keeps the copies under the previous key: disabling the new key does not stop reads until a new version is written.",
			Fix:   "Rotate the secret twice, or write its value again twice: the first new version seals AWSCURRENT, the second AWSPREVIOUS.",
		},
		{
			ID: SecretReplicaKey, Severity: SeverityHigh, check: checkReplicas, words: Subject.replicaWords,
			Title: "A replica is under the AWS managed key",
			Why:   "Each replica has a key of its own; a replica on the AWS managed key opens with one lock, whatever the primary has.",
			Fix:   "Set a customer managed key of the replica's Region on the replica, in that Region. Removing the replica would stop its readers.",
		},
		{
			ID: SecretKeyUnusable, Severity: SeverityCritical, check: checkKeyUsable, words: Subject.unusableWords,
			Title: "The key of a secret is disabled, pending deletion or missing",
			Why:   "Readers fail now or at their next uncached read, and a deleted key takes the value with it.",
			Fix:   "If it was not on purpose, enable the key or cancel its deletion; if it was, leave it off and rotate the credential.",
		},
		{
			ID: SecretKeyUnapproved, Severity: SeverityHigh, check: checkApproved, words: Subject.unapprovedWords,
			Title: "The key of a secret is not among the approved ones",
			Why:   "A key outside the organization's control can be switched off, or kept on, by somebody else.",
			Fix:   "Move the copy that is under it to an approved key, or approve this one in doublelock.yaml.",
		},
		{
			ID: SecretForeignKey, Severity: SeverityMedium, check: checkForeign, words: Subject.foreignWords,
			Title: "A service-owned secret is under the AWS managed key",
			Why:   "The service that owns it chose its key; Secrets Manager refuses to change it from outside.",
			Fix:   "Choose a customer managed key in the owning service.",
		},
	}
}

func checkDefaultKey(s Secret, _ Standard) (Outcome, Subject) {
	switch {
	case s.Foreign():
		return NotApplicable, Subject{}
	case s.Key.Manager == ManagerAWS:
		return Fail, Subject{Key: s.Key.brief(), Rotation: rotationOf(s), Empty: !s.VersionsUnread && len(s.Versions) == 0}
	case s.Key.Manager == ManagerCustomer:
		return Pass, Subject{}
	default:
		return Unknown, Subject{Key: s.Key.brief(), Blind: &BlindSpot{Part: PartKey, Cause: CauseDenied}}
	}
}

func checkSealed(s Secret, _ Standard) (Outcome, Subject) {
	switch StateOf(s, "") {
	case StateDual:
		return Fail, Subject{Key: s.Key.brief(), Versions: unsealed(s), Rotation: rotationOf(s)}
	case StateSealed:
		return Pass, Subject{}
	case StateUnknown:
		return Unknown, unreadCopies(s)
	default:
		return NotApplicable, Subject{}
	}
}

// unreadCopies is what of a secret's key and versions could not be read.
func unreadCopies(s Secret) Subject {
	s.Replicas = nil
	if found := Unread(s); found.Blind != nil {
		return found
	}
	return Subject{Blind: &BlindSpot{Part: PartVersionKeys, Cause: CauseDenied}}
}

// unsealed lists the labelled versions that open with another key than the secret's, or do not open with that one.
func unsealed(s Secret) []Version {
	var open []Version
	for _, v := range s.Versions {
		other := slices.ContainsFunc(v.Keys, func(k Key) bool { return !k.Same(s.Key) })
		if v.Labelled() && (other || !v.opensWith(s.Key)) {
			open = append(open, v.brief())
		}
	}
	return open
}

func checkReplicas(s Secret, _ Standard) (Outcome, Subject) {
	if s.Foreign() {
		return NotApplicable, Subject{}
	}
	return failing(s, Pass, func(k Key) Outcome { // its own key is for other controls
		switch k.Manager {
		case ManagerAWS:
			return Fail
		case ManagerCustomer:
			return Pass
		default:
			return Unknown
		}
	})
}

func checkKeyUsable(s Secret, _ Standard) (Outcome, Subject) {
	return failing(s, keyUsable(s.Key), keyUsable)
}

func keyUsable(k Key) Outcome {
	switch {
	case k.Manager == ManagerAWS, k.CanDecrypt():
		return Pass
	case k.Unusable():
		return Fail
	default:
		return Unknown
	}
}

func checkApproved(s Secret, std Standard) (Outcome, Subject) {
	approved := func(k Key) Outcome {
		if k.Manager == ManagerAWS {
			return NotApplicable
		}
		return std.Approved.Allows(k, s.Account)
	}
	outcome, subject := failing(s, approved(s.Key), approved)
	if outcome == Fail && !subject.Key.zero() {
		subject.Rotation = rotationOf(s)
	}
	return outcome, subject
}

func checkForeign(s Secret, _ Standard) (Outcome, Subject) {
	switch {
	case !s.Foreign():
		return NotApplicable, Subject{}
	case s.Key.Manager == ManagerAWS:
		return Fail, Subject{Key: s.Key.brief()}
	case s.Key.Manager == ManagerCustomer:
		return Pass, Subject{}
	default:
		return Unknown, Subject{Key: s.Key.brief(), Blind: &BlindSpot{Part: PartKey, Cause: CauseDenied}}
	}
}

func (s Subject) defaultKeyWords() string {
	return "opens with the AWS managed key, which the organization cannot switch off"
}

func (s Subject) versionWords() string {
	if stuck := len(s.Stuck()); stuck > 0 {
		return fmt.Sprintf("%s not under the key that the secret names; %s", versions(stuck, "is", "are"), StuckCauses)
	}
	return fmt.Sprintf("%s with the previous key", versions(len(s.Versions), "still opens", "still open"))
}

func (s Subject) replicaWords() string {
	return "opens with the AWS managed key in " + strings.Join(s.regions(), ", ")
}

func (s Subject) unusableWords() string {
	return s.eachKey(func(k Key) string {
		if k.State == KeyMissing {
			return "does not exist"
		}
		return k.ARN + " is in state " + string(k.State)
	})
}

func (s Subject) unapprovedWords() string {
	return s.eachKey(func(k Key) string { return k.ARN + " is not approved" })
}

func (s Subject) foreignWords() string {
	return fmt.Sprintf("owned by %s, which keeps it under the AWS managed key", s.Service)
}
