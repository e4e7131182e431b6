package localaws_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws"
)

// domain is one partition: an organization in it, and the real SDK's clients in one Region.
type domain struct {
	*localaws.AWS
	t         *testing.T
	url       string
	partition arn.Partition
	region    string
	other     string // a Region of another partition
}

var domains = []domain{
	{partition: "aws", region: "us-east-1", other: "us-gov-west-1"},
	{partition: "aws-us-gov", region: "us-gov-west-1", other: "us-east-1"},
	{partition: "aws-cn", region: "cn-north-1", other: "us-gov-east-1"},
}

// inEveryPartition runs a test in each, with an organization of a management account and two members.
func inEveryPartition(t *testing.T, test func(t *testing.T, d domain)) {
	for _, d := range domains {
		t.Run(string(d.partition), func(t *testing.T) {
			d.AWS, d.t = localaws.New(localaws.Options{Seed: 1, Partition: d.partition}), t
			d.Organization("o-exampleorg", payer)
			d.AddAccount("", guarded, "guarded")
			d.AddAccount("", keyring, "hub")
			url, stop, err := d.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(stop)
			d.url = url
			test(t, d)
		})
	}
}

func (d domain) config(account, principal, region string) aws.Config {
	d.t.Helper()
	key, err := d.Principal(account, principal)
	if err != nil {
		d.t.Fatal(err)
	}
	return aws.Config{Region: region, BaseEndpoint: &d.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)}
}

func TestReKeyingThroughAServiceInEveryPartition(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, d domain) {
		suffix := map[arn.Partition]string{"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}[d.partition]
		policy := func(via string) *string {
			return aws.String(`{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Principal":{"AWS":"` + d.partition.Root(guarded) + `"},"Action":["kms:Describe*","kms:PutKeyPolicy"],"Resource":"*"},
				{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:GenerateDataKey","kms:Decrypt","kms:Encrypt"],"Resource":"*",
				 "Condition":{"StringEquals":{"kms:CallerAccount":"` + guarded + `","kms:ViaService":"` + via + `"}}}]}`)
		}
		config := d.config(guarded, admin, d.region)
		secrets, keys := secretsmanager.NewFromConfig(config), kms.NewFromConfig(config)
		made, err := secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")})
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:" + string(d.partition) + ":secretsmanager:" + d.region + ":" + guarded + ":secret:app/db-"; !strings.HasPrefix(*made.ARN, want) {
			t.Errorf("the secret is %s, want %s…", *made.ARN, want)
		}
		rekey := func(via string) error {
			key, err := keys.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: policy(via)})
			if err != nil {
				t.Fatal(err)
			}
			if want := "arn:" + string(d.partition) + ":kms:" + d.region + ":" + guarded + ":key/"; !strings.HasPrefix(*key.KeyMetadata.Arn, want) {
				t.Errorf("the key is %s, want %s…", *key.KeyMetadata.Arn, want)
			}
			if _, err := keys.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyMetadata.Arn, Plaintext: []byte("x")}); code(err) != "AccessDeniedException" {
				t.Errorf("used past the service: got %v", err)
			}
			_, err = secrets.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: made.ARN, KmsKeyId: key.KeyMetadata.Arn, SecretString: aws.String("y")})
			return err
		}
		if err := rekey("secretsmanager." + d.region + "." + suffix); err != nil {
			t.Errorf("a key for Secrets Manager of this Region: %v", err)
		}
		if err := rekey("secretsmanager." + d.region + ".example.com"); code(err) != "AccessDeniedException" {
			t.Errorf("a key for another host name: got %v", err)
		}
		read, err := secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
		if err != nil || *read.SecretString != "y" {
			t.Errorf("read %v, %v", read, err)
		}
	})
}

func TestAssumingARoleOfAnotherAccountInEveryPartition(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, d domain) {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + d.partition.Role(keyring, "Hub") + `"},"Action":"sts:AssumeRole"}]}`
		d.AddRole(guarded, "Reader", trust, allow("iam:GetRole"))
		hub := sts.NewFromConfig(d.config(keyring, "role/Hub/h1", d.region))
		role := d.partition.Role(guarded, "Reader")
		got, err := hub.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("doublelock")})
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:" + string(d.partition) + ":sts::" + guarded + ":assumed-role/Reader/doublelock"; *got.AssumedRoleUser.Arn != want {
			t.Errorf("session %s, want %s", *got.AssumedRoleUser.Arn, want)
		}
		session := aws.Config{Region: d.region, BaseEndpoint: &d.url, Credentials: credentials.NewStaticCredentialsProvider(
			*got.Credentials.AccessKeyId, *got.Credentials.SecretAccessKey, *got.Credentials.SessionToken)}
		seen, err := iam.NewFromConfig(session).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("Reader")})
		if err != nil || *seen.Role.Arn != role {
			t.Errorf("GetRole: %v, %v", seen, err)
		}
		elsewhere := strings.Replace(role, "arn:"+string(d.partition)+":", "arn:aws-iso:", 1)
		if _, err := hub.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &elsewhere, RoleSessionName: aws.String("doublelock")}); code(err) != "AccessDenied" {
			t.Errorf("a role of another partition: got %v", err)
		}
	})
}

