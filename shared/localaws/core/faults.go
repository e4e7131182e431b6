package core

import (
	"net/http"
	"time"
)

// Faults are what goes wrong on request, seeded by Options.Seed. The zero value is no faults.
type Faults struct {
	ThrottleEvery  int                 // every n-th call of each operation is throttled; 0 is never
	ThrottleChance map[string]float64  // by "secretsmanager:DescribeSecret", "kms:*" or "*": the chance of being throttled
	ListStaleness  time.Duration       // how long ListSecrets does not see a change (AWS: up to 5 minutes)
	Replication    time.Duration       // how long a value that was written takes to reach its replicas
	Down           func(c *Call) bool  // whether a service is down for a call, which is then not carried out; nil is never
	Lose           func(c *Call) bool  // whether the answer of a call that was carried out is lost; nil is never
	Refuse         func(c *Call) error // the error that a call is answered, which is then not carried out; nil is never
	Duplicate      float64             // the chance that a delivery to a target happens twice
	Reorder        int                 // a delivery may overtake up to this many before it, less one; 0 and 1 are in order
}

// fault answers the error that a call meets before it is looked at, nil for none. Calls that AWS services make are
// spared: their retries are not ours to model.
func (a *AWS) fault(c *Call) error {
	if c.Via != "" || c.Caller.Service != "" {
		return nil
	}
	name := c.Service + ":" + c.Operation
	faults := a.Options.Faults
	if faults.Down != nil && faults.Down(c) {
		return lost("ServiceUnavailable")
	}
	if faults.Refuse != nil {
		if err := faults.Refuse(c); err != nil {
			return err
		}
	}
	if faults.ThrottleEvery > 0 {
		a.counts[name]++
		if a.counts[name]%faults.ThrottleEvery == 0 {
			return throttled(c)
		}
	}
	for _, pattern := range []string{name, c.Service + ":*", "*"} {
		if chance, set := faults.ThrottleChance[pattern]; set {
			if a.Random.Float64() < chance {
				return throttled(c)
			}
			return nil
		}
	}
	return nil
}

// lost is what a caller gets who cannot know whether the call was carried out.
func lost(code string) error {
	return &Error{Code: code, Message: "The service is not available.", Status: http.StatusServiceUnavailable}
}

func throttled(c *Call) error {
	code := "ThrottlingException"
	if c.AWS.table[c.Service].Protocol == Query {
		code = "Throttling"
	}
	return &Error{Code: code, Message: "Rate exceeded"}
}
