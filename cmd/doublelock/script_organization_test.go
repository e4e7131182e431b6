package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doublelock/doublelock/shared/localaws"
)

// The accounts of the local AWS that scripts start with "organization".
const (
	scriptManagement = "999999999999"
	scriptHub        = "222222222222"
	scriptShop       = "111122223333"
	scriptData       = "444455556666"
	scriptRegion     = "eu-central-1"
)

// organization starts a local AWS for the rest of a script: an organization with two accounts, of which "closed" cannot be
// entered, a few readers and secrets, and credentials of an operator in the environment.
func organization(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: organization")
	}
	a := localaws.New(localaws.Options{Seed: 1})
	url, stop, err := a.Start()
	ts.Check(err)
	ts.Defer(stop)
	a.Organization("o-exampleorg", scriptManagement)
	a.AddAccount("", scriptHub, "security")
	a.AddAccount("", scriptShop, "shop")
	a.AddAccount("", scriptData, "closed")
	everything := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trust := func(account string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
	}
	for _, account := range []string{scriptManagement, scriptHub, scriptShop} {
		a.AddRole(account, "doublelock-read", trust(scriptHub), everything)
	}
	a.AddRole(scriptShop, "app", trust(scriptShop), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}]}`)
	a.AddRole(scriptShop, "analyst", trust(scriptShop), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	ts.Check(fill(a, url))
	operator, err := a.Principal(scriptHub, "role/operator/me")
	ts.Check(err)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": scriptRegion, "DOUBLELOCK_HUB_ACCOUNT": scriptHub, "DOUBLELOCK_MANAGEMENT_ACCOUNT": scriptManagement,
		"AWS_ACCESS_KEY_ID": operator.AccessKeyID, "AWS_SECRET_ACCESS_KEY": operator.SecretAccessKey, "AWS_SESSION_TOKEN": operator.SessionToken,
	} {
		ts.Setenv(name, value)
	}
}

// fill makes one secret under a key of its own and one under the AWS managed key.
func fill(a *localaws.AWS, url string) error {
	root, err := a.Principal(scriptShop, "root")
	if err != nil {
		return err
	}
	config := aws.Config{Region: scriptRegion, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, root.SessionToken)}
	made, err := kms.NewFromConfig(config).CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	for name, key := range map[string]*string{"shop/db": made.KeyMetadata.Arn, "shop/legacy": nil} {
		if _, err := secretsmanager.NewFromConfig(config).CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: aws.String("not a real value"), KmsKeyId: key}); err != nil {
			return fmt.Errorf("create secret %s: %w", name, err)
		}
	}
	return nil
}
