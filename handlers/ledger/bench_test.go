package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// A batch of reads that were noted today already, as nearly all are.
func BenchmarkReadsOfABusySecret(b *testing.B) {
	h, _ := handler()
	var batch events.SQSEvent
	for i := range 500 {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: read(fmt.Sprint("app-", i%3), at.Add(time.Duration(i)*time.Second), "")})
	}
	for b.Loop() {
		if answer, err := h.Handle(b.Context(), batch); err != nil || len(answer.BatchItemFailures) > 0 {
			b.Fatal(answer, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Records)), "ns/read")
}
