package policy

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

// print writes the results of one file as they come, what is malformed to standard error.
func (t *policyTest) print(env *command.Env, file caseFile) error {
	for _, r := range file.Results {
		if t.quiet && r.Passed {
			continue
		}
		if err := printResult(env, file.Name, r); err != nil {
			return err
		}
	}
	for _, problem := range file.Malformed {
		fmt.Fprintln(env.Stderr, "doublelock: policy test:", output.Printable(fmt.Sprintf("%s: %s", file.Name, problem)))
	}
	return nil
}

func printResult(env *command.Env, file string, r policytest.Result) error {
	if env.AsJSON() {
		return env.JSON(policyLineOf(file, r))
	}
	mark := "pass"
	if !r.Passed {
		mark = "FAIL"
	}
	_, err := fmt.Fprintf(env.Stdout, "%s  %s\n      %s\n", mark, output.Printable(r.Name), output.Printable(r.Explanation()))
	for _, note := range r.Decision.Notes {
		fmt.Fprintf(env.Stdout, "      note: %s\n", output.Printable(note))
	}
	return err
}

// policyLine is one case in -o json.
type policyLine struct {
	File       string            `json:"file"`
	Index      int               `json:"index"`
	Name       string            `json:"name"`
	Passed     bool              `json:"passed"`
	Expected   policy.Answer     `json:"expected"`
	Answer     policy.Answer     `json:"answer"`
	Why        string            `json:"why"`
	Decided    []policyStatement `json:"decided,omitempty"`
	Missing    []string          `json:"missing,omitempty"`
	Unreadable []string          `json:"unreadable,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
}

// policyStatement is a statement, or a grant, that decided.
type policyStatement struct {
	Type     policy.Type   `json:"place"`
	Document string        `json:"document,omitempty"`
	Level    int           `json:"level,omitempty"`
	Index    int           `json:"index"`
	Sid      string        `json:"sid,omitempty"`
	Effect   policy.Effect `json:"effect"`
	Grant    string        `json:"grant,omitempty"`
}

func policyLineOf(file string, r policytest.Result) policyLine {
	line := policyLine{
		File: file, Index: r.Index, Name: r.Name, Passed: r.Passed, Expected: r.Expected, Answer: r.Decision.Answer,
		Why: r.Decision.Why, Missing: r.Decision.Missing, Unreadable: r.Decision.Unreadable, Notes: r.Decision.Notes,
	}
	for _, s := range r.Decision.Decided {
		line.Decided = append(line.Decided, policyStatement{
			Type: s.Type, Document: s.Document, Level: s.Level, Index: s.Index, Sid: s.SID, Effect: s.Effect, Grant: s.Grant,
		})
	}
	return line
}

// The elements of a JUnit report, as CI systems read them.
type (
	junitReport struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

func writeJUnit(env *command.Env, path string, files []caseFile) error {
	var report junitReport
	for i := range files {
		report.Suites = append(report.Suites, junitSuiteOf(&files[i], env.Now()))
	}
	text, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode JUnit report: %w", err)
	}
	text = append([]byte(xml.Header), append(text, '\n')...)
	if err := env.WriteFile(path, text); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	return nil
}

func junitSuiteOf(file *caseFile, now time.Time) junitSuite {
	suite := junitSuite{
		Name: file.Name, Tests: len(file.Results) + len(file.Malformed), Failures: file.failures(), Errors: len(file.Malformed),
		Timestamp: now.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, r := range file.Results {
		c := junitCase{Name: r.Name, Class: file.Name}
		if r.Passed {
			c.Output = r.Explanation()
		} else {
			c.Failure = &junitMessage{Message: r.Explanation()}
		}
		suite.Cases = append(suite.Cases, c)
	}
	for _, problem := range file.Malformed {
		suite.Cases = append(suite.Cases, junitCase{Name: "malformed", Class: file.Name, Error: &junitMessage{Message: problem.Error()}})
	}
	return suite
}
