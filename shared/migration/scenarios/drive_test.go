package scenarios_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// line is the network between the hub and AWS. Cut, it loses every call: the worker has died.
type line struct {
	mu     sync.Mutex
	proxy  *httputil.ReverseProxy
	writes int // so far
	cutAt  int // at this write; 0 is never
	after  bool
	cut    bool
}

// lay puts a line before an AWS.
func lay(t testing.TB, to string) (*line, string) {
	t.Helper()
	target, err := url.Parse(to)
	must(t, err)
	l := &line{proxy: httputil.NewSingleHostReverseProxy(target)}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return l, server.URL
}

var writing = []string{".UpdateSecret", ".RotateSecret", ".ReplicateSecretToRegions", ".RemoveRegionsFromReplication", ".TagResource", ".UntagResource",
	".CreateGrant", ".RetireGrant", ".PutItem", ".UpdateItem", ".DeleteItem", ".TransactWriteItems", ".PutEvents"}

// ServeHTTP lets calls through until the line is cut: before the call arrives, or after it and before its answer.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	lost, arrives := l.counts(slices.ContainsFunc(writing, func(s string) bool { return strings.HasSuffix(target, s) }))
	if lost && arrives {
		l.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	l.proxy.ServeHTTP(w, r)
}

func (l *line) counts(write bool) (lost, arrives bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || !write {
		return l.cut, false
	}
	l.writes++
	l.cut = l.writes == l.cutAt
	return l.cut, l.after
}

// mend lets a new worker begin, whose line is not cut.
func (l *line) mend() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.cut
	l.cut = false
	return was
}

// hubParts makes what the machine needs in the hub.
func (w *testbed) hubParts() {
	w.aws.AddRole(hub, "doublelock-remediate", trustOfSelf, policyText(may(`["dynamodb:*","events:PutEvents","sts:AssumeRole"]`, "*")))
	w.service(hub, region, "dynamodb", "CreateTable", map[string]any{"TableName": settings.HubName, "BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []map[string]string{{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}},
		"KeySchema":            []map[string]string{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}}})
	w.service(hub, region, "events", "CreateEventBus", map[string]any{"Name": settings.HubName})
}

