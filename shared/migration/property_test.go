package migration_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

var errDied = errors.New("the worker died")

// fake is one secret, AWS around it and the hub's stores, in memory. Trouble is asked before and after every call.
type fake struct {
	t         *rapid.T
	now       time.Time
	secret    guard.Secret
	home      string             // the key it had, as UpdateSecret takes it: what the owner's code sets again
	status    string             // of copies that are made; "" is in sync
	silent    bool               // UpdateSecret answers success and re-encrypts nothing
	fixed     bool               // UpdateSecret refuses to change a replica's key in its Region
	lose      bool               // the readers' rights are gone
	lacks     []migration.Reader // what the new key means for them
	lock      migration.Lock     // that keeps a reader out now
	refusal   *migration.Refusal // likewise, where the previous key or a grant would not let it in
	previous  string             // key of which that was asked last
	stored    []byte
	revision  int64
	journal   map[string]bool // entries by action
	entries   []store.JournalEntry
	notices   []guard.Notice
	counts    map[string]int
	changes   []string // made, in order
	changing  bool
	trouble   func(call string) error
	published map[string]bool
	intents   *storetest.Intents
}

func (w *fake) call(name string, do func() error) error {
	if err := w.trouble("before " + name); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return w.trouble("after " + name)
}

// change is a call that changes the secret: never two at once, never without a journal entry.
func (w *fake) change(name, journaled string, do func()) error {
	return w.call(name, func() error {
		if w.changing {
			w.t.Fatalf("%s while another change is under way", name)
		}
		w.changing = true
		defer func() { w.changing = false }()
		if !w.journal[journaled] && !w.journal["rollback"] {
			w.t.Fatalf("%s without a journal entry", name)
		}
		w.changes = append(w.changes, name)
		do()
		return nil
	})
}

func (w *fake) Describe(_ context.Context, ref guard.SecretRef) (s guard.Secret, err error) {
	err = w.call("Describe", func() error {
		s = w.secret
		if at := slices.IndexFunc(s.Replicas, func(r guard.Replica) bool { return r.Region == ref.Region }); at >= 0 { // the replica, in its own Region
			r := s.Replicas[at]
			s.Region, s.PrimaryRegion, s.KeyID, s.Key, s.Versions, s.Replicas = r.Region, region, r.KeyID, r.Key, r.Versions, nil
		}
		s.Replicas = slices.Clone(s.Replicas)
		for i := range s.Replicas {
			s.Replicas[i].Versions = cloned(s.Replicas[i].Versions)
		}
		s.Versions, s.Tags = slices.Clone(s.Versions), maps.Clone(s.Tags)
		for i := range s.Versions {
			s.Versions[i].Keys = slices.Clone(s.Versions[i].Keys)
		}
		return nil
	})
	return s, err
}

func cloned(versions []guard.Version) []guard.Version {
	out := slices.Clone(versions)
	for i := range out {
		out[i].Keys = slices.Clone(out[i].Keys)
	}
	return out
}

func (w *fake) keyNamed(id string) guard.Key {
	for _, k := range []guard.Key{cmk("new", region), cmk("old", region)} {
		if k.ARN == id {
			return k
		}
	}
	return managed()
}

func (w *fake) Rekey(_ context.Context, ref guard.SecretRef, id string) error {
	at := slices.IndexFunc(w.secret.Replicas, func(r guard.Replica) bool { return r.Region == ref.Region })
	if at < 0 {
		return w.change("UpdateSecret", "UpdateSecret", func() { w.setKey(id) })
	}
	if w.fixed {
		return w.call("UpdateSecret there", func() error { return guard.ErrRefused })
	}
	return w.change(string(migration.DoRekeyReplica), string(migration.DoRekeyReplica), func() {
		r := &w.secret.Replicas[at]
		r.KeyID, r.Key = id, farKey(id)
		w.reEncrypt(r.Versions, r.Key)
	})
}

// farKey is the key of a replica by its name.
func farKey(id string) guard.Key {
	if id == "" {
		k := managed()
		k.Region = other
		return k
	}
	return cmk("far", other)
}

func (w *fake) setKey(id string) {
	w.secret.KeyID, w.secret.Key = id, w.keyNamed(id)
	w.reEncrypt(w.secret.Versions, w.secret.Key)
}

