package guard

import "errors"

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
)
