package store

import (
	"context"
	"time"
)

// Counter bounds how often something is done.
type Counter interface {
	// Take takes one of limit, and answers false when none is left. The counter is forgotten some time after until:
	// names carry the hour or day that they count.
	Take(ctx context.Context, name string, limit int, until time.Time) (bool, error)
	// Taken is how many were taken, and takes none.
	Taken(ctx context.Context, name string) (int, error)
}

// Bookmarks remembers how far a task came that takes longer than one run.
type Bookmarks interface {
	// Bookmark reads what SetBookmark last wrote under a name; "" is nothing.
	Bookmark(ctx context.Context, name string) (string, error)
	// SetBookmark writes without a condition: the last one to write has the word.
	SetBookmark(ctx context.Context, name, value string) error
}
