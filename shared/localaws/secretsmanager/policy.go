package secretsmanager

import (
	"encoding/json"
	"strconv"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type secretPolicyOutput struct {
	ARN, Name      string
	ResourcePolicy string `json:",omitempty"`
}

const mostPolicyCharacters = 20480

func putSecretPolicy(c *core.Call) (any, error) {
	var in struct {
		SecretId, ResourcePolicy string
		BlockPublicPolicy        bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, map[string][]string{"secretsmanager:BlockPublicPolicy": {strconv.FormatBool(in.BlockPublicPolicy)}})
	if err != nil {
		return nil, err
	}
	if core.CheckDocument(in.ResourcePolicy) != nil || len(in.ResourcePolicy) > mostPolicyCharacters {
		return nil, &core.Error{Code: "MalformedPolicyDocumentException", Message: "This resource policy contains a syntax error."}
	}
	if in.BlockPublicPolicy && isPublic(in.ResourcePolicy) {
		return nil, &core.Error{Code: "PublicPolicyException", Message: "This resource policy grants broad access to this secret."}
	}
	s.policy = in.ResourcePolicy
	return secretPolicyOutput{ARN: s.arn, Name: s.name}, nil
}

// isPublic reports whether a policy allows everybody without a condition.
func isPublic(text string) bool {
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &document) != nil {
		return false
	}
	type statement struct {
		Effect    string
		Principal any
		Condition map[string]any
	}
	var many []statement
	if json.Unmarshal(document.Statement, &many) != nil {
		many = make([]statement, 1)
		if json.Unmarshal(document.Statement, &many[0]) != nil {
			return false
		}
	}
	for _, s := range many {
		principal := s.Principal
		if object, ok := principal.(map[string]any); ok {
			principal = object["AWS"]
		}
		if s.Effect == "Allow" && principal == "*" && len(s.Condition) == 0 {
			return true
		}
	}
	return false
}

func getSecretPolicy(c *core.Call) (any, error) {
	var in secretIDInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	return secretPolicyOutput{ARN: s.arn, Name: s.name, ResourcePolicy: s.main().policy}, nil
}

func deleteSecretPolicy(c *core.Call) (any, error) {
	var in secretIDInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	s.policy = ""
	return secretPolicyOutput{ARN: s.arn, Name: s.name}, nil
}
