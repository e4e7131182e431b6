package sweep_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

func quarantined(name, kind, account string) store.Quarantined {
	return store.Quarantined{Copy: name, At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		Unreadable: store.Unreadable{Kind: kind, Group: account, ID: arn(account, "db"), Reason: "its body is not JSON"}}
}

// kinds are those of what was published about rows.
func kinds(h *fakeHub) []guard.NoticeKind {
	var all []guard.NoticeKind
	for _, n := range h.published {
		if n.Finding != nil && n.Finding.Control == guard.OrgStorage {
			all = append(all, n.Kind)
		}
	}
	return all
}

func TestARowThatCannotBeReadIsAFindingUntilItReadsAgain(t *testing.T) {
	h := newFakeHub()
	h.accounts = []string{"111122223333"}
	h.records = []guard.Record{record("111122223333", "other")}
	h.unreadable = []store.Unreadable{quarantined("c0ffee", store.KindRecord, "111122223333").Unreadable}
	h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
	h.originals = map[string]store.Original{"c0ffee": {There: true, Unreadable: &h.unreadable[0]}}
	for range 2 { // the second sweep has nothing new to say
		if handle(t, t.Context(), h, task(sweep.TaskSweep)) {
			t.Fatal("the sweep ended at the row")
		}
	}
	if got := kinds(h); !slices.Equal(got, []guard.NoticeKind{guard.NoticeOpened}) {
		t.Fatalf("published %v", got)
	}
	n := h.published[0]
	wantARN := "arn:aws:dynamodb:" + region + ":" + hub + ":table/doublelock/row/c0ffee"
	if n.Resource != wantARN || n.Account != hub || !n.Notified() || n.Finding.Subject.Row == nil || n.Finding.Subject.Row.Blocks || !strings.Contains(n.Describe(), "its body is not JSON") {
		t.Errorf("notice %+v", n)
	}
	if owner := h.handler().Directory.Resolve(n); owner.Route != "security" {
		t.Errorf("it goes to %+v", owner)
	}
	for _, name := range []string{"db", "other"} { // the secret of the row too, and after it the rest
		if !slices.Contains(h.looked, arn("111122223333", name)) {
			t.Errorf("%s was not looked at: %v", name, h.looked)
		}
	}
	h.unreadable, h.originals = nil, map[string]store.Original{"c0ffee": {There: true, Revision: 1}}
	for range 2 {
		handle(t, t.Context(), h, task(sweep.TaskSweep))
	}
	if got := kinds(h); !slices.Equal(got, []guard.NoticeKind{guard.NoticeOpened, guard.NoticeResolved}) || h.quarantined[0].End != store.EndedReads {
		t.Errorf("published %v, the copy %+v", got, h.quarantined[0])
	}
}

func TestARowThatWasMadeAnewBeforeTheSweepIsNotifiedOfAllTheSame(t *testing.T) {
	h := newFakeHub()
	h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
	h.originals = map[string]store.Original{"c0ffee": {There: true, Revision: 1}}
	for range 3 {
		handle(t, t.Context(), h, task(sweep.TaskSweep))
	}
	if got := kinds(h); !slices.Equal(got, []guard.NoticeKind{guard.NoticeOpened, guard.NoticeResolved}) {
		t.Errorf("published %v", got)
	}
}

func TestAJobThatCannotBeReadSaysThatItBlocks(t *testing.T) {
	h := newFakeHub()
	secret := arn("111122223333", "db")
	h.quarantined = []store.Quarantined{quarantined("c0ffee", migration.DocumentKind, "111122223333")}
	h.originals = map[string]store.Original{"c0ffee": {There: true, Revision: 2, Body: []byte(`{"secret":"` + secret + `"}`)}} // JSON, and no job
	for range 2 {
		handle(t, t.Context(), h, task(sweep.TaskSweep))
	}
	if got := kinds(h); len(got) != 1 || !h.published[0].Finding.Subject.Row.Blocks || !strings.Contains(h.published[0].Describe(), "set back until it is repaired") {
		t.Fatalf("published %v", h.published)
	}
	h.originals["c0ffee"] = store.Original{There: true, Revision: 3, Body: []byte(`{"secret":"` + secret + `","phase":"planned"}`)}
	handle(t, t.Context(), h, task(sweep.TaskSweep))
	if got := kinds(h); len(got) != 2 || got[1] != guard.NoticeResolved {
		t.Errorf("published %v", got)
	}
}

func TestARowThatSomebodyMendedResolves(t *testing.T) {
	for _, how := range []string{store.EndedRestored, store.EndedDiscarded} {
		h := newFakeHub()
		h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
		h.originals = map[string]store.Original{}
		handle(t, t.Context(), h, task(sweep.TaskSweep))
		if err := h.End(t.Context(), "c0ffee", how); err != nil {
			t.Fatal(err)
		}
		handle(t, t.Context(), h, task(sweep.TaskSweep))
		if got := kinds(h); !slices.Equal(got, []guard.NoticeKind{guard.NoticeOpened, guard.NoticeResolved}) {
			t.Errorf("%s: published %v", how, got)
		}
		h.quarantined[0].EndedAt = time.Time{} // the same row breaks again
		handle(t, t.Context(), h, task(sweep.TaskSweep))
		if got := kinds(h); len(got) != 3 || got[2] != guard.NoticeOpened {
			t.Errorf("%s, and broken again: published %v", how, got)
		}
	}
}

func TestAWaiverCoversARow(t *testing.T) {
	h := newFakeHub()
	h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
	swept := h.handler()
	swept.Waivers = []guard.Waiver{{Control: guard.OrgStorage, Resource: "arn:aws:dynamodb:*", Expires: swept.Now().Add(time.Hour)}}
	if err := swept.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kinds(h); len(got) != 1 || got[0] != guard.NoticeWaived || h.published[0].Notified() {
		t.Errorf("published %v", h.published)
	}
}

func TestAQuarantineThatCannotBeReadHoldsUpNoSweep(t *testing.T) {
	h := newFakeHub()
	h.accounts = []string{"111122223333"}
	h.records = []guard.Record{record("111122223333", "db")}
	h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
	for _, step := range []string{"quarantine", "original"} {
		h.broken, h.looked = map[string]error{step: errors.New("no answer")}, nil
		if handle(t, t.Context(), h, task(sweep.TaskSweep)) || len(h.looked) != 1 {
			t.Errorf("%s: looked at %v", step, h.looked)
		}
	}
}

func TestADigestNamesRowsAndFindingsThatANewerVersionLeft(t *testing.T) {
	h := newFakeHub()
	odd := record("111122223333", "db")
	odd.Findings = []guard.Finding{{Control: guard.SecretDefaultKey, Resource: odd.Resource, Status: "quantum", Severity: guard.SeverityHigh, Mode: guard.ModeNotify}}
	h.records = []guard.Record{odd}
	h.quarantined = []store.Quarantined{quarantined("c0ffee", store.KindRecord, "111122223333")}
	h.unreadable = []store.Unreadable{h.quarantined[0].Unreadable}
	handle(t, t.Context(), h, task(sweep.TaskSweep))
	h.published = nil
	if handle(t, t.Context(), h, task(sweep.TaskDigest)) {
		t.Fatal("the digest ended at the row")
	}
	var controls []string
	for _, n := range h.published {
		for _, open := range n.Open {
			controls = append(controls, string(open.Finding.Control))
		}
	}
	slices.Sort(controls)
	if !slices.Equal(controls, []string{"DL.ORG.2", "DL.SECRET.1"}) {
		t.Errorf("still open: %v", controls)
	}
}
