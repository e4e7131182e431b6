package demo_test

import (
	"io"
	"os"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// BenchmarkDemo plays the whole story: SDK, HTTP, IAM, rules, queues and handlers. It reports CloudTrail events handled
// per second, end to end.
func BenchmarkDemo(b *testing.B) {
	events := 0
	for b.Loop() {
		env := &command.Env{Printer: output.New(io.Discard, io.Discard, os.Getenv)}
		env.Format = output.FormatJSON
		b.StopTimer() // founding the organization and deploying into it is not the work of an event
		play, stop, err := demo.Prepare(b.Context(), env, 1)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		handled, err := play(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		stop()
		events += handled
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
