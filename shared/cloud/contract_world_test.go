package cloud_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/localaws"
)

// world is an AWS that the contract is tried on. Every case takes accounts of its own from it, so that cases do not
// see each other.
type world struct {
	name     string
	endpoint string
	open     func(account string)                                     // makes an account with the three member roles
	admin    func(testing.TB, string) cloud.Static                    // credentials that may do everything in an account
	own      func(t *testing.T, account, service, name string) string // makes a secret that a service owns; nil where none can be
	deviates bool                                                     // moto: what components it is known to get wrong is not asserted
	accounts *atomic.Int64
}

// faithful reports whether this AWS behaves as the real one in a point where the other double is known not to. Each
// use names the deviation.
func (w *world) faithful(t *testing.T, deviation string) bool {
	t.Helper()
	if w.deviates {
		t.Logf("not asserted on %s: %s", w.name, deviation)
	}
	return !w.deviates
}

// account makes a new account with its member roles.
func (w *world) account() string {
	id := fmt.Sprintf("2000%08d", w.accounts.Add(1))
	w.open(id)
	return id
}

// cloud is AWS as the hub's detect function opens it.
func (w *world) cloud(t testing.TB, change func(*cloud.Options)) *cloud.Cloud {
	t.Helper()
	own := w.admin(t, hub)
	o := cloud.Options{
		Region: region, Endpoint: w.endpoint, Credentials: &own, HubAccount: hub, AssumeRoles: true, Session: "detect",
		MaxBackoff: time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	c, err := cloud.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// config is how the people of an account reach this AWS, with the SDK as it is.
func (w *world) config(t testing.TB, account, region string) aws.Config {
	t.Helper()
	c := w.admin(t, account)
	return aws.Config{Region: region, BaseEndpoint: &w.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
}

func (w *world) secrets(t testing.TB, account string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(w.config(t, account, region))
}

func (w *world) kms(t testing.TB, account, region string) *kms.Client {
	return kms.NewFromConfig(w.config(t, account, region))
}

func (w *world) dynamodb(t testing.TB) *dynamodb.Client {
	return dynamodb.NewFromConfig(w.config(t, hub, region))
}

func (w *world) events(t testing.TB) *eventbridge.Client {
	return eventbridge.NewFromConfig(w.config(t, hub, region))
}

func (w *world) sns(t testing.TB) *sns.Client { return sns.NewFromConfig(w.config(t, hub, region)) }
func (w *world) sqs(t testing.TB) *sqs.Client { return sqs.NewFromConfig(w.config(t, hub, region)) }

func (w *world) organizations(t testing.TB) *organizations.Client {
	return organizations.NewFromConfig(w.config(t, hub, region))
}

// everyAWS runs the cases against localaws and against moto.
func everyAWS(t *testing.T, cases map[string]func(*testing.T, *world)) {
	t.Helper()
	for _, start := range []func(*testing.T) *world{startLocal, startMoto} {
		w := start(t)
		if w == nil {
			t.Run("moto", func(t *testing.T) { t.Skip("no .venv/bin/moto_server, and DOUBLELOCK_MOTO is not set") })
			continue
		}
		for name, c := range cases {
			t.Run(w.name+"/"+name, func(t *testing.T) { c(t, w) })
		}
	}
}

const trustHub = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub + `:root"},"Action":"sts:AssumeRole"}]}`

// The member roles' policies, by duty, as narrow as the member template has them.
const (
	mayRead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:ListSecrets",
		"secretsmanager:ListSecretVersionIds","secretsmanager:GetResourcePolicy","cloudtrail:DescribeTrails","cloudtrail:GetTrailStatus",
		"cloudtrail:LookupEvents","events:DescribeRule","events:ListTargetsByRule","iam:GetAccountAuthorizationDetails","kms:DescribeKey","kms:ListKeys","kms:ListAliases",
		"kms:ListResourceTags","kms:GetKeyPolicy","kms:ListGrants","kms:GetKeyRotationStatus","kms:ListKeyRotations","kms:GetKeyLastUsage",
		"sqs:GetQueueUrl","sqs:GetQueueAttributes"],"Resource":"*"},
		{"Effect":"Deny","Action":["secretsmanager:GetSecretValue","secretsmanager:BatchGetSecretValue"],"Resource":"*"}]}`
	mayTag    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:TagResource","secretsmanager:UntagResource"],"Resource":"*"}]}`
	mayChange = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:UpdateSecret","secretsmanager:DescribeSecret",
		"secretsmanager:RotateSecret","secretsmanager:ReplicateSecretToRegions","secretsmanager:RemoveRegionsFromReplication","secretsmanager:CreateSecret"],"Resource":"*"},
		{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey","kms:DescribeKey"],"Resource":"*",
		"Condition":{"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"}}}]}`
)

func startLocal(t *testing.T) *world {
	t.Helper()
	local := localaws.New(localaws.Options{Seed: 1})
	endpoint, stop, err := local.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	go local.Run(t.Context())
	local.Organization("o-contract00", hub)
	return &world{
		name: "localaws", endpoint: endpoint, accounts: &atomic.Int64{},
		open: func(account string) {
			local.AddAccount("", account, "member-"+account)
			local.RegisterFunction(account, region, "rotate", func(context.Context, []byte) ([]byte, error) { return nil, nil })
			for role, policy := range map[string]string{"doublelock-read": mayRead, "doublelock-tag": mayTag, "doublelock-change": mayChange} {
				local.AddRole(account, role, trustHub, policy)
			}
		},
		admin: func(t testing.TB, account string) cloud.Static {
			t.Helper()
			c, err := local.Principal(account, "role/people/somebody")
			if err != nil {
				t.Fatal(err)
			}
			return cloud.Static(c)
		},
		own: func(t *testing.T, account, service, name string) string {
			t.Helper()
			arn, err := local.ServiceOwnedSecret(account, region, service, name, "")
			if err != nil {
				t.Fatal(err)
			}
			return arn
		},
	}
}

// startMoto starts moto's server. Without one the cases run on localaws alone, except in CI.
func startMoto(t *testing.T) *world {
	t.Helper()
	program := motoProgram()
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no moto_server: make .venv, or set DOUBLELOCK_MOTO")
		}
		return nil
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // killed, so its exit code says nothing
	})
	w := &world{name: "moto", endpoint: "http://" + address, deviates: true, accounts: &atomic.Int64{}, open: func(string) {}}
	w.admin = func(t testing.TB, account string) cloud.Static { return motoCredentials(t, w.endpoint, account) }
	awaitServer(t, w.endpoint)
	return w
}

func motoProgram() string {
	for _, path := range []string{os.Getenv("DOUBLELOCK_MOTO"), filepath.Join("..", "..", ".venv", "bin", "moto_server")} {
		if _, err := os.Stat(path); path != "" && err == nil {
			return path
		}
	}
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

func awaitServer(t *testing.T, endpoint string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if answer, err := http.Get(endpoint + "/moto-api/"); err == nil {
			_ = answer.Body.Close() // that it answers is all we ask
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("moto_server does not answer")
}

// motoCredentials enters an account: in moto whatever role is assumed leads there.
func motoCredentials(t testing.TB, endpoint, account string) cloud.Static {
	t.Helper()
	client := sts.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", "")})
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/people"), RoleSessionName: aws.String("somebody")})
	if err != nil {
		t.Fatal(err)
	}
	return cloud.Static{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
}
