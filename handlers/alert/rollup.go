package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/store"
)

// RollUps is where what does not go at once waits.
type RollUps struct {
	Box     store.Outbox
	Windows Windows // of kind store.KindRollUp
	Now     func() time.Time

	seen store.Sights // of turns that others have taken
}

// Windows keeps the windows: store.Documents that are made anew where they cannot be read.
type Windows interface {
	// LoadAnew answers revision 0 where there is none, or none that can be read, and a *store.Unreadable for one that a newer
	// version alone can read.
	LoadAnew(ctx context.Context, group, id string, into any) (revision int64, err error)
	Save(ctx context.Context, doc store.Document, encode func(stored json.RawMessage) (json.RawMessage, error)) error
}

// boxOpen is the box of what has something waiting: an owner at an outlet. What waits for it is in a box of its own, so that
// what is not due is not read each minute.
const boxOpen = "rollups"

// address is an owner at an outlet.
type address struct {
	Outlet string `json:"outlet"`
	Route  string `json:"route"`
}

func (a address) id() string { return a.Outlet + "|" + notify.ShortID(a.Route) }

func (a address) box() string { return "rollup#" + a.id() }

// held is a notice that waits for the next roll-up of an owner at an outlet.
type held struct {
	Notice guard.Notice `json:"notice"`
	Repeat bool         `json:"repeat,omitempty"`
	At     time.Time    `json:"at"`
	Round  int          `json:"round,omitempty"` // of the window, when it was decided to keep it
}

func (h held) id() string { return notify.ShortID(h.Notice.ID) }

// admit sends a message at once, or keeps what is in it for the next roll-up.
func (h *Handler) admit(ctx context.Context, o outlet, m notify.Message, inside []notify.Item, b batch) {
	if h.RollUps == nil {
		h.post(ctx, o, m, inside, b)
		return
	}
	now, goes, critical := h.RollUps.Now().UTC(), false, m.Severity() == guard.SeverityCritical
	w, err := h.RollUps.change(ctx, o.name, o.counted(m.Route), func(w *window) bool {
		goes = w.goes(critical, now)
		return true
	})
	_, newer := errors.AsType[*store.Unreadable](err)
	switch {
	case err != nil && (critical || newer): // it is worth more than the count
		h.Log.WarnContext(ctx, "count message", "owner", m.Route, "channel", o.name, "action", "sent uncounted", "error", err)
		h.post(ctx, o, m, inside, b)
	case err != nil:
		h.undo(ctx, o.name, inside, b, fmt.Errorf("%w: %w", guard.ErrUnsent, err))
	case goes:
		h.post(ctx, o, m, inside, b)
	default:
		h.hold(ctx, o, m, inside, b, held{At: now, Round: w.Round})
	}
}

// hold keeps notices for the next roll-up. A notice that is kept is as good as sent: a repeat of it is dropped.
func (h *Handler) hold(ctx context.Context, o outlet, m notify.Message, inside []notify.Item, b batch, as held) {
	to, named := address{o.name, o.counted(m.Route)}, false
	for _, item := range inside {
		as.Notice, as.Repeat = item.Notice, item.Repeat
		sending := store.NewRepeatable(inTime(func(ctx context.Context) error { return h.begin(ctx, o.name, []notify.Item{item}, b) }))
		err := h.RollUps.keep(store.WithSending(ctx, sending), to, as)
		kept := err == nil || sending.Sent()
		if err == nil && !named {
			err = h.RollUps.open(ctx, to)
			named = err == nil
		}
		if err != nil {
			if !kept {
				err = fmt.Errorf("%w: %w", guard.ErrUnsent, err)
			} else { // it may go in a roll-up before it comes again, whatever the error proves of the list of owners
				err = fmt.Errorf("%w: %v", guard.ErrUnavailable, err) //nolint:errorlint // see above
			}
			h.undo(ctx, o.name, []notify.Item{item}, b, fmt.Errorf("keep for the roll-up: %w", err))
			continue
		}
		if err := h.Claims.Delivered(context.WithoutCancel(ctx), notify.DedupeKey(o.name, item.Notice), remember); err != nil {
			h.Log.ErrorContext(ctx, "remember notice", "id", item.Notice.ID, "action", "failed", "error", err)
		}
		h.line(ctx, item.Notice, "held", o.name, m.Route)
	}
}

func (h *Handler) task(ctx context.Context, task string) error {
	if err := ours(task); err != nil {
		return err
	}
	if h.RollUps == nil {
		return nil
	}
	return h.rollUp(ctx)
}

func ours(task string) error {
	if task != TaskRollUp {
		return fmt.Errorf("task %q is not alert's", task)
	}
	return nil
}

