package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

const storedSecret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db-AbCdEf"

// storedJob is a job as it was stored: "first" by the first version, "whole" by this one with everything that may be in it.
func storedJob(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "stored", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestAJobOfTheFirstVersionLoads(t *testing.T) {
	j, err := migration.ReadJob("111122223333", storedSecret, storedJob(t, "first"))
	if err != nil {
		t.Fatal(err)
	}
	was := j.WayBack()
	if j.Phase != migration.Observing || j.Newer() != "" || was == nil || was.KeyID != "" || len(was.Versions) != 1 || len(was.Replicas) != 1 {
		t.Fatalf("%+v", j)
	}
	if v := was.Versions[0]; v.ID != "v1" || len(v.Keys) != 1 || v.Keys[0].Manager != guard.ManagerAWS || was.Replicas[0].Region != "eu-west-1" {
		t.Errorf("the way back: %+v, %+v", v, was.Replicas[0])
	}
	if len(j.History) != 3 || len(j.Denials) != 1 || len(j.Rescues) != 1 || len(j.Flips) != 1 || len(j.Readers) != 2 || j.Pending.Action != migration.DoRotate {
		t.Errorf("its lists: %+v", j)
	}
}

func TestFieldsOfANewerVersionSurviveInAJob(t *testing.T) {
	for _, name := range []string{"first", "whole"} {
		for seed := range uint64(60) {
			storetest.KeepsWhatItDoesNotKnow(t, storedJob(t, name), seed, func(j *migration.Job) {
				j.Phase, j.Reason, j.Lease = migration.Blocked, "another", migration.Lease{}
				j.History = append(j.History, migration.Turn{To: migration.Blocked})
				slices.Reverse(j.Readers)
				for i := range j.Denials {
					j.Denials[i].Answer = migration.AnswerGrant
				}
			})
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func FuzzJobMerge(f *testing.F) {
	f.Add(storedJob(f, "first"))
	f.Add(storedJob(f, "whole"))
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := migration.ReadJob("111122223333", storedSecret, body)
		if err != nil {
			if bad, is := errors.AsType[*store.Unreadable](err); !is || bad.Reason == "" {
				t.Fatalf("unreadable, and no reason: %v", err)
			}
			t.Skip()
		}
		j.Reason = "another"
		want, err := json.Marshal(j)
		if err != nil {
			t.Skip() // a time that JSON does not write
		}
		merged, err := store.Merge(body, j)
		if err != nil {
			t.Fatal(err)
		}
		again, err := migration.ReadJob("111122223333", storedSecret, merged)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(again); err != nil || string(got) != string(want) {
			t.Fatalf("wrote %s, reads %s (%v)", want, got, err)
		}
	})
}

func TestEveryListOfAJobSaysWhichElementIsWhich(t *testing.T) {
	if nameless := storetest.Nameless(reflect.TypeFor[migration.Job]()); len(nameless) > 0 {
		t.Errorf("a newer version's fields would be lost in %v", nameless)
	}
}

func TestWhatIsNoJobIsUnreadable(t *testing.T) {
	for name, tt := range map[string]struct{ body, reason string }{
		"no JSON":           {`{`, "its body is not JSON"},
		"a wrong type":      {`{"secret":"` + storedSecret + `","phase":7}`, `its body is of another shape: "phase" is wrong, it holds a value of type number`},
		"null":              {`null`, "its body is null"},
		"a list":            {`[1]`, "its body is no object"},
		"nothing in it":     {`{}`, "its body names no secret"},
		"of another secret": {`{"secret":"arn:other","phase":"planned"}`, "its body is of another secret"},
		"without a phase":   {`{"secret":"` + storedSecret + `"}`, "its body has no phase"},
	} {
		_, err := migration.ReadJob("111122223333", storedSecret, []byte(tt.body))
		if bad, is := errors.AsType[*store.Unreadable](err); !is || bad.Reason != tt.reason || bad.Kind != migration.DocumentKind || bad.Group != "111122223333" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const unheard = "quantum"

// strangers are jobs that a newer version left with a word that decides about them, and that this one does not know.
var strangers = map[string]func(*migration.Job){
	"phase":          func(j *migration.Job) { j.Phase = unheard },
	"pending change": func(j *migration.Job) { j.Pending = &migration.Pending{Action: unheard, At: now} },
	"seal":           func(j *migration.Job) { j.Seal = unheard },
	"wave":           func(j *migration.Job) { j.Wave = unheard },
}

// oneJob is a store of one job.
type oneJob struct {
	migration.Store
	job   migration.Job
	saves int
}

func (s *oneJob) Load(context.Context, string) (migration.Job, error) { return s.job, nil }
func (s *oneJob) Save(context.Context, migration.Job) error           { s.saves++; return nil }

func TestNoMachineMovesAJobThatOnlyANewerVersionKnows(t *testing.T) {
	for name, change := range strangers {
		t.Run(name, func(t *testing.T) {
			j := job(migration.Observing)
			j.Revision, j.Before, j.Plan = 3, &migration.Before{}, "plan"
			change(&j)
			if why := j.Newer(); !strings.Contains(why, `unknown (written by a newer version: "quantum")`) || j.NeedsVisit() {
				t.Errorf("%q, needs a visit: %v", why, j.NeedsVisit())
			}
			if step := migration.Next(j, migration.Seen{At: now}, migration.Defaults()); step.Action != migration.DoNothing || step.Reason != j.Newer() {
				t.Errorf("the next step is %+v", step)
			}
			kept := &oneJob{job: j}
			e := &migration.Engine{Store: kept, Rules: migration.Defaults(), By: "test", Now: func() time.Time { return now },
				Effects: &store.Effects{Intents: storetest.NewIntents(), Worker: "w", Now: func() time.Time { return now }}}
			item := migration.Item{Secret: j.Secret, Name: "db", Account: shop, Region: region}
			for doing, do := range map[string]func() error{
				"begin": func() error { _, err := e.Start(t.Context(), item, "another", migration.Defaults()); return err },
				"preview": func() error {
					_, _, err := e.Preview().Next(t.Context(), item, "another", migration.Defaults())
					return err
				},
				"advance": func() error { _, _, err := e.Advance(t.Context(), j.Secret); return err },
				"go back": func() error { _, err := e.Rollback(t.Context(), j.Secret, "why"); return err },
				"order": func() error {
					_, _, err := e.Order(t.Context(), migration.Order{Secret: guard.Secret{ARN: j.Secret}})
					return err
				},
				"resume": func() error {
					_, _, err := e.Resume(t.Context(), guard.Notice{Resource: j.Secret})
					return err
				},
				"go ahead": func() error { return e.GoAhead(t.Context(), j.Secret, "me") },
				"refused":  func() error { _, err := e.Refused(t.Context(), j.Secret, migration.Refused{EventID: "e"}); return err },
			} {
				if err := do(); !errors.Is(err, migration.ErrNewer) {
					t.Errorf("%s: %v", doing, err)
				}
			}
			if kept.saves > 0 {
				t.Errorf("it was written %d times", kept.saves)
			}
			summary := migration.Summarize([]migration.Job{j}, nil)
			if summary.Rows[0].Sealed != 0 || len(summary.Waiting) != 1 || summary.Waiting[0].For != "security" || summary.Waiting[0].Reason != j.Newer() {
				t.Errorf("status %+v", summary)
			}
		})
	}
}

func TestAnUnknownPhaseIsCountedApartAndHaltsItsWave(t *testing.T) {
	j := job(unheard)
	j.Before, j.Wave = &migration.Before{}, migration.Canary
	if row := migration.Summarize([]migration.Job{j}, nil).Rows[0]; row.Unknown != 1 || row.Rekeyed != 0 {
		t.Errorf("%+v", row)
	}
	if migration.Halted([]migration.Job{j}, migration.Job{Plan: j.Plan, Wave: migration.Canary}, migration.Defaults()) == "" {
		t.Error("its wave goes on")
	}
	if j.UnderNewKey() || j.Phase.Resting() {
		t.Error("it counts as one that is under the new key, or rests")
	}
}

// words are the enumerations in a job, and where a word of theirs that nobody knows is tried.
var words = map[reflect.Type]func(t *testing.T){
	reflect.TypeFor[migration.Phase]():  nil, // strangers
	reflect.TypeFor[migration.Action](): nil, // strangers
	reflect.TypeFor[migration.SealBy](): nil, // strangers
	reflect.TypeFor[migration.Wave]():   nil, // strangers
	reflect.TypeFor[migration.Keep](): func(t *testing.T) {
		careful := migration.Defaults()
		careful.MustKeep = migration.KeepEverybody
		stored := migration.Defaults()
		stored.MustKeep = unheard
		if got := stored.Join(careful).MustKeep; got != unheard {
			t.Errorf("a mode that nobody knows is laxer than %s", got)
		}
		found := migration.Assessment{Readers: []migration.Reader{{Principal: role("admin"), Class: migration.ClassCould, Verdict: migration.Loses, Spared: true}}}
		if got := found.Under(unheard); len(got) != 1 {
			t.Errorf("a mode that nobody knows spares somebody: %v", got)
		}
		if got := found.Under(migration.KeepWorkloads); len(got) != 0 {
			t.Errorf("one who was never seen stands in the way: %v", got)
		}
	},
	reflect.TypeFor[migration.Answer](): func(t *testing.T) {
		j, refused := denied(unheard, migration.LockKey)
		refused.At = refused.At.Add(time.Hour)
		if answer, why := migration.Judge(j, refused, migration.Defaults()); answer == migration.AnswerNone {
			t.Errorf("an answer that nobody knows answers the next one, too: %s", why)
		}
	},
	reflect.TypeFor[migration.Lock](): func(t *testing.T) {
		j, refused := denied(migration.AnswerPage, unheard)
		if answer, why := migration.Judge(j, refused, migration.Defaults()); answer == migration.AnswerNone {
			t.Errorf("a lock that nobody knows counts as the key: %s", why)
		}
	},
}

// denied is a job with a denied read that was answered, and another of the same reader within the quiet time.
func denied(answer migration.Answer, by migration.Lock) (migration.Job, migration.Refused) {
	j := job(migration.Observing)
	j.Readers = []migration.Known{{Principal: role("app")}}
	j.Denials = []migration.Denial{{Principal: role("app"), EventID: "e-0", At: now, By: by, Answer: answer}}
	return j, migration.Refused{Principal: role("app"), EventID: "e-1", At: now, By: migration.LockKey, Read: true}
}

func TestEveryWordOfAJobIsTried(t *testing.T) {
	var found []reflect.Type
	for _, text := range storetest.Texts(reflect.TypeFor[migration.Job]()) {
		if strings.HasSuffix(text.PkgPath(), "/migration") {
			found = append(found, text)
		}
		v := reflect.New(text)
		if err := json.Unmarshal([]byte(`"quantum"`), v.Interface()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if raw, err := json.Marshal(v.Interface()); err != nil || string(raw) != `"quantum"` {
			t.Errorf("%s is written back as %s, %v", text, raw, err)
		}
	}
	for _, text := range found {
		if _, tried := words[text]; !tried {
			t.Errorf("%s is stored: say what becomes of a word of it that nobody knows", text)
		}
	}
	if len(found) != len(words) {
		t.Errorf("%d kinds of words are stored, %d are tried: %v", len(found), len(words), found)
	}
	for text, try := range words {
		if try != nil {
			t.Run(text.Name(), try)
		}
	}
	known := cmp.Diff([]bool{true, false}, []bool{migration.Sealed.Known(), migration.Phase(unheard).Known()})
	if known != "" || migration.Sealed.String() != "sealed" {
		t.Error(known)
	}
}
