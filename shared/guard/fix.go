package guard

// ReadRole is the role in every account that looks at secrets and keys. Owners are given its name.
const ReadRole = "doublelock-read"

// FixFor says in a sentence or two what the owner does about a subject that fails the control.
func (c Control) FixFor(s Subject) string {
	switch {
	case s.Service != "" && c.ID != SecretKeyUnusable && c.ID != SecretOutside:
		return foreignFix(s.Service)
	case s.Blind != nil:
		return blindFix(*s.Blind)
	case s.Row != nil:
		return rowFix(*s.Row)
	default:
		return c.Fix
	}
}

// Fix says what to do about a verdict; "" unless it fails.
func (v Verdict) Fix() string {
	if v.Outcome != Fail {
		return ""
	}
	return v.Control.FixFor(v.Subject)
}

func blindFix(b BlindSpot) string {
	switch {
	case b.Part == PartEvents:
		return "Run doublelock doctor: it names the part that is broken on the way from the account to the hub, and how to mend it."
	case b.Part == PartApproval:
		return "Find out who set it. If it is meant, an approver of keys.approved.managers sets it again: UpdateAlias with the same target for an alias, all approving tags for tags. If it is not, move the alias back, and the secret to an approved key."
	case b.Cause == CauseNoAnswer:
		return "No right is known to be missing. Run doublelock doctor for the account; look at its AWS Health events, and at what stands between the hub and the endpoint there. Every sweep tries again, and what is recorded of its secrets may be out of date until then."
	case b.Cause == CauseNotListed:
		return "No right is missing: AWS answered, and listed no keys. Every sweep looks again. If it stays so, ask AWS Support why ListSecretVersionIds names no KmsKeyIds for the version."
	case b.Part == PartReplicaVersions:
		return "Let the role " + ReadRole + " list the versions there: guard that Region, or that account, with the member stack. Until then an older version may open with a key from before, and nothing calls the secret sealed."
	case b.Part == PartKey || b.Part == PartReplicaKey || b.Part == PartVersionKeys:
		return "Let the role " + ReadRole + " describe the key: kms:DescribeKey, in the key's policy where the key is another account's."
	case b.Cause == CauseItsPolicy:
		return "Except the role " + ReadRole + " in the statement of the secret's resource policy that denies it, by one more line in its Condition: ArnNotLike, aws:PrincipalArn, the role's ARN; where there is such a line, put the ARN into its list. If the policy has no such statement, look for an SCP or RCP that names the secret."
	case b.Cause == CauseDenied:
		return "Let the role " + ReadRole + " describe secrets and list their versions: update the member stack, and look for an SCP or a permissions boundary that denies it."
	default:
		return CoverageControl().Fix
	}
}
