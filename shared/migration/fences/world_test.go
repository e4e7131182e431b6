// Package fences_test has several workers at one secret, each behind a network of its own that pauses, loses and kills, and
// counts in the local AWS's own records what was changed, by whom and in which order.
package fences_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	payer   = "999999999999"
	hub     = "222222222222"
	shop    = "111122223333"
	region  = "eu-central-1"
	rotator = "arn:aws:lambda:eu-central-1:111122223333:function:rotate"

	trustOfHub = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"sts:AssumeRole"}]}`
	everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// change is one that AWS made for a session of ours.
type change struct{ by, call, secret string }

// world is one organization for all cases of a test; every case has a secret of its own.
type world struct {
	testing.TB
	aws *localaws.AWS
	url string
	key string

	mu    sync.Mutex
	now   time.Time
	made  []change
	names atomic.Int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	w.aws = localaws.New(localaws.Options{Now: w.clock, Seed: 3, OnRecord: w.record})
	url, stop, err := w.aws.Start()
	must(t, err)
	t.Cleanup(stop)
	w.url = url
	w.aws.Organization("o-exampleorg", payer)
	w.aws.AddAccount("", hub, "security")
	w.aws.AddAccount("", shop, "shop")
	for _, role := range []string{settings.RoleRead, settings.RoleTag, settings.RoleChange} {
		w.aws.AddRole(shop, role, trustOfHub, everything)
	}
	w.aws.AddRole(hub, "worker", trustOfHub, everything)
	w.aws.AddRole(shop, "rotate-role", trustOfHub, everything)
	w.aws.RotationFunction(rotator, arn.Standard.Role(shop, "rotate-role"))
	w.service(hub, "dynamodb", "CreateTable", map[string]any{"TableName": settings.HubName, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []map[string]string{{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}},
		"KeySchema":            []map[string]string{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}}})
	w.service(hub, "events", "CreateEventBus", map[string]any{"Name": settings.HubName})
	made := w.service(shop, "kms", "CreateKey", map[string]any{})
	metadata, _ := made["KeyMetadata"].(map[string]any)
	w.key = fmt.Sprint(metadata["Arn"])
	return w
}

func (w *world) service(account, service, call string, in map[string]any) map[string]any {
	w.Helper()
	out, err := w.aws.As("cloudformation.amazonaws.com", account, region, service, call, in)
	must(w, err)
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

var changing = map[string]bool{"UpdateSecret": true, "RotateSecret": true, "RemoveRegionsFromReplication": true, "ReplicateSecretToRegions": true,
	"TagResource": true, "UntagResource": true, "CreateGrant": true, "RetireGrant": true}

func (w *world) record(r localaws.Record) {
	identity, _ := r["userIdentity"].(map[string]any)
	who, _ := identity["arn"].(string)
	name, _ := r["eventName"].(string)
	in, _ := r["requestParameters"].(map[string]any)
	if _, session, ours := strings.Cut(who, ":assumed-role/doublelock-change/"+settings.SessionPrefix); ours && r["errorCode"] == nil && changing[name] {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.made = append(w.made, change{session, name, fmt.Sprint(in["secretId"])})
	}
}

// changesOf are those of a secret, in order.
func (w *world) changesOf(secret string) []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []change
	for _, c := range w.made {
		if c.secret == secret {
			out = append(out, c)
		}
	}
	return out
}

func calls(changes []change, call string) int {
	n := 0
	for _, c := range changes {
		if c.call == call {
			n++
		}
	}
	return n
}

// secret makes one under the AWS managed key, that can rotate.
func (w *world) secret() migration.Item { w.Helper(); return w.secretIn(shop) }

func (w *world) secretIn(account string) migration.Item {
	w.Helper()
	name := fmt.Sprintf("shop/db-%d", w.names.Add(1))
	made := w.service(account, "secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": "not a real value", "Tags": []map[string]string{{"Key": "Owner", "Value": "shop"}}})
	id := fmt.Sprint(made["ARN"])
	w.service(account, "secretsmanager", "RotateSecret", map[string]any{"SecretId": id, "RotationLambdaARN": rotator, "RotationRules": map[string]any{"AutomaticallyAfterDays": 30}, "RotateImmediately": false})
	return migration.Item{Secret: id, Name: name, Account: account, Region: region, Wave: migration.Development, Target: w.key, Seal: migration.SealRotate}
}

// clock is a worker's own. While its machine is frozen its monotonic clock may stand still; the other is right again when
// it wakes.
type clock struct {
	w    *world
	skew time.Duration
	lost atomic.Int64 // of the monotonic clock
}

func (c *clock) now() time.Time { return c.w.clock().Add(c.skew) }

func (c *clock) elapsed() time.Duration {
	return c.w.clock().Sub(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)) - time.Duration(c.lost.Load())
}

// freeze stops the monotonic clock while something happens.
func (c *clock) freeze(happens func()) {
	from := c.w.clock()
	happens()
	c.lost.Add(int64(c.w.clock().Sub(from)))
}

// worker is one process of the hub.
type worker struct {
	*migration.Engine
	c     *cloud.Cloud
	clock *clock
}

func (w *world) worker(name, endpoint string, skew time.Duration) *worker {
	w.Helper()
	c, err := w.aws.Principal(hub, "role/worker/"+name)
	must(w, err)
	own := &clock{w: w, skew: skew}
	client, err := cloud.Open(context.Background(), cloud.Options{Region: region, Endpoint: endpoint, HubAccount: hub, AssumeRoles: true, ManagementAccount: payer,
		KeyTTL: time.Hour, MaxBackoff: time.Millisecond, LookupEvery: time.Nanosecond, Session: name, Now: own.now,
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
	must(w, err)
	sleep := func(ctx context.Context, d time.Duration) error { w.pass(d); return ctx.Err() }
	m := migrations.Parts{Cloud: client, Table: settings.HubName, Bus: settings.HubName, Regions: []string{region}, By: "doublelock-" + name,
		Runtime: settings.Runtime{Limits: settings.Limits{ChangesPerHour: 100_000, ChangesPerAccountPerHour: 100_000}},
		Now:     own.now, Elapsed: own.elapsed, Sleep: sleep}.Open()
	m.Engine.Preflight, m.Engine.Trail = allows{}, nil
	return &worker{m.Engine, client, own}
}

// allows is a pre-flight by which everybody keeps access, and of whom a read was denied the key keeps out: who does is not what these
// tests are about.
type allows struct{}

func (allows) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	return migration.Assessment{}, nil
}

func (allows) Refusing(context.Context, guard.Secret, string, string) (migration.Refusal, error) {
	return migration.Refusal{By: migration.LockKey, Previous: policy.Decision{Answer: policy.Allowed}}, nil
}

func (w *world) describe(secret string) guard.Secret {
	w.Helper()
	s, err := secrets.New(w.worker("look", w.url, 0).c).Describe(w.Context(), guard.SecretRef{Account: shop, Region: region, ID: secret})
	must(w, err)
	return s
}

func (w *world) journal(secret string) []store.JournalEntry {
	w.Helper()
	entries, unreadable, err := table.Open(w.worker("look", w.url, 0).c, settings.HubName).Journal().List(w.Context(), secret, time.Time{})
	must(w, err)
	if len(unreadable) > 0 {
		w.Errorf("rows that cannot be read: %v", unreadable)
	}
	return entries
}

func journaled(entries []store.JournalEntry, action string) int {
	n := 0
	for _, e := range entries {
		if e.Action == action {
			n++
		}
	}
	return n
}

// network is what lies between one worker and AWS. Of every call it asks what to do.
type network struct {
	mu    sync.Mutex
	proxy *httputil.ReverseProxy
	seen  []string // operations, in order
	dead  bool
	at    func(n int, operation string) fault
}

// fault is what happens to one call.
type fault struct {
	before func() // while it has not arrived
	after  func() // while its answer is on the way
	lost   bool   // it never arrives
	mute   bool   // it arrives, and its answer is lost
	dies   bool   // the worker: nothing of it goes through any more, the call itself only where it is mute
}

func (w *world) network(at func(n int, operation string) fault) (*network, string) {
	w.Helper()
	target, err := url.Parse(w.url)
	must(w, err)
	n := &network{proxy: httputil.NewSingleHostReverseProxy(target), at: at}
	server := httptest.NewServer(n)
	w.Cleanup(server.Close)
	return n, server.URL
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, named := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !named {
		operation = "AssumeRole"
	}
	n.mu.Lock()
	dead, f := n.dead, fault{}
	if !dead {
		n.seen = append(n.seen, operation)
		f = n.at(len(n.seen), operation)
		n.dead = f.dies
	}
	n.mu.Unlock()
	switch {
	case dead, f.lost, f.dies && !f.mute:
		panic(http.ErrAbortHandler)
	}
	if f.before != nil {
		f.before()
	}
	answer := httptest.NewRecorder()
	n.proxy.ServeHTTP(answer, r)
	if f.after != nil {
		f.after()
	}
	if f.mute {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // to a worker that may be gone
}

// asks is a pre-flight that counts, and hangs for one secret.
type asks struct {
	allows
	n    int
	hang string
}

func (a *asks) Check(ctx context.Context, s guard.Secret, _ string, _ []string) (migration.Assessment, error) {
	a.n++
	if s.ARN == a.hang {
		<-ctx.Done()
		return migration.Assessment{}, ctx.Err()
	}
	return migration.Assessment{}, nil
}

func (w *world) job(t *testing.T, e *worker, secret string) migration.Job {
	t.Helper()
	j, err := e.Store.Load(t.Context(), secret)
	must(t, err)
	return j
}
