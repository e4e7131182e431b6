package sandbox_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

func TestTheIDOfARunSaysWhenItBegan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		began := time.Unix(rapid.Int64Range(1767225600, 1767225600+60*365*24*3600).Draw(t, "began"), 0).UTC()
		run := sandbox.NewRun(began)
		if !run.Valid() || !run.Started().Equal(began.Truncate(time.Minute)) || sandbox.RunOf(run.Name("s")) != run {
			t.Fatalf("%s began at %s, not %s", run, run.Started(), began)
		}
		for age, young := range map[time.Duration]bool{0: true, time.Hour: true, sandbox.Lifetime + time.Minute: false, -sandbox.Lifetime - time.Minute: false} {
			if run.Young(began.Add(age)) != young {
				t.Errorf("after %s it is young: %t", age, !young)
			}
		}
	})
}
