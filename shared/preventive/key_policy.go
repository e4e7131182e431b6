package preventive

import (
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// KeyAdministration are the KMS calls that manage a key and cannot use it.
var KeyAdministration = Values{
	"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
	"kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyLastUsage", "kms:GetKeyPolicy",
	"kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations",
	"kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
	"kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias",
	"kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion",
}

// SecretsUse are the KMS calls that Secrets Manager makes for its caller.
var SecretsUse = Values{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}

// SecretsKeyPolicy is the key policy of the CMK that Doublelock makes per account and Region. Managing and using are
// two statements: the account's administrators manage and cannot decrypt; everybody in the account uses it, only
// through Secrets Manager there. So a reader who had the permission on the secret keeps reading after the re-key,
// and yet one call on the key takes every secret under it away. account and region may be CloudFormation references.
func SecretsKeyPolicy(partition arn.Partition, account, region string) Document {
	return NewDocument(
		Statement{
			Sid: "Administration", Effect: "Allow",
			Principal: Principal{"AWS": {partition.Root(account)}},
			Action:    KeyAdministration,
			Resource:  Values{"*"},
			Why:       "IAM in this account says who manages the key; nobody uses it by this statement.",
		},
		Statement{
			Sid: "UseThroughSecretsManager", Effect: "Allow",
			Principal: Principal{"AWS": {"*"}},
			Action:    SecretsUse,
			Resource:  Values{"*"},
			Condition: Condition{"StringEquals": {
				"kms:CallerAccount": {account},
				"kms:ViaService":    partition.ViaService("secretsmanager", region),
			}},
			Why: "Callers of this account, and only while Secrets Manager acts for them.",
		},
		Statement{
			Sid: "RescueReaders", Effect: "Allow",
			Principal: Principal{"AWS": {partition.Root(account)}},
			Action:    Values{"kms:CreateGrant"},
			Resource:  Values{"*"},
			Condition: Condition{
				"ArnLike":                   {"aws:PrincipalArn": {partition.Role(account, settings.RoleChange)}},
				"ForAllValues:StringEquals": {"kms:GrantOperations": {"Decrypt"}},
				"Null":                      {"kms:GrantOperations": {"false"}},
			},
			Why: "The hub's change role can give a reader that lost access its read back, and grant nothing else.",
		},
	)
}
