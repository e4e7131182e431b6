package store

import (
	"context"
	"time"
)

// JournalEntry records one change we made: the way back. It is written before the change is made.
type JournalEntry struct {
	ID       string            `json:"id"`       // the same for repeats of the same change
	Resource string            `json:"resource"` // canonical ARN
	Action   string            `json:"action"`   // AWS's own name, e.g. "UpdateSecret"
	Before   map[string]string `json:"before"`   // what undoing must restore, e.g. "kmsKeyId" ("" is the default key)
	After    map[string]string `json:"after"`
	At       time.Time         `json:"at"`
	By       string            `json:"by"` // who made it: the role session of the hub, or the ARN of whoever ran the command line
}

// Journal is only added to.
type Journal interface {
	// Append writes an entry. A repeat (the same resource, time and ID) keeps what was written first, and is no error.
	Append(ctx context.Context, e JournalEntry) error
}
