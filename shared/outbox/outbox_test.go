package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/outbox"
	"github.com/doublelock/doublelock/shared/store"
)

// hub is a table and a bus, in memory.
type hub struct {
	boxes     map[string]map[string]json.RawMessage
	published []string
	refuses   map[string]error // by ID; "" is every call
	broken    error            // of the table
}

// partial names the notices that a bus did not take.
type partial struct {
	ids []string
	err error
}

func (p *partial) Error() string         { return p.err.Error() }
func (p *partial) Unwrap() error         { return p.err }
func (p *partial) Unpublished() []string { return p.ids }

func (h *hub) Publish(_ context.Context, notices []guard.Notice) error {
	if err := h.refuses[""]; err != nil {
		return err
	}
	left := &partial{}
	for _, n := range notices {
		if err := h.refuses[n.ID]; err != nil {
			left.ids, left.err = append(left.ids, n.ID), err
			continue
		}
		h.published = append(h.published, n.ID)
	}
	if left.err != nil {
		return left
	}
	return nil
}

func (h *hub) Put(_ context.Context, box, id string, body json.RawMessage) error {
	if h.broken != nil {
		return h.broken
	}
	if h.boxes[box] == nil {
		h.boxes[box] = map[string]json.RawMessage{}
	}
	h.boxes[box][id] = body
	return nil
}

func (h *hub) Waiting(_ context.Context, box string, yield func(string, json.RawMessage, *store.Unreadable) error) error {
	for _, id := range slices.Sorted(maps.Keys(h.boxes[box])) {
		err := yield(id, h.boxes[box][id], nil)
		if _, is := errors.AsType[*store.Unreadable](err); err != nil && !is {
			return err
		}
	}
	return nil
}

func (h *hub) Remove(_ context.Context, box, id string) error {
	delete(h.boxes[box], id)
	return h.broken
}

func (h *hub) waiting() []string {
	var ids []string
	for _, box := range h.boxes {
		ids = append(ids, slices.Collect(maps.Keys(box))...)
	}
	slices.Sort(ids)
	return ids
}

func newHub() (*hub, *outbox.Outbox) {
	h := &hub{boxes: map[string]map[string]json.RawMessage{}, refuses: map[string]error{}}
	return h, &outbox.Outbox{Store: h, Bus: h, Log: slog.New(slog.DiscardHandler)}
}

func notices(n int) (all []guard.Notice) {
	for i := range n {
		all = append(all, guard.Notice{ID: fmt.Sprintf("n%02d", i), Kind: guard.NoticeTampered})
	}
	return all
}

func TestANoticeWaitsAsLongAsItIsNotOnTheBus(t *testing.T) {
	down, denied := fmt.Errorf("put events: %w", guard.ErrUnavailable), fmt.Errorf("put events: %w", guard.ErrDenied)
	for name, tt := range map[string]struct {
		refuses map[string]error
		broken  error
		fails   bool
		waiting []string
	}{
		"the bus takes it":                      {},
		"the bus is down":                       {refuses: map[string]error{"": down}, waiting: []string{"n00", "n01", "n02"}},
		"the bus is busy for one of them":       {refuses: map[string]error{"n01": guard.ErrThrottled}, waiting: []string{"n01"}},
		"the bus refuses one of them":           {refuses: map[string]error{"n01": denied}, fails: true, waiting: []string{"n01"}},
		"an error that says nothing of itself":  {refuses: map[string]error{"": errors.New("?")}, fails: true, waiting: []string{"n00", "n01", "n02"}},
		"the table is down: nothing is claimed": {broken: down, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			h, box := newHub()
			maps.Copy(h.refuses, tt.refuses)
			h.broken = tt.broken
			if err := box.Publish(t.Context(), notices(3)); (err != nil) != tt.fails {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.waiting, h.waiting()); diff != "" {
				t.Errorf("what waits (-want +got):\n%s", diff)
			}
			h.refuses, h.broken = map[string]error{}, nil
			n, err := box.Drain(t.Context())
			if err != nil || n != len(tt.waiting) || len(h.waiting()) > 0 {
				t.Errorf("drained %d, left %v, error %v", n, h.waiting(), err)
			}
		})
	}
}

func TestWhatTheBusRefusesDoesNotHoldUpWhatElseWaits(t *testing.T) {
	h, box := newHub()
	h.refuses[""] = guard.ErrUnavailable
	if err := box.Publish(t.Context(), notices(60)); err != nil {
		t.Fatal(err)
	}
	h.refuses = map[string]error{"n07": guard.ErrRefused}
	n, err := box.Drain(t.Context())
	if n != 59 || !errors.Is(err, guard.ErrRefused) {
		t.Errorf("drained %d, error %v", n, err)
	}
	if diff := cmp.Diff([]string{"n07"}, h.waiting()); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
	if slices.Sort(h.published); len(slices.Compact(h.published)) != 59 {
		t.Errorf("%d were published", len(h.published))
	}
}
