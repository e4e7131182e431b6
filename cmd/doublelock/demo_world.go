package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/testdata/templates"
)

// The organization of the sample configuration, which the templates were synthesized from.
const (
	orgID      = "o-exampleorgid"
	rootID     = "r-ab12"
	management = "111111111111"
	hub        = "222222222222"
	guardedOU  = "ou-ab12-workloads"
	openOU     = "ou-ab12-sandboxes"
)

func accountNames() map[string]string {
	return map[string]string{management: "management", hub: "security", shop: "shop", search: "search", payments: "payments", sandbox: "sandbox"}
}

// clock is the demo's own time: it stands still unless the story moves it, and runs once the story is over.
type clock struct {
	mu      sync.Mutex
	now     time.Time
	running time.Time // since when it runs, on the wall clock; zero while it stands
}

func newClock() *clock { return &clock{now: time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running.IsZero() {
		return c.now.Add(time.Since(c.running))
	}
	return c.now
}

func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = time.Now()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is an AWS organization in this process, with Doublelock deployed into it.
type world struct {
	aws        *localaws.AWS
	url        string
	clock      *clock
	now        func() time.Time
	watch      watcher
	centralKey string // ARN of the key in the central key account
	people     map[actor]*cloud.Cloud
	arns       map[actor]string
	records    *cloud.Records // what the hub remembers, read as detect reads it
}

// watcher hears what happens in the world, as it happens.
type watcher struct {
	record func(localaws.Record)                     // every CloudTrail record; must not call back
	put    func(bus string, event map[string]any)    // every event that a hub's function publishes; must not call back
	log    func(function string, record slog.Record) // every line that a function logs
	mail   func([]localaws.Mail)                     // all that has arrived, when the world came to rest
}

// newWorld founds the organization, deploys the synthesized templates and registers the real handlers. The returned
// function ends it.
func newWorld(ctx context.Context, seed uint64, c *clock, now func() time.Time, watch watcher) (*world, func(), error) {
	w := &world{clock: c, now: now, watch: watch, people: map[actor]*cloud.Cloud{}, arns: map[actor]string{}}
	w.aws = localaws.New(localaws.Options{Now: now, Seed: seed, OnRecord: watch.record, OnPut: watch.put})
	w.found()
	url, stop, err := w.aws.Start() //nolint:contextcheck // the server ends with stop, not with the context
	if err != nil {
		return nil, nil, err
	}
	w.url = url
	if err := w.deploy(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("deploy into the local AWS: %w", err)
	}
	return w, stop, nil
}

func (w *world) found() {
	w.aws.OrganizationWithRoot(orgID, rootID, management)
	w.aws.AddOUWithID("", guardedOU, "Workloads")
	w.aws.AddOUWithID("", openOU, "Sandboxes")
	w.aws.AddAccount("", hub, "security")
	w.aws.AddAccount(guardedOU, shop, "shop")
	w.aws.AddAccount(openOU, search, "search")
	w.aws.AddAccount(openOU, payments, "payments")
	w.aws.AddAccount(openOU, sandbox, "sandbox")
	w.aws.AddRole(payments, "reports", noTrust, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:`+payments+`:secret:payments/settlement-*"}]}`)
	w.aws.AddRole(payments, "app-batch", noTrust, mayReadBatch)
	w.aws.AddRole(search, "intern", noTrust)
}

func (w *world) deploy(ctx context.Context) error {
	w.makeCentralKey()
	for _, s := range []localaws.Stack{
		{Name: "DoublelockHub", Template: templates.Hub, Account: hub, Region: virginia},
		{Name: "DoublelockOrg", Template: templates.Org, Account: management, Region: virginia},
		{Name: "doublelock-member-" + virginia, Template: templates.Member, Account: management, Region: virginia},
		{Name: "doublelock-member-" + ireland, Template: templates.Member, Account: management, Region: ireland},
	} {
		if _, err := w.aws.Deploy(ctx, s); err != nil {
			return err
		}
	}
	if err := w.joinChat(); err != nil {
		return err
	}
	for _, name := range handlers.Names() {
		if err := w.register(ctx, name); err != nil {
			return err
		}
	}
	if err := w.openRecords(ctx); err != nil {
		return err
	}
	return w.settle(ctx)
}

// centralKeyID is the key that the sample configuration names for production secrets in Ireland.
const centralKeyID = "1234abcd-12ab-34cd-56ef-1234567890ab"

// makeCentralKey makes the key of the central key account. Applications of the organization use it; other roles do not.
func (w *world) makeCentralKey() {
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Administration","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},
		{"Sid":"Applications","Effect":"Allow","Principal":{"AWS":"*"},
		 "Action":["kms:Decrypt","kms:DescribeKey","kms:Encrypt","kms:GenerateDataKey"],"Resource":"*",
		 "Condition":{"StringEquals":{"aws:PrincipalOrgID":"%s"},
		              "ArnLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/app-*","arn:aws:iam::*:role/doublelock-*"]}}}]}`, hub, orgID)
	w.centralKey = w.aws.KeyWithID(hub, ireland, centralKeyID, policy)
}

// joinChat stands for Amazon Q Developer's subscription to the chat topic, which AWS makes by itself.
func (w *world) joinChat() error {
	topic := "arn:aws:sns:" + virginia + ":" + hub + ":doublelock-chat"
	_, err := w.aws.As("chatbot.amazonaws.com", hub, virginia, "sns", "Subscribe", map[string]any{
		"TopicArn": topic, "Protocol": "https", "Endpoint": "https://global.sns-api.chatbot.amazonaws.com",
	})
	if err != nil {
		return fmt.Errorf("subscribe the chat: %w", err)
	}
	return nil
}

// register gives a deployed function its code: the wiring that its Lambda main calls, with the environment and the
// role of the template.
func (w *world) register(ctx context.Context, name string) error {
	full := settings.SessionPrefix + name
	role := w.aws.FunctionRole(hub, virginia, full)
	_, roleName, found := strings.Cut(role, ":role/")
	if !found {
		return fmt.Errorf("function %s: runs as %q, which is no role", full, role)
	}
	keys, err := w.aws.Principal(hub, "role/"+roleName+"/"+full)
	if err != nil {
		return err
	}
	env := maps.Clone(w.aws.FunctionEnvironment(hub, virginia, full))
	env[settings.EnvEndpoint], env[settings.EnvRegion] = w.url, virginia
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken
	log := slog.New(&tap{function: name, hear: w.watch.log})
	handle, err := wire(ctx, name, func(variable string) string { return env[variable] }, w.now, log)
	if err != nil {
		return fmt.Errorf("function %s: %w", full, err)
	}
	w.aws.RegisterFunction(hub, virginia, full, handle)
	return nil
}

// settle lets every event that is on its way reach its end.
func (w *world) settle(ctx context.Context) error {
	err := w.aws.Settle(ctx)
	w.watch.mail(w.aws.Mailbox())
	return err
}

// workload opens AWS as an actor. A role that does not exist yet stands for people with every right.
func (w *world) workload(ctx context.Context, who actor) (*cloud.Workload, string, error) {
	if known, ok := w.people[who]; ok {
		return known.Workload(who.region), w.arns[who], nil
	}
	keys, err := w.aws.Principal(who.account, "role/"+who.name+"/"+who.name)
	if err != nil {
		return nil, "", err
	}
	c, err := w.open(ctx, who.region, keys)
	if err != nil {
		return nil, "", err
	}
	w.people[who] = c
	w.arns[who] = fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", who.account, who.name, who.name)
	return c.Workload(who.region), w.arns[who], nil
}

func (w *world) open(ctx context.Context, region string, keys localaws.Credentials) (*cloud.Cloud, error) {
	return cloud.Open(ctx, cloud.Options{
		Region: region, Endpoint: w.url, Now: w.now,
		Credentials: &cloud.Static{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken},
	})
}

func (w *world) serviceOwnedSecret(account, region, service, name string) error {
	_, err := w.aws.ServiceOwnedSecret(account, region, service, name, "")
	return err
}

// tap is a log handler that hands every line to a function.
type tap struct {
	function string
	attrs    []slog.Attr
	hear     func(string, slog.Record)
}

func (t *tap) Enabled(context.Context, slog.Level) bool { return true }

func (t *tap) Handle(_ context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(t.attrs...)
	t.hear(t.function, r)
	return nil
}

func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tap{function: t.function, attrs: append(append([]slog.Attr(nil), t.attrs...), attrs...), hear: t.hear}
}

func (t *tap) WithGroup(string) slog.Handler { return t }

// openRecords reads what the hub remembers, as a security engineer of the hub's account would.
func (w *world) openRecords(ctx context.Context) error {
	keys, err := w.aws.Principal(hub, "role/SecurityEngineer/sam")
	if err != nil {
		return err
	}
	c, err := w.open(ctx, virginia, keys)
	if err != nil {
		return err
	}
	w.records = c.Records(w.aws.FunctionEnvironment(hub, virginia, settings.SessionPrefix+handlers.Detect)[settings.EnvTable])
	return nil
}

// lockStates counts the secrets that exist by the lock state that the hub has recorded.
func (w *world) lockStates(ctx context.Context) (map[guard.LockState]int, error) {
	counts := map[guard.LockState]int{}
	err := w.records.All(ctx, func(rec guard.Record) error {
		if rec.GoneAt.IsZero() && rec.State != "" {
			counts[rec.State]++
		}
		return nil
	})
	return counts, err
}

const (
	noTrust      = `{"Version":"2012-10-17","Statement":[]}`
	mayReadBatch = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue",
		"Resource":"arn:aws:secretsmanager:*:` + payments + `:secret:payments/batch-*"}]}`
	mayNotUseKeys = `{"Version":"2012-10-17","Statement":[{"Sid":"NoCustomerKeys","Effect":"Deny","Action":"kms:Decrypt","Resource":"*",
		"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/doublelock/secrets"}}}]}`
)

// denyKey takes the CMK from a role, as somebody tidying up IAM might.
func (w *world) denyKey(account, role string) {
	w.aws.AddRole(account, role, noTrust, mayReadBatch, mayNotUseKeys)
}

// read reads a secret as an actor. Whether AWS answers is part of the story; what it answers is dropped.
func (w *world) read(who actor, id string) {
	_, _ = w.aws.AsPrincipal(who.account, "role/"+who.name+"/"+who.name, who.region, "secretsmanager", "GetSecretValue", map[string]string{"SecretId": id})
}
