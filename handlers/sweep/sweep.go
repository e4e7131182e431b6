package sweep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	bookmarkName = "sweep"
	chunk        = 100 // secrets between two bookmarks
	perSecret    = 2 * time.Minute
	perJobs      = 5 * time.Minute // for all jobs together, before the sweep itself
)

// bookmark is how far a sweep came that ran out of time: locations are swept in order, and secrets within them.
type bookmark struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	After   string `json:"after"` // ARN of the last secret that was looked at

	From   time.Time `json:"from,omitzero"`    // when the sweep of this location began
	Missed []string  `json:"missed,omitempty"` // ARNs up to After that could not be looked at
}

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
	var done count
	mark, err := h.open(ctx)
	if err != nil {
		return done, err
	}
	all, err := h.locations(ctx)
	if err != nil {
		return done, err
	}
	remembered, rows, blind, err := h.remembered(ctx)
	if err != nil {
		return done, err
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
	for _, at := range all {
		if byOrder(at, location{mark.Account, mark.Region}) < 0 {
			continue
		}
		if err := h.sweepLocation(ctx, at, mark, remembered[at], &done); err != nil {
			return done, err
		}
	}
	return done, h.put(ctx, bookmark{})
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
	for _, at := range blind {
		ctx, cancel := context.WithTimeout(ctx, perSecret)
		if err := h.Inspector.Revisit(ctx, at.account, at.region); err != nil {
			h.Log.ErrorContext(ctx, "look into location", "account", at.account, "region", at.region, "action", "failed", "error", err)
		}
		cancel()
	}
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

func (h *Handler) sweepLocation(ctx context.Context, at location, mark bookmark, remembered []string, done *count) error {
	began := bookmark{Account: at.account, Region: at.region, From: h.Now().UTC()}
	arns := map[string]bool{}
	for _, arn := range remembered {
		arns[arn] = true
	}
	err := h.Secrets.Outline(ctx, at.account, at.region, func(s guard.Secret) error {
		arns[s.ARN] = true
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done.locations++
	if err != nil {
		done.unseen++
		h.Log.ErrorContext(ctx, "list secrets", "account", at.account, "region", at.region, "action", "failed", "error", err)
	}
	todo := slices.Sorted(maps.Keys(arns))
	if at == (location{mark.Account, mark.Region}) {
		todo = slices.DeleteFunc(todo, func(arn string) bool { return arn <= mark.After })
		began.From, began.Missed = mark.From, mark.Missed
	}
	for part := range slices.Chunk(todo, chunk) {
		missed := h.inspectAll(ctx, at, part, done)
		if ctx.Err() != nil {
			return ctx.Err() // not all of them were inspected, so the bookmark stays before them
		}
		began.After, began.Missed = part[len(part)-1], slices.Concat(began.Missed, missed)
		began.Missed = began.Missed[:min(len(began.Missed), guard.MostMissed+1)] // more are too many, however many
		if err := h.put(ctx, began); err != nil {
			return err
		}
	}
	if err != nil {
		return nil // logged: what is there is not known
	}
	return h.remember(ctx, began)
}

// remember keeps when a full sweep of a location began, and what it missed. One that missed too much is none, and the one
// before stays.
func (h *Handler) remember(ctx context.Context, b bookmark) error {
	if b.From.IsZero() || len(b.Missed) > guard.MostMissed {
		return nil
	}
	slices.Sort(b.Missed)
	raw, err := json.Marshal(guard.Swept{From: b.From, Until: h.Now().UTC(), Missed: b.Missed})
	if err == nil {
		err = h.Records.SetBookmark(ctx, guard.SweptName(b.Account, b.Region), string(raw))
	}
	if err != nil {
		return fmt.Errorf("remember the sweep of %s in %s: %w", b.Account, b.Region, err)
	}
	return nil
}

// inspectAll inspects secrets, and lists those that it could not look at.
func (h *Handler) inspectAll(ctx context.Context, at location, arns []string, done *count) (missed []string) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(cmp.Or(h.Concurrency, 8))
	for _, secret := range arns {
		group.Go(func() error {
			seen, err := h.inspect(ctx, guard.SecretRef{Account: at.account, Region: at.region, ID: secret})
			mu.Lock()
			defer mu.Unlock()
			done.secrets++
			if err != nil {
				done.failed++
			}
			if !seen {
				missed = append(missed, secret)
			}
			return nil // counted: one that fails does not hold up the others
		})
	}
	_ = group.Wait() // no job answers an error
	return missed
}

func (h *Handler) inspect(ctx context.Context, ref guard.SecretRef) (seen bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, perSecret)
	defer cancel()
	seen, err = h.Inspector.Look(ctx, ref, guard.Cause{})
	if err != nil {
		h.Log.ErrorContext(ctx, "inspect", "account", ref.Account, "region", ref.Region, "secret", ref.ID, "action", "failed", "error", err)
	}
	return seen && err == nil, err
}

// open reads the bookmark. One that makes no sense is as good as none.
func (h *Handler) open(ctx context.Context) (bookmark, error) {
	raw, err := h.Records.Bookmark(ctx, bookmarkName)
	if err != nil {
		return bookmark{}, fmt.Errorf("sweep: %w", err)
	}
	var mark bookmark
	if unread := json.Unmarshal([]byte(raw), &mark); raw != "" && unread != nil {
		h.Log.WarnContext(ctx, "read bookmark", "action", "ignored", "error", unread)
		mark = bookmark{}
	}
	return mark, nil
}

func (h *Handler) put(ctx context.Context, mark bookmark) error {
	raw, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := h.Records.SetBookmark(ctx, bookmarkName, string(raw)); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}
