package scenarios_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// stage is an organization in which one migration of testdata/migrations is played.
type stage struct {
	*testing.T
	says    script
	aws     *localaws.AWS
	url     string
	now     time.Time
	keys    map[string]string // ARN by name
	secret  string            // ARN
	clients map[string]*secretsmanager.Client
	first   guard.Secret
	denied  []trail.Change   // reads that CloudTrail recorded as denied
	onBus   []map[string]any // what the hub put on its bus
}

// far is the Region of copies.
const far = "eu-west-1"

func newStage(t *testing.T, says script) *stage {
	t.Helper()
	w := &stage{T: t, says: says, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), keys: map[string]string{}, clients: map[string]*secretsmanager.Client{}}
	w.aws = localaws.New(localaws.Options{Now: func() time.Time { return w.now }, Seed: 7, OnRecord: w.record, OnPut: w.put, OnDecision: decided})
	url, stop, err := w.aws.Start()
	must(t, err)
	t.Cleanup(stop)
	w.url = url
	w.aws.Organization("o-exampleorg", payer)
	ou := w.aws.AddOU("", "apps")
	w.aws.AddAccount("", hub, "security")
	w.aws.AddAccount(ou, shop, "shop")
	w.aws.AddAccount(ou, data, "data")
	w.deployHub()
	w.makeKeys()
	w.makeReaders()
	w.makeSecret()
	w.first = w.describe()
	return w
}

func (w *stage) config(account, who, region string) aws.Config {
	w.Helper()
	c, err := w.aws.Principal(account, who)
	must(w, err)
	return aws.Config{Region: region, BaseEndpoint: &w.url, RetryMaxAttempts: 8,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
}

func (w *stage) deployHub() {
	for _, account := range []string{payer, hub, shop, data} {
		w.aws.AddRole(account, settings.RoleRead, trustOfHub, policyText(may(`"*"`, "*"), `{"Effect":"Deny","Action":"secretsmanager:GetSecretValue","Resource":"*"}`))
		w.aws.AddRole(account, settings.RoleTag, trustOfHub, policyText(may(`["secretsmanager:TagResource","secretsmanager:UntagResource"]`, "*")))
		w.aws.AddRole(account, settings.RoleChange, trustOfHub, policyText(may(w.changeRights(), "*")))
	}
	_, err := w.aws.As("cloudformation.amazonaws.com", hub, region, "dynamodb", "CreateTable", map[string]any{
		"TableName": settings.HubName, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []map[string]string{{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}},
		"KeySchema":            []map[string]string{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}},
	})
	must(w, err)
	_, err = w.aws.As("cloudformation.amazonaws.com", hub, region, "events", "CreateEventBus", map[string]any{"Name": settings.HubName})
	must(w, err)
}

// changeRights are those of the change role, less what the script takes away.
func (w *stage) changeRights() string {
	rights := []string{"secretsmanager:UpdateSecret", "secretsmanager:RotateSecret", "secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds",
		"secretsmanager:RemoveRegionsFromReplication", "secretsmanager:ReplicateSecretToRegions", "secretsmanager:CreateSecret",
		"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant", "lambda:InvokeFunction"}
	rights = slices.DeleteFunc(rights, func(r string) bool { return slices.Contains(w.says.ChangeWithout, r) })
	return `["` + strings.Join(rights, `","`) + `"]`
}

