package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// maxInDigest bounds the findings in one digest, and maxDigest what they may take, in bytes of JSON, so that its event
// stays under EventBridge's 256 KB. What is more urgent comes first, and the rest is there again when that is done.
const (
	maxInDigest = 120
	maxDigest   = 200 * 1024
)

// Digest sends each owner what of theirs is still open, one notice a day.
func (h *Handler) Digest(ctx context.Context) error {
	open, err := h.stillOpen(ctx)
	if err != nil {
		return err
	}
	if err := h.addTags(ctx, open); err != nil {
		return err
	}
	byRoute := map[string][]guard.Notice{}
	for _, notices := range open {
		for _, n := range notices {
			route := h.Directory.Resolve(n).Route
			byRoute[route] = append(byRoute[route], n)
		}
	}
	var digests []guard.Notice
	for _, route := range slices.Sorted(maps.Keys(byRoute)) {
		digests = append(digests, digest(route, byRoute[route], h.Account, h.Now().UTC()))
	}
	if len(digests) > 0 {
		if err := h.Bus.Publish(ctx, digests); err != nil {
			return fmt.Errorf("publish digests: %w", err)
		}
	}
	h.Log.InfoContext(ctx, "digest", "action", "published", "owners", len(digests))
	return nil
}

// stillOpen lists every finding that is open and that its owner would be notified of, as the notice that opened it, by
// location.
func (h *Handler) stillOpen(ctx context.Context) (map[location][]guard.Notice, error) {
	open := map[location][]guard.Notice{}
	err := h.Records.All(ctx, func(rec guard.Record, _ *store.Unreadable) error { // the sweep opens a finding for that
		for _, f := range rec.Findings {
			n := reminder(rec, f)
			if (f.Status == guard.FindingOpen || !f.Status.Known()) && rec.GoneAt.IsZero() && n.Notified() {
				at := location{rec.Account, rec.Region}
				open[at] = append(open[at], n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	return open, nil
}

func reminder(rec guard.Record, f guard.Finding) guard.Notice {
	return guard.Notice{
		ID: f.ID() + "|" + string(guard.NoticeDigest), Kind: guard.NoticeOpened, At: f.OpenedAt, Account: rec.Account, Region: rec.Region,
		Resource: rec.Resource, Name: rec.Name, State: rec.State, Finding: &f, Decision: guard.Decision{Mode: f.Mode, Reason: "still open"},
	}
}

// addTags reads the tags by which owners are found. Where we may not look, the account or the fallback is the owner.
func (h *Handler) addTags(ctx context.Context, open map[location][]guard.Notice) error {
	for at, notices := range open {
		tags := map[string]map[string]string{}
		err := h.Secrets.Outline(ctx, at.account, at.region, func(s guard.Secret) error {
			tags[s.ARN] = h.ownerTags(s.Tags)
			return nil
		})
		if ctx.Err() != nil {
			return fmt.Errorf("digest: %w", ctx.Err())
		}
		if err != nil {
			h.Log.WarnContext(ctx, "read tags", "account", at.account, "region", at.region, "action", "failed", "error", err)
		}
		for i := range notices {
			notices[i].Tags = tags[notices[i].Resource]
		}
	}
	return nil
}

// ownerTags keeps the tags that may name an owner: an event has no room for fifty tags of a hundred secrets.
func (h *Handler) ownerTags(tags map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range tags {
		if slices.ContainsFunc(h.Directory.Tags, func(want string) bool { return strings.EqualFold(want, name) }) {
			kept[name] = value
		}
	}
	return kept
}

// digest is what one owner is sent. Its ID is that of the owner and the day, so that a repeated task is one notice.
func digest(route string, open []guard.Notice, hub string, now time.Time) guard.Notice {
	slices.SortFunc(open, moreUrgent)
	n := guard.Notice{
		ID: string(guard.NoticeDigest) + "|" + route + "|" + now.Format(time.DateOnly), Kind: guard.NoticeDigest, At: now, Account: hub,
		Resource: "doublelock:digest:" + route, Name: route, Decision: guard.Decision{Reason: "what is still open"},
		Open: fitting(open),
	}
	if left := len(open) - len(n.Open); left > 0 {
		n.Detail = fmt.Sprintf("%d more findings of yours are open; the most urgent come first.", left)
	}
	return n
}

// fitting is as many of the notices as an event has room for.
func fitting(open []guard.Notice) []guard.Notice {
	room := maxDigest
	for i, n := range open {
		raw, err := json.Marshal(n)
		if room -= len(raw) + 1; err != nil || room < 0 || i == maxInDigest {
			return open[:i]
		}
	}
	return open
}

var severities = []guard.Severity{guard.SeverityCritical, guard.SeverityHigh, guard.SeverityMedium, guard.SeverityLow}

func moreUrgent(a, b guard.Notice) int {
	if d := slices.Index(severities, a.Finding.Severity) - slices.Index(severities, b.Finding.Severity); d != 0 {
		return d
	}
	return strings.Compare(a.ID, b.ID)
}
