// Package local is an AWS organization in this process, with Doublelock deployed into it from the synthesized templates:
// the demo is played in it, and the tests of other commands run against it.
package local

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/testdata/config"
	"github.com/doublelock/doublelock/testdata/templates"
)

// The organization of the sample configuration, which the templates were synthesized from.
const (
	orgID      = "o-exampleorgid"
	rootID     = "r-ab12"
	Management = "111111111111"
	Hub        = "222222222222"
	GuardedOU  = "ou-ab12-workloads"
	openOU     = "ou-ab12-sandboxes"
)

// Accounts of the story; the ids are those of the sample configuration.
const (
	Shop     = "333333333333" // in the guarded OU: the SCP is on
	Search   = "444444444444" // not guarded yet, notify mode
	Payments = "555555555555" // not guarded yet, remediate mode
	Sandbox  = "666666666666" // observe mode
)

// AccountNames are the names of the accounts, by id.
func AccountNames() map[string]string {
	return map[string]string{Management: "management", Hub: "security", Shop: "shop", Search: "search", Payments: "payments", Sandbox: "sandbox"}
}

// Clock is the demo's own time: it stands still unless the story moves it, and runs once the story is over.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	running time.Time // since when it runs, on the wall clock; zero while it stands
}

// NewClock stands at nine in the morning of 1 September 2026, UTC.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)} }

// Now is the time of the demo.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running.IsZero() {
		return c.now.Add(time.Since(c.running))
	}
	return c.now
}

// Run lets the time pass from now on.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = time.Now()
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Actor is who calls: a role session in an account, working in one Region.
type Actor struct{ Name, Account, Region string }

// By is an actor.
func By(name, account, region string) Actor { return Actor{name, account, region} }

// Organization is an AWS organization in this process, with Doublelock deployed into it.
type Organization struct {
	AWS        *localaws.AWS
	URL        string
	Clock      *Clock
	Partition  arn.Partition
	Sample     config.Sample // the doublelock.yaml that is deployed; the hub is in its home Region
	Templates  templates.Stacks
	watch      Watcher
	CentralKey string // ARN of the key in the central key account
	people     map[Actor]*cloud.Cloud
	arns       map[Actor]string
	Records    *table.Table // what the hub remembers, read as detect reads it
}

// Watcher sees what happens in the organization, as it happens. What is nil is not watched.
type Watcher struct {
	Record func(localaws.Record)                     // every CloudTrail record; must not call back
	Put    func(bus string, event map[string]any)    // every event that a hub's function publishes; must not call back
	Log    func(function string, record slog.Record) // every line that a function logs
	Decide func(localaws.Decision)                   // every evaluation of policies; must not call back; nil for nobody
	Mail   func([]localaws.Mail)                     // all that has arrived, when the organization came to rest
}

// Options are where and when an organization is, and who watches it.
type Options struct {
	Partition arn.Partition // default arn.Standard; one of config.Partitions
	Seed      uint64        // where ids and faults come from
	Clock     *Clock        // default NewClock
	Behavior  localaws.Behavior
	History   int // see localaws.Options
	Watch     Watcher
	Templates *templates.Stacks // nil: the sample's
}

// New founds the organization, deploys the synthesized templates and registers the real handlers. The returned
// function ends it.
func New(ctx context.Context, o Options) (*Organization, func(), error) {
	o.Partition = cmp.Or(o.Partition, arn.Standard)
	o.Clock = cmp.Or(o.Clock, NewClock())
	sample, err := config.In(o.Partition)
	if err != nil {
		return nil, nil, err
	}
	stacks, err := templates.For(o.Partition)
	if err != nil {
		return nil, nil, err
	}
	if o.Templates != nil {
		stacks = *o.Templates
	}
	w := &Organization{
		Clock: o.Clock, Partition: o.Partition, Sample: sample, Templates: stacks, watch: o.Watch,
		people: map[Actor]*cloud.Cloud{}, arns: map[Actor]string{},
	}
	w.AWS = localaws.New(localaws.Options{Now: o.Clock.Now, Seed: o.Seed, Partition: o.Partition, Behavior: o.Behavior, History: o.History, OnRecord: o.Watch.Record, OnPut: o.Watch.Put, OnDecision: o.Watch.Decide})
	w.found()
	url, stop, err := w.AWS.Start()
	if err != nil {
		return nil, nil, err
	}
	w.URL = url
	if err := w.deploy(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("deploy into the local AWS: %w", err)
	}
	return w, stop, nil
}

