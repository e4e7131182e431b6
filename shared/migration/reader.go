package migration

import (
	"cmp"
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
	Cannot  Verdict = "cannot"  // is gone, or can certainly not use it today, and was not seen to
)

// Source says how a reader is known.
type Source string

const (
	SourceSeen     Source = "seen"          // CloudTrail recorded that it read
	SourceAllowed  Source = "allowed"       // the policies let it read
	SourceWrites   Source = "writes"        // CloudTrail recorded that it changed the secret, or the policies let it write
	SourceRotation Source = "rotation"      // role of the rotation function
	SourceReplica  Source = "replica"       // of a copy in another Region
	SourceAccount  Source = "cross-account" // of another account than the secret's
)

// Reader is one principal that uses a secret, or may, and what becomes of it. Its verdict is the worst of those of its uses.
type Reader struct {
	Principal  string    `json:"principal"`        // ARN of a role, user or session, or a service
	SeenAs     string    `json:"seenAs,omitempty"` // as CloudTrail names it where the secret is, if otherwise
	Account    string    `json:"account,omitempty"`
	Sources    []Source  `json:"sources"`
	Class      Class     `json:"class"`
	Uses       []Use     `json:"uses"`
	LastSeen   time.Time `json:"lastSeen,omitzero"`
	Reads      int       `json:"reads,omitempty"` // recorded in the look-back
	Verdict    Verdict   `json:"verdict"`
	Until      time.Time `json:"until,omitzero"` // by a date in a policy it keeps access no longer
	Why        string    `json:"why"`
	Missing    []string  `json:"missing,omitempty"` // for unknown: condition keys that would decide
	Fix        *Fix      `json:"fix,omitempty"`
	Spared     bool      `json:"spared,omitempty"`     // it is of a class that need not keep access: see Keep
	Accepted   bool      `json:"accepted,omitempty"`   // somebody said that it may lose access
	AcceptedBy string    `json:"acceptedBy,omitempty"` // who said so in doublelock.yaml, and why; "" is --accept
}

// blocks reports whether the reader stands in the way.
func (r Reader) blocks() bool { return r.endangered() && !r.Accepted && !r.Spared }

// endangered reports whether the reader does not certainly keep its access for good.
func (r Reader) endangered() bool {
	return r.Verdict == Loses || r.Verdict == Unknown || r.Verdict == Keeps && !r.Until.IsZero()
}

// Sighting is one principal that CloudTrail saw using a secret.
type Sighting struct {
	Secret    string    `json:"secret"`    // ARN or name, as the event has it
	Principal string    `json:"principal"` // ARN of the role or user, of a session that of its role; of another account "ACCOUNT/ID", which is all that the event says
	Account   string    `json:"account,omitempty"`
	Region    string    `json:"region,omitempty"`
	Does      Does      `json:"does,omitempty"`    // "" reads
	Version   string    `json:"version,omitempty"` // label or id that it asked for; "" is the current one
	Last      time.Time `json:"last"`
	Count     int       `json:"count"`
}

// does is what the principal did: of an older version, which knew nothing else, it read.
func (s Sighting) does() Does { return cmp.Or(s.Does, Reads) }

// of reports whether the sighting is of a secret. Events name secrets by ARN, partial ARN or name.
func (s Sighting) of(secret, name, account, region string) bool {
	if arn.Is(s.Secret) {
		return s.Secret == secret || len(secret) == len(s.Secret)+suffix && strings.HasPrefix(secret, s.Secret+"-")
	}
	return s.Secret == name && s.Region == region && (s.Account == "" || s.Account == account)
}

// suffix is how long the random end of a secret's ARN is, with its hyphen, which a caller may leave out.
const suffix = 7

// Gather counts single uses together: one Sighting per secret, principal and use, sorted.
func Gather(reads []Sighting) []Sighting {
	type key struct{ secret, principal, region, does, version string }
	at := map[key]int{}
	var out []Sighting
	for _, r := range reads {
		k := key{r.Secret, r.Principal, r.Region, string(r.Does), r.Version}
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
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Does, b.Does), cmp.Compare(a.Version, b.Version))
	})
	return out
}
