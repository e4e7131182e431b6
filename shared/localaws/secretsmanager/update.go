package secretsmanager

import (
	"cmp"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type updateSecretInput struct {
	SecretId, ClientRequestToken, Type string
	Description, KmsKeyId              *string
	SecretString                       *string
	SecretBinary                       []byte
}

// updateSecret changes description, key and value. The key "" is the AWS managed key again, none leaves it as it is.
func updateSecret(c *core.Call) (any, error) {
	var in updateSecretInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := firstError(checkValue(in.SecretString, in.SecretBinary), checkToken(in.ClientRequestToken)); err != nil {
		return nil, err
	}
	context := keyConditions(c, in.KmsKeyId)
	if in.Description != nil {
		context["secretsmanager:Description"] = []string{*in.Description}
	}
	if in.Type != "" {
		context["secretsmanager:Type"] = []string{in.Type}
	}
	s, err := secretToUpdate(c, in, context)
	if err != nil {
		return nil, err
	}
	if in.SecretString != nil || in.SecretBinary != nil {
		if err := s.notItsOwn(); err != nil {
			return nil, err
		}
	}
	if in.KmsKeyId != nil {
		if err := setKey(c, s, *in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	out := secretOutput{ARN: s.arn, Name: s.name}
	if in.SecretString != nil || in.SecretBinary != nil {
		version := &secretVersion{id: versionID(c, in.ClientRequestToken), created: c.Now, text: in.SecretString, binary: in.SecretBinary}
		if err := writeVersion(c, s, version, []string{stageCurrent}); err != nil {
			return nil, err
		}
		out.VersionId = version.id
	}
	if in.Description != nil {
		s.description = *in.Description
	}
	if in.Type != "" {
		s.kind = in.Type
	}
	return out, nil
}

// secretToUpdate is secretToChange, but lets a replica's key be changed in the replica's Region: it is the only part that
// a replica has to itself (user guide, "Promote a replica secret to a standalone secret").
func secretToUpdate(c *core.Call, in updateSecretInput, context map[string][]string) (*secret, error) {
	s, err := authorizedSecret(c, in.SecretId, context)
	if err != nil {
		return nil, err
	}
	keyAlone := in.KmsKeyId != nil && in.Description == nil && in.SecretString == nil && in.SecretBinary == nil && in.Type == ""
	if s.primary == nil || !keyAlone || c.AWS.Options.Behavior.ReplicaKeyIsFixed {
		return ownToChange(c, s)
	}
	if !s.primary.removal.IsZero() {
		return nil, markedForDeletion()
	}
	changes(c, s)
	return s, nil
}

// setKey validates a key, makes it the secret's and re-encrypts what it can.
func setKey(c *core.Call, s *secret, keyID string) error {
	if err := validateKey(c, s, keyID); err != nil {
		return err
	}
	before, _ := keyNamed(c, s, s.key()) // nil when it is gone
	wanted, err := keyNamed(c, s, cmp.Or(keyID, defaultKeyAlias))
	if err != nil {
		return err
	}
	had := s.keyID
	s.keyID = keptName(c, s, keyID)
	if wanted == before && c.AWS.Options.Behavior.SameKeyIsNoChange {
		return nil
	}
	if err := rekey(c, s); err != nil {
		s.keyID = had
		return err
	}
	return nil
}
