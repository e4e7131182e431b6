package remediate_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/window"
)

func TestSecretIsMovedJournaledProvenAndPublished(t *testing.T) {
	w := newWorld()
	if again := handle(t, w, message(order("n1"))); again > 0 {
		t.Fatal("the notice comes again")
	}
	if diff := cmp.Diff([]string{cmk}, w.updates); diff != "" {
		t.Fatalf("keys set (-want +got):\n%s", diff)
	}
	want := []store.JournalEntry{
		{ID: "migration|n1|UpdateSecret|" + cmk, Resource: arn, Action: "UpdateSecret", At: w.now, By: "doublelock-remediate",
			Before: map[string]string{"kmsKeyId": "", "state": "default"}, After: map[string]string{"kmsKeyId": cmk, "order": "n1"}},
		{ID: "migration|n1|DescribeSecret|" + cmk, Resource: arn, Action: "DescribeSecret", At: w.now, By: "doublelock-remediate",
			Before: map[string]string{"kmsKeyId": "", "state": "default"}, After: map[string]string{"kmsKeyId": cmk, "state": "dual", "result": "done", "order": "n1"}},
	}
	if diff := cmp.Diff(want, w.journal); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	if len(w.published) != 1 || w.published[0].Kind != guard.NoticeRekeyed || w.published[0].State != guard.StateDual || w.looked != 1 {
		t.Errorf("published %+v, %d looks", w.published, w.looked)
	}
}

func TestTheWayBackIsWrittenBeforeTheChange(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "rekey" && len(w.journal) != 1 {
			t.Errorf("%d journal entries at the moment of the change", len(w.journal))
		}
		return nil
	}
	handle(t, w, message(order("n1")))
	w = newWorld()
	w.trip = func(step string) error {
		if step == "append" {
			return errCrash
		}
		return nil
	}
	if again := handle(t, w, message(order("n1"))); again != 1 || len(w.updates) > 0 {
		t.Errorf("without a journal: %d updates, comes again %d", len(w.updates), again)
	}
}

func TestWhatIsLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare  func(*world)
		notice   func(*guard.Notice)
		notified guard.NoticeKind
	}{
		"a notice that orders nothing":                   {notice: func(n *guard.Notice) { n.Decision.Rekey = false }},
		"a mode that became milder is left to the owner": {prepare: func(w *world) { w.mode = guard.ModeNotify }, notified: guard.NoticeOpened},
		"a mode that only observes is left to nobody":    {prepare: func(w *world) { w.mode = guard.ModeObserve }},
		"a service-owned secret":                         {prepare: func(w *world) { w.secret.OwningService = "rds" }},
		"a service-owned secret known by its name alone": {prepare: func(w *world) { w.secret.Name = "rds!db-1" }},
		"one pending deletion":                           {prepare: func(w *world) { w.secret.DeletedAt = w.now }},
		"a replica":                                      {prepare: func(w *world) { w.secret.PrimaryRegion = "us-east-1" }},
		"one whose key cannot be read":                   {prepare: func(w *world) { w.secret.Key = guard.Key{} }},
		"one that has moved already":                     {prepare: func(w *world) { w.secret.Key = w.keys[cmk]; w.secret.Versions[0].Keys = []guard.Key{w.keys[cmk]} }},
		"a deleted secret":                               {prepare: func(w *world) { w.gone = true }},
		"no key to move to":                              {prepare: func(w *world) { delete(w.keys, alias) }, notified: guard.NoticeFailed},
		"a key that is AWS's":                            {prepare: func(w *world) { w.alter(func(k *guard.Key) { k.Manager = guard.ManagerAWS }) }, notified: guard.NoticeFailed},
		"a disabled key":                                 {prepare: func(w *world) { w.alter(func(k *guard.Key) { k.State = guard.KeyDisabled }) }, notified: guard.NoticeFailed},
		"a key of another Region":                        {prepare: func(w *world) { w.alter(func(k *guard.Key) { k.Region = "us-east-1" }) }, notified: guard.NoticeFailed},
		"a key of another account that nobody approved":  {prepare: func(w *world) { w.alter(func(k *guard.Key) { k.Account = "444455556666" }) }, notified: guard.NoticeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w, n := newWorld(), order("n1")
			if tt.prepare != nil {
				tt.prepare(w)
			}
			if tt.notice != nil {
				tt.notice(&n)
			}
			if again := handle(t, w, message(n)); again > 0 {
				t.Error("the notice comes again")
			}
			if len(w.updates) > 0 || len(w.journal) > 0 || len(w.job) > 0 {
				t.Errorf("%d updates, journal %v, job %s", len(w.updates), w.journal, w.job)
			}
			var notified guard.NoticeKind
			for _, n := range w.published {
				notified = n.Kind
			}
			if notified != tt.notified {
				t.Errorf("notified %q, want %q", notified, tt.notified)
			}
		})
	}
}

