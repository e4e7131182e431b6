package detect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// The event of the secret's own change was lost. What becomes of it is said by what it is now, and its record is put right, also
// where that agrees with the key.
func TestAnIncidentGoesByWhatASecretIsAndNotByItsRecord(t *testing.T) {
	both := func(*world, *guard.Secret) {}
	for sentence, c := range map[string]struct {
		before, lost func(*world, *guard.Secret)
		want         guard.Tally
		fate         guard.Fate
	}{
		"a value was written under the key alone": {func(w *world, s *guard.Secret) { w.rekey(s, secondCMK) },
			func(w *world, s *guard.Secret) { s.KeyID = cmk; w.put(s) }, guard.Tally{Stops: 1}, guard.FateEveryCopy},
		"labels were moved": {func(_ *world, s *guard.Secret) {
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{{ID: secondCMK}}})
		}, func(_ *world, s *guard.Secret) {
			s.Versions[0].Stages, s.Versions[1].Stages = s.Versions[1].Stages, s.Versions[0].Stages
		}, guard.Tally{Partly: 1}, guard.FateOtherKey},
		"it was re-keyed and written": {both, func(w *world, s *guard.Secret) { w.rekey(s, secondCMK); w.put(s) }, guard.Tally{}, ""},
		"its alias was moved, where the process remembers it elsewhere": {func(w *world, s *guard.Secret) {
			w.aliased(secondCMK)
			s.KeyID, s.Versions[0].Keys[0].ID = "alias/shop", secondCMK
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{{ID: cmk}}})
		}, func(w *world, _ *guard.Secret) { w.aliased(cmk) }, guard.Tally{Partly: 1}, guard.FateOtherKey},
		"it was deleted":                 {both, func(w *world, s *guard.Secret) { delete(w.secrets, s.ARN) }, guard.Tally{}, ""},
		"it waits for its deletion":      {both, func(w *world, s *guard.Secret) { s.DeletedAt = w.now.Add(time.Hour) }, guard.Tally{Waiting: 1}, ""},
		"it shuts us out":                {both, func(w *world, s *guard.Secret) { w.refusal[s.ARN] = guard.ErrDenied }, guard.Tally{Unknown: 1}, guard.FateShutOut},
		"it cannot be looked at in time": {both, func(w *world, s *guard.Secret) { w.rekey(s, secondCMK); w.refusal[s.ARN] = guard.ErrThrottled }, guard.Tally{Unknown: 1}, guard.FateEveryCopy},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			w.aliased(cmk)
			s := w.add("app", cmk)
			c.before(w, s)
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
			c.lost(w, s)
			w.now = w.now.Add(time.Minute)
			w.turn(cmk, guard.KeyDisabled)
			handle(t, h, call{name: "DisableKey", key: cmk}.body()) // no sweep is complete, so there is an incident in any case
			var blast *guard.BlastRadius
			for _, n := range w.published {
				if n.Kind == guard.NoticeIncident {
					blast = n.Blast
				}
			}
			if blast == nil {
				t.Fatalf("published %v", w.kinds())
			}
			if diff := cmp.Diff(c.want, blast.Counts()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, list := range [][]guard.Affected{blast.Stops, blast.Partly, blast.Unknown} {
				for _, a := range list {
					if a.Fate != c.fate {
						t.Errorf("its fate is %s: %s", a.Fate, a.Describe())
					}
				}
			}
			if now, seen := w.secrets[s.ARN]; seen && w.refusal[s.ARN] == nil {
				if diff := cmp.Diff(guard.HeldOf(mustDescribe(t, w, now.ARN), guard.Held{}, time.Time{}), w.load(s.ARN).Held); diff != "" && s.DeletedAt.IsZero() {
					t.Errorf("recorded (-now +recorded):\n%s", diff)
				}
			}
		})
	}
}

