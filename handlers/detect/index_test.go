package detect_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

const (
	secondCMK = "arn:aws:kms:eu-central-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
	irishCMK  = "arn:aws:kms:eu-west-1:111122223333:key/77777777-12ab-34cd-56ef-1234567890ab"
)

// aliased adds a second key, and the alias that leads to one of both.
func (w *world) aliased(to string) {
	for _, arn := range []string{secondCMK, irishCMK} {
		k := w.keys[cmk]
		k.ARN = arn
		w.keys[arn] = k
	}
	w.keys["alias/shop"] = w.keys[to]
	if to == "" {
		w.keys["alias/shop"] = guard.Key{ID: "alias/shop", Account: account, Region: region, State: guard.KeyMissing}
	}
}

// named adds a secret that names the alias and has one version under a key, and has it looked at.
func (w *world) named(t *testing.T, name, key string) *guard.Secret {
	t.Helper()
	s := w.add(name, key)
	s.KeyID = "alias/shop"
	handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body())
	return s
}

// looked lists the names of the secrets that something leads to a look at.
func (w *world) looked(do func()) []string {
	var names []string
	before := w.trip
	w.trip = func(step string) error {
		if name, is := strings.CutPrefix(step, "describe "); is && name != "key" {
			names = append(names, name)
		}
		return before(step)
	}
	do()
	w.trip = before
	slices.Sort(names)
	return slices.Compact(names)
}

func TestACallAboutAnAliasLeadsToEverySecretThatNamesIt(t *testing.T) {
	for _, event := range []string{"CreateAlias", "UpdateAlias", "DeleteAlias"} {
		w := newWorld()
		w.aliased(cmk)
		w.named(t, "one", cmk)
		w.named(t, "two", secondCMK)
		waiting := w.named(t, "waiting", cmk)
		h := w.handler()
		byARN := w.add("by-arn", cmk)
		managed := w.add("managed", "")
		abroad := w.add("abroad", secondCMK) // a replica names an alias of the same name in its Region
		abroad.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: "alias/shop", Status: "InSync"}}
		waiting.DeletedAt = w.now.Add(time.Hour)
		for _, s := range []*guard.Secret{byARN, managed, abroad, waiting} {
			handle(t, h, call{name: "TagResource", secret: s.ARN}.body())
		}
		w.aliased(secondCMK)
		got := w.looked(func() { handle(t, h, call{name: event, alias: "alias/shop", key: secondCMK}.body()) })
		if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", event, diff)
		}
		if held := w.load(arnOf("one")).Held; held.Key != secondCMK || held.Versions[0].Keys[0] != cmk {
			t.Errorf("%s: recorded %+v", event, held)
		}
		waiting.DeletedAt = time.Time{}
		handle(t, h, call{name: "RestoreSecret", secret: waiting.ARN}.body())
		got = w.looked(func() { handle(t, h, call{name: event, alias: "alias/shop", key: cmk, id: "again"}.body()) })
		if diff := cmp.Diff([]string{"one", "two", "waiting"}, got); diff != "" {
			t.Errorf("%s after one was restored (-want +got):\n%s", event, diff)
		}
	}
}

// The alias is pointed at another key, a value is written, and it is pointed back: the value stays under the other key, and
// whatever becomes of that key is an incident of this secret.
func TestAValueThatWasWrittenWhileTheAliasWasMovedIsFoundByItsKey(t *testing.T) {
	w := newWorld()
	w.aliased(cmk)
	s := w.named(t, "app", cmk)
	h := w.handler()
	w.aliased(secondCMK)
	handle(t, h, call{name: "UpdateAlias", alias: "alias/shop", key: secondCMK, id: "there"}.body())
	s.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{ID: secondCMK}}}}
	handle(t, h, call{name: "PutSecretValue", secret: s.ARN}.body())
	w.aliased(cmk)
	back := call{name: "UpdateAlias", alias: "alias/shop", key: cmk, id: "back"}.body()
	handle(t, h, back, back)
	if held := w.load(s.ARN).Held; held.Key != cmk {
		t.Errorf("recorded %+v", held)
	}
	w.published = nil
	w.turn(secondCMK, guard.KeyDisabled)
	handle(t, h, call{name: "DisableKey", key: secondCMK}.body())
	if diff := cmp.Diff([]string{"incident_opened", "finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if stops := w.published[0].Blast.Stops; len(stops) != 1 || stops[0].Name != "app" {
		t.Errorf("%+v", w.published[0].Blast)
	}
}

