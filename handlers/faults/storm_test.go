package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/localaws"
)

var (
	howMany = flag.Int("events", 2_000, "writes of people in the storm, at least 1")
	seed    = flag.Uint64("seed", 1, "where the faults come from")
	copied  = flag.String("ledger", "", "a file to write the storm's ledger to, line by line: what two runs of one seed did differently")
	heap    = flag.String("heap", "", "a file for a profile of what is held in memory when the storm is over")
	trace   = flag.Bool("trace", false, "print every fault, and what the functions log")
)

// line is the last of a run's output.
var line []byte

func TestMain(m *testing.M) {
	flag.Parse()
	if *howMany < 1 {
		fmt.Fprintf(os.Stderr, "-events %d: a storm has at least 1 event\n", *howMany)
		os.Exit(2)
	}
	measured := false
	flag.Visit(func(f *flag.Flag) { measured = measured || f.Name == "events" })
	if !measured { // a run whose memory nobody looks at
		debug.SetGCPercent(400)
	}
	code := m.Run()
	if line != nil {
		fmt.Println(string(line))
	}
	os.Exit(code)
}

// summary is what a run says of itself.
type summary struct {
	Events        int     `json:"events"`
	Duplicates    int     `json:"duplicates"`
	Throttles     int     `json:"throttles"`
	LostReplies   int     `json:"lost_replies"`
	Kills         int     `json:"kills"`
	Lost          int     `json:"lost"`
	Wrong         int     `json:"wrong"`
	NotifiedTwice int     `json:"told_twice"`
	ChangedTwice  int     `json:"changed_twice"`
	DLQ           int     `json:"dlq"`
	Seconds       float64 `json:"seconds"`
	PeakBytes     int64   `json:"peak_bytes"`

	Seed       uint64         `json:"seed"`
	Poison     int            `json:"poison"` // messages that have to end in a dead-letter queue
	Refused    int            `json:"refused"`
	Slow       int            `json:"slow"`
	Partial    int            `json:"partial"`
	Sleepers   int            `json:"sleepers"` // processes that slept for longer than a lease
	Fenced     int            `json:"fenced"`   // times that one of those, awake again, was kept from a change
	Steps      int            `json:"steps"`
	Notices    int            `json:"notices"`
	Messages   int            `json:"messages"`
	Judged     int            `json:"judged"` // notices at an address: so many could have come twice
	Repeats    int            `json:"repeats"`
	Changes    int            `json:"changes"`
	Newer      int            `json:"newer"`   // rows to which a newer version added something
	Kept       int            `json:"kept"`    // writes of such rows that kept it
	Older      int            `json:"older"`   // rows of the form before there were schemas
	Alone      int            `json:"alone"`   // rows that a newer version alone may write
	Secrets    int            `json:"secrets"` // that there ever were
	TableBytes int            `json:"table_bytes"`
	HeapBytes  int64          `json:"heap_bytes"` // that are held in the end, and were not at first
	Down       map[string]int `json:"down"`       // calls that met an outage, by service
	Ledger     string         `json:"ledger"`     // sum of all that happened: the same for the same seed
}

// stormy is a bad day, all day.
var stormy = faults{
	throttle: 0.02, unavailable: 0.004, failed: 0.002, lost: 0.003, unsent: 0.002, partial: 0.05, slow: 0.001, asleep: 0.0004,
	killBefore: 0.0004, killAfter: 0.0004, duplicate: 0.2, reorder: 8, processes: 3, skew: 10 * time.Minute,
	newer: 0.01, older: 0.005, alone: 0.015,
}

// keptCalls is how many calls of an account and Region the local CloudTrail keeps. Of a million events it could not keep all.
const keptCalls = 5_000

func found(t *testing.T, seed uint64, o *oracle) *local.Organization {
	t.Helper()
	return foundWhere(t, seed, o, localaws.Behavior{})
}

