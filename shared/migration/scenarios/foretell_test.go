package scenarios_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
)

// scenarioFiles is the folder of the suite, of which there are at least fewestScenarios.
const (
	scenarioFiles   = "../../../testdata/migrations"
	fewestScenarios = 140
)

// envScenarios names another folder of scenarios to play: see `make scenarios`.
const envScenarios = "DOUBLELOCK_SCENARIOS"

func scenarios(t testing.TB) []scenario {
	t.Helper()
	dir, fewest := scenarioFiles, fewestScenarios
	if other := os.Getenv(envScenarios); other != "" {
		dir, fewest = other, 1
	}
	all, err := loadScenarios(dir)
	must(t, err)
	if len(all) < fewest {
		t.Fatalf("%d scenarios in %s, want at least %d", len(all), dir, fewest)
	}
	return all
}

// What the plan says of every reader is what happens when it reads: after the re-key, after the seal, and when the old
// key is gone. Each step is taken by plain API calls, so that nothing under test takes part in finding the truth.
func TestThePlanForetellsEveryReader(t *testing.T) {
	all := scenarios(t)
	names := map[string]string{}
	for i := range all {
		s := &all[i]
		if other := names[s.Sentence]; other != "" {
			t.Errorf("%s and %s have the same name", s.file, other)
		}
		names[s.Sentence] = s.file
		t.Run(strings.TrimSuffix(s.file, ".yaml"), func(t *testing.T) {
			t.Parallel()
			playScenario(t, s)
		})
	}
}

func playScenario(t *testing.T, s *scenario) {
	w := newTestbed(t, s, localaws.Faults{})
	w.settle()
	plan := w.plan() // before anybody is tried, who would be seen by that
	now := w.everybody()
	got, reason := outcomeOf(plan)
	if got != s.Expect.Plan || !strings.Contains(reason, s.Expect.Reason) {
		t.Errorf("the plan is %s: %q, want %s: %q", got, reason, s.Expect.Plan, s.Expect.Reason)
	}
	judged := w.judged(plan)
	w.compareVerdicts(judged)
	for name, r := range s.Readers {
		if r.Writes != "" && r.Wrote.Now && !r.Wrote.Rekeyed && got == safe && !judged[name].Accepted && !judged[name].Spared {
			t.Errorf("the plan said safe, and %s cannot write any more", name)
		}
	}
	w.compareTarget(plan)
	happened := w.happen(plan, now)
	want := map[string]truth{}
	for name, r := range s.Readers {
		want[name] = r.Reads.truth()
	}
	if diff := cmp.Diff(want, happened); diff != "" {
		t.Errorf("who reads (-file +truth):\n%s", diff)
	}
	w.breaksNobodyUnnamed(got, judged, happened)
}

func (w *testbed) compareVerdicts(judged map[string]migration.Reader) {
	w.Helper()
	want, got := map[string]string{}, map[string]string{}
	for name, r := range w.Readers {
		if r.Verdict != "" {
			want[name] = strings.TrimSpace(string(r.Verdict) + " " + string(r.Fix))
		}
	}
	for name, r := range judged {
		if of := w.Readers[name]; of.Class != "" && of.Class != r.Class || of.Until != "" && of.Until != r.Until.Format(time.DateOnly) {
			w.Errorf("%s is of class %s until %s, want %s until %q", name, r.Class, r.Until.Format(time.DateOnly), of.Class, of.Until)
		}
		got[name] = string(r.Verdict)
		if r.Fix != nil {
			got[name] += " " + string(r.Fix.Kind)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("verdicts (-file +plan):\n%s", diff)
		for _, name := range slices.Sorted(maps.Keys(judged)) {
			w.Logf("%s %v: %s %v", name, judged[name].Sources, judged[name].Why, judged[name].Missing)
		}
	}
}

func (w *testbed) compareTarget(p migration.Plan) {
	w.Helper()
	if w.Expect.Target != "" && (len(p.Items) == 0 || p.Items[0].Target != w.key(w.Expect.Target)) {
		w.Errorf("the target is not %s: %+v", w.Expect.Target, p.Items)
	}
}

// happen takes the steps as far as AWS lets them be taken, and tries every reader after each.
func (w *testbed) happen(p migration.Plan, now map[string]bool) map[string]truth {
	w.Helper()
	var rekeyed, sealed, gone map[string]bool
	target := w.key(w.Target)
	if w.Expect.Target != "" {
		target = w.key(w.Expect.Target)
	}
	switch w.Expect.Change {
	case "none":
		rekeyed = w.everybody()
		sealed, gone = rekeyed, rekeyed
	case "", "made", "silent":
		if got := w.rekey(target); got != "" {
			w.Fatalf("UpdateSecret is refused: %s", got)
		}
		if silent := !w.carries(target); silent != (w.Expect.Change == "silent") {
			w.Errorf("the versions carry the new key: %t", !silent)
		}
		rekeyed = w.everybody()
		w.compareWriters()
		w.seal(p)
		sealed = w.everybody()
		w.retire()
		gone = w.everybody()
	default:
		if got := w.rekey(target); got != w.Expect.Change {
			w.Errorf("UpdateSecret answers %q, want %q", got, w.Expect.Change)
		}
		rekeyed = w.everybody()
		sealed, gone = rekeyed, rekeyed
	}
	out := map[string]truth{}
	for name := range w.Readers {
		out[name] = truth{now[name], rekeyed[name], sealed[name], gone[name]}
	}
	return out
}

// compareWriters tries who writes after the re-key, which no second copy softens.
func (w *testbed) compareWriters() {
	w.Helper()
	for name, can := range w.writers() {
		if can != w.Readers[name].Wrote.Rekeyed {
			w.Errorf("%s writes after the re-key: %t", name, can)
		}
	}
}

// breaksNobodyUnnamed is what the whole is for: who reads today and would not any more is named by the plan, and
// nobody breaks where the plan said safe.
func (w *testbed) breaksNobodyUnnamed(plan outcome, judged map[string]migration.Reader, happened map[string]truth) {
	w.Helper()
	for name, is := range happened {
		verdict := judged[name].Verdict
		if !is.breaks() || w.Limit != "" {
			continue
		}
		if plan == safe && !judged[name].Accepted && !judged[name].Spared {
			w.Errorf("the plan said safe, and %s breaks: %+v", name, is)
		}
		if verdict != migration.Loses && verdict != migration.Unknown && judged[name].Until.IsZero() {
			w.Errorf("%s breaks, and the plan named it %q: %+v", name, verdict, is)
		}
	}
}

func TestAScenarioFileIsReadStrictly(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"an unknown field names file and line": {"name: x\nsecret:\n  kye: old\n", "[3:3] unknown field \"kye\""},
		"a reader says all four":               {"name: x\nexpect: {plan: safe}\nreaders: {app: {reads: {now: true}}}\n", "readers.app.reads: say now"},
		"a reason belongs to what is not safe": {"name: x\nexpect: {plan: unsafe}\n", "expect.reason"},
		"no name":                              {"expect: {plan: safe}\n", "no name"},
		"a plan that there is none of":         {"name: x\nexpect: {plan: maybe}\n", `expect.plan is "maybe"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readScenario("a.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "a.yaml") {
				t.Errorf("error %v, want a.yaml and %q", err, tt.want)
			}
		})
	}
}
