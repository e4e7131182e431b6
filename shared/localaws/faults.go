package localaws

import "time"

// Faults are what goes wrong on request, seeded by Options.Seed. The zero value is no faults.
type Faults struct {
	ThrottleEvery  int                // every n-th call of each operation is throttled; 0 is never
	ThrottleChance map[string]float64 // by "secretsmanager:DescribeSecret", "kms:*" or "*": the chance of being throttled
	ListStaleness  time.Duration      // how long ListSecrets does not see a change (AWS: up to 5 minutes)
	Duplicate      float64            // the chance that a delivery to a target happens twice
	Reorder        int                // a delivery may overtake up to this many before it, less one; 0 and 1 are in order
}

// fault answers the error that a call meets before it is looked at, nil for none.
func (a *AWS) fault(*call) error { return nil }
