package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Swept is the last full sweep of an account and Region: every secret that was there when it began was looked at, but for
// those that it missed. The zero Swept is that there was none.
type Swept struct {
	From   time.Time `json:"from"`             // when it began
	Until  time.Time `json:"until"`            // when it was done
	Missed []string  `json:"missed,omitempty"` // ARNs of secrets that could not be looked at
}

// MostMissed is how many secrets a sweep may miss and count as full.
const MostMissed = 200

// SweptName is what the last full sweep of a location is remembered by.
func SweptName(account, region string) string { return "swept|" + account + "|" + region }

// AsOf is the time of which an entry is known to be right. It is stale where the last full sweep of its location could not look
// at the secret and it is older than that: what it says may not be so any more.
func (e Entry) AsOf(s Swept) (at time.Time, stale bool) {
	switch {
	case !s.From.After(e.At):
		return e.At, false
	case slices.Contains(s.Missed, e.Secret):
		return e.At, true
	default:
		return s.From, false
	}
}

// Indexed says how far the answer of the index reaches that a BlastRadius was made of.
type Indexed struct {
	Account string    `json:"account"`         // of the key
	Region  string    `json:"region"`          // of the key
	AsOf    time.Time `json:"asOf,omitzero"`   // of the oldest entry that was not stale; zero: none was found
	Swept   time.Time `json:"swept,omitzero"`  // when the last full sweep of the key's account and Region began; zero: there was none
	Missed  int       `json:"missed,omitzero"` // how many secrets that sweep could not look at

	Unasked int      `json:"unasked,omitzero"` // how many secrets of other accounts in the Region nobody could look at in full, so that they may be under the key
	Shut    []string `json:"shut,omitempty"`   // other accounts of which nobody may look at any secret in the Region

	Waiting []Affected `json:"waiting,omitempty"` // secrets in their recovery window that stop, or may: nobody reads them, and whoever restores one gets no value; the first few
	More    int        `json:"more,omitzero"`     // how many others do
}

// mostWaiting is how many secrets in their recovery window are listed.
const mostWaiting = 20

// sweptLately is for how long a full sweep speaks for a location: what was lost since, the next one finds.
const sweptLately = 25 * time.Hour

// Complete reports whether at a time no secret of the key's account and Region could be missing but those that were changed since the
// sweep, which was not long ago.
func (i Indexed) Complete(at time.Time) bool {
	return !i.Swept.IsZero() && i.Missed == 0 && at.Sub(i.Swept) < sweptLately
}

// Describe says in a sentence how old the answer is, and what it leaves open.
func (i Indexed) Describe() string {
	where := "account " + i.Account + " in " + i.Region
	var text strings.Builder
	if !i.AsOf.IsZero() {
		text.WriteString("as recorded at " + i.AsOf.UTC().Format(time.RFC3339) + " or later; ")
	}
	switch {
	case i.Swept.IsZero():
		text.WriteString("no sweep of " + where + " is complete yet, so secrets may be missing here")
	case i.Missed > 0:
		fmt.Fprintf(&text, "the last full sweep of %s began at %s and could not look at %s, which may be under the key, too", where, i.Swept.UTC().Format(time.RFC3339), Count(i.Missed, "secret", "secrets"))
	default:
		text.WriteString("the last full sweep of " + where + " began at " + i.Swept.UTC().Format(time.RFC3339))
	}
	if i.Unasked > 0 {
		fmt.Fprintf(&text, "; %s of other accounts in %s could not be looked at, or not in full, and may be under the key, too", Count(i.Unasked, "secret", "secrets"), i.Region)
	}
	if len(i.Shut) > 0 {
		fmt.Fprintf(&text, "; no secret in %s of %s can be looked at", i.Region, strings.Join(i.Shut, ", "))
	}
	if len(i.Waiting) > 0 {
		var names []string
		for _, a := range i.Waiting {
			names = append(names, a.Name+" ("+a.Describe()+")")
		}
		if i.More > 0 {
			names = append(names, fmt.Sprintf("and %d more", i.More))
		}
		text.WriteString("; in the recovery window, so that nobody reads it, and restored it may not open: " + strings.Join(names, ", "))
	}
	return text.String()
}

