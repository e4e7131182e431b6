package detect_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

func TestOneEventStraightThrough(t *testing.T) {
	w := newWorld()
	w.add("app", "")
	failed := handle(t, w.handler(), call{name: "CreateSecret", secret: arnOf("app"), agent: "APN/1.0 HashiCorp/1.0 Terraform/1.9.8"}.body())
	if len(failed) > 0 {
		t.Fatalf("messages %v failed", failed)
	}
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.1"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	n := w.published[0]
	if n.Actor != alice || n.Tool != "terraform" || !n.Notified() {
		t.Errorf("notice names actor %q, tool %q, decision %+v", n.Actor, n.Tool, n.Decision)
	}
	rec := w.load(arnOf("app"))
	if rec.State != guard.StateDefault || len(rec.Outbox) != 0 {
		t.Errorf("record: state %s, %d notices left in the outbox", rec.State, len(rec.Outbox))
	}
	want := map[string]string{"Owner": "payments", "doublelock:state": "default", "doublelock:controls": "DL.SECRET.1", "doublelock:since": "2026-11-21T09:00:00Z"}
	if diff := cmp.Diff(want, w.secrets[arnOf("app")].Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestLifeOfASecret(t *testing.T) {
	w := newWorld()
	h := w.handler()
	s := w.add("app", "")
	event := func(name string) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		if failed := handle(t, h, call{name: name, secret: s.ARN, id: fmt.Sprint(name, w.now)}.body()); len(failed) > 0 {
			t.Fatalf("%s failed", name)
		}
	}
	event("CreateSecret")
	w.rekey(s, cmk)
	event("UpdateSecret")
	w.put(s)
	event("PutSecretValue")
	s.KeyID = ""
	event("UpdateSecret")
	delete(w.secrets, s.ARN)
	event("DeleteSecret")
	want := []string{
		"finding_opened DL.SECRET.1",
		"finding_resolved DL.SECRET.1", "finding_opened DL.SECRET.2",
		"finding_resolved DL.SECRET.2", "sealed",
		"finding_opened DL.SECRET.1", "drifted",
		"finding_resolved DL.SECRET.1",
	}
	if diff := cmp.Diff(want, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if rec := w.load(s.ARN); rec.GoneAt.IsZero() || len(rec.Open()) > 0 {
		t.Errorf("after the deletion: gone at %v, open %v", rec.GoneAt, rec.Open())
	}
}

func TestWhatChangesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		event  call
		looks  int
		action string
	}{
		"the same event again":                        {call{name: "CreateSecret", secret: arnOf("app")}, 1, "unchanged"},
		"our own tags come back":                      {call{name: "TagResource", secret: arnOf("app"), actor: ownTags}, 0, "ignored"},
		"our own re-key comes back after it is known": {call{name: "UpdateSecret", secret: arnOf("app"), actor: ownWork}, 1, "unchanged"},
		"a successful read":                           {call{name: "GetSecretValue", secret: arnOf("app")}, 0, "ignored"},
		"a secret that was deleted before we looked":  {call{name: "CreateSecret", secret: arnOf("nobody")}, 1, "gone"},
		"a key is disabled that holds no secret":      {call{name: "DisableKey", key: strings.Replace(cmk, "1234abcd", "deadbeef", 1)}, 1, "unchanged"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.swept()
			w.add("app", "")
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
			w.published, w.saves, w.tagged, w.describes = nil, 0, 0, 0
			var log strings.Builder
			h.Log = slog.New(slog.NewTextHandler(&log, nil))
			if failed := handle(t, h, tt.event.body()); len(failed) > 0 {
				t.Fatal("the event failed")
			}
			if len(w.published) > 0 || w.saves > 0 || w.tagged > 0 {
				t.Errorf("%d notices, %d saves, %d tags; want none", len(w.published), w.saves, w.tagged)
			}
			if w.describes > tt.looks {
				t.Errorf("%d looks, want at most %d", w.describes, tt.looks)
			}
			if !strings.Contains(log.String(), "action="+tt.action+" ") {
				t.Errorf("log does not say action=%s: %s", tt.action, log.String())
			}
		})
	}
}