// Events come late and out of order: what is recorded is what is so when somebody looks.
func TestAnAliasThatIsBackBeforeTheFirstLookChangesNothing(t *testing.T) {
	w := newWorld()
	w.aliased(cmk)
	s := w.named(t, "app", cmk)
	w.published, w.saves = nil, 0
	there, back := call{name: "UpdateAlias", alias: "alias/shop", key: secondCMK, id: "there"}.body(), call{name: "UpdateAlias", alias: "alias/shop", key: cmk, id: "back"}.body()
	handle(t, w.handler(), back, there, back)
	if w.saves > 0 || len(w.published) > 0 || w.load(s.ARN).Held.Key != cmk {
		t.Errorf("%d saves, published %v, recorded %+v", w.saves, w.kinds(), w.load(s.ARN).Held)
	}
}

func TestAnAliasThatIsTakenAwayIsAFindingUntilItIsBack(t *testing.T) {
	w := newWorld()
	w.aliased(cmk)
	s := w.named(t, "app", cmk)
	h := w.handler()
	w.published = nil
	w.aliased("")
	handle(t, h, call{name: "DeleteAlias", alias: "alias/shop", key: cmk}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if held := w.load(s.ARN).Held; held.Key != "" || held.Alias != "arn:aws:kms:eu-central-1:111122223333:alias/shop" {
		t.Errorf("recorded %+v", held)
	}
	w.now = w.now.Add(time.Minute)
	w.aliased(cmk)
	handle(t, h, call{name: "CreateAlias", alias: "alias/shop", key: cmk}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.4", "finding_resolved DL.SECRET.4"}, w.kinds()); diff != "" {
		t.Errorf("published in the end (-want +got):\n%s", diff)
	}
}

func TestAKeyEventLeadsToEveryCopyUnderTheKey(t *testing.T) {
	for sentence, tt := range map[string]struct {
		key  string
		set  func(w *world) *guard.Secret
		want bool
	}{
		"the key that it names, and nothing is under": {cmk, func(w *world) *guard.Secret { s := w.add("app", cmk); s.Versions = nil; return s }, true},
		"an older copy alone":                         {secondCMK, func(w *world) *guard.Secret { s := w.add("app", secondCMK); w.rekey(s, cmk); return s }, true},
		"a version under a custom label": {secondCMK, func(w *world) *guard.Secret {
			s := w.add("app", cmk)
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"blue"}, Keys: []guard.Key{{ID: secondCMK}}})
			return s
		}, true},
		"a version without a label": {secondCMK, func(w *world) *guard.Secret {
			s := w.add("app", cmk)
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Keys: []guard.Key{{ID: secondCMK}}})
			return s
		}, true},
		"a replica, in its Region": {irishCMK, func(w *world) *guard.Secret {
			s := w.add("app", cmk)
			s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: irishCMK, Status: "InSync"}}
			return s
		}, true},
		"none, when the replica was promoted":          {irishCMK, func(w *world) *guard.Secret { return w.add("app", cmk) }, false},
		"none, under another key of the same location": {secondCMK, func(w *world) *guard.Secret { return w.add("app", cmk) }, false},
	} {
		w := newWorld()
		w.aliased(cmk)
		w.swept()
		h := w.handler()
		s := tt.set(w)
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
		for _, event := range []string{"DisableKey", "ScheduleKeyDeletion", "DeleteImportedKeyMaterial", "PutKeyPolicy", "RevokeGrant"} {
			w.turn(tt.key, guard.KeyDisabled)
			rec := w.load(s.ARN)
			got := w.looked(func() { handle(t, h, call{name: event, key: tt.key}.body()) })
			if tt.want != slices.Contains(got, "app") {
				t.Errorf("%s: %s leads to %v", sentence, event, got)
			}
			rec.Revision = w.records[s.ARN].Revision
			w.records[s.ARN] = rec // as it was before the look
		}
	}
}

