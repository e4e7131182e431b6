package output_test

import (
	"io"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// BenchmarkStream prints rows as a replay does.
func BenchmarkStream(b *testing.B) {
	for name, width := range map[string]int{"pipe": 0, "terminal": 160} {
		b.Run(name, func(b *testing.B) {
			p := output.Printer{Stdout: io.Discard, Format: output.FormatTable, Width: width}
			rows := p.Stream([]string{"DECISION", "EVENT", "ACCOUNT", "REGION", "RULE", "RESOURCE", "ACTOR", "REASON"}, 14, 24, 12, 14, 26, 44, 28, 44)
			for b.Loop() {
				rows.Add("look_at_secret", "CreateSecret", "111122223333", "eu-central-1", "doublelock-secret-changes", "shop/payments/api-Ab3dEf", "ci-deploy/build-4711", "a secret was created")
			}
			if err := rows.Print(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
