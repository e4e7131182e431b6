package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func everyControl() []guard.Control {
	all := append(guard.Controls(), guard.KeyControls()...)
	return append(all, guard.CoverageControl(), guard.StorageControl())
}

// docs/controls.md is written from the controls; run with -update after changing one.
func TestControlsAreDocumented(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "controls.md")
	got := controlsPage()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/controls.md is not what the controls say:\n%s", diff)
	}
}

func controlsPage() string {
	var b strings.Builder
	b.WriteString(`# Controls

<!-- Written by go test ./shared/guard -update from the controls in the code; change those. -->

A finding is a control that one secret or key fails. ` + "`DL.SECRET.*`" + ` is judged whenever a secret changes, ` + "`DL.KEY.*`" + ` by
` + "`doublelock keys review`" + ` on a snapshot of the organization, ` + "`DL.ORG.*`" + ` is about the guard itself. What could not be read is
"unknown", which never counts as passed.

| control | severity | what it finds |
| --- | --- | --- |
`)
	for _, c := range everyControl() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", c.ID, strings.ToLower(strings.ReplaceAll(string(c.ID), ".", "")), c.Severity, c.Title)
	}
	for _, c := range everyControl() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s** (%s)\n\n- **Why.** %s\n- **Fix.** %s\n", c.ID, c.Title, c.Severity, c.Why, c.Fix)
	}
	b.WriteString("\n## Mapping\n\nRequirements for which a control gives evidence. Passing a control meets none of them by itself: scope, process and\npeople are yours to show.\n\n| control |")
	for _, f := range guard.Frameworks() {
		fmt.Fprintf(&b, " %s |", f)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(guard.Frameworks())) + "\n")
	for _, c := range everyControl() {
		fmt.Fprintf(&b, "| %s |", c.ID)
		for _, f := range guard.Frameworks() {
			fmt.Fprintf(&b, " %s |", strings.Join(guard.Requirements(c.ID)[f], ", "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestEveryControlIsWhole(t *testing.T) {
	seen := map[guard.ControlID]bool{}
	for _, c := range everyControl() {
		if seen[c.ID] {
			t.Errorf("%s appears twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || c.Why == "" || c.Fix == "" || c.Severity == "" {
			t.Errorf("%s says too little: %+v", c.ID, c)
		}
		for _, f := range guard.Frameworks() {
			if len(guard.Requirements(c.ID)[f]) == 0 {
				t.Errorf("%s: no requirement of %s", c.ID, f)
			}
		}
	}
}