// Home is the Region of the hub.
func (w *Organization) Home() string { return w.Sample.Home }

// Second is the other guarded Region.
func (w *Organization) Second() string { return w.Sample.Second }

func (w *Organization) found() {
	w.AWS.OrganizationWithRoot(orgID, rootID, Management)
	w.AWS.AddOUWithID("", GuardedOU, "Workloads")
	w.AWS.AddOUWithID("", openOU, "Sandboxes")
	w.AWS.AddAccount("", Hub, "security")
	w.AWS.AddAccount(GuardedOU, Shop, "shop")
	w.AWS.AddAccount(openOU, Search, "search")
	w.AWS.AddAccount(openOU, Payments, "payments")
	w.AWS.AddAccount(openOU, Sandbox, "sandbox")
	w.AWS.AddRole(Payments, "reports", workTrust, w.mayRead("payments/settlement-*"))
	w.AWS.AddRole(Payments, "app-batch", workTrust, w.mayRead("payments/batch-*"))
	w.AWS.AddRole(Search, "intern", noTrust)
}

func (w *Organization) deploy(ctx context.Context) error {
	w.makeCentralKey()
	for _, s := range []localaws.Stack{
		{Name: "DoublelockHub", Template: w.Templates.Hub, Account: Hub, Region: w.Home()},
		{Name: "DoublelockOrg", Template: w.Templates.Org, Account: Management, Region: w.Home()},
		{Name: "doublelock-member-" + w.Home(), Template: w.Templates.Member, Account: Management, Region: w.Home()},
		{Name: "doublelock-member-" + w.Second(), Template: w.Templates.Member, Account: Management, Region: w.Second()},
	} {
		if _, err := w.AWS.Deploy(ctx, s); err != nil {
			return err
		}
	}
	if err := w.joinChat(); err != nil {
		return err
	}
	for _, name := range w.Functions() {
		if err := w.register(ctx, name); err != nil {
			return err
		}
	}
	if err := w.openRecords(ctx); err != nil {
		return err
	}
	return w.Settle(ctx)
}

// centralKeyID is the key that the sample configuration names for production secrets in the second Region.
const centralKeyID = "1234abcd-12ab-34cd-56ef-1234567890ab"

