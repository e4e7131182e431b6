package trail_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

// BenchmarkDecode reads one envelope; beside it what encoding/json takes for the same bytes.
func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"create-secret-default-key", "decrypt-for-secrets-manager", "put-key-policy", "run-instances"} {
		line := []byte(readLine(b, name))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := trail.Decode(line); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json-map", func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				var event map[string]any
				if err := json.Unmarshal(line, &event); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-json-struct", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var event narrow
				if err := json.Unmarshal(line, &event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// narrow is the least that encoding/json could be asked for.
type narrow struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Detail struct {
		EventName        string `json:"eventName"`
		ResponseElements struct {
			ARN string `json:"arn"`
		} `json:"responseElements"`
	} `json:"detail"`
}

// BenchmarkRead streams a log file; the figure is per event.
func BenchmarkRead(b *testing.B) {
	source := &generator{head: `{"Records":[`, line: readLine(b, "create-secret-default-key"), between: ",", tail: "]}", left: b.N}
	b.SetBytes(int64(len(source.line)))
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	err := trail.Read(source, "generated", func(record trail.Record) error {
		n++
		return record.Err
	})
	if err != nil || n != max(b.N, 1) {
		b.Fatalf("%d of %d events, error %v", n, b.N, err)
	}
}

var _ io.Reader = (*generator)(nil)
