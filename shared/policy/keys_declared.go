package policy

import "strings"

// The actions of the services whose keys are declared by action. Source: Service Authorization Reference, AWS KMS and AWS
// Secrets Manager; the drift alarm compares both with it.
const (
	onKeys = "CancelKeyDeletion CreateAlias CreateGrant Decrypt DeleteAlias DeleteImportedKeyMaterial DeriveSharedSecret DescribeKey " +
		"DisableKey DisableKeyRotation EnableKey EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair " +
		"GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GetKeyLastUsage GetKeyPolicy " +
		"GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial ListGrants ListKeyPolicies ListKeyRotations " +
		"ListResourceTags PutKeyPolicy ReEncryptFrom ReEncryptTo ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand " +
		"ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateKeyDescription UpdatePrimaryRegion Verify VerifyMac"
	onKeyMaterial = "SynchronizeMultiRegionKey" // by KMS itself: it has the keys of the resource alone
	onStores      = "ConnectCustomKeyStore CreateCustomKeyStore DeleteCustomKeyStore DescribeCustomKeyStores DisconnectCustomKeyStore UpdateCustomKeyStore"
	onNoKey       = "GenerateRandom ListAliases ListKeys ListRetirableGrants"
	makesKeys     = "CreateKey"

	dataKeys     = "GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext"
	encryption   = "Decrypt Encrypt ReEncryptFrom ReEncryptTo " + dataKeys
	byAlias      = encryption + " DeriveSharedSecret DescribeKey GenerateMac GetPublicKey Sign Verify VerifyMac"
	attestations = "Decrypt DeriveSharedSecret GenerateDataKey GenerateDataKeyPair GenerateRandom"

	onSecrets = "CancelRotateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy GetSecretValue " +
		"ListSecretVersionIds PutResourcePolicy PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret " +
		"RotateSecret StopReplicationToReplica TagResource UntagResource UpdateSecret UpdateSecretVersionStage ValidateResourcePolicy"
	makesSecrets = "CreateSecret"
	onNoSecret   = "BatchGetSecretValue GetRandomPassword ListSecrets"
)

var knownActions = map[string]actions{
	"kms":            listed(onKeys, onKeyMaterial, onStores, onNoKey, makesKeys),
	"secretsmanager": listed(onSecrets, makesSecrets, onNoSecret),
}

// OnKeys are the actions of KMS that are about a key, so that a key policy may have them.
func OnKeys() []string { return strings.Fields(onKeys + " " + onKeyMaterial) }

func kms(names ...string) map[string]actions { return map[string]actions{"kms": listed(names...)} }
func secrets(names ...string) map[string]actions {
	return map[string]actions{"secretsmanager": listed(names...)}
}

func inBoth(kms, secrets string) map[string]actions {
	return map[string]actions{"kms": listed(kms), "secretsmanager": listed(secrets)}
}

