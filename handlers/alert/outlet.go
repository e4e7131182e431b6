package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/channels"
)

// outlet is one way that messages go: a channel to its overview, or to the owner's own address. What is remembered of a
// delivery is of an outlet, so that one that fails is tried again alone.
type outlet struct {
	Channel
	name     string // part of what is remembered of a delivery
	overview bool
}

// outlets are the ways of the deployed channels.
func (h *Handler) outlets() []outlet {
	var all []outlet
	for _, c := range h.Channels {
		switch {
		case !c.Field.Overview:
			all = append(all, outlet{c, c.Name, false})
		case c.Overview != "":
			all = append(all, outlet{c, c.Name, true}, outlet{c, c.Name + "-owner", false})
		default:
			all = append(all, outlet{c, c.Name + "-owner", false})
		}
	}
	return all
}

// takes reports whether somebody at the end of the outlet gets the notice. An owner whose address is that of the overview has
// it from there.
func (o outlet) takes(d notify.Directory, n guard.Notice) bool {
	return o.overview || o.address(d, route(d, n)) != ""
}

// counted is the owner for whom messages of a route are counted and kept. An overview is read by the same people whoever owns
// what is in it, and counts as one.
func (o outlet) counted(route string) string {
	if o.overview {
		return several
	}
	return route
}

// address is where the outlet leads for a route; "" is nowhere.
func (o outlet) address(d notify.Directory, route string) string {
	if o.overview {
		return o.Overview
	}
	if to := d.Channels[route][o.Field.Name]; to != o.Overview {
		return to
	}
	return ""
}

// route is the owner that a notice goes to: the one it was grouped by where it is a digest.
func route(d notify.Directory, n guard.Notice) string {
	if n.Kind == guard.NoticeDigest {
		return n.Name
	}
	return d.Resolve(n).Route
}

// send sends a message and says which notices are in it.
func (o outlet) send(ctx context.Context, d notify.Directory, m notify.Message, inside []notify.Item) error {
	to := o.address(d, m.Route)
	text, err := o.Render(m, to)
	if err != nil {
		return fmt.Errorf("render message: %w: %w", guard.ErrRefused, err)
	}
	if o.overview && o.Carrier.Chatbot != nil {
		to = "" // its topic is the channel's own
	}
	return o.Sender.Send(ctx, Message{To: to, Subject: m.Subject(), Text: text, Attributes: attributes(m, inside), Notices: shortIDs(inside)})
}

// reachable gives back what nobody would get: where no outlet leads, sending would only look like notifying. It comes again,
// and is parked in the dead-letter queue, whose alarm says so.
func (h *Handler) reachable(ctx context.Context, notices []guard.Notice, b batch) []guard.Notice {
	var reached []guard.Notice
	outlets := h.outlets()
	for _, n := range notices {
		if n.Kind == guard.NoticeDigest {
			n = h.passedOn(n)
		}
		if slices.ContainsFunc(outlets, func(o outlet) bool { return o.takes(h.Directory, n) }) {
			reached = append(reached, n)
			continue
		}
		b.fail(n, errUnreached)
		h.Log.ErrorContext(ctx, "reach owner", "id", n.ID, "owner", route(h.Directory, n), "action", "failed",
			"error", errUnreached)
	}
	return reached
}

var errUnreached = errors.New("no deployed channel reaches the owner or the fallback: add an address under owners.channels")

// batchID names a message by what is in it.
func batchID(ids []string) string { return notify.ShortID(strings.Join(ids, "|")) }

// passedOn is a digest as it can be sent: to the fallback, with the reason, where its owner has no address any more.
func (h *Handler) passedOn(n guard.Notice) guard.Notice {
	if len(h.Directory.Channels[n.Name]) == 0 && n.Name != h.Directory.Fallback {
		n.Detail = strings.TrimSpace(n.Detail + " They are of " + n.Name + ", who has no channel here.")
		n.Name = h.Directory.Last("").Route
	}
	return n
}

// several stands for an attribute of a message about more than one account or control. Subscriptions that must get
// everything of an owner filter on the owner alone.
const several = "several"

// Attributes by which machines that subscribed drop repeats. The page operations.md says what they promise.
const (
	attributeBatch   = "batch_id"   // of the message: that of the notices in it, so that a repeat of the whole has the same
	attributeNotice  = "notice_id"  // of a message about a single notice
	attributeNotices = "notice_ids" // a list, of every notice in the message
	attributeRepeat  = "repeat"     // "true": an earlier delivery may have come through
)

func shortIDs(inside []notify.Item) []string {
	var ids []string
	for _, item := range inside {
		if id := notify.ShortID(item.Notice.ID); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func attributes(m notify.Message, inside []notify.Item) map[string]string {
	one := func(list []string) string {
		switch len(list) {
		case 0:
			return "none"
		case 1:
			return list[0]
		default:
			return several
		}
	}
	ids := shortIDs(inside)
	all := map[string]string{
		channels.AttributeOwner: m.Route, "severity": string(m.Severity()), "control": one(m.Controls()), "account": one(m.Accounts()),
		attributeBatch: batchID(ids),
	}
	if len(ids) == 1 {
		all[attributeNotice] = ids[0]
	}
	if slices.ContainsFunc(inside, func(item notify.Item) bool { return item.Repeat }) {
		all[attributeRepeat] = "true"
	}
	return all
}
