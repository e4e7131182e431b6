package localaws_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
	"github.com/doublelock/doublelock/shared/localaws/secretsmanager"
)

// TestNothingIsDoneWithoutTheRight calls every operation there is as a role that may do nothing, with input that names
// existing things: none may succeed.
func TestNothingIsDoneWithoutTheRight(t *testing.T) {
	const account, region = "111122223333", "us-east-1"
	a := localaws.New(localaws.Options{Seed: 1})
	a.Organization("o-exampleorg", account)
	a.AddRole(account, "Nobody", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	created, err := a.As("test.amazonaws.com", account, region, "secretsmanager", "CreateSecret", map[string]any{"Name": "a", "SecretString": "x"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.As("test.amazonaws.com", account, region, "kms", "CreateKey", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	keyID := key["KeyMetadata"].(map[string]any)["KeyId"]
	input := map[string]any{"SecretId": created["ARN"], "KeyId": keyID, "TargetKeyId": keyID, "AliasName": "alias/x", "Name": "b", "SecretString": "x", "SecretIdList": []string{"a"},
		"RoleName": "Nobody", "RoleArn": "arn:aws:iam::" + account + ":role/Nobody", "RoleSessionName": "xx", "Plaintext": "eA==", "KeySpec": "AES_256",
		"PolicyDocument": allowNothing, "AssumeRolePolicyDocument": allowNothing, "PolicyId": "p-FullAWSAccess", "UserName": "u", "PolicyName": "p"}
	open := []string{"sts:GetCallerIdentity"} // needs no right in AWS either
	services := core.Services()
	maps.Copy(services, secretsmanager.Services())
	maps.Copy(services, kms.Services())
	for _, service := range []string{"sts", "iam", "organizations", "secretsmanager", "kms", "cloudtrail"} {
		for _, operation := range slices.Sorted(maps.Keys(services[service].Operations)) {
			name := service + ":" + operation
			if slices.Contains(open, name) {
				continue
			}
			fields := input
			if operation == "BatchGetSecretValue" {
				fields = map[string]any{"SecretIdList": []string{"a"}}
			}
			_, err := a.AsPrincipal(account, "role/Nobody/x", region, service, operation, fields)
			var api *core.Error
			if err == nil || !errors.As(err, &api) {
				t.Errorf("%s: got %v, want an error of the service", name, err)
				continue
			}
			if strings.HasPrefix(api.Code, "AccessDenied") || strings.Contains(api.Code, "Validation") || api.Code == "InvalidCiphertextException" {
				continue
			}
			t.Errorf("%s: got %v, want AccessDenied", name, err)
		}
	}
}

const allowNothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
