package scenarios_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Files that are not in this repository are played as those that are, and the exit code tells.
func TestAnyFolderOfScenariosIsPlayed(t *testing.T) {
	const keeps = `name: A reader keeps its access
keys: {new: {policy: [account]}}
target: new
secret: {}
readers: {app: {may: [read, decrypt], seen: true, verdict: keeps, reads: {now: true, rekeyed: true, sealed: true, gone: true}}}
expect: {plan: safe}
`
	program, err := os.Executable()
	must(t, err)
	for sentence, c := range map[string]struct {
		files map[string]string
		says  string // what it ends badly with; "": it ends well
	}{
		"right for the plan and for the machine": {map[string]string{"a.yaml": keeps}, ""},
		"wrong for the plan":                     {map[string]string{"a.yaml": strings.Replace(keeps, "{plan: safe}", "{plan: blocked, reason: no}", 1)}, "TestThePlanForetellsEveryReader/a"},
		"wrong for the machine":                  {map[string]string{"a.yaml": keeps + "drive: {ends: failed}\n"}, "TestTheMachineBreaksNobody/a"},
		"wrong where the job ends failed": {map[string]string{"a.yaml": strings.Replace(keeps, "[read, decrypt]", "[read]", 1) +
			"drive: {ends: failed}\n"}, "TestThePlanForetellsEveryReader/a"},
		"of which one cannot be read": {map[string]string{"a.yaml": keeps, "b.yaml": "nme: x\n"}, "b.yaml"},
		"that is empty":               {nil, "0 scenarios in "},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range c.files {
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
			run := exec.CommandContext(t.Context(), program, "-test.run", "TestThePlanForetellsEveryReader|TestTheMachineBreaksNobody")
			run.Env = append(os.Environ(), envScenarios+"="+dir, "CI=")
			out, err := run.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if (err == nil) != (c.says == "") || !strings.Contains(string(out), c.says) {
				t.Errorf("ends with %v, and says:\n%s\nwant %q", err, out, c.says)
			}
		})
	}
}
