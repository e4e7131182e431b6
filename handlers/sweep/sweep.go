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

	"github.com/doublelock/doublelock/shared/guard"
)

const (
	bookmarkName = "sweep"
	chunk        = 100             // secrets between two looks at the clock
	perLook      = 2 * time.Minute // of one secret
	perJobs      = 5 * time.Minute // for all jobs together, before the sweep itself
)

// bookmark is how far a sweep came that ran out of time: places are swept in order, and secrets within them.
type bookmark struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	After   string `json:"after"` // ARN of the last secret that was looked at
}

// place is an account in a Region.
type place struct{ account, region string }

// count is what came of a sweep.
type count struct{ places, unseen, secrets, failed int }

// Sweep looks at every secret that is there and at every one that is remembered to be there: the first finds what no
// event told, the second what is gone. It goes on where the last one ran out of time. A secret or an account that
// fails does not hold up the others; the next sweep comes to it again.
func (h *Handler) Sweep(ctx context.Context) error {
	failed := h.advance(ctx)
	done, err := h.sweep(ctx)
	log := h.log().With("places", done.places, "unseen", done.unseen, "secrets", done.secrets, "failed", done.failed)
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
	places, err := h.places(ctx)
	if err != nil {
		return done, err
	}
	remembered, err := h.remembered(ctx)
	if err != nil {
		return done, err
	}
	for p := range remembered {
		if !slices.Contains(places, p) {
			places = append(places, p) // an account or Region that was left, or is guarded no longer
		}
	}
	slices.SortFunc(places, byOrder)
	for _, p := range places {
		if byOrder(p, place{mark.Account, mark.Region}) < 0 {
			continue
		}
		if err := h.sweepPlace(ctx, p, mark, remembered[p], &done); err != nil {
			return done, err
		}
	}
	return done, h.put(ctx, bookmark{})
}

func byOrder(a, b place) int {
	return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region))
}

func (h *Handler) places(ctx context.Context) ([]place, error) {
	accounts, err := h.Accounts.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	places := make([]place, 0, len(accounts)*len(h.Regions))
	for _, account := range accounts {
		for _, region := range h.Regions {
			places = append(places, place{account, region})
		}
	}
	return places, nil
}

// remembered lists the ARNs of the secrets that are recorded and not known to be gone.
func (h *Handler) remembered(ctx context.Context) (map[place][]string, error) {
	arns := map[place][]string{}
	err := h.Records.All(ctx, func(rec guard.Record) error {
		if isSecret(rec) && rec.GoneAt.IsZero() {
			p := place{rec.Account, rec.Region}
			arns[p] = append(arns[p], rec.Resource)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return arns, nil
}

// isSecret tells the record of a secret from that of a place or a key.
func isSecret(rec guard.Record) bool {
	return strings.Contains(rec.Resource, ":secret:") && !strings.HasSuffix(rec.Resource, ":secret:*")
}

func (h *Handler) sweepPlace(ctx context.Context, p place, mark bookmark, remembered []string, done *count) error {
	arns := map[string]bool{}
	for _, arn := range remembered {
		arns[arn] = true
	}
	err := h.Secrets.Outline(ctx, p.account, p.region, func(s guard.Secret) error {
		arns[s.ARN] = true
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done.places++
	if err != nil {
		done.unseen++
		h.log().ErrorContext(ctx, "list secrets", "account", p.account, "region", p.region, "action", "failed", "error", err)
	}
	todo := slices.Sorted(maps.Keys(arns))
	if p == (place{mark.Account, mark.Region}) {
		todo = slices.DeleteFunc(todo, func(arn string) bool { return arn <= mark.After })
	}
	for part := range slices.Chunk(todo, chunk) {
		h.lookAll(ctx, p, part, done)
		if ctx.Err() != nil {
			return ctx.Err() // not all of them were looked at, so the bookmark stays before them
		}
		if err := h.put(ctx, bookmark{p.account, p.region, part[len(part)-1]}); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) lookAll(ctx context.Context, p place, arns []string, done *count) {
	var mu sync.Mutex
	var group sync.WaitGroup
	seats := make(chan struct{}, cmp.Or(h.Concurrency, 8))
	for _, arn := range arns {
		seats <- struct{}{}
		group.Go(func() {
			defer func() { <-seats }()
			err := h.look(ctx, guard.SecretRef{Account: p.account, Region: p.region, ID: arn})
			mu.Lock()
			defer mu.Unlock()
			done.secrets++
			if err != nil {
				done.failed++
			}
		})
	}
	group.Wait()
}

func (h *Handler) look(ctx context.Context, ref guard.SecretRef) error {
	ctx, cancel := context.WithTimeout(ctx, perLook)
	defer cancel()
	err := h.Looker.Look(ctx, ref, guard.Cause{})
	if err != nil {
		h.log().ErrorContext(ctx, "look", "account", ref.Account, "region", ref.Region, "secret", ref.ID, "action", "failed", "error", err)
	}
	return err
}

// open reads the bookmark. One that makes no sense is as good as none.
func (h *Handler) open(ctx context.Context) (bookmark, error) {
	raw, err := h.Records.Bookmark(ctx, bookmarkName)
	if err != nil {
		return bookmark{}, fmt.Errorf("sweep: %w", err)
	}
	var mark bookmark
	if unread := json.Unmarshal([]byte(raw), &mark); raw != "" && unread != nil {
		h.log().WarnContext(ctx, "read bookmark", "action", "ignored", "error", unread)
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
