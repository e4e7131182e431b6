package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// led is a secret that the index leads to, and by what.
type led struct {
	guard.Entry
	by guard.EntryRef
}

// entries are secrets that the index leads to, sorted by ARN, each a single time.
type entries []led

// unless are those of which something does not hold. A secret that waits for its deletion is not inspected for its keys.
func (list entries) unless(holds func(guard.Entry) bool) entries {
	return slices.DeleteFunc(slices.Clone(list), func(l led) bool { return !l.GoneAt.IsZero() || holds(l.Entry) })
}

// and are those of two lists.
func (list entries) and(others entries) entries {
	all := slices.Concat(list, others)
	slices.SortStableFunc(all, func(a, b led) int { return strings.Compare(a.Secret, b.Secret) })
	return slices.CompactFunc(all, func(a, b led) bool { return a.Secret == b.Secret })
}

func (list entries) plain() []guard.Entry {
	all := make([]guard.Entry, 0, len(list))
	for _, l := range list {
		all = append(all, l.Entry)
	}
	return all
}

// found is the answer of the index to what is under a key.
type found struct {
	entries entries
	unread  []guard.Entry // of its Region: of which not every key could be listed; and locations of the entries that nobody may enter
	key     guard.Key
	swept   map[string]guard.Swept // by guard.SweptName
}

// nothing says that no secret was found, and how sure that is.
func (h *Handler) nothing(f found) string {
	own := f.swept[guard.SweptName(f.key.Account, f.key.Region)]
	index := guard.Indexed{Account: f.key.Account, Region: f.key.Region, Swept: own.From, Missed: len(own.Missed)}
	if index.Complete(h.Now()) && len(f.unread) == 0 {
		return noneRecorded(index)
	}
	return "unknown whether a secret is under the key: " + index.Describe()
}

// noneRecorded says that no secret is under a key by an index that was whole: of the time since the sweep, by the events that came.
func noneRecorded(index guard.Indexed) string {
	return "no secret is recorded under the key: " + index.Describe() + ", and an event since may have been lost"
}

// lookUp asks the index. Of an entry that cannot be read its key says which secret it is of: it may be under the key, and
// nothing more is known.
func (h *Handler) lookUp(ctx context.Context, ref guard.EntryRef) (entries, error) {
	have, unreadable, err := h.Records.Under(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("find secrets of %s: %w", ref.ID, err)
	}
	all := make(entries, 0, len(have)+len(unreadable))
	for _, e := range have {
		all = append(all, led{e, ref})
	}
	for _, bad := range unreadable {
		h.Log.ErrorContext(ctx, "read index", "secret", bad.ID, "account", bad.Group, "action", "set aside", "reason", bad.Reason)
		all = append(all, led{unreadEntry(bad), ref})
	}
	return all.and(nil), nil
}

func unreadEntry(bad store.Unreadable) guard.Entry {
	return guard.Entry{Secret: bad.ID, Account: arn.Of(bad.ID).Account, Region: arn.Of(bad.ID).Region, Name: nameOf(bad.ID), Cut: true}
}

// naming lists the secrets that name an alias; none where none is named.
func (h *Handler) naming(ctx context.Context, alias string) (entries, error) {
	if alias == "" {
		return nil, nil
	}
	list, err := h.lookUp(ctx, guard.AliasEntry(alias))
	return list.unless(func(guard.Entry) bool { return false }), err
}

// under lists the secrets with a copy under a key, whatever account they are in.
func (h *Handler) under(ctx context.Context, key guard.Key) (found, error) {
	a := arn.Of(key.ARN)
	if key.Account == "" {
		key.Account, key.Region = a.Account, a.Region
	}
	f := found{key: key, swept: map[string]guard.Swept{}}
	if key.ARN == "" {
		return f, nil
	}
	var err error
	if f.entries, err = h.lookUp(ctx, guard.KeyEntry(key.ARN)); err != nil {
		return f, err
	}
	if err := h.sweptAt(ctx, f.swept, key.Account, key.Region); err != nil {
		return f, err
	}
	regions := []string{key.Region}
	for _, e := range f.entries {
		regions = append(regions, e.Region)
	}
	slices.Sort(regions)
	for _, in := range slices.Compact(regions) {
		unread, err := h.lookUp(ctx, guard.UnreadEntry(in))
		if err != nil {
			return f, err
		}
		for _, e := range unread {
			if in == key.Region || e.Whole() {
				f.unread = append(f.unread, e.Entry)
			}
		}
	}
	for _, e := range slices.Concat(f.entries.plain(), f.unread) {
		if e.Account != key.Account && !slices.ContainsFunc(f.entries, func(u led) bool { return u.Account == e.Account }) {
			continue // it is only counted
		}
		if err := h.sweptAt(ctx, f.swept, e.Account, e.Region); err != nil {
			return f, err
		}
	}
	return f, nil
}

