package trail

import "strings"

// failure says what a failed call means.
type failure int

const (
	failedNothing failure = iota // nothing changed, nobody needs to know
	failedAttempt                // denied, it is an attempt to do what is not allowed
	failedRead                   // denied or undecryptable, it is a reader that lost access
)

// call is one row of the table of calls we know: what to do about it, which rule brings it, and why.
type call struct {
	service string // the part of the event source before ".amazonaws.com"
	name    string // eventName; a trailing "*" stands for any ending
	kind    Kind   // when it succeeded
	rule    string // that brings it when it succeeded; "" when no rule does
	failed  failure
	reason  string
	reads   bool // success is evidence of a reader
}

const (
	secretsManager = "secretsmanager"
	kms            = "kms"
	cloudTrail     = "cloudtrail"
	eventBridge    = "events"
	organizations  = "organizations"

	secretsManagerHost = "secretsmanager.amazonaws.com"
	labelUpdated       = "Secret Label Updated"
)

// calls is every call we know; rules are made from it. What is not in it is ignored by name. Of CloudTrail, that is what does
// not decide which calls reach EventBridge: event data stores of CloudTrail Lake (DeleteEventDataStore …) and Insights
// (PutInsightSelectors), which no event comes from. Of EventBridge, it is archives, replays, connections and what only adds
// (EnableRule). Of Organizations, it is what adds accounts or units, and who else may manage it (PutResourcePolicy). What is done to our
// roles, queues, functions, tables, topics, keys, schedules and stacks comes by no rule and is not claimed: SCPs deny it to members, and
// a pulse that does not arrive finds it. What of that takes our sight away from a member is in unbrought, for who reads a trail.
var calls = []call{
	{secretsManager, "CreateSecret", LookAtSecret, ruleSecretChanges, failedAttempt, "a secret was created", false},
	{secretsManager, "UpdateSecret", LookAtSecret, ruleSecretChanges, failedAttempt, "its key or value may have changed", false},
	{secretsManager, "PutSecretValue", LookAtSecret, ruleSecretChanges, failedNothing, "a new version can seal it", false},
	{secretsManager, "UpdateSecretVersionStage", LookAtSecret, ruleSecretChanges, failedNothing, "other versions carry the labels now", false},
	{secretsManager, "ReplicateSecretToRegions", LookAtSecret, ruleSecretChanges, failedAttempt, "replicas were added, each under its own key", false},
	{secretsManager, "RemoveRegionsFromReplication", LookAtSecret, ruleSecretChanges, failedNothing, "replicas were removed", false},
	{secretsManager, "StopReplicationToReplica", LookAtSecret, ruleSecretChanges, failedNothing, "a replica became a secret of its own", false},
	{secretsManager, "AssociateCrossAccountReplica", LookAtSecret, ruleSecretChanges, failedNothing, "a replica in another account was added", false},
	{secretsManager, "DisassociateCrossAccountReplica", LookAtSecret, ruleSecretChanges, failedNothing, "a replica in another account is updated no more, and stays there", false},
	{secretsManager, "RotateSecret", LookAtSecret, ruleSecretChanges, failedNothing, "a rotation writes a version", false},
	{secretsManager, "CancelRotateSecret", LookAtSecret, ruleSecretChanges, failedNothing, "its rotation was switched off", false},
	{secretsManager, "DeleteSecret", LookAtSecret, ruleSecretChanges, failedNothing, "findings of a deleted secret resolve", false},
	{secretsManager, "RestoreSecret", LookAtSecret, ruleSecretChanges, failedNothing, "it is back from deletion", false},
	{secretsManager, "PutResourcePolicy", LookAtSecret, ruleSecretChanges, failedNothing, "who may read it has changed", false},
	{secretsManager, "DeleteResourcePolicy", LookAtSecret, ruleSecretChanges, failedNothing, "who may read it has changed", false},
	{secretsManager, "TagResource", LookAtSecret, ruleSecretChanges, failedNothing, "its tags say who owns it and how it is guarded", false},
	{secretsManager, "UntagResource", LookAtSecret, ruleSecretChanges, failedNothing, "its tags say who owns it and how it is guarded", false},

	{secretsManager, "GetSecretValue", Ignored, "", failedRead, "successful read: evidence of a reader", true},
	{secretsManager, "BatchGetSecretValue", Ignored, "", failedRead, "successful read: evidence of a reader", true},
	{secretsManager, "DescribeSecret", Ignored, "", failedNothing, "reads metadata only", false},
	{secretsManager, "ListSecrets", Ignored, "", failedNothing, "reads metadata only", false},
	{secretsManager, "ListSecretVersionIds", Ignored, "", failedNothing, "reads metadata only", false},
	{secretsManager, "GetResourcePolicy", Ignored, "", failedNothing, "reads metadata only", false},
	{secretsManager, "ValidateResourcePolicy", Ignored, "", failedNothing, "reads metadata only", false},
	{secretsManager, "GetRandomPassword", Ignored, "", failedNothing, "touches no secret", false},

	{secretsManager, "RotationStarted", LookAtSecret, ruleServiceEvents, failedNothing, "a rotation has begun", false},
	{secretsManager, "RotationSucceeded", LookAtSecret, ruleServiceEvents, failedNothing, "a rotation wrote a version", false},
	{secretsManager, "RotationFailed", LookAtSecret, ruleServiceEvents, failedNothing, "a rotation failed half-way", false},
	{secretsManager, "RotationAbandoned", LookAtSecret, ruleServiceEvents, failedNothing, "a rotation was abandoned half-way", false},
	{secretsManager, "TestRotation*", LookAtSecret, ruleServiceEvents, failedNothing, "its rotation was tried out", false},
	{secretsManager, "StartSecretVersionDelete", LookAtSecret, ruleServiceEvents, failedNothing, "its deletion was scheduled", false},
	{secretsManager, "CancelSecretVersionDelete", LookAtSecret, ruleServiceEvents, failedNothing, "its deletion was canceled", false},
	{secretsManager, "EndSecretVersionDelete", LookAtSecret, ruleServiceEvents, failedNothing, "an old version is gone, the lock state can change", false},
	{secretsManager, "SecretVersionDeletion", LookAtSecret, ruleServiceEvents, failedNothing, "an old version is gone, the lock state can change", false},
	{secretsManager, "ReplicationStarted", LookAtSecret, ruleServiceEvents, failedNothing, "replicas come with Describe", false},
	{secretsManager, "ReplicationSucceeded", LookAtSecret, ruleServiceEvents, failedNothing, "replicas come with Describe", false},
	{secretsManager, "ReplicationFailed", LookAtSecret, ruleServiceEvents, failedNothing, "a replica could not be written", false},

	{kms, "PutKeyPolicy", LookAtKey, ruleKeyChanges, failedNothing, "who may use the key has changed", false},
	{kms, "CreateGrant", LookAtKey, ruleKeyChanges, failedNothing, "who may use the key has changed", false},
	{kms, "RetireGrant", LookAtKey, ruleKeyChanges, failedNothing, "who may use the key has changed", false},
	{kms, "RevokeGrant", LookAtKey, ruleKeyChanges, failedNothing, "who may use the key has changed", false},
	{kms, "CreateKey", LookAtKey, ruleKeyChanges, failedNothing, "a key was created with its policy", false},
	{kms, "ReplicateKey", LookAtKey, ruleKeyChanges, failedNothing, "a multi-Region replica has a policy of its own", false},
	{kms, "UpdatePrimaryRegion", LookAtKey, ruleKeyChanges, failedNothing, "another Region holds the primary key now", false},
	{kms, "SynchronizeMultiRegionKey", LookAtKey, ruleKeyChanges, failedNothing, "shared properties reached the replicas", false},
	{kms, "EnableKeyRotation", LookAtKey, ruleKeyChanges, failedNothing, "its rotation has changed", false},
	{kms, "DisableKeyRotation", LookAtKey, ruleKeyChanges, failedNothing, "its rotation has changed", false},
	{kms, "RotateKeyOnDemand", LookAtKey, ruleKeyChanges, failedNothing, "it has new key material", false},
	{kms, "RotateKey", LookAtKey, ruleKeyChanges, failedNothing, "it has new key material", false},
	{kms, "CreateAlias", LookAtKey, ruleKeyChanges, failedNothing, "a name leads to another key now", false},
	{kms, "UpdateAlias", LookAtKey, ruleKeyChanges, failedNothing, "a name leads to another key now", false},
	{kms, "DeleteAlias", LookAtKey, ruleKeyChanges, failedNothing, "a name leads to no key now", false},
	{kms, "TagResource", LookAtKey, ruleKeyChanges, failedNothing, "its tags may approve it", false},
	{kms, "UntagResource", LookAtKey, ruleKeyChanges, failedNothing, "its tags may approve it", false},

	{kms, "DisableKey", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key cannot be used: blast radius", false},
	{kms, "EnableKey", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key can be used again", false},
	{kms, "ScheduleKeyDeletion", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key cannot be used and will be deleted: blast radius", false},
	{kms, "CancelKeyDeletion", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key stays, but disabled", false},
	{kms, "DeleteKey", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key is gone: blast radius", false},
	{kms, "ImportKeyMaterial", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key has material again", false},
	{kms, "DeleteImportedKeyMaterial", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key lost its material: blast radius", false},
	{kms, "DisconnectCustomKeyStore", KeyLifecycle, ruleKeyLifecycle, failedNothing, "no key of the custom key store can be used: blast radius", false},
	{kms, "ConnectCustomKeyStore", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the keys of the custom key store can be used again, in up to 20 minutes", false},
	{kms, "UpdateCustomKeyStore", KeyLifecycle, ruleKeyLifecycle, failedNothing, "a custom key store leads elsewhere: its keys may not be usable", false},
	{kms, "DeleteExpiredKeyMaterial", KeyLifecycle, ruleKeyLifecycle, failedNothing, "the key lost its material: blast radius", false},

	{kms, "Decrypt", Ignored, "", failedRead, "successful use of the key", true},
	{kms, "Encrypt", Ignored, "", failedNothing, "successful use of the key", false},
	{kms, "ReEncrypt", Ignored, "", failedNothing, "successful use of the key", false},
	{kms, "GenerateDataKey", Ignored, "", failedNothing, "successful use of the key", false},
	{kms, "GenerateDataKeyWithoutPlaintext", Ignored, "", failedNothing, "successful use of the key", false},
	{kms, "DescribeKey", Ignored, "", failedNothing, "reads metadata only", false},
	{kms, "GetKeyPolicy", Ignored, "", failedNothing, "reads metadata only", false},
	{kms, "GetKeyRotationStatus", Ignored, "", failedNothing, "reads metadata only", false},
	{kms, "ListGrants", Ignored, "", failedNothing, "reads metadata only", false},
	{kms, "ListKeys", Ignored, "", failedNothing, "reads metadata only", false},
	{kms, "ListAliases", Ignored, "", failedNothing, "reads metadata only", false},

	{cloudTrail, "StopLogging", Tamper, ruleTamperTrail, failedNothing, "a trail was stopped: we see nothing without one", false},
	{cloudTrail, "DeleteTrail", Tamper, ruleTamperTrail, failedNothing, "a trail was deleted: we see nothing without one", false},
	{cloudTrail, "UpdateTrail", Tamper, ruleTamperTrail, failedNothing, "a trail was changed: it may record fewer Regions or accounts now", false},
	{cloudTrail, "PutEventSelectors", Tamper, ruleTamperTrail, failedNothing, "what a trail records was changed: it may leave out calls to KMS, or all of them", false},
	{eventBridge, "DisableRule", Tamper, ruleTamperRules, failedNothing, "one of our rules was switched off", false},
	{eventBridge, "DeleteRule", Tamper, ruleTamperRules, failedNothing, "one of our rules was deleted", false},
	{eventBridge, "RemoveTargets", Tamper, ruleTamperRules, failedNothing, "one of our rules leads nowhere now", false},
	{eventBridge, "PutRule", Tamper, ruleTamperRules, failedNothing, "one of our rules was written: it may be off, or bring other events", false},
	{eventBridge, "PutTargets", Tamper, ruleTamperRules, failedNothing, "one of our rules may lead elsewhere now", false},
	{eventBridge, "PutPermission", Tamper, ruleTamperRules, failedNothing, "who may send to our bus was changed", false},
	{eventBridge, "RemovePermission", Tamper, ruleTamperRules, failedNothing, "who may send to our bus was changed", false},
	{eventBridge, "UpdateEventBus", Tamper, ruleTamperRules, failedNothing, "our bus was changed", false},
	{eventBridge, "DeleteEventBus", Tamper, ruleTamperRules, failedNothing, "our bus was deleted", false},
	{organizations, "DetachPolicy", Tamper, ruleTamperPolicies, failedNothing, "a policy was detached", false},
	{organizations, "DeletePolicy", Tamper, ruleTamperPolicies, failedNothing, "a policy was deleted", false},
	{organizations, "DisablePolicyType", Tamper, ruleTamperPolicies, failedNothing, "a kind of policy was switched off", false},
	{organizations, "UpdatePolicy", Tamper, ruleTamperPolicies, failedNothing, "a policy was changed", false},
	{organizations, "LeaveOrganization", Tamper, ruleTamperPolicies, failedNothing, "an account has left: no policy of the organization binds it", false},
	{organizations, "RemoveAccountFromOrganization", Tamper, ruleTamperPolicies, failedNothing, "an account was removed: no policy of the organization binds it", false},
	{organizations, "CloseAccount", Tamper, ruleTamperPolicies, failedNothing, "an account was closed: nothing of it is seen any more", false},
	{organizations, "DeleteOrganization", Tamper, ruleTamperPolicies, failedNothing, "the organization was deleted: none of its policies binds any account", false},
	{organizations, "DisableAWSServiceAccess", Tamper, ruleTamperPolicies, failedNothing, "the trail of the organization, or the StackSet of its accounts, may end", false},
	{organizations, "MoveAccount", Tamper, ruleTamperPolicies, failedNothing, "an account was moved: other policies may bind it now", false},
	{organizations, "AttachPolicy", PolicyBinds, ruleTamperPolicies, failedNothing, "a policy was attached: accounts may be protected by it again", false},
	{organizations, "EnablePolicyType", PolicyBinds, ruleTamperPolicies, failedNothing, "a kind of policy was switched on: accounts may be protected by it again", false},
}

type callID struct{ service, name string }

// callsByID finds a row by service and exact name.
var callsByID = func() map[callID]*call {
	byID := make(map[callID]*call, len(calls))
	for i := range calls {
		byID[callID{calls[i].service, calls[i].name}] = &calls[i]
	}
	return byID
}()

// findCall returns the row of a call, nil when we do not know it.
func findCall(service, name string) *call {
	if row := callsByID[callID{service, name}]; row != nil {
		return row
	}
	if service == secretsManager && strings.HasPrefix(name, "TestRotation") {
		return callsByID[callID{service, "TestRotation*"}]
	}
	return nil
}

// watched names the services whose events can concern us, as constants so that no event copies them.
func watched(service []byte) string {
	switch string(service) {
	case secretsManager:
		return secretsManager
	case kms:
		return kms
	case cloudTrail:
		return cloudTrail
	case eventBridge:
		return eventBridge
	case organizations:
		return organizations
	}
	return ""
}

// deniedCodes are CloudTrail's and the SDKs' words for a call that policy forbids.
var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}

// invalidRequest is what Secrets Manager answers for many reasons, which only the text of the message separates.
const invalidRequest = "InvalidRequestException"

// deniedReadCodes mean that a reader did not get the value: not allowed, or the key cannot be used. AWS documents the
// type, not the text, for a key that is disabled or pending deletion. NotFoundException is KMS's: the key is gone.
// A secret that does not exist is ResourceNotFoundException, and nobody's lost access.
var deniedReadCodes = []string{
	"AccessDenied", "AccessDeniedException", "UnauthorizedOperation",
	"DecryptionFailure", "DecryptionFailureException", invalidRequest,
	"DisabledException", "KMSInvalidStateException", "KeyUnavailableException", "NotFoundException",
}