// machine is one worker of the hub, with a name of its own.
func (w *testbed) machine(endpoint string) *fleet.Migrations {
	w.Helper()
	c, err := w.aws.Principal(hub, "role/doublelock-remediate/doublelock-remediate")
	must(w, err)
	now := func() time.Time { return *w.now }
	client, err := cloud.Open(w.Context(), cloud.Options{Region: region, Endpoint: endpoint, HubAccount: hub, AssumeRoles: true, ManagementAccount: payer,
		KeyDetails: true, KeyTTL: time.Nanosecond, MaxBackoff: time.Millisecond, LookupEvery: time.Nanosecond, Session: "remediate", Now: now,
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
	must(w, err)
	runtime := w.settings() // the plan and the hub have one configuration
	return migrations.Parts{Cloud: client, Table: settings.HubName, Bus: settings.HubName, Regions: []string{region, farRegion}, Runtime: runtime,
		By: "doublelock-remediate", Now: now, Sleep: func(context.Context, time.Duration) error { return nil }}.Open()
}

var machineSettings = settings.Runtime{Migration: settings.Migration{RotateTwice: true, RescueGrants: true}}

// mostRounds is how often workers come by before a run counts as one without an end.
const mostRounds = 20

// run lets the machine do everything it does by itself; the readers, the owner and the clock are played.
func (w *testbed) run(item migration.Item, plan string, l *line, endpoint string) migration.Job {
	w.Helper()
	var job migration.Job
	written := 0
	if h := w.Drive.Halts; h != nil && h.At == migration.Planned {
		w.halt(item, plan)
	}
	for range mostRounds {
		job = w.round(item, plan, endpoint, job.Revision == 0)
		if l.mend() {
			*w.now = w.now.Add(time.Duration(migration.Defaults().Lease) + time.Minute) // the dead worker's lease
			continue
		}
		if job.Phase.Resting() || job.Phase == migration.Sealed {
			return job
		}
		w.between(job, &written)
		w.haltedFor(job, item, plan)
	}
	if job.Phase == w.Drive.Ends {
		return job // it waits for people
	}
	w.Fatalf("no end after %d rounds: %s (%s)", mostRounds, job.Phase, job.Reason)
	return job
}

// round is one visit, by as many workers at once as the file says. Only what may be tried again goes wrong.
func (w *testbed) round(item migration.Item, plan, endpoint string, start bool) migration.Job {
	w.Helper()
	var group sync.WaitGroup
	results := make(chan error, max(w.Drive.Workers, 1))
	for range max(w.Drive.Workers, 1) {
		m := w.machine(endpoint)
		group.Go(func() {
			var err error
			if start {
				_, err = m.Engine.Start(w.Context(), item, plan, w.rules())
			}
			if err == nil && !w.waits(m) {
				_, _, err = m.Engine.Advance(w.Context(), w.secret)
			}
			results <- err
		})
	}
	group.Wait()
	close(results)
	for err := range results {
		if err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) && !w.Drive.Crash {
			w.Fatalf("a visit: %v", err)
		}
	}
	job, err := w.machine(w.url).Store.Load(w.Context(), w.secret)
	must(w, err)
	return job
}

// between two visits readers read, code sets the old key again, and owners write what they are asked for.
func (w *testbed) between(job migration.Job, written *int) {
	w.Helper()
	if w.Drive.Flips > 0 && job.Phase == migration.Observing {
		w.Drive.Flips--
		client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "role/Owner/terraform", region))
		must(w, ignore(client.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: aws.String(job.Before.KeyID)})))
	}
	if o := w.Drive.Owner; o != nil && job.Phase == o.At && !w.owned {
		w.owned = true
		w.own(*o)
	}
	if w.Drive.Takes != nil && job.Phase == w.Drive.Takes.At && !w.taken {
		w.takeAway()
	} else if w.taken && w.Drive.Takes.Gives > 0 {
		if w.Drive.Takes.Gives--; w.Drive.Takes.Gives == 0 {
			w.giveBack()
		}
	}
	*w.now = w.now.Add(25 * time.Hour)
	w.busy()
	if !w.Drive.Crash {
		w.watch()
	}
	asked := !job.AskedAt.IsZero() || !job.FirstNewAt.IsZero()
	if job.Phase == migration.Sealing && job.Seal == migration.SealOwner && asked && *written < 2 {
		*written++
		w.put("written by its owner")
	}
}

// waits has a worker obey halted waves, as the sweep does, and reports that a planned secret is not begun.
func (w *testbed) waits(m *fleet.Migrations) bool {
	w.Helper()
	if w.Drive.Halts == nil {
		return false
	}
	jobs, _, err := migration.All(w.Context(), m.Store)
	must(w, err)
	m.Engine.Halt = migration.HaltsOf(jobs, m.Engine.Rules).Of
	at := slices.IndexFunc(jobs, func(j migration.Job) bool { return j.Secret == w.secret })
	return jobs[at].Phase == migration.Planned && m.Engine.Halt(jobs[at]) != ""
}

// halt has the others of the wave go wrong.
func (w *testbed) halt(item migration.Item, plan string) {
	w.Helper()
	w.halted = 1
	for n := range w.Drive.Halts.Others {
		name := fmt.Sprintf("shop/other-%d", n)
		must(w, w.machine(w.url).Store.Save(w.Context(), migration.Job{Secret: "arn:aws:secretsmanager:" + item.Region + ":" + item.Account + ":secret:" + name + "-AbCdEf", Name: name,
			Account: item.Account, Region: item.Region, Wave: item.Wave, Plan: plan, Target: item.Target, Phase: migration.RolledBack, Since: *w.now, Before: &migration.Before{}}))
	}
}

