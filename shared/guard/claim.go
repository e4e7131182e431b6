package guard

// Claim is the answer to "may I deliver this?". Of several who ask at once, one may.
type Claim string

const (
	ClaimNew   Claim = "new"   // deliver it: nobody did
	ClaimAgain Claim = "again" // deliver it: somebody began and never came back, so it may be a repeat
	ClaimBusy  Claim = "busy"  // somebody is at it: ask later
	ClaimDone  Claim = "done"  // it was delivered
)