// foundWhere founds an organization in an AWS that behaves in a way.
func foundWhere(t *testing.T, seed uint64, o *oracle, behavior localaws.Behavior) *local.Organization {
	t.Helper()
	w, stop, err := local.New(t.Context(), local.Options{Seed: seed, Behavior: behavior, History: keptCalls, Watch: local.Watcher{Record: o.record, Put: o.put}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return w
}

// bubble runs a test in virtual time, with a driver of an organization that was founded before.
func bubble(t *testing.T, w *local.Organization, seed uint64, f faults, o *oracle, run func(*testing.T, *driver)) {
	synctest.Test(t, func(t *testing.T) {
		w.Clock.Run()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d, err := newDriver(ctx, w, seed, f, o)
		if err != nil {
			t.Fatal(err)
		}
		if *trace {
			d.log = os.Stdout
			d.trace = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
		}
		run(t, d)
	})
}

func TestAStormEndsRight(t *testing.T) {
	var file io.Writer
	if *copied != "" {
		f, err := os.Create(*copied)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // a copy
		file = f
	}
	s := play(t, *howMany, *seed, file)
	var err error
	if line, err = json.Marshal(s); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", line)
}

// A storm of no events would end right whatever the code does.
func TestAStormOfNoEventsIsRefused(t *testing.T) {
	for _, n := range []string{"0", "-3", "many", ""} {
		out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$", "-events", n).CombinedOutput()
		ended, is := errors.AsType[*exec.ExitError](err)
		if !is || ended.ExitCode() != 2 || !strings.Contains(string(out), "-events") {
			t.Errorf("-events %q: %v\n%s", n, err, out)
		}
	}
}

// enough is how many events a storm has at least in which everything happens.
const enough = 1_000

// play lets a storm pass, and complains of what did not end right.
func play(t *testing.T, n int, seed uint64, file io.Writer) (s summary) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, seed) // ids of attempts and waits between them
	began := time.Now()
	o := newOracle()
	o.ledger = newLedger(file)
	w := found(t, seed, o)
	before := held(t)
	var parked []string
	bubble(t, w, seed, stormy, o, func(t *testing.T, d *driver) {
		p := &people{d: d, most: 200, every: 2 * time.Second, next: time.Now(), teams: append(d.teams(t, manyTeams), "team-payments", "team-search", "")}
		d.forgetful(t)
		d.storm(t, p, n)
		s = d.summary(t, p)
		s.HeapBytes = held(t) - before
		parked = d.parked(t)
	})
	s.Seconds, s.PeakBytes, s.Ledger = time.Since(began).Seconds(), peak(t), o.ledger.end()
	for _, f := range o.faults {
		t.Errorf("seed %d, %s", seed, f)
	}
	for _, service := range services {
		if n >= enough && s.Down[service] < leastMet {
			t.Errorf("seed %d: %d calls met the outage of %s", seed, s.Down[service], service)
		}
	}
	if n >= enough && min(s.Newer, s.Kept, s.Older, s.Alone) == 0 {
		t.Errorf("seed %d: of rows of other versions there were %d, %d, %d and %d", seed, s.Newer, s.Kept, s.Older, s.Alone)
	}
	if s.DLQ != s.Poison {
		t.Errorf("seed %d: %d messages in dead-letter queues, %d belong there; the others:\n%s", seed, s.DLQ, s.Poison, strings.Join(parked, "\n"))
	}
	return s
}

// The same seed is the same storm, call by call: what one run found, another finds again.
func TestASeedRepeatsAStorm(t *testing.T) {
	one, other := play(t, 300, 5, nil), play(t, 300, 5, nil)
	if one.Ledger != other.Ledger {
		t.Errorf("two runs of one seed differ: run each with -ledger FILE, and compare\n%+v\n%+v", one, other)
	}
	if one.Ledger == newLedger(nil).end() {
		t.Error("nothing was taken down")
	}
}

// Nothing of a storm goes on when it is over: no process, no connection, nothing of the local AWS. In make test it runs with the
// race detector.
func TestAStormLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("storm", func(t *testing.T) { play(t, 300, 9, nil) })
	goleak.VerifyNone(t, before)
}

