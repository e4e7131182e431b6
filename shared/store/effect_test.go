package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

const target = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf"

var errNetwork = errors.New("the connection broke")

// stage is one target, and a clock that the workers share.
type stage struct {
	intents *storetest.Intents
	now     time.Time
	set     bool // what is true
	asked   int  // Allow
	noted   []time.Time
	sent    int
}

func newStage() *stage {
	return &stage{intents: storetest.NewIntents(), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
}

func (s *stage) worker(name string) *store.Effects {
	clock := func() time.Time { return s.now }
	return &store.Effects{Intents: s.intents, Worker: name, Now: clock, Elapsed: func() time.Duration { return clock().Sub(time.Time{}.AddDate(2025, 0, 0)) },
		Sleep: func(_ context.Context, d time.Duration) error { s.now = s.now.Add(d); return nil }}
}

// change sets the target, over a transport that arrives or not, and answers or not.
func (s *stage) change(arrives, answers bool) store.Change {
	return store.Change{
		Call: "UpdateSecret", Wanted: "set",
		Look:    func(context.Context) (bool, error) { return s.set, nil },
		Allow:   func(context.Context) (bool, error) { s.asked++; return true, nil },
		Journal: func(_ context.Context, begun time.Time) error { s.noted = append(s.noted, begun); return nil },
		Send: func(ctx context.Context) error {
			sending := store.SendingOf(ctx)
			if err := sending.Before(ctx); err != nil {
				return err
			}
			s.sent++
			s.set = s.set || arrives
			sending.After(answers)
			if !answers {
				return errNetwork
			}
			return nil
		},
	}
}

func TestHowAChangeEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare          func(*stage)
		arrives, answers bool
		want             store.Outcome
		err              error
		sent             int
	}{
		"it is made":                      {nil, true, true, store.Made, nil, 1},
		"it is so already":                {func(s *stage) { s.set = true }, true, true, store.Found, nil, 0},
		"it is made, and the answer lost": {nil, true, false, store.Made, nil, 1},
		"it does not arrive":              {nil, false, false, store.NotMade, errNetwork, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			if tt.prepare != nil {
				tt.prepare(s)
			}
			how, err := s.worker("w").Do(t.Context(), target, s.change(tt.arrives, tt.answers))
			if how != tt.want || !errors.Is(err, tt.err) || s.sent != tt.sent {
				t.Errorf("%q, %v, sent %d times", how, err, s.sent)
			}
			if owner, err := s.worker("x").Owner(t.Context(), target); owner != "" || err != nil {
				t.Errorf("it is owned by %q, %v", owner, err)
			}
		})
	}
}

func TestTheSameIntentIsAllowedAndJournaledOnce(t *testing.T) {
	s := newStage()
	for range 3 {
		if _, err := s.worker("w").Do(t.Context(), target, s.change(false, false)); !errors.Is(err, errNetwork) {
			t.Fatal(err)
		}
		s.now = s.now.Add(time.Minute)
	}
	if _, err := s.worker("w").Do(t.Context(), target, s.change(true, true)); err != nil {
		t.Fatal(err)
	}
	if s.asked != 1 || len(s.noted) != 4 || !s.noted[3].Equal(s.noted[0]) {
		t.Errorf("allowed %d times, journaled at %v", s.asked, s.noted)
	}
	s.set = false // by somebody else: to set it again is another
	if _, err := s.worker("w").Do(t.Context(), target, s.change(true, true)); err != nil || s.asked != 2 {
		t.Errorf("allowed %d times, %v", s.asked, err)
	}
}

func TestAChangeIsNotSentWhenItsTimeIsOverOrAnotherHasTakenOver(t *testing.T) {
	for name, late := range map[string]func(*testing.T, *stage){
		"the journal took too long": func(_ *testing.T, s *stage) { s.now = s.now.Add(3 * time.Minute) },
		"another took over": func(t *testing.T, s *stage) {
			if _, err := s.worker("other").Hold(t.Context(), target, nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			c := s.change(true, true)
			c.Journal = func(context.Context, time.Time) error { late(t, s); return nil }
			_, err := s.worker("slow").Do(t.Context(), target, c)
			if !errors.Is(err, store.ErrFenced) || s.sent > 0 {
				t.Fatalf("sent %d times, %v", s.sent, err)
			}
			if why := err.Error(); strings.Contains(why, "\n") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it is said as %q", why)
			}
		})
	}
}

// Nothing of AWS is down where the write that comes last ends with the worker's own time.
func TestAWorkerThatWakesTooLateSaysThatItWasTooSlow(t *testing.T) {
	s := newStage()
	slow := s.worker("slow")
	slow.Intents = late{s}
	if _, err := slow.Do(t.Context(), target, s.change(true, true)); !errors.Is(err, store.ErrFenced) || !strings.HasSuffix(err.Error(), "this one was too slow") || s.sent > 0 {
		t.Errorf("sent %d times, %v", s.sent, err)
	}
}

// late are intents whose write that something is sent takes until its caller's time is over.
type late struct{ *stage }

func (l late) Intent(ctx context.Context, target string) (store.Intent, error) {
	return l.intents.Intent(ctx, target)
}

func (l late) SetIntent(ctx context.Context, i store.Intent) (bool, error) {
	if i.Sent {
		l.now = l.now.Add(store.SignedFor)
		return false, context.DeadlineExceeded
	}
	return l.intents.SetIntent(ctx, i)
}

func (l late) Watch(ctx context.Context, target string) (store.Watch, error) {
	return l.intents.Watch(ctx, target)
}

func (l late) Brake(ctx context.Context) (store.Brake, error) { return l.intents.Brake(ctx) }