func TestAReaderThatWouldBreakStopsTheChange(t *testing.T) {
	w := newWorld()
	w.breaks = "arn:aws:iam::111122223333:role/batch would lose access"
	if again := handle(t, w, message(order("n1"))); again > 0 {
		t.Error("the notice comes again")
	}
	if len(w.updates) > 0 || len(w.journal) > 0 || len(w.job) > 0 {
		t.Errorf("%d updates, journal %v, job %s", len(w.updates), w.journal, w.job)
	}
	if len(w.published) != 1 || w.published[0].Kind != guard.NoticeFailed || w.published[0].Describe() != "it was not moved, because readers would break: "+w.breaks {
		t.Errorf("published %+v", w.published)
	}
}

// What stands in the way is asked for every hour. Each reason has one ID, so that its owner reads it once.
func TestAProblemBeforeTheChangeHasOneIDForEachReason(t *testing.T) {
	w := newWorld()
	ids := map[string]bool{}
	for i, reader := range []string{"batch", "batch", "report", "report", "batch"} {
		w.breaks = "role/" + reader + " would lose access"
		handle(t, w, message(order(fmt.Sprint("n", i))))
		w.now = w.now.Add(time.Hour)
	}
	for _, n := range w.published {
		ids[n.ID] = true
	}
	if len(w.published) != 5 || len(ids) != 2 || len(w.job) > 0 {
		t.Errorf("published %d with %d IDs, want 5 with 2; job %s", len(w.published), len(ids), w.job)
	}
	w.breaks = ""
	if handle(t, w, message(order("n9"))); len(w.updates) != 1 {
		t.Errorf("when nobody loses access any more: %d updates", len(w.updates))
	}
}

func TestAProvenChangeIsTheMachinesFromTheStart(t *testing.T) {
	w := newWorld()
	handle(t, w, message(order("n1")))
	j := w.stored(t)
	if j.Phase != migration.Observing || j.Plan != "" || j.Before == nil || j.Before.State != guard.StateDefault || j.Before.Tags["Owner"] != "payments" || len(j.Readers) != 1 || !j.Readers[0].Seen {
		t.Errorf("job %+v", j)
	}
	if j.Rules == nil || j.Rules.PerAccountHour != 5 || j.Lease.By != "" {
		t.Errorf("rules %+v, lease %+v", j.Rules, j.Lease)
	}
	w = newWorld()
	w.silent = true
	handle(t, w, message(order("n1")))
	if j := w.stored(t); j.Phase != migration.Failed {
		t.Errorf("a change that did not take: %s", j.Phase)
	}
}

