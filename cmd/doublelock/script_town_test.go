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

// The accounts of the local AWS that scripts start with "town".
const (
	townPayer  = "999999999999"
	townHub    = "222222222222"
	townShop   = "111122223333"
	townData   = "444455556666"
	townRegion = "eu-central-1"
)

// town starts a local AWS for the rest of a script: an organization with two accounts, of which "closed" cannot be
// entered, a few readers and secrets, and credentials of an operator in the environment.
func town(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: town")
	}
	a := localaws.New(localaws.Options{Seed: 1})
	url, stop, err := a.Start()
	ts.Check(err)
	ts.Defer(stop)
	a.Organization("o-exampleorg", townPayer)
	a.AddAccount("", townHub, "security")
	a.AddAccount("", townShop, "shop")
	a.AddAccount("", townData, "closed")
	everything := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trust := func(account string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
	}
	for _, account := range []string{townPayer, townHub, townShop} {
		a.AddRole(account, "doublelock-read", trust(townHub), everything)
	}
	a.AddRole(townShop, "app", trust(townShop), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}]}`)
	a.AddRole(townShop, "analyst", trust(townShop), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	ts.Check(fill(a, url))
	operator, err := a.Principal(townHub, "role/operator/me")
	ts.Check(err)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": townRegion, "DOUBLELOCK_HUB_ACCOUNT": townHub, "DOUBLELOCK_MANAGEMENT_ACCOUNT": townPayer,
		"AWS_ACCESS_KEY_ID": operator.AccessKeyID, "AWS_SECRET_ACCESS_KEY": operator.SecretAccessKey, "AWS_SESSION_TOKEN": operator.SessionToken,
	} {
		ts.Setenv(name, value)
	}
}

// fill makes one secret under a key of its own and one under the AWS managed key.
func fill(a *localaws.AWS, url string) error {
	root, err := a.Principal(townShop, "root")
	if err != nil {
		return err
	}
	config := aws.Config{Region: townRegion, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, root.SessionToken)}
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
