package faults_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/handlers/hub"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// commandLine is the process of a person's command, beside those of the functions.
const commandLine = "command"

// command has a person move secrets, with the rights of the function that does. One whose process died or sleeps, or who finds the
// secret held by another, repeats the command after a while, from a new process.
func (d *driver) command(t *testing.T, do func(context.Context, *migration.Engine) error) {
	t.Helper()
	f := &d.persons
	f.name, f.env = commandLine, d.deployed["remediate"].env
	for range 5 {
		p, engine := d.person(t, f)
		done := make(chan error, 1)
		d.begin(func(ctx context.Context) {
			ended := make(chan error, 1)
			go func() { err := do(ctx, engine); d.trace("%s: %v", p.name, err); ended <- err }()
			select {
			case err := <-ended:
				done <- err
			case <-p.died:
				done <- errDied
			case <-p.dozes: // a person does not wait for it
				done <- errDied
			}
		})
		d.settle(0)
		err := <-done
		if !d.sleeps(p) {
			d.kill(p)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errDied) && !errors.Is(err, migration.ErrBusy) {
			t.Fatal(err)
		}
		d.settle(11 * time.Minute)
	}
	t.Fatal("the command never came to its end")
}

// person is a process of a person's own, with the machine that the commands drive.
func (d *driver) person(t *testing.T, f *function) (*process, *migration.Engine) {
	t.Helper()
	p := d.process(f)
	now := func() time.Time { return d.w.Clock.Now().Add(p.skew) }
	h, err := hub.Open(cloud.WithNetwork(d.ctx, network{d, p}), "migrate", func(name string) string { return f.env[name] }, now, nil, settings.EnvBus)
	if err != nil {
		t.Fatal(err)
	}
	return p, migrations.Parts{Cloud: h.Cloud, Table: h.Table, Bus: h.Bus, Regions: h.Regions, Runtime: h.Runtime, By: h.Session, Now: h.Now}.Open().Engine
}

// planned is the item of a plan for a secret, with a copy of its own key in the second Region.
func (d *driver) planned(t *testing.T, name string) migration.Item {
	t.Helper()
	s := d.oracle.find(name, local.Search, d.w.Home())
	if s == nil {
		t.Fatalf("no secret %s", name)
	}
	target := func(region string) string {
		out, err := d.w.AWS.As("planned.example.com", local.Search, region, "kms", "DescribeKey", map[string]any{"KeyId": settings.SecretsKeyAlias})
		if err != nil {
			t.Fatal(err)
		}
		return words(field(out, "KeyMetadata"), "Arn")
	}
	d.oracle.planned[s.arn] = true
	return migration.Item{Secret: s.arn, Name: name, Account: s.account, Region: s.region, Wave: migration.Development, Target: target(s.region), Seal: migration.SealOwner,
		Replicas: []migration.ReplicaItem{{Region: d.w.Second(), Target: target(d.w.Second())}}}
}

// plans makes a secret with a copy in the second Region, in an account where the hub changes nothing by itself.
func plans(t *testing.T, d *driver, n int) {
	if n > 1 {
		d.people(t, local.Search, "RemoveRegionsFromReplication", map[string]any{"SecretId": app(n - 1), "RemoveReplicaRegions": []string{d.w.Second()}})
	}
	d.follows(t, local.Search, app, n)
	d.people(t, local.Search, "ReplicateSecretToRegions", map[string]any{"SecretId": app(n), "AddReplicaRegions": []map[string]string{{"Region": d.w.Second()}}})
	d.settle(0)
}

// isUntagged is a secret that a plan moved, and that the hub saw and tagged only then: going back takes its tags away.
func isUntagged(t *testing.T, d *driver, n int) {
	d.w.AWS.Trail(local.Search, d.w.Home(), false)
	d.follows(t, local.Search, app, n)
	d.w.AWS.Trail(local.Search, d.w.Home(), true)
	applies(t, d, n)
	d.settle(time.Hour)
}

// applies moves a secret by a plan of its own: those of the deaths before, which went back, halt the waves of theirs.
func applies(t *testing.T, d *driver, n int) {
	item := d.planned(t, app(n))
	if len(d.copied(n)) == 0 {
		item.Replicas = nil
	}
	d.command(t, func(ctx context.Context, e *migration.Engine) error {
		if _, err := e.Start(ctx, item, fmt.Sprintf("plan-%d", n), migration.Defaults()); err != nil {
			return err
		}
		_, _, err := e.Advance(ctx, item.Secret)
		return err
	})
}

func isApplied(d *driver, n int) string {
	if s := d.oracle.find(app(n), local.Search, d.w.Home()); s == nil || managed(s.key) {
		return "it is not under the new key"
	}
	return ""
}

// isObserved is a secret that a plan moved two days ago, and of which its owner has written new versions since.
func isObserved(t *testing.T, d *driver, n int) {
	plans(t, d, n)
	applies(t, d, n)
	d.settle(25 * time.Hour)
	for range 2 {
		d.people(t, local.Search, "PutSecretValue", map[string]any{"SecretId": app(n), "SecretString": "not a real value"})
	}
	d.settle(time.Hour)
}

func (d *driver) copied(n int) []any {
	out, err := d.w.AWS.As("oracle.example.com", local.Search, d.w.Home(), "secretsmanager", "DescribeSecret", map[string]any{"SecretId": app(n)})
	if err != nil {
		return nil
	}
	copies, _ := out["ReplicationStatus"].([]any)
	return copies
}

func isCopied(d *driver, n int) string {
	copies := d.copied(n)
	if len(copies) != 1 {
		return "its copy is gone"
	}
	if one, _ := copies[0].(map[string]any); managed(words(one, "KmsKeyId")) {
		return "its copy is under the AWS managed key"
	}
	return ""
}

// isMoved is a secret that a plan moved, with its copy.
func isMoved(t *testing.T, d *driver, n int) {
	isObserved(t, d, n)
	d.task(t, settings.TaskSweep)
	d.settle(time.Hour)
}

func goesBack(t *testing.T, d *driver, n int) {
	secret := d.oracle.find(app(n), local.Search, d.w.Home()).arn
	d.command(t, func(ctx context.Context, e *migration.Engine) error {
		_, err := e.Rollback(ctx, secret, "the test asks")
		return err
	})
}

func isSetBack(d *driver, n int) string {
	if s := d.oracle.find(app(n), local.Search, d.w.Home()); s == nil || !managed(s.key) {
		return "it is not under the key that it had"
	}
	return ""
}

func isSetBackWithItsCopy(d *driver, n int) string {
	if wrong := isSetBack(d, n); wrong != "" {
		return wrong
	}
	copies := d.copied(n)
	if len(copies) != 1 {
		return "its copy is gone"
	}
	if one, _ := copies[0].(map[string]any); !managed(words(one, "KmsKeyId")) {
		return "its copy is not under the key that it had"
	}
	return ""
}
