package migrate

import (
	"testing"
	"time"
)

// WaitForTheHub sets for how long the hub is waited for, as long as a test runs.
func WaitForTheHub(t *testing.T, d time.Duration) {
	before := answerWithin
	answerWithin = d
	t.Cleanup(func() { answerWithin = before })
}
