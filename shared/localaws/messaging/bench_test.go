package messaging_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/localaws"
)

// BenchmarkPipeline carries events from PutEvents over a rule and a queue to a function; one op is one event.
func BenchmarkPipeline(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%d waiting", n), func(b *testing.B) {
			c := newCloud(b, localaws.Faults{})
			seen := 0
			c.pipeline(b, func(_ context.Context, payload []byte) ([]byte, error) {
				ns, _ := numbers(b, payload)
				seen += len(ns)
				return nil, nil
			})
			entries := make([]map[string]string, 10)
			for i := range entries {
				entries[i] = map[string]string{"Source": "test", "DetailType": "Test", "Detail": fmt.Sprintf(`{"n":%d}`, i)}
			}
			b.ResetTimer()
			for put := 0; put < b.N; {
				for range n / len(entries) {
					if _, err := c.As("bench", hub, home, "events", "PutEvents", map[string]any{"Entries": entries}); err != nil {
						b.Fatal(err)
					}
					put += len(entries)
				}
				c.settle(b)
			}
			if seen < b.N {
				b.Fatalf("%d of %d events arrived", seen, b.N)
			}
		})
	}
}
