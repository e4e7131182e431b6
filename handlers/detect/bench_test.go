package detect_test

import (
	"os"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// BenchmarkDecodeAndEvaluate is what one event costs besides the calls to AWS: from the bytes in the queue to the
// verdict of every control.
func BenchmarkDecodeAndEvaluate(b *testing.B) {
	raw, err := os.ReadFile("../../testdata/trail/events/create-secret-default-key.json")
	if err != nil {
		b.Fatal(err)
	}
	own := guard.Key{ARN: "arn:aws:kms:us-east-1:111122223333:key/1", Account: "111122223333", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	secret := guard.Secret{
		ARN: "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-abcdef", Account: "111122223333", Key: own,
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{own, {Manager: guard.ManagerAWS}}}},
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		change, err := trail.Decode(raw)
		if err != nil || change.Kind != trail.LookAtSecret {
			b.Fatal(change.Kind, err)
		}
		if len(guard.Evaluate(secret, guard.Standard{}, now)) == 0 {
			b.Fatal("no verdicts")
		}
	}
}
