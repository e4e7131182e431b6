package simulate

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// parameterKey is a condition key that has the value of a request parameter.
type parameterKey struct {
	key     string
	actions []string // that have it; nil: all of the service's
}

// keyParameters are the parameters of calls to KMS and STS that are condition keys, as CloudTrail writes them. The properties of a
// key (kms:KeySpec, …) are parameters of the call that makes it alone: of every other they are the key's.
// Source: Service Authorization Reference, KMS and STS; KMS Developer Guide, "AWS KMS condition keys".
var keyParameters = map[string]map[string]parameterKey{
	"kms": {
		"pendingWindowInDays":            {"kms:ScheduleKeyDeletionPendingWindowInDays", []string{"ScheduleKeyDeletion"}},
		"rotationPeriodInDays":           {"kms:RotationPeriodInDays", []string{"EnableKeyRotation"}},
		"bypassPolicyLockoutSafetyCheck": {"kms:BypassPolicyLockoutSafetyCheck", []string{"CreateKey", "PutKeyPolicy", "ReplicateKey"}},
		"keySpec":                        {"kms:KeySpec", []string{"CreateKey"}},
		"customerMasterKeySpec":          {"kms:CustomerMasterKeySpec", []string{"CreateKey"}},
		"keyUsage":                       {"kms:KeyUsage", []string{"CreateKey"}},
		"origin":                         {"kms:KeyOrigin", []string{"CreateKey"}},
		"multiRegion":                    {"kms:MultiRegion", []string{"CreateKey"}},
		"keyPairSpec":                    {"kms:DataKeyPairSpec", []string{"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"}},
		"encryptionAlgorithm":            {"kms:EncryptionAlgorithm", nil},
		"signingAlgorithm":               {"kms:SigningAlgorithm", nil},
		"messageType":                    {"kms:MessageType", nil},
		"macAlgorithm":                   {"kms:MacAlgorithm", nil},
		"keyAgreementAlgorithm":          {"kms:KeyAgreementAlgorithm", nil},
		"wrappingAlgorithm":              {"kms:WrappingAlgorithm", nil},
		"wrappingKeySpec":                {"kms:WrappingKeySpec", nil},
		"expirationModel":                {"kms:ExpirationModel", nil},
		"validTo":                        {"kms:ValidTo", nil},
		"replicaRegion":                  {"kms:ReplicaRegion", nil},
		"primaryRegion":                  {"kms:PrimaryRegion", nil},
		"granteePrincipal":               {"kms:GranteePrincipal", []string{"CreateGrant"}},
		"granteeServicePrincipal":        {"kms:GranteeServicePrincipal", []string{"CreateGrant"}},
		"retiringPrincipal":              {"kms:RetiringPrincipal", []string{"CreateGrant"}},
		"retiringServicePrincipal":       {"kms:RetiringServicePrincipal", []string{"CreateGrant"}},
		"operations":                     {"kms:GrantOperations", []string{"CreateGrant"}},
	},
	"sts": {
		"roleSessionName":   {"sts:RoleSessionName", nil},
		"externalId":        {"sts:ExternalId", nil},
		"sourceIdentity":    {"sts:SourceIdentity", nil},
		"transitiveTagKeys": {"sts:TransitiveTagKeys", nil},
		"taskPolicyArn":     {"sts:TaskPolicyArn", []string{"AssumeRoot"}},
		"durationSeconds":   {"sts:DurationSeconds", nil},
	},
	"iam": {
		"policyArn":           {"iam:PolicyARN", []string{"AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy", "DetachGroupPolicy", "DetachRolePolicy", "DetachUserPolicy"}},
		"permissionsBoundary": {"iam:PermissionsBoundary", nil},
		"awsServiceName":      {"iam:AWSServiceName", nil},
	},
}

// sometimesOff are condition keys of parameters that a call need not set, and that it does not have then. Of all others AWS does
// not document whether a default has them.
var sometimesOff = []string{"granteeServicePrincipal", "retiringPrincipal", "retiringServicePrincipal", "externalId", "sourceIdentity", "transitiveTagKeys"}

