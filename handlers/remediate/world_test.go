package remediate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers/remediate"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
	arn     = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf"
	cmk     = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	alias   = "alias/doublelock/secrets"
)

var (
	errCrash      = errors.New("the process died here")
	errUnexpected = errors.New("this is none of remediation's calls")
)

func awsManaged() guard.Key {
	return guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
}

// world is one secret, the keys, and the hub's stores. Trip is asked at every step and may break it.
type world struct {
	now       time.Time
	secret    guard.Secret
	gone      bool
	keys      map[string]guard.Key // by ARN and alias
	silent    bool                 // UpdateSecret answers success and re-encrypts nothing
	unlisted  bool                 // AWS lists no keys of a version after it
	slow      int                  // looks until a re-encryption shows
	updates   []string
	record    guard.Record
	journal   []store.JournalEntry
	counts    map[string]int
	published []guard.Notice
	looked    int
	slept     int
	mode      guard.Mode
	breaks    string // who would lose access
	job       []byte // as it is stored
	revision  int64
	processes int
	intents   *storetest.Intents
	log       *slog.Logger // the machine's; nil is silence
	trip      func(step string) error
}

func newWorld() *world {
	key := guard.Key{ARN: cmk, Account: account, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	return &world{
		now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		secret: guard.Secret{ARN: arn, Name: "app", Account: account, Region: region, Key: awsManaged(), Tags: map[string]string{"Owner": "payments"},
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{awsManaged()}}}},
		keys: map[string]guard.Key{cmk: key, alias: key, "": awsManaged()}, counts: map[string]int{}, mode: guard.ModeRemediate, intents: storetest.NewIntents(),
		trip: func(string) error { return nil },
	}
}

func (w *world) handler() *remediate.Handler {
	return &remediate.Handler{
		Secrets: w, Keys: keys{w}, Records: records{w}, Bus: bus{w}, Modes: modes{w}, Inspector: inspector{w}, Machine: w.machine(),
		KeyFor: func(string, string, map[string]string) string { return alias },
		By:     "doublelock-remediate", Source: "doublelock", Account: "999988887777", Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	}
}

// machine is the one that changes secrets, in another process each time.
func (w *world) machine() *migration.Engine {
	rules := migration.Defaults()
	rules.PerHour, rules.PerAccountHour = 10, 5
	w.processes++
	effects := &store.Effects{Intents: w.intents, Worker: fmt.Sprint("process ", w.processes), Now: func() time.Time { return w.now },
		Elapsed: func() time.Duration { return w.now.Sub(time.Time{}) }, Sleep: func(context.Context, time.Duration) error { return nil }}
	return &migration.Engine{
		Secrets: w, Store: jobs{w}, Journal: journal{w}, Counter: counter{w}, Preflight: preflight{w}, Bus: bus{w}, Rules: rules,
		By: "doublelock-remediate", Effects: effects, Now: func() time.Time { return w.now },
		Sleep: func(context.Context, time.Duration) error { w.slept++; return nil }, Log: w.log,
	}
}

// stored is the machine's job; the zero job is none.
func (w *world) stored(t *testing.T) migration.Job {
	t.Helper()
	w.trip = func(string) error { return nil }
	j, err := jobs{w}.Load(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (w *world) Describe(context.Context, guard.SecretRef) (guard.Secret, error) {
	if err := w.trip("describe"); err != nil {
		return guard.Secret{}, err
	}
	if w.gone {
		return guard.Secret{}, fmt.Errorf("describe: %w", guard.ErrGone)
	}
	s := w.secret
	s.Versions = slices.Clone(s.Versions)
	if w.unlisted && len(w.updates) > 0 {
		for i := range s.Versions {
			s.Versions[i].Keys = nil
		}
	}
	if w.slow > 0 && len(w.updates) > 0 {
		w.slow--
		for i := range s.Versions {
			s.Versions[i].Keys = s.Versions[i].Keys[:1]
		}
	}
	return s, nil
}

func (w *world) Rekey(_ context.Context, _ guard.SecretRef, keyARN string) error {
	if err := w.trip("rekey"); err != nil {
		return err
	}
	w.updates = append(w.updates, keyARN)
	w.secret.KeyID, w.secret.Key = keyARN, w.keys[keyARN]
	if !w.silent {
		for i, v := range w.secret.Versions {
			if !slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return k.ARN == keyARN }) {
				w.secret.Versions[i].Keys = append(slices.Clone(v.Keys), w.keys[keyARN])
			}
		}
	}
	return w.trip("rekey done")
}

func (w *world) Rotate(context.Context, guard.SecretRef) error { return errUnexpected }

func (w *world) RemoveReplica(context.Context, guard.SecretRef, string) error { return errUnexpected }

