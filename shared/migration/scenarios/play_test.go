package scenarios_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// TestMigrations plays every file of testdata: the plan is made, the machine is driven, and after each
// phase every reader really reads. No reader may break where the plan said safe, and none that the plan did not name.
func TestMigrations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil || len(files) < 1 {
		t.Fatalf("%d scripts (%v), want at least 40", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			must(t, err)
			var says script
			must(t, yaml.NewDecoder(bytes.NewReader(raw), yaml.DisallowUnknownField()).Decode(&says))
			play(t, says)
		})
	}
}

func play(t *testing.T, says script) {
	if says.Says == "" {
		t.Fatal("a script without a sentence")
	}
	w := newStage(t, says)
	p := w.plan()
	if says.Plan.Outside != "" {
		w.checkOutside(p)
		return
	}
	item := w.checkPlan(p)
	before := w.able()
	w.compare("before", says.Truth.Before, before)
	w.playHonestly(p, item)
	if says.Truth.Rekeyed == nil {
		return
	}
	forced := newStage(t, says)
	forced.playOut(forced.checkPlan(forced.plan()), before)
}

func (w *stage) plan() migration.Plan {
	m := w.migrations(nil)
	snapshot, err := m.Take(w.Context())
	must(w, err)
	f, err := m.Facts(w.Context(), snapshot, settings.Runtime{Approved: guard.Approved{}}, nil)
	must(w, err)
	f.Accepted = w.says.accepted()
	p, err := migration.Make(f)
	must(w, err)
	return p
}

func (w *stage) checkOutside(p migration.Plan) {
	for _, e := range p.Outside {
		if e.Secret == w.secret && strings.Contains(e.Reason, w.says.Plan.Outside) {
			return
		}
	}
	w.Errorf("outside: %+v, want %q", p.Outside, w.says.Plan.Outside)
}

func short(arn string) string { return arn[strings.LastIndexAny(arn, "/:")+1:] }

func (w *stage) checkPlan(p migration.Plan) migration.Item {
	at := slices.IndexFunc(p.Items, func(i migration.Item) bool { return i.Secret == w.secret })
	if at < 0 {
		w.Fatalf("not planned: %+v", p.Outside)
	}
	item := p.Items[at]
	verdicts, fixes := map[string]string{}, map[string]string{}
	readers := item.Readers
	for _, r := range item.Replicas {
		readers = append(readers, r.Readers...)
	}
	for _, r := range readers {
		name := short(r.Principal)
		if _, ours := w.says.Readers[name]; !ours && w.says.Plan.Readers[name] == "" {
			continue // the account's own roles
		}
		if verdicts[name] == "" || r.Verdict != migration.Keeps {
			verdicts[name] = string(r.Verdict)
		}
		if r.Fix != nil {
			fixes[name] = string(r.Fix.Kind)
		}
	}
	if diff := cmp.Diff(w.says.Plan.Readers, verdicts); diff != "" {
		w.Errorf("verdicts (-want +got):\n%s\nblocked: %s", diff, strings.Join(item.Blocked, "\n"))
	}
	for name, kind := range w.says.Plan.Fix {
		if fixes[name] != kind {
			w.Errorf("fix of %s: %q, want %q", name, fixes[name], kind)
		}
	}
	if item.Safe() != w.says.Plan.Safe {
		w.Errorf("safe %v, want %v: %s", item.Safe(), w.says.Plan.Safe, strings.Join(item.Blocked, "\n"))
	}
	for _, want := range w.says.Plan.Blocked {
		if !strings.Contains(strings.Join(item.Blocked, "\n"), want) {
			w.Errorf("blocked by %q, want %q", item.Blocked, want)
		}
	}
	if w.says.Plan.Wave != "" && string(item.Wave) != w.says.Plan.Wave {
		w.Errorf("wave %s, want %s", item.Wave, w.says.Plan.Wave)
	}
	return item
}

func (w *stage) compare(when string, want, got []string) {
	w.Helper()
	if want == nil {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("who reads %s (-want +got):\n%s", when, diff)
	}
}

// playHonestly lets the machine do what it would do by itself, with everything that goes wrong in the script.
func (w *stage) playHonestly(p migration.Plan, item migration.Item) {
	could := w.able()
	ends := w.drive(p, item)
	want := w.says.Ends
	if want == "" {
		want = string(migration.Sealed)
	}
	if string(ends.Phase) != want || !strings.Contains(ends.Reason, w.says.Why) {
		w.Errorf("ends %s (%s), want %s (%s)", ends.Phase, ends.Reason, want, w.says.Why)
	}
	can := w.able()
	for _, reader := range could {
		if !slices.Contains(can, reader) && !slices.Contains(w.says.Accept, reader) && w.says.Faults.Lose != reader {
			w.Errorf("%s read before and cannot any more, after the machine ended %s", reader, ends.Phase)
		}
	}
	if ends.Phase == migration.RolledBack {
		w.checkBack()
	}
}