// defaults are the values of parameters that a call need not set. Whether a request without one has the condition key is not
// documented: it has the default, or none. Source: KMS API Reference, each call.
var defaults = map[string]map[string]string{
	"secretsmanager:GetSecretValue": {"secretsmanager:VersionStage": "AWSCURRENT"},
	"kms:ScheduleKeyDeletion":       {"kms:ScheduleKeyDeletionPendingWindowInDays": "30"},
	"kms:EnableKeyRotation":         {"kms:RotationPeriodInDays": "365"},
	"kms:PutKeyPolicy":              {"kms:BypassPolicyLockoutSafetyCheck": "false"},
	"kms:ReplicateKey":              {"kms:BypassPolicyLockoutSafetyCheck": "false"},
	"kms:CreateKey": {"kms:BypassPolicyLockoutSafetyCheck": "false", "kms:KeySpec": symmetric, "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS",
		"kms:MultiRegion": "false"},
}

// withDefaults are the calls with and without each default that a candidate asks for.
func (t *Trial) withDefaults(calls []Call) []Call {
	if !calls[0].parametersKnown {
		return calls
	}
	for key, value := range defaults[calls[0].Request.Action] {
		if calls[0].Request.Context[key] != nil || !t.asks[strings.ToLower(key)] {
			continue
		}
		var out []Call
		for _, c := range calls {
			for _, values := range [][]string{{value}, {}} {
				c.Request.Context = maps.Clone(c.Request.Context)
				c.Request.Context[key] = values
				out = append(out, c)
			}
		}
		calls = out
	}
	return calls
}

// addParameters adds the condition keys that have the values of parameters.
func (call *Call) addParameters(request map[string]any) {
	r := &call.Request
	service, action, _ := strings.Cut(r.Action, ":")
	for parameter, key := range keyParameters[service] {
		if key.actions != nil && !slices.Contains(key.actions, action) {
			continue
		}
		switch values := texts(request[parameter]); {
		case len(values) > 0:
			r.Context[key.key] = values
		case call.parametersKnown && slices.Contains(sometimesOff, parameter):
			r.Context[key.key] = []string{}
		}
	}
	addTags(r.Context, request["tags"], "key", "value") // of IAM, STS, Secrets Manager and most others
	if service != "kms" && service != "secretsmanager" {
		addTags(r.Context, request["tags"], "Key", "Value")
	}
	if names := texts(request["tagKeys"]); len(names) > 0 {
		r.Context["aws:TagKeys"] = names
	}
	if service == "kms" {
		call.addGrant(request)
		call.addAlias(request)
	}
}

// addGrant adds what kind of constraint a grant has.
func (call *Call) addGrant(request map[string]any) {
	if call.Request.Action != "kms:CreateGrant" || !call.parametersKnown {
		return
	}
	constraints, _ := request["constraints"].(map[string]any)
	kinds := []string{}
	for parameter, kind := range map[string]string{"encryptionContextEquals": "EncryptionContextEquals", "encryptionContextSubset": "EncryptionContextSubset", "sourceArn": "SourceArn"} {
		if constraints[parameter] != nil {
			kinds = append(kinds, kind)
		}
	}
	call.Request.Context["kms:GrantConstraintType"] = kinds
}

// addAlias adds the alias under which a call names its key, by its name or its ARN; a key that is named otherwise has none.
func (call *Call) addAlias(request map[string]any) {
	id := text(request["keyId"])
	if at := arn.Of(id); at != (arn.ARN{}) {
		id = at.Resource
	}
	switch {
	case strings.HasPrefix(id, "alias/"):
		call.Request.Context["kms:RequestAlias"] = []string{id}
	case id != "":
		call.Request.Context["kms:RequestAlias"] = []string{}
	}
}

// texts are the values of a parameter: one, or those of a list.
func texts(v any) []string {
	list, is := v.([]any)
	if !is {
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		if value := text(item); value != "" {
			out = append(out, value)
		}
	}
	return out
}
