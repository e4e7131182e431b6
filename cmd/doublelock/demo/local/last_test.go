package local_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/settings"
)

// lines are what functions logged, as "message action".
type lines struct {
	mu  sync.Mutex
	all map[string]int
}

func (l *lines) log(_ string, r slog.Record) {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "action" {
			line += " " + a.Value.String()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[line]++
}

func (l *lines) take(line string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.all[line]
	delete(l.all, line)
	return n
}

// watched is an organization whose functions are warm: each was asked before.
func watched(t *testing.T) (*local.Organization, *lines) {
	t.Helper()
	seen := &lines{all: map[string]int{}}
	w, stop, err := local.New(t.Context(), local.Options{Seed: 1, Watch: local.Watcher{Log: seen.log}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.Clock.Advance(time.Since(w.Clock.Now())) // the local AWS ends sessions by the wall clock where that is ahead
	beat(t, w)
	return w, seen
}

// beat starts what the clock starts.
func beat(t *testing.T, w *local.Organization) {
	t.Helper()
	localtest.Schedule(t, w, settings.TaskHeartbeat, "watchdog")
	localtest.Schedule(t, w, settings.TaskSweep, "sweep")
}

func fail(w *local.Organization, down func(*core.Call) bool) {
	w.AWS.Lock()
	defer w.AWS.Unlock()
	w.AWS.Options.Faults.Down = down
}

func open(t *testing.T, w *local.Organization, resource string, control guard.ControlID) (bool, guard.Record) {
	t.Helper()
	rec, err := w.Records.Load(context.Background(), resource)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rec.Open() {
		if f.Control == control {
			return true, rec
		}
	}
	return false, rec
}

func TestSweepAndHeartbeatGoOnWhileOrganizationsIsDown(t *testing.T) {
	w, seen := watched(t)
	fail(w, func(c *core.Call) bool { return c.Service == "organizations" })
	w.Clock.Advance(2 * time.Hour)
	seen.take("sweep swept")
	beat(t, w)
	if swept, last := seen.take("sweep swept"), seen.take("list accounts last known"); swept != 1 || last != 2 {
		t.Errorf("swept %d times, by the accounts of before %d times; want 1 and 2", swept, last)
	}
	w.Clock.Advance(25 * time.Hour) // too old
	beat(t, w)
	if swept := seen.take("sweep swept"); swept != 0 {
		t.Errorf("swept %d times by accounts of yesterday", swept)
	}
	fail(w, nil)
	w.Clock.Advance(time.Hour)
	beat(t, w)
	if swept, last := seen.take("sweep swept"), seen.take("list accounts last known"); swept == 0 || last != 0 {
		t.Errorf("afterwards swept %d times, by the accounts of before %d times", swept, last)
	}
}

// While KMS is down, a secret is looked at by what KMS said last. That opens no less, and closes nothing.
func TestAFindingByAKeyStaysOpenWhileKMSIsDownAndClosesAfterwards(t *testing.T) {
	w, _ := watched(t)
	call := func(service, operation string, in map[string]any) map[string]any {
		t.Helper()
		out := localtest.Call(t, w, local.Search, w.Home(), service, operation, in)
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out
	}
	metadata, _ := call("kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)
	key, _ := metadata["Arn"].(string)
	made := call("secretsmanager", "CreateSecret", map[string]any{"Name": "with/key", "SecretString": "x", "KmsKeyId": key})
	secret, _ := made["ARN"].(string)
	w.Clock.Advance(time.Minute)
	call("kms", "DisableKey", map[string]any{"KeyId": key})
	if is, rec := open(t, w, secret, guard.SecretKeyUnusable); !is || !rec.AsOf.IsZero() {
		t.Fatalf("no finding of a key that is disabled: %+v", rec)
	}
	w.Clock.Advance(10 * time.Minute) // what a process remembers of keys is forgotten
	said := w.Clock.Now()
	fail(w, func(c *core.Call) bool { return c.Service == "kms" })
	call("kms", "EnableKey", map[string]any{"KeyId": key})
	call("secretsmanager", "TagResource", map[string]any{"SecretId": secret, "Tags": []any{map[string]any{"Key": "a", "Value": "b"}}})
	is, rec := open(t, w, secret, guard.SecretKeyUnusable)
	if !is || rec.AsOf.IsZero() || rec.AsOf.After(said) {
		t.Errorf("while KMS is down: open %t, as of %s", is, rec.AsOf)
	}
	fail(w, nil)
	w.Clock.Advance(time.Hour)
	pass(t, w, time.Hour)
	beat(t, w)
	if is, rec := open(t, w, secret, guard.SecretKeyUnusable); is || !rec.AsOf.IsZero() {
		t.Errorf("afterwards: open %t, as of %s", is, rec.AsOf)
	}
}

// A member that STS does not let in for an hour is no blind spot, and what happened there is handled afterwards.
func TestAnOutageOfSTSForOneMemberPassesWithoutAPerson(t *testing.T) {
	w, _ := watched(t)
	localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "before", "SecretString": "x"})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(2 * time.Hour) // sessions have run out
	fail(w, func(c *core.Call) bool { return c.Service == "sts" && strings.Contains(c.Form.Get("RoleArn"), local.Search) })
	out := localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "behind/sts", "SecretString": "x"})
	secret, _ := out["ARN"].(string)
	pass(t, w, time.Hour)
	if is, _ := open(t, w, secret, guard.SecretDefaultKey); is {
		t.Error("it was looked at while nobody could")
	}
	if is, _ := open(t, w, locationOf(w), guard.OrgCoverage); is {
		t.Error("an outage is taken for a blind spot")
	}
	other := localtest.Call(t, w, local.Shop, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "next/to/it", "SecretString": "x", "KmsKeyId": "alias/doublelock/secrets"})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rec, err := w.Records.Load(t.Context(), other["ARN"].(string)); err != nil || rec.Revision == 0 {
		t.Errorf("its neighbour waits for it: %+v, %v", rec, err)
	}
	fail(w, nil)
	pass(t, w, time.Hour)
	if is, _ := open(t, w, secret, guard.SecretDefaultKey); !is {
		t.Error("what happened in the outage was lost")
	}
}

func locationOf(w *local.Organization) string {
	return w.Partition.New("secretsmanager", w.Home(), local.Search, "secret:*").String()
}

// The read role of a member is taken away, and put back when no secret is left there: nothing but the sweep looks there.
func TestABlindSpotClosesByItselfInWarmProcesses(t *testing.T) {
	w, _ := watched(t)
	out := localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "seen", "SecretString": "x"})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.AWS.AddRole(local.Search, guard.ReadRole, `{"Version":"2012-10-17","Statement":[]}`)
	w.Clock.Advance(2 * time.Hour)
	localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "TagResource", map[string]any{"SecretId": out["ARN"], "Tags": []any{map[string]any{"Key": "a", "Value": "b"}}})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if is, rec := open(t, w, locationOf(w), guard.OrgCoverage); !is {
		t.Fatalf("no blind spot: %+v", rec)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + local.Hub + `:root"},"Action":"sts:AssumeRole"}]}`
	w.AWS.AddRole(local.Search, guard.ReadRole, trust)
	localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "DeleteSecret", map[string]any{"SecretId": out["ARN"], "ForceDeleteWithoutRecovery": true})
	w.Clock.Advance(time.Hour)
	beat(t, w)
	if is, rec := open(t, w, locationOf(w), guard.OrgCoverage); is {
		t.Errorf("still blind: %+v", rec)
	}
}
