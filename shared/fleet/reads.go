package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// EventHistory searches in what CloudTrail recorded.
type EventHistory interface {
	// Find yields what a search finds, newest first, each record as JSON. An error of yield ends it. more reports that the pages of
	// the search were used up before its end.
	Find(ctx context.Context, s Search, yield func(record []byte) error) (more bool, err error)
}

// Search is for the calls of one name, or for those about one resource, in an account and Region.
type Search struct {
	Account, Region string
	Name            string    // of the calls, e.g. "GetSecretValue"
	Resource        string    // the name or ARN that the callers wrote
	From, To        time.Time // zero To: now
	Pages           *int      // how many may be read, of 50 records at most: each takes one. nil: all
}

// How many pages are read at once. CloudTrail answers two a second, in each account and Region.
const (
	visitPages = 10   // for one secret
	planPages  = 1200 // for all of a location: ten minutes
	chunkPages = 40   // between two saves
)

// Reads finds out who used secrets: from the ledger, and from CloudTrail what the ledger does not have.
type Reads struct {
	History EventHistory
	Ledger  store.Documents // of kind LedgerKind; nil: nothing is kept
	Now     func() time.Time
}

// Reads is who read one secret, as far as that is known.
func (r Reads) Reads(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, error) {
	found, _, err := r.Uses(ctx, s, since)
	return slices.DeleteFunc(found, func(seen migration.Sighting) bool { return seen.Does != migration.Reads }), err
}

// Uses is who read and wrote one secret, by its ARN and by its name: CloudTrail knows it by what the caller wrote. It reads some pages
// of what is not known, the newest first, and says what is left.
func (r Reads) Uses(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, []migration.Gap, error) {
	at := migration.Location{Account: s.Account, Region: s.Region}
	whole := r.load(ctx, at, everySecret)
	ids := slices.DeleteFunc([]string{s.Name, s.ARN}, func(id string) bool { return id == "" })
	var found []migration.Sighting
	var gaps []migration.Gap
	left := visitPages
	for i, id := range ids {
		pages := left / (len(ids) - i) // a busy name leaves some for the ARN
		left -= pages
		seen, unknown, err := r.about(ctx, at, id, whole.ledger, since, &pages)
		if err != nil {
			return nil, nil, fmt.Errorf("look up readers of %s: %w", s.Name, err)
		}
		left += pages
		found, gaps = append(found, seen...), append(gaps, unknown...)
	}
	return migration.Gather(found), gaps, nil
}

// about is who used what callers call id. whole is the document of the location.
func (r Reads) about(ctx context.Context, at migration.Location, id string, whole ledger, since time.Time, pages *int) (found []migration.Sighting, gaps []migration.Gap, err error) {
	window, settled := r.window(since)
	known := r.load(ctx, at, id)
	if !known.unkept {
		known.Read = known.Read.with(whole.certain()...)
	}
	open := whole.Forwarded.open(r.Now())
	for _, gap := range known.Read.missing(window) {
		if *pages == 0 {
			break
		}
		most := *pages
		if open.has(gap.From) { // these are forwarded, and the newest page has some that are on their way
			most = 1
		}
		left := most
		seen, from, failed := r.search(ctx, Search{Account: at.Account, Region: at.Region, Resource: id, From: gap.From, To: gap.To, Pages: &left})
		*pages -= most - left
		done := span{from, earlier(gap.To, settled)}
		// An empty page is as cheap to read again as the ledger is to write.
		if !known.unkept && !done.empty() && (len(seen) > 0 || most-left > 1) {
			if err := r.keep(ctx, at, id, seen, done); err != nil && !errors.Is(err, errUnkept) && !errors.Is(err, guard.ErrDenied) {
				return nil, nil, err
			}
		}
		known.add(seen, span{from, gap.To})
		found = append(found, seen...)
		if failed != nil {
			return nil, nil, failed
		}
	}
	found = append(known.Read.without(found), known.sightings(id, at.Region, since)...)
	if !known.unkept {
		known.Read = known.Read.with(open)
	}
	return found, known.gaps(window), nil
}

// window is the time that is asked about, and until when CloudTrail shows all of it.
func (r Reads) window(since time.Time) (of span, settled time.Time) {
	now := r.Now().UTC()
	return span{since.UTC().Truncate(time.Second), now.Truncate(time.Second).Add(time.Second)}, now.Add(-settles).Truncate(time.Second)
}

// search is what CloudTrail has, and from when on that is all of it: later than it was asked for where its pages were used up, or where it
// failed.
func (r Reads) search(ctx context.Context, q Search) (found []migration.Sighting, from time.Time, err error) {
	until := q.To
	if !until.Before(r.Now()) {
		q.To = time.Time{}
	}
	oldest := until
	more, err := r.History.Find(ctx, q, func(record []byte) error {
		c, err := trail.Decode(record)
		if err != nil {
			return nil //nolint:nilerr // a record that cannot be read is no reader
		}
		oldest = earlier(oldest, c.Time.UTC())
		if q.To.IsZero() || c.Time.Before(until) {
			found = append(found, Sightings(c)...)
		}
		return nil
	})
	if more || err != nil { // others of the same second may follow
		return found, earlier(oldest.Truncate(time.Second).Add(time.Second), until), err
	}
	return found, q.From, nil
}

