package sweep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	chunk      = 100 // secrets between two bookmarks
	probes     = 8   // secrets that are tried where the list was not answered, before the location counts as silent
	perSecret  = 2 * time.Minute
	perJobs    = 5 * time.Minute // for all jobs together, before the sweep itself
	perAccount = 3 * time.Minute // before the others had their turn
	atATime    = 4               // accounts
)

// location is an account in a Region.
type location struct{ account, region string }

// count is what came of a sweep.
type count struct{ locations, unseen, secrets, failed int }

// Sweep inspects every secret that is there and every one that is remembered to be there: the first finds what no
// event showed, the second what is gone. It goes on where the last one ran out of time. A secret or an account that
// fails does not hold up the others; the next sweep comes to it again.
func (h *Handler) Sweep(ctx context.Context) error {
	failed := h.advance(ctx)
	done, err := h.sweep(ctx)
	log := h.Log.With("locations", done.locations, "unseen", done.unseen, "secrets", done.secrets, "failed", done.failed)
	switch {
	case err == nil:
		log.InfoContext(ctx, "sweep", "action", "swept")
	case ctx.Err() != nil:
		log.WarnContext(ctx, "sweep", "action", "postponed", "reason", "out of time; the next sweep goes on from here")
		err = nil
	}
	return errors.Join(failed, err)
}

func (h *Handler) advance(ctx context.Context) error {
	if h.Jobs == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, perJobs)
	defer cancel()
	if err := h.Jobs.Advance(ctx); err != nil {
		return fmt.Errorf("advance jobs: %w", err)
	}
	return nil
}

func (h *Handler) sweep(ctx context.Context) (count, error) {
	mark, err := h.open(ctx)
	if err != nil {
		return count{}, err
	}
	all, err := h.locations(ctx)
	if err != nil {
		return count{}, err
	}
	remembered, rows, blind, err := h.remembered(ctx)
	if err != nil {
		return count{}, err
	}
	h.revisit(ctx, blind)
	if err := h.rows(ctx, rows); err != nil {
		h.Log.ErrorContext(ctx, "read rows", "action", "failed", "error", err) // the next sweep comes to them again
	}
	for at := range remembered {
		if !slices.Contains(all, at) {
			all = append(all, at) // an account or Region that was left, or is guarded no longer
		}
	}
	slices.SortFunc(all, byOrder)
	return h.accounts(ctx, mark, all, remembered)
}

func byOrder(a, b location) int {
	return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region))
}

func (h *Handler) locations(ctx context.Context) ([]location, error) {
	accounts, err := h.Accounts.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	all := make([]location, 0, len(accounts)*len(h.Regions))
	for _, account := range accounts {
		for _, region := range h.Regions {
			all = append(all, location{account, region})
		}
	}
	return all, nil
}

// revisit looks again into the locations that could not be looked into. Those that hold no secret are seen by nothing else.
func (h *Handler) revisit(ctx context.Context, blind []location) {
	var group errgroup.Group
	group.SetLimit(cmp.Or(h.Concurrency, 8))
	for _, at := range blind {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, perSecret)
			defer cancel()
			if err := h.Inspector.Revisit(ctx, at.account, at.region); err != nil {
				h.Log.ErrorContext(ctx, "look into location", "account", at.account, "region", at.region, "action", "failed", "error", err)
			}
			return nil // logged: one that fails holds up no other
		})
	}
	_ = group.Wait() // no job answers an error
}

// remembered lists the ARNs of the secrets that are recorded and not known to be gone, the records of rows that could not be
// read, and the locations that could not be looked into. A secret whose own row cannot be read is remembered by its key.
func (h *Handler) remembered(ctx context.Context) (map[location][]string, []guard.Record, []location, error) {
	arns := map[location][]string{}
	var rows []guard.Record
	var blind []location
	err := h.Records.All(ctx, func(rec guard.Record, bad *store.Unreadable) error {
		if bad != nil {
			rec = guard.Record{Resource: bad.ID, Account: bad.Group, Region: arn.Of(bad.ID).Region}
		}
		if isSecret(rec) && rec.GoneAt.IsZero() {
			at := location{rec.Account, rec.Region}
			arns[at] = append(arns[at], rec.Resource)
		}
		if unread(rec) {
			rows = append(rows, rec)
		}
		if unseen(rec) {
			blind = append(blind, location{rec.Account, rec.Region})
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sweep: %w", err)
	}
	return arns, rows, blind, nil
}

// unseen reports that a record is that of a location whose coverage finding is open: it stands for all secrets there.
func unseen(rec guard.Record) bool {
	a := arn.Of(rec.Resource)
	_, name := a.Split()
	return a.Service == "secretsmanager" && name == "*" &&
		slices.ContainsFunc(rec.Open(), func(f guard.Finding) bool { return f.Control == guard.OrgCoverage })
}

// isSecret distinguishes the record of a secret from that of a location or a key.
func isSecret(rec guard.Record) bool {
	a := arn.Of(rec.Resource)
	kind, name := a.Split()
	return a.Service == "secretsmanager" && kind == "secret" && name != "*"
}

// remember keeps when a full sweep of a location began, and what it missed. One that missed too much is none, and the one
// before stays.
func (h *Handler) remember(ctx context.Context, b position) error {
	if b.From.IsZero() || len(b.Missed) > guard.MostMissed {
		return nil
	}
	missed := slices.Sorted(slices.Values(b.Missed)) // a copy: others write the bookmark that holds it, at the same time
	raw, err := json.Marshal(guard.Swept{From: b.From, Until: h.Now().UTC(), Missed: missed})
	if len(raw) > mostMark { // of long names
		return nil
	}
	if err == nil {
		err = h.Records.SetBookmark(ctx, guard.SweptName(b.Account, b.Region), string(raw))
	}
	if err != nil {
		return fmt.Errorf("remember the sweep of %s in %s: %w", b.Account, b.Region, err)
	}
	return nil
}