func (w *fake) reEncrypt(versions []guard.Version, key guard.Key) {
	for i, v := range versions {
		taken := slices.ContainsFunc(v.Stages, func(label string) bool { return strings.HasPrefix(label, "AWS") }) // as AWS documents
		if !w.silent && taken && !slices.ContainsFunc(v.Keys, key.Same) {
			versions[i].Keys = append(slices.Clone(v.Keys), key)
		}
	}
}

// write makes a new version, as a rotation or an owner does.
func (w *fake) write() {
	w.secret.Versions = written(w.secret.Versions, w.secret.Key)
	for i := range w.secret.Replicas {
		w.secret.Replicas[i].Versions = written(w.secret.Replicas[i].Versions, w.secret.Replicas[i].Key)
	}
}

func written(versions []guard.Version, key guard.Key) []guard.Version {
	for i, v := range versions {
		switch {
		case slices.Contains(v.Stages, "AWSCURRENT"):
			versions[i].Stages = []string{"AWSPREVIOUS"}
		case slices.Contains(v.Stages, "AWSPREVIOUS"):
			versions[i].Stages = nil
		}
	}
	return append(versions, guard.Version{ID: fmt.Sprintf("v%d", len(versions)+1), Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}})
}

// copied is a replica that is in sync, with the primary's versions under its own key alone.
func copied(versions []guard.Version, keyID string) guard.Replica {
	r := guard.Replica{Region: other, KeyID: keyID, Key: farKey(keyID), Status: "InSync", Listing: guard.Listed, Versions: slices.Clone(versions)}
	for i := range r.Versions {
		r.Versions[i].Keys = []guard.Key{r.Key}
	}
	return r
}

func (w *fake) Rotate(context.Context, guard.SecretRef) error {
	return w.change("RotateSecret", "RotateSecret", w.write)
}

func (w *fake) RemoveReplica(context.Context, guard.SecretRef, string) error {
	return w.change("RemoveRegionsFromReplication", "RemoveRegionsFromReplication", func() { w.secret.Replicas = nil })
}

func (w *fake) AddReplica(_ context.Context, _ guard.SecretRef, where, key string) error {
	return w.change("ReplicateSecretToRegions", "ReplicateSecretToRegions", func() {
		r := copied(w.secret.Versions, key)
		r.Region, r.Status = where, cmp.Or(w.status, r.Status)
		w.secret.Replicas = []guard.Replica{r}
	})
}

func (w *fake) Tag(_ context.Context, _ guard.SecretRef, tags map[string]string) error {
	return w.call("Tag", func() error { maps.Copy(w.secret.Tags, tags); return nil })
}

func (w *fake) Untag(_ context.Context, _ guard.SecretRef, names ...string) error {
	return w.call("Untag", func() error {
		for _, n := range names {
			delete(w.secret.Tags, n)
		}
		return nil
	})
}

func (w *fake) Load(context.Context, string) (j migration.Job, err error) {
	if len(w.stored) > 0 {
		err = json.Unmarshal(w.stored, &j)
		j.Revision = w.revision
	}
	return j, err
}

func (w *fake) Save(_ context.Context, j migration.Job) error {
	return w.call("Save", func() error {
		if j.Revision != w.revision {
			return fmt.Errorf("save: %w", guard.ErrConflict)
		}
		raw, err := json.Marshal(j)
		w.stored, w.revision = raw, w.revision+1
		return err
	})
}

func (w *fake) List(context.Context, func(migration.Job, *store.Unreadable) error) error { return nil }

func (w *fake) Answered(context.Context, string, string) (bool, error) { return false, nil }

type fakeJournal struct{ *fake }

func (w fakeJournal) Append(_ context.Context, e store.JournalEntry) error {
	return w.call("Append", func() error { w.journal[e.Action], w.entries = true, append(w.entries, e); return nil })
}

func (w *fake) Take(_ context.Context, name string, most int, _ time.Time) (bool, error) {
	if w.counts[name] >= most {
		return false, nil
	}
	w.counts[name]++
	return true, w.trouble("after Take")
}

func (w *fake) Taken(_ context.Context, name string) (int, error) { return w.counts[name], nil }

func (w *fake) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	a := migration.Assessment{Readers: w.lacks}
	if w.lose {
		a.Problems = []string{role("app") + " would lose access"}
	}
	return a, nil
}

func (w *fake) Refusing(_ context.Context, _ guard.Secret, _, previous string) (migration.Refusal, error) {
	w.previous = previous
	if w.refusal != nil {
		return *w.refusal, nil
	}
	return keptOut(w.lock), nil
}

