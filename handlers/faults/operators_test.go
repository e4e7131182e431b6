package faults_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/settings"
)

// isRecorded is a secret that an operator's plan is about.
func isRecorded(t *testing.T, d *driver, n int) {
	d.follows(t, local.Search, app, n)
	d.settle(0)
	plan, _ := d.plan(t, n)
	d.instruct(t, operator.Instruction{Batch: fmt.Sprintf("plan %d", n), Do: operator.Record, Plan: plan.ID, Digest: plan.Digest, Secrets: 1})
	d.settle(0)
}

// plan is that of a secret: the same whenever it is made.
func (d *driver) plan(t *testing.T, n int) (migration.Plan, migration.Part) {
	t.Helper()
	item := d.planned(t, app(n))
	item.Replicas = nil
	plan, err := migration.Plan{Version: migration.PlanVersion, Rules: migration.Defaults(), Items: []migration.Item{item}}.Signed()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := plan.Parts()
	if err != nil {
		t.Fatal(err)
	}
	return plan, parts[item.Secret]
}

// asks is an operator who asks the hub to apply the plan.
func asks(t *testing.T, d *driver, n int) {
	plan, part := d.plan(t, n)
	d.instruct(t, operator.Instruction{Batch: fmt.Sprintf("apply %d", n), Do: operator.Apply, Plan: plan.ID, Digest: plan.Digest, Part: &part, Reason: "CHG-1"})
}

// asksBack is an operator who asks the hub to go back.
func asksBack(t *testing.T, d *driver, n int) {
	s := d.oracle.find(app(n), local.Search, d.w.Home())
	if s == nil {
		t.Fatalf("no secret %s", app(n))
	}
	d.instruct(t, operator.Instruction{Batch: fmt.Sprintf("back %d", n), Do: operator.SetBack, Secret: s.arn, Reason: "the app broke"})
}

// isAsked is a secret that the hub moved, because an operator asked.
func isAsked(t *testing.T, d *driver, n int) {
	isRecorded(t, d, n)
	asks(t, d, n)
	d.settle(0)
}

// instruct sends an instruction with the deployed role of operators.
func (d *driver) instruct(t *testing.T, i operator.Instruction) {
	t.Helper()
	body, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	queue := "https://" + d.w.Partition.Regional("sqs", d.w.Home()) + "/" + local.Hub + "/" + settings.SessionPrefix + "operate"
	if _, err := d.w.AWS.AsPrincipal(local.Hub, "role/"+settings.RoleOperator+"/anna", d.w.Home(), "sqs", "SendMessage", map[string]any{"QueueUrl": queue, "MessageBody": string(body)}); err != nil {
		t.Fatal(err)
	}
}

func isSetBackWhole(d *driver, n int) string {
	if s := d.oracle.find(app(n), local.Search, d.w.Home()); s == nil || !managed(s.key) {
		return fmt.Sprintf("not as it was before: %+v", s)
	}
	return ""
}