// BlastRecorded is Blast of what is recorded: the entries under a key, and those of its Region of which not every key could be
// listed. What is stale, not listed, or shut to everybody is unknown. Of accounts that have none under the key, and are not the
// key's, what could not be listed is counted. key says what another key is now; swept is the last full sweep of a location.
// Secrets that wait for their deletion stand apart: nobody reads them, and each can be restored.
// What was looked at last before since may have changed without a word: it is unknown, and what it was then is said as of then.
func BlastRecorded(off Key, since time.Time, under, unread []Entry, key func(name string) Key, swept func(account, region string) Swept) BlastRadius {
	own := swept(off.Account, off.Region)
	index := Indexed{Account: off.Account, Region: off.Region, Swept: own.From, Missed: len(own.Missed)}
	unread = index.concerned(under, unread)
	var secrets, waiting, before []Secret
	seen := map[string]time.Time{} // of before: when each was looked at last
	var unknown []Affected
	known := map[string]bool{}
	for i, e := range slices.Concat(under, unread) {
		if known[e.Secret] {
			continue
		}
		known[e.Secret] = true
		if !e.GoneAt.IsZero() {
			switch {
			case i >= len(under):
			case e.Cut || e.Held.unread():
				index.Waiting = append(index.Waiting, Affected{Secret: e.Secret, Name: e.Name, State: StateUnknown, Fate: FateUnreadCopies})
			default:
				waiting = append(waiting, e.recorded(key))
			}
			continue
		}
		at, stale := e.AsOf(swept(e.Account, e.Region))
		a := Affected{Secret: e.Secret, Name: e.Name, State: StateUnknown, Fate: FateUnreadCopies}
		switch {
		case !e.Shut.IsZero() || index.shutOut(unread, e):
			a.Fate, a.Seen, stale = FateShutOut, e.At, true
		case stale:
			a.Fate, a.Seen = FateStale, at
		case e.Held.Unlisted:
			a.Fate = FateUnreadVersions
		case i < len(under) && !e.Cut && !e.Held.unread():
			if there, may := e.mayStop(off, key); may {
				a.Seen = there.Seen
				break
			}
			if a.Fate = ""; at.Before(since) {
				before, seen[e.Secret] = append(before, e.recorded(key)), at
			} else {
				secrets = append(secrets, e.recorded(key))
			}
		}
		if a.Fate != "" {
			unknown = append(unknown, a)
		}
		if !stale {
			index.AsOf = Older(index.AsOf, at)
		}
	}
	index.wait(Blast(off, waiting))
	radius, recorded := Blast(off, secrets), Blast(off, before)
	if recorded.Elsewhere != Listed {
		radius.Elsewhere = NotListed
	}
	for _, a := range slices.Concat(recorded.Stops, recorded.Partly, recorded.Remains, recorded.Unknown) {
		a.Seen = seen[a.Secret]
		unknown = append(unknown, a)
	}
	radius.Unknown = append(radius.Unknown, unknown...)
	slices.SortFunc(radius.Unknown, func(a, b Affected) int { return strings.Compare(a.Secret, b.Secret) })
	radius.Index = &index
	return radius
}

// mayStop is a location in the key's Region whose versions nobody could list, where nothing of the secret is known to stop: what was
// there under the key may be there still.
func (e Entry) mayStop(off Key, key func(name string) Key) (HeldCopy, bool) {
	at := slices.IndexFunc(e.Held.Elsewhere, func(c HeldCopy) bool { return c.Region == off.Region && c.unread() })
	if at < 0 {
		return HeldCopy{}, false
	}
	known := Blast(off, []Secret{e.recorded(key)})
	return e.Held.Elsewhere[at], len(known.Stops)+len(known.Partly)+len(known.Unknown) == 0
}

// wait lists what stops of the secrets in their recovery window, and what may.
func (i *Indexed) wait(radius BlastRadius) {
	i.Waiting = slices.Concat(i.Waiting, radius.Stops, radius.Unknown, radius.Partly)
	i.More = max(0, len(i.Waiting)-mostWaiting)
	i.Waiting = firsts(i.Waiting, mostWaiting)
}

// concerned are the unread entries of the accounts that have secrets under the key, or the key. The others are counted.
func (i *Indexed) concerned(under, unread []Entry) []Entry {
	var list []Entry
	for _, e := range unread {
		switch {
		case e.Account == i.Account || slices.ContainsFunc(under, func(u Entry) bool { return u.Account == e.Account }):
			list = append(list, e)
		case !e.GoneAt.IsZero():
		case e.Whole():
			i.Shut = append(i.Shut, e.Account)
		default:
			i.Unasked++
		}
	}
	return list
}

// shutOut reports that nobody may enter the account and Region of an entry, or those of a copy of it where the key is.
func (i *Indexed) shutOut(unread []Entry, e Entry) bool {
	return slices.ContainsFunc(unread, func(u Entry) bool {
		if !u.Whole() || u.Shut.IsZero() {
			return false
		}
		return u.Account == e.Account && u.Region == e.Region || u.Region == i.Region && slices.ContainsFunc(e.Held.Elsewhere, func(c HeldCopy) bool { return c.Account == u.Account && c.Region == u.Region })
	})
}
