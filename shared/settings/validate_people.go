package settings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify/channels"
)

var slackWorkspaceShape = formed(`^T[A-Z0-9]{8,}$`)

func (v validator) owners() {
	o := v.config.Owners
	for i, tag := range o.Tags {
		path := fmt.Sprintf("owners.tags[%d]", i)
		switch {
		case strings.TrimSpace(tag) == "" || strings.HasPrefix(tag, "aws:") || len(tag) > 128:
			v.problem(path, fmt.Sprintf("owner tag %q cannot be a tag key", tag), "use a tag key of up to 128 letters, not aws:")
		case strings.HasPrefix(tag, guard.TagPrefix):
			v.problem(path, fmt.Sprintf("owner tag %q is one that Doublelock writes", tag), "use a tag key of your own")
		}
	}
	if o.Fallback == "" {
		v.problem("owners.fallback", "owners.fallback is missing", "add the owner of what nobody owns such as "+DefaultFallback)
	}
	if o.SlackWorkspace != "" {
		v.shape("owners.slackWorkspaceId", o.SlackWorkspace, slackWorkspaceShape, "a Slack workspace id", "T0123456789")
	}
	v.channelsElsewhere()
	for _, owner := range slices.Sorted(maps.Keys(o.Channels)) {
		if strings.TrimSpace(owner) == "" {
			v.problem(channelsOf(owner), "an owner without a name", "write the name that the owner tag has")
		}
		v.owner(channelsOf(owner), owner, o.Channels[owner])
	}
	v.sameOwner()
	v.channelLimits()
	v.fallbackChannel()
}

func channelsOf(owner string) string { return `owners.channels["` + owner + `"]` }

// sameOwner reports owners that one tag names: tags are matched without case and outer spaces, so that one of two would
// never get a message.
func (v validator) sameOwner() {
	byLine := slices.SortedFunc(maps.Keys(v.config.Owners.Channels), func(a, b string) int {
		at, bt := v.find(channelsOf(a)), v.find(channelsOf(b))
		return cmp.Or(cmp.Compare(at.line, bt.line), cmp.Compare(at.column, bt.column), strings.Compare(a, b))
	})
	for i, later := range byLine {
		for _, earlier := range byLine[:i] {
			if !strings.EqualFold(strings.TrimSpace(earlier), strings.TrimSpace(later)) {
				continue
			}
			v.problem(channelsOf(later), fmt.Sprintf("the owner %q is the owner %q of line %d: tags are matched without case and outer spaces",
				later, earlier, v.find(channelsOf(earlier)).line), "keep one")
			break
		}
	}
}

// fallbackChannel reports that messages would be decided and then reach nobody.
func (v validator) fallbackChannel() {
	o := v.config.Owners
	if _, found := o.Channels[o.Fallback]; found || o.Fallback == "" {
		return
	}
	for i, stage := range v.config.Rollout {
		if stage.Mode == guard.ModeNotify || stage.Mode == guard.ModeRemediate {
			path := "owners.channels"
			if !v.written("owners") {
				path = fmt.Sprintf("rollout[%d].mode", i) // the line that asks for it
			}
			v.problem(path, fmt.Sprintf("stage %s notifies owners, but the fallback %s has no channel", stage.Name, o.Fallback),
				"add "+o.Fallback+" to owners.channels")
			return
		}
	}
}

func (v validator) waivers() {
	for i, w := range v.config.Waivers {
		path := fmt.Sprintf("waivers[%d]", i)
		v.control(path+".control", string(w.Control))
		v.waivedResource(path+".resource", w.Resource)
		if strings.TrimSpace(w.By) == "" {
			v.problem(path+".by", path+".by is missing", "say who decided it")
		}
		if strings.TrimSpace(w.Reason) == "" {
			v.problem(path+".reason", path+".reason is missing", "say why it is excused")
		}
		if w.Expires.IsZero() {
			v.problem(path+".expires", path+".expires is missing", "a waiver has an end: add a date like 2027-01-31")
		} else if !v.now.IsZero() && !v.now.Before(w.Expires) {
			last := w.Expires.Add(-time.Second).Format(time.DateOnly)
			v.problem(path+".expires", "the waiver expired on "+last, "remove it, or decide again and set a later date")
		} else if !v.now.IsZero() && w.Expires.After(v.now.AddDate(waiverYears, 0, 1)) {
			v.problem(path+".expires", fmt.Sprintf("the waiver lasts more than %d years", waiverYears), "decide again before then: set an earlier date")
		}
	}
}

