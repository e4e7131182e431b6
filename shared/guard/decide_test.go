package guard_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Every lock state × mode × waiver has one row; the golden is the table people review.
func TestDecideHasOneRowForEveryCombination(t *testing.T) {
	var rows strings.Builder
	for _, state := range guard.States() {
		for _, mode := range guard.Modes() {
			for _, waived := range []bool{false, true} {
				d := guard.Decide(state, mode, waived)
				fmt.Fprintf(&rows, "%-8s %-9s waived=%-5t tag=%-5t retag=%-5t rekey=%-5t %s\n", state, mode, waived, d.Tag, d.Retag, d.Rekey, d.Reason)
			}
		}
	}
	golden(t, "testdata/decide.golden", rows.String())
}

func TestDecideNeverTouchesWhatItShouldNot(t *testing.T) {
	for _, state := range append(guard.States(), "", "nonsense") {
		for _, mode := range append(guard.Modes(), "", "nonsense") {
			for _, waived := range []bool{false, true} {
				d := guard.Decide(state, mode, waived)
				mayRekey := (state == guard.StateDefault || state == guard.StateDrifted) && mode == guard.ModeRemediate && !waived
				if d.Rekey != mayRekey {
					t.Errorf("Decide(%q, %q, %t).Rekey = %t, want %t", state, mode, waived, d.Rekey, mayRekey)
				}
				for _, c := range guard.Controls() {
					if waived && guard.Notified(guard.NoticeOpened, c.ID, d) {
						t.Errorf("Decide(%q, %q, waived) notifies of %s", state, mode, c.ID)
					}
				}
				if d.Tag && (state == guard.StateForeign || state == guard.StateUnknown) {
					t.Errorf("Decide(%q, %q, %t) tags what is foreign or unknown", state, mode, waived)
				}
				if mayRetag := (mode == guard.ModeNotify || mode == guard.ModeRemediate) && !d.Tag && state != guard.StateForeign; d.Retag != mayRetag {
					t.Errorf("Decide(%q, %q, %t).Retag = %t, want %t", state, mode, waived, d.Retag, mayRetag)
				}
				if d.Reason == "" {
					t.Errorf("Decide(%q, %q, %t) gives no reason", state, mode, waived)
				}
			}
		}
	}
}

// Every kind of notice × control × decision × mode is asked; the golden is the table people review.
func TestWhoIsNotifiedIsDecidedForEveryCombination(t *testing.T) {
	var rows strings.Builder
	for _, kind := range append(guard.NoticeKinds(), "", "nonsense") {
		for _, control := range []guard.ControlID{"", guard.SecretDefaultKey, guard.SecretForeignKey, guard.KeyNeeded, guard.OrgCoverage, guard.OrgStorage} {
			var yes, no []string
			for _, mode := range append(guard.Modes(), "", "nonsense") {
				for _, d := range []guard.Decision{{}, {Rekey: true}, {Waived: true}, {Waived: true, Rekey: true}} {
					d.Mode = mode
					asked := fmt.Sprintf("mode %q waived %t rekey %t", mode, d.Waived, d.Rekey)
					if guard.Notified(kind, control, d) {
						yes = append(yes, asked)
					} else {
						no = append(no, asked)
					}
				}
			}
			when := strings.Join(yes, "; ")
			switch {
			case len(no) == 0:
				when = "always"
			case len(yes) == 0:
				when = "never"
			}
			fmt.Fprintf(&rows, "%-18s %-11s %s\n", kind, control, when)
		}
	}
	golden(t, "testdata/notified.golden", rows.String())
}

func TestADigestOfNothingIsForNobody(t *testing.T) {
	n := guard.Notice{Kind: guard.NoticeDigest}
	if n.Notified() {
		t.Error("an empty digest notifies somebody")
	}
	n.Open = []guard.Notice{{}}
	if !n.Notified() {
		t.Error("a digest notifies nobody")
	}
}

func TestParseModeNamesTheChoices(t *testing.T) {
	for _, m := range guard.Modes() {
		if got, err := guard.ParseMode(string(m)); err != nil || got != m {
			t.Errorf("ParseMode(%q) = %q, %v", m, got, err)
		}
	}
	_, err := guard.ParseMode("enforce")
	if err == nil || !strings.Contains(err.Error(), "observe, notify or remediate") {
		t.Errorf("ParseMode(enforce) = %v, want the choices", err)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
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
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
