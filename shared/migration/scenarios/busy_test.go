package scenarios_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/migration"
)

// mostCalls is what one visit of a job may ask of the account of its secret, whatever is recorded there. The hub's own table and bus do
// not count, nor does the organization, which all jobs of a sweep ask for together.
const mostCalls = 50

// A secret that was read more often since the plan than a visit reads of CloudTrail waits, says of which time its users are not known,
// costs each visit no more than another secret, and moves when all was read.
func TestASecretThatIsReadAllTheTimeWaitsAndCostsAVisitNoMoreThanAnother(t *testing.T) {
	w := newStage(t, oneReader())
	m := w.migrations(nil)
	snapshot, err := m.Snapshots.Take(w.Context())
	must(t, err)
	f, err := m.Facts(w.Context(), snapshot, nil)
	must(t, err)
	p, err := migration.Make(f, w.secret)
	must(t, err)
	_, err = m.Engine.Start(w.Context(), p.Items[0], p.ID, p.Rules)
	must(t, err)
	for range 1200 {
		w.advance(10 * time.Second)
		if _, err := w.aws.AsPrincipal(shop, "role/app/task", region, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": w.secret}); err != nil {
			t.Fatal(err)
		}
	}
	calls := map[string]int{}
	w.aws.Lock()
	w.aws.Options.Faults.Down = func(c *core.Call) bool {
		if !slices.Contains([]string{"dynamodb", "events", "organizations"}, c.Service) {
			calls[c.Service+":"+c.Operation]++
		}
		return false
	}
	w.aws.Unlock()
	visit := func(want migration.Phase) migration.Job {
		t.Helper()
		clear(calls)
		j := w.visit(want)
		sum := 0
		for _, n := range calls {
			sum += n
		}
		if sum == 0 || sum >= mostCalls {
			t.Errorf("a visit that ends %s: %d calls, want less than %d: %v", want, sum, mostCalls, calls)
		}
		return j
	}
	for range 3 { // 24 pages, ten a visit with those of the last minutes
		if j := visit(migration.Planned); !strings.Contains(j.Reason, "who used it between 2026-11-21T") {
			t.Errorf("it waits because %q", j.Reason)
		}
		w.advance(time.Minute)
	}
	visit(migration.Observing)
}