// A copy that opens with another key, too, is under both. When the second is switched off nothing is left.
func TestThatNoSecretIsUnderAKeyIsNotSaidOfOneWhoseOlderVersionOpensWithAnotherKeyToo(t *testing.T) {
	for sentence, stages := range map[string][]string{"the previous version": {"AWSPREVIOUS"}, "a label of its own": {"keep"}, "a version without a label": nil} {
		for _, event := range []string{"DisableKey", "ScheduleKeyDeletion"} {
			w := newWorld()
			w.aliased(cmk)
			s := w.add("app", cmk)
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: stages, Keys: []guard.Key{{ID: cmk}, {ID: secondCMK}}})
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
			w.swept()
			w.published = nil
			w.turn(secondCMK, guard.KeyPendingDeletion)
			handle(t, h, call{name: event, key: secondCMK}.body())
			if len(w.published) == 0 || w.published[0].Kind != guard.NoticeIncident {
				t.Errorf("%s, %s: published %v", sentence, event, w.kinds())
				continue
			}
			blast := w.published[0].Blast
			if len(blast.Remains) != 1 || !strings.HasSuffix(blast.Remains[0].Describe(), " still opens with "+cmk) {
				t.Errorf("%s, %s: %+v", sentence, event, blast)
			}
		}
	}
}

// "No secret is under the key" is a promise: it needs a whole list.
func TestThatNoSecretIsUnderAKeyIsSaidOnlyAfterAFullSweep(t *testing.T) {
	for sentence, tt := range map[string]struct {
		sweep     func(*world)
		says      string
		incidents int
	}{
		"no sweep has ended":            {func(*world) {}, "so secrets may be missing here", 1},
		"the last one missed one":       {func(w *world) { w.swept(arnOf("unseen")) }, "could not look at 1 secret, which may be under the key, too", 1},
		"the last one looked at all":    {func(w *world) { w.swept() }, "no secret is recorded under the key: the last full sweep of account 111122223333 in eu-central-1 began at 2026-11-21T09:00:00Z, and an event since may have been lost", 0},
		"the last one was two days ago": {func(w *world) { w.swept(); w.now = w.now.Add(48 * time.Hour) }, "the last full sweep of account 111122223333 in eu-central-1 began at 2026-11-21T09:00:00Z", 1},
		"its bookmark makes no sense":   {func(w *world) { w.bookmarks[guard.SweptName(account, region)] = "{" }, "so secrets may be missing here", 1},
	} {
		w := newWorld()
		tt.sweep(w)
		w.turn(cmk, guard.KeyDisabled)
		var log strings.Builder
		h := w.handler()
		h.Log = slog.New(slog.NewTextHandler(&log, nil))
		handle(t, h, call{name: "DisableKey", key: cmk}.body())
		if len(w.published) != tt.incidents || !strings.Contains(log.String(), tt.says) {
			t.Errorf("%s: %d incidents; %s", sentence, len(w.published), log.String())
		}
		if tt.incidents > 0 && !strings.HasSuffix(w.published[0].Blast.Index.Describe(), tt.says) {
			t.Errorf("%s: the notice says %q", sentence, w.published[0].Blast.Index.Describe())
		}
		log.Reset()
		handle(t, h, call{name: "CreateGrant", key: cmk}.body())
		if says := strings.Contains(log.String(), "unknown whether a secret is under the key"); says != (tt.incidents > 0) {
			t.Errorf("%s: a grant says %s", sentence, log.String())
		}
	}
}

func TestWhatTheLastSweepCouldNotLookAtIsUnknownInAnIncident(t *testing.T) {
	w := newWorld()
	h := w.handler()
	for _, name := range []string{"known", "missed"} {
		handle(t, h, call{name: "CreateSecret", secret: w.add(name, cmk).ARN}.body())
	}
	w.now = w.now.Add(time.Hour)
	w.swept(arnOf("missed"))
	w.published = nil
	w.turn(cmk, guard.KeyDisabled)
	w.trip = func(step string) error {
		if step == "describe missed" {
			return guard.ErrThrottled
		}
		return nil
	}
	handle(t, h, call{name: "DisableKey", key: cmk}.body())
	blast := w.published[0].Blast
	if len(blast.Stops) != 1 || blast.Stops[0].Name != "known" || len(blast.Unknown) != 1 || blast.Unknown[0].Fate != guard.FateStale {
		t.Errorf("%+v", blast)
	}
	if !blast.Index.AsOf.Equal(w.now) || !blast.Index.Swept.Equal(w.now) {
		t.Errorf("%+v, now is %s", blast.Index, w.now)
	}
}