func mustDescribe(t *testing.T, w *world, arn string) guard.Secret {
	t.Helper()
	s, err := secrets{w}.Describe(t.Context(), guard.SecretRef{Account: account, Region: region, ID: arn})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A key that is switched on says nothing of what its secrets became while events were lost, so they are looked at.
func TestAKeyThatIsBackHasRecordsPutRightThatAgreeWithIt(t *testing.T) {
	w := newWorld()
	w.aliased(cmk)
	s := w.add("app", cmk)
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	w.rekey(s, secondCMK)
	handle(t, h, call{name: "EnableKey", key: cmk}.body())
	if held := w.load(s.ARN).Held; held.Key != secondCMK {
		t.Errorf("recorded %+v", held)
	}
}

// The event of the key was lost, and what the process remembers of it is of before. The read that fails leads to a look.
func TestAReadThatAKeyRefusesLeadsToALookAtTheSecret(t *testing.T) {
	for sentence, c := range map[string]struct {
		read  call
		looks bool
	}{
		"the value cannot be decrypted":    {call{name: "GetSecretValue", errorCode: "DecryptionFailure"}, true},
		"the key is disabled":              {call{name: "Decrypt", errorCode: "DisabledException"}, true},
		"the key is pending deletion":      {call{name: "Decrypt", errorCode: "KMSInvalidStateException"}, true},
		"the key is no more":               {call{name: "Decrypt", errorCode: "NotFoundException"}, true},
		"KMS is said not to allow it":      {call{name: "GetSecretValue", errorCode: "AccessDenied", message: "Access to KMS is not allowed"}, true},
		"the reader has no right":          {call{name: "GetSecretValue", errorCode: "AccessDenied"}, false},
		"the reader has none on the key":   {call{name: "Decrypt", errorCode: "AccessDenied"}, false},
		"the secret is somebody else's":    {call{name: "GetSecretValue", errorCode: "DecryptionFailure", secret: "arn:aws:secretsmanager:eu-central-1:999999999999:secret:app-AbCdEf"}, false},
		"no secret is named that we know":  {call{name: "GetSecretValue", errorCode: "DecryptionFailure", secret: "nobody"}, true},
		"a batch of secrets names nobody ": {call{name: "BatchGetSecretValue", errorCode: "AccessDenied"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			s := w.add("app", cmk)
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
			w.published = nil
			w.turn(cmk, guard.KeyDisabled) // and the process remembers it as enabled
			if c.read.secret == "" {
				c.read.secret = s.ARN
			}
			got := false
			w.trip = func(step string) error {
				got = got || step == "describe"
				return nil
			}
			handle(t, h, c.read.body())
			if got != c.looks {
				t.Errorf("a look: %v", got)
			}
			want := []string{"read_denied"}
			if c.looks && c.read.secret == s.ARN {
				want = append(want, "finding_opened DL.SECRET.4")
			}
			if diff := cmp.Diff(want, w.kinds()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// Clients that try again for ever take no time from the events of others: a secret is looked at once a minute, and ten are.
func TestReadsThatAreRefusedAgainAndAgainLeadToFewLooks(t *testing.T) {
	w := newWorld()
	w.turn(cmk, guard.KeyDisabled)
	h := w.handler()
	looks := 0
	w.trip = func(step string) error {
		if step == "send" {
			looks++
		}
		return nil
	}
	for i := range 15 {
		w.add(fmt.Sprint("app-", i), cmk)
	}
	for _, c := range []struct {
		secrets, times, looks int
		after                 time.Duration
	}{{1, 50, 1, 0}, {15, 4, 10, 0}, {15, 1, 20, time.Minute}} {
		w.now = w.now.Add(c.after)
		for i := range c.secrets * c.times {
			read := call{name: "GetSecretValue", secret: arnOf(fmt.Sprint("app-", i%c.secrets)), errorCode: "DecryptionFailure", id: fmt.Sprint(w.now, i)}
			if failed := handle(t, h, read.body()); len(failed) > 0 {
				t.Fatal("a refused read comes again")
			}
		}
		if looks != c.looks {
			t.Errorf("after %d reads of %d secrets: %d looks, want %d", c.times, c.secrets, looks, c.looks)
		}
	}
}

// A look that could not be asked for is asked for when the event comes again.
func TestALookForARefusedReadThatWasNotSentIsSentByTheNextDelivery(t *testing.T) {
	w := newWorld()
	s := w.add("app", cmk)
	w.turn(cmk, guard.KeyDisabled)
	h := w.handler()
	broken := true
	w.trip = func(step string) error {
		if step == "send" && broken {
			broken = false
			return errCrash
		}
		return nil
	}
	body := call{name: "GetSecretValue", secret: s.ARN, errorCode: "DecryptionFailure"}.body()
	if failed := handle(t, h, body); len(failed) != 1 {
		t.Fatal("the event is done with, and nobody looks")
	}
	handle(t, h, body)
	if diff := cmp.Diff([]string{"read_denied", "finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}