// A plan that somebody applied has the secret: its window and waves bind the hub too.
func TestASecretOfAPlanThatWaitsIsLeftToThePlan(t *testing.T) {
	w := newWorld()
	rules := migration.Defaults()
	opens, err := window.Parse("Sun 22:00-24:00")
	if err != nil {
		t.Fatal(err)
	}
	rules = rules.WithWindows([]window.Window{opens}, "arn:alice", w.now)
	item := migration.Item{Secret: arn, Name: "app", Account: account, Region: region, Target: cmk, Seal: migration.SealOwner}
	if _, err := w.machine().Start(t.Context(), item, "plan", rules); err != nil {
		t.Fatal(err)
	}
	if again := handle(t, w, message(order("n1"))); again > 0 || len(w.updates) > 0 || len(w.published) > 0 {
		t.Errorf("comes again %d, %d updates, published %v", again, len(w.updates), w.published)
	}
	if j := w.stored(t); j.Plan != "plan" || j.Phase != migration.Planned {
		t.Errorf("job %+v", j)
	}
}

// What was waived, or put into a milder mode, since a change was begun and not made, is not changed by a repeat, nor by
// the sweep that comes by.
func TestAChangeThatWasBegunAndNotMadeIsDecidedAgain(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "rekey" {
			return guard.ErrThrottled
		}
		return nil
	}
	if again := handle(t, w, message(order("n1"))); again != 1 {
		t.Fatal("the notice does not come again")
	}
	w.mode, w.now = guard.ModeNotify, w.now.Add(12*time.Minute)
	if j := w.stored(t); j.Pending == nil {
		t.Fatalf("nothing was begun: %+v", j)
	}
	if _, _, err := w.machine().Advance(t.Context(), arn); err != nil || len(w.updates) > 0 {
		t.Errorf("the sweep: %d updates, error %v", len(w.updates), err)
	}
	if again := handle(t, w, message(order("n1"))); again > 0 || len(w.updates) > 0 || len(w.published) != 1 || w.published[0].Kind != guard.NoticeOpened {
		t.Errorf("comes again %d, %d updates, published %+v", again, len(w.updates), w.published)
	}
}

func TestASecretThatWasSetBackIsNotMovedAgain(t *testing.T) {
	w := newWorld()
	handle(t, w, message(order("n1")))
	w.now = w.now.Add(time.Hour)
	if _, err := w.machine().Rollback(t.Context(), arn, "a reader was refused"); err != nil {
		t.Fatal(err)
	}
	w.updates, w.published = nil, nil
	w.now = w.now.Add(time.Hour)
	handle(t, w, message(order("n2")))
	if len(w.updates) > 0 || len(w.published) != 1 || !strings.Contains(w.published[0].Describe(), "a reader was refused") || !strings.Contains(w.published[0].Describe(), "plan it again") {
		t.Errorf("updates %v, published %+v", w.updates, w.published)
	}
}

func (w *world) alter(change func(*guard.Key)) {
	k := w.keys[alias]
	change(&k)
	w.keys[alias] = k
}

func TestOrdersFromElsewhereAreNotObeyed(t *testing.T) {
	for name, body := range map[string]string{
		"another source":  strings.Replace(message(order("n1")), `"source":"doublelock"`, `"source":"evil"`, 1),
		"another account": strings.Replace(message(order("n1")), "999988887777", "111122223333", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if again := handle(t, w, body); again > 0 || len(w.updates) > 0 {
				t.Errorf("%d updates, comes again %d", len(w.updates), again)
			}
		})
	}
}

func TestWaivedSecretIsLeftAlone(t *testing.T) {
	w := newWorld()
	h := w.handler()
	h.Waivers = []guard.Waiver{{Control: guard.SecretDefaultKey, Resource: "*", By: "ciso", Reason: "leaves soon", Expires: w.now.Add(time.Hour)}}
	outcome, err := h.Remediate(t.Context(), order("n1"))
	if err != nil || outcome.Action != "unchanged" || len(w.updates) > 0 {
		t.Errorf("outcome %+v, error %v, %d updates", outcome, err, len(w.updates))
	}
	w.now = w.now.Add(2 * time.Hour) // it has ended
	if outcome, err = h.Remediate(t.Context(), order("n1")); err != nil || outcome.Action != "rekeyed" {
		t.Errorf("after the waiver: outcome %+v, error %v", outcome, err)
	}
}

