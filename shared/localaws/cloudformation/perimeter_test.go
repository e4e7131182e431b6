package cloudformation_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestThePerimeterThatIsDeployedKeepsStrangersOut deploys the organization's stack with perimeter, as it is synthesized, and tries what a
// resource policy and a key policy alone would let in: a stranger, a partner, another account of the organization.
func TestThePerimeterThatIsDeployedKeepsStrangersOut(t *testing.T) {
	const (
		owner    = "333333333333" // in the OU with perimeter
		beside   = "444444444444" // in the organization
		outside  = "666666666666" // in another OU
		partner  = "777777777777"
		stranger = "999999999999"
		region   = "us-east-1"
		refused  = " with an explicit deny in a resource control policy"
	)
	template, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "templates", "perimeter", "org.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := sampleWorld()
	must := func(account, service, operation string, in map[string]any) map[string]any {
		t.Helper()
		out, err := a.AsPrincipal(account, "role/Admin/dana", region, service, operation, in)
		if err != nil {
			t.Fatalf("%s in %s: %v", operation, account, err)
		}
		return out
	}
	stacks := sampleStacks()
	org := stacks[len(stacks)-1]
	org.Template = template
	if _, err := a.Deploy(t.Context(), org); err == nil || !strings.Contains(err.Error(), "PolicyTypeNotEnabledException") {
		t.Fatalf("before the organization has that type of policies: %v", err)
	}
	must("111111111111", "organizations", "EnablePolicyType", map[string]any{"RootId": "r-ab12", "PolicyType": "RESOURCE_CONTROL_POLICY"})
	everybody := func(owner string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + strings.Join([]string{owner, beside, partner, stranger}, `","`) + `"]},"Action":"*","Resource":"*"}]}`
	}
	shared := map[string]map[string]any{}
	for _, account := range []string{owner, outside} {
		key := must(account, "kms", "CreateKey", map[string]any{"Policy": everybody(account)})["KeyMetadata"].(map[string]any)["Arn"]
		secret := must(account, "secretsmanager", "CreateSecret", map[string]any{"Name": "shared/db", "SecretString": "x", "KmsKeyId": key})["ARN"]
		must(account, "secretsmanager", "PutResourcePolicy", map[string]any{"SecretId": secret, "ResourcePolicy": everybody(account)})
		shared[account] = map[string]any{"SecretId": secret, "KeyId": key}
	}
	if _, err := a.Deploy(t.Context(), org); err != nil {
		t.Fatal(err)
	}
	type try struct{ who, of, service, operation string }
	for name, test := range map[string]struct {
		try
		in   map[string]any
		want string // end of the error; "" for none
	}{
		"a stranger reads nothing":                     {try{stranger, owner, "secretsmanager", "GetSecretValue"}, nil, refused},
		"a stranger re-keys nothing":                   {try{stranger, owner, "secretsmanager", "UpdateSecret"}, map[string]any{"Description": "mine"}, refused},
		"a stranger opens no policy":                   {try{stranger, owner, "secretsmanager", "PutResourcePolicy"}, map[string]any{"ResourcePolicy": everybody(owner)}, refused},
		"a stranger uses no key":                       {try{stranger, owner, "kms", "Encrypt"}, map[string]any{"Plaintext": "eA=="}, refused},
		"a stranger grants himself nothing":            {try{stranger, owner, "kms", "CreateGrant"}, map[string]any{"GranteePrincipal": "arn:aws:iam::999999999999:role/Admin", "Operations": []string{"Decrypt"}}, refused},
		"a partner reads":                              {try{partner, owner, "secretsmanager", "GetSecretValue"}, nil, ""},
		"a partner re-keys nothing":                    {try{partner, owner, "secretsmanager", "UpdateSecret"}, map[string]any{"Description": "mine"}, refused},
		"a partner opens no policy":                    {try{partner, owner, "secretsmanager", "PutResourcePolicy"}, map[string]any{"ResourcePolicy": everybody(owner)}, refused},
		"another account of the organization reads":    {try{beside, owner, "secretsmanager", "GetSecretValue"}, nil, ""},
		"another account of the organization changes":  {try{beside, owner, "secretsmanager", "UpdateSecret"}, map[string]any{"Description": "ours"}, ""},
		"its own people read":                          {try{owner, owner, "secretsmanager", "GetSecretValue"}, nil, ""},
		"where no stage has it a stranger still reads": {try{stranger, outside, "secretsmanager", "GetSecretValue"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := map[string]any{}
			for key, value := range shared[test.of] {
				if (key == "KeyId") == (test.service == "kms") {
					in[key] = value
				}
			}
			for key, value := range test.in {
				in[key] = value
			}
			_, err := a.AsPrincipal(test.who, "role/Admin/dana", region, test.service, test.operation, in)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.HasSuffix(got, test.want) {
				t.Errorf("got %q, want … %q", got, test.want)
			}
		})
	}
	if err := a.Undeploy(t.Context(), org.Name, org.Account, org.Region); err != nil {
		t.Fatal(err)
	}
	left, err := a.As(tester, org.Account, org.Region, "organizations", "ListPoliciesForTarget", map[string]any{"TargetId": "ou-ab12-workloads", "Filter": "RESOURCE_CONTROL_POLICY"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range left["Policies"].([]any) {
		names = append(names, p.(map[string]any)["Name"].(string))
	}
	if diff := cmp.Diff([]string{"RCPFullAWSAccess"}, names); diff != "" {
		t.Errorf("after the stack is gone (-want +got):\n%s", diff)
	}
}
