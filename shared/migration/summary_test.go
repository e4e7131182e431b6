package migration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/window"
)

// A job knows what its last visit found. What is true now wins: an owner has sealed a secret that its job calls re-keyed.
func TestStatusSaysWhatIsTrueNow(t *testing.T) {
	key := cmk("new", region)
	half := secret("db", key)
	half.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}, {ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{key, managed()}}}
	one := func(change func(*migration.Row)) migration.Row {
		r := migration.Row{Wave: migration.Development, Account: shop, Secrets: 1}
		change(&r)
		return r
	}
	begun := func(j *migration.Job) { j.Pending = &migration.Pending{Action: migration.DoRekey, At: now} }
	for name, tt := range map[string]struct {
		phase  migration.Phase
		job    func(*migration.Job)
		now    *guard.Secret
		want   migration.Row
		whom   string
		reason string
	}{
		"not looked at: as the job says":       {phase: migration.Observing, want: one(func(r *migration.Row) { r.Rekeyed = 1 }), whom: "time"},
		"re-keyed, and so it is":               {phase: migration.Observing, now: ptr(secret("db", key, managed())), want: one(func(r *migration.Row) { r.Rekeyed = 1 }), whom: "time"},
		"sealed since":                         {phase: migration.Observing, now: ptr(secret("db", key)), want: one(func(r *migration.Row) { r.Sealed = 1 }), whom: "time", reason: "sealed"},
		"sealed since, and copies are to come": {phase: migration.Sealing, job: func(j *migration.Job) { copies(j) }, now: ptr(secret("db", key)), want: one(func(r *migration.Row) { r.HalfSealed = 1 }), whom: "owner", reason: "copies"},
		"half sealed since":                    {phase: migration.Sealing, now: &half, want: one(func(r *migration.Row) { r.HalfSealed = 1 }), whom: "owner", reason: "AWSPREVIOUS"},
		"moved back since":                     {phase: migration.Observing, now: ptr(secret("db", managed())), want: one(func(r *migration.Row) { r.Planned = 1 }), whom: "time", reason: "moved it back"},
		"unproven":                             {phase: migration.Unproven, now: ptr(secret("db", key)), job: func(j *migration.Job) { copies(j); j.FirstNewAt = time.Time{} }, want: one(func(r *migration.Row) { r.Unproven = 1 }), whom: "time"},
		"unproven, and its owner's by now":     {phase: migration.Unproven, job: func(j *migration.Job) { j.HandedAt = now }, want: one(func(r *migration.Row) { r.Unproven = 1 }), whom: "owner"},
		"its key is set, and the run stopped":  {phase: migration.Planned, job: begun, now: ptr(secret("db", key, managed())), want: one(func(r *migration.Row) { r.Unproven = 1 }), whom: "time", reason: "its key is set, and not proven yet: migrate apply again"},
		"its key is not set, the run stopped":  {phase: migration.Planned, job: begun, now: ptr(secret("db", managed())), want: one(func(r *migration.Row) { r.Planned = 1 }), whom: "time", reason: "setting its key was begun"},
		"the run stopped, and who knows":       {phase: migration.Planned, job: begun, want: one(func(r *migration.Row) { r.Planned = 1 }), whom: "time", reason: "how that ended is not known yet"},
		"sealed":                               {phase: migration.Sealed, want: one(func(r *migration.Row) { r.Sealed = 1 })},
		"stuck":                                {phase: migration.Blocked, want: one(func(r *migration.Row) { r.Stuck = 1 }), whom: "security"},
		"overtaken":                            {phase: migration.Overtaken, want: one(func(r *migration.Row) { r.Overtaken = 1 })},
		"rolled back":                          {phase: migration.RolledBack, want: one(func(r *migration.Row) { r.RolledBack = 1 })},
	} {
		t.Run(name, func(t *testing.T) {
			j, seen := job(tt.phase), map[string]guard.Secret{}
			if tt.job != nil {
				tt.job(&j)
			}
			if tt.now != nil {
				seen[j.Secret] = *tt.now
			}
			got := migration.Summarize([]migration.Job{j}, seen)
			if diff := cmp.Diff([]migration.Row{tt.want}, got.Rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			var whom, reason string
			for _, w := range got.Waiting {
				whom, reason = w.For, w.Reason
			}
			if whom != tt.whom || !strings.Contains(reason, tt.reason) {
				t.Errorf("waits for %q because %q, want %q because %q", whom, reason, tt.whom, tt.reason)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestUndoNamesTheKeyThatTheSecretHas(t *testing.T) {
	none := map[string]migration.Before{}
	alien := guard.Key{ARN: "arn:aws:kms:eu-central-1:444455556666:key/theirs", Manager: guard.ManagerUnknown}
	for name, tt := range map[string]struct {
		from  guard.Key
		begun map[string]migration.Before
		want  string
	}{
		"the AWS managed key":                  {managed(), none, "UpdateSecret sets the AWS managed key again"},
		"a customer managed key":               {cmk("old", region), none, "UpdateSecret sets " + cmk("old", region).ARN + " again"},
		"a key of its own that we cannot see":  {alien, none, "UpdateSecret sets " + alien.ARN + " again"},
		"the target itself, and not sealed":    {cmk("new", region), none, "there is none to set back"},
		"the target, which the hub set":        {cmk("new", region), map[string]migration.Before{arn("db"): {KeyID: ""}}, "rollback sets the AWS managed key again"},
		"the target, and it had it before":     {cmk("new", region), map[string]migration.Before{arn("db"): {KeyID: cmk("new", region).ARN}}, "there is none to set back"},
		"the target, and who knows who set it": {cmk("new", region), nil, "could not be read"},
		"a key that another migration set":     {cmk("old", region), map[string]migration.Before{arn("db"): {KeyID: ""}}, "UpdateSecret sets the AWS managed key again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := org(principal("app", may(true)))
			from := secret("db", tt.from, managed())
			s.Secrets[0].Facts = from
			f := facts(s)
			f.Begun = tt.begun
			plan := planOf(t, f)
			if len(plan.Items) != 1 || !strings.Contains(plan.Items[0].Undo[0], tt.want) {
				t.Errorf("undo of %+v, want %q", plan.Items, tt.want)
			}
		})
	}
}

func TestStatusShowsTheWindowInForceAndNotTheOneBefore(t *testing.T) {
	rules := migration.Defaults().WithWindows([]window.Window{opening("Mon-Thu 22:00-04:00")}, "alice", now).WithWindows([]window.Window{opening("00:00-24:00")}, "bob", now.Add(time.Hour))
	j := job(migration.Planned)
	j.Rules = &rules
	got := migration.Summarize([]migration.Job{j}, nil).Waiting
	if len(got) != 1 || len(got[0].Overrides) != 1 || got[0].Overrides[0].By != "bob" || got[0].Overrides[0].Value != "00:00-24:00" {
		t.Errorf("waiting %+v", got)
	}
}
