package core

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode"

	"github.com/doublelock/doublelock/shared/arn"
)

// dataEvents are calls that leave no management event.
var dataEvents = map[string]bool{
	"sqs:SendMessage": true, "sqs:SendMessageBatch": true, "sqs:ReceiveMessage": true, "sqs:DeleteMessage": true, "sqs:ChangeMessageVisibility": true,
	"sns:Publish": true, "events:PutEvents": true, "lambda:Invoke": true,
	"dynamodb:GetItem": true, "dynamodb:PutItem": true, "dynamodb:DeleteItem": true, "dynamodb:TransactWriteItems": true,
	"dynamodb:Query": true, "dynamodb:Scan": true}

func isDataEvent(service, operation string) bool { return dataEvents[service+":"+operation] }

// readOnlyCalls are read-only in CloudTrail's records though their names do not say so.
var readOnlyCalls = map[string]bool{
	"kms:Encrypt": true, "kms:Decrypt": true, "kms:GenerateDataKey": true,
	"sts:AssumeRole": true,
}

func isReadOnly(service, operation string) bool {
	if readOnlyCalls[service+":"+operation] {
		return true
	}
	for _, verb := range []string{"Get", "List", "Describe", "BatchGet", "Lookup", "Simulate"} {
		if strings.HasPrefix(operation, verb) {
			return true
		}
	}
	return false
}

// hidden are the fields that CloudTrail never shows, because they hold what is being protected.
var hidden = map[string]bool{
	"SecretString": true, "SecretBinary": true, "Plaintext": true, "CiphertextBlob": true, "SecretAccessKey": true,
	"SessionToken": true, "RotationToken": true, "GrantTokens": true, "EncryptedKeyMaterial": true, "ImportToken": true,
	"KeyStorePassword": true, "TrustAnchorCertificate": true, "XksProxyAuthenticationCredential": true,
}

// requestParameters are the fields of the request as they were sent, names beginning in lower case; nil for none.
func requestParameters(c *Call) any {
	fields := sentFields(c)
	if fields == nil {
		return nil
	}
	out, _ := lowerCase(fields).(map[string]any)
	switch {
	case c.Service == "secretsmanager" && (c.Operation == "CreateSecret" || c.Operation == "ReplicateSecretToRegions"):
		if _, sent := out["forceOverwriteReplicaSecret"]; !sent {
			out["forceOverwriteReplicaSecret"] = false
		}
	case c.Service == "kms" && c.Operation == "Decrypt":
		out["encryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
		delete(out, "keyId")
	case c.Service == "kms" && c.Operation == "ImportKeyMaterial":
		if date, sent := out["validTo"]; sent {
			out["validTo"] = words(date)
		}
	case c.Service == "kms" && c.Operation == "PutKeyPolicy":
		if _, sent := out["policyName"]; !sent {
			out["policyName"] = "default"
		}
		if _, sent := out["bypassPolicyLockoutSafetyCheck"]; !sent {
			out["bypassPolicyLockoutSafetyCheck"] = false
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func sentFields(c *Call) map[string]any {
	if c.Form != nil {
		return formFields(c.Form)
	}
	var fields map[string]any
	if json.Unmarshal(c.Input, &fields) != nil {
		return nil
	}
	return fields
}

// formFields turns the simple fields of a query form into an object; lists become lists.
func formFields(form url.Values) map[string]any {
	out := map[string]any{}
	for name, values := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		base, _, nested := strings.Cut(name, ".")
		if !nested {
			out[name] = values[0]
		} else if _, done := out[base]; !done {
			out[base] = nestedField(form, base)
		}
	}
	return out
}

func nestedField(form url.Values, base string) any {
	list := listOf(form, base)
	out := make([]any, 0, len(list))
	for _, item := range list {
		out = append(out, item)
	}
	return out
}

// lowerCase renames fields to begin in lower case, at every depth but in maps of the caller's own keys, and leaves
// out the hidden ones.
func lowerCase(v any) any {
	switch value := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for name, inner := range value {
			switch {
			case hidden[name]:
			case name == "EncryptionContext" || name == "EncryptionContextSubset" || name == "EncryptionContextEquals":
				out[lowerFirst(name)] = inner
			default:
				out[lowerFirst(name)] = lowerCase(inner)
			}
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, inner := range value {
			out[i] = lowerCase(inner)
		}
		return out
	default:
		return v
	}
}

func lowerFirst(name string) string {
	if name == "" || name == "ARN" { // ARN is written aRN by those who asked for it, see responseElements
		return name
	}
	runes := []rune(name)
	runes[0] = unicode.ToLower(runes[0])
	return string(runes)
}

// responseElements are what a record shows of a successful answer: nothing of reads, and of Secrets Manager and KMS
// what their real records carry.
func responseElements(c *Call, result any) any {
	if isReadOnly(c.Service, c.Operation) && c.Operation != "AssumeRole" {
		return nil
	}
	answer, _ := jsonValue(result).(map[string]any)
	switch c.Service {
	case "secretsmanager":
		return secretElements(c, answer)
	case "kms":
		return keyElements(c, answer)
	}
	out, _ := lowerCase(answer).(map[string]any)
	if len(out) == 0 {
		return nil
	}
	return out
}

func secretElements(c *Call, answer map[string]any) any {
	if answer == nil || answer["ARN"] == nil {
		return nil
	}
	switch c.Operation {
	case "DeleteSecret": // the odd one: aRN, and a date in words
		return map[string]any{"aRN": answer["ARN"], "name": answer["Name"], "deletionDate": words(answer["DeletionDate"])}
	case "CreateSecret", "ReplicateSecretToRegions":
		out := map[string]any{"arn": answer["ARN"]}
		if status, ok := answer["ReplicationStatus"]; ok {
			out["replicationStatus"] = lowerCase(status)
		}
		return out
	case "RotateSecret":
		return map[string]any{"arn": answer["ARN"], "name": answer["Name"], "versionId": answer["VersionId"]}
	case "RestoreSecret", "PutResourcePolicy", "DeleteResourcePolicy":
		return map[string]any{"arn": answer["ARN"], "name": answer["Name"]}
	}
	return map[string]any{"arn": answer["ARN"]}
}

func keyElements(c *Call, answer map[string]any) any {
	switch c.Operation {
	case "EnableKey", "DisableKey", "CancelKeyDeletion", "CreateAlias", "UpdateAlias", "DeleteAlias",
		"ImportKeyMaterial", "DeleteImportedKeyMaterial":
		for _, r := range c.Resources {
			if strings.HasPrefix(arn.Of(r.ARN).Resource, "key/") {
				return map[string]any{"keyId": r.ARN}
			}
		}
	case "ScheduleKeyDeletion":
		out := lowerCase(answer).(map[string]any)
		if date, ok := out["deletionDate"]; ok {
			out["deletionDate"] = words(date)
		}
		return out
	case "CreateKey", "CreateGrant", "ReplicateKey":
		return lowerCase(answer)
	}
	return nil
}
