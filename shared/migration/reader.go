package migration

import (
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Verdict is what the new key means for one reader.
type Verdict string

const (
	Keeps   Verdict = "keeps"   // may decrypt with the new key as well
	Loses   Verdict = "loses"   // reads today, and would not under the new key alone
	Unknown Verdict = "unknown" // what was read does not decide it; never counts as keeps
	Cannot  Verdict = "cannot"  // was seen reading once, and can certainly not read any more today
)

// Source says how a reader is known.
type Source string

const (
	SourceSeen     Source = "seen"          // CloudTrail recorded it
	SourceAllowed  Source = "allowed"       // the policies let it in
	SourceRotation Source = "rotation"      // role of the rotation function
	SourceReplica  Source = "replica"       // of a copy in another Region
	SourceAccount  Source = "cross-account" // of another account than the secret's
)

// Reader is one principal that reads a secret, or may, and what becomes of it.
type Reader struct {
	Principal string    `json:"principal"` // ARN of a role, user or session, or a service
	Account   string    `json:"account,omitempty"`
	Sources   []Source  `json:"sources"`
	LastSeen  time.Time `json:"lastSeen,omitzero"`
	Reads     int       `json:"reads,omitempty"` // recorded in the look-back
	Verdict   Verdict   `json:"verdict"`
	Why       string    `json:"why"`
	Missing   []string  `json:"missing,omitempty"` // for unknown: condition keys that would decide
	Fix       *Fix      `json:"fix,omitempty"`
	Accepted  bool      `json:"accepted,omitempty"` // somebody said that it may lose access
}

// blocks reports whether the reader stands in the way.
func (r Reader) blocks() bool {
	return (r.Verdict == Loses || r.Verdict == Unknown) && !r.Accepted
}

// Sighting is one principal that CloudTrail saw reading a secret.
type Sighting struct {
	Secret    string    `json:"secret"`    // ARN or name, as the event has it
	Principal string    `json:"principal"` // ARN of the role or user; of a session that of its role
	Account   string    `json:"account,omitempty"`
	Region    string    `json:"region,omitempty"`
	Last      time.Time `json:"last"`
	Count     int       `json:"count"`
}

// of reports whether the sighting is of a secret. Events name secrets by ARN, partial ARN or name.
func (s Sighting) of(secret, name, account, region string) bool {
	if arn.Is(s.Secret) {
		return s.Secret == secret || strings.HasPrefix(secret, s.Secret+"-")
	}
	return s.Secret == name && s.Region == region && (s.Account == "" || s.Account == account)
}

// Gather counts single reads together: one Sighting per secret and principal, sorted.
func Gather(reads []Sighting) []Sighting {
	type key struct{ secret, principal, region string }
	at := map[key]int{}
	var out []Sighting
	for _, r := range reads {
		k := key{r.Secret, r.Principal, r.Region}
		i, known := at[k]
		if !known {
			at[k], i = len(out), len(out)
			first := r
			first.Count = 0
			out = append(out, first)
		}
		out[i].Count += max(r.Count, 1)
		if r.Last.After(out[i].Last) {
			out[i].Last = r.Last
		}
	}
	slices.SortFunc(out, func(a, b Sighting) int {
		return strings.Compare(a.Secret+"|"+a.Principal+"|"+a.Region, b.Secret+"|"+b.Principal+"|"+b.Region)
	})
	return out
}