// A record that was set aside leaves what led to it. The look that it leads to takes it away.
func TestWhatLedToASecretAndIsNotSoIsTakenAway(t *testing.T) {
	w := newWorld()
	w.aliased(cmk)
	s := w.add("app", secondCMK)
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	ref := guard.KeyEntry(cmk)
	w.stray[ref] = []guard.Entry{{Secret: s.ARN, Account: account, Region: region, Name: "app", At: w.now, Held: guard.Held{Key: cmk}}}
	w.turn(cmk, guard.KeyDisabled)
	handle(t, h, call{name: "DisableKey", key: cmk}.body())
	if len(w.stray[ref]) > 0 {
		t.Errorf("left: %+v", w.stray[ref])
	}
}

// Whatever step fails, the event comes again and ends in the same.
func TestAKeyOrAliasEventThatBreaksOffIsHealedByTheNextDelivery(t *testing.T) {
	for _, event := range []call{{name: "DisableKey", key: cmk}, {name: "DeleteAlias", alias: "alias/shop", key: cmk}} {
		for _, broken := range []string{"index", "bookmark", "send", "prune", "publish", "publish done", "save", "save done", "describe", "describe key"} {
			for nth := range 3 {
				w := newWorld()
				w.aliased(cmk)
				for i := range 3 {
					w.named(t, fmt.Sprint("app-", i), cmk)
				}
				w.published = nil
				if event.alias != "" {
					w.aliased("")
				} else {
					k := w.keys[cmk]
					k.State = guard.KeyDisabled
					w.keys[cmk], w.keys["alias/shop"] = k, k
				}
				seen := 0
				w.trip = func(step string) error {
					if step != broken {
						return nil
					}
					if seen++; seen == nth+1 {
						return errCrash
					}
					return nil
				}
				body := event.body()
				for range receives {
					if len(handle(t, w.handler(), body)) == 0 {
						break
					}
				}
				if len(w.queued) > 0 {
					t.Fatalf("%s, %s %d: %d looks are left", event.name, broken, nth, len(w.queued))
				}
				got := map[string]int{}
				for _, kind := range w.kinds() {
					got[kind]++
				}
				want := map[string]int{"finding_opened DL.SECRET.4": 3}
				if event.name == "DisableKey" {
					want["incident_opened"] = 1
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s %d (-want +got):\n%s", event.name, broken, nth, diff)
				}
			}
		}
	}
}

// An index that cannot be asked is no answer.
func TestAnIndexThatCannotBeAskedIsNoAnswer(t *testing.T) {
	w := newWorld()
	w.trip = func(step string) error {
		if step == "index" {
			return errors.New("down")
		}
		return nil
	}
	for _, event := range []call{{name: "DisableKey", key: cmk}, {name: "CreateGrant", key: cmk}, {name: "UpdateAlias", alias: "alias/shop", key: cmk}} {
		if len(handle(t, w.handler(), event.body())) == 0 || len(w.published) > 0 {
			t.Errorf("%s is handled; published %v", event.name, w.kinds())
		}
	}
}

// 4,000 secrets under one key: the incident waits for 200 of them, says of the others when they were looked at last, and each is
// inspected by a message of its own.
func TestAnIncidentOfAKeyWithVeryManySecretsDescribesSomeOfThemAndSaysSo(t *testing.T) {
	w := newWorld()
	const many = 4000
	for i := range many {
		s := w.add(fmt.Sprintf("app-%04d", i), cmk)
		rec := guard.Reconcile(guard.Record{}, guard.Secret{ARN: s.ARN, Name: s.Name, Account: account, Region: region, KeyID: cmk, Key: w.keys[cmk],
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{w.keys[cmk]}}}}, nil, nil, guard.ModeNotify, w.now.Add(-time.Hour), guard.Cause{})
		rec.Revision = 1
		w.records[s.ARN] = rec
	}
	w.turn(cmk, guard.KeyDisabled)
	h := w.handler()
	looks := 0
	w.trip = func(step string) error {
		if step == "describe" {
			looks++
		}
		return nil
	}
	if _, err := h.Handle(t.Context(), queue(call{name: "DisableKey", key: cmk}.body())); err != nil {
		t.Fatal(err)
	}
	blast := w.published[0].Blast
	counts := blast.Counts()
	if counts.Stops != 200 || counts.Unknown != many-200 || counts.Certain > 0 || looks != 200 || len(w.queued) != many {
		t.Errorf("%+v, %d looks, %d messages", counts, looks, len(w.queued))
	}
	if words := blast.Unknown[0].Describe(); words != "was not looked at for this; as of 2026-11-21T08:00:00Z: every copy of the current version is under this key" {
		t.Error(words)
	}
}