const delegation = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`

// makeKeys makes the keys of the script; "new" is what secrets are moved to.
func (w *stage) makeKeys() {
	for _, name := range slices.Sorted(maps.Keys(w.says.Keys)) {
		k := w.says.Keys[name]
		where := region
		if k.Region != "" {
			where = k.Region
		}
		client := kms.NewFromConfig(w.config(shop, "root", where))
		in := &kms.CreateKeyInput{Tags: []kmstypes.Tag{{TagKey: aws.String("team"), TagValue: aws.String("shop")}}, BypassPolicyLockoutSafetyCheck: true}
		text := policyText(delegation)
		if len(k.Policy) > 0 {
			text = policyText(k.Policy...)
		}
		in.Policy = &text
		made, err := client.CreateKey(w.Context(), in)
		must(w, err)
		w.keys[name] = *made.KeyMetadata.Arn
		if strings.HasPrefix(name, "new") {
			must(w, ignore(client.CreateAlias(w.Context(), &kms.CreateAliasInput{AliasName: aws.String(settings.SecretsKeyAlias), TargetKeyId: made.KeyMetadata.KeyId})))
		}
	}
}

func (w *stage) makeReaders() {
	for name, r := range w.says.Readers {
		account := shop
		w.aws.AddRole(account, name, trustOfSelf, w.fill(policyText(r.May...)))
	}
}

// fill puts the ARNs of the run into policies: key:NAME and so on.
func (w *stage) fill(text string) string {
	for name, arn := range w.keys {
		text = strings.ReplaceAll(text, "{key:"+name+"}", arn)
	}
	return strings.NewReplacer("{shop}", shop, "{data}", data, "{secret}", w.secret).Replace(text)
}

func (w *stage) makeSecret() {
	s := w.says.Secret
	client := w.client("root")
	in := &secretsmanager.CreateSecretInput{Name: aws.String("shop/db"), SecretString: aws.String("not a real value")}
	if s.Key != "" {
		in.KmsKeyId = aws.String(w.keys[s.Key])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		in.Tags = append(in.Tags, smtypes.Tag{Key: aws.String(name), Value: aws.String(s.Tags[name])})
	}
	made, err := client.CreateSecret(w.Context(), in)
	must(w, err)
	w.secret = *made.ARN
	for range s.MoreVersions {
		must(w, ignore(client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("another value")})))
	}
	for _, reader := range w.says.Seen {
		if got := w.read(reader); got != "" {
			w.Fatalf("%s was to be seen reading: %s", reader, got)
		}
	}
}

// client is Secrets Manager as a reader, or as "root" of the secret's account.
func (w *stage) client(who string) *secretsmanager.Client {
	if c := w.clients[who]; c != nil {
		return c
	}
	account, name := shop, who
	if who != "root" {
		name = "role/" + who + "/task"
	}
	w.clients[who] = secretsmanager.NewFromConfig(w.config(account, name, region))
	return w.clients[who]
}

// read really reads, with the reader's own credentials; "" is a value, else AWS's error.
func (w *stage) read(reader string) string {
	_, err := w.client(reader).GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &w.secret})
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

func (w *stage) describe() guard.Secret {
	w.Helper()
	s, err := w.migrations(nil).Engine.Secrets.Describe(w.Context(), guard.SecretRef{Account: shop, Region: region, ID: w.secret})
	must(w, err)
	return s
}

// migrations is the machine as the hub opens it.
func (w *stage) migrations(change func(*cloud.Options)) *fleet.Migrations {
	w.Helper()
	c, err := w.aws.Principal(hub, "role/doublelock-remediate/doublelock-remediate")
	must(w, err)
	o := cloud.Options{Region: region, Endpoint: w.url, HubAccount: hub, AssumeRoles: true, ManagementAccount: payer, KeyDetails: true, KeyTTL: time.Nanosecond,
		MaxBackoff: time.Millisecond, LookupEvery: time.Nanosecond, Session: "migrate", Now: func() time.Time { return w.now },
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}}
	if change != nil {
		change(&o)
	}
	client, err := cloud.Open(w.Context(), o)
	must(w, err)
	return migrations.Parts{
		Cloud: client, Table: settings.HubName, Bus: settings.HubName, Regions: []string{region, far}, Runtime: w.settings(),
		By: "doublelock-migrate", Now: func() time.Time { return w.now }, Sleep: func(context.Context, time.Duration) error { return nil },
	}.Open()
}

func (w *stage) settings() settings.Runtime {
	return settings.Runtime{Migration: settings.Migration{RotateTwice: true, RescueGrants: w.says.AutoGrant}}
}

// record keeps the denied reads, as the hub's rule would forward them.
func (w *stage) record(r localaws.Record) {
	raw, err := json.Marshal(r)
	if err != nil {
		w.Error(err)
		return
	}
	if c, err := trail.Decode(raw); err == nil && c.Kind == trail.DeniedRead {
		w.denied = append(w.denied, c)
	}
}

func (w *stage) put(_ string, event map[string]any) {
	if detail, ok := event["detail"].(map[string]any); ok {
		w.onBus = append(w.onBus, detail)
	}
}

func (w *stage) advance(d time.Duration) { w.now = w.now.Add(d) }

// owner is the cloud with the credentials of the secret's owner.
func (w *stage) owner() *cloud.Cloud {
	w.Helper()
	c, err := w.aws.Principal(shop, "role/Owner/alice")
	must(w, err)
	client, err := cloud.Open(w.Context(), cloud.Options{Region: region, Endpoint: w.url, MaxBackoff: time.Millisecond, Now: func() time.Time { return w.now },
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
	must(w, err)
	return client
}