func TestStatesThatOurOwnChangeLeavesUnrecordedAreHealed(t *testing.T) {
	w := newWorld()
	s := w.add("app", "")
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	w.rekey(s, cmk) // and the process that did it died before it could record it
	handle(t, h, call{name: "UpdateSecret", secret: s.ARN, actor: ownWork}.body())
	if rec := w.load(s.ARN); rec.State != guard.StateDual {
		t.Errorf("state %s, want dual", rec.State)
	}
}

func TestReplicaIsLookedAtThroughItsPrimary(t *testing.T) {
	w := newWorld()
	p := w.add("app", cmk)
	p.Replicas = []guard.Replica{{Region: "eu-west-1", Key: guard.Key{Manager: guard.ManagerAWS, State: guard.KeyEnabled}}}
	replica := *p
	replica.ARN = strings.Replace(p.ARN, region, "eu-west-1", 1)
	replica.Region, replica.PrimaryRegion, replica.Replicas = "eu-west-1", region, nil
	replica.Name = "replica of app"
	w.secrets[replica.ARN] = &replica
	handle(t, w.handler(), call{name: "TagResource", secret: replica.ARN}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.3"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if _, recorded := w.records[replica.ARN]; recorded {
		t.Error("the replica has a record of its own")
	}
}

func TestBlindSpotIsAFindingAndNotSilence(t *testing.T) {
	const location = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:*"
	for name, tt := range map[string]struct {
		refusal error
		all     bool // secrets are refused
		record  string
		blind   guard.BlindSpot
	}{
		"no member role: the whole location":                     {guard.ErrNotOurs, true, location, guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNotEntered}},
		"one secret denies us: that secret, by its policy":       {guard.ErrDenied, false, arnOf("app"), guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseItsPolicy}},
		"every secret denies us: our role, until we know better": {guard.ErrDenied, true, arnOf("app"), guard.BlindSpot{Part: guard.PartSecret, Cause: guard.CauseDenied}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.mode = guard.ModeObserve // and yet it is told
			s := w.add("app", cmk)
			h := w.handler()
			look := call{name: "PutSecretValue", secret: s.ARN}.body()
			handle(t, h, look)
			w.published = nil
			w.refusal[s.ARN] = tt.refusal
			if tt.all {
				w.refusal["doublelock/no-such-secret"] = tt.refusal
			}
			if failed := handle(t, h, look, look); len(failed) > 0 {
				t.Fatalf("%v failed", failed)
			}
			if diff := cmp.Diff([]string{"finding_opened DL.ORG.1"}, w.kinds()); diff != "" || !w.published[0].Notified() {
				t.Errorf("published, notified %v (-want +got):\n%s", w.published[0].Notified(), diff)
			}
			if rec := w.load(tt.record); rec.State != guard.StateUnknown || len(rec.Open()) != 1 {
				t.Errorf("record of %s: state %s, open %v", tt.record, rec.State, rec.Open())
			}
			if blind := w.published[0].Finding.Subject.Blind; blind == nil || *blind != tt.blind {
				t.Errorf("blind spot %+v, want %+v", blind, tt.blind)
			}
			clear(w.refusal)
			w.now = w.now.Add(time.Hour)
			handle(t, h, look)
			want := []string{"finding_opened DL.ORG.1", "finding_resolved DL.ORG.1"}
			if diff := cmp.Diff(want, w.kinds()); diff != "" {
				t.Errorf("published in the end (-want +got):\n%s", diff)
			}
			if rec := w.load(s.ARN); rec.State != guard.StateSealed {
				t.Errorf("state %s, want sealed again", rec.State)
			}
		})
	}
}