// declared are all condition keys of which something is known. What "always" says of a key of a service is from that service's
// guide, what "on" says from the Service Authorization Reference, and the rest from the Availability of each key in the IAM User
// Guide, "AWS global condition context keys".
var declared = []declaration{
	// the principal
	{name: "aws:PrincipalArn", always: people, never: anonymous},
	{name: "aws:PrincipalAccount", always: people | anonymous},
	{name: "aws:PrincipalOrgID", never: services | anonymous},
	{name: "aws:PrincipalOrgPaths", never: services | anonymous, many: true},
	{name: "aws:PrincipalTag/", never: roots | services | anonymous},
	{name: "aws:PrincipalType", always: people | anonymous},
	{name: "aws:PrincipalIsAWSService", always: signed, never: anonymous},
	{name: "aws:PrincipalServiceName", always: services, never: people | identities | anonymous},
	{name: "aws:PrincipalServiceNamesList", always: services, never: people | identities | anonymous, many: true},
	{name: "aws:userid", always: people}, // of unsigned requests the guide says both that it is "anonymous" and that it is not there
	{name: "aws:username", always: users, never: everybody &^ users},

	// its session
	{name: "aws:AssumedRoot", never: everybody &^ roots},
	{name: "aws:TokenIssueTime", always: temporary, never: anonymous},
	{name: "aws:MultiFactorAuthPresent", never: anonymous},
	{name: "aws:MultiFactorAuthAge", never: anonymous},
	{name: "aws:FederatedProvider", never: everybody &^ (roles | identities)},
	{name: "aws:SourceIdentity", never: everybody &^ (roles | identities)},
	{name: "aws:ChatbotSourceArn", never: everybody &^ roles},
	{name: "aws:Ec2InstanceSourceVpc", never: everybody &^ roles},
	{name: "aws:Ec2InstanceSourcePrivateIPv4", never: everybody &^ roles},
	{name: "aws:SignInSessionArn", never: services | anonymous},
	{name: "ec2:RoleDelivery", never: everybody &^ roles},
	{name: "ec2:SourceInstanceArn", never: everybody &^ roles},
	{name: "glue:CredentialIssuingService", never: everybody &^ roles},
	{name: "glue:RoleAssumedBy", never: everybody &^ roles},
	{name: "identitystore:UserId", never: everybody &^ roles},
	{name: "lambda:SourceFunctionArn", never: everybody &^ roles},
	{name: "ssm:SourceInstanceArn", never: everybody &^ roles},
	{name: "saml:", never: everybody &^ (roles | identities)},

	// the network
	{name: "aws:SourceIp"},
	{name: "aws:SourceVpc"},
	{name: "aws:SourceVpcArn"},
	{name: "aws:SourceVpce"},
	{name: "aws:VpcSourceIp"},
	{name: "aws:VpceAccount"},
	{name: "aws:VpceOrgID"},
	{name: "aws:VpceOrgPaths", many: true},

	// the resource
	{name: "aws:ResourceAccount"},
	{name: "aws:ResourceOrgID"},
	{name: "aws:ResourceOrgPaths", many: true},
	{name: "aws:ResourceTag/", on: inBoth(onKeys+" "+onKeyMaterial+" "+makesKeys, onSecrets+" "+makesSecrets)},

	// the request
	{name: "aws:CalledVia", never: anonymous, many: true},
	{name: "aws:CalledViaAWSMCP", never: anonymous},
	{name: "aws:CalledViaFirst", never: anonymous},
	{name: "aws:CalledViaLast", never: anonymous},
	{name: "aws:CurrentTime", always: everybody},
	{name: "aws:EpochTime", always: everybody},
	{name: "aws:IsMcpServiceAction"},
	{name: "aws:RequestTag/", on: inBoth(makesKeys+" TagResource", makesSecrets+" TagResource")},
	{name: "aws:RequestedRegion", always: everybody},
	{name: "aws:SecureTransport", always: everybody},
	{name: "aws:SourceAccount", never: everybody &^ services},
	{name: "aws:SourceArn", never: everybody &^ services},
	{name: "aws:SourceOrgID", never: everybody &^ services},
	{name: "aws:SourceOrgPaths", never: everybody &^ services, many: true},
	{name: "aws:SourceOwner", never: everybody &^ services},
	{name: "aws:TagKeys", many: true, on: inBoth(makesKeys+" TagResource UntagResource", makesSecrets+" TagResource UntagResource")},
	{name: "aws:UserAgent", always: everybody},
	{name: "aws:ViaAWSMCPService"},
	{name: "aws:ViaAWSService"}, // always for most services; which not is a list that changes
	{name: "aws:referer"},

	// AWS KMS: the key, which every operation on one has. Source: KMS Developer Guide, "Condition keys for AWS KMS".
	{name: "kms:KeyOrigin", own: true, on: kms(onKeys, onKeyMaterial, makesKeys), certain: listed(onKeys)},
	{name: "kms:KeySpec", own: true, on: kms(onKeys, onKeyMaterial, makesKeys), certain: listed(onKeys)},
	{name: "kms:KeyUsage", own: true, on: kms(onKeys, onKeyMaterial, makesKeys), certain: listed(onKeys)},
	{name: "kms:MultiRegion", own: true, on: kms(onKeys, onKeyMaterial, makesKeys), certain: listed(onKeys)},
	{name: "kms:MultiRegionKeyType", own: true, on: kms(onKeys, onKeyMaterial, makesKeys)}, // of multi-Region keys alone
	{name: "kms:ResourceAliases", own: true, many: true, on: kms(onKeys, onKeyMaterial)},
	{name: "kms:CustomerMasterKeySpec", own: true, on: kms(onKeys, onKeyMaterial, makesKeys)}, // deprecated, and works; the reference lists it for no action
	{name: "kms:CustomerMasterKeyUsage", own: true, on: kms(onKeys, onKeyMaterial, makesKeys)},

	// the caller, and what it asks KMS for
	{name: "kms:CallerAccount", own: true, on: kms(onKeys, onStores, makesKeys)},
	{name: "kms:ViaService", own: true, on: kms(onKeys, makesKeys)},
	{name: "kms:RequestAlias", own: true, on: kms(byAlias)},
	{name: "kms:EncryptionAlgorithm", own: true, on: kms(encryption)},
	{name: "kms:EncryptionContext:", own: true, on: kms(encryption, "CreateGrant RetireGrant")},
	{name: "kms:EncryptionContextKeys", own: true, many: true, on: kms(encryption, "CreateGrant RetireGrant")},
	{name: "kms:BypassPolicyLockoutSafetyCheck", own: true, on: kms(makesKeys, "PutKeyPolicy")},
	{name: "kms:DataKeyPairSpec", own: true, on: kms("GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext")},
	{name: "kms:ExpirationModel", own: true, on: kms("ImportKeyMaterial")},
	{name: "kms:GrantConstraintSourceArn", own: true, on: kms("CreateGrant")},
	{name: "kms:GrantConstraintType", own: true, on: kms("CreateGrant RetireGrant")},
	{name: "kms:GrantIsForAWSResource", own: true, on: kms("CreateGrant ListGrants RevokeGrant")},
	{name: "kms:GrantOperations", own: true, many: true, on: kms("CreateGrant")},
	{name: "kms:GranteePrincipal", own: true, on: kms("CreateGrant")},
	{name: "kms:GranteeServicePrincipal", own: true, on: kms("CreateGrant")},
	{name: "kms:KeyAgreementAlgorithm", own: true, on: kms("DeriveSharedSecret")},
	{name: "kms:MacAlgorithm", own: true, on: kms("GenerateMac VerifyMac")},
	{name: "kms:MessageType", own: true, on: kms("Sign Verify")},
	{name: "kms:PrimaryRegion", own: true, on: kms("UpdatePrimaryRegion")},
	{name: "kms:ReEncryptOnSameKey", own: true, on: kms("ReEncryptFrom ReEncryptTo")},
	{name: "kms:RecipientAttestation:", own: true, on: kms(attestations)},
	{name: "kms:ReplicaRegion", own: true, on: kms("ReplicateKey")},
	{name: "kms:RetiringPrincipal", own: true, on: kms("CreateGrant")},
	{name: "kms:RetiringServicePrincipal", own: true, on: kms("CreateGrant")},
	{name: "kms:RotationPeriodInDays", own: true, on: kms("EnableKeyRotation")},
	{name: "kms:ScheduleKeyDeletionPendingWindowInDays", own: true, on: kms("ScheduleKeyDeletion")},
	{name: "kms:SigningAlgorithm", own: true, on: kms("Sign Verify")},
	{name: "kms:TrailingDaysWithoutKeyUsage", own: true, on: kms("DisableKey ScheduleKeyDeletion")},
	{name: "kms:ValidTo", own: true, on: kms("ImportKeyMaterial")},
	{name: "kms:WrappingAlgorithm", own: true, on: kms("GetParametersForImport")},
	{name: "kms:WrappingKeySpec", own: true, on: kms("GetParametersForImport")},

	// AWS Secrets Manager. What is required by the API is there: the id of the secret, and the name of a new one.
	{name: "secretsmanager:SecretId", own: true, on: secrets(onSecrets), certain: listed(onSecrets)},
	{name: "secretsmanager:ResourceTag/", own: true, on: secrets(onSecrets, makesSecrets)},
	{name: "secretsmanager:SecretPrimaryRegion", own: true, on: secrets(onSecrets)},
	{name: "secretsmanager:resource/AllowRotationLambdaArn", own: true, on: secrets(onSecrets, makesSecrets)},
	{name: "secretsmanager:resource/Type", own: true, on: secrets(onSecrets, makesSecrets)},
	{name: "secretsmanager:VersionId", own: true, on: secrets("GetSecretValue")},
	{name: "secretsmanager:VersionStage", own: true, on: secrets("GetSecretValue UpdateSecretVersionStage")},
	{name: "secretsmanager:AddReplicaRegions", own: true, many: true, on: secrets("CreateSecret ReplicateSecretToRegions")},
	{name: "secretsmanager:BlockPublicPolicy", own: true, on: secrets("PutResourcePolicy")},
	{name: "secretsmanager:Description", own: true, on: secrets("CreateSecret UpdateSecret")},
	{name: "secretsmanager:ExternalSecretRotationRoleArn", own: true, on: secrets("RotateSecret")},
	{name: "secretsmanager:ForceDeleteWithoutRecovery", own: true, on: secrets("DeleteSecret")},
	{name: "secretsmanager:ForceOverwriteReplicaSecret", own: true, on: secrets("CreateSecret ReplicateSecretToRegions")},
	{name: "secretsmanager:KmsKeyArn", own: true, on: secrets("CreateSecret UpdateSecret")},
	{name: "secretsmanager:KmsKeyId", own: true, on: secrets("CreateSecret UpdateSecret")},
	{name: "secretsmanager:ModifyRotationRules", own: true, on: secrets("RotateSecret")},
	{name: "secretsmanager:Name", own: true, on: secrets("CreateSecret"), certain: listed(makesSecrets)},
	{name: "secretsmanager:RecoveryWindowInDays", own: true, on: secrets("DeleteSecret")},
	{name: "secretsmanager:RotateImmediately", own: true, on: secrets("RotateSecret")},
	{name: "secretsmanager:RotationLambdaARN", own: true, on: secrets("RotateSecret")},
	{name: "secretsmanager:Type", own: true, on: secrets("CreateSecret UpdateSecret")},

	// of other services, whose actions are not declared: that they take many values
	{name: "cloudformation:ResourceTypes", many: true},
	{name: "dynamodb:Attributes", many: true},
	{name: "dynamodb:LeadingKeys", many: true},
	{name: "iam:ResourceTagKeys", many: true},
	{name: "sts:TransitiveTagKeys", many: true},
}