// storm plays n events, and then lets all come to rest under a clear sky.
func (d *driver) storm(t *testing.T, p *people, n int) {
	outages := d.outages(time.Duration(n) * p.every)
	d.faults.down = d.during(outages)
	d.faults.still = func() bool {
		return slices.ContainsFunc(outages, func(o *outage) bool { return o.service == "sqs" && o.planned() })
	}
	idle := 20 * time.Millisecond
	for d.count.Events < n {
		if !time.Now().Before(p.next) {
			if err := p.work(); err != nil {
				t.Fatalf("%s: %v", d, err)
			}
		}
		if d.step() {
			idle = 20 * time.Millisecond
			if d.rng.IntN(50) == 0 {
				d.rest(time.Duration(d.rng.IntN(100)) * time.Millisecond)
			}
			continue
		}
		d.oracle.read(d.w.AWS.TakeMail())
		d.rest(min(idle, max(time.Until(p.next), time.Millisecond)))
		idle = min(idle*2, 2*time.Second)
	}
	down := d.faults.down
	d.clear()
	d.faults.down = down
	d.outlast(outages)
	d.faults.down = nil
	d.settle(4 * time.Hour)
	for range 12 { // what is broken comes five times before it is parked, to the sweep an hour and a half apart
		if d.w.AWS.Stats().InDLQ == p.poison {
			return
		}
		d.settle(30 * time.Minute)
	}
}

// clear ends all faults.
func (d *driver) clear() {
	d.faults = faults{processes: d.faults.processes, skew: d.faults.skew}
	d.setDelivery(d.faults)
}

func (d *driver) summary(t *testing.T, p *people) summary {
	t.Helper()
	bytes, err := d.oracle.judge(d)
	if err != nil {
		t.Fatal(err)
	}
	o, stats, c := d.oracle, d.w.AWS.Stats(), d.count
	return summary{Events: c.Events, Duplicates: stats.Duplicated, Throttles: c.Throttles, LostReplies: c.LostReplies, Kills: c.Kills,
		Lost: o.Lost, Wrong: o.Wrong, NotifiedTwice: o.NotifiedTwice, ChangedTwice: o.ChangedTwice, DLQ: stats.InDLQ,
		Seed: d.seed, Poison: p.poison, Refused: c.Refused, Slow: c.Slow, Partial: c.Partial, Sleepers: c.Sleepers, Fenced: c.Fenced, Steps: d.steps, Notices: o.Notices, Messages: o.Mails, Judged: len(o.arrived), Repeats: o.Repeats,
		Changes: o.Changes, Newer: d.versions.Newer, Kept: d.versions.Kept, Older: d.versions.Older, Alone: d.versions.Alone, Secrets: len(o.secrets), TableBytes: bytes, Down: c.Down}
}

// parked are the messages in dead-letter queues that do not belong there.
func (d *driver) parked(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.deployed)) {
		queue := d.queueOf(name + "-dlq")
		for {
			out, err := d.w.AWS.As("oracle.example.com", local.Hub, d.w.Home(), "sqs", "ReceiveMessage", map[string]any{"QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 43200})
			if err != nil {
				t.Fatal(err)
			}
			messages, _ := out["Messages"].([]any)
			if len(messages) == 0 {
				break
			}
			for _, one := range messages {
				m, _ := one.(map[string]any)
				if body := words(m, "Body"); body != broken {
					all = append(all, name+": "+body[:min(len(body), 300)]+d.deliveries.of(words(m, "MessageId")))
				}
			}
		}
	}
	return all
}

// held is how much memory is in use, in bytes; with a profile of what it is used for where one is asked for.
func held(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if *heap != "" {
		f, err := os.Create(*heap)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // a profile
		if err := pprof.WriteHeapProfile(f); err != nil {
			t.Fatal(err)
		}
	}
	return int64(m.HeapAlloc) //nolint:gosec // of one machine
}

// peak is the most memory that this process held at once, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not on Linux
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Fatalf("read peak memory: %v", err)
	}
	return kilobytes * 1024
}
