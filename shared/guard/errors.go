package guard

import (
	"context"
	"errors"
	"slices"
)

// The answers AWS can give instead of a secret or key. Adapters wrap them; callers test with errors.Is.
var (
	// ErrGone: it does not exist (any more). Normal when the event is older than the deletion.
	ErrGone = errors.New("does not exist")
	// ErrDenied: it may exist, but we may not look or touch. Looks like silence, so it raises a coverage finding.
	ErrDenied = errors.New("access denied")
	// ErrNotOurs: the account or Region is not ours to see (no member role, not in the organization, not guarded).
	ErrNotOurs = errors.New("not in a guarded account or Region")
	// ErrThrottled: AWS asked us to come back later; the work must be retried.
	ErrThrottled = errors.New("throttled")
	// ErrRefused: AWS understood and will not (managed by another service, pending deletion, tag limit, invalid state).
	ErrRefused = errors.New("refused by AWS")
	// ErrConflict: somebody else wrote first; read again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrUnavailable: AWS did not answer, or answered that it could not (5xx, time-out, connection). Whether the call was
	// carried out is not known, unless ErrUnsent is there too.
	ErrUnavailable = errors.New("AWS was not available")
	// ErrUnsent: the call never left, so nothing came of it. It comes with an error that says why.
	ErrUnsent = errors.New("not sent")
)

// Passing reports that what failed is worth trying again as it is: AWS was down or busy, time ran out, or somebody else
// was faster. Anything else fails again until a person mends it.
func Passing(err error) bool {
	return isAny(err, ErrThrottled, ErrUnavailable, ErrUnsent, ErrConflict, context.DeadlineExceeded)
}

// NothingDone reports that an error proves that the call it answers was not carried out. Of a call that was tried more
// than a single time it proves nothing about the tries before.
func NothingDone(err error) bool {
	return isAny(err, ErrGone, ErrDenied, ErrNotOurs, ErrThrottled, ErrRefused, ErrConflict, ErrUnsent)
}

func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