// waiverYears is how long a waiver may last.
const waiverYears = 10

func (v validator) control(path, id string) {
	known := controlIDs()
	switch {
	case id == "":
		v.problem(path, path+" is missing", "add a control id such as DL.SECRET.1")
	case !slices.Contains(known, id):
		fix := "use one of " + strings.Join(known, ", ")
		if near := nearest(id, known); near != "" {
			fix = "did you mean " + near + "?"
		}
		v.problem(path, fmt.Sprintf("control %q is unknown", id), fix)
	}
}

// controlIDs lists the controls that can be waived.
func controlIDs() []string {
	var ids []string
	for _, control := range slices.Concat(guard.Controls(), guard.KeyControls()) {
		ids = append(ids, string(control.ID))
	}
	return append(ids, string(guard.OrgCoverage), string(guard.OrgStorage))
}

// judged are the services whose resources have findings.
var judged = []string{"secretsmanager", "kms"}

func (v validator) waivedResource(path, resource string) {
	switch {
	case resource == "":
		v.problem(path, path+" is missing", "add a secret or key ARN; * stands for any text")
	case !strings.HasPrefix(resource, "arn:"):
		v.problem(path, fmt.Sprintf("%s %q is no ARN", path, resource), "write the ARN; * stands for any text")
	case !slices.ContainsFunc(judged, func(service string) bool { return arn.Match(arn.Of(resource).Service, service) }):
		v.problem(path, fmt.Sprintf("%s names no secret and no key", resource), "write the ARN of what the finding is about")
	default:
		v.ownPartition(path, resource)
	}
}

// scheduleShape is what EventBridge Scheduler takes, as far as a typing mistake goes.
var scheduleShape = formed(`^(rate\([1-9]\d* (minutes?|hours?|days?)\)|cron\([^()]+( [^()]+){5}\))$`)

// migrationWaves reports waves that there are not, and targets that are in two.
func (v validator) migrationWaves() {
	owners := map[string]string{}
	for i, w := range v.config.Migration.Waves {
		path := fmt.Sprintf("migration.waves[%d]", i)
		if !slices.Contains(MigrationWaves(), w.Wave) {
			v.problem(path+".wave", fmt.Sprintf("%s.wave %q is no wave", path, w.Wave), "use one of "+strings.Join(MigrationWaves(), ", "))
		}
		if len(w.Targets) == 0 {
			v.problem(path+".targets", path+".targets is empty", "add an OU, an account or the root")
		}
		for n, target := range w.Targets {
			field := fmt.Sprintf("%s.targets[%d]", path, n)
			if first, taken := owners[target]; taken {
				v.problem(field, fmt.Sprintf("%s is in wave %s already", target, first), "keep it in one wave")
			}
			if v.targetShape(field, target) {
				owners[target] = w.Wave
			}
		}
	}
}

func (v validator) migration() {
	if v.written("migration.observeHours") {
		v.between("migration.observeHours", v.config.Migration.ObserveHours, mostHours)
	}
	if v.written("migration.watchHours") {
		v.between("migration.watchHours", v.config.Migration.WatchHours, mostHours)
	}
	m := v.config.Migration
	if v.written("migration.mustKeep") && !slices.Contains(KeepModes(), m.MustKeep) {
		v.problem("migration.mustKeep", fmt.Sprintf("migration.mustKeep %q is no mode", m.MustKeep), "use one of "+strings.Join(KeepModes(), ", "))
	}
	if v.written("migration.readerLedger") && !slices.Contains(ReaderLedgers(), m.ReaderLedger) {
		v.problem("migration.readerLedger", fmt.Sprintf("migration.readerLedger %q is no such source", m.ReaderLedger), "use one of "+strings.Join(ReaderLedgers(), ", "))
	}
	v.migrationWaves()
	for i, a := range m.Accepted {
		path := fmt.Sprintf("migration.accepted[%d]", i)
		example := arn.PartitionOf(v.config.Regions.Home).Role("*", "stacksets-exec-*")
		switch {
		case a.Principals == "":
			v.problem(path+".principals", path+".principals is missing", "add the ARN of a role or user, or a pattern such as "+example)
		case !v.shape(path+".principals", a.Principals, principalPatternShape, "an ARN or pattern of roles or users", example):
		case strings.Trim(arn.Of(a.Principals).Account+arn.Of(a.Principals).Name(), "*?/") == "":
			v.problem(path+".principals", fmt.Sprintf("%s.principals %q accepts whatever there is", path, a.Principals), "name a part of the name, or the account")
		default:
			v.ownPartition(path+".principals", a.Principals)
		}
		if strings.TrimSpace(a.By) == "" {
			v.problem(path+".by", path+".by is missing", "say who accepted it")
		}
		if strings.TrimSpace(a.Reason) == "" {
			v.problem(path+".reason", path+".reason is missing", "say why it need not keep access")
		}
	}
}

