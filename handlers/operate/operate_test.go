package operate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/handlers/operate"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/window"
)

const anna = "arn:aws:sts::222222222222:assumed-role/doublelock-operator/anna"

// bench is the deployed function, to which a test hands messages as SQS would.
type bench struct {
	*testing.T
	w        *local.Organization
	h        *operate.Handler
	dispatch operator.Dispatch
	operator string // unique id of the role
	log      bytes.Buffer
	secret   string
	hub      *fleet.Migrations
	plan     migration.Plan
	parts    map[string]migration.Part
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, w: localtest.New(t)}
	env, err := b.w.FunctionEnvironment("operate")
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return env[name] }
	if b.h, err = operate.Wire(t.Context(), getenv, b.w.Clock.Now, slog.New(slog.NewTextHandler(&b.log, nil))); err != nil {
		t.Fatal(err)
	}
	if b.operator = env[settings.EnvOperator]; !strings.HasPrefix(b.operator, "AROA") {
		t.Fatalf("the role of operators has the id %q", b.operator)
	}
	b.secret = b.create("search/orders")
	options := cloud.FromEnv(getenv)
	options.Now, options.KeyDetails, options.Session = b.w.Clock.Now, true, "operate"
	c, err := cloud.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	b.dispatch = migrations.Dispatch(c, env[settings.EnvTable])
	runtime, err := settings.ParseRuntime(env[settings.EnvConfig])
	if err != nil {
		t.Fatal(err)
	}
	b.hub = migrations.Parts{Cloud: c, Table: env[settings.EnvTable], Bus: env[settings.EnvBus], Regions: options.Regions, Runtime: runtime, By: "test", Now: b.w.Clock.Now}.Open()
	b.planned(b.secret)
	return b
}

