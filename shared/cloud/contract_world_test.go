package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/doubles"
	"github.com/doublelock/doublelock/shared/doubles/doublestest"
	"github.com/doublelock/doublelock/shared/localaws"
)

// world is an AWS that the contract is tried on. Every case takes accounts of its own from it, so that cases do not
// see each other.
type world struct {
	double   string // as differences names it
	endpoint string
	open     func(t testing.TB, account string)                       // makes an account with the three member roles
	admin    func(testing.TB, string) cloud.Static                    // credentials that may do everything in an account
	own      func(t *testing.T, account, service, name string) string // makes a secret that a service owns
	accounts *atomic.Int64
	process  *doubles.Process // nil for localaws, which is this process
	people   sync.Map         // credentials by account
	turn     sync.Mutex       // of moto's writers
}

// atOnce starts one of several writers that race. moto compares and writes without a lock, so that several win now and then; its
// writers take turns (docs/differences.md).
func (w *world) atOnce(all *sync.WaitGroup, write func()) {
	all.Go(func() {
		if w.double == moto {
			w.turn.Lock()
			defer w.turn.Unlock()
		}
		write()
	})
}

// account makes a new account with its member roles.
func (w *world) account(t testing.TB) string {
	t.Helper()
	id := fmt.Sprintf("2000%08d", w.accounts.Add(1))
	w.open(t, id)
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

// people is how everybody but Doublelock calls AWS: by a connection of its own each. A client for each call keeps its connections
// open, and some hundred set-ups use up what a process may open. One that is used again may have been closed by ministack while
// a call was on its way: the SDK tries that a second time, and a message is sent twice.
var people = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })

func (w *world) config(t testing.TB, account, region string) aws.Config {
	t.Helper()
	c := w.admin(t, account)
	return aws.Config{Region: region, BaseEndpoint: &w.endpoint, HTTPClient: people,
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

// everyAWS runs the cases against localaws, moto and ministack.
func everyAWS(t *testing.T, cases map[string]func(*testing.T, *world)) {
	t.Helper()
	for double, start := range map[string]func(testing.TB) *world{localAWS: startLocal, moto: startMoto, miniStack: startMiniStack} {
		t.Run(double, func(t *testing.T) {
			w := start(t)
			for name, c := range cases {
				t.Run(name, func(t *testing.T) { c(t, w) })
				if w.process != nil && w.process.Err() != nil {
					t.Fatal(w.process.Err()) // and not what failed because of it
				}
			}
		})
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

// memberRoles are the roles of a member account, with their policies.
var memberRoles = map[string]string{"doublelock-read": mayRead, "doublelock-tag": mayTag, "doublelock-change": mayChange}

func startLocal(t testing.TB) *world {
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
		double: localAWS, endpoint: endpoint, accounts: &atomic.Int64{},
		open: func(_ testing.TB, account string) {
			local.AddAccount("", account, "member-"+account)
			local.RegisterFunction(account, region, "rotate", func(context.Context, []byte) ([]byte, error) { return nil, nil })
			for role, policy := range memberRoles {
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

// startMoto is the world of moto's server, in which whatever role is assumed leads into its account.
func startMoto(t testing.TB) *world {
	t.Helper()
	w := stranger(t, doubles.Moto)
	w.open = func(testing.TB, string) {}
	w.admin = w.remembered(func(t testing.TB, account string) cloud.Static {
		t.Helper()
		return w.assume(t, "moto", account)
	})
	return w
}

// startMiniStack is the world of ministack's server, in which policies count and an account's id is its root's key.
func startMiniStack(t testing.TB) *world {
	t.Helper()
	w := stranger(t, doubles.MiniStack)
	w.open = func(t testing.TB, account string) {
		t.Helper()
		for role, policy := range memberRoles {
			w.role(t, account, role, trustHub, policy)
		}
	}
	w.admin = w.remembered(func(t testing.TB, account string) cloud.Static {
		t.Helper()
		w.role(t, account, "people", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:root"},"Action":"sts:AssumeRole"}]}`,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
		return w.assume(t, account, account)
	})
	return w
}

// remembered asks for the credentials of an account once.
func (w *world) remembered(ask func(testing.TB, string) cloud.Static) func(testing.TB, string) cloud.Static {
	return func(t testing.TB, account string) cloud.Static {
		t.Helper()
		known, ok := w.people.Load(account)
		if !ok {
			known = ask(t, account)
			w.people.Store(account, known)
		}
		return known.(cloud.Static)
	}
}

// role makes a role, also where the answer to an earlier try was lost.
func (w *world) role(t testing.TB, account, name, trust, policy string) {
	t.Helper()
	client := iam.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &w.endpoint, Credentials: credentials.NewStaticCredentialsProvider(account, "root", "")})
	_, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	var there *iamtypes.EntityAlreadyExistsException
	if errors.As(err, &there) {
		err = nil
	}
	_, err2 := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("rights"), PolicyDocument: &policy})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
}

// assume enters an account as its people.
func (w *world) assume(t testing.TB, key, account string) cloud.Static {
	t.Helper()
	client := sts.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &w.endpoint, Credentials: credentials.NewStaticCredentialsProvider(key, "root", "")})
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/people"), RoleSessionName: aws.String("somebody")})
	if err != nil {
		t.Fatal(err)
	}
	return cloud.Static{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
}

// ownedByTag makes a secret as a service would mark its own; nobody but AWS can do so there.
func (w *world) ownedByTag(t *testing.T, account, service, name string) string {
	t.Helper()
	name = service + "!" + name
	out, err := w.secrets(t, account).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x"),
		Tags: []smtypes.Tag{{Key: aws.String("aws:secretsmanager:owningService"), Value: &service}}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ARN
}

// stranger is the world of a cloud that nobody here wrote. One process lasts for all tests: cases keep out of each
// other's way by names and accounts of their own.
func stranger(t testing.TB, d doubles.Double) *world {
	t.Helper()
	s := strangers[d]
	program := doublestest.Program(t, d, filepath.Join("..", ".."))
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", string(d)); s.err == nil {
			s.process, s.err = doubles.Start(context.Background(), d, doubles.Options{Program: program, Dir: s.dir})
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	w := &world{double: string(d), endpoint: s.process.Endpoint, accounts: &s.accounts, process: s.process}
	w.own = w.ownedByTag
	return w
}

type running struct {
	once     sync.Once
	process  *doubles.Process
	dir      string
	err      error
	accounts atomic.Int64
}

var strangers = map[doubles.Double]*running{doubles.Moto: {}, doubles.MiniStack: {}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range strangers {
		if s.process != nil {
			s.process.Stop()
		}
		_ = os.RemoveAll(s.dir) // "" is nothing
	}
	if code == 0 && !everyDifferenceTried() {
		code = 1
	}
	os.Exit(code)
}
