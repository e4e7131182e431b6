package localaws

import "cmp"

type updateSecretInput struct {
	SecretId, ClientRequestToken, Type string
	Description, KmsKeyId              *string
	SecretString                       *string
	SecretBinary                       []byte
}

// updateSecret changes description, key and value. The key "" is the AWS managed key again, none leaves it as it is.
func updateSecret(c *call) (any, error) {
	var in updateSecretInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := firstError(checkValue(in.SecretString, in.SecretBinary), checkToken(in.ClientRequestToken)); err != nil {
		return nil, err
	}
	context := c.keyConditions(in.KmsKeyId)
	if in.Description != nil {
		context["secretsmanager:Description"] = []string{*in.Description}
	}
	s, err := c.secretToChange(in.SecretId, context)
	if err != nil {
		return nil, err
	}
	if in.KmsKeyId != nil {
		if err := c.setKey(s, *in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	out := secretOutput{ARN: s.arn, Name: s.name}
	if in.SecretString != nil || in.SecretBinary != nil {
		version := &secretVersion{id: c.versionID(in.ClientRequestToken), created: c.Now, text: in.SecretString, binary: in.SecretBinary}
		if err := c.writeVersion(s, version, []string{stageCurrent}); err != nil {
			return nil, err
		}
		out.VersionId = version.id
	}
	if in.Description != nil {
		s.description = *in.Description
	}
	return out, nil
}

// setKey validates a key, makes it the secret's and re-encrypts what it can.
func (c *call) setKey(s *secret, keyID string) error {
	if err := c.validateKey(s, cmp.Or(keyID, defaultKeyAlias)); err != nil {
		return err
	}
	s.keyID = keyID
	c.rekey(s)
	return nil
}
