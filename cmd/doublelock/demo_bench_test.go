package main

import (
	"bytes"
	"testing"
	"time"
)

// BenchmarkDemo plays the whole story: SDK, HTTP, IAM, rules, queues and handlers. It reports CloudTrail events handled
// per second, end to end.
func BenchmarkDemo(b *testing.B) {
	events := 0
	for b.Loop() {
		env := &environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: time.Now, output: "json"}
		c := newClock()
		r := newReporter(newTimeline(env, c.Now, accountNames()))
		b.StopTimer() // founding the organization and deploying into it is not the work of an event
		w, stop, err := newWorld(b.Context(), 1, c, c.Now, r.watcher())
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := play(b.Context(), w, r); err != nil {
			b.Fatal(err)
		}
		stop()
		events += r.looked
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
