package guard

import "slices"

// Outcome is what a control says of one resource.
type Outcome string

const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	Unknown       Outcome = "unknown"        // what decides could not be read; never counts as safe
	NotApplicable Outcome = "not_applicable" // the control has nothing to say here
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

// Control is one of our checks.
type Control struct {
	ID       ControlID
	Title    string
	Why      string // what goes wrong without it
	Fix      string // what the owner does
	Severity Severity

	check func(Secret, Standard) (Outcome, Subject)
	words func(Subject) string // what a subject that fails it means, in half a sentence
}

// Standard is what an organization measures its secrets against.
type Standard struct {
	Approved Approved
}

// Verdict is what one control says of one secret.
type Verdict struct {
	Control Control
	Outcome Outcome
	Subject Subject // what fails or is unknown; empty otherwise
}

// ControlByID finds a control of any kind.
func ControlByID(id ControlID) (Control, bool) {
	for _, c := range slices.Concat(Controls(), KeyControls(), []Control{CoverageControl()}) {
		if c.ID == id {
			return c, true
		}
	}
	return Control{}, false
}

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
