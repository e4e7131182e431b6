package preventive

import (
	"slices"
	"strconv"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// foreignSecrets is every secret that another AWS service owns: customers cannot use "!" in a name. For CreateSecret
// the resource is the ARN made from the name, so the exemption works before the secret exists.
const foreignSecrets = "arn:*:secretsmanager:*:*:secret:*!*"

const (
	conditionKeyArn = "secretsmanager:KmsKeyArn"
	conditionKeyID  = "secretsmanager:KmsKeyId" // deprecated by AWS, still the only one that sees the raw argument
	conditionCaller = "aws:PrincipalArn"
)

// KeyMissing denies CreateSecret without a key, which is how a secret silently gets the AWS managed key. It must not
// cover UpdateSecret: most updates name no key and mean to keep the one there is.
func KeyMissing(c settings.Config) Statement {
	return Statement{
		Sid: "KeyMissing", Effect: "Deny",
		Action:      Values{"secretsmanager:CreateSecret"},
		NotResource: Values{foreignSecrets},
		Condition: unlessCalledBy(c.BreakGlass, Condition{
			"Null": {conditionKeyArn: {"true"}},
		}),
		Why: "A secret created without a key is under the AWS managed key.",
	}
}

// DefaultAlias denies naming the AWS managed key by its alias. KmsKeyArn cannot tell that key from a customer's by
// its ARN, so this reads the raw argument; where AWS drops the deprecated key the statement stops matching and
// KeyNotApproved and DefaultKeyUse remain.
func DefaultAlias(c settings.Config) Statement {
	return Statement{
		Sid: "DefaultAlias", Effect: "Deny",
		Action:      Values{"secretsmanager:CreateSecret", "secretsmanager:UpdateSecret"},
		NotResource: Values{foreignSecrets},
		Condition: unlessCalledBy(wayBack(c), Condition{
			"StringLike": {conditionKeyID: {"alias/aws/*", "arn:*:kms:*:*:alias/aws/*"}},
		}),
		Why: "The AWS managed key named by its alias is still the AWS managed key.",
	}
}

// KeyNotApproved denies any key outside ApprovedKeys on create and on update. Null says that a key was named:
// without it a negated operator would be true for every update that names none. The operator is of the string family,
// as in AWS's own example for this key: ApprovedKeys has a policy variable, which ARN operators are not sure to fill.
func KeyNotApproved(c settings.Config) Statement {
	condition := Condition{
		"Null":          {conditionKeyArn: {"false"}},
		"StringNotLike": {conditionKeyArn: ApprovedKeys(c)},
	}
	return Statement{
		Sid: "KeyNotApproved", Effect: "Deny",
		Action:      Values{"secretsmanager:CreateSecret", "secretsmanager:UpdateSecret"},
		NotResource: Values{foreignSecrets},
		Condition:   unlessCalledBy(wayBack(c), condition),
		Why:         "A key outside the approved list is a lock that somebody else holds.",
	}
}

// ApprovedKeys is the approved list as an SCP can express it: ARN patterns. An SCP sees neither alias nor tag of the
// key, so a list with aliases, tags or keys of our own admits every key of the caller's account, and DL.SECRET.5 is
// exact afterwards. Keys of other accounts are admitted by account or ARN only.
func ApprovedKeys(c settings.Config) Values {
	approved, partition := c.Keys.Approved, arn.PartitionOf(c.Regions.Home)
	var keys Values
	for _, account := range approved.Accounts {
		keys = append(keys, partition.New("kms", "*", account, "key/*").String())
	}
	keys = append(keys, approved.ARNs...)
	if len(keys) == 0 || len(approved.Aliases) > 0 || len(approved.Tags) > 0 || c.Keys.Create {
		keys = append(keys, partition.New("kms", "*", "${aws:PrincipalAccount}", "key/*").String())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// ReplicaOutside denies a replica in a Region that nobody watches. It is all that an SCP can say of replicas: no
// condition key sees the key of a replica (service authorization reference), so their keys are DL.SECRET.3.
func ReplicaOutside(c settings.Config) Statement {
	return Statement{
		Sid: "ReplicaOutside", Effect: "Deny",
		Action:   Values{"secretsmanager:CreateSecret", "secretsmanager:ReplicateSecretToRegions"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(c.BreakGlass, Condition{
			"ForAnyValue:StringNotEquals": {"secretsmanager:AddReplicaRegions": c.Regions.Guarded},
		}),
		Why: "A replica in a Region that is not guarded is a secret that nobody watches.",
	}
}

// DefaultKeyUse denies writing under the AWS managed key at the KMS layer. Secrets Manager calls KMS with the
// caller's own session, so SCPs apply. It closes what the others leave open (UpdateSecret with an empty key, default
// replicas, the managed key named by id or ARN), and it also stops new values of secrets that are not migrated yet:
// only for a stage whose backlog is. What a service makes for its caller is stopped as well: a password that RDS keeps
// without a MasterUserSecretKmsKeyId. Decrypt stays allowed, so a leftover secret can still be moved.
func DefaultKeyUse(c settings.Config) Statement {
	return Statement{
		Sid: "DefaultKeyUse", Effect: "Deny",
		Action:   Values{"kms:Encrypt", "kms:GenerateDataKey*"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(wayBack(c), Condition{
			"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/aws/secretsmanager"}},
			"StringLike":               {"kms:ViaService": {"secretsmanager.*"}},
		}),
		Why: "Whatever way a write takes to the AWS managed key, KMS is asked; this is where it is refused.",
	}
}

// DefaultKeyChoice denies the calls by which Secrets Manager tries the AWS managed key when it is set, and so the setting: by
// ARN, by id, by an empty key. A value written under that key carries the id of its version instead, so secrets that are not
// migrated yet go on. That AWS tries its own key is not documented; the questions kms.choice.… of doublelock conformance ask.
// Source of the rest: Secrets Manager User Guide, "Secret encryption and decryption", validating access to the KMS key.
func DefaultKeyChoice(c settings.Config) Statement {
	return Statement{
		Sid: "DefaultKeyChoice", Effect: "Deny",
		Action:   Values{"kms:GenerateDataKey"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(wayBack(c), Condition{
			"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"alias/aws/secretsmanager"}},
			"StringEquals":             {"kms:EncryptionContext:SecretVersionId": {"RequestToValidateKeyAccess"}},
			"StringLike":               {"kms:ViaService": {"secretsmanager.*"}},
		}),
		Why: "A key that cannot be tried cannot be chosen; what is under it already goes on.",
	}
}

// defaultInUseDays is how long a key counts as in use when the configuration does not say.
const defaultInUseDays = 90

// KeyInUse denies disabling or deleting a key that was used within Keys.InUseDays, except to break-glass roles. A key
// that was never used has no such condition key, and a positive operator on a missing key is false.
func KeyInUse(c settings.Config) Statement {
	days := c.Keys.InUseDays
	if days == 0 {
		days = defaultInUseDays
	}
	return Statement{
		Sid: "KeyInUse", Effect: "Deny",
		Action:   Values{"kms:DisableKey", "kms:ScheduleKeyDeletion"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(c.BreakGlass, Condition{
			"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": {strconv.Itoa(days)}},
		}),
		Why: "A key in use is taken away by a break-glass role, after a look at what stops, or not at all.",
	}
}

// wayBack exempts our own change role as well: a re-key that broke a reader must be undone under the SCP too. Only
// the hub's remediate function can assume it, and MemberRoles keeps it so.
func wayBack(c settings.Config) []string {
	return append(slices.Clone(c.BreakGlass), memberRole(c, settings.RoleChange))
}

// unlessCalledBy adds the exemption of some roles to a condition. aws:PrincipalArn is the role's ARN for its sessions
// too.
func unlessCalledBy(roles []string, condition Condition) Condition {
	if len(roles) == 0 {
		return condition
	}
	condition["ArnNotLike"] = map[string]Values{conditionCaller: slices.Clone(roles)}
	return condition
}