// sweptAt reads the last full sweep of a location. One that makes no sense is as good as none.
func (h *Handler) sweptAt(ctx context.Context, known map[string]guard.Swept, account, region string) error {
	name := guard.SweptName(account, region)
	if _, is := known[name]; is {
		return nil
	}
	raw, err := h.Records.Bookmark(ctx, name)
	if err != nil {
		return fmt.Errorf("read the last sweep: %w", err)
	}
	var swept guard.Swept
	if unread := json.Unmarshal([]byte(raw), &swept); raw != "" && unread != nil {
		h.Log.WarnContext(ctx, "read the last sweep", "account", account, "region", region, "action", "ignored", "error", unread)
		swept = guard.Swept{}
	}
	known[name] = swept
	return nil
}

// blast is what stops without a key, by what is recorded. What the other keys of those secrets are KMS is asked now, as far as it
// can say in time: what a record or this process remembers of a key may be of before it was switched off, so of a key that is not
// read nothing is known.
//
// What was looked at before since is as it was recorded.
func (h *Handler) blast(ctx context.Context, key guard.Key, f found, under []guard.Entry, since time.Time) guard.BlastRadius {
	keys, asked := h.others(ctx, key, under)
	describe := func(name string) guard.Key {
		switch k, known := keys[name]; {
		case name == guard.DefaultKeyID:
			return guard.Key{ID: name, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
		case strings.EqualFold(name, key.ARN):
			return key
		case known:
			return k
		}
		return guard.Key{ARN: name, NotAsked: !asked[name]}
	}
	return guard.BlastRecorded(f.key, since, under, f.unread, describe, func(account, region string) guard.Swept { return f.swept[guard.SweptName(account, region)] })
}

// others reads the keys that entries name beside one, each a single time, and no more than otherKeys: asked are those.
func (h *Handler) others(ctx context.Context, off guard.Key, under []guard.Entry) (keys map[string]guard.Key, asked map[string]bool) {
	ctx, cancel := context.WithTimeout(ctx, readingKeys)
	defer cancel()
	var mu sync.Mutex
	keys, asked = map[string]guard.Key{}, map[string]bool{}
	var group errgroup.Group
	group.SetLimit(8)
	for _, e := range under {
		for _, name := range e.Held.Keys() {
			if asked[name] || name == guard.DefaultKeyID || strings.EqualFold(name, off.ARN) || len(asked) == otherKeys {
				continue
			}
			asked[name] = true
			group.Go(func() error {
				h.Keys.Invalidate(name)
				key, err := h.Keys.Describe(ctx, guard.KeyRef{Account: e.Account, Region: arn.Of(name).Region, ID: name})
				if err != nil {
					return nil // it is not known then
				}
				mu.Lock()
				defer mu.Unlock()
				keys[name] = key
				return nil
			})
		}
	}
	_ = group.Wait() // no read answers an error
	return keys, asked
}

// fanOut has secrets inspected, each by a message of its own: so it has its own tries, and none waits for the others. Where
// nothing can be sent they are inspected here.
func (h *Handler) fanOut(ctx context.Context, queue string, cause guard.Cause, todo entries) error {
	looks := make([]trail.Look, 0, len(todo))
	for _, l := range todo {
		looks = append(looks, trail.Look{Secret: guard.SecretRef{Account: l.Account, Region: l.Region, ID: l.Secret}, Cause: cause, Led: l.by})
	}
	if h.Queue == nil {
		for _, look := range looks {
			if _, err := h.look(ctx, look); err != nil {
				return err
			}
		}
		return nil
	}
	bodies := make([]string, 0, len(looks))
	for _, look := range looks {
		bodies = append(bodies, look.Body())
	}
	if err := h.Queue.Send(ctx, queue, bodies); err != nil {
		return fmt.Errorf("send %s to inspect: %w", guard.Count(len(bodies), "secret", "secrets"), err)
	}
	return nil
}

// look inspects a secret that the index led to, and takes away what led to it if it is not so. What this process remembers of
// the key or alias is from before the event.
func (h *Handler) look(ctx context.Context, look trail.Look) (Outcome, error) {
	h.Keys.Invalidate(look.Led.ID)
	if err := h.Approval.AskAgain(ctx); err != nil {
		return Outcome{}, err
	}
	outcome, err := h.inspect(ctx, inspection{ref: look.Secret, cause: look.Cause, doubt: look.Led.ID == ""})
	if err != nil || look.Led.ID == "" {
		return outcome, err
	}
	if err := h.Records.Prune(ctx, look.Led, look.Secret.ID); err != nil {
		return outcome, fmt.Errorf("prune the index: %w", err)
	}
	return outcome, nil
}