// playOut forces the change on a world, and finds out who breaks: nobody whom the plan did not name.
func (w *stage) playOut(item migration.Item, before []string) {
	root := w.client("root")
	must(w, ignore(root.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: aws.String(w.keys["new"])})))
	w.compare("after the re-key", w.says.Truth.Rekeyed, w.able())
	for range 2 {
		w.advance(20 * time.Minute)
		must(w, ignore(root.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String(fmt.Sprint("value at ", w.now))})))
	}
	w.recopy(item)
	w.compare("after the seal", w.says.Truth.Sealed, w.able())
	if old := w.says.Secret.Key; old != "" {
		must(w, ignore(kms.NewFromConfig(w.config(shop, "root", region)).ScheduleKeyDeletion(w.Context(), &kms.ScheduleKeyDeletionInput{
			KeyId: aws.String(w.keys[old]), PendingWindowInDays: aws.Int32(7)})))
	}
	after := w.able()
	w.compare("when the old key is gone", w.says.Truth.Gone, after)
	named := map[string]bool{}
	readers := item.Readers
	for _, r := range item.Replicas {
		readers = append(readers, r.Readers...)
	}
	for _, r := range readers {
		named[short(r.Principal)] = named[short(r.Principal)] || r.Verdict != migration.Keeps
	}
	for _, reader := range before {
		if slices.Contains(after, reader) {
			continue
		}
		if item.Safe() && !slices.Contains(w.says.Accept, reader) {
			w.Errorf("%s breaks, and the plan said safe", reader)
		}
		if !named[reader] {
			w.Errorf("%s breaks, and the plan did not name it", reader)
		}
	}
}

// recopy makes the copies again under the keys that the plan chose.
func (w *stage) recopy(item migration.Item) {
	m := w.migrations(nil).Engine.Secrets
	ref := guard.SecretRef{Account: shop, Region: region, ID: w.secret}
	for _, r := range item.Replicas {
		if r.Target == "" {
			continue
		}
		must(w, m.RemoveReplica(w.Context(), ref, r.Region))
		must(w, m.AddReplica(w.Context(), ref, r.Region, r.Target))
	}
}

// drive runs the machine until it rests, standing in for the readers, the owner and the clock.
func (w *stage) drive(_ migration.Plan, item migration.Item) migration.Job {
	m := w.migrations(nil)
	_, err := m.Engine.Start(w.Context(), item, "plan-1")
	must(w, err)
	var j migration.Job
	puts := 0
	for round := range 60 {
		j = w.visits(round)
		switch {
		case j.Phase.Resting(), j.Phase == migration.Sealed && round > 0:
			return j
		}
		w.meddle(&j, &puts)
	}
	w.Fatalf("no end: %s (%s)", j.Phase, j.Reason)
	return j
}

// meddle is what happens in the world between two visits.
func (w *stage) meddle(j *migration.Job, puts *int) {
	f := &w.says.Faults
	if f.FlipBack > 0 && j.Phase == migration.Observing {
		f.FlipBack--
		must(w, ignore(w.client("root").UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: aws.String(j.Before.KeyID)})))
	}
	if f.Rollback != "" && string(j.Phase) == f.Rollback {
		f.Rollback = ""
		_, err := w.migrations(nil).Engine.Rollback(w.Context(), w.secret, "asked for by the script")
		must(w, err)
	}
	for _, reader := range w.says.Seen {
		w.read(reader)
	}
	w.advance(25 * time.Hour)
	if j.Phase == migration.Sealing && j.Seal == migration.SealOwner && *puts < 2 {
		*puts++
		must(w, ignore(w.owner().Seal(w.Context(), w.secret)))
	}
	for _, reader := range w.says.Seen {
		w.read(reader)
	}
}

// owner is the cloud with the credentials of the secret's owner.
func (w *stage) owner() *cloud.Cloud {
	c, err := w.aws.Principal(shop, "role/Owner/alice")
	must(w, err)
	door, err := cloud.Open(w.Context(), cloud.Options{Region: region, Endpoint: w.url, MaxBackoff: time.Millisecond, Now: func() time.Time { return w.now },
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
	must(w, err)
	return door
}

// visits is one visit of the scheduled sweep, by as many workers as the script has, each of which may die.
func (w *stage) visits(round int) migration.Job {
	m := w.migrations(nil)
	if w.says.Faults.Crash {
		trip := &tripwire{Secrets: m.Engine.Secrets, after: round}
		m.Engine.Secrets = trip
		return w.visit(m.Engine)
	}
	return w.visit(m.Engine)
}

func (w *stage) visit(e *migration.Engine) migration.Job {
	_, _, err := e.Advance(w.Context(), w.secret)
	if err != nil && !errors.Is(err, errTripped) {
		must(w, err)
	}
	j, err := e.Store.Load(w.Context(), w.secret)
	must(w, err)
	return j
}

// checkBack sees that everything is as it was found.
func (w *stage) checkBack() {
	now := w.describe()
	if now.KeyID != w.first.KeyID {
		w.Errorf("key %q, was %q", now.KeyID, w.first.KeyID)
	}
	if diff := cmp.Diff(w.first.Tags, now.Tags); diff != "" {
		w.Errorf("tags (-before +now):\n%s", diff)
	}
	for _, v := range now.Versions {
		if v.Labelled() && !slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return k.Same(w.first.Key) }) {
			w.Errorf("version %s does not open with the previous key: %v", v.ID, v.Keys)
		}
	}
}

var errTripped = errors.New("the worker died")

// tripwire is a worker that dies at its nth call, every other time after the call was made.
type tripwire struct {
	migration.Secrets
	after, calls int
}

func (t *tripwire) die(made func() error) error {
	t.calls++
	if t.calls != t.after/2+1 {
		return made()
	}
	if t.after%2 == 1 {
		if err := made(); err != nil {
			return err
		}
	}
	return errTripped
}

func (t *tripwire) Rekey(ctx context.Context, ref guard.SecretRef, key string) error {
	return t.die(func() error { return t.Secrets.Rekey(ctx, ref, key) })
}

func (t *tripwire) Rotate(ctx context.Context, ref guard.SecretRef) error {
	return t.die(func() error { return t.Secrets.Rotate(ctx, ref) })
}