// makeCentralKey makes the key of the central key account. Applications of the organization use it; other roles do not.
func (w *Organization) makeCentralKey() {
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Administration","Effect":"Allow","Principal":{"AWS":"%s"},"Action":"kms:*","Resource":"*"},
		{"Sid":"Applications","Effect":"Allow","Principal":{"AWS":"*"},
		 "Action":["kms:Decrypt","kms:DescribeKey","kms:Encrypt","kms:GenerateDataKey"],"Resource":"*",
		 "Condition":{"StringEquals":{"aws:PrincipalOrgID":"%s"},
		              "ArnLike":{"aws:PrincipalArn":["%s","%s"]}}}]}`,
		w.Partition.Root(Hub), orgID, w.Partition.Role("*", "app-*"), w.Partition.Role("*", settings.SessionPrefix+"*"))
	w.CentralKey = w.AWS.KeyWithID(Hub, w.Second(), centralKeyID, policy)
}

// joinChat stands for Amazon Q Developer's subscription to the chat topic, which AWS makes by itself. In other partitions
// there is neither.
func (w *Organization) joinChat() error {
	if w.Partition != arn.Standard {
		return nil
	}
	topic := w.Partition.New("sns", w.Home(), Hub, settings.TopicChat).String()
	_, err := w.AWS.As("chatbot.amazonaws.com", Hub, w.Home(), "sns", "Subscribe", map[string]any{
		"TopicArn": topic, "Protocol": "https", "Endpoint": "https://global.sns-api.chatbot.amazonaws.com",
	})
	if err != nil {
		return fmt.Errorf("subscribe the chat: %w", err)
	}
	return nil
}

// register gives a deployed function its code: the wiring that its Lambda main calls, with the environment and the
// role of the template.
func (w *Organization) register(ctx context.Context, name string) error {
	env, err := w.FunctionEnvironment(name)
	if err != nil {
		return err
	}
	log := slog.New(&tap{function: name, see: w.watch.Log})
	handle, err := wire(ctx, name, func(variable string) string { return env[variable] }, w.Clock.Now, log)
	if err != nil {
		return fmt.Errorf("function %s: %w", name, err)
	}
	w.AWS.RegisterFunction(Hub, w.Home(), settings.SessionPrefix+name, handle)
	return nil
}

// Functions are the handlers that the templates deploy: a configuration may have no use for one.
func (w *Organization) Functions() []string {
	return slices.DeleteFunc(handlers.Names(), func(name string) bool { return w.AWS.FunctionRole(Hub, w.Home(), settings.SessionPrefix+name) == "" })
}

// FunctionEnvironment is the environment of a function of the hub: the template's, where AWS is, and credentials of its
// role.
func (w *Organization) FunctionEnvironment(name string) (map[string]string, error) {
	full := settings.SessionPrefix + name
	role := w.AWS.FunctionRole(Hub, w.Home(), full)
	roleName := arn.Of(role).Base()
	if roleName == "" {
		return nil, fmt.Errorf("function %s: runs as %q, which is no role", full, role)
	}
	keys, err := w.AWS.Principal(Hub, "role/"+roleName+"/"+full)
	if err != nil {
		return nil, err
	}
	env := maps.Clone(w.AWS.FunctionEnvironment(Hub, w.Home(), full))
	env[settings.EnvEndpoint], env[settings.EnvRegion] = w.URL, w.Home()
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken
	return env, nil
}

// Settle lets every event that is on its way reach its end.
func (w *Organization) Settle(ctx context.Context) error {
	err := w.AWS.Settle(ctx)
	if w.watch.Mail != nil {
		w.watch.Mail(w.AWS.Mailbox())
	}
	return err
}

// Workload opens AWS as an actor. A role that does not exist yet stands for people with every right.
func (w *Organization) Workload(ctx context.Context, who Actor) (*secrets.Workload, string, error) {
	if known, ok := w.people[who]; ok {
		return secrets.NewWorkload(known, who.Region), w.arns[who], nil
	}
	keys, err := w.AWS.Principal(who.Account, "role/"+who.Name+"/"+who.Name)
	if err != nil {
		return nil, "", err
	}
	c, err := w.Open(ctx, who.Region, keys)
	if err != nil {
		return nil, "", err
	}
	w.people[who] = c
	w.arns[who] = w.Partition.New("sts", "", who.Account, "assumed-role/"+who.Name+"/"+who.Name).String()
	return secrets.NewWorkload(c, who.Region), w.arns[who], nil
}

// Open opens AWS in a Region with somebody's credentials.
func (w *Organization) Open(ctx context.Context, region string, keys localaws.Credentials) (*cloud.Cloud, error) {
	return cloud.Open(ctx, cloud.Options{
		Region: region, Endpoint: w.URL, Now: w.Clock.Now,
		Credentials: &cloud.Static{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken},
	})
}

// ServiceOwnedSecret makes a secret as an AWS service does that owns it.
func (w *Organization) ServiceOwnedSecret(account, region, service, name string) error {
	_, err := w.AWS.ServiceOwnedSecret(account, region, service, name, "")
	return err
}

// tap is a log handler that hands every line to a function.
type tap struct {
	function string
	attrs    []slog.Attr
	see      func(string, slog.Record)
}

func (t *tap) Enabled(context.Context, slog.Level) bool { return true }

func (t *tap) Handle(_ context.Context, r slog.Record) error {
	if t.see == nil {
		return nil
	}
	r = r.Clone()
	r.AddAttrs(t.attrs...)
	t.see(t.function, r)
	return nil
}

func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tap{function: t.function, attrs: append(append([]slog.Attr(nil), t.attrs...), attrs...), see: t.see}
}

func (t *tap) WithGroup(string) slog.Handler { return t }

// openRecords reads what the hub remembers, as a security engineer of the hub's account would.
func (w *Organization) openRecords(ctx context.Context) error {
	keys, err := w.AWS.Principal(Hub, "role/SecurityEngineer/sam")
	if err != nil {
		return err
	}
	c, err := w.Open(ctx, w.Home(), keys)
	if err != nil {
		return err
	}
	w.Records = table.Open(c, w.AWS.FunctionEnvironment(Hub, w.Home(), settings.SessionPrefix+handlers.Detect)[settings.EnvTable])
	return nil
}

// LockStates counts the secrets that exist by the lock state that the hub has recorded.
func (w *Organization) LockStates(ctx context.Context) (map[guard.LockState]int, error) {
	counts := map[guard.LockState]int{}
	err := w.Records.All(ctx, func(rec guard.Record, bad *store.Unreadable) error {
		if bad != nil {
			return bad
		}
		if rec.GoneAt.IsZero() && rec.State != "" {
			counts[rec.State]++
		}
		return nil
	})
	return counts, err
}

const (
	workTrust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	noTrust      = `{"Version":"2012-10-17","Statement":[]}`
	mayNotUseKey = `{"Version":"2012-10-17","Statement":[{"Sid":"NotThisKey","Effect":"Deny","Action":"kms:Decrypt","Resource":"*",
		"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"` + settings.SecretsKeyAlias + `"}}}]}`
)

// DenyKey takes the CMK of secrets from a role, as somebody tidying up IAM might.
func (w *Organization) DenyKey(account, role string) {
	w.AWS.AddRole(account, role, workTrust, w.mayRead("payments/batch-*"), mayNotUseKey)
}

// mayRead is a policy that lets a role of the payments account read its secrets of a name.
func (w *Organization) mayRead(name string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue",
		"Resource":"` + w.Partition.New("secretsmanager", "*", Payments, "secret:"+name).String() + `"}]}`
}

// Read reads a secret as an actor. Whether AWS answers is part of the story; what it answers is dropped.
func (w *Organization) Read(who Actor, id string) {
	_, _ = w.AWS.AsPrincipal(who.Account, "role/"+who.Name+"/"+who.Name, who.Region, "secretsmanager", "GetSecretValue", map[string]string{"SecretId": id})
}

// Files of WriteProfiles, named as the aws CLI does.
const (
	ConfigFile      = "config"
	CredentialsFile = "credentials"
)

// WriteProfiles gives the aws CLI and every SDK a profile for each account, of somebody with every right there, and
// one of an operator.
func WriteProfiles(folder *files.Folder, w *Organization) error {
	var profiles, credentials strings.Builder
	for _, account := range []string{Management, Hub, Shop, Search, Payments, Sandbox} {
		name := AccountNames()[account]
		person := "role/Engineer/you"
		if account == Hub {
			person = "role/SecurityEngineer/you" // whom the configuration lets inspect every account
		}
		keys, err := w.AWS.Principal(account, person)
		if err != nil {
			return err
		}
		fmt.Fprintf(&profiles, "[profile %s]\nregion = %s\noutput = json\n\n", name, w.Home())
		fmt.Fprintf(&credentials, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n\n",
			name, keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)
	}
	// The deployed role of operators, as the CLI and the SDKs take it. The session has the name of the caller's own.
	fmt.Fprintf(&profiles, "[profile operator]\nregion = %s\noutput = json\nrole_arn = %s\nsource_profile = %s\nrole_session_name = you\n\n",
		w.Home(), w.Partition.Role(Hub, settings.RoleOperator), AccountNames()[Hub])
	if err := folder.Write(ConfigFile, []byte(profiles.String())); err != nil {
		return err
	}
	return folder.Write(CredentialsFile, []byte(credentials.String()))
}
