package audit_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// Whatever stops with a key is in the list of the line that its incident prints, as it is printed.
func TestTheLineOfAnIncidentListsWhateverStops(t *testing.T) {
	w := playedOrganization(t)
	call := func(service, operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Search, w.Home(), service, operation, in)
	}
	key := call("kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)["Arn"].(string)
	for _, name := range []string{"p/one", "p/two"} {
		call("secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": "x", "KmsKeyId": key})
	}
	call("kms", "DisableKey", map[string]any{"KeyId": key})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	_, line := notify.Rest(guard.Notice{Kind: guard.NoticeIncident, Account: local.Search, Region: w.Home(), Resource: key})
	words, err := exec.CommandContext(t.Context(), "sh", "-c", `doublelock() { printf '%s\n' "$@"; }; `+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := runCommand(t, w, strings.Split(strings.TrimSuffix(string(words), "\n"), "\n")...)
	if code != command.Findings {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, name := range []string{"p/one", "p/two"} {
		listed := false
		for row := range strings.Lines(out) {
			listed = listed || strings.Contains(row, name) && strings.Contains(row, string(guard.SecretKeyUnusable))
		}
		if !listed {
			t.Errorf("%s is not listed by %s:\n%s", name, line, out)
		}
	}
}
