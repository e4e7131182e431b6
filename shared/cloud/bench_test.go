package cloud_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
)

// quiet is a local AWS with one account and its roles, for measuring.
func quiet(b *testing.B) (*secrets.Secrets, *secretsmanager.Client) {
	b.Helper()
	local := localaws.New(localaws.Options{})
	endpoint, stop, err := local.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	local.Organization("o-contract00", hub)
	local.AddAccount("", member, "member")
	local.AddRole(member, "doublelock-read", trustHub, mayRead)
	w := &world{endpoint: endpoint, admin: func(t testing.TB, account string) cloud.Static {
		c, err := local.Principal(account, "role/people/somebody")
		if err != nil {
			t.Fatal(err)
		}
		return cloud.Static(c)
	}}
	return secrets.New(w.cloud(b, nil)), w.secrets(b, member)
}

// BenchmarkDescribe is one secret as detect looks at it: two calls, key metadata cached.
func BenchmarkDescribe(b *testing.B) {
	secrets, people := quiet(b)
	if _, err := people.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secrets.Describe(b.Context(), ref()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDescribeWithTheSDKAlone is the least that a look costs: its two calls, and nothing made of the answers.
func BenchmarkDescribeWithTheSDKAlone(b *testing.B) {
	_, people := quiet(b)
	made, err := people.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := people.DescribeSecret(b.Context(), &secretsmanager.DescribeSecretInput{SecretId: made.ARN}); err != nil {
			b.Fatal(err)
		}
		versions := &secretsmanager.ListSecretVersionIdsInput{SecretId: made.ARN, IncludeDeprecated: aws.Bool(true)}
		if _, err := people.ListSecretVersionIds(b.Context(), versions); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUsingKey looks through 1,000 secrets for the blast radius of one key.
func BenchmarkUsingKey(b *testing.B) {
	secrets, people := quiet(b)
	for n := range 1000 {
		name := fmt.Sprintf("many/%04d", n)
		if _, err := people.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x")}); err != nil {
			b.Fatal(err)
		}
	}
	key := guard.Key{ARN: keyARN, Region: region, Account: member, Manager: guard.ManagerCustomer}
	for b.Loop() {
		if _, err := secrets.UsingKey(b.Context(), key, []string{member}); err != nil {
			b.Fatal(err)
		}
	}
}
