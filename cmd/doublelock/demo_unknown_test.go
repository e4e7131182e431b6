package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/inventory"
)

// demoUnknownBefore is how many pairs of the demo the version before condition keys were declared did not know.
const demoUnknownBefore = 0

// The manual says how many pairs of a principal and a secret of the demo's organization are not known, and why each.
func TestTheManualSaysWhatIsNotKnownOfTheDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a demo")
	}
	t.Setenv("TMPDIR", t.TempDir())
	d := startDemo(t)
	environment := os.Environ()
	config := ""
	for d.lines.Scan() {
		for _, word := range strings.Fields(d.lines.Text()) {
			if name, value, set := strings.Cut(word, "="); set && strings.HasPrefix(name, "AWS_") && name != "AWS_PROFILE" {
				environment = append(environment, word)
				if name == "AWS_CONFIG_FILE" {
					config = filepath.Join(filepath.Dir(value), "doublelock.yaml")
				}
			}
		}
		if strings.Contains(d.lines.Text(), "doctor") {
			break
		}
	}
	if config == "" {
		t.Fatal("the demo has not said where its configuration is")
	}
	file := filepath.Join(t.TempDir(), "snapshot.json")
	take := exec.CommandContext(t.Context(), "doublelock", "inventory", "--config", config, "--out", file)
	take.Env = slices.Concat(environment, []string{"AWS_PROFILE=security"})
	if said, err := take.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	d.end(t, syscall.SIGTERM)
	raw, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	s, err := inventory.Load(raw)
	if err != nil {
		t.Fatal(err)
	}
	access := inventory.Prepare(s)
	open := 0
	var why []string
	for _, p := range s.Principals {
		can, err := access.Can(p.ARN)
		if err != nil {
			t.Fatal(err)
		}
		open += len(can.Open)
		for _, secret := range can.Unknown {
			r, err := access.Opens(p.ARN, secret)
			if err != nil {
				t.Fatal(err)
			}
			why = append(why, fmt.Sprintf("- %s before %s: %s\n", p.ARN, secret, r.Why()))
		}
	}
	if open < 10 {
		t.Errorf("%d pairs open: this shows nothing", open)
	}
	slices.Sort(why)
	manual.Compare(t, filepath.Join("..", "..", "docs", "unknown.md"), "demo", fmt.Sprintf(
		"Of %d pairs in the organization of `doublelock demo`, after its story, %d open; %d were unknown and %d are.\n%s",
		len(s.Principals)*len(s.Secrets), open, demoUnknownBefore, len(why), strings.Join(why, "")), *update)
}
