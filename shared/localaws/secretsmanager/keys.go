package secretsmanager

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
)

const servicePrincipal = "secretsmanager.amazonaws.com"

// keyCall makes a KMS call with the rights of the caller (a forward access session), in a Region.
func keyCall(c *core.Call, region, operation string, in kms.CryptoInput) (kms.CryptoOutput, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return kms.CryptoOutput{}, err
	}
	sub := &core.Call{AWS: c.AWS, Location: core.Location{Account: c.Caller.Account, Region: region}, Service: "kms", Operation: operation, Caller: c.Caller, Input: body,
		UserAgent: servicePrincipal, SourceIP: servicePrincipal, Via: servicePrincipal}
	result, err := c.AWS.Dispatch(sub)
	out, _ := result.(kms.CryptoOutput)
	return out, err
}

// validationVersion stands for a version in the encryption context of the calls that only check a key.
const validationVersion = "RequestToValidateKeyAccess"

// context is the encryption context of a secret's data keys.
func (s *secret) context(versionID string) map[string]string {
	return map[string]string{"SecretARN": s.arn, "SecretVersionId": versionID}
}

// key is what the secret is encrypted under now, as a KMS call takes it.
func (s *secret) key() string { return cmp.Or(s.keyID, defaultKeyAlias) }

// validateKey checks that the caller can use a key for a secret, as Secrets Manager does when a key is set.
func validateKey(c *core.Call, s *secret, keyID string) error {
	if err := sameAccount(c, s, keyID); err != nil {
		return err
	}
	if untried(c, s, keyID) {
		return nil
	}
	keyID = cmp.Or(keyID, defaultKeyAlias)
	made, err := keyCall(c, s.at.Region, "GenerateDataKey", kms.CryptoInput{KeyId: keyID, KeySpec: "AES_256", EncryptionContext: s.context(validationVersion)})
	if err != nil {
		return keyError(err, "EncryptionFailure")
	}
	if _, err = keyCall(c, s.at.Region, "Decrypt", kms.CryptoInput{CiphertextBlob: made.CiphertextBlob, EncryptionContext: s.context(validationVersion)}); err != nil {
		return keyError(err, "DecryptionFailure")
	}
	return nil
}

// untried reports whether Behavior leaves out the trial of a key: "" is the AWS managed one, chosen by an empty key.
func untried(c *core.Call, s *secret, keyID string) bool {
	if keyID == "" {
		return c.AWS.Options.Behavior.EmptyKeyUntried
	}
	if !c.AWS.Options.Behavior.ManagedKeyUntried {
		return false
	}
	found, err := keyNamed(c, s, keyID)
	return err == nil && found.Manager == "AWS"
}

// sameAccount refuses the AWS managed key to callers from other accounts.
func sameAccount(c *core.Call, s *secret, keyID string) error {
	if (keyID == "" || keyID == defaultKeyAlias) && c.Caller.Account != s.at.Account {
		return invalidRequest("You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.")
	}
	return nil
}

// seal makes a new version's data key under the secret's key, and no other.
func seal(c *core.Call, s *secret, v *secretVersion) error {
	if err := sameAccount(c, s, s.keyID); err != nil {
		return err
	}
	made, err := keyCall(c, s.at.Region, "GenerateDataKey", kms.CryptoInput{KeyId: s.key(), KeySpec: "AES_256", EncryptionContext: s.context(v.id)})
	if err != nil {
		return keyError(err, "EncryptionFailure")
	}
	v.copies = []sealedCopy{copyOf(c.AWS, made)}
	return nil
}

func copyOf(a *core.AWS, made kms.CryptoOutput) sealedCopy {
	return sealedCopy{keyARN: made.KeyId, aws: managedByAWS(a, made.KeyId), blob: made.CiphertextBlob}
}

func managedByAWS(a *core.AWS, key string) bool {
	at, _, _ := a.Locate(key, "kms")
	k, err := kms.FindKey(a, at, key)
	return err == nil && k.Manager == "AWS"
}

// openVersion decrypts a version's data key with whichever of its copies the caller can use. The error is that of the copy
// that is tried first: the newest, unless Behavior says otherwise.
func openVersion(c *core.Call, s *secret, v *secretVersion) ([]byte, error) {
	copies := v.copies
	if c.AWS.Options.Behavior.OldestCopyFirst {
		copies = slices.Clone(copies)
		slices.Reverse(copies)
	}
	var first error
	for _, sealed := range copies {
		if sealed.aws && c.Caller.Account != s.at.Account {
			first = firstError(first, sameAccount(c, s, ""))
			continue
		}
		out, err := keyCall(c, s.at.Region, "Decrypt", kms.CryptoInput{CiphertextBlob: sealed.blob, EncryptionContext: s.context(v.id)})
		if err == nil {
			return out.Plaintext, nil
		}
		first = firstError(first, readError(c.AWS.Options.Behavior.DisabledRead, err))
	}
	return nil, first
}

// readError is how a read reports that KMS refused. AWS does not document it for a disabled key.
func readError(disabled core.DisabledRead, err error) error {
	var api *core.Error
	if errors.As(err, &api) && api.Code == "DisabledException" {
		switch disabled {
		case core.DisabledIsAccessDenied:
			return &core.Error{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}
		case core.DisabledIsInvalidRequest:
			return invalidRequest("You can't read the secret because its KMS key can't be used. (" + api.Message + ")")
		case core.DisabledIsKMSError:
			return api
		case core.DisabledIsInternalError:
			return &core.Error{Code: "InternalServiceError", Status: http.StatusInternalServerError, Message: "An error occurred on the server side."}
		}
	}
	return keyError(err, "DecryptionFailure")
}

