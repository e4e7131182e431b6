package migrations_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// Every setting of doublelock.yaml under migration and limits changes a rule: one that changes none is read by nobody.
func TestEverySettingOfMigrationsChangesARule(t *testing.T) {
	usual := fmt.Sprintf("%#v", migrations.Rules(settings.Runtime{}))
	fields := 0
	for _, section := range []func(*settings.Runtime) any{
		func(r *settings.Runtime) any { return &r.Migration }, func(r *settings.Runtime) any { return &r.Limits },
	} {
		var r settings.Runtime
		of := reflect.TypeOf(section(&r)).Elem()
		for i := range of.NumField() {
			if of.Field(i).Name == "ReaderLedger" {
				continue // what is deployed, and no rule of a job: every job asks the ledger that there is
			}
			r = settings.Runtime{}
			switch field := reflect.ValueOf(section(&r)).Elem().Field(i); field.Kind() {
			case reflect.Int:
				field.SetInt(7)
			case reflect.Bool:
				field.SetBool(true)
			case reflect.String:
				field.SetString("everybody")
			case reflect.Slice:
				field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			default:
				t.Fatalf("%s.%s is a %s: say here how it is set", of.Name(), of.Field(i).Name, field.Kind())
			}
			if fields++; fmt.Sprintf("%#v", migrations.Rules(r)) == usual {
				t.Errorf("%s.%s changes no rule", of.Name(), of.Field(i).Name)
			}
		}
	}
	if fields < 6 {
		t.Errorf("%d settings: this test looks in the wrong place", fields)
	}
}

func TestRulesAreThoseOfTheSettings(t *testing.T) {
	want := migration.Defaults()
	want.From, want.RotateTwice, want.AutoGrant, want.PerHour, want.PerAccountHour = "the settings", true, true, 9, 3
	want.RescuesPerDay = 4
	want.Observe, want.Watch = migration.Duration(72*time.Hour), migration.Duration(96*time.Hour)
	got := migrations.Rules(settings.Runtime{
		Limits:    settings.Limits{ChangesPerHour: 9, ChangesPerAccountPerHour: 3, RescuesPerAccountPerDay: 4},
		Migration: settings.Migration{ObserveHours: 72, WatchHours: 96, RotateTwice: true, RescueGrants: true},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// The modes and the waves are read from doublelock.yaml by a room that does not know migrations.
func TestTheModesAndWavesOfTheSettingsAreThoseOfMigrations(t *testing.T) {
	var modes []string
	for _, k := range migration.KeepModes() {
		modes = append(modes, string(k))
	}
	if diff := cmp.Diff(modes, settings.KeepModes()); diff != "" {
		t.Errorf("modes (-migrations +settings):\n%s", diff)
	}
	var waves []string
	for _, w := range migration.Waves() {
		waves = append(waves, string(w))
	}
	if diff := cmp.Diff(waves, settings.MigrationWaves()); diff != "" {
		t.Errorf("waves (-migrations +settings):\n%s", diff)
	}
}

// Who may stop everything, and who runs the machine, keep access whatever mode is set.
func TestBreakGlassRolesAndOperatorsAlwaysKeepAccess(t *testing.T) {
	r := settings.Config{BreakGlass: []string{"arn:aws:iam::*:role/Glass*"}, Operations: settings.Operations{Operators: []string{"arn:aws:iam::222222222222:role/Ops"}}}.Runtime()
	r.Migration = settings.Migration{MustKeep: "seen", Accepted: []settings.AcceptedReader{{Principals: "arn:aws:iam::*:role/old-*", By: "ciso", Reason: "they go"}}}
	want := migration.Defaults()
	want.From, want.AutoGrant, want.RotateTwice, want.MustKeep = "the settings", false, false, migration.KeepSeen
	want.AlwaysKeep = []string{"arn:aws:iam::*:role/Glass*", "arn:aws:iam::222222222222:role/Ops"}
	want.Accepted = []migration.Accept{{Principals: "arn:aws:iam::*:role/old-*", By: "ciso", Reason: "they go"}}
	if diff := cmp.Diff(want, migrations.Rules(r)); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