// haltedFor lets two rounds pass in which nothing may go on, and then a person resume.
func (w *testbed) haltedFor(job migration.Job, item migration.Item, plan string) {
	w.Helper()
	h := w.Drive.Halts
	switch {
	case h == nil:
	case w.halted == 0 && job.Phase == h.At:
		w.halt(item, plan)
	case w.halted > 0 && (w.halted < 3 || h.Resumes == ""):
		w.halted++
		if h.At == migration.Planned && job.Phase != h.At || !job.AskedAt.IsZero() || job.Phase == migration.Sealed {
			w.Errorf("its wave is halted, and it goes on: %s (%s)", job.Phase, job.Reason)
		}
	case w.halted == 3:
		w.halted++
		m := w.machine(w.url)
		jobs, _, err := migration.All(w.Context(), m.Store)
		must(w, err)
		m.Engine.By = "arn:aws:sts::" + hub + ":assumed-role/doublelock-operator/anna"
		for _, j := range jobs {
			if j.WentWrong() {
				j, err = m.Engine.Excuse(w.Context(), j.Secret, h.Resumes)
				must(w, err)
				if j.Excused == nil || j.Excused.By != m.Engine.By || j.Excused.Why != h.Resumes {
					w.Errorf("who said that the wave goes on, and why, is not kept: %+v", j.Excused)
				}
			}
		}
	}
}

// own is what the owner does with the keys of the secret.
func (w *testbed) own(o owning) {
	w.Helper()
	if o.Points != "" {
		w.kmsAlias("UpdateAlias", o.Points)
	}
	if o.Sets != "" {
		client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "role/Owner/o", region))
		must(w, ignore(client.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: aws.String(w.key(o.Sets))})))
	}
}

// goesBack has somebody go back at the end, and sees under which key the secret is then.
func (w *testbed) goesBack() {
	w.Helper()
	_, err := w.machine(w.url).Engine.Rollback(w.Context(), w.secret, "somebody asks")
	if err != nil && !errors.Is(err, migration.ErrOvertaken) && !errors.Is(err, migration.ErrNothingToUndo) {
		w.Errorf("going back: %v", err)
	}
	if !w.carries(w.key(w.Drive.Back)) {
		w.Errorf("after somebody went back it is not under %s (%v)", w.Drive.Back, err)
	}
}