// All finds every use of the secrets of an account and Region, and says of which times there may be more: the newest first.
func (r Reads) All(ctx context.Context, account, region string, since time.Time) ([]migration.Sighting, []migration.Gap, error) {
	at := migration.Location{Account: account, Region: region}
	window, settled := r.window(since)
	rows, readable := r.list(ctx, at)
	var whole ledger
	if l := rows[everySecret]; l != nil && readable {
		whole = *l
	}
	delete(rows, everySecret)
	var found []migration.Sighting
	left := planPages
	whole.Read = whole.certain()
	open := whole.Forwarded.open(r.Now())
	for _, gap := range whole.Read.missing(window) {
		for left > 0 && !gap.empty() {
			seen, from, err := r.calls(ctx, at, gap, &left)
			readable = readable && r.keepAll(ctx, at, seen, span{from, earlier(gap.To, settled)}) == nil
			read := span{from, gap.To}
			for id, of := range byID(seen) {
				if rows[id] == nil {
					rows[id] = &ledger{}
				}
				rows[id].add(of, read)
			}
			found = append(found, seen...)
			whole.Read = whole.Read.with(read)
			if err != nil {
				return nil, nil, fmt.Errorf("look up readers in %s %s: %w", account, region, err)
			}
			if read.empty() || open.has(gap.From) { // these are forwarded, and what is on its way is among the newest
				break
			}
			gap.To = from
		}
	}
	found = whole.Read.without(found)
	whole.Read = whole.Read.with(open)
	gaps := whole.gaps(window)
	for id, l := range rows {
		found = append(found, l.sightings(id, region, since)...)
		for _, over := range l.Over.since(window.From) {
			gaps = append(gaps, migration.Gap(over))
		}
	}
	return migration.Gather(found), gaps, nil
}

// calls reads some pages of every call that uses a secret, the newest, and says from when on that is all of them.
func (r Reads) calls(ctx context.Context, at migration.Location, in span, left *int) (found []migration.Sighting, from time.Time, err error) {
	from = in.From
	for _, name := range append([]string{"GetSecretValue", "BatchGetSecretValue"}, slices.Sorted(maps.Keys(changing))...) {
		pages := chunkPages
		seen, reached, err := r.search(ctx, Search{Account: at.Account, Region: at.Region, Name: name, From: from, To: in.To, Pages: &pages})
		*left = max(0, *left-(chunkPages-pages))
		found = append(found, seen...)
		if err != nil {
			return found, in.To, err
		}
		from = later(from, reached)
	}
	return found, from, nil
}

// keepAll keeps what was found in a span, and says then that it is all of the location.
func (r Reads) keepAll(ctx context.Context, at migration.Location, found []migration.Sighting, of span) error {
	if of.empty() {
		return nil
	}
	group, saving := errgroup.WithContext(ctx)
	group.SetLimit(saversMost)
	for id, seen := range byID(found) {
		group.Go(func() error { return r.keep(saving, at, id, seen, of) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.keep(ctx, at, everySecret, nil, of)
}

const saversMost = 16

func byID(found []migration.Sighting) map[string][]migration.Sighting {
	out := map[string][]migration.Sighting{}
	for _, f := range found {
		out[f.Secret] = append(out[f.Secret], f)
	}
	return out
}

// changing are the calls of Secrets Manager that use the key of a secret without reading it, or start what does.
var changing = map[string]migration.Does{
	"PutSecretValue": migration.Writes, "UpdateSecret": migration.Updates, "RotateSecret": migration.Starts, "ReplicateSecretToRegions": migration.Replicates,
}

// Sightings are the uses that an event is evidence of: a read of a value, or of a key by Secrets Manager in the name of
// the reader, or a change that takes a key. Our own sessions and services that act for themselves are no users. Of a caller from
// another account the event says no more than account and id.
func Sightings(c trail.Change) []migration.Sighting {
	does, changes := changing[c.EventName]
	if c.Read {
		does = migration.Reads
	} else if !changes || c.EventSource != "secretsmanager.amazonaws.com" {
		return nil
	}
	principal := c.Actor.PrincipalARN()
	if principal == "" && c.Actor.Type == "AWSAccount" && c.Actor.Name != "" {
		id, _, _ := strings.Cut(c.Actor.Name, ":") // of the role, before the session
		principal = c.Actor.Account + "/" + id
	}
	if c.ErrorCode != "" || c.Actor.Own() || c.Secret.ID == "" || !arn.Is(principal) && c.Actor.Type != "AWSAccount" || principal == "" {
		return nil
	}
	return []migration.Sighting{{Secret: c.Secret.ID, Principal: principal, Account: c.Secret.Account, Region: c.Region, Does: does, Version: versionOf(c), Last: c.Time.UTC(), Count: 1}}
}

// versionOf is the id or label that a read asked for; "" is the current version.
func versionOf(c trail.Change) string {
	for _, name := range []string{"versionId", "versionStage"} {
		if asked, _ := c.Request[name].(string); c.EventName == "GetSecretValue" && asked != "" && asked != "AWSCURRENT" {
			return asked
		}
	}
	return ""
}
