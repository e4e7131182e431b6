package guard_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

// stored are records as they were stored: by the first version, by one before findings had subjects, and by this one with
// everything that may be in it.
func stored(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/stored/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[strings.TrimSuffix(filepath.Base(file), ".json")], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestRecordsOfEveryVersionLoad(t *testing.T) {
	for name, want := range map[string]struct {
		state    guard.LockState
		revision int64
		open     []guard.ControlID
	}{
		"first":           {guard.StateDual, 3, []guard.ControlID{guard.SecretNotSealed}},
		"before_subjects": {guard.StateDrifted, 12, []guard.ControlID{guard.SecretDefaultKey, guard.OrgCoverage}},
		"whole":           {guard.StateDual, 4, []guard.ControlID{guard.SecretNotSealed}},
	} {
		t.Run(name, func(t *testing.T) {
			var rec guard.Record
			if err := json.Unmarshal(stored(t)[name], &rec); err != nil {
				t.Fatal(err)
			}
			var open []guard.ControlID
			for _, f := range rec.Open() {
				open = append(open, f.Control)
				if f.Describe() == "" || !f.Status.Known() || f.OpenedAt.IsZero() {
					t.Errorf("finding %+v", f)
				}
			}
			if rec.State != want.state || rec.Revision != want.revision || rec.Name != "app/db" || !cmp.Equal(open, want.open) {
				t.Errorf("%+v", rec)
			}
			gone := guard.ReconcileGone(rec, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), guard.Cause{})
			if len(gone.Open()) != 0 || len(gone.Outbox) != len(rec.Outbox)+len(open) {
				t.Errorf("the next look does not go on from it: %+v", gone)
			}
		})
	}
}

