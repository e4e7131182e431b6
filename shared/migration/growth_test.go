package migration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

// memory keeps one document and any list, and knows the largest that it ever kept.
type memory struct {
	store.Documents
	doc      store.Document
	lists    map[string]map[string]json.RawMessage
	document int // bytes
	element  int
}

func (m *memory) Load(context.Context, string, string) (store.Document, error) { return m.doc, nil }

func (m *memory) Save(_ context.Context, doc store.Document, encode func(json.RawMessage) (json.RawMessage, error)) error {
	if doc.Revision != m.doc.Revision {
		return guard.ErrConflict
	}
	body, err := encode(m.doc.Body)
	if err != nil {
		return err
	}
	doc.Body, doc.Revision = body, doc.Revision+1
	m.doc, m.document = doc, max(m.document, len(body))
	return nil
}

func (m *memory) Add(_ context.Context, list, id string, body json.RawMessage) error {
	if m.lists[list] == nil {
		m.lists[list] = map[string]json.RawMessage{}
	}
	if m.lists[list][id] == nil {
		m.lists[list][id] = body
	}
	m.element = max(m.element, len(body))
	return nil
}

func (m *memory) Has(_ context.Context, list, id string) (bool, error) {
	return m.lists[list][id] != nil, nil
}

func (m *memory) Read(_ context.Context, list string, yield func(string, json.RawMessage, *store.Unreadable) error) error {
	for _, id := range slices.Sorted(maps.Keys(m.lists[list])) {
		if err := yield(id, m.lists[list][id], nil); err != nil {
			return err
		}
	}
	return nil
}

// refusing is everything of the machine that a denied read needs beside the store.
type refusing struct {
	migration.Secrets
	published int
}

func (r *refusing) Describe(context.Context, guard.SecretRef) (guard.Secret, error) {
	return secret("db", cmk("new", region)), nil
}

func (r *refusing) Publish(_ context.Context, notices []guard.Notice) error {
	r.published += len(notices)
	return nil
}

func (r *refusing) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	return migration.Assessment{}, nil
}

func (r *refusing) Refusing(context.Context, guard.Secret, string, string) (migration.Refusal, error) {
	return keptOut(migration.LockKey), nil
}

// One item holds a body of this many bytes beside everything else about it; shared/cloud/table cuts what is longer.
const oneItem = 64_000

// Thirteen days in which two applications ask every five minutes and are refused, while nobody may go back by itself.
func TestAReaderThatPollsForThirteenDaysDoesNotOutgrowTheJob(t *testing.T) {
	kept := &memory{lists: map[string]map[string]json.RawMessage{}}
	jobs := migration.NewStore(kept, kept)
	j := job(migration.Observing)
	j.RekeyedAt = now
	principals := []string{role("app"), role("batch")}
	for _, principal := range principals {
		j.Readers = append(j.Readers, migration.Known{Principal: principal, Seen: true})
	}
	if err := jobs.Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	clock, seen, rules := now, &refusing{}, migration.Defaults()
	rules.AutoRollback = false
	e := &migration.Engine{Secrets: seen, Store: jobs, Preflight: seen, Bus: seen, Rules: rules, By: "test", Now: func() time.Time { return clock },
		Effects: &store.Effects{Intents: storetest.NewIntents(), Worker: "w", Now: func() time.Time { return clock }}}
	refuse := func(event int, at time.Time) migration.Answer {
		t.Helper()
		answer, err := e.Refused(t.Context(), j.Secret, migration.Refused{Principal: principals[event%2], EventID: fmt.Sprintf("e-%06d", event), At: at, By: migration.LockKey, Read: true})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	events, answered := 0, map[int]time.Time{}
	for clock.Before(now.Add(13 * 24 * time.Hour)) {
		clock = clock.Add(5 * time.Minute)
		for range principals {
			if refuse(events, clock) != migration.AnswerNone {
				answered[events] = clock
			}
			events++
		}
	}
	j, err := jobs.Load(t.Context(), j.Secret)
	if err != nil || events != 7488 || len(answered) != seen.published || len(j.Denials)+j.Earlier.Denials != len(answered) || len(j.Denials) > 20 {
		t.Errorf("%d events, %d answered, %d published, %d denials in the job and %d apart, %v", events, len(answered), seen.published, len(j.Denials), j.Earlier.Denials, err)
	}
	clock = clock.Add(time.Hour)
	for event, at := range answered { // each may come again
		if event%40 > 1 {
			continue
		}
		if answer := refuse(event, at); answer != migration.AnswerNone {
			t.Fatalf("event %d of %s is answered again: %s", event, at, answer)
		}
	}
	if kept.document > oneItem || kept.element > oneItem {
		t.Errorf("the job had %d bytes, an element %d", kept.document, kept.element)
	}
	t.Logf("%d events, %d answered; at most %d bytes in the job and %d in an element", events, len(answered), kept.document, kept.element)
}

func TestAJobThatIsMovedTenThousandTimesDoesNotGrow(t *testing.T) {
	const moves = 10_000
	kept := &memory{lists: map[string]map[string]json.RawMessage{}}
	jobs := migration.NewStore(kept, kept)
	j := job(migration.Observing)
	var err error
	for i := range moves {
		at, phase := now.Add(time.Duration(i)*time.Minute), migration.Phases()[i%3]
		j.History = append(slices.Clip(j.History), migration.Turn{At: at, From: j.Phase, To: phase, Reason: strings.Repeat("x", 100)})
		j.Flips = append(slices.Clip(j.Flips), migration.Flip{At: at, Key: j.Target})
		j.Phase = phase
		if err := jobs.Save(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if j.Revision++; i%5 == 4 { // another worker takes over
			if j, err = jobs.Load(t.Context(), j.Secret); err != nil {
				t.Fatal(err)
			}
		}
	}
	j, err = jobs.Load(t.Context(), j.Secret)
	if err != nil || len(j.History)+j.Earlier.History != moves || len(j.History) > 20 || len(j.Flips)+j.Earlier.Flips != moves {
		t.Errorf("%d and %d turns, %d and %d flips, %v", len(j.History), j.Earlier.History, len(j.Flips), j.Earlier.Flips, err)
	}
	all, bad, err := jobs.Happened(t.Context(), j)
	if err != nil || len(bad) > 0 || len(all) != 2*moves {
		t.Errorf("%d things happened, %d cannot be read, %v", len(all), len(bad), err)
	}
	if kept.document > oneItem || kept.element > oneItem {
		t.Errorf("the job had %d bytes, an element %d", kept.document, kept.element)
	}
	t.Logf("%d moves; at most %d bytes in the job and %d in an element", moves, kept.document, kept.element)
}
