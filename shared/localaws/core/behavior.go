package core

// Behavior are answers to questions that AWS's documents leave open, or on which they and live calls disagree. The zero
// value is what we assume until somebody has asked AWS; doublelock conformance asks, and its report can be put here.
type Behavior struct {
	// RawKeyARN makes the condition key secretsmanager:KmsKeyArn hold what the caller sent. By default it is the key's
	// ARN, also for aliases.
	RawKeyARN bool
	// NoAliasKeyARN leaves secretsmanager:KmsKeyArn out of a request that names its key by an alias.
	NoAliasKeyARN bool
	// NoManagedAliases leaves kms:ResourceAliases out of requests to the keys that AWS manages. By default it is there.
	NoManagedAliases bool
	// NoTrailingDays leaves kms:TrailingDaysWithoutKeyUsage out of requests that change a key's state.
	NoTrailingDays bool
	// EmptyKey is what secretsmanager:KmsKeyArn holds when UpdateSecret goes back to the AWS managed key.
	EmptyKey EmptyKey
	// RefuseForeignTags makes TagResource refuse the secrets of other services, as its reference says. By default they
	// can be tagged, as live calls show.
	RefuseForeignTags bool
	// OldestCopyFirst tries the oldest copy of a version's data key first. By default the newest is.
	OldestCopyFirst bool
	// OldestKeyListedFirst lists the key of a version's oldest copy first in ListSecretVersionIds. By default it is last.
	OldestKeyListedFirst bool
	// TakeCustomLabels makes a re-key re-encrypt every labelled version. By default it leaves those that only labels of
	// the customer's own are on, as the reference of UpdateSecret says.
	TakeCustomLabels bool
	// SameKeyIsNoChange makes UpdateSecret with the key that the secret has re-encrypt nothing. By default it tries again.
	SameKeyIsNoChange bool
	// RefuseBlindRekey makes UpdateSecret answer AccessDenied when the caller cannot re-encrypt a version. By default it
	// succeeds and leaves the version, as the reference says.
	RefuseBlindRekey bool
	// ReplicaKeyIsFixed makes UpdateSecret refuse to change a replica's key in the replica's Region. By default it does,
	// as the user guide says.
	ReplicaKeyIsFixed bool
	// ReplicaKeysByService makes Secrets Manager use the keys of replicas by itself. By default it uses them with the
	// rights of whoever wrote.
	ReplicaKeysByService bool
	// ReplicaKeysTried makes Secrets Manager try the key of a replica with the rights of whoever makes it, as it does with that
	// of a secret. By default it only writes under it.
	ReplicaKeysTried bool
	// ManagedKeyUntried and EmptyKeyUntried keep Secrets Manager from trying the AWS managed key where it is named, and where it is
	// chosen by an empty key. By default it tries every key that is set, as the user guide says of keys.
	ManagedKeyUntried bool
	EmptyKeyUntried   bool
	// ReplicaFollowsWriter makes a new version reach replicas without kms:Decrypt of whoever wrote on the primary's key. By
	// default it is decrypted first with the writer's rights, as the user guide says of replication.
	ReplicaFollowsWriter bool
	// FailedReplicaStays makes ReplicateSecretToRegions refuse a Region whose replica failed. By default it tries again.
	FailedReplicaStays bool
	// AliasIsResolved makes a secret keep the ARN of the key that an alias led to when it was set. By default it keeps the
	// alias.
	AliasIsResolved bool
	// GrantsIgnoreContext makes grants with an encryption context constraint give nothing through Secrets Manager.
	GrantsIgnoreContext bool
	// NoSecondLock makes Secrets Manager open values without asking whether the caller may decrypt with the key.
	NoSecondLock bool
	// TrustPrincipal is what aws:PrincipalArn holds of a session where a trust policy is evaluated.
	TrustPrincipal TrustPrincipal
	// RotationInvoke is whether RotateSecret asks for lambda:InvokeFunction, and how.
	RotationInvoke RotationInvoke
	// DisabledRead is what reading a secret answers whose key is disabled.
	DisabledRead DisabledRead
}

// EmptyKey is which condition keys an UpdateSecret with an empty KmsKeyId has.
type EmptyKey int

// What secretsmanager:KmsKeyArn may hold for an empty KmsKeyId.
const (
	EmptyKeyAbsent  EmptyKey = iota // the key is absent
	EmptyKeyText                    // the key is present, and empty
	EmptyKeyManaged                 // the key holds the ARN of the AWS managed key
)

// RotationInvoke is how RotateSecret asks for the right to invoke the rotation function.
type RotationInvoke int

// How RotateSecret may ask for lambda:InvokeFunction.
const (
	InvokeNotAsked   RotationInvoke = iota // it does not
	InvokeViaService                       // with the caller's session; aws:ViaAWSService is true
	InvokeDirect                           // as the caller itself; aws:ViaAWSService is false
)

// DisabledRead is the error of reading a secret whose key is disabled.
type DisabledRead int

// What such a read may answer.
const (
	DisabledIsDecryptionFailure DisabledRead = iota
	DisabledIsAccessDenied
	DisabledIsInvalidRequest
	DisabledIsKMSError      // that of KMS, as it is
	DisabledIsInternalError // which SDKs try again
	DisabledGoesOn          // none: it is read all the same
)

// TrustPrincipal is what aws:PrincipalArn holds where a trust policy is evaluated for a session.
type TrustPrincipal int

// What it may hold.
const (
	TrustPrincipalIsRole    TrustPrincipal = iota // ARN of the session's role, as AWS documents
	TrustPrincipalIsSession                       // ARN of the session itself
	TrustPrincipalIsAbsent                        // nothing
)
