package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/policy"
)

// runPolicyTest runs "policy test" on text from standard input and returns the exit code.
func runPolicyTest(t *testing.T, text string, args ...string) (code int, stderr string) {
	t.Helper()
	_, stderr, code = commandtest.Line{New: policy.New, Stdin: text}.Run(t, append([]string{"policy", "test"}, args...)...)
	return code, stderr
}

func policyCase(expected string) string {
	return `[{"name":"c","request":{"action":"a:B","resource":{"resource":"*"},"principal":"arn:aws:iam::111122223333:user/ana"},"expected":{"response":"` + expected + `"}}]`
}

func TestPolicyTestExitCodes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"all pass":                    {policyCase("ImplicitlyDenied"), 0},
		"one fails":                   {policyCase("Allowed"), 2},
		"one is malformed":            {policyCase("Perhaps"), 1},
		"the file is torn":            {"[{", 1},
		"there is nothing to run":     {"[]", 1},
		"the file is no list":         {"\"text\"", 1},
		"YAML from standard input":    {"name: c\nrequest: {action: 'a:B', resource: {resource: '*'}, principal: '*'}\nexpected: {response: ImplicitlyDenied}\n", 0},
		"YAML in braces":              {"{name: c, request: {action: 'a:B', resource: {resource: '*'}, principal: '*', context: {aws:RequestedRegion: [x]}}, expected: {response: ImplicitlyDenied}}", 0},
		"a list under the name cases": {`{"cases":` + policyCase("ImplicitlyDenied") + `}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, stderr := runPolicyTest(t, test.text, "-"); code != test.want {
				t.Errorf("exit code %d, want %d\n%s", code, test.want, stderr)
			}
		})
	}
}

func TestPolicyTestReportThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "no", "such", "folder.xml")
	code, stderr := runPolicyTest(t, policyCase("ImplicitlyDenied"), "-", "--junit", report)
	if code != command.Failure || !strings.Contains(stderr, "write JUnit report") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, err := os.Stat(report); err == nil {
		t.Error("a report was written")
	}
}