// KeepModes are the values of migration.mustKeep, the least strict first.
func KeepModes() []string { return []string{"seen", "workloads", "everybody"} }

func (v validator) operations() {
	o := v.config.Operations
	if o.Email != "" {
		v.address("operations.email", o.Email, channels.Email())
	}
	if o.SlackChannel != "" {
		v.address("operations.slackChannel", o.SlackChannel, channels.SlackChannel())
	}
	v.schedule("operations.sweep", o.Sweep, "rate(1 hour)")
	v.schedule("operations.digest", o.Digest, "cron(0 8 ? * MON-FRI *)")
	switch {
	case o.SilentHours > maxSilentHours:
		v.problem("operations.silentHours", fmt.Sprintf("a CloudWatch alarm looks back %d hours at most", maxSilentHours), "lower it")
	case v.written("operations.silentHours"):
		v.between("operations.silentHours", o.SilentHours, maxSilentHours)
	}
}

// maxSilentHours is how far back an alarm with a period of an hour can look: seven days (CloudWatch quotas).
const maxSilentHours = 7 * 24

func (v validator) schedule(path, expression, example string) {
	if expression != "" {
		v.shape(path, expression, scheduleShape, "a schedule", example)
	}
}

func (v validator) limits() {
	l := v.config.Limits
	v.between("limits.changesPerHour", l.ChangesPerHour, mostChanges)
	v.between("limits.changesPerAccountPerHour", l.ChangesPerAccountPerHour, mostChanges)
	v.between("limits.rescuesPerAccountPerDay", l.RescuesPerAccountPerDay, mostChanges)
	if l.ChangesPerHour > 0 && l.ChangesPerAccountPerHour > l.ChangesPerHour {
		v.problem("limits.changesPerAccountPerHour", fmt.Sprintf("one account may change more (%d) than all together (%d)",
			l.ChangesPerAccountPerHour, l.ChangesPerHour), "lower it or raise limits.changesPerHour")
	}
}

// The most that numbers may be: over them it is a slip, and some way on a duration overflows.
const (
	mostHours   = 366 * 24
	mostDays    = 3653 // what CloudWatch Logs keeps at most, too
	mostChanges = 100_000
)

// between reports a number that is not from 1 to most.
func (v validator) between(path string, n, most int) {
	switch {
	case n <= 0:
		v.problem(path, fmt.Sprintf("%s is %d", path, n), "write a number over 0")
	case n > most:
		v.problem(path, fmt.Sprintf("%s is %d", path, n), fmt.Sprintf("write a number up to %d", most))
	}
}

// logDays are the retention times that CloudWatch Logs knows (PutRetentionPolicy).
var logDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (v validator) retention() {
	r := v.config.Retention
	v.between("retention.logDays", r.LogDays, mostDays)
	v.between("retention.findingDays", r.FindingDays, mostDays)
	if r.LogDays <= 0 || slices.Contains(logDays, r.LogDays) {
		return
	}
	v.problem("retention.logDays", fmt.Sprintf("CloudWatch Logs cannot keep logs for %d days", r.LogDays),
		fmt.Sprintf("use %d", nextLogDays(r.LogDays)))
}

func nextLogDays(days int) int {
	for _, d := range logDays {
		if d > days {
			return d
		}
	}
	return logDays[len(logDays)-1]
}
