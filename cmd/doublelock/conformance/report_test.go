package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A report replaces an earlier one, and nothing that is worth more.
func TestAReportReplacesNothingThatIsWorthMore(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	whole := `{"format":1,"against":"%s","results":[{"question":"kms.disabled.read","answer":"decryption-failure","verdict":"agrees"}]}`
	for name, text := range map[string]string{"aws.json": fmt.Sprintf(whole, "AWS"), "local.json": fmt.Sprintf(whole, "localaws"), "notes.txt": "mine", "beside.md": "mine"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"--report aws.json":                                "aws.json is a report of AWS, and would be overwritten; name another file",
		"--behavior local.json --report local.json":        "local.json is the report that --behavior follows, and would be overwritten; name another file",
		"--report notes.txt":                               "notes.txt is no report, and would be overwritten; name another file",
		"--report beside.json":                             "beside.md is no report, and would be overwritten; name another file",
		"--report local.json --question kms.trailing-days": "",
		"--report fresh.json --question kms.trailing-days": "",
	} {
		for range 2 { // the second report replaces the first
			_, stderr, code := run(t, append([]string{"--against", "localaws"}, strings.Fields(line)...)...)
			if want == "" && code != 0 || want != "" && (code != 1 || stderr != "doublelock: conformance: --report: "+want+"\n") {
				t.Errorf("%s: exit code %d: %s", line, code, stderr)
			}
		}
	}
	for name, want := range map[string]string{"aws.json": fmt.Sprintf(whole, "AWS"), "notes.txt": "mine", "beside.md": "mine"} {
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s: %v, %s", name, err, text)
		}
	}
	if _, err := os.Stat("beside.json"); err == nil {
		t.Error("beside.json was written")
	}
}