// takeAway is what people do on the way: a reader's right on the key goes.
func (w *testbed) takeAway() {
	w.Helper()
	takes := w.Drive.Takes
	r := w.Readers[takes.From]
	account := w.account(r.Account)
	reader := readerARN(account, takes.From, r)
	if takes.Wrote {
		w.put("written by its owner")
	}
	switch takes.By {
	case "":
		left := slices.DeleteFunc(slices.Clone(r.May), func(s any) bool { return s == "decrypt" })
		w.aws.AddRole(account, takes.From, trustOfWork, w.document(left, account))
	case "scp":
		w.scp = w.attachSCP("taking", []any{map[string]any{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*", "Condition": map[string]any{"ArnEquals": map[string]any{"aws:PrincipalArn": reader}}}})
	case "secret":
		w.service(w.account(w.Secret.Account), region, "secretsmanager", "PutResourcePolicy", map[string]any{"SecretId": w.secret,
			"ResourcePolicy": policyText(`{"Effect":"Deny","Principal":{"AWS":"` + reader + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)})
	default:
		w.aws.AddRole(account, takes.From, trustOfWork, w.document(append(slices.Clone(r.May), map[string]any{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": w.keys[takes.By]}), account))
	}
	if takes.With != "" {
		w.kms(takes.With, "DisableKey", nil)
	}
	if takes.Hides != "" {
		w.aws.AddRole(account, "doublelock-read", trustOfHub, policyText(may(`"*"`, "*"), blind, `{"Effect":"Deny","Action":"kms:GetKeyPolicy","Resource":"`+w.keys[takes.Hides]+`"}`))
	}
	w.taken = true
}

// giveBack is what people do when they are notified.
func (w *testbed) giveBack() {
	w.Helper()
	from := w.Drive.Takes.From
	switch w.Drive.Takes.By {
	case "scp":
		client := organizations.NewFromConfig(w.as(payer, "root", "us-east-1"))
		must(w, ignore(client.DetachPolicy(w.Context(), &organizations.DetachPolicyInput{PolicyId: w.scp, TargetId: &w.ou})))
	case "secret":
		w.service(w.account(w.Secret.Account), region, "secretsmanager", "DeleteResourcePolicy", map[string]any{"SecretId": w.secret})
	default:
		w.makeReader(from, w.Readers[from])
	}
}

// watch hands every denied read that CloudTrail recorded to the machine, as the watchdog does, and twice, as events
// come.
func (w *testbed) watch() {
	w.Helper()
	m := w.machine(w.url)
	for _, name := range []string{"GetSecretValue", "Decrypt"} {
		var denied []trail.Change
		_, err := m.Reads.History.Find(w.Context(), fleet.Search{Account: w.account(w.Secret.Account), Region: region, Name: name, From: w.now.Add(-time.Hour)}, func(raw []byte) error {
			c, err := trail.Decode(raw)
			if err == nil && c.Kind == trail.DeniedRead {
				denied = append(denied, c)
			}
			return err
		})
		must(w, err)
		for _, c := range slices.Concat(denied, denied) {
			must(w, watching(m).DeniedRead(w.Context(), c))
		}
	}
}

// TestTheMachineBreaksNobody drives every scenario through the machine as the hub opens it, with its store, journal,
// pre-flight and trail, whatever the plan said of it: what must not be done it has to refuse by itself.
func TestTheMachineBreaksNobody(t *testing.T) {
	for _, s := range scenarios(t) {
		if s.Expect.Plan == outside {
			continue // there is nothing to start
		}
		t.Run(strings.TrimSuffix(s.file, ".yaml"), func(t *testing.T) {
			t.Parallel()
			if s.Drive.Crash {
				crashEverywhere(t, s)
				return
			}
			driveScenario(t, s, nil, 0, false)
		})
	}
}

// driveScenario plays a scenario by a plan, or by one made for it, and answers the plan and how many calls that change
// something were made. The worker dies at the cutAt-th of them.
func driveScenario(t *testing.T, s scenario, planned *migration.Plan, cutAt int, after bool) (*migration.Plan, int) {
	t.Helper()
	w := newTestbed(t, &s, localaws.Faults{ThrottleEvery: s.Drive.Throttle})
	w.hubParts()
	w.settle()
	could := map[string]bool{} // by the file: whoever is tried is seen
	for name, r := range s.Readers {
		could[name] = *r.Reads.Now
	}
	if s.Drive.Takes != nil && s.Drive.Takes.At == s.Drive.Ends { // people took its right, and nothing but they can give it back
		delete(could, s.Drive.Takes.From)
	}
	if planned == nil {
		made := w.plan()
		planned = &made
	}
	plan, item := *planned, planned.Items[0]
	if item.Secret != w.secret {
		t.Fatalf("the plan is about %s, the world holds %s", item.Secret, w.secret)
	}
	if item.Target == "" {
		t.Skip("there is no key to move to")
	}
	l, endpoint := lay(t, w.url)
	l.cutAt, l.after = cutAt, after
	job := w.run(item, plan.ID, l, endpoint)
	if w.Drive.Takes != nil && w.Drive.Takes.At == job.Phase && !w.taken {
		w.breakAndRescue()
	}
	w.compareEnd(job)
	if w.Drive.Back != "" {
		w.goesBack()
	}
	for name, r := range w.judged(plan) {
		if r.Spared || r.Accepted {
			delete(could, name) // the plan counts it, and people let it go
		}
	}
	for name, now := range w.everybody() {
		if could[name] && !now {
			t.Errorf("%s read before, and cannot after the machine ended %s (%s)", name, job.Phase, job.Reason)
		}
	}
	if job.Phase == migration.Sealed && w.Drive.Back == "" && !w.sealed(job.Target) {
		t.Errorf("the job says sealed, and a labelled version opens with another key")
	}
	return planned, l.writes
}

// breakAndRescue breaks a reader after the seal: one denied read later it reads again, and a day later the grant ends.
func (w *testbed) breakAndRescue() {
	w.Helper()
	from := w.Drive.Takes.From
	w.takeAway()
	if got := w.read(from); got != "AccessDeniedException" {
		w.Errorf("%s lost its right, and reading answers %q", from, got)
	}
	w.watch()
	if got := w.read(from); got != "" {
		w.Errorf("after the watchdog was notified, reading answers %q", got)
	}
	*w.now = w.now.Add(25 * time.Hour)
	_, _, err := w.machine(w.url).Engine.Advance(w.Context(), w.secret)
	must(w, err)
	if got := w.read(from); got != "AccessDeniedException" {
		w.Errorf("when the grant's time is over, reading answers %q", got)
	}
	w.makeReader(from, w.Readers[from]) // as people do in time
}

func (w *testbed) compareEnd(job migration.Job) {
	w.Helper()
	ends := w.Drive.Ends
	if ends == "" {
		ends = map[outcome]migration.Phase{safe: migration.Sealed, unsafe: migration.Blocked, blocked: migration.Blocked}[w.Expect.Plan]
	}
	if job.Phase != ends || !strings.Contains(job.Reason, w.Drive.Reason) {
		w.Errorf("it ends %s (%s), want %s (%s)", job.Phase, job.Reason, ends, w.Drive.Reason)
	}
	most := 1 + len(job.Flips)
	if job.Phase == migration.RolledBack {
		most++
	}
	for name, atMost := range map[string]int{"UpdateSecret": most, "UpdateSecret in a replica's Region": most * len(job.Copies), "RemoveRegionsFromReplication": 0} {
		updates := 0
		for _, made := range w.made {
			if made == name {
				updates++
			}
		}
		if updates > atMost {
			w.Errorf("%d times %s, want at most %d: %v", updates, name, atMost, w.made)
		}
	}
	if job.Phase == migration.Blocked && len(job.Flips) == 0 && len(w.made) > 0 {
		w.Errorf("it ends blocked, and changed the secret: %v", w.made)
	}
}

// sealed reports whether every labelled version, of the copies' Regions too, opens with its target alone.
func (w *testbed) sealed(target string) bool {
	w.Helper()
	s, err := secrets.New(w.client("plan")).Describe(w.Context(), w.ref())
	must(w, err)
	for _, v := range s.Versions {
		if v.Labelled() && (len(v.Keys) != 1 || v.Keys[0].ARN != target) {
			return false
		}
	}
	for _, r := range s.Replicas {
		if r.Key.ARN != w.key(w.Targets[r.Region]) || r.Status != "InSync" {
			return false
		}
	}
	return s.Key.ARN == target
}

// crashEverywhere has the worker die at each call that changes something, before it arrives and after by turns, and
// another one take over.
func crashEverywhere(t *testing.T, s scenario) {
	if testing.Short() {
		t.Skip("some dozens of whole migrations")
	}
	plan, writes := driveScenario(t, s, nil, 0, false) // the same seed makes the same world, which the plan still fits
	if writes < 10 {
		t.Fatalf("%d calls that change something: the run is too short to show anything", writes)
	}
	for at := 1; at <= writes; at++ {
		after := at%2 == s.Drive.Offset
		if driveScenario(t, s, plan, at, after); t.Failed() {
			t.Fatalf("when the worker died at change %d of %d, after it arrived: %t", at, writes, after)
		}
	}
}