// keep puts a notice into the box of an owner, who has to be named by open after it.
func (r *RollUps) keep(ctx context.Context, to address, one held) error {
	body, err := json.Marshal(one)
	if err != nil {
		return err
	}
	return r.Box.Put(ctx, to.box(), one.id(), body)
}

// open names an owner among those who have something waiting.
func (r *RollUps) open(ctx context.Context, to address) error {
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return r.Box.Put(ctx, boxOpen, to.id(), body)
}

// rollUp sends every roll-up that is due. One that fails does not hold up the others; the next task comes to it again.
func (h *Handler) rollUp(ctx context.Context) error {
	var failed []error
	err := h.RollUps.Box.Waiting(ctx, boxOpen, func(id string, body json.RawMessage, bad *store.Unreadable) error {
		var to address
		if bad == nil {
			bad = store.InBox(boxOpen, id, store.Decode(body, &to))
		}
		if bad == nil && to.id() != id {
			bad = store.InBox(boxOpen, id, "its body is of another owner")
		}
		if bad != nil {
			var found bool
			to, found = h.named(id)
			h.Log.ErrorContext(ctx, "read who has something waiting", "id", id, "action", "set aside", "reason", bad.Reason, "owner", to.Route)
			if !found || bad.Newer {
				return bad
			}
		}
		if err := h.flush(ctx, to); err != nil {
			failed = append(failed, fmt.Errorf("roll up for %s: %w", to.Route, err))
		}
		if ctx.Err() == nil && bad != nil {
			return bad
		}
		return ctx.Err()
	})
	return errors.Join(append(failed, err)...)
}

// named finds the owner at an outlet who is called by an id, without what is kept under it: what waits would else wait for
// as long as that cannot be read.
func (h *Handler) named(id string) (to address, found bool) {
	routes := append(slices.Sorted(maps.Keys(h.Directory.Channels)), h.Directory.Last("").Route, several)
	for _, o := range h.outlets() {
		for _, route := range routes {
			if to := (address{o.name, route}); to.id() == id {
				return to, true
			}
		}
	}
	return address{}, false
}

// waiting reads what waits for an owner.
func (h *Handler) waiting(ctx context.Context, to address) ([]held, error) {
	var all []held
	err := h.RollUps.Box.Waiting(ctx, to.box(), func(id string, body json.RawMessage, bad *store.Unreadable) error {
		var one held
		if bad == nil {
			bad = store.InBox(to.box(), id, store.Decode(body, &one))
		}
		if bad == nil && one.id() != id {
			bad = store.InBox(to.box(), id, "its body is of another notice")
		}
		if bad != nil {
			h.Log.ErrorContext(ctx, "read what waits for a roll-up", "id", id, "action", "set aside", "reason", bad.Reason)
			return bad
		}
		all = append(all, one)
		return nil
	})
	return all, err
}

// flush sends what waits for one owner at one outlet, if it is due: first the message of which nobody knows whether it was
// sent, as it was, then the rest. What waits is read under the window's lease, or two would send it.
func (h *Handler) flush(ctx context.Context, to address) error {
	outlets := h.outlets()
	at := slices.IndexFunc(outlets, func(o outlet) bool { return o.name == to.Outlet })
	if at < 0 {
		return fmt.Errorf("channel %s is not deployed any more", to.Outlet)
	}
	turn, w, err := h.RollUps.take(ctx, to)
	if bad, is := errors.AsType[*store.Unreadable](err); is { // a newer version's: it sends what waits, and what comes goes at once
		h.Log.ErrorContext(ctx, "read window", "owner", to.Route, "channel", to.Outlet, "action", "left", "reason", bad.Reason)
		return nil
	}
	if turn == nil || err != nil {
		return err
	}
	all, err := h.waiting(ctx, to)
	if err != nil {
		return errors.Join(err, turn.end(ctx, false))
	}
	all = w.read(all)
	again, fresh := split(all, w.Pending.IDs)
	parts := h.parts(outlets[at], to.Route, fresh)
	if len(all) > 0 && !w.due(all, len(parts), h.RollUps.Now().UTC()) {
		return turn.end(ctx, false)
	}
	if len(again) > 0 {
		parts = append(h.whole(to.Route, again), parts...)
	}
	for _, part := range parts {
		if err := h.sendPart(ctx, outlets[at], turn, part); err != nil {
			return err
		}
	}
	if err := turn.end(ctx, true); err != nil {
		return err
	}
	return h.close(ctx, to)
}

