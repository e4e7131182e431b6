package guard

import (
	"slices"
	"strings"
	"time"
)

// End is when something stops by itself that opens without a key: then the imported material expires of the last key that opens it.
type End struct {
	What string    `json:"what,omitzero"` // labels of the version, and where it is, beside the primary; "" for the primary's current one
	At   time.Time `json:"at,omitzero"`   // from when it does not open; of several versions that are called the same the first
	Key  string    `json:"key,omitzero"`  // ARN of the key whose material lasts longest
	Lost bool      `json:"lost,omitzero"` // no other key of it can come back for good: each is deleted, or will be
	More bool      `json:"more,omitzero"` // another key may open it: of that nobody knows
}

// words say it, as a part of a sentence about a secret.
func (e End) words() string {
	what, until := e.What, "until "
	if what == "" {
		what = "it"
	}
	if e.More {
		until = "at least until "
	}
	words := what + " opens " + until + Minute(e.At) + ", when the imported material of " + e.Key + " expires"
	if e.Lost {
		words += ", and then only that material, imported again, brings it back"
	}
	return words
}

// ends says until when there opens what is said to open without the key: the current version, whatever the key was needed for, and,
// where the current version stops, whatever else there is: of the secret, or of that location.
func (c Copies) ends(key Key, a *Affected) {
	for i := range c.List {
		copied := &c.List[i]
		p := &c.Locations[copied.Location]
		current := p.Kind == LocationPrimary && copied.Has(stageCurrent)
		if !current && !copied.Needs(key) && !a.Still() && !a.stopsIn(p) || !p.inSight() && !p.InSync() || copied.lastsWithout(&key) {
			continue
		}
		end, found := copied.with(key).endWithout(&key)
		if !found {
			continue
		}
		if !current {
			end.What = strings.Join(p.label(nil, copied, false), ", ")
		}
		at := slices.IndexFunc(a.Ends, func(e End) bool { return e.What == end.What })
		switch {
		case at < 0:
			a.Ends = append(a.Ends, end)
		case end.At.Before(a.Ends[at].At):
			a.Ends[at] = end
		}
	}
}

// lastsWithout reports that a key other than the one opens a copy, and does not end by itself.
func (c *Copy) lastsWithout(off *Key) bool {
	for i := range c.Keys {
		if k := &c.Keys[i]; !k.is(off) && k.opens() && k.ValidTo.IsZero() {
			return true
		}
	}
	return false
}

// endWithout is when a copy stops by itself with a key out of use; none where it does not open, or does so for good.
func (c *Copy) endWithout(off *Key) (End, bool) {
	end := End{Lost: true, More: c.More}
	for i := range c.Keys {
		switch k := &c.Keys[i]; {
		case k.opens() && !k.is(off):
			if k.ValidTo.IsZero() {
				return End{}, false
			}
			if k.ValidTo.After(end.At) {
				end.At, end.Key = k.ValidTo, k.ARN
			}
		case k.Unusable(), k.is(off):
			end.Lost = end.Lost && (k.State == KeyMissing || !k.DeletionDate.IsZero())
		default:
			end.More = true
		}
	}
	end.Lost = end.Lost && !end.More
	return end, !end.At.IsZero()
}