func firstError(first, err error) error {
	if first != nil {
		return first
	}
	return err
}

// rekey re-encrypts the data keys of the versions under AWSCURRENT, AWSPENDING and AWSPREVIOUS under the secret's key and
// keeps the older copies: until a new version is written, the previous keys open it as well. A version under other labels
// alone, or under none, stays under the keys it had. So does one that the caller cannot re-encrypt, for want of
// kms:Decrypt on the old key or kms:Encrypt on the new one, or because the old key is disabled; no error says so, unless
// Behavior says that one does (Secrets Manager user guide, "Change the encryption key").
func rekey(c *core.Call, s *secret) error {
	for _, id := range s.versionIDs {
		if !reencrypts(c.AWS.Options.Behavior, s.stagesOf(id)) {
			continue
		}
		if err := rekeyVersion(c, s, s.versions[id]); err != nil && c.AWS.Options.Behavior.RefuseBlindRekey {
			return err
		}
	}
	return nil
}

// reencrypts reports whether a re-key takes a version with these labels along.
func reencrypts(b core.Behavior, stages []string) bool {
	if b.TakeCustomLabels {
		return len(stages) > 0
	}
	return slices.ContainsFunc(stages, func(stage string) bool {
		return stage == stageCurrent || stage == stagePending || stage == stagePrevious
	})
}

func rekeyVersion(c *core.Call, s *secret, v *secretVersion) error {
	target, err := keyNamed(c, s, s.key())
	if err != nil {
		return err
	}
	has := func(sealed sealedCopy) bool { return sealed.keyARN == target.ARN }
	if at := slices.IndexFunc(v.copies, has); at >= 0 {
		found := v.copies[at]
		v.copies = append([]sealedCopy{found}, slices.Delete(slices.Clone(v.copies), at, at+1)...)
		return nil
	}
	dataKey, err := openVersion(c, s, v)
	if err != nil {
		return err
	}
	made, err := keyCall(c, s.at.Region, "Encrypt", kms.CryptoInput{KeyId: s.key(), Plaintext: dataKey, EncryptionContext: s.context(v.id)})
	if err != nil {
		return keyError(err, "EncryptionFailure")
	}
	v.copies = append([]sealedCopy{copyOf(c.AWS, made)}, v.copies...)
	return nil
}

// keyNamed is the key that the caller names for a secret.
func keyNamed(c *core.Call, s *secret, id string) (*kms.Key, error) {
	return kms.FindKey(c.AWS, core.Location{Account: c.Caller.Account, Region: s.at.Region}, id)
}

// keptName is what a secret keeps of the name of its key: the name, or, where Behavior says so, the ARN of the key that an
// alias of a customer leads to now.
func keptName(c *core.Call, s *secret, id string) string {
	if !c.AWS.Options.Behavior.AliasIsResolved || id == "" {
		return id
	}
	if found, err := keyNamed(c, s, id); err == nil && found.Manager != "AWS" {
		return found.ARN
	}
	return id
}

// keyError is how Secrets Manager reports that KMS refused: want of rights, a key that cannot be used, or no such key.
func keyError(err error, unusable string) error {
	var api *core.Error
	if !errors.As(err, &api) {
		return err
	}
	switch api.Code {
	case "AccessDeniedException":
		return &core.Error{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}
	case "NotFoundException", "InvalidArnException", "InvalidKeyUsageException", "ValidationException":
		if unusable == "EncryptionFailure" {
			return secretParameter("The operation failed because of an invalid KMS key: " + api.Message)
		}
	}
	verb := "decrypt"
	if unusable == "EncryptionFailure" {
		verb = "encrypt"
	}
	return &core.Error{Code: unusable, Message: "Secrets Manager can't " + verb + " the protected secret text using the provided KMS key. " +
		"Check that the key is available, enabled, and not in an invalid state. (" + api.Message + ")"}
}

// keyConditions are the condition keys for the KMS key of a request. AWS's documentation leaves open what they hold
// for aliases and for the empty text (back to the AWS managed key): see Options.
func keyConditions(c *core.Call, keyID *string) map[string][]string {
	out := map[string][]string{}
	switch {
	case keyID == nil:
	case *keyID != "":
		out["secretsmanager:KmsKeyId"] = []string{*keyID}
		if arn.Alias(*keyID) == "" || !c.AWS.Options.Behavior.NoAliasKeyARN {
			out["secretsmanager:KmsKeyArn"] = []string{keyConditionARN(c, *keyID)}
		}
	case c.AWS.Options.Behavior.EmptyKey == core.EmptyKeyText:
		out["secretsmanager:KmsKeyId"], out["secretsmanager:KmsKeyArn"] = []string{""}, []string{""}
	case c.AWS.Options.Behavior.EmptyKey == core.EmptyKeyManaged:
		out["secretsmanager:KmsKeyId"] = []string{""}
		out["secretsmanager:KmsKeyArn"] = []string{keyConditionARN(c, defaultKeyAlias)}
	}
	return out
}

func keyConditionARN(c *core.Call, keyID string) string {
	if c.AWS.Options.Behavior.RawKeyARN {
		return keyID
	}
	if found, err := kms.FindKey(c.AWS, c.Location, keyID); err == nil {
		return found.ARN
	}
	return keyID
}
