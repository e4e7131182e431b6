package store

import (
	"context"
	"time"
)

// Claim is the answer to "may I deliver this?". Of several who ask at once, one may.
type Claim string

const (
	ClaimNew   Claim = "new"   // deliver it: nobody did
	ClaimAgain Claim = "again" // deliver it: somebody began and never came back, so it may be a repeat
	ClaimBusy  Claim = "busy"  // somebody is at it: ask later
	ClaimDone  Claim = "done"  // it was delivered
)

// Claims sees to it that of several deliveries of one thing one is made.
type Claims interface {
	// Claim asks for the right to deliver. It lasts as long as the lease, or until Delivered or Release.
	Claim(ctx context.Context, id string, lease time.Duration) (Claim, error)
	// Delivered ends a claim for good, and is remembered for ttl.
	Delivered(ctx context.Context, id string, ttl time.Duration) error
	// Doubt ends the lease of a claim whose delivery may have been made: the next who asks gets it as ClaimAgain.
	Doubt(ctx context.Context, id string) error
	// Release gives a claim back: the next who asks gets it as new.
	Release(ctx context.Context, id string) error
}
