package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// OriginKind is what the origins of approvals are kept as, grouped by the account of the key, under its ARN.
const OriginKind = "approval"

// Documents are of one kind, as store.Documents keeps them.
type Documents interface {
	Load(ctx context.Context, group, id string) (store.Document, error)
	Save(ctx context.Context, doc store.Document, encode func(stored json.RawMessage) (json.RawMessage, error)) error
}

// Origins keep who wrote last what approves a key, as events say: an alias, or tags. That nobody but approvers can write them
// now says nothing of whoever wrote them. It is safe for concurrent use.
type Origins struct {
	Documents Documents
	Approved  guard.Approved
	Approver  func(role string) bool // whether a role, by its ARN, may write what approves keys
}

// origin is who wrote one thing that approves a key, last.
type origin struct {
	By       guard.ApprovedBy `json:"by"`
	Name     string           `json:"name,omitempty"` // alias/…; "" for tags
	Actor    string           `json:"actor"`
	Approver bool             `json:"approver"`
	Call     string           `json:"call"`
	Event    string           `json:"event"` // id in CloudTrail
	At       time.Time        `json:"at"`
}

// Identity tells the things on a key apart.
func (o origin) Identity() string { return string(o.By) + " " + o.Name }

type origins struct {
	Written []origin `json:"written"`
}

// approves is what a call wrote that approves a key; none is the normal case. Of several tags that approve a key together, an
// approver has to write all: somebody else who writes one is enough for a doubt.
func (o *Origins) approves(c trail.Change) (written []origin, key string) {
	of := origin{Actor: c.Actor.String(), Approver: o.Approver(c.Actor.RoleARN), Call: c.EventName, Event: c.EventID, At: c.Time.UTC()}
	if of.Actor == "" {
		of.Actor = "somebody whom the event does not name"
	}
	if c.Key.ID == "" || c.ErrorCode != "" {
		return nil, ""
	}
	key = c.Key.ID
	if !arn.Is(key) {
		key = arn.PartitionOf(c.Key.Region).New("kms", c.Key.Region, c.Key.Account, "key/"+key).String()
	}
	switch c.EventName {
	case "CreateAlias", "UpdateAlias":
		if name := arn.Of(c.Alias).Resource; slices.Contains(o.Approved.Aliases, name) {
			of.By, of.Name = guard.ApprovedByAlias, name
			written = append(written, of)
		}
	case "TagResource", "CreateKey", "ReplicateKey":
		if n := o.tags(c.Request); n > 0 && (!of.Approver || n == len(o.Approved.Tags)) {
			of.By = guard.ApprovedByTag
			written = append(written, of)
		}
	}
	return written, key
}

// tags counts the approving tags in a request.
func (o *Origins) tags(request map[string]any) int {
	count := 0
	tags, _ := request["tags"].([]any)
	for _, tag := range tags {
		pair, _ := tag.(map[string]any)
		name, _ := pair["tagKey"].(string)
		value, _ := pair["tagValue"].(string)
		if want, approves := o.Approved.Tags[name]; approves && want == value {
			count++
		}
	}
	return count
}

// learn keeps who wrote what approves a key. Events may come twice, late and in any order: the last call counts, by its own
// time, and of two in one second the one by nobody who may. news reports that it was the last.
func (o *Origins) learn(ctx context.Context, c trail.Change) (news bool, err error) {
	written, key := o.approves(c)
	for _, w := range written {
		for range 8 {
			news, err = o.save(ctx, key, w)
			if !errors.Is(err, guard.ErrConflict) {
				break
			}
		}
		if err != nil {
			return false, fmt.Errorf("keep who approved key %s: %w", key, err)
		}
	}
	return news, nil
}

func (o *Origins) save(ctx context.Context, key string, w origin) (news bool, err error) {
	doc, have, err := o.load(ctx, key)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(have.Written, func(known origin) bool { return known.Identity() == w.Identity() })
	switch {
	case at < 0:
		have.Written = append(have.Written, w)
	case have.Written[at] == w:
		return true, nil // a repeat: whoever read it first may not have come further
	case have.Written[at].At.After(w.At), have.Written[at].At.Equal(w.At) && (w.Approver || !have.Written[at].Approver):
		return false, nil
	default:
		have.Written[at] = w
	}
	return true, o.Documents.Save(ctx, doc, func(stored json.RawMessage) (json.RawMessage, error) { return store.Merge(stored, have) })
}

func (o *Origins) load(ctx context.Context, key string) (store.Document, origins, error) {
	var have origins
	doc, err := o.Documents.Load(ctx, arn.Of(key).Account, key)
	if err == nil && doc.Revision > 0 {
		if bad := json.Unmarshal(doc.Body, &have); bad != nil {
			err = &store.Unreadable{Kind: OriginKind, Group: doc.Group, ID: doc.ID, Reason: bad.Error()}
		}
	}
	return doc, have, err
}

// kept is what is known of who wrote what approves a key.
type kept struct {
	written []origin
	unread  bool // it cannot be read
}

func (o *Origins) of(ctx context.Context, key string) (kept, error) {
	_, have, err := o.load(ctx, key)
	if _, is := errors.AsType[*store.Unreadable](err); is {
		return kept{unread: true}, nil
	}
	if err != nil && !errors.Is(err, guard.ErrGone) { // where no table is, no hub reads events
		return kept{}, fmt.Errorf("ask who approved key %s: %w", key, err)
	}
	return kept{written: have.Written}, nil
}

const (
	// eventWithin is how long after a call its event may come. CloudTrail sends it within minutes.
	eventWithin = time.Hour
	// clocksDiffer is by how much the time of an event, in seconds, and that of the alias which it set may differ.
	clocksDiffer = time.Minute
)

// doubts are what of a key does not approve it, by who wrote it. Where what was kept cannot be read, nobody knows. An alias that was
// set later than the last call that is known of was set by a call whose event has not come: nobody knows whose. Of an alias of
// which no call is known that holds for as long as an event may take; one that is older was there before events were read, or
// its event was lost.
func (o *Origins) doubts(key *guard.Key, have kept, now time.Time) []guard.Doubt {
	var doubts []guard.Doubt
	if have.unread {
		for _, alias := range o.Approved.Aliases {
			doubts = append(doubts, guard.Doubt{By: guard.ApprovedByAlias, Name: alias})
		}
		return append(doubts, guard.Doubt{By: guard.ApprovedByTag})
	}
	last := map[string]time.Time{} // by alias: until when who set it is known
	for _, w := range have.written {
		if !w.Approver {
			doubts = append(doubts, guard.Doubt{By: w.By, Name: w.Name, Actor: w.Actor, Call: w.Call, At: w.At})
			continue
		}
		last[w.Name] = w.At.Add(clocksDiffer)
	}
	for _, alias := range o.Approved.Aliases {
		set, said := key.AliasesSet[alias]
		known, by := last[alias]
		if !by {
			known = now.Add(-eventWithin)
		}
		if said && set.After(known) {
			doubts = append(doubts, guard.Doubt{By: guard.ApprovedByAlias, Name: alias, At: set})
		}
	}
	return doubts
}
