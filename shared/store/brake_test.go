package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

func TestNothingIsCountedJournaledOrSentWhileTheBrakeIsSet(t *testing.T) {
	s := newStage()
	s.intents.Turn(t, true, s.now)
	_, err := s.worker("w").Do(t.Context(), target, s.change(true, true))
	paused, is := errors.AsType[*store.PausedError](err)
	if !is || paused.By != "arn:alice" || s.asked+len(s.noted)+s.sent > 0 {
		t.Fatalf("%v; allowed %d times, journaled %d times, sent %d times", err, s.asked, len(s.noted), s.sent)
	}
	if owner, err := s.worker("x").Owner(t.Context(), target); owner != "" || err != nil {
		t.Errorf("it is owned by %q, %v", owner, err)
	}
	s.intents.Turn(t, false, s.now)
	if how, err := s.worker("w").Do(t.Context(), target, s.change(true, true)); how != store.Made || err != nil {
		t.Errorf("after it was let go: %q, %v", how, err)
	}
}

func TestABrakeThatIsSetWhileAChangeIsBegunStopsItsBytes(t *testing.T) {
	s := newStage()
	c := s.change(true, true)
	c.Journal = func(context.Context, time.Time) error { s.intents.Turn(t, true, s.now); return nil }
	_, err := s.worker("w").Do(t.Context(), target, c)
	if _, is := errors.AsType[*store.PausedError](err); !is || !errors.Is(err, store.ErrFenced) || s.sent > 0 {
		t.Fatalf("%v, sent %d times", err, s.sent)
	}
}

// broken is a brake that cannot be read.
type broken struct {
	*storetest.Intents
	err error
}

func (b broken) Brake(context.Context) (store.Brake, error) { return store.Brake{}, b.err }

func TestABrakeThatIsNotKnownStopsChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"its row cannot be read":        {&store.Unreadable{Kind: store.KindBrake, Reason: "its body is empty"}, "doublelock repair"},
		"the table does not answer now": {errNetwork, errNetwork.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			e := s.worker("w")
			e.Intents = broken{s.intents, tt.err}
			_, err := e.Do(t.Context(), target, s.change(true, true))
			if !errors.Is(err, store.ErrFenced) || !strings.Contains(err.Error(), tt.want) || s.asked+len(s.noted)+s.sent > 0 {
				t.Errorf("%v; allowed %d times, journaled %d times, sent %d times", err, s.asked, len(s.noted), s.sent)
			}
		})
	}
}

func TestABrakeRemembersItsLastTurnsAndDoesNotGrow(t *testing.T) {
	var b store.Brake
	var last []store.Turn
	for i := range 50 {
		turn := store.Turn{On: i%2 == 0, By: "arn:alice", At: time.Unix(int64(i), 0), Reason: "r"}
		b = b.Turned(turn)
		last = append(last, turn)
	}
	if diff := cmp.Diff(last[30:], b.Turns); diff != "" || b.Now() != last[49] {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
