package policytest_test

import (
	"encoding/json"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

// A federated user whose session has no policy has no permissions but those that a resource's policy gives it by name.
// Source: STS API Reference, GetFederationToken; IAM User Guide, "Session policies".
func TestAFederatedUserWithoutASessionPolicyHasNothing(t *testing.T) {
	const (
		who   = `"arn:aws:sts::111122223333:federated-user/bob"`
		allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		named = `,"resourcePolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":` + who + `},"Action":"*","Resource":"*"}]}`
	)
	for sentence, tt := range map[string]struct {
		principal, rest string
		want            policy.Answer
	}{
		"no session policy": {who, ``, policy.ImplicitlyDenied},
		"one that allows":   {who, `,"sessionPolicy":` + allow, policy.Allowed},
		"no session policy, and a resource's by name": {who, named, policy.Allowed},
		"a user, who needs none":                      {`"arn:aws:iam::111122223333:user/bob"`, ``, policy.Allowed},
	} {
		var decoded any
		text := `{"name":"x","request":{"action":"secretsmanager:GetSecretValue","principal":` + tt.principal + `,"resource":{"resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf","accountId":"111122223333"},"contextVariables":{}},` +
			`"identityPolicies":[{"name":"a","policy":` + allow + `}]` + tt.rest + `,"expected":{"response":"Allowed"}}`
		if err := json.Unmarshal([]byte(text), &decoded); err != nil {
			t.Fatal(sentence, err)
		}
		cases, err := policytest.Read(decoded)
		if err != nil || len(cases) != 1 {
			t.Fatal(sentence, err)
		}
		if got := policy.Evaluate(cases[0].Request, cases[0].Policies); got.Answer != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, tt.want, got.Why)
		}
	}
}