func TestChangeThatDidNotTakeSaysWhichRightIsMissing(t *testing.T) {
	old := guard.Key{ARN: strings.Replace(cmk, "1234abcd", "0ld0ld00", 1), Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	off := old
	off.State = guard.KeyDisabled
	for name, tt := range map[string]struct {
		version guard.Key
		want    string
	}{
		"from the AWS managed key":    {awsManaged(), "probably lacks kms:Encrypt on " + cmk},
		"from another CMK":            {old, "probably lacks kms:Decrypt on " + old.ARN},
		"from a CMK that is disabled": {off, "is in state Disabled: enable it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.silent = true
			w.secret.Versions[0].Keys = []guard.Key{tt.version}
			if again := handle(t, w, message(order("n1"))); again > 0 {
				t.Fatal("the notice comes again")
			}
			if len(w.published) != 1 || w.published[0].Kind != guard.NoticeFailed || !strings.Contains(w.published[0].Describe(), tt.want) {
				t.Errorf("published %+v, want %q", w.published, tt.want)
			}
			if w.slept != 2 {
				t.Errorf("waited %d times for AWS to finish, want 2", w.slept)
			}
		})
	}
}

func TestReEncryptionMayTakeAMoment(t *testing.T) {
	w := newWorld()
	w.slow = 2
	handle(t, w, message(order("n1")))
	if len(w.published) != 1 || w.published[0].Kind != guard.NoticeRekeyed {
		t.Errorf("published %+v", w.published)
	}
}

func TestRefusedChangeIsPublishedInOurWords(t *testing.T) {
	for name, refusal := range map[string]error{
		"denied":  fmt.Errorf("User: arn:aws:sts::999988887777:assumed-role/hub is not authorized: %w", guard.ErrDenied),
		"refused": fmt.Errorf("x: %w", guard.ErrRefused),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.trip = func(step string) error {
				if step == "rekey" {
					return refusal
				}
				return nil
			}
			if again := handle(t, w, message(order("n1"))); again > 0 {
				t.Fatal("the notice comes again")
			}
			if len(w.published) != 1 || w.published[0].Kind != guard.NoticeFailed || strings.Contains(w.published[0].Describe(), "999988887777") {
				t.Errorf("published %+v", w.published)
			}
		})
	}
}

func TestLimitsPostpone(t *testing.T) {
	w := newWorld()
	for i := range 5 {
		w.secret = newWorld().secret
		w.journal, w.job, w.revision = nil, nil, 0
		if again := handle(t, w, message(order(fmt.Sprint("n", i)))); again > 0 {
			t.Fatalf("change %d of 5 was postponed", i+1)
		}
	}
	w.secret, w.journal, w.job, w.revision = newWorld().secret, nil, nil, 0
	if again := handle(t, w, message(order("n5"))); again != 0 || len(w.updates) != 5 || len(w.journal) > 0 {
		t.Errorf("the sixth of an hour waits until it is asked for again: comes again %d, %d updates, journal %v", again, len(w.updates), w.journal)
	}
	w.now = w.now.Add(time.Hour)
	if again := handle(t, w, message(order("n5"))); again > 0 || len(w.updates) != 6 {
		t.Errorf("an hour later: comes again %d, %d updates", again, len(w.updates))
	}
}

func TestSecretThatIsMovedBackIsNotFoughtOver(t *testing.T) {
	w := newWorld()
	handle(t, w, message(order("n1")))
	w.secret, w.published = newWorld().secret, nil // Terraform moved it back
	w.now = w.now.Add(5 * time.Minute)
	handle(t, w, message(order("n2")))
	if len(w.updates) != 1 || len(w.published) != 1 || !strings.Contains(w.published[0].Describe(), "moved back") {
		t.Errorf("%d updates, published %+v", len(w.updates), w.published)
	}
	w.now = w.now.Add(6 * time.Minute)
	handle(t, w, message(order("n3")))
	if len(w.updates) != 2 {
		t.Errorf("after ten minutes: %d updates, want 2", len(w.updates))
	}
}

