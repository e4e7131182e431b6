package secretsmanager

import (
	"bytes"
	"maps"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
)

const (
	mostSecretBytes = 65536
	mostTags        = 50
)

type replicaRegion struct {
	Region   string
	KmsKeyId string
}

type createSecretInput struct {
	Name, ClientRequestToken, Description, Type string
	CrossAccountPrimaryARN                      string
	KmsKeyId                                    *string
	SecretString                                *string
	SecretBinary                                []byte
	Tags                                        []secretTag
	AddReplicaRegions                           []replicaRegion
	ForceOverwriteReplicaSecret                 bool
}

func createSecret(c *core.Call) (any, error) {
	var in createSecretInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkCreate(c, &in); err != nil {
		return nil, err
	}
	if err := mayCreate(c, &in); err != nil {
		return nil, err
	}
	if found := living(c.AWS, secretsAt(c.AWS, c.Location).byName[in.Name]); found != nil {
		return found.createAgain(&in)
	}
	s := &secret{at: c.Location, name: in.Name, description: in.Description, keyID: given(in.KmsKeyId), kind: in.Type, created: c.Now, changed: c.Now,
		tags: secretTags(in.Tags), versions: map[string]*secretVersion{}, stages: map[string]string{}}
	s.arn = secretARN(c.Location, in.Name) + "-" + c.AWS.Letters(6, core.MixedAlnum)
	if in.CrossAccountPrimaryARN != "" {
		if err := checkOrigin(c, &in); err != nil {
			return nil, err
		}
		s.origin = newOrigin(in.CrossAccountPrimaryARN)
	}
	if c.Caller.Service != "" {
		s.owning = s.tags[owningServiceTag]
	}
	if s.keyID != "" {
		if err := validateKey(c, s, s.keyID); err != nil {
			return nil, err
		}
		s.keyID = keptName(c, s, s.keyID)
	}
	out := secretOutput{ARN: s.arn, Name: s.name}
	if in.SecretString != nil || in.SecretBinary != nil {
		version := &secretVersion{id: versionID(c, in.ClientRequestToken), created: c.Now, text: in.SecretString, binary: in.SecretBinary}
		if err := seal(c, s, version); err != nil {
			return nil, err
		}
		s.addVersion(version)
		moveStage(c, s, stageCurrent, version.id)
		out.VersionId = version.id
	}
	addSecret(c.AWS, s)
	beforeChange(c, s)
	if len(in.AddReplicaRegions) > 0 {
		replicate(c, s, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret)
		out.ReplicationStatus = s.replicationStatus(statusInProgress)
	}
	return out, nil
}

func given(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// versionID is the version a request makes: its token, or a new one where a service calls without.
func versionID(c *core.Call, token string) string {
	if token == "" {
		return c.AWS.UUID()
	}
	return token
}

func checkCreate(c *core.Call, in *createSecretInput) error {
	if err := checkName(c, in.Name); err != nil {
		return err
	}
	if err := checkValue(in.SecretString, in.SecretBinary); err != nil {
		return err
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return err
	}
	if err := checkRegions(c, c.Region, in.AddReplicaRegions); err != nil {
		return err
	}
	return checkTags(c, nil, in.Tags)
}

// checkName refuses names that a customer may not give. Only services use "!".
func checkName(c *core.Call, name string) error {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_+=.@-", r) ||
			r == '!' && c.Caller.Service != ""
	}
	bad := strings.IndexFunc(name, func(r rune) bool { return !allowed(r) })
	if name == "" || len(name) > 512 || bad >= 0 {
		return &core.Error{Code: "ValidationException", Message: "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"}
	}
	return nil
}

func checkValue(text *string, binary []byte) error {
	switch {
	case text != nil && binary != nil:
		return secretParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text != nil && *text == "":
		return secretParameter("You must provide either SecretString or SecretBinary.")
	case text != nil && len(*text) > mostSecretBytes || len(binary) > mostSecretBytes:
		return &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"}
	}
	return nil
}

func checkToken(token string) error {
	if token != "" && (len(token) < 32 || len(token) > 64) {
		return secretParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}

func secretTags(tags []secretTag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, tag := range tags {
		out[tag.Key] = tag.Value
	}
	return out
}

// mayCreate checks the rights that creating a secret can take.
func mayCreate(c *core.Call, in *createSecretInput) error {
	context := keyConditions(c, in.KmsKeyId)
	context["secretsmanager:Name"] = []string{in.Name}
	if in.Description != "" {
		context["secretsmanager:Description"] = []string{in.Description}
	}
	if in.Type != "" {
		context["secretsmanager:Type"] = []string{in.Type}
	}
	tags := kms.RequestTags(secretTags(in.Tags))
	maps.Copy(context, tags)
	maps.Copy(context, replicaConditions(in.AddReplicaRegions, in.ForceOverwriteReplicaSecret))
	on := core.Access{Action: "secretsmanager:CreateSecret", Resource: secretARN(c.Location, in.Name), Name: in.Name, Context: context}
	if err := c.Authorize(on); err != nil {
		return err
	}
	if len(in.Tags) > 0 {
		on.Action, on.Context = "secretsmanager:TagResource", tags
		if err := c.Authorize(on); err != nil {
			return err
		}
	}
	if in.CrossAccountPrimaryARN != "" {
		on.Action, on.Context = "secretsmanager:PutResourcePolicy", nil
		if err := c.Authorize(on); err != nil {
			return err
		}
	}
	if len(in.AddReplicaRegions) > 0 {
		on.Action, on.Context = "secretsmanager:ReplicateSecretToRegions", replicaConditions(in.AddReplicaRegions, in.ForceOverwriteReplicaSecret)
		return c.Authorize(on)
	}
	return nil
}

// createAgain answers a CreateSecret whose name is taken: the first answer for the same token and value (a retry),
// else an error.
func (s *secret) createAgain(in *createSecretInput) (any, error) {
	if !s.removal.IsZero() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if version := s.versions[in.ClientRequestToken]; version != nil && version.holds(in.SecretString, in.SecretBinary) {
		return secretOutput{ARN: s.arn, Name: s.name, VersionId: version.id}, nil
	}
	return nil, &core.Error{Code: "ResourceExistsException", Message: "The operation failed because the secret " + in.Name + " already exists."}
}

func (v *secretVersion) holds(text *string, binary []byte) bool {
	return (text == nil) == (v.text == nil) && given(text) == given(v.text) && bytes.Equal(binary, v.binary)
}