func (l late) SetWatch(ctx context.Context, w store.Watch) (bool, error) {
	return l.intents.SetWatch(ctx, w)
}

// Whoever cannot find out how a call ended keeps the target until it can be under way no longer.
func TestAnUnknownEndKeepsTheTargetOwned(t *testing.T) {
	s := newStage()
	c := s.change(false, false)
	looks := 0
	c.Look = func(context.Context) (bool, error) {
		if looks++; looks > 1 {
			return false, errNetwork
		}
		return false, nil
	}
	if _, err := s.worker("w").Do(t.Context(), target, c); !errors.Is(err, store.ErrUnknown) {
		t.Fatal(err)
	}
	next := s.worker("next")
	if _, err := next.Hold(t.Context(), target, nil); !errors.Is(err, store.ErrHeld) {
		t.Fatal(err)
	}
	s.now = s.now.Add(store.SignedFor + store.LongestCall)
	if _, err := next.Hold(t.Context(), target, nil); err != nil {
		t.Error(err)
	}
}

// What a newer version adds to the intent of an owner that is at work is in the owner's next write.
func TestAnOwnerKeepsWhatANewerVersionAddsToItsIntent(t *testing.T) {
	s := newStage()
	h, err := s.worker("one").Hold(t.Context(), target, nil)
	if err != nil {
		t.Fatal(err)
	}
	added, err := s.intents.Intent(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	added.Stored = []byte(`{"novel":1}`)
	if ok, err := s.intents.SetIntent(t.Context(), added); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i, err := s.intents.Intent(t.Context(), target); err != nil || i.Owner != "" || string(i.Stored) != `{"novel":1}` {
		t.Errorf("%+v, %v", i, err)
	}
}

// mortal are intents whose worker dies: nothing of it arrives any more.
type mortal struct {
	*storetest.Intents
	dead bool
}

func (m *mortal) SetIntent(ctx context.Context, i store.Intent) (bool, error) {
	if m.dead {
		return false, errNetwork
	}
	return m.Intents.SetIntent(ctx, i)
}

// claim tries until a target is held, as a process does to which a message comes again, and answers how long it took.
func claim(t *testing.T, e *store.Effects, seen store.Seen) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Second) {
		h, err := e.Hold(t.Context(), target, seen)
		switch {
		case err == nil:
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		case !errors.Is(err, store.ErrHeld):
			t.Fatal(err)
		}
	}
}

func TestADeadWorkerIsFollowedWithinThirtySecondsAndALivingOneNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(i store.Intents, name string) *store.Effects {
			return &store.Effects{Intents: i, Worker: name, Now: time.Now}
		}
		mine := &mortal{Intents: storetest.NewIntents()}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		first, err := at(mine, "first").Hold(ctx, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		other := at(mine.Intents, "other")
		for began := time.Now(); time.Since(began) < 10*time.Minute; {
			from := time.Now()
			if _, err := other.Hold(t.Context(), target, nil); !errors.Is(err, store.ErrHeld) {
				t.Fatalf("after %s the owner lives, and %v", time.Since(began), err)
			}
			if took := time.Since(from); took > store.DefaultLease/2 {
				t.Fatalf("it took %s to see that the owner lives", took)
			}
		}
		mine.dead = true
		if took := claim(t, other, nil); took > 30*time.Second {
			t.Errorf("another took over after %s", took)
		}
		if _, err := first.Do(t.Context(), newStage().change(true, true)); err == nil {
			t.Error("the first goes on")
		}
	})
}

// A call that a worker sent before it died may arrive for as long as AWS takes what it signed: until then nobody changes the target
// who does not see that it was carried out.
func TestACallThatADeadWorkerSentIsWaitedForOrSeen(t *testing.T) {
	for name, row := range map[string]struct {
		seen        store.Seen
		least, most time.Duration
	}{
		"nobody can say":     {nil, store.SignedFor + store.LongestCall, 6 * time.Minute},
		"it was not seen":    {func(context.Context, store.Intent) bool { return false }, store.SignedFor + store.LongestCall, 6 * time.Minute},
		"it was carried out": {func(_ context.Context, i store.Intent) bool { return newStage().change(true, true).Is(i) }, store.DefaultLease, 30 * time.Second},
		"it is another's state": {func(_ context.Context, i store.Intent) bool {
			return store.Change{Call: i.Call, Wanted: "another"}.Is(i)
		}, store.SignedFor + store.LongestCall, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine := &mortal{Intents: storetest.NewIntents()}
				h, err := (&store.Effects{Intents: mine, Worker: "first", Now: time.Now}).Hold(t.Context(), target, nil)
				if err != nil {
					t.Fatal(err)
				}
				c := newStage().change(true, true)
				c.Send = func(ctx context.Context) error {
					if err := store.SendingOf(ctx).Before(ctx); err != nil {
						return err
					}
					mine.dead = true
					return nil
				}
				if _, err := h.Do(t.Context(), c); err == nil {
					t.Fatal("it did not die")
				}
				if took := claim(t, &store.Effects{Intents: mine.Intents, Worker: "other", Now: time.Now}, row.seen); took < row.least || took > row.most {
					t.Errorf("another took over after %s", took)
				}
			})
		})
	}
}

// An owner of an older version writes no heartbeat, and says how long its lease is.
func TestTheLeaseOfAnOlderVersionIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		intents := storetest.NewIntents()
		if ok, err := intents.SetIntent(t.Context(), store.Intent{Target: target, Fence: 1, Owner: "older", Lease: "5m0s"}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if took := claim(t, &store.Effects{Intents: intents, Worker: "other", Now: time.Now}, nil); took < 5*time.Minute {
			t.Errorf("another took over after %s", took)
		}
	})
}
