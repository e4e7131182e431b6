package fleet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

var here = migration.Location{Account: "111122223333", Region: "eu-central-1"}

const beat = 15 * time.Minute

// beats has a pulse arrive each quarter of an hour, the last now.
func (w *shelves) beats(from time.Time) {
	w.Helper()
	for at := from; !at.After(w.now); at = at.Add(beat) {
		if err := w.reads.Pulse(w.Context(), here, at); err != nil {
			w.Fatal(err)
		}
	}
}

func sighting(name string, at time.Time) migration.Sighting {
	return migration.Sighting{Secret: busy, Principal: "arn:aws:iam::111122223333:role/" + name, Account: here.Account, Region: here.Region, Does: migration.Reads, Last: at, Count: 1}
}

func (w *shelves) note(uses ...migration.Sighting) {
	w.Helper()
	if err := w.reads.Note(w.Context(), here, busy, uses); err != nil {
		w.Fatal(err)
	}
}

func (w *shelves) visitSince(since time.Time) (seen map[string]int, gaps []migration.Gap, pages int) {
	w.Helper()
	before := w.history.pages
	found, gaps, err := w.reads.Uses(w.Context(), guard.Secret{ARN: busy, Name: "shop/busy", Account: here.Account, Region: here.Region}, since)
	if err != nil {
		w.Fatal(err)
	}
	return counted(found), gaps, w.history.pages - before
}

// A secret that is read each second has 1,728 pages a day. Of the days on which its reads were forwarded, nobody is unknown.
func TestASecretThatIsReadEachSecondHasNoGapFromTheDayOnThatItsReadsAreForwarded(t *testing.T) {
	w := newShelves(t)
	on := w.now.Add(-16 * time.Hour)
	w.history.add("app", busy, w.every(time.Second, 60_000)...)
	w.beats(on)
	for at := on; at.Before(w.now); at = at.Add(time.Hour) {
		w.note(sighting("app", at))
	}
	w.note(sighting("daily", w.now.Add(-15*time.Hour)))
	w.now = w.now.Add(38 * time.Minute) // two pulses are late
	w.history.add("app", busy, w.every(time.Second, 38*60)...)
	seen, gaps, pages := w.visitSince(on)
	if len(gaps) > 0 || seen["app"] == 0 || seen["daily"] == 0 || pages > 2 {
		t.Errorf("gaps %v, seen %v, %d pages", gaps, seen, pages)
	}
	if _, gaps, _ := w.visitSince(on.Add(-time.Hour)); len(gaps) == 0 || gaps[0].To.After(on) {
		t.Errorf("before it was proved that they are forwarded: gaps %v", gaps)
	}
	_, gaps, err := w.reads.All(t.Context(), here.Account, here.Region, on)
	if err != nil || len(gaps) > 0 {
		t.Errorf("a plan has gaps %v, %v", gaps, err)
	}
}

func TestWhereTheWayOfTheReadsIsNotProvedIsNotKnownWhoRead(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(w *shelves, on time.Time)
		gap     func(on, now time.Time) *migration.Gap // nil: none
	}{
		"every pulse came":    {func(w *shelves, on time.Time) { w.beats(on) }, func(_, _ time.Time) *migration.Gap { return nil }},
		"one alone ever came": {func(w *shelves, _ time.Time) { w.beats(w.now) }, func(on, now time.Time) *migration.Gap { return &migration.Gap{From: on, To: now.Add(time.Second)} }},
		"none came for an hour": {func(w *shelves, on time.Time) {
			now := w.now
			w.now = on.Add(5 * time.Hour)
			w.beats(on)
			w.now = now
			w.beats(on.Add(6 * time.Hour))
		}, func(on, _ time.Time) *migration.Gap {
			return &migration.Gap{From: on.Add(5 * time.Hour), To: on.Add(6 * time.Hour)}
		}},
		"none comes any more": {func(w *shelves, on time.Time) {
			now := w.now
			w.now = on.Add(5 * time.Hour)
			w.beats(on)
			w.now = now
		}, func(on, now time.Time) *migration.Gap {
			return &migration.Gap{From: on.Add(5 * time.Hour), To: now.Add(time.Second)}
		}},
		"one came again, a while ago": {func(w *shelves, on time.Time) {
			now := w.now
			w.now = on.Add(5 * time.Hour)
			w.beats(on)
			w.now = now.Add(-20 * time.Minute)
			w.beats(w.now)
			w.now = now
		}, func(on, now time.Time) *migration.Gap {
			return &migration.Gap{From: on.Add(5 * time.Hour), To: now.Add(time.Second)}
		}},
		"a look found it broken": {func(w *shelves, on time.Time) {
			now := w.now
			w.now = on.Add(5 * time.Hour)
			w.beats(on)
			for range 2 { // said again, it is the same
				if err := w.reads.Break(w.Context(), here, w.now.Add(time.Minute)); err != nil {
					w.Fatal(err)
				}
			}
			w.beats(w.now) // the pulse of the same look comes after it
			w.now = now
			w.beats(on.Add(5*time.Hour + beat))
		}, func(on, _ time.Time) *migration.Gap {
			return &migration.Gap{From: on.Add(4*time.Hour + 21*time.Minute), To: on.Add(5*time.Hour + beat)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShelves(t)
			on := w.now.Add(-24 * time.Hour)
			w.history.add("app", busy, w.every(time.Second, 86_400)...)
			tt.happens(w, on)
			_, gaps, pages := w.visitSince(on)
			want := tt.gap(on, w.now)
			if want == nil {
				if len(gaps) > 0 {
					t.Errorf("gaps %v", gaps)
				}
				return
			}
			// Its newest 500 reads were read from CloudTrail, as always.
			if len(gaps) == 0 || !gaps[len(gaps)-1].From.Equal(want.From) || gaps[0].To.After(want.To) || want.To.Sub(gaps[0].To) > 10*time.Minute || pages > 10 {
				t.Errorf("gaps %v, want one of %v, %d pages", gaps, *want, pages)
			}
		})
	}
}