// An account that answers no call is a finding of its own, one for all its secrets, until it answers again.
func TestALocationThatDoesNotAnswerIsAFindingUntilItDoes(t *testing.T) {
	const location = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:*"
	w := newWorld()
	inspector := detect.Inspector{Handler: w.handler()}
	for range 2 {
		if err := inspector.Silent(t.Context(), "111122223333", region); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1"}, w.kinds()); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
	blind := w.published[0].Finding.Subject.Blind
	if rec := w.load(location); rec.State != guard.StateUnknown || len(rec.Open()) != 1 || blind == nil || *blind != (guard.BlindSpot{Part: guard.PartLocation, Cause: guard.CauseNoAnswer}) {
		t.Errorf("state %s, open %v, blind %+v", rec.State, rec.Open(), blind)
	}
	w.refusal["doublelock/no-such-secret"] = guard.ErrUnavailable
	if err := inspector.Revisit(t.Context(), "111122223333", region); err == nil || len(w.load(location).Open()) != 1 {
		t.Errorf("it does not answer yet: %v", err)
	}
	clear(w.refusal)
	if err := inspector.Revisit(t.Context(), "111122223333", region); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1", "finding_resolved DL.ORG.1"}, w.kinds()); diff != "" {
		t.Errorf("published in the end (-want +got):\n%s", diff)
	}
}

func TestDisabledKeyOpensOneIncidentThatSaysWhatDoesNotStop(t *testing.T) {
	w := newWorld()
	w.add("sealed", cmk)
	w.rekey(w.add("dual", ""), cmk)
	w.add("elsewhere", "")
	h := w.handler()
	for _, name := range []string{"sealed", "dual", "elsewhere"} {
		handle(t, h, call{name: "CreateSecret", secret: arnOf(name)}.body())
	}
	w.published = nil
	w.turn(cmk, guard.KeyDisabled)
	w.now = w.now.Add(time.Minute)
	disable := call{name: "DisableKey", key: cmk}.body()
	handle(t, h, disable, disable)
	want := []string{"incident_opened", "finding_opened DL.SECRET.4", "finding_opened DL.SECRET.4"}
	if diff := cmp.Diff(want, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	blast := w.published[0].Blast
	if len(blast.Stops) != 1 || blast.Stops[0].Name != "sealed" || len(blast.Remains) != 1 || blast.Remains[0].Name != "dual" {
		t.Errorf("blast radius %+v", blast)
	}
	w.turn(cmk, guard.KeyEnabled)
	w.now = w.now.Add(time.Minute)
	handle(t, h, call{name: "EnableKey", key: cmk}.body())
	want = append(want, "key_restored", "finding_resolved DL.SECRET.4", "finding_resolved DL.SECRET.4")
	if diff := cmp.Diff(want, w.kinds()); diff != "" {
		t.Errorf("published in the end (-want +got):\n%s", diff)
	}
}

// A row that cannot be read is no reason to leave its secret out of an incident: the row's key says whose it is.
func TestADisabledKeyNamesTheSecretsWhoseRowsCannotBeRead(t *testing.T) {
	w := newWorld()
	w.add("whole", cmk)
	broken := w.add("broken", cmk)
	h := w.handler()
	w.swept()
	handle(t, h, call{name: "CreateSecret", secret: arnOf("whole")}.body())
	w.published = nil
	w.unreadable = []store.Unreadable{{Kind: store.KindRecord, Group: account, ID: broken.ARN, Reason: "it has no body"}}
	w.turn(cmk, guard.KeyDisabled)
	w.now = w.now.Add(time.Minute)
	slow := true // the first look at it takes too long
	w.trip = func(step string) error {
		if step == "describe broken" && slow {
			slow = false
			return guard.ErrThrottled
		}
		return nil
	}
	if failed := handle(t, h, call{name: "DisableKey", key: cmk}.body()); len(failed) > 0 {
		t.Fatal("the event came back")
	}
	blast := w.published[0].Blast
	if len(blast.Stops) != 1 || len(blast.Unknown) != 1 || blast.Unknown[0].Name != "broken-AbCdEf" {
		t.Errorf("blast radius %+v", blast)
	}
	if rec := w.records[broken.ARN]; rec.Revision == 0 || rec.State != guard.StateSealed {
		t.Errorf("no new record: %+v", rec)
	}
}

func TestARowForNewerVersionsIsLeftToThem(t *testing.T) {
	w := newWorld()
	s := w.add("app", "")
	w.trip = func(step string) error {
		if step == "load" {
			return fmt.Errorf("load: %w", &store.Unreadable{Kind: store.KindRecord, ID: s.ARN, Newer: true})
		}
		return nil
	}
	if failed := handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body()); len(failed) > 0 || w.saves > 0 || len(w.published) > 0 {
		t.Errorf("failed %v, %d saves, published %v", failed, w.saves, w.published)
	}
}

