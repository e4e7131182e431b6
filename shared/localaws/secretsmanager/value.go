package secretsmanager

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type getValueInput struct{ SecretId, VersionId, VersionStage string }

type secretValue struct {
	ARN, Name     string
	VersionId     string
	VersionStages []string
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	CreatedDate   *float64 `json:",omitempty"`
}

func getSecretValue(c *core.Call) (any, error) {
	var in getValueInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	context := map[string][]string{"secretsmanager:VersionStage": {cmp.Or(in.VersionStage, stageCurrent)}}
	if in.VersionId != "" {
		context["secretsmanager:VersionId"] = []string{in.VersionId}
	}
	s, err := authorizedSecret(c, in.SecretId, context)
	if err != nil {
		return nil, err
	}
	return readValue(c, s, in)
}

// readValue opens a version: the one asked for by id, by label, or the current one.
func readValue(c *core.Call, s *secret, in getValueInput) (*secretValue, error) {
	if !s.main().removal.IsZero() {
		return nil, markedForDeletion()
	}
	id := in.VersionId
	if id == "" {
		id = s.stages[cmp.Or(in.VersionStage, stageCurrent)]
	}
	version := s.versions[id]
	if version == nil || in.VersionStage != "" && !slices.Contains(s.stagesOf(id), in.VersionStage) {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret value for " + missingVersion(in)}
	}
	if _, err := openVersion(c, s, version); err != nil {
		return nil, err
	}
	s.accessed, version.accessed = c.Now, c.Now
	return &secretValue{ARN: s.arn, Name: s.name, VersionId: id, VersionStages: s.stagesOf(id), SecretString: version.text, SecretBinary: version.binary,
		CreatedDate: core.Epoch(version.created)}, nil
}

func missingVersion(in getValueInput) string {
	if in.VersionId != "" {
		return "VersionId: " + in.VersionId
	}
	return "staging label: " + cmp.Or(in.VersionStage, stageCurrent)
}

const secretsInBatch = 20

type batchError struct{ SecretId, ErrorCode, Message string }

type batchOutput struct {
	SecretValues []*secretValue
	Errors       []batchError `json:",omitempty"`
	NextToken    string       `json:",omitempty"`
}

func batchGetSecretValue(c *core.Call) (any, error) {
	var in struct {
		SecretIdList []string
		Filters      []secretFilter
		MaxResults   int
		NextToken    string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if (len(in.SecretIdList) == 0) == (len(in.Filters) == 0) {
		return nil, secretParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	if len(in.SecretIdList) > secretsInBatch {
		return nil, secretParameter("SecretIdList can hold at most 20 secrets.")
	}
	if err := c.Authorize(core.Access{}); err != nil {
		return nil, err
	}
	out := batchOutput{SecretValues: []*secretValue{}}
	ids := in.SecretIdList
	if len(in.Filters) > 0 {
		found, err := filtered(c, listSecretsInput{Filters: in.Filters, MaxResults: min(or0(in.MaxResults, secretsInBatch), secretsInBatch), NextToken: in.NextToken})
		if err != nil {
			return nil, err
		}
		out.NextToken = found.NextToken
		for _, e := range found.SecretList {
			ids = append(ids, e.ARN)
		}
	}
	for _, id := range ids {
		addToBatch(c, &out, id)
	}
	return out, nil
}

func or0(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

func filtered(c *core.Call, in listSecretsInput) (listSecretsOutput, error) {
	if err := checkFilters(in.Filters); err != nil {
		return listSecretsOutput{}, err
	}
	after := 0
	if in.NextToken != "" {
		var err error
		if after, err = core.PageStart(in.NextToken); err != nil {
			return listSecretsOutput{}, err
		}
	}
	return listInOrder(c, in, after), nil
}

// addToBatch reads one secret of a batch as a GetSecretValue of its own, which is how it is authorised and recorded.
func addToBatch(c *core.Call, out *batchOutput, id string) {
	input, err := json.Marshal(secretIDInput{id})
	if err != nil {
		return
	}
	one := &core.Call{AWS: c.AWS, Location: c.Location, Service: c.Service, Operation: "GetSecretValue", Caller: c.Caller, Input: input, UserAgent: c.UserAgent, SourceIP: c.SourceIP}
	result, err := c.AWS.Dispatch(one)
	var api *core.Error
	switch value, ok := result.(*secretValue); {
	case err == nil && ok:
		out.SecretValues = append(out.SecretValues, value)
	case errors.As(err, &api):
		out.Errors = append(out.Errors, batchError{id, api.Code, api.Message})
	}
}