// SQS and EventBridge deliver at least once, and in any order.
func TestAStormOfReadsThatComeTwiceAndLateIsKeptAsIfEachCameOnceInOrder(t *testing.T) {
	const days, readers = 3, 4
	var events []migration.Sighting
	for i := range 3_000 {
		at := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * days * 24 * time.Hour / 3_000)
		events = append(events, sighting(fmt.Sprint("r", i%readers), at))
	}
	keep := func(events []migration.Sighting) (*shelves, []migration.Sighting) {
		w := newShelves(t)
		for _, e := range events {
			w.note(e)
		}
		found, _, err := w.reads.Uses(t.Context(), guard.Secret{ARN: busy, Account: here.Account, Region: here.Region}, w.now.AddDate(0, 0, -90))
		if err != nil {
			t.Fatal(err)
		}
		for i := range found { // Last is some time of its day
			found[i].Last = found[i].Last.Truncate(24 * time.Hour)
		}
		return w, found
	}
	ordered, want := keep(events)
	if ordered.kept.saves != days*readers || len(want) != readers {
		t.Errorf("%d writes for %d reads of %d principals on %d days, found %v", ordered.kept.saves, len(events), readers, days, want)
	}
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		storm := append(append([]migration.Sighting{}, events...), events[:1000]...)
		random.Shuffle(len(storm), func(i, j int) { storm[i], storm[j] = storm[j], storm[i] })
		w, got := keep(storm)
		if diff := cmp.Diff(want, got); diff != "" || w.kept.saves != days*readers {
			t.Errorf("seed %d: %d writes (-in order +storm):\n%s", seed, w.kept.saves, diff)
		}
	}
}

func TestMoreReadersThanAreKeptMakeADayUnknownAlthoughItsReadsAreForwarded(t *testing.T) {
	w := newShelves(t)
	on := w.now.Add(-24 * time.Hour)
	w.beats(on)
	var uses []migration.Sighting
	for i := range 1001 {
		uses = append(uses, sighting(fmt.Sprint("r", i), w.now.Add(-2*time.Hour)))
	}
	w.note(uses[:1000]...)
	w.note(uses[1000])
	if _, gaps, _ := w.visitSince(on); len(gaps) == 0 {
		t.Error("no gaps")
	}
}

// What is forwarded to a document that cannot be read is lost. Nothing that was proved before vouches for it any more.
func TestReadsThatCouldNotBeKeptMakeNobodyVanish(t *testing.T) {
	w := newShelves(t)
	on := w.now.Add(-24 * time.Hour)
	w.history.add("app", busy, w.every(5*time.Second, 17_400)...)
	w.beats(on)
	w.kept.bad = busy
	err := w.reads.Note(t.Context(), here, busy, []migration.Sighting{sighting("app", w.now)})
	if _, unreadable := errors.AsType[*store.Unreadable](err); !unreadable {
		t.Errorf("error %v", err)
	}
	w.kept.bad = ""
	if _, gaps, _ := w.visitSince(on); len(gaps) == 0 {
		t.Error("no gaps")
	}
}