// Only what makes things worse is an incident. Whoever was alarmed is told when it is over.
func TestWhatBecomesOfAKeyIsAnIncidentOnlyWhereSomethingStops(t *testing.T) {
	for sentence, tt := range map[string]struct {
		event string
		state guard.KeyState
		empty bool
		lame  bool // no sweep has ended yet
		want  []string
	}{
		"a disabled key":                             {event: "DisableKey", state: guard.KeyDisabled, want: []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"a key that will be deleted":                 {event: "ScheduleKeyDeletion", state: guard.KeyPendingDeletion, want: []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"a deletion that was canceled":               {event: "CancelKeyDeletion", state: guard.KeyDisabled, want: []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"one without key material":                   {event: "CancelKeyDeletion", state: guard.KeyPendingImport, want: []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"a canceled deletion, enabled since":         {event: "CancelKeyDeletion", state: guard.KeyEnabled, want: []string{"key_restored"}},
		"a canceled deletion, scheduled again since": {event: "CancelKeyDeletion", state: guard.KeyPendingDeletion, want: []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"an enabled key":                             {event: "EnableKey", state: guard.KeyEnabled, want: []string{"key_restored"}},
		"a disabled key that is enabled since":       {event: "DisableKey", state: guard.KeyEnabled},
		"a key with no secret that will be deleted":  {event: "ScheduleKeyDeletion", state: guard.KeyPendingDeletion, empty: true},
		"and is not after all":                       {event: "CancelKeyDeletion", state: guard.KeyDisabled, empty: true},
		"nor is its enabling news":                   {event: "EnableKey", state: guard.KeyEnabled, empty: true},
		"a key in a state of next year":              {event: "DisableKey", state: "Resting", want: []string{"incident_opened"}},
		"a key that is being created":                {event: "DisableKey", state: guard.KeyCreating},
		"a key of which nobody knows what is under it": {event: "DisableKey", state: guard.KeyDisabled, empty: true, lame: true,
			want: []string{"incident_opened"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			h := w.handler()
			if !tt.empty {
				w.add("app", cmk)
				handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
			}
			w.published = nil
			w.turn(cmk, tt.state)
			if !tt.lame {
				w.swept()
			}
			body := call{name: tt.event, key: cmk}.body()
			if failed := handle(t, h, body, body); len(failed) > 0 {
				t.Fatalf("%v failed", failed)
			}
			if diff := cmp.Diff(tt.want, w.kinds()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIncidentOfAKeyWithVeryManySecretsFitsIntoAnEvent(t *testing.T) {
	w := newWorld()
	for i := range 1200 {
		s := w.add(fmt.Sprintf("%04d/%s", i, strings.Repeat("a", 200)), cmk)
		handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body())
	}
	w.turn(cmk, guard.KeyDisabled)
	handle(t, w.handler(), call{name: "DisableKey", key: cmk}.body())
	raw, err := json.Marshal(w.published[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 240*1024 {
		t.Errorf("incident of %d bytes, EventBridge takes 262,144", len(raw))
	}
	if counts := w.published[0].Blast.Counts(); counts.Stops != 1200 {
		t.Errorf("%d secrets stop, want all 1200 counted", counts.Stops)
	}
}

func TestKeyEventThatTakesMoreThanOneDeliveryGoesOnWhereItEnded(t *testing.T) {
	w := newWorld()
	h := w.handler()
	for i := range 10 {
		s := w.add(fmt.Sprint("app-", i), cmk)
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	}
	w.turn(cmk, guard.KeyDisabled)
	w.published = nil
	saves := 0
	w.trip = func(step string) error {
		if step == "save" {
			if saves++; saves%8 == 0 { // time is up, again and again
				return guard.ErrThrottled
			}
		}
		return nil
	}
	disable := call{name: "DisableKey", key: cmk}.body()
	deliveries := 1
	for ; len(handle(t, w.handler(), disable)) > 0; deliveries++ {
		if deliveries > 5 {
			t.Fatal("the event never ends")
		}
	}
	want := map[string]int{"incident_opened": 1, "finding_opened DL.SECRET.4": 10}
	got := map[string]int{}
	for _, kind := range w.kinds() {
		got[kind]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after %d deliveries (-want +got):\n%s", deliveries, diff)
	}
}

// Each copy of the function remembers keys for minutes. What it remembers must not undo what another has read.
func TestStaleKeyMetadataOpensAndResolvesNothing(t *testing.T) {
	w := newWorld()
	s := w.add("app", cmk)
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	stale := w.keys[cmk]
	disabled := stale
	disabled.State = guard.KeyDisabled
	w.keys[cmk] = disabled
	handle(t, h, call{name: "DisableKey", key: cmk}.body())
	w.remember[cmk], w.published = stale, nil // this copy still believes in the key
	handle(t, h, call{name: "PutSecretValue", secret: s.ARN}.body())
	if len(w.published) > 0 {
		t.Errorf("published %v from stale metadata", w.kinds())
	}
}

func TestPolicyOfAKeyChangedLooksOnlyWhereRecordsDisagree(t *testing.T) {
	w := newWorld()
	w.add("app", cmk)
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
	w.describes, w.published = 0, nil
	handle(t, h, call{name: "PutKeyPolicy", key: cmk}.body())
	if w.describes != 0 {
		t.Errorf("%d looks at secrets whose records agree", w.describes)
	}
	w.turn(cmk, guard.KeyDisabled) // and nobody told us
	handle(t, h, call{name: "PutKeyPolicy", key: cmk, id: "later"}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

func TestAttemptsAndReadsThatWereDeniedArePublishedButNotForPeople(t *testing.T) {
	for name, tt := range map[string]struct {
		event call
		want  string
	}{
		"a denied CreateSecret":   {call{name: "CreateSecret", secret: "app", errorCode: "AccessDenied"}, "attempt_denied"},
		"a denied GetSecretValue": {call{name: "GetSecretValue", secret: arnOf("app"), errorCode: "AccessDenied"}, "read_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			handle(t, w.handler(), tt.event.body(), tt.event.body())
			if diff := cmp.Diff([]string{tt.want}, w.kinds()); diff != "" {
				t.Fatalf("published (-want +got):\n%s", diff)
			}
			if w.published[0].Notified() || len(w.records) > 0 {
				t.Errorf("decision %+v, %d records", w.published[0].Decision, len(w.records))
			}
		})
	}
}

// The record and the notice do not wait for the tags.
func TestTagsWaitWhileChangesArePausedAndTheEventIsDone(t *testing.T) {
	w := newWorld()
	s := w.add("app", "")
	w.intents.Turn(t, true, w.now)
	if failed := handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body()); len(failed) > 0 || w.tagged > 0 || len(w.published) == 0 || w.load(s.ARN).State != guard.StateDefault {
		t.Errorf("failed %v, tagged %d times, %d notices, state %s", failed, w.tagged, len(w.published), w.load(s.ARN).State)
	}
	w.intents.Turn(t, false, w.now)
	if failed := handle(t, w.handler(), call{name: "UpdateSecret", secret: s.ARN, id: "later"}.body()); len(failed) > 0 || w.tagged != 1 {
		t.Errorf("after it was let go: failed %v, tagged %d times", failed, w.tagged)
	}
}

func TestTagsAreNeverForced(t *testing.T) {
	full := map[string]string{}
	for i := range 48 {
		full[fmt.Sprint("tag", i)] = "x"
	}
	for name, tt := range map[string]struct {
		prepare func(*world, *guard.Secret)
		tagged  bool
	}{
		"an ordinary secret is tagged":        {func(*world, *guard.Secret) {}, true},
		"observe mode writes none":            {func(w *world, _ *guard.Secret) { w.mode = guard.ModeObserve }, false},
		"a service-owned secret is untouched": {func(_ *world, s *guard.Secret) { s.OwningService = "rds" }, false},
		"one pending deletion is untouched":   {func(w *world, s *guard.Secret) { s.DeletedAt = w.now }, false},
		"the fiftieth tag is left alone":      {func(_ *world, s *guard.Secret) { s.Tags = full }, false},
		"a refusal is no failure": {func(w *world, _ *guard.Secret) {
			w.trip = func(step string) error {
				if step == "tag" {
					return fmt.Errorf("tag: %w", guard.ErrRefused)
				}
				return nil
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			s := w.add("app", "")
			tt.prepare(w, s)
			if failed := handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body()); len(failed) > 0 {
				t.Fatal("the event failed")
			}
			if (w.tagged > 0) != tt.tagged {
				t.Errorf("tagged %d times, want tagged: %v", w.tagged, tt.tagged)
			}
		})
	}
}

func TestHalfABatchFails(t *testing.T) {
	w := newWorld()
	w.add("good", "")
	w.add("slow", "")
	w.refusal[arnOf("slow")] = guard.ErrThrottled
	h := w.handler()
	good, slow := call{name: "CreateSecret", secret: arnOf("good")}.body(), call{name: "CreateSecret", secret: arnOf("slow")}.body()
	if diff := cmp.Diff([]string{"m1", "m2"}, handle(t, h, good, slow, "{not json", good)); diff != "" {
		t.Errorf("messages that come again (-want +got):\n%s", diff)
	}
	delete(w.refusal, arnOf("slow"))
	if failed := handle(t, h, slow); len(failed) > 0 {
		t.Errorf("still failing: %v", failed)
	}
	if len(w.kinds()) != 2 {
		t.Errorf("published %v, want two findings", w.kinds())
	}
}

func TestSlowLookNeverPutsBackWhatALaterOneFound(t *testing.T) {
	w := newWorld()
	s := w.add("app", "")
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	w.now = w.now.Add(time.Minute)
	raced := false
	w.trip = func(step string) error {
		if step == "save" && !raced { // between our look and our save, the owner re-keys and somebody else sees it
			raced = true
			w.rekey(s, cmk)
			handle(t, w.handler(), call{name: "UpdateSecret", secret: s.ARN}.body())
		}
		return nil
	}
	delete(s.Tags, "Owner")
	s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: guard.Key{Manager: guard.ManagerAWS, State: guard.KeyEnabled}}}
	if failed := handle(t, h, call{name: "ReplicateSecretToRegions", secret: s.ARN}.body()); len(failed) > 0 {
		t.Fatal("the event failed")
	}
	if rec := w.load(s.ARN); rec.State != guard.StateDual {
		t.Errorf("state %s, want dual: the slow look had the last word", rec.State)
	}
	want := []string{"finding_opened DL.SECRET.1", "finding_resolved DL.SECRET.1", "finding_opened DL.SECRET.2", "finding_opened DL.SECRET.3"}
	if diff := cmp.Diff(want, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

func TestCrashAtEachStepIsHealedByTheNextDelivery(t *testing.T) {
	for _, step := range []string{"load", "describe", "save", "save done", "publish", "publish done", "tag", "tag done"} {
		for nth := 1; nth <= 3; nth++ {
			t.Run(fmt.Sprintf("%s, time %d", step, nth), func(t *testing.T) {
				w := newWorld()
				s := w.add("app", "")
				seen := 0
				w.trip = func(at string) error {
					if at == step {
						if seen++; seen == nth {
							return errCrash
						}
					}
					return nil
				}
				event := call{name: "CreateSecret", secret: s.ARN}.body()
				for range 3 {
					w.now = w.now.Add(time.Minute)
					handle(t, w.handler(), event) // a new process each time
				}
				if diff := cmp.Diff([]string{"finding_opened DL.SECRET.1"}, w.kinds()); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
				rec := w.load(s.ARN)
				if len(rec.Outbox) > 0 || rec.State != guard.StateDefault {
					t.Errorf("outbox %v, state %s", rec.Outbox, rec.State)
				}
				if missing := guard.MissingTags(s.Tags, guard.Tags(rec)); len(missing) > 0 {
					t.Errorf("tags still missing: %v", missing)
				}
			})
		}
	}
}

// Tags that say what is no longer known are a false sentence: they follow the record into unknown, and out of it.
func TestTagsFollowTheRecordWhenTheStateBecomesUnknown(t *testing.T) {
	w := newWorld()
	w.mode = guard.ModeRemediate
	s := w.add("app", "")
	h := w.handler()
	look := func() map[string]string {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		if failed := handle(t, h, call{name: "UpdateSecret", secret: s.ARN, id: w.now.String()}.body()); len(failed) > 0 {
			t.Fatal("the event failed")
		}
		return w.secrets[s.ARN].Tags
	}
	if tags := look(); tags[guard.TagState] != "default" || tags[guard.TagControls] != "DL.SECRET.1" {
		t.Fatalf("before: %v", tags)
	}
	s.KeyID = cmk
	s.Versions[0].Keys = nil // AWS lists none
	want := map[string]string{"Owner": "payments", guard.TagState: "unknown", guard.TagControls: "DL.ORG.1 DL.SECRET.1", guard.TagSince: "2026-11-21T09:02:00Z"}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	if rec := w.load(s.ARN); rec.State != guard.StateUnknown {
		t.Errorf("state %s", rec.State)
	}
	tagged := w.tagged
	if look(); w.tagged != tagged {
		t.Error("tagged again, and nothing changed")
	}
	w.put(s)
	if tags := look(); tags[guard.TagState] != "sealed" || tags[guard.TagControls] != "none" {
		t.Errorf("known again: %v", tags)
	}
}

func TestASecretThatNeverHadOurTagsIsNotTaggedBecauseWeCouldNotSeeIt(t *testing.T) {
	for name, tt := range map[string]struct {
		mode guard.Mode
		tags map[string]string
	}{
		"no tags of ours":                         {guard.ModeRemediate, map[string]string{"Owner": "payments"}},
		"tags of ours, and the mode only records": {guard.ModeObserve, map[string]string{guard.TagState: "default"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.mode = tt.mode
			s := w.add("app", cmk)
			s.Versions[0].Keys, s.Tags = nil, tt.tags
			if failed := handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body()); len(failed) > 0 {
				t.Fatal("the event failed")
			}
			if rec := w.load(s.ARN); rec.State != guard.StateUnknown || w.tagged > 0 {
				t.Errorf("state %s, tagged %d times: %v", rec.State, w.tagged, s.Tags)
			}
		})
	}
}

// Without AWS's code nobody who reads the log knows whom to ask.
func TestTheLogSaysWhatAWSAnsweredWhereWeCouldNotLook(t *testing.T) {
	w := newWorld()
	s := w.add("app", cmk)
	w.refusal[s.ARN] = fmt.Errorf("assume role: %w: %w", guard.ErrNotOurs, answered("AccessDenied"))
	h := w.handler()
	var log strings.Builder
	h.Log = slog.New(slog.NewTextHandler(&log, nil))
	if failed := handle(t, h, call{name: "UpdateSecret", secret: s.ARN}.body()); len(failed) > 0 {
		t.Fatal("the event failed")
	}
	if line, _, _ := strings.Cut(log.String(), "\n"); !strings.Contains(line, `cause=not_ours code=AccessDenied operation="STS AssumeRole"`) || !strings.Contains(line, "action=unseen") || strings.Contains(line, "hunter2") {
		t.Errorf("log: %s", line)
	}
}

// answered is AWS's answer to AssumeRole, with the methods of smithy's errors.
type answered string

func (a answered) Service() string   { return "STS" }
func (a answered) Operation() string { return "AssumeRole" }
func (a answered) Unwrap() error     { return code(a) }
func (a answered) Error() string     { return code(a).Error() }

type code string

func (c code) ErrorCode() string { return string(c) }
func (c code) Error() string     { return string(c) + ": hunter2 was refused" }