func (w *world) AddReplica(context.Context, guard.SecretRef, string, string) error {
	return errUnexpected
}

func (w *world) Tag(context.Context, guard.SecretRef, map[string]string) error { return errUnexpected }

func (w *world) Untag(context.Context, guard.SecretRef, ...string) error { return errUnexpected }

type jobs struct{ w *world }

func (f jobs) Load(context.Context, string) (j migration.Job, err error) {
	if err = f.w.trip("load job"); err == nil && len(f.w.job) > 0 {
		err = json.Unmarshal(f.w.job, &j)
		j.Revision = f.w.revision
	}
	return j, err
}

func (f jobs) Save(_ context.Context, j migration.Job) error {
	if err := f.w.trip("save"); err != nil {
		return err
	}
	if j.Revision != f.w.revision {
		return fmt.Errorf("save: %w", guard.ErrConflict)
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return err
	}
	f.w.job, f.w.revision = raw, f.w.revision+1
	return f.w.trip("save done")
}

func (jobs) List(context.Context, func(migration.Job, *store.Unreadable) error) error {
	return errUnexpected
}

func (jobs) Answered(context.Context, string, string) (bool, error) { return false, errUnexpected }

type preflight struct{ w *world }

func (f preflight) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	a := migration.Assessment{Readers: []migration.Reader{{Principal: "arn:aws:iam::111122223333:role/app", Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}}}}
	if f.w.breaks != "" {
		a.Problems = []string{f.w.breaks}
	}
	return a, f.w.trip("check")
}

func (f preflight) Refusing(context.Context, guard.Secret, string, string) (migration.Refusal, error) {
	return migration.Refusal{}, errUnexpected
}

type keys struct{ w *world }

func (f keys) Describe(_ context.Context, ref guard.KeyRef) (guard.Key, error) {
	if err := f.w.trip("describe key"); err != nil {
		return guard.Key{}, err
	}
	if k, ok := f.w.keys[ref.ID]; ok {
		return k, nil
	}
	return guard.Key{State: guard.KeyMissing}, nil
}

func (keys) Invalidate(...string) {}

type records struct{ w *world }

func (f records) Load(context.Context, string) (guard.Record, error) {
	return f.w.record, f.w.trip("load")
}

type journal struct{ w *world }

func (f journal) Append(_ context.Context, e store.JournalEntry) error {
	if err := f.w.trip("append"); err != nil {
		return err
	}
	f.w.journal = append(f.w.journal, e)
	return f.w.trip("append done")
}

type counter struct{ w *world }

func (f counter) Take(_ context.Context, name string, limit int, _ time.Time) (bool, error) {
	if err := f.w.trip("take"); err != nil {
		return false, err
	}
	if f.w.counts[name] >= limit {
		return false, nil
	}
	f.w.counts[name]++
	return true, nil
}

func (f counter) Taken(_ context.Context, name string) (int, error) { return f.w.counts[name], nil }

type bus struct{ w *world }

func (f bus) Publish(_ context.Context, notices []guard.Notice) error {
	if err := f.w.trip("publish"); err != nil {
		return err
	}
	f.w.published = append(f.w.published, notices...)
	return f.w.trip("publish done")
}

type modes struct{ w *world }

func (f modes) Mode(context.Context, string, map[string]string) (guard.Mode, error) {
	return f.w.mode, f.w.trip("mode")
}

type inspector struct{ w *world }

func (f inspector) Inspect(context.Context, guard.SecretRef, guard.Cause) error {
	f.w.looked++
	return f.w.trip("look")
}

// order is the notice that asks for a re-key.
func order(id string) guard.Notice {
	return guard.Notice{
		ID: id, Kind: guard.NoticeOpened, At: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Account: account, Region: region, Resource: arn, Name: "app",
		State: guard.StateDefault, Finding: &guard.Finding{Control: guard.SecretDefaultKey, Resource: arn}, Tool: "terraform",
		Actor: "arn:aws:sts::111122223333:assumed-role/Deploy/alice@example.com", Tags: map[string]string{"Owner": "payments"},
		Decision: guard.Decision{Mode: guard.ModeRemediate, Tag: true, Rekey: true},
	}
}

func message(n guard.Notice) string {
	detail, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(events.EventBridgeEvent{ID: "b", Source: "doublelock", AccountID: "999988887777", Detail: detail})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// handle hands a batch to a new process and returns how many messages come again.
func handle(t *testing.T, w *world, bodies ...string) (again int) {
	t.Helper()
	defer func() {
		if died := recover(); died != nil {
			if err, ok := died.(error); !ok || !errors.Is(err, errCrash) {
				panic(died)
			}
			again = len(bodies)
		}
	}()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: body})
	}
	answer, err := w.handler().Handle(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return len(answer.BatchItemFailures)
}
