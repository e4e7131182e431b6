package secretsmanager

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type secretPolicyOutput struct {
	ARN, Name      string
	ResourcePolicy string `json:",omitempty"`
}

const (
	mostPolicyCharacters = 20480
	publicPolicy         = "This resource policy grants broad access to this secret."
)

func malformedPolicy() error {
	return &core.Error{Code: "MalformedPolicyDocumentException", Message: "This resource policy contains a syntax error."}
}

func putSecretPolicy(c *core.Call) (any, error) {
	var in struct {
		SecretId, ResourcePolicy, PolicyName string
		BlockPublicPolicy                    bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, map[string][]string{"secretsmanager:BlockPublicPolicy": {strconv.FormatBool(in.BlockPublicPolicy)}})
	if err != nil {
		return nil, err
	}
	if err := defaultAlone(in.PolicyName); err != nil {
		return nil, err
	}
	if core.CheckDocument(in.ResourcePolicy) != nil || len(in.ResourcePolicy) > mostPolicyCharacters {
		return nil, malformedPolicy()
	}
	if in.BlockPublicPolicy && isPublic(in.ResourcePolicy) {
		return nil, &core.Error{Code: "PublicPolicyException", Message: publicPolicy}
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

// defaultPolicy is the name of the policy that a secret's owner writes.
const defaultPolicy = "default"

// defaultAlone refuses to change a policy of another name.
func defaultAlone(name string) error {
	if name != "" && name != defaultPolicy {
		return secretParameter("You can only change the default policy.")
	}
	return nil
}

type policyInput struct{ SecretId, PolicyName string }

func getSecretPolicy(c *core.Call) (any, error) {
	var in policyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	policy, found := s.policies()[cmp.Or(in.PolicyName, defaultPolicy)]
	if !found && defaultAlone(in.PolicyName) != nil {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified policy."}
	}
	return secretPolicyOutput{ARN: s.arn, Name: s.name, ResourcePolicy: policy}, nil
}

type policyCheck struct{ CheckName, ErrorMessage string }

// validateSecretPolicy tries a policy that is not set: its syntax, whether it lets everybody in, and whether the caller
// could still replace it. Unlike PutResourcePolicy it answers what it found. The names of the checks are not documented.
func validateSecretPolicy(c *core.Call) (any, error) {
	var in struct{ SecretId, ResourcePolicy string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	on := core.Access{}
	if in.SecretId != "" {
		s, err := authorizedSecret(c, in.SecretId, nil)
		if err != nil {
			return nil, err
		}
		on.Resource, on.Owner, on.ResourcePolicy = s.arn, s.at.Account, s.main().policy
	} else if err := c.Authorize(on); err != nil {
		return nil, err
	}
	on.Action = "secretsmanager:PutResourcePolicy"
	if err := c.Authorize(on); err != nil {
		return nil, err
	}
	if core.CheckDocument(in.ResourcePolicy) != nil || len(in.ResourcePolicy) > mostPolicyCharacters {
		return nil, malformedPolicy()
	}
	found := []policyCheck{}
	if isPublic(in.ResourcePolicy) {
		found = append(found, policyCheck{"PUBLIC_POLICY_CHECK", publicPolicy})
	}
	if on.ResourcePolicy = in.ResourcePolicy; c.Authorize(on) != nil {
		found = append(found, policyCheck{"LOCKOUT_CHECK", "This resource policy keeps you from changing it."})
	}
	return struct {
		PolicyValidationPassed bool
		ValidationErrors       []policyCheck
	}{len(found) == 0, found}, nil
}

func deleteSecretPolicy(c *core.Call) (any, error) {
	var in policyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if err := defaultAlone(in.PolicyName); err != nil {
		return nil, err
	}
	s.policy = ""
	return secretPolicyOutput{ARN: s.arn, Name: s.name}, nil
}
