package scp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/simulate"
)

// The rows of the ways around, and of the honest calls, that this test is about.
const (
	createNamed, moveNamed = "create with the managed key's own ARN", "move to the managed key's own ARN"
	moveEmpty              = `move by an empty key ("")`
	withReplica, replica   = "create with a replica that names no key", "add a replica that names no key"
	newValue, ofRDS        = "new value of a secret that is still on the managed key", "a secret that RDS creates and owns"
)

// rowsOf are the rows that a question is about.
var rowsOf = map[string][]string{
	conformance.ChoiceNamed:   {createNamed, moveNamed},
	conformance.ChoiceEmpty:   {moveEmpty},
	conformance.ChoiceReplica: {withReplica, replica},
	conformance.ChoiceWrite:   {newValue, ofRDS},
	conformance.LayerCreate:   {ofRDS},
	conformance.LayerEmpty:    {moveEmpty},
	conformance.LayerSCP:      {moveEmpty},
	conformance.LayerReplica:  {withReplica, replica},
}

// A way to the AWS managed key follows the question about exactly that way, and is closed by no other and by no answer that nobody
// here knows.
func TestAWayAroundIsAsClosedAsItsOwnQuestionSays(t *testing.T) {
	settings := map[simulate.Layer]string{simulate.Trials: "denyDefaultKey: true", simulate.Uses: "backlogMigrated: true"}
	for _, a := range asked {
		base := passages(t, settings[a.Layer], refusedBut(a.Layer, conformance.Result{}))
		for name, tt := range map[string]struct {
			said   conformance.Result
			choice policy.Answer // of the rows, by doublelock-choice
			layer  policy.Answer // by doublelock-kms
		}{
			"it passes":                       {conformance.Result{Answer: conformance.Passes, Verdict: conformance.Differs}, policy.Allowed, policy.Allowed},
			"a verdict that nobody knows":     {conformance.Result{Answer: conformance.Refused, Verdict: "partly"}, policy.Unknown, policy.Unknown},
			"an answer that nobody knows":     {conformance.Result{Answer: "maybe", Verdict: conformance.Differs}, policy.Unknown, policy.Unknown},
			"it was not answered":             {conformance.Result{Verdict: conformance.Unanswered, Reason: conformance.NotPermitted}, policy.Unknown, policy.ExplicitlyDenied},
			"the report has no such question": {conformance.Result{Question: "kms.other"}, policy.Unknown, policy.ExplicitlyDenied},
		} {
			t.Run(a.Question+"/"+name, func(t *testing.T) {
				if tt.said.Question == "" {
					tt.said.Question = a.Question
				}
				report := refusedBut(a.Layer, tt.said)
				report.Results = slices.DeleteFunc(report.Results, func(r conformance.Result) bool { return r.Question == a.Question && tt.said.Question != a.Question })
				for row, got := range passages(t, settings[a.Layer], report) {
					want := base[row].Answer
					own := slices.Contains(rowsOf[a.Question], row)
					switch {
					case own && a.Layer == simulate.Trials:
						want = tt.choice
						if a.Way == simulate.ByWrite && want == policy.Unknown && tt.said.Verdict != "partly" && tt.said.Answer != "maybe" {
							want = policy.Allowed // as is documented
						}
					case own && a.Way == simulate.ByEmpty && tt.said.Answer == "": // two questions ask
						want = policy.ExplicitlyDenied
					case own && a.Way == simulate.ByEmpty:
						want = policy.Unknown
					case own:
						want = tt.layer
					case a.Layer == simulate.Uses && tt.said.Answer == conformance.Passes && slices.Contains([]string{createNamed, moveNamed, newValue}, row):
						want = policy.Unknown // nobody asked about that way
					}
					if row == ofRDS && a.Layer == simulate.Trials {
						want = policy.Unknown // whether a new secret that names no key is tried, nobody asks
					}
					if row == moveEmpty && want == policy.Allowed {
						want = policy.Unknown // for another reason: which condition keys an empty key has
					}
					if got.Answer != want {
						t.Errorf("%s: %s (%s), want %s", row, got.Answer, got.Note, want)
					}
					if got.Answer != base[row].Answer && tt.said.Question == a.Question && !strings.Contains(got.Note, a.Question) && tt.said.Answer != "" {
						t.Errorf("%s: the note names no question: %s", row, got.Note)
					}
				}
			})
		}
	}
}

// A report that says that the KMS layer passes outranks what is documented.
func TestWhatTheReportSaysPassesIsNotCalledClosed(t *testing.T) {
	report := conformance.Report{Format: 1, Against: conformance.AWS, Partition: "aws"}
	for _, a := range asked {
		if a.Layer == simulate.Uses {
			report.Results = append(report.Results, conformance.Result{Question: a.Question, Answer: conformance.Passes, Verdict: conformance.Differs})
		}
	}
	got := passages(t, "backlogMigrated: true", report)
	for row, want := range map[string]policy.Answer{createNamed: policy.Unknown, moveNamed: policy.Unknown, newValue: policy.Unknown,
		moveEmpty: policy.Unknown, withReplica: policy.Allowed, replica: policy.Allowed, ofRDS: policy.Allowed} {
		if got[row].Answer != want || !strings.Contains(got[row].Note, "kms.layer.") {
			t.Errorf("%s: %s (%s), want %s and the question", row, got[row].Answer, got[row].Note, want)
		}
	}
}

// Every question about the two layers has its way.
func TestEveryQuestionAboutTheManagedKeyHasItsWay(t *testing.T) {
	for _, q := range conformance.Questions() {
		about := strings.HasPrefix(q.ID, "kms.choice.") || strings.HasPrefix(q.ID, "kms.layer.") || q.ID == conformance.LayerSCP
		if has := slices.ContainsFunc(asked, func(a simulate.Answer) bool { return a.Question == q.ID }); has != about || about && rowsOf[q.ID] == nil {
			t.Errorf("%s: a way %t, want %t", q.ID, has, about)
		}
	}
}

// refusedBut is a report in which everything about a layer is refused but for one question.
func refusedBut(of simulate.Layer, but conformance.Result) conformance.Report {
	r := conformance.Report{Format: 1, Against: conformance.AWS, Partition: "aws"}
	for _, a := range asked {
		switch {
		case a.Question == but.Question:
			r.Results = append(r.Results, but)
		case a.Layer == of:
			r.Results = append(r.Results, conformance.Result{Question: a.Question, Answer: conformance.Refused, Verdict: conformance.Agrees})
		}
	}
	if len(r.Results) == 0 || but.Question == "kms.other" {
		r.Results = append(r.Results, conformance.Result{Question: "kms.other", Answer: "x", Verdict: conformance.Differs})
	}
	return r
}

// passages are the ways around and the honest calls with a stage's setting and a report, by name.
func passages(t *testing.T, setting string, report conformance.Report) map[string]passageJSON {
	t.Helper()
	dir := t.TempDir()
	sample, err := os.ReadFile("../../../testdata/config/sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(sample), "backlogMigrated: false", setting, 1)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"doublelock.yaml": config, "report.json": string(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, _ := commandtest.Line{New: New}.Run(t, "scp", "simulate", "--config", filepath.Join(dir, "doublelock.yaml"), "--conformance", filepath.Join(dir, "report.json"),
		"--trail", "../../../testdata/trail/events/create-secret-default-key.json", "-o", "json")
	var found simulatedJSON
	if err := json.Unmarshal([]byte(stdout), &found); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	all := map[string]passageJSON{}
	for _, p := range slices.Concat(found.Bypasses, found.Honest) {
		all[p.Name] = p
	}
	return all
}