func TestFieldsOfANewerVersionSurviveInARecord(t *testing.T) {
	for name, body := range stored(t) {
		for seed := range uint64(60) {
			storetest.KeepsWhatItDoesNotKnow(t, body, seed, func(rec *guard.Record) {
				rec.State, rec.Since = guard.StateSealed, rec.Since.Add(time.Hour)
				rec.Findings = append([]guard.Finding{{Control: guard.SecretKeyUnusable, Resource: rec.Resource, Status: guard.FindingOpen}}, rec.Findings...)
				for i := range rec.Findings {
					rec.Findings[i].Title = "another"
				}
				rec.GoneAt = time.Time{}
			})
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func FuzzRecordMerge(f *testing.F) {
	for _, file := range []string{"first", "before_subjects", "whole"} {
		body, err := os.ReadFile(filepath.Join("testdata", "stored", file+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var rec, again guard.Record
		if json.Unmarshal(body, &rec) != nil {
			t.Skip()
		}
		rec.SeenAt = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		want, err := json.Marshal(rec)
		if err != nil {
			t.Skip() // a time that JSON does not write
		}
		merged, err := store.Merge(body, rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(merged, &again); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(again); err != nil || string(got) != string(want) {
			t.Fatalf("wrote %s, reads %s (%v)", want, got, err)
		}
	})
}

func TestEveryListOfARecordSaysWhichElementIsWhich(t *testing.T) {
	if nameless := storetest.Nameless(reflect.TypeFor[guard.Record]()); len(nameless) > 0 {
		t.Errorf("a newer version's fields would be lost in %v", nameless)
	}
}

// unheard is what a newer version may have stored.
const unheard = "quantum"

// words are the enumerations in a record, and what becomes of a word of theirs that this version does not know: never what a
// known one means. Texts that enumerate nothing are named apart.
var words = map[reflect.Type]func(t *testing.T){
	reflect.TypeFor[guard.LockState](): func(t *testing.T) {
		state := guard.LockState(unheard)
		for _, mode := range guard.Modes() {
			if d := guard.Decide(state, mode, false); d.Rekey || d.Tag {
				t.Errorf("in mode %s: %+v", mode, d)
			}
		}
		if state.Known() || state.String() != `unknown (written by a newer version: "quantum")` || slices.Contains(guard.States(), state) {
			t.Errorf("%s is taken for a known one", state)
		}
		rec := reconciled(guard.Record{Resource: unsealed().ARN, State: state, LastKnown: state, Revision: 1})
		if slices.ContainsFunc(rec.Outbox, func(n guard.Notice) bool { return n.Kind == guard.NoticeDrifted }) || rec.State != guard.StateDefault {
			t.Errorf("it counts as one that can be lost: %s, %+v", rec.State, rec.Outbox)
		}
	},
	reflect.TypeFor[guard.FindingStatus](): func(t *testing.T) {
		for _, s := range []guard.Secret{unsealed(), sealedSecret()} { // which fails the control, and which passes it
			f := guard.Finding{Control: guard.SecretDefaultKey, Resource: s.ARN, Status: unheard}
			rec := reconciledOf(guard.Record{Resource: s.ARN, Findings: []guard.Finding{f}, Revision: 1}, s)
			if diff := cmp.Diff(f, rec.Findings[0]); diff != "" || len(rec.Open()) < 1 {
				t.Errorf("it was moved (-before +after):\n%s", diff)
			}
			if gone := guard.ReconcileGone(rec, rec.SeenAt, guard.Cause{}); gone.Findings[0].Status != unheard {
				t.Errorf("it was resolved: %+v", gone.Findings[0])
			}
		}
	},
	reflect.TypeFor[guard.Mode](): func(t *testing.T) {
		d := guard.Decide(guard.StateDefault, unheard, false)
		if d.Rekey || d.Tag || d.Retag || guard.Notified(guard.NoticeOpened, guard.SecretDefaultKey, d) {
			t.Errorf("%+v", d)
		}
	},
	reflect.TypeFor[guard.NoticeKind](): func(t *testing.T) {
		if guard.Notified(unheard, guard.SecretDefaultKey, guard.Decision{Mode: guard.ModeRemediate}) {
			t.Error("taken for one that is notified of: only the version that knows it has the words")
		}
	},
	reflect.TypeFor[guard.KeyManager](): func(t *testing.T) {
		s := sealedSecret()
		s.Key.Manager = unheard
		s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: s.Key}}
		if state := guard.StateOf(s, ""); state != guard.StateUnknown {
			t.Errorf("state %s", state)
		}
		for _, v := range guard.Evaluate(s, guard.Standard{}, time.Time{}) {
			byManager := slices.Contains([]guard.ControlID{guard.SecretDefaultKey, guard.SecretNotSealed, guard.SecretReplicaKey}, v.Control.ID)
			if v.Outcome == guard.Pass && byManager {
				t.Errorf("%s passes", v.Control.ID)
			}
		}
	},
	reflect.TypeFor[guard.KeyState](): func(t *testing.T) {
		key := guard.Key{ARN: "k", Manager: guard.ManagerCustomer, State: unheard}
		if key.CanDecrypt() || guard.KeyState(unheard).Usable() || key.Unusable() || key.State.Opens() != guard.OpensUnknown {
			t.Error("taken for a state in which the key can be used, or cannot")
		}
	},
	reflect.TypeFor[guard.Ending](): func(t *testing.T) {
		f := guard.Finding{Title: "T", Status: guard.FindingResolved, End: unheard}
		if text := (guard.Notice{Kind: guard.NoticeResolved, Finding: &f}).Describe(); !strings.Contains(text, unheard) || strings.Contains(text, "no longer") {
			t.Errorf("%q", text)
		}
	},
	reflect.TypeFor[guard.Part](): func(t *testing.T) {
		text := guard.Describe(guard.OrgCoverage, guard.Fail, guard.Subject{Blind: &guard.BlindSpot{Part: unheard, Cause: guard.CauseSilent}})
		if text != "something of it could not be looked at" {
			t.Errorf("%q", text)
		}
	},
	reflect.TypeFor[guard.BlindCause](): func(t *testing.T) {
		text := guard.Describe(guard.OrgCoverage, guard.Fail, guard.Subject{Blind: &guard.BlindSpot{Part: guard.PartSecret, Cause: unheard}})
		if text != "something of it could not be looked at" {
			t.Errorf("%q", text)
		}
	},
	reflect.TypeFor[guard.ApprovedBy](): func(t *testing.T) {
		if text := guard.ApprovedBy(unheard).Words(); text != "not approved" {
			t.Errorf("%q", text)
		}
	},
	reflect.TypeFor[guard.Fate](): func(t *testing.T) {
		if text := (guard.Affected{Fate: unheard}).Describe(); text != "" {
			t.Errorf("%q", text)
		}
	},
	reflect.TypeFor[guard.Listing](): func(t *testing.T) {
		s := sealedSecret()
		s.Elsewhere.Listing = unheard
		if radius := guard.Blast(s.Key, []guard.Secret{s}); radius.Elsewhere == guard.Listed {
			t.Error("taken for a whole list")
		}
	},
	reflect.TypeFor[guard.LocationKind](): func(t *testing.T) {
		s := sealedSecret()
		held := guard.HeldOf(s, guard.Held{}, time.Time{})
		held.Elsewhere = []guard.HeldCopy{{Kind: unheard, Region: "eu-west-1"}}
		radius := guard.BlastRecorded(s.Key, time.Time{}, []guard.Entry{{Secret: s.ARN, Held: held}}, nil, func(string) guard.Key { return s.Key }, neverSwept)
		if len(radius.Unknown) != 1 || len(radius.Stops) > 0 {
			t.Errorf("a copy of a kind that nobody knows is left out: %+v", radius)
		}
	},
	reflect.TypeFor[guard.ControlID](): func(t *testing.T) {
		s := sealedSecret()
		f := guard.Finding{Control: unheard, Resource: s.ARN, Status: guard.FindingOpen, Title: "T"}
		rec := reconciledOf(guard.Record{Resource: s.ARN, Findings: []guard.Finding{f}, Revision: 1}, s)
		if diff := cmp.Diff(f, rec.Findings[0]); diff != "" {
			t.Errorf("its finding was moved (-before +after):\n%s", diff)
		}
	},
}

// plainWords are kept, compared with nothing and shown as they are, or only ordered; shared/notify tries those that it orders.
var plainWords = []reflect.Type{reflect.TypeFor[guard.Severity](), reflect.TypeFor[guard.Rotation]()}

func TestAWordOfANewerVersionIsNeverTakenForAKnownOne(t *testing.T) {
	found := storetest.Texts(reflect.TypeFor[guard.Record]())
	for _, text := range found {
		if words[text] == nil && !slices.Contains(plainWords, text) {
			t.Errorf("%s is stored: say what becomes of a word of it that nobody knows", text)
		}
	}
	if len(found) != len(words)+len(plainWords) {
		t.Errorf("%d kinds of words are stored, %d are tried: %v", len(found), len(words)+len(plainWords), found)
	}
	for text, try := range words {
		t.Run(text.Name(), try)
	}
}

// Whatever word is stored comes back as it was.
func TestAWordOfANewerVersionIsWrittenBackAsItWas(t *testing.T) {
	for _, text := range storetest.Texts(reflect.TypeFor[guard.Record]()) {
		v := reflect.New(text)
		if err := json.Unmarshal([]byte(`"quantum"`), v.Interface()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if raw, err := json.Marshal(v.Interface()); err != nil || string(raw) != `"quantum"` {
			t.Errorf("%s: %s, %v", text, raw, err)
		}
		if err := json.Unmarshal([]byte(`7`), v.Interface()); err == nil {
			t.Errorf("%s takes a number", text)
		}
	}
}

func unsealed() guard.Secret {
	key := guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	return guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf", Name: "app", Key: key,
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}}
}

func sealedSecret() guard.Secret {
	s := unsealed()
	s.Key = guard.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:key/1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	s.KeyID, s.Versions[0].Keys = s.Key.ARN, []guard.Key{s.Key}
	return s
}

func reconciled(rec guard.Record) guard.Record { return reconciledOf(rec, unsealed()) }

func reconciledOf(rec guard.Record, s guard.Secret) guard.Record {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	return guard.Reconcile(rec, s, guard.Evaluate(s, guard.Standard{}, at), nil, guard.ModeRemediate, at, guard.Cause{})
}