// keptOut is what a lock that keeps somebody out makes of it whom the previous key, or a grant, would let in.
func keptOut(by migration.Lock) migration.Refusal {
	in := policy.Decision{Answer: policy.Allowed}
	return migration.Refusal{By: by, Previous: in, Grant: in}
}

func (w *fake) Publish(_ context.Context, notices []guard.Notice) error {
	return w.call("Publish", func() error {
		for _, n := range notices {
			w.published[n.ID] = true
			w.notices = append(w.notices, n)
		}
		return nil
	})
}

// SetIntent may be troubled as every write is.
func (w fakeIntents) SetIntent(ctx context.Context, i store.Intent) (ok bool, err error) {
	err = w.call("SetIntent", func() error { ok, err = w.Intents.SetIntent(ctx, i); return err })
	return ok, err
}

type fakeIntents struct {
	*fake
	*storetest.Intents
}

func (w *fake) effects(name string) *store.Effects {
	return &store.Effects{Intents: fakeIntents{w, w.intents}, Worker: name, Now: func() time.Time { return w.now }, Elapsed: func() time.Duration { return w.now.Sub(now) },
		Sleep: func(context.Context, time.Duration) error { return nil }}
}

func (w *fake) worker(name string) *migration.Engine {
	return &migration.Engine{Effects: w.effects(name), Secrets: w, Store: w, Journal: fakeJournal{w}, Counter: w, Preflight: w, Bus: w, Rules: rotatingTwice(), By: "doublelock-test",
		Now: func() time.Time { return w.now }, Sleep: func(context.Context, time.Duration) error { return nil }}
}

func rotatingTwice() migration.Rules {
	rules := migration.Defaults()
	rules.RotateTwice = true
	return rules
}

func newFake(t *rapid.T) *fake {
	from := rapid.SampledFrom([]guard.Key{managed(), cmk("old", region)}).Draw(t, "from")
	w := &fake{t: t, now: now, journal: map[string]bool{}, counts: map[string]int{}, published: map[string]bool{}, lock: migration.LockKey, intents: storetest.NewIntents(), trouble: func(string) error { return nil }}
	w.secret, w.home = secret("db", from), from.ARN
	w.secret.Tags = map[string]string{"Owner": "team"}
	if rapid.Bool().Draw(t, "tagged") {
		w.secret.Tags["doublelock:state"] = "default"
	}
	w.silent = rapid.IntRange(0, 9).Draw(t, "silently nothing") == 0
	w.secret.RotationEnabled = rapid.Bool().Draw(t, "rotates")
	if rapid.Bool().Draw(t, "older version") {
		w.secret.Versions = append(w.secret.Versions, guard.Version{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{from}})
	}
	if rapid.Bool().Draw(t, "replicated") {
		w.secret.Replicas = []guard.Replica{copied(w.secret.Versions, "")}
		w.fixed = rapid.Bool().Draw(t, "a replica's key cannot be changed")
	}
	return w
}

func (w *fake) item() migration.Item {
	i := migration.Item{Secret: w.secret.ARN, Name: "db", Account: shop, Region: region, Wave: migration.Development, Target: cmk("new", region).ARN, Seal: migration.SealOwner}
	if w.secret.RotationEnabled {
		i.Seal = migration.SealRotate
	}
	for range w.secret.Replicas {
		i.Replicas = []migration.ReplicaItem{{Region: other, Target: cmk("far", other).ARN}}
	}
	return i
}

// Whatever dies, whoever interferes and however often it is begun: no version is lost, no two changes are under way,
// every change was journaled first, and going back restores the first state exactly.
func TestNoCrashLosesASecretOrTheWayBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newFake(t)
		first := w.secret
		first.Tags = maps.Clone(first.Tags)
		if _, err := w.worker("w0").Start(t.Context(), w.item(), "plan", rotatingTwice()); err != nil {
			t.Fatal(err)
		}
		disturbances := 0
		for round := range rapid.IntRange(1, 25).Draw(t, "rounds") {
			disturbances += w.round(t, round)
		}
		w.calm(t)
		most := 1 + disturbances
		if w.silent { // what AWS answers and does not make is tried again once a day
			most += 40
		}
		if set := count(w.changes, "UpdateSecret"); set > most {
			t.Fatalf("%d times UpdateSecret after %d disturbances: %v", set, disturbances, w.changes)
		}
		for _, v := range first.Versions {
			if !slices.ContainsFunc(w.secret.Versions, func(have guard.Version) bool { return have.ID == v.ID }) {
				t.Fatalf("version %s is lost", v.ID)
			}
		}
		w.checkBack(t, first)
	})
}

