package main

import (
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/settings"
)

// worker is one handler as it is deployed: a queue, its dead-letter queue and a function that empties it.
type worker struct {
	Name        string // handlers/<name>, dist/<name>
	Does        string
	Timeout     time.Duration
	MemoryMB    int
	Concurrency int           // reserved: it always has so much and never more; Lambda takes 2 or more of a queue's function
	Batch       int           // items a call
	Gathers     time.Duration // for how long the queue's poller waits for a batch to fill; Lambda wants some for more than 10 items
	Enters      []string      // member roles it may take
	Scans       bool          // reads everything that is remembered
	Publishes   bool          // puts notices on the hub's bus
	Notifies    bool          // sends by every deployed channel
	Rules       rules         // what on the hub's bus fills its queue; nil is nothing
	Schedules   []schedule    // what starts it besides rules
}

// schedule puts a task into a worker's queue by the clock.
type schedule struct {
	Task string
	At   func(settings.Operations) string // EventBridge Scheduler expression, in UTC
}

// workers are the handlers of the hub. A handler is deployed by a row here.
var workers = []worker{
	{
		Name: "detect", Does: "looks at what an event points to and moves its record",
		Timeout: 60 * time.Second, MemoryMB: 256, Concurrency: 20, Batch: 10,
		Enters: settings.Enters("detect"), Publishes: true, Rules: forwarded,
	},
	{
		Name: "alert", Does: "notifies owners of what changed, once",
		Timeout: 30 * time.Second, MemoryMB: 256, Concurrency: 5, Batch: 10,
		Notifies: true, Rules: notices("Notices, to be sent", nil),
		Schedules: []schedule{
			{settings.TaskRollUp, func(settings.Operations) string { return "rate(1 minute)" }},
		},
	},
	{
		Name: "remediate", Does: "re-keys with the approved key and verifies it",
		Timeout: 120 * time.Second, MemoryMB: 256, Concurrency: 2, Batch: 1,
		Enters: settings.Enters("remediate"), Publishes: true,
		Rules: notices("Notices whose secret is to be re-keyed", map[string]any{"decision": map[string]any{"rekey": []bool{true}}}),
	},
	{
		Name: "operate", Does: "carries out what operators ask for: plans are recorded, applied, and secrets set back",
		Timeout: 120 * time.Second, MemoryMB: 256, Concurrency: 2, Batch: 1,
		Enters: settings.Enters("operate"), Publishes: true,
	},
	{
		Name: "sweep", Does: "finds what no event reported, lists what is still open, and takes migrations on",
		Timeout: 15 * time.Minute, MemoryMB: 512, Concurrency: 2, Batch: 1,
		Enters: settings.Enters("sweep"), Scans: true, Publishes: true,
		Schedules: []schedule{
			{settings.TaskSweep, func(o settings.Operations) string { return orElse(o.Sweep, "rate(1 hour)") }},
			{settings.TaskDigest, func(o settings.Operations) string { return orElse(o.Digest, "cron(0 8 ? * MON-FRI *)") }},
		},
	},
	{
		Name: "watchdog", Does: "sees readers that lose access and accounts that fall silent",
		Timeout: 5 * time.Minute, MemoryMB: 256, Concurrency: 5, Batch: 1,
		Enters: settings.Enters("watchdog"), Publishes: true, Rules: deniedReads,
		Schedules: []schedule{
			{settings.TaskHeartbeat, func(settings.Operations) string { return "rate(15 minutes)" }},
		},
	},
	{
		Name: "ledger", Does: "keeps who used which secret on which day, from reads that members forward",
		Timeout: 60 * time.Second, MemoryMB: 256, Concurrency: 2, Batch: 500, Gathers: 30 * time.Second,
		Rules: uses,
	},
}

// workersOf are those of a configuration.
func workersOf(c settings.Config) []worker {
	return slices.DeleteFunc(slices.Clone(workers), func(w worker) bool { return !c.Migration.Deploys(w.Name) })
}

func (w worker) id() string { return "doublelock-" + w.Name }

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
