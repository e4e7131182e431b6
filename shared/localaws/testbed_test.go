package localaws_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	payer   = "444455556666" // management account
	guarded = "111122223333" // in the OU with SCPs
	open    = "222233334444" // in the OU without
	keyring = "333344445555" // holds central keys
	east    = "us-east-1"
	west    = "eu-west-1"
	admin   = "role/Admin/ada"
)

// testbed is an organization of four accounts on a local AWS, and the real SDK's clients for its people.
type testbed struct {
	*localaws.AWS
	t   testing.TB
	url string

	mu      sync.Mutex
	now     time.Time
	records []localaws.Record
	units   map[string]string
	signers map[string]localaws.Credentials
}

func newTestbed(t testing.TB, set ...func(*localaws.Options)) *testbed {
	t.Helper()
	r := &testbed{t: t, now: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC), units: map[string]string{}, signers: map[string]localaws.Credentials{}}
	options := localaws.Options{Seed: 1, Now: r.clock, OnRecord: func(record localaws.Record) { r.records = append(r.records, record) }}
	for _, f := range set {
		f(&options)
	}
	r.AWS = localaws.New(options)
	r.Organization("o-exampleorg", payer)
	r.units["guarded"], r.units["open"] = r.AddOU("", "guarded"), r.AddOU("", "open")
	r.AddAccount(r.units["guarded"], guarded, "guarded")
	r.AddAccount(r.units["open"], open, "open")
	r.AddAccount("", keyring, "keyring")
	url, stop, err := r.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	r.url = url
	return r
}

func (r *testbed) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *testbed) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *testbed) config(account, principal, region string) aws.Config {
	r.t.Helper()
	key, known := r.signers[account+principal]
	if !known {
		var err error
		if key, err = r.Principal(account, principal); err != nil {
			r.t.Fatal(err)
		}
		r.signers[account+principal] = key
	}
	return aws.Config{Region: region, BaseEndpoint: &r.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)}
}

func (r *testbed) secrets(account, principal, region string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(r.config(account, principal, region))
}

func (r *testbed) keys(account, principal, region string) *kms.Client {
	return kms.NewFromConfig(r.config(account, principal, region))
}

func (r *testbed) iam() *iam.Client {
	return iam.NewFromConfig(r.config(open, admin, east))
}

func (r *testbed) sts(account, principal string) *sts.Client {
	return sts.NewFromConfig(r.config(account, principal, east))
}

func (r *testbed) org(account string) *organizations.Client {
	return organizations.NewFromConfig(r.config(account, admin, east))
}

// role makes a role that anybody in the account may assume, with one inline policy.
func (r *testbed) role(account, name, policy string) string {
	r.AddRole(account, name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:root"},"Action":"sts:AssumeRole"}]}`, policy)
	return "role/" + name + "/test"
}

// allow is a policy that allows actions on everything.
func allow(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`
}

// key makes a customer managed key and returns its ARN.
func (r *testbed) key(account, region string, change ...func(*kms.CreateKeyInput)) string {
	r.t.Helper()
	in := &kms.CreateKeyInput{}
	for _, f := range change {
		f(in)
	}
	out, err := r.keys(account, admin, region).CreateKey(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// create makes a secret and returns its ARN.
func (r *testbed) create(client *secretsmanager.Client, name string, change ...func(*secretsmanager.CreateSecretInput)) string {
	r.t.Helper()
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("first")}
	for _, f := range change {
		f(in)
	}
	out, err := client.CreateSecret(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return *out.ARN
}

func under(key string) func(*secretsmanager.CreateSecretInput) {
	return func(in *secretsmanager.CreateSecretInput) { in.KmsKeyId = &key }
}

func noValue(in *secretsmanager.CreateSecretInput) { in.SecretString = nil }

// rekey sets a secret's key; "" is the AWS managed one.
func (r *testbed) rekey(client *secretsmanager.Client, id, key string) {
	r.t.Helper()
	if _, err := client.UpdateSecret(r.t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &id, KmsKeyId: &key}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testbed) put(client *secretsmanager.Client, id, value string) string {
	r.t.Helper()
	out, err := client.PutSecretValue(r.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: &value})
	if err != nil {
		r.t.Fatal(err)
	}
	return *out.VersionId
}

func (r *testbed) disable(key string) {
	r.t.Helper()
	parts := strings.Split(key, ":")
	if _, err := r.keys(parts[4], admin, parts[3]).DisableKey(r.t.Context(), &kms.DisableKeyInput{KeyId: &key}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testbed) enable(key string) {
	r.t.Helper()
	parts := strings.Split(key, ":")
	if _, err := r.keys(parts[4], admin, parts[3]).EnableKey(r.t.Context(), &kms.EnableKeyInput{KeyId: &key}); err != nil {
		r.t.Fatal(err)
	}
}

// read answers the value, or the error's code in brackets.
func (r *testbed) read(client *secretsmanager.Client, id string, change ...func(*secretsmanager.GetSecretValueInput)) string {
	r.t.Helper()
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	for _, f := range change {
		f(in)
	}
	out, err := client.GetSecretValue(r.t.Context(), in)
	if err != nil {
		return "[" + code(err) + "]"
	}
	return aws.ToString(out.SecretString)
}

func stage(name string) func(*secretsmanager.GetSecretValueInput) {
	return func(in *secretsmanager.GetSecretValueInput) { in.VersionStage = &name }
}

// locks are the keys of each labelled version, by label.
func (r *testbed) locks(client *secretsmanager.Client, id string) map[string][]string {
	r.t.Helper()
	out, err := client.ListSecretVersionIds(r.t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &id})
	if err != nil {
		r.t.Fatal(err)
	}
	locks := map[string][]string{}
	for _, version := range out.Versions {
		for _, label := range version.VersionStages {
			locks[label] = version.KmsKeyIds
		}
	}
	return locks
}

func (r *testbed) describe(client *secretsmanager.Client, id string) *secretsmanager.DescribeSecretOutput {
	r.t.Helper()
	out, err := client.DescribeSecret(r.t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// names are those of the records, oldest first; denied and failed ones end in their error code.
func (r *testbed) names() []string {
	var out []string
	for _, record := range r.records {
		name, _ := record["eventName"].(string)
		if failed, ok := record["errorCode"].(string); ok {
			name += " " + failed
		}
		out = append(out, name)
	}
	return out
}

// last is the newest record of a call.
func (r *testbed) last(event string) localaws.Record {
	r.t.Helper()
	for _, record := range slices.Backward(r.records) {
		if record["eventName"] == event {
			return record
		}
	}
	r.t.Fatalf("no record of %s in %v", event, r.names())
	return nil
}

func (r *testbed) forget() { r.records = nil }

// code is the error code of an API error; "" for none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

func multiRegion(in *kms.CreateKeyInput) { in.MultiRegion = aws.Bool(true) }

func asymmetric(in *kms.CreateKeyInput) {
	in.KeySpec, in.KeyUsage = kmstypes.KeySpecRsa2048, kmstypes.KeyUsageTypeEncryptDecrypt
}

func keyPolicy(text string) func(*kms.CreateKeyInput) {
	return func(in *kms.CreateKeyInput) { in.Policy, in.BypassPolicyLockoutSafetyCheck = &text, true }
}
