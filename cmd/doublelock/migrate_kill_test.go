package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/handlers/wires"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// killsEnv is how often processes are killed; the default is for every run of the tests.
const (
	killsEnv   = "DOUBLELOCK_KILLS"
	fewKills   = 12
	aheadEnv   = "DOUBLELOCK_TEST_AHEAD" // of a child's clock, in nanoseconds
	workerPath = "doublelock-worker"

	waitsFor = store.SignedFor + store.LongestCall + 2*store.Skew + time.Minute // until who did not see it itself believes that a call comes no more
)

// ahead is the clock of a child: the organization's time is another than the machine's.
func ahead() time.Time {
	by, _ := strconv.ParseInt(os.Getenv(aheadEnv), 10, 64) // written by the parent
	return time.Now().Add(time.Duration(by))
}

// work is a function of the hub as a process of its own, that is handed one batch on standard input.
func work() {
	if err := workOnce(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func workOnce() error {
	var batch events.SQSEvent
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	h, err := wires.All()[os.Args[1]](ctx, os.Getenv, ahead, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	if err := json.NewDecoder(os.Stdin).Decode(&batch); err != nil {
		return err
	}
	answer, err := h.Handle(ctx, batch)
	if err == nil && len(answer.BatchItemFailures) > 0 {
		err = fmt.Errorf("%d messages failed", len(answer.BatchItemFailures))
	}
	return err
}

// chain is a secret that is taken through its phases, by commands or by a function of the hub, each of which is killed once.
type chain struct {
	name   string
	worker bool // operate, instead of the command line
	back   bool // set back in the end, instead of sealed
	secret string
	file   string // of the plan
	chance *rand.Rand
}

// killed is the organization, and what its processes changed.
type killed struct {
	*testing.T
	*local.Organization
	env map[string]map[string]string // of functions

	mu            sync.Mutex
	made          map[string]map[string]int // changes by us, by secret and call
	kills, waited int
}

func (k *killed) record(r localaws.Record) {
	name, _ := r["eventName"].(string)
	who, _ := r["userIdentity"].(map[string]any)
	by, _ := who["arn"].(string)
	in, _ := r["requestParameters"].(map[string]any)
	secret, _ := in["secretId"].(string)
	if r["errorCode"] != nil || r["readOnly"] == true || secret == "" || !strings.Contains(by, "/doublelock-change/") {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made[secret] == nil {
		k.made[secret] = map[string]int{}
	}
	k.made[secret][name]++
}

// between lies between one process and AWS: it counts the calls, and kills the process with -9 at one of them, before it is carried
// out or after.
type between struct {
	at         int // 0 is never
	carriedOut bool
	proxy      *httputil.ReverseProxy

	mu      sync.Mutex
	calls   int
	process *os.Process
	killed  bool
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.calls++
	kill := b.calls == b.at
	b.mu.Unlock()
	if !kill {
		b.proxy.ServeHTTP(w, r)
		return
	}
	if b.carriedOut {
		b.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.killed = b.process.Kill() == nil
	panic(http.ErrAbortHandler) // nobody gets an answer
}

// process runs a program whose clock is later than the organization's, and kills it at a call. It answers how many calls it made, whether it was killed, and what is wrong.
func (k *killed) process(at int, carriedOut bool, later time.Duration, function string, stdin []byte, program string, args ...string) (int, bool, error) {
	to, err := url.Parse(k.URL)
	if err != nil {
		return 0, false, err
	}
	b := &between{at: at, carriedOut: carriedOut, proxy: httputil.NewSingleHostReverseProxy(to)}
	b.proxy.ErrorLog = log.New(io.Discard, "", 0) // of callers that are gone
	server := httptest.NewServer(b)
	defer server.Close()
	run := exec.CommandContext(k.Context(), program, args...)
	run.Env = os.Environ()
	for name, value := range k.env[function] {
		run.Env = append(run.Env, name+"="+value)
	}
	run.Env = append(run.Env, settings.EnvEndpoint+"="+server.URL, fmt.Sprint(aheadEnv, "=", time.Until(k.Clock.Now().Add(later)).Nanoseconds()))
	run.Stdin = bytes.NewReader(stdin)
	var said bytes.Buffer
	run.Stdout, run.Stderr = &said, &said
	b.mu.Lock()
	err = run.Start()
	b.process = run.Process
	b.mu.Unlock()
	if err != nil {
		return 0, false, err
	}
	err = run.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && !b.killed {
		return b.calls, false, fmt.Errorf("%s %v: %w\n%s", program, args, err, &said)
	}
	return b.calls, b.killed, nil
}

// step is a process of a chain, which is killed at a random one of the calls that it makes undisturbed, and then started again.
func (k *killed) step(c *chain, name string, calls map[string]int, disturb bool, function string, stdin []byte, program string, args ...string) error {
	of := fmt.Sprint(name, c.worker)
	if !disturb {
		n, _, err := k.process(0, false, 0, function, stdin, program, args...)
		k.mu.Lock()
		defer k.mu.Unlock()
		calls[of] = n
		return err
	}
	at := 1 + c.chance.IntN(calls[of])
	if c.chance.IntN(2) == 0 { // where it owns the secret
		at = calls[of] - c.chance.IntN(min(calls[of], 30))
	}
	_, died, err := k.process(at, c.chance.IntN(2) == 0, 0, function, stdin, program, args...)
	if err != nil || !died {
		return err
	}
	k.mu.Lock()
	k.kills++
	k.mu.Unlock()
	_, _, err = k.process(0, false, 0, function, stdin, program, args...)
	if err != nil && strings.Contains(err.Error(), "another worker is at it") { // the call on which it died was sent, and never came
		k.mu.Lock()
		k.waited++
		k.mu.Unlock()
		_, _, err = k.process(0, false, waitsFor, function, stdin, program, args...)
	}
	if err != nil && strings.Contains(err.Error(), "nothing that could be set back") {
		return nil // the first had come to its end
	}
	return err
}

// message is a batch of one instruction of an operator.
func (k *killed) message(i operator.Instruction) []byte {
	body, err := json.Marshal(i)
	if err != nil {
		k.Fatal(err)
	}
	batch, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{MessageId: i.Batch, Body: string(body),
		EventSourceARN: k.Partition.New("sqs", k.Home(), local.Hub, "doublelock-operate").String(),
		Attributes:     map[string]string{"SenderId": k.env[handlers.Operate][settings.EnvOperator] + ":anna"}}}})
	if err != nil {
		k.Fatal(err)
	}
	return batch
}

// plan is what was planned for a chain.
func (c *chain) plan() (migration.Plan, error) {
	raw, err := os.ReadFile(c.file)
	if err != nil {
		return migration.Plan{}, err
	}
	return migration.LoadPlan(bytes.NewReader(raw))
}

// moves takes a chain a step on: apply, go ahead, or back.
func (k *killed) moves(c *chain, calls map[string]int, disturb bool, step string) error {
	if !c.worker {
		args := map[string][]string{"apply": {"apply", c.file}, "ahead": {"apply", c.file, "--go-ahead", "anna"}, "on": {"apply", c.file},
			"back": {"rollback", "--secret", c.secret, "--reason", "the app broke"}}[step]
		return k.step(c, step, calls, disturb, handlers.Remediate, nil, "doublelock-ahead", append([]string{"migrate"}, args...)...)
	}
	p, err := c.plan()
	if err != nil {
		return err
	}
	parts, err := p.Parts()
	if err != nil {
		return err
	}
	part := parts[c.secret]
	i := operator.Instruction{Batch: c.name + step, Do: operator.Apply, Plan: p.ID, Digest: p.Digest, Part: &part, Reason: "CHG-1"}
	switch step {
	case "ahead":
		i.GoAhead = "anna"
	case "back":
		i = operator.Instruction{Batch: c.name + step, Do: operator.SetBack, Secret: c.secret, Reason: "the app broke"}
	}
	return k.step(c, step, calls, disturb, handlers.Operate, k.message(i), workerPath, handlers.Operate)
}

// ended is where a secret and its job ended, without what is a chain's own.
type ended struct {
	Phase   migration.Phase
	Phases  []migration.Phase
	Moved   bool
	Tags    int
	Changes map[string]int
	Journal map[string]int
}

func (k *killed) end(c *chain, jobs migration.Store, journal *table.Journal) ended {
	k.Helper()
	j, err := jobs.Load(k.Context(), c.secret)
	if err != nil {
		k.Fatal(err)
	}
	entries, bad, err := journal.List(k.Context(), c.secret, time.Time{})
	if err != nil || len(bad) > 0 {
		k.Fatal(err, bad)
	}
	s := localtest.Call(k, k.Organization, local.Search, k.Home(), "secretsmanager", "DescribeSecret", map[string]any{"SecretId": c.secret})
	tags, _ := s["Tags"].([]any)
	e := ended{Phase: j.Phase, Moved: s["KmsKeyId"] == j.Target, Tags: len(tags), Changes: map[string]int{}, Journal: map[string]int{}}
	for _, turn := range j.History {
		if turn.From != turn.To { // else somebody asked again
			e.Phases = append(e.Phases, turn.To)
		}
	}
	for _, entry := range entries {
		if entry.Action != "DescribeSecret" { // who comes after looks again, and says so
			e.Journal[entry.Action]++
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(e.Changes, k.made[c.secret])
	return e
}

// Processes of migrate apply, migrate rollback and the function operate are killed with -9 at any of their calls, in every phase, and
// started again, as a person does and as a queue does. Each secret ends where one ends whose processes were left alone: the same phases, the
// same changes, each a single time, and the same lines of the journal.
func TestAMigrationWhoseProcessesAreKilledEndsAsOneThatWasLeftAlone(t *testing.T) {
	want := fewKills
	if text := os.Getenv(killsEnv); text != "" {
		var err error
		if want, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	k := &killed{T: t, env: map[string]map[string]string{}, made: map[string]map[string]int{}}
	w, stop, err := local.New(t.Context(), local.Options{Seed: 1, Watch: local.Watcher{Record: k.record}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	k.Organization = w
	for _, function := range []string{handlers.Remediate, handlers.Operate} {
		env, err := w.FunctionEnvironment(function)
		if err != nil {
			t.Fatal(err)
		}
		var config map[string]any
		if err := json.Unmarshal([]byte(env[settings.EnvConfig]), &config); err != nil {
			t.Fatal(err)
		}
		config["limits"] = map[string]any{"changesPerHour": 10_000, "changesPerAccountPerHour": 10_000}
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		env[settings.EnvConfig] = string(raw)
		k.env[function] = env
	}
	calls := map[string]int{} // of an undisturbed process, by step
	left := k.play(calls, false, 4)
	for began := 1; k.kills < want; began++ {
		before := k.kills
		for n, got := range k.play(calls, true, min(12, max(4, (want-k.kills)/2))) {
			if diff := cmp.Diff(left[n%4], got); diff != "" {
				t.Errorf("round %d, chain %d (-left alone +killed):\n%s", began, n, diff)
			}
		}
		if k.kills == before || t.Failed() {
			break
		}
	}
	if k.kills < want {
		t.Errorf("%d kills, want %d", k.kills, want)
	}
	t.Logf("%d kills of processes that make %v calls; of %d a call was sent that never came", k.kills, calls, k.waited)
}

// play takes new secrets through their phases, several at a time. Of four chains two are by worker and two go back.
func (k *killed) play(calls map[string]int, disturb bool, n int) []ended {
	k.Helper()
	var chains []*chain
	for i := range n {
		c := &chain{name: fmt.Sprintf("search/%d-%d", k.kills, len(k.made)*100+i), worker: i%2 == 1, back: i%4 >= 2, chance: rand.New(rand.NewPCG(uint64(k.kills), uint64(i)))}
		c.secret, _ = localtest.Call(k, k.Organization, local.Search, k.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": c.name, "SecretString": "not a real value",
			"Tags": []map[string]string{{"Key": "environment", "Value": "dev"}}})["ARN"].(string)
		c.file = filepath.Join(k.TempDir(), "plan.json")
		chains = append(chains, c)
	}
	if err := k.Settle(k.Context()); err != nil {
		k.Fatal(err)
	}
	each := func(do func(c *chain) error) {
		k.Helper()
		var group errgroup.Group
		for _, c := range chains {
			group.Go(func() error { return do(c) })
		}
		if err := group.Wait(); err != nil {
			k.Fatal(err)
		}
	}
	each(func(c *chain) error {
		_, _, err := k.process(0, false, 0, handlers.Remediate, nil, "doublelock-ahead", "migrate", "plan", "--account", local.Search, "--secret", c.secret, "--out", c.file)
		if err != nil || !c.worker {
			return err
		}
		p, err := c.plan()
		if err != nil {
			return err
		}
		_, _, err = k.process(0, false, 0, handlers.Operate, k.message(operator.Instruction{Batch: c.name, Do: operator.Record, Plan: p.ID, Digest: p.Digest, Secrets: 1}), workerPath, handlers.Operate)
		return err
	})
	each(func(c *chain) error { return k.moves(c, calls, disturb, "apply") })
	k.Clock.Advance(25 * time.Hour)
	each(func(c *chain) error {
		if c.back {
			return nil
		}
		if err := k.moves(c, calls, disturb, "ahead"); err != nil {
			return err
		}
		for range 2 { // its owner
			localtest.Call(k, k.Organization, local.Search, k.Home(), "secretsmanager", "PutSecretValue", map[string]any{"SecretId": c.secret, "SecretString": "nor is this"})
		}
		return k.moves(c, calls, disturb, "on")
	})
	each(func(c *chain) error {
		if !c.back {
			return nil
		}
		return k.moves(c, calls, disturb, "back")
	})
	c, err := k.Open(k.Context(), k.Home(), k.keys())
	if err != nil {
		k.Fatal(err)
	}
	records := table.Open(c, k.env[handlers.Remediate][settings.EnvTable])
	jobs := migration.NewStore(records.Documents(migration.DocumentKind), records.Entries())
	var all []ended
	for _, c := range chains {
		all = append(all, k.end(c, jobs, records.Journal()))
	}
	return all
}

func (k *killed) keys() localaws.Credentials {
	env := k.env[handlers.Remediate]
	return localaws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"], SessionToken: env["AWS_SESSION_TOKEN"]}
}
