package migration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/window"
)

// Rules say how carefully a secret is moved. They are made from the settings in one place, stored in every plan and
// every job, and obeyed by whoever moves the job: command line, sweep, watchdog, another machine, the next version.
type Rules struct {
	From           string          `json:"from"`    // for people: where they come from
	Observe        Duration        `json:"observe"` // shortest time between re-key and seal
	Watch          Duration        `json:"watch"`   // how long after the first new version denied reads are answered
	Quiet          Duration        `json:"quiet"`   // between two changes of one secret
	Lease          Duration        `json:"lease"`   // how long a worker that says nothing keeps a secret
	PerHour        int             `json:"perHour"` // changes in a clock hour, all accounts; 0 allows none
	PerAccountHour int             `json:"perAccountHour"`
	RescuesPerDay  int             `json:"rescuesPerAccountDay,omitempty"` // times that it goes back or makes a grant by itself, in one account; 0, of an older version: as many as by default
	HaltRate       float64         `json:"haltRate"`                       // share of a wave's secrets, 0 to 1, that may fail or break a reader before it halts
	Flips          int             `json:"flips"`                          // times it is moved back until it is left alone
	Windows        []window.Window `json:"windows,omitempty"`              // in which changes may begin; none: always
	RotateTwice    bool            `json:"rotateTwice"`                    // rotate again for AWSPREVIOUS, instead of waiting for the next scheduled rotation
	AutoRollback   bool            `json:"rollback"`                       // before the first new version
	AutoGrant      bool            `json:"rescueGrants"`                   // after it
	GrantFor       Duration        `json:"grantFor"`
	Waves          []Placed        `json:"waves,omitempty"` // in which accounts move; none: tags place a secret
	MustKeep       Keep            `json:"mustKeep"`
	AlwaysKeep     []string        `json:"alwaysKeep,omitempty"` // patterns of principals that keep access in every mode
	Accepted       []Accept        `json:"accepted,omitempty"`   // principals that may lose it
	Overrides      []Override      `json:"overrides,omitempty"`  // what somebody said differently, oldest first
}

// Override is one field that a person set differently from the settings: it is stored with who and when, so that
// whoever moves the job later knows why it is so.
type Override struct {
	Field string    `json:"field"` // by its name in the JSON of Rules
	Value string    `json:"value"`
	By    string    `json:"by"` // ARN of the caller
	At    time.Time `json:"at"`
}

// Identity is the field, who said it and when.
func (o Override) Identity() string {
	return o.Field + "|" + o.By + "|" + o.At.UTC().Format(time.RFC3339)
}

// fieldWindows is the field that migrate apply --window overrides.
const fieldWindows = "windows"

// Defaults are careful ones.
func Defaults() Rules {
	return Rules{From: "the defaults", Observe: Duration(24 * time.Hour), Watch: Duration(48 * time.Hour), Quiet: Duration(10 * time.Minute), Lease: Duration(store.DefaultLease),
		PerHour: 60, PerAccountHour: 20, RescuesPerDay: 10, HaltRate: 0.1, Flips: 2, AutoRollback: true, GrantFor: Duration(24 * time.Hour), MustKeep: KeepWorkloads}
}

// WithWindows is the rules with other change windows, by somebody's word.
func (r Rules) WithWindows(windows []window.Window, by string, at time.Time) Rules {
	var value []string
	for _, w := range windows {
		value = append(value, w.String())
	}
	r.Windows = slices.Clone(windows)
	r.Overrides = append(slices.Clip(r.Overrides), Override{Field: fieldWindows, Value: strings.Join(value, "; "), By: by, At: at.UTC().Truncate(time.Second)})
	return r
}

