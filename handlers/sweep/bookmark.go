package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

const (
	bookmarkName = "sweep"
	mostMark     = 90_000 // bytes of a bookmark
)

// position is how far the sweep of an account came: its Regions are swept in order, and secrets within them.
type position struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	After   string `json:"after"` // ARN of the last secret that was looked at

	From   time.Time `json:"from,omitzero"`    // when the sweep of this location began
	Missed []string  `json:"missed,omitempty"` // ARNs up to After that could not be looked at
}

// bookmark is how far a sweep came that ran out of time. Accounts are begun in order: Account is the first that was not,
// and Left are those before it that have not come to their end. A version that knew one account at a time had the position
// of that one in Account, Region and After.
type bookmark struct {
	position
	Left []position `json:"left,omitempty"`
}

// known is the bookmark in the form of this version.
func (b bookmark) known() bookmark {
	if b.Region == "" {
		return b
	}
	return bookmark{position: position{Account: b.Account + "~"}, Left: []position{b.position}}
}

// progress writes down how far a sweep is, account by account.
type progress struct {
	h     *Handler
	mu    sync.Mutex
	next  string              // first account that was not begun
	begun map[string]position // and not done
}

// at is where an account goes on.
func (p *progress) at(account string) position {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mark, begun := p.begun[account]; begun {
		return mark
	}
	return position{Account: account}
}

// begin notes that an account is at a position now, without writing it down.
func (p *progress) begin(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, begun := p.begun[account]; !begun {
		p.begun[account] = position{Account: account}
	}
	if account >= p.next {
		p.next = account + "~"
	}
}

// move writes down how far an account came.
func (p *progress) move(ctx context.Context, to position) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun[to.Account] = to
	return p.put(ctx)
}

// end notes that nothing of an account is left to this sweep.
func (p *progress) end(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.begun, account)
}

func (p *progress) put(ctx context.Context) error {
	mark := bookmark{position: position{Account: p.next}}
	for _, left := range p.begun {
		mark.Left = append(mark.Left, left)
	}
	slices.SortFunc(mark.Left, func(a, b position) int { return byOrder(location{a.Account, a.Region}, location{b.Account, b.Region}) })
	return p.h.put(ctx, mark)
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
	return mark.known(), nil
}

func (h *Handler) put(ctx context.Context, mark bookmark) error {
	raw, err := json.Marshal(mark)
	for i := range mark.Left {
		if err != nil || len(raw) <= mostMark {
			break
		}
		mark.Left[i].From, mark.Left[i].Missed = time.Time{}, nil // this sweep of the location counts for none
		raw, err = json.Marshal(mark)
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := h.Records.SetBookmark(ctx, bookmarkName, string(raw)); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// missedMost bounds what is kept of a location: more are too many, however many.
func missedMost(missed []string) []string { return missed[:min(len(missed), guard.MostMissed+1)] }