func count(list []string, what string) int {
	n := 0
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// round is one visit in which something may go wrong, and some time after it. It answers how often the change may have
// to be made again for it.
func (w *fake) round(t *rapid.T, round int) int {
	disturbed := 0
	dies := rapid.IntRange(0, 30).Draw(t, "dies at call")
	calls := 0
	w.trouble = func(call string) error {
		calls++
		switch {
		case calls == dies:
			disturbed++
			return errDied
		case calls == dies+2 && strings.HasPrefix(call, "before"): // another worker comes by in the middle of it
			saved := w.trouble
			w.trouble = func(string) error { return nil }
			_, _, err := w.worker("intruder").Advance(t.Context(), w.secret.ARN)
			w.trouble = saved
			if err == nil {
				t.Fatalf("two workers at once, at %s", call)
			}
			if !errors.Is(err, migration.ErrBusy) {
				t.Fatalf("the second worker: %v", err)
			}
		}
		return nil
	}
	if calls = 0; rapid.IntRange(0, 9).Draw(t, "what") == 0 {
		w.setKey(w.home) // somebody, or some code, sets the key that the secret had
		disturbed++
	}
	j, _, err := w.worker(fmt.Sprintf("w%d", round)).Advance(t.Context(), w.secret.ARN)
	if err != nil && !errors.Is(err, errDied) && !errors.Is(err, migration.ErrBusy) {
		t.Fatal(err)
	}
	w.trouble = func(string) error { return nil }
	w.lose = rapid.IntRange(0, 14).Draw(t, "a reader lost its right") == 0
	w.pass(t, j)
	return disturbed
}

// pass lets time go by; the owner does what was asked for.
func (w *fake) pass(t *rapid.T, j migration.Job) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(6, 30*60).Draw(t, "minutes")) * time.Minute)
	if j.Phase == migration.Sealing && j.Seal == migration.SealOwner && rapid.Bool().Draw(t, "owner writes") {
		w.write()
	}
}

// calm lets the machine come to an end without further trouble.
func (w *fake) calm(t *rapid.T) {
	w.trouble, w.lose = func(string) error { return nil }, false
	for range 40 {
		w.now = w.now.Add(25 * time.Hour)
		j, _, err := w.worker("calm").Advance(t.Context(), w.secret.ARN)
		if errors.Is(err, migration.ErrBusy) {
			continue // one that died owns it until somebody has watched it for long enough
		}
		if err != nil {
			t.Fatal(err)
		}
		if j.Phase.Resting() || j.Phase == migration.Sealed {
			return
		}
		if j.Phase == migration.Sealing && j.Seal == migration.SealOwner {
			w.write()
		}
	}
	t.Fatal("no end")
}

func (w *fake) checkBack(t *rapid.T, first guard.Secret) {
	if w.changes == nil {
		return // blocked before anything was done
	}
	dies, calls := rapid.IntRange(0, 12).Draw(t, "going back dies at call"), 0
	w.trouble = func(string) error {
		if calls++; calls == dies {
			return errDied
		}
		return nil
	}
	_, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the test asks")
	w.trouble = func(string) error { return nil }
	if err != nil && !errors.Is(err, errDied) && !errors.Is(err, migration.ErrNothingToUndo) {
		t.Fatal(err)
	}
	for err = migration.ErrBusy; errors.Is(err, migration.ErrBusy); {
		w.now = w.now.Add(time.Hour)
		_, err = w.worker("back again").Rollback(t.Context(), w.secret.ARN, "the test asks")
	}
	if err != nil && !errors.Is(err, migration.ErrNothingToUndo) {
		t.Fatal(err)
	}
	if w.secret.KeyID != first.KeyID || !maps.Equal(w.secret.Tags, first.Tags) {
		t.Fatalf("key %q and tags %v, were %q and %v", w.secret.KeyID, w.secret.Tags, first.KeyID, first.Tags)
	}
	for _, v := range w.secret.Versions {
		if v.Labelled() && !slices.ContainsFunc(v.Keys, first.Key.Same) {
			t.Fatalf("version %s does not open with the first key: %v", v.ID, v.Keys)
		}
	}
	if len(w.secret.Replicas) != len(first.Replicas) || len(first.Replicas) > 0 && w.secret.Replicas[0].KeyID != first.Replicas[0].KeyID {
		t.Fatalf("copies %v, were %v", w.secret.Replicas, first.Replicas)
	}
}
