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

// Claims sees to it that of several deliveries of one thing one is made. by names who asks, different for every time that it
// takes deliveries: what it does not have any more is left as it is.
//
// Whoever has a claim may lose it at any time until Begin, and then finds that out there: a takeover before it is as good as
// the first, whatever the clock of who takes over says. After Begin the delivery may be under way, and nobody takes it over
// before it cannot be any more, by a clock that was wrong by Skew the one way on one machine and the other way on the other,
// or by how long one process itself saw that nobody wrote.
type Claims interface {
	// Claim asks for the right to deliver, for about as long as the lease.
	Claim(ctx context.Context, id, by string, lease time.Duration) (Claim, error)
	// Begin writes down that the delivery is made now. It is the last thing before the bytes go, and they may go within
	// MayBegin of when it was asked. ErrLost: somebody else has the claim, or it was delivered.
	Begin(ctx context.Context, id, by string) error
	// Delivered ends a claim for good, and is remembered for ttl.
	Delivered(ctx context.Context, id string, ttl time.Duration) error
	// Doubt gives back a claim whose delivery may have been made, or be under way for LongestCall yet: who asks after that
	// gets it as ClaimAgain.
	Doubt(ctx context.Context, id, by string) error
	// Release gives a claim back whose delivery was certainly not made: the next who asks gets it as it was.
	Release(ctx context.Context, id, by string) error
}

// MayBegin is how long after it was asked for a beginning may be followed by the bytes.
const MayBegin = SignedFor / 10

// UnderWay is how long a delivery that was begun may be under way: what was signed before is refused by AWS after that.
const UnderWay = SignedFor + LongestCall