// Join is what holds when newer rules meet those that a job has already, field by field: the stricter one. What was
// promised when the job began must not get weaker because somebody applies another plan, or changed doublelock.yaml
// since; and what was tightened since must be obeyed too. To loosen a rule takes an override, which carries a name: one
// in the newer rules wins over whatever the job has. Stricter is: longer times, fewer changes, and of what the machine
// does by itself only what both allow. Two lists of change windows have no stricter one, so the job's stays.
func (r Rules) Join(newer Rules) Rules {
	out := r
	out.Observe, out.Watch = max(r.Observe, newer.Observe), max(r.Watch, newer.Watch)
	out.Quiet, out.Lease = max(r.Quiet, newer.Quiet), max(r.Lease, newer.Lease)
	out.PerHour, out.PerAccountHour = min(r.PerHour, newer.PerHour), min(r.PerAccountHour, newer.PerAccountHour)
	out.RescuesPerDay = min(r.rescuesPerDay(), newer.rescuesPerDay())
	out.HaltRate, out.Flips = min(r.HaltRate, newer.HaltRate), min(r.Flips, newer.Flips)
	out.RotateTwice = r.RotateTwice && newer.RotateTwice
	out.AutoRollback, out.AutoGrant = r.AutoRollback && newer.AutoRollback, r.AutoGrant && newer.AutoGrant
	out.GrantFor = min(r.GrantFor, newer.GrantFor)
	out.MustKeep = stricter(r.MustKeep, newer.MustKeep)
	out.AlwaysKeep = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.AlwaysKeep, newer.AlwaysKeep))))
	out.Accepted = slices.DeleteFunc(slices.Clone(r.Accepted), func(a Accept) bool { return !slices.Contains(newer.Accepted, a) })
	if len(r.Windows) == 0 {
		out.Windows = newer.Windows
	}
	for _, o := range newer.Overrides {
		if r.overriddenAs(o) {
			continue
		}
		out.Overrides = append(slices.Clip(out.Overrides), o)
		if o.Field == fieldWindows {
			out.Windows = newer.Windows
		}
	}
	return out
}

func (r Rules) rescuesPerDay() int { return cmp.Or(r.RescuesPerDay, Defaults().RescuesPerDay) }

// Binding is what holds for a job when a plan with rules is applied over it: the stricter of both, field by field (see
// Join), unless the job rests and another plan begins it anew. The zero Job has none of its own.
func (j Job) Binding(plan string, rules Rules) Rules {
	if j.Rules != nil && (!j.Phase.Resting() || j.Plan == plan) {
		return j.Rules.Join(rules)
	}
	return rules
}

// InForce are the overrides that hold: of each field the last, in the order of their fields' first.
func (r Rules) InForce() []Override {
	var out []Override
	for _, o := range r.Overrides {
		if at := slices.IndexFunc(out, func(have Override) bool { return have.Field == o.Field }); at >= 0 {
			out[at] = o
		} else {
			out = append(out, o)
		}
	}
	return out
}

// overriddenAs reports that the last override of a field says the same already, by the same person.
func (r Rules) overriddenAs(o Override) bool {
	for _, have := range slices.Backward(r.Overrides) {
		if have.Field == o.Field {
			return have.Value == o.Value && have.By == o.By
		}
	}
	return false
}

// under is the job with rules: its own, or for one that an older version stored without any those of the settings, of
// which its history says so.
func (j Job) under(settings Rules, by string, at time.Time) Job {
	if j.Rules != nil || j.Revision == 0 {
		return j
	}
	settings.From += ", for the job was stored without rules"
	j.Rules = &settings
	j.History = append(slices.Clip(j.History), Turn{At: at, From: j.Phase, To: j.Phase, Reason: "stored without rules: from now on under those of " + settings.From, By: by})
	return j
}

// String says the rules in one line, for people.
func (r Rules) String() string {
	windows := "always"
	if len(r.Windows) > 0 {
		var all []string
		for _, w := range r.Windows {
			all = append(all, w.String())
		}
		windows = strings.Join(all, ", ") + " UTC"
	}
	text := fmt.Sprintf("observe %s, watch %s, changes %s, at most %d an hour and %d in one account, at most %s a day, access is kept by %s", r.Observe, r.Watch, windows, r.PerHour, r.PerAccountHour,
		guard.Count(r.rescuesPerDay(), "rescue", "rescues"), cmp.Or(r.MustKeep, KeepEverybody))
	for _, allowed := range []struct {
		is   bool
		what string
	}{{r.RotateTwice, "rotate twice"}, {r.AutoRollback, "go back by itself"}, {r.AutoGrant, "rescue by grant"}} {
		if allowed.is {
			text += ", " + allowed.what
		}
	}
	return text
}

// Duration is stored as text such as "24h0m0s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes it as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads; a negative one is an error.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	if parsed < 0 {
		return fmt.Errorf("read duration %q: it is negative", text)
	}
	*d = Duration(parsed)
	return nil
}