// close takes an owner off the list, and puts it there again if something came meanwhile: whoever keeps something names the
// owner after it.
func (h *Handler) close(ctx context.Context, to address) error {
	if err := h.RollUps.Box.Remove(ctx, boxOpen, to.id()); err != nil {
		return err
	}
	left, err := h.waiting(ctx, to)
	if err == nil && len(left) == 0 {
		return nil
	}
	return errors.Join(err, h.RollUps.open(ctx, to))
}

// split finds what is in a message that may have been sent.
func split(waiting []held, doubtful []string) (again, fresh []held) {
	for _, one := range waiting {
		if slices.Contains(doubtful, one.id()) {
			one.Repeat = true
			again = append(again, one)
		} else {
			fresh = append(fresh, one)
		}
	}
	return again, fresh
}

// part is one message of a roll-up.
type part struct {
	message notify.Message
	inside  []held
}

func items(all []held) []notify.Item {
	out := make([]notify.Item, 0, len(all))
	for _, one := range all {
		out = append(out, notify.Item{Notice: one.Notice, Repeat: one.Repeat})
	}
	return out
}

// whole is the message that was sent before, as it was.
func (h *Handler) whole(route string, again []held) []part {
	return []part{{h.compose(route, again), again}}
}

// compose makes one message for the owner that things were kept for, whoever they would go to by now.
func (h *Handler) compose(route string, all []held) notify.Message {
	m := notify.Message{Route: route}
	for _, composed := range notify.Compose(items(all), h.Directory, h.KeyFor) {
		m.Stories = append(m.Stories, composed.Stories...)
	}
	m.Note = unprompted(all)
	return m
}

// parts divides what waits into messages that each say everything of what is in them.
func (h *Handler) parts(o outlet, route string, all []held) []part {
	if len(all) == 0 {
		return nil
	}
	m := h.compose(route, all)
	var messages []notify.Message
	for rest := m.Stories; len(rest) > 0; {
		one := m
		one.Part, one.Parts = len(messages)+1, len(m.Stories) // as long as the real number, or longer
		n := fitting(len(rest), func(n int) bool { one.Stories = rest[:n]; return o.Whole(one, o.address(h.Directory, route)) })
		one.Stories, rest = rest[:n], rest[n:]
		messages = append(messages, one)
	}
	parts := make([]part, 0, len(messages))
	for _, one := range messages {
		one.Parts = len(messages)
		var inside []held
		for _, x := range all {
			if one.Covers(x.Notice) {
				inside = append(inside, x)
			}
		}
		parts = append(parts, part{one, inside})
	}
	return parts
}

// fitting is the most of n for which fits answers true: at least 1. What fits, fits with less of it.
func fitting(n int, fits func(int) bool) int {
	low, high := 1, n
	for low < high {
		middle := (low + high + 1) / 2
		if fits(middle) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// many is from how many findings that no event showed a roll-up says where they come from.
const many = 20

// unprompted says that findings were found by looking at everything that is there, as in an account that is new here.
func unprompted(all []held) string {
	found, accounts := 0, []string{}
	for _, one := range all {
		n := one.Notice
		if n.Kind == guard.NoticeOpened && n.EventID == "" && n.Actor == "" {
			found++
			if !slices.Contains(accounts, n.Account) {
				accounts = append(accounts, n.Account)
			}
		}
	}
	if found < many {
		return ""
	}
	slices.Sort(accounts)
	if len(accounts) > 3 {
		accounts = append(accounts[:3], "others")
	}
	return fmt.Sprintf("%d of these findings were there before anything changed: a look at everything in %s showed them. They come in roll-ups instead of one by one.",
		found, strings.Join(accounts, ", "))
}

// sendPart sends one message of a roll-up. What is in it is written down right before it goes, and forgotten after.
func (h *Handler) sendPart(ctx context.Context, o outlet, turn *turn, p part) error {
	var ids []string
	for _, one := range p.inside {
		ids = append(ids, one.id())
	}
	sending := store.NewSending(inTime(func(ctx context.Context) error { return turn.begin(ctx, ids) }))
	err := o.send(store.WithSending(ctx, sending), h.Directory, p.message, items(p.inside))
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		repeat := slices.ContainsFunc(p.inside, func(one held) bool { return one.Repeat })
		return errors.Join(err, turn.failed(ctx, guard.NothingDone(err), repeat))
	}
	for _, one := range p.inside {
		if err := h.RollUps.Box.Remove(ctx, address{o.name, p.message.Route}.box(), one.id()); err != nil {
			return fmt.Errorf("forget what was sent: %w", err)
		}
		h.line(ctx, one.Notice, "notified", o.name, p.message.Route)
	}
	return turn.sent(ctx)
}
