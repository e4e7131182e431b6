package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Bookmarks keeps names of changes where every process of the hub finds them.
type Bookmarks interface {
	// Bookmark is what SetBookmark last wrote under a name; "" is nothing.
	Bookmark(ctx context.Context, name string) (string, error)
	SetBookmark(ctx context.Context, name, value string) error
}

// Changes of AWS Organizations, and of what approves keys, that events have said. Each process remembers for an hour what it asked; one of them reads the
// event, and all others learn of it here. It is safe for concurrent use. Of a nil Changes there are none.
type Changes struct {
	Bookmarks Bookmarks // nil: of this process alone
	Now       func() time.Time

	turn  turn
	last  string
	asked time.Time
}

const (
	changesBookmark = "organization-changed"
	// changesEvery is how often a process asks whether another has read an event: a read of the table each time.
	changesEvery = time.Minute
)

// Last names the last change, as it was a minute ago at most. Whoever asked before it has to ask again. "" is none.
func (c *Changes) Last(ctx context.Context) (string, error) { return c.within(ctx, changesEvery) }

// Ask is Last as it is now.
func (c *Changes) Ask(ctx context.Context) (string, error) { return c.within(ctx, 0) }

func (c *Changes) within(ctx context.Context, most time.Duration) (string, error) {
	if c == nil {
		return "", nil
	}
	if err := c.turn.take(ctx); err != nil {
		return "", err
	}
	defer c.turn.give()
	now := c.Now()
	if age := now.Sub(c.asked); c.Bookmarks == nil || !c.asked.IsZero() && age >= 0 && age < most {
		return c.last, nil
	}
	last, err := c.Bookmarks.Bookmark(ctx, changesBookmark)
	if err != nil && !errors.Is(err, guard.ErrGone) { // where no table is, no hub reads events
		return "", fmt.Errorf("ask whether the organization has changed: %w", err)
	}
	c.last, c.asked = last, now
	return last, nil
}

// Record says that something has changed.
func (c *Changes) Record(ctx context.Context) error {
	if c == nil {
		return nil
	}
	if err := c.turn.take(ctx); err != nil {
		return err
	}
	defer c.turn.give()
	name := rand.Text()
	if c.Bookmarks != nil {
		if err := c.Bookmarks.SetBookmark(ctx, changesBookmark, name); err != nil {
			return fmt.Errorf("record that the organization has changed: %w", err)
		}
	}
	c.last, c.asked = name, c.Now()
	return nil
}
