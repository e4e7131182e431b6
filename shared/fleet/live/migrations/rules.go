package migrations

import (
	"time"

	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

// Rules are the rules of migrations as doublelock.yaml has them. Every handler and the command line take them from
// here; jobs and plans store them.
func Rules(r settings.Runtime) migration.Rules {
	rules := migration.Defaults()
	rules.From = "the settings"
	if most := r.Limits.ChangesPerHour; most > 0 {
		rules.PerHour = most
	}
	if most := r.Limits.ChangesPerAccountPerHour; most > 0 {
		rules.PerAccountHour = most
	}
	if most := r.Limits.RescuesPerAccountPerDay; most > 0 {
		rules.RescuesPerDay = most
	}
	if hours := r.Migration.ObserveHours; hours > 0 {
		rules.Observe = migration.Duration(time.Duration(hours) * time.Hour)
	}
	if hours := r.Migration.WatchHours; hours > 0 {
		rules.Watch = migration.Duration(time.Duration(hours) * time.Hour)
	}
	rules.RotateTwice, rules.AutoGrant = r.Migration.RotateTwice, r.Migration.RescueGrants
	if keep := r.Migration.MustKeep; keep != "" {
		rules.MustKeep = migration.Keep(keep)
	}
	rules.AlwaysKeep = r.AlwaysKeep
	for _, w := range r.Migration.Waves {
		rules.Waves = append(rules.Waves, migration.Placed{Wave: migration.Wave(w.Wave), Targets: w.Targets})
	}
	for _, a := range r.Migration.Accepted {
		rules.Accepted = append(rules.Accepted, migration.Accept(a))
	}
	return rules
}
