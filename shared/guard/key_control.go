package guard

// Controls on customer managed keys.
const (
	KeyTags         ControlID = "DL.KEY.1"
	KeyRotation     ControlID = "DL.KEY.2"
	KeyOpen         ControlID = "DL.KEY.3"
	KeyUnused       ControlID = "DL.KEY.4"
	KeyNeeded       ControlID = "DL.KEY.5"
	KeyBlastRadius  ControlID = "DL.KEY.6"
	KeyOnlyDelegate ControlID = "DL.KEY.7"
)

// KeyControls lists the controls on keys in the order of their IDs. They are judged by who has policies and secrets at
// hand, not by Evaluate.
func KeyControls() []Control {
	return []Control{
		{
			ID: KeyTags, Severity: SeverityLow,
			Title: "Key does not say whose it is",
			Why:   "In an incident somebody must be asked whether the key may be switched off, and what stops when it is.",
			Fix:   "Tag the key with its owner, its application and the sensitivity of the data.",
		},
		{
			ID: KeyRotation, Severity: SeverityMedium,
			Title: "Key is not rotated as often as required",
			Why:   "Key material that is never renewed protects ever more data, and a copy of it opens all of that.",
			Fix:   "Enable automatic rotation with the required period, or rotate on demand.",
		},
		{
			ID: KeyOpen, Severity: SeverityHigh,
			Title: "Key policy lets in more than it must",
			Why:   "Whoever may use the key holds the second lock of every secret under it; who changes its policy, or replicates a multi-Region key, may use it, too, and whoever hands it on by grants chooses who else does.",
			Fix:   "Name the principals, or bind them by kms:CallerAccount and kms:ViaService, and keep managing apart from using.",
		},
		{
			ID: KeyUnused, Severity: SeverityLow,
			Title: "Key is paid for and not used",
			Why:   "A key nobody uses costs money every month and hides the keys that matter.",
			Fix:   "Disable the key, watch for failures, then schedule its deletion.",
		},
		{
			ID: KeyNeeded, Severity: SeverityCritical,
			Title: "Key is disabled or pending deletion while secrets need it",
			Why:   "Its secrets cannot be read now, and are lost for good when the key is deleted.",
			Fix:   "Cancel the deletion and enable the key, or move its secrets first.",
		},
		{
			ID: KeyBlastRadius, Severity: SeverityMedium,
			Title: "Too much depends on one key",
			Why:   "A key that everything is under cannot be switched off for the sake of one secret.",
			Fix:   "Give applications and environments keys of their own and move their secrets.",
		},
		{
			ID: KeyOnlyDelegate, Severity: SeverityMedium,
			Title: "Key policy only hands over to IAM",
			Why:   "Every IAM policy of the account that allows kms:Decrypt, or kms:CreateGrant or kms:ReEncryptFrom, which come to it, opens the key: the second lock is then no lock of its own.",
			Fix:   "Let the account manage the key, and its IAM policies give use through Secrets Manager alone, to those whom aws:PrincipalArn names in the key policy.",
		},
	}
}
