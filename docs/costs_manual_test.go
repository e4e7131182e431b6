package docs_test

import (
	"flag"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/docs/manual"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/operations.md")

func TestTheBillOfOneSecretByHand(t *testing.T) {
	e := Estate{Accounts: 1, Regions: 1, Secrets: 1, Changes: 10, KeyEvents: 90, Notices: 5, Sweeps: 100}
	want := map[string]float64{ // quantity a month, worked out by hand
		"Secrets Manager calls":              2*(100+10) + 100,
		"EventBridge, forwarded and our own": 10 + 90 + 5,
		"SQS":                                4*(100+10+100+64*730) + 5*657000,
		"Lambda requests":                    100 + 2*5 + 100 + 64*730,
		"DynamoDB reads":                     100 + 2*10 + 3*90 + 14*5 + 4*730*(1+18) + 60*730 + 8*60*730,
		"DynamoDB writes":                    30*5 + 100*(1+2),
		"CloudWatch alarms":                  29,
		"CloudWatch metrics":                 4,
		"CMK of the hub":                     1,
	}
	got := map[string]float64{}
	for _, c := range Bill(e) {
		if _, asked := want[c.What]; asked {
			got[c.What] = c.Count
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quantities (-by hand +bill):\n%s", diff)
	}
}

func TestAChargeIsItsQuantityTimesItsPrice(t *testing.T) {
	if got := (Charge{Count: 30_000, Per: 10_000, Price: 0.05}).USD(); math.Abs(got-0.15) > 1e-12 {
		t.Errorf("30,000 calls at 5 cents per 10,000 cost %v, want 0.15", got)
	}
}

func TestABillGrowsWithTheEstateAndSweepingLessSaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Typical(rapid.IntRange(1, 2000).Draw(t, "accounts"), rapid.IntRange(1, 20).Draw(t, "Regions"))
		more, seldom := e, e
		more.Secrets++
		seldom.Sweeps /= 6
		if Total(Bill(more)) <= Total(Bill(e)) {
			t.Error("another secret costs nothing")
		}
		if Total(Bill(seldom)) >= Total(Bill(e)) {
			t.Error("sweeping every six hours saves nothing")
		}
		for _, c := range Bill(e) {
			if c.USD() < 0 || math.IsNaN(c.USD()) || c.Why == "" {
				t.Errorf("charge %+v", c)
			}
		}
	})
}

func estates(change func(*Estate)) []Estate {
	var all []Estate
	for _, accounts := range []int{10, 100, 1000} {
		e := Typical(accounts, 4)
		change(&e)
		all = append(all, e)
	}
	return all
}

// The tables in the manual are these, so that their arithmetic cannot drift.
func TestTheManualShowsTheseCosts(t *testing.T) {
	manual.Compare(t, "operations.md", "costs", CostTable(estates(func(*Estate) {})), *update)
	seldom := CostTable(estates(func(e *Estate) { e.Sweeps = Hours / 6 }))
	var kept []string
	for line := range strings.Lines(seldom) {
		if strings.HasPrefix(line, "| a month") || strings.HasPrefix(line, "| ---") ||
			strings.HasPrefix(line, "| Secrets Manager") || strings.HasPrefix(line, "| **together**") {
			kept = append(kept, line)
		}
	}
	manual.Compare(t, "operations.md", "costs of a sweep every 6 hours", strings.Join(kept, ""), *update)
}