func (b *bench) create(name string) string {
	b.Helper()
	made, _ := localtest.Call(b.T, b.w, local.Search, b.w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": "x"})["ARN"].(string)
	return made
}

// planned has a plan of secrets, which is safe.
func (b *bench) planned(secrets ...string) {
	b.Helper()
	snapshot, err := b.hub.Snapshots.Take(b.Context(), local.Search)
	if err != nil {
		b.Fatal(err)
	}
	facts, err := b.hub.Facts(b.Context(), snapshot, nil)
	if err != nil {
		b.Fatal(err)
	}
	if b.plan, err = migration.Make(facts, secrets...); err != nil || len(b.plan.Items) != len(secrets) || slices.ContainsFunc(b.plan.Items, func(i migration.Item) bool { return !i.Safe() }) {
		b.Fatalf("plan %+v, error %v", b.plan, err)
	}
	if b.parts, err = b.plan.Parts(); err != nil {
		b.Fatal(err)
	}
}

// handle hands over messages, each from a sender, and answers which of them come again.
func (b *bench) handle(messages ...events.SQSMessage) []string {
	b.Helper()
	answer, err := b.h.Handle(b.Context(), events.SQSEvent{Records: messages})
	if err != nil {
		b.Fatal(err)
	}
	again := []string{}
	for _, failed := range answer.BatchItemFailures {
		again = append(again, failed.ItemIdentifier)
	}
	return again
}

func message(id, sender, body string) events.SQSMessage {
	return events.SQSMessage{MessageId: id, Body: body, Attributes: map[string]string{"SenderId": sender}}
}

func (b *bench) from(person string, i operator.Instruction) events.SQSMessage {
	b.Helper()
	raw, err := json.Marshal(i)
	if err != nil {
		b.Fatal(err)
	}
	return message("m", b.operator+":"+person, string(raw))
}

// outcome is what became of the first instruction of a batch.
func (b *bench) outcome(batch string) operator.Outcome {
	b.Helper()
	all, err := b.dispatch.Of(b.Context(), batch)
	if err != nil || len(all) != 1 {
		b.Fatalf("batch %s: %+v, %v\n%s", batch, all, err, &b.log)
	}
	return all[0]
}

func (b *bench) record() operator.Instruction {
	return operator.Instruction{Batch: "record", Do: operator.Record, Plan: b.plan.ID, Digest: b.plan.Digest, Secrets: 1}
}

func (b *bench) apply(batch string) operator.Instruction {
	part := b.parts[b.secret]
	return operator.Instruction{Batch: batch, Do: operator.Apply, Plan: b.plan.ID, Digest: b.plan.Digest, Part: &part, Reason: "CHG-1"}
}

// moved reports whether the secret is under a customer managed key.
func (b *bench) moved() bool {
	b.Helper()
	keys, err := b.w.AWS.Principal(local.Search, "role/Engineer/you")
	if err != nil {
		b.Fatal(err)
	}
	c, err := b.w.Open(b.Context(), b.w.Home(), keys)
	if err != nil {
		b.Fatal(err)
	}
	s, err := secrets.New(c).Describe(b.Context(), guard.SecretRef{ID: b.secret})
	if err != nil {
		b.Fatal(err)
	}
	return s.Key.Manager == guard.ManagerCustomer
}

func TestOnlyMessagesOfOperatorsAreCarriedOut(t *testing.T) {
	b := newBench(t)
	raw, err := json.Marshal(b.record())
	if err != nil {
		t.Fatal(err)
	}
	for name, sender := range map[string]string{
		"of another role":          "AROAEXAMPLE:anna",
		"of the role's id alone":   b.operator,
		"of the role, no session":  b.operator + ":",
		"of a role with its name":  settings.RoleOperator + ":anna",
		"of nobody":                "",
		"of an id that begins so":  b.operator + "X:anna",
		"of a session like the id": "AROAEXAMPLE:" + b.operator + ":anna",
	} {
		if again := b.handle(message("m", sender, string(raw))); len(again) != 0 {
			t.Errorf("a message %s comes again", name)
		}
	}
	if _, err := b.dispatch.Recorded(t.Context(), b.plan.Digest); err == nil {
		t.Fatal("somebody else recorded the plan")
	}
	b.h.Operator = "" // where there are no operators
	if b.handle(message("m", ":anna", string(raw))); strings.Count(b.log.String(), "its sender is no operator") != 8 {
		t.Errorf("log:\n%s", &b.log)
	}
}

// One that cannot be read is named, and goes where what cannot be handled is parked; its neighbours are carried out.
func TestABatchOfWhichOneMessageFails(t *testing.T) {
	b := newBench(t)
	bad := message("bad", b.operator+":anna", `{"batch":"x","do":"fly"}`)
	if diff := cmp.Diff([]string{"bad"}, b.handle(bad, b.from("anna", b.record()))); diff != "" {
		t.Errorf("come again (-want +got):\n%s", diff)
	}
	r, err := b.dispatch.Recorded(t.Context(), b.plan.Digest)
	if err != nil || r.By != anna || r.Plan != b.plan.ID {
		t.Errorf("recorded: %+v, %v", r, err)
	}
}

func TestAPlanIsAppliedOnlyAsItWasRecorded(t *testing.T) {
	b := newBench(t)
	b.handle(b.from("anna", b.apply("early")))
	if o := b.outcome("early"); !strings.Contains(o.Problem, "no operator has recorded it") {
		t.Errorf("before it was recorded: %+v", o)
	}
	b.handle(b.from("anna", b.record()))
	edited := b.apply("edited")
	edited.Part.Assignment = bytes.Replace(edited.Part.Assignment, []byte(`"target":"`), []byte(`"target":"arn:aws:kms:us-east-1:999999999999:key/mine","was":"`), 1)
	renamed := b.apply("renamed")
	renamed.Plan = "000000000000"
	for _, i := range []operator.Instruction{edited, renamed} {
		b.handle(b.from("bert", i))
		if o := b.outcome(i.Batch); !strings.Contains(o.Problem, "it was edited; plan again") || o.By != strings.Replace(anna, "anna", "bert", 1) {
			t.Errorf("%s: %+v", i.Batch, o)
		}
	}
	if b.moved() {
		t.Fatal("it was moved")
	}
	b.handle(b.from("anna", b.apply("right")))
	if o := b.outcome("right"); o.Problem != "" || o.Phase != migration.Observing || !b.moved() {
		t.Errorf("as it was recorded: %+v", o)
	}
}

// SQS delivers at least once.
func TestAnInstructionThatComesTwiceIsCarriedOutOnce(t *testing.T) {
	b := newBench(t)
	apply := b.apply("apply")
	b.handle(b.from("anna", b.record()), b.from("anna", apply))
	back := operator.Instruction{Batch: "back", Do: operator.SetBack, Secret: b.secret, Reason: "the app broke"}
	b.handle(b.from("anna", back))
	if o := b.outcome("back"); o.Problem != "" || o.Phase != migration.RolledBack || b.moved() {
		t.Fatalf("set back: %+v", o)
	}
	first := b.outcome("apply")
	if again := b.handle(b.from("anna", apply), b.from("anna", back)); len(again) != 0 || b.moved() {
		t.Errorf("again %v, moved %v", again, b.moved())
	}
	if diff := cmp.Diff(first, b.outcome("apply")); diff != "" {
		t.Errorf("its outcome has changed (-was +is):\n%s", diff)
	}
}

func TestGoingBackFromWhatWasNotChangedSaysSo(t *testing.T) {
	b := newBench(t)
	apply := b.apply("apply")
	closed, err := window.Parse("Sat 03:00-03:01")
	if err != nil {
		t.Fatal(err)
	}
	apply.Windows = []window.Window{closed}
	b.handle(b.from("anna", b.record()), b.from("anna", apply),
		b.from("anna", operator.Instruction{Batch: "back", Do: operator.SetBack, Secret: b.secret, Reason: "wrong wave"}),
		b.from("anna", operator.Instruction{Batch: "none", Do: operator.SetBack, Secret: "arn:aws:secretsmanager:us-east-1:444444444444:secret:none", Reason: "wrong"}))
	if o := b.outcome("apply"); !strings.Contains(o.Reason, "outside the change windows") || b.moved() {
		t.Errorf("outside its window: %+v", o)
	}
	if o := b.outcome("back"); !o.Unchanged || o.Problem == "" {
		t.Errorf("nothing to undo: %+v", o)
	}
	if o := b.outcome("none"); o.Unchanged || o.Problem == "" {
		t.Errorf("no such migration: %+v", o)
	}
}

// Where the role that changes cannot be taken, nothing has failed: the job is stored, and nobody is mailed.
func TestThatTheChangeRoleCannotBeTakenIsNoFailureOfTheSecret(t *testing.T) {
	b := newBench(t)
	b.w.AWS.AddRole(local.Search, settings.RoleChange, `{"Version":"2012-10-17","Statement":[]}`)
	if err := b.w.Settle(t.Context()); err != nil { // the finding about the new secret is mailed
		t.Fatal(err)
	}
	mails := len(b.w.AWS.Mailbox())
	b.handle(b.from("anna", b.record()), b.from("anna", b.apply("apply")))
	o := b.outcome("apply")
	if o.Phase != migration.Planned || o.Problem != "" || !strings.Contains(o.Reason, "the role doublelock-change cannot be taken in "+local.Search) {
		t.Errorf("%+v", o)
	}
	if err := b.w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.w.AWS.Mailbox(); len(got) != mails {
		t.Errorf("%d mails: %+v", len(got)-mails, got[mails:])
	}
}

// The list of jobs is read every 20 seconds: what went back since counts all the same.
func TestWhatWasRolledBackAMomentAgoHaltsItsWave(t *testing.T) {
	b := newBench(t)
	all := []string{b.secret, b.create("search/first"), b.create("search/second")}
	b.planned(all...)
	b.handle(b.from("anna", b.record()))
	for n, secret := range all {
		b.secret = secret
		batch := fmt.Sprint("apply-", n)
		b.handle(b.from("anna", b.apply(batch)))
		if n == 2 {
			if o := b.outcome(batch); !strings.Contains(o.Problem, "2 of 2 secrets failed, were rolled back or broke a reader") {
				t.Errorf("the third is applied: %+v", o)
			}
			return
		}
		b.handle(b.from("anna", operator.Instruction{Batch: fmt.Sprint("back-", n), Do: operator.SetBack, Secret: secret, Reason: "the app broke"}))
		if b.moved() {
			t.Fatalf("%s: %+v", secret, b.outcome(fmt.Sprint("back-", n)))
		}
	}
}