func TestTwoOrdersForOneSecretAreNotInWorkTogether(t *testing.T) {
	w := newWorld()
	busy := migration.Job{Secret: arn, Phase: migration.Planned, Pending: &migration.Pending{Action: migration.DoRekey, At: w.now}, Lease: migration.Lease{By: "another", Until: w.now.Add(time.Minute)}}
	if err := (jobs{w}).Save(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	if again := handle(t, w, message(order("n1"))); again != 0 || len(w.updates) > 0 {
		t.Errorf("it waits until it is asked for again: comes again %d, %d updates", again, len(w.updates))
	}
}

func TestDeathAtEachStepIsHealedByTheNextDelivery(t *testing.T) {
	steps := []string{"load job", "describe", "load", "mode", "describe key", "check", "take", "save", "save done", "append", "append done", "rekey", "rekey done", "look", "publish", "publish done"}
	faults := map[string]func() error{
		"dies":         func() error { panic(errCrash) },
		"is throttled": func() error { return guard.ErrThrottled },
	}
	for _, step := range steps {
		for fault, happen := range faults {
			for nth := 1; nth <= 2; nth++ {
				t.Run(fmt.Sprintf("%s at %s, time %d", fault, step, nth), func(t *testing.T) {
					w := newWorld()
					seen := 0
					w.trip = func(at string) error {
						if at == step {
							if seen++; seen == nth {
								return happen()
							}
						}
						return nil
					}
					for _, later := range []time.Duration{12 * time.Minute, time.Hour, time.Hour, 0} { // the queue shows the message again, then the sweep asks for it
						handle(t, w, message(order("n1")))
						w.now = w.now.Add(later)
					}
					w.settled(t)
				})
			}
		}
	}
}

// settled checks that the change was made as if nothing had gone wrong.
func (w *world) settled(t *testing.T) {
	t.Helper()
	if guard.StateOf(w.secret, "") != guard.StateDual {
		t.Errorf("state %s", guard.StateOf(w.secret, ""))
	}
	for _, key := range w.updates {
		if key != cmk {
			t.Errorf("key set to %s", key)
		}
	}
	if len(w.updates) > 2 {
		t.Errorf("%d updates", len(w.updates))
	}
	ids := map[string]bool{}
	for _, n := range w.published {
		ids[string(n.Kind)+" "+n.ID] = true
	}
	if diff := cmp.Diff(map[string]bool{"rekeyed rekeyed|n1": true}, ids); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if w.journal[0].Before["kmsKeyId"] != "" || w.journal[0].Action != "UpdateSecret" {
		t.Errorf("first journal entry %+v is not the way back", w.journal[0])
	}
	for name, n := range w.counts {
		if n > 2 {
			t.Errorf("%d changes counted in %s", n, name)
		}
	}
}

func FuzzHandleObeysOnlyTheHub(f *testing.F) {
	f.Add(message(order("n1")))
	f.Add(`{"source":"doublelock","account":"999988887777","detail":{"decision":{"rekey":true}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := newWorld()
		handle(t, w, body)
		for _, key := range w.updates {
			if key != cmk {
				t.Errorf("set key %q", key)
			}
		}
	})
}

// A secret whose version keys AWS does not list was moved, and only the proof is missing: that is no failure, and no end.
func TestAMoveThatCannotBeProvenHasNotFailedAndDoesNotRest(t *testing.T) {
	sweep := func(t *testing.T, w *world, after time.Duration) migration.Job {
		t.Helper()
		w.now = w.now.Add(after)
		if _, _, err := w.machine().Advance(t.Context(), arn); err != nil {
			t.Fatal(err)
		}
		return w.stored(t)
	}
	moved := func(t *testing.T) *world {
		t.Helper()
		w := newWorld()
		w.unlisted = true
		if again := handle(t, w, message(order("n1"))); again > 0 {
			t.Fatal("the notice comes again")
		}
		if j := w.stored(t); j.Phase != migration.Unproven || j.Phase.Resting() || !j.NeedsVisit() || !j.ProveBy.Equal(w.now.Add(72*time.Hour)) {
			t.Fatalf("job is %s until %s: %s", j.Phase, j.ProveBy, j.Reason)
		}
		if len(w.published) != 1 || w.published[0].Kind != guard.NoticeUnproven || w.looked != 1 {
			t.Fatalf("published %+v, recorded %d times", w.published, w.looked)
		}
		for _, want := range []string{"the key is set", "AWS lists none", "is not known", "Every sweep looks again until 2026-11-24 09:00 UTC"} {
			if !strings.Contains(w.published[0].Describe(), want) {
				t.Errorf("the notice does not say %q: %s", want, w.published[0].Describe())
			}
		}
		if last := w.journal[len(w.journal)-1]; last.Action != "DescribeSecret" || !strings.Contains(last.After["result"], "nothing is proven") {
			t.Errorf("journal ends with %+v", last)
		}
		return w
	}
	t.Run("it is looked at again, and proven at last", func(t *testing.T) {
		w := moved(t)
		if j := sweep(t, w, time.Hour); j.Phase != migration.Unproven || len(w.published) != 1 {
			t.Errorf("after a sweep: %s, published %+v", j.Phase, w.published)
		}
		w.unlisted = false
		if j := sweep(t, w, time.Hour); j.Phase != migration.Observing || !j.RekeyedAt.Equal(w.now) || !j.ProveBy.IsZero() {
			t.Errorf("proven: job %+v", j)
		}
		if len(w.published) != 2 || w.published[1].Kind != guard.NoticeRekeyed || w.published[0].ID == w.published[1].ID {
			t.Errorf("published %+v", w.published)
		}
		last := w.journal[len(w.journal)-1]
		if last.Action != "DescribeSecret" || last.After["result"] != "done" || last.ID == w.journal[len(w.journal)-2].ID {
			t.Errorf("journal ends with %+v", last)
		}
	})
	t.Run("it is seen to have failed", func(t *testing.T) {
		w := moved(t)
		w.unlisted, w.secret.Versions[0].Keys = false, []guard.Key{awsManaged()}
		if j := sweep(t, w, time.Hour); j.Phase != migration.Failed || len(w.published) != 2 || w.published[1].Kind != guard.NoticeFailed {
			t.Errorf("%s, published %+v", j.Phase, w.published)
		}
	})
	t.Run("it is handed to its owner a single time, and looked at still", func(t *testing.T) {
		w := moved(t)
		sweep(t, w, 73*time.Hour)
		j := sweep(t, w, time.Hour)
		if j.Phase != migration.Unproven || j.HandedAt.IsZero() || !j.NeedsVisit() || len(w.published) != 2 {
			t.Fatalf("%s, handed at %s, published %+v", j.Phase, j.HandedAt, w.published)
		}
		if n := w.published[1]; n.Kind != guard.NoticeUnproven || n.ID == w.published[0].ID || !strings.Contains(n.Describe(), "is yours now") || !strings.Contains(n.Describe(), "--secret "+arn) {
			t.Errorf("notice %+v", n)
		}
		w.unlisted = false
		if j := sweep(t, w, time.Hour); j.Phase != migration.Observing {
			t.Errorf("proven at last: %s", j.Phase)
		}
	})
	t.Run("it is set back, which cannot be proven either", func(t *testing.T) {
		w := moved(t)
		for range 2 { // a person, who asks again
			if _, err := w.machine().Rollback(t.Context(), arn, "the owner asked"); err == nil || !strings.Contains(err.Error(), "nothing is proven") {
				t.Fatalf("error %v, want that nothing is proven", err)
			}
		}
		if j := w.stored(t); j.Phase == migration.Failed || j.Phase.Resting() || !j.NeedsVisit() || len(w.published) != 2 || w.published[1].Kind != guard.NoticeRolledBack || w.secret.KeyID != "" {
			t.Errorf("%s (%s), key %q, published %+v", j.Phase, j.Reason, w.secret.KeyID, w.published)
		}
		w.unlisted = false
		if j := sweep(t, w, time.Hour); j.Phase != migration.RolledBack || len(w.updates) != 2 {
			t.Errorf("%s (%s), updates %v", j.Phase, j.Reason, w.updates)
		}
	})
}

// Without AWS's code nobody who reads the log knows whom to ask.
func TestTheLogSaysWhatAWSAnsweredWhereTheKeyCouldNotBeLookedAt(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "describe key" {
			return fmt.Errorf("describe key: %w: %w", guard.ErrDenied, answered("AccessDeniedException"))
		}
		return nil
	}
	h := w.handler()
	var log strings.Builder
	h.Log = slog.New(slog.NewTextHandler(&log, nil))
	outcome, err := h.Remediate(t.Context(), order("n1"))
	if err != nil || outcome.Action != "failed" || len(w.updates) > 0 {
		t.Fatalf("outcome %+v, error %v, %d updates", outcome, err, len(w.updates))
	}
	if text := log.String(); !strings.Contains(text, `cause=denied code=AccessDeniedException operation="KMS DescribeKey"`) || !strings.Contains(text, "key="+alias) || strings.Contains(text, "hunter2") {
		t.Errorf("log: %s", text)
	}
}

// answered is AWS's answer to DescribeKey, with the methods of smithy's errors.
type answered string

func (a answered) Service() string   { return "KMS" }
func (a answered) Operation() string { return "DescribeKey" }
func (a answered) Unwrap() error     { return code(a) }
func (a answered) Error() string     { return code(a).Error() }

type code string

func (c code) ErrorCode() string { return string(c) }
func (c code) Error() string     { return string(c) + ": hunter2 was refused" }

// The owner reads our word for a refusal; whoever mends it needs AWS's code.
func TestTheLogSaysWhatAWSAnsweredWhereAChangeWasRefused(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "rekey" {
			return fmt.Errorf("set key: %w: %w", guard.ErrDenied, answered("AccessDeniedException"))
		}
		return nil
	}
	var log strings.Builder
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	handle(t, w, message(order("n1")))
	if text := log.String(); !strings.Contains(text, "cause=denied code=AccessDeniedException") || !strings.Contains(text, "doing=UpdateSecret") || strings.Contains(text, "hunter2") {
		t.Errorf("log: %s", text)
	}
	if len(w.published) != 1 || strings.Contains(w.published[0].Describe(), "AccessDenied") {
		t.Errorf("published %+v", w.published)
	}
}

// An account whose change role cannot be taken says nothing about the secret: its owner could mend nothing.
func TestAChangeRoleThatCannotBeTakenPostponesTheOrder(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "rekey" {
			return fmt.Errorf("assume role: %w", guard.ErrNotOurs)
		}
		return nil
	}
	if again := handle(t, w, message(order("n1"))); again > 0 || len(w.published) > 0 {
		t.Fatalf("comes again %d, published %+v", again, w.published)
	}
	if j := w.stored(t); j.Phase != migration.Planned || j.Lease.By != "" {
		t.Errorf("stored %+v", j)
	}
	w.trip, w.now = func(string) error { return nil }, w.now.Add(time.Hour)
	if again := handle(t, w, message(order("n1"))); again > 0 || len(w.updates) != 1 || len(w.published) != 1 || w.published[0].Kind != guard.NoticeRekeyed {
		t.Errorf("comes again %d, updates %v, published %+v", again, w.updates, w.published)
	}
}