func TestForwardingToABusOfAnotherAccountInEveryPartition(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, d domain) {
		hub := d.config(keyring, admin, d.region)
		queueARN := d.partition.New("sqs", d.region, keyring, "detect").String()
		queue, err := sqs.NewFromConfig(hub).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("detect"), Attributes: map[string]string{
			"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + queueARN + `"}]}`}})
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:" + string(d.partition) + ":"; !strings.HasPrefix(queueARN, want) {
			t.Errorf("queue %s, want %s…", queueARN, want)
		}
		busARN := d.partition.New("events", d.region, keyring, "event-bus/hub").String()
		pattern := aws.String(`{"source":["aws.secretsmanager"],"detail":{"eventName":["CreateSecret"]}}`)
		events := eventbridge.NewFromConfig(hub)
		bus, err := events.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("hub")})
		if err != nil || *bus.EventBusArn != busARN {
			t.Fatalf("bus %v, %v; want %s", bus, err, busARN)
		}
		if _, err := events.PutPermission(t.Context(), &eventbridge.PutPermissionInput{EventBusName: aws.String("hub"), StatementId: aws.String("member"), Action: aws.String("events:PutEvents"), Principal: aws.String(guarded)}); err != nil {
			t.Fatal(err)
		}
		connect := func(client *eventbridge.Client, bus *string, target ebtypes.Target) {
			t.Helper()
			if _, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("r"), EventBusName: bus, EventPattern: pattern}); err != nil {
				t.Fatal(err)
			}
			out, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("r"), EventBusName: bus, Targets: []ebtypes.Target{target}})
			if err != nil || out.FailedEntryCount > 0 {
				t.Fatal(out, err)
			}
		}
		connect(events, aws.String("hub"), ebtypes.Target{Id: aws.String("q"), Arn: &queueARN})
		d.AddRole(guarded, "forward", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"`+busARN+`"}]}`)
		member := d.config(guarded, admin, d.region)
		connect(eventbridge.NewFromConfig(member), nil, ebtypes.Target{Id: aws.String("b"), Arn: &busARN, RoleArn: aws.String(d.partition.Role(guarded, "forward"))})
		made, err := secretsmanager.NewFromConfig(member).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := sqs.NewFromConfig(hub).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("%d messages, %v; stats %+v", len(got.Messages), err, d.Stats())
		}
		var event struct {
			Account, Region string
			Detail          struct {
				EventSource, AwsRegion string
				UserIdentity           struct{ Arn string }
				ResponseElements       struct{ Arn string }
			}
		}
		if err := json.Unmarshal([]byte(*got.Messages[0].Body), &event); err != nil {
			t.Fatal(err)
		}
		if event.Account != guarded || event.Region != d.region || event.Detail.EventSource != "secretsmanager.amazonaws.com" || event.Detail.ResponseElements.Arn != *made.ARN ||
			!strings.HasPrefix(event.Detail.UserIdentity.Arn, "arn:"+string(d.partition)+":sts::"+guarded+":") {
			t.Errorf("event %+v", event)
		}
	})
}

func TestServiceControlPoliciesInEveryPartition(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, d domain) {
		org := organizations.NewFromConfig(d.config(payer, admin, d.region))
		made, err := org.CreatePolicy(t.Context(), &organizations.CreatePolicyInput{Name: aws.String("p"), Description: aws.String(""), Type: orgtypes.PolicyTypeServiceControlPolicy,
			Content: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"secretsmanager:CreateSecret","Resource":"*",
				"Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:` + string(d.partition) + `:iam::*:role/BreakGlass"}}}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:" + string(d.partition) + ":organizations::" + payer + ":policy/o-exampleorg/service_control_policy/"; !strings.HasPrefix(*made.Policy.PolicySummary.Arn, want) {
			t.Errorf("the policy is %s, want %s…", *made.Policy.PolicySummary.Arn, want)
		}
		if _, err := org.AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: aws.String(guarded)}); err != nil {
			t.Fatal(err)
		}
		for principal, want := range map[string]string{admin: "AccessDeniedException", "role/BreakGlass/b1": ""} {
			_, err := secretsmanager.NewFromConfig(d.config(guarded, principal, d.region)).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("x")})
			if code(err) != want {
				t.Errorf("%s: got %v, want %q", principal, err, want)
			}
		}
	})
}

func TestRegionsThatThePartitionDoesNotHave(t *testing.T) {
	inEveryPartition(t, func(t *testing.T, d domain) {
		for _, region := range []string{"mars-1", d.other, "us-east-9"} {
			_, err := secretsmanager.NewFromConfig(d.config(guarded, admin, region)).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
			if code(err) != "InvalidSignatureException" || message(err) != "Credential should be scoped to a valid region, not '"+region+"'." {
				t.Errorf("%s: got %v", region, err)
			}
			if _, err := sts.NewFromConfig(d.config(guarded, admin, region)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "SignatureDoesNotMatch" {
				t.Errorf("%s, in the query protocol: got %v", region, err)
			}
			if _, err := d.AsPrincipal(guarded, admin, region, "kms", "ListKeys", nil); err == nil {
				t.Errorf("%s: called in this process", region)
			}
		}
	})
}
