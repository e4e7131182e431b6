package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/migration"
)

// choose picks what moves now: the secrets of the waves whose turn it is, of those that were named where some were, and
// what is under way already, whichever its wave. What rests (blocked, failed, rolled back) waits for its wave. A halted wave sets no more
// keys, and what was begun goes on.
func (a *applying) choose(p migration.Plan, jobs []migration.Job, set migration.Rules) ([]migration.Item, error) {
	a.jobs = jobs
	turn, left := a.waveTurn(p, jobs)
	waves, err := a.wavesNow(p, turn, left)
	if err != nil {
		return nil, err
	}
	halts := migration.HaltsOf(jobs, set)
	for _, wave := range turn {
		if a.stop = halts.Of(migration.Job{Plan: p.ID, Wave: wave}); a.stop != "" {
			waves = nil
			break
		}
	}
	var out []migration.Item
	for _, i := range p.Items {
		halted := cmp.Or(a.stop, halts.Of(jobOf(p.ID, i)))
		if halted != "" && slices.Contains(waves, i.Wave) {
			a.stops = append(a.stops, halted) // in its account
		}
		if !a.isHeld(i.Secret) && (halted == "" && slices.Contains(waves, i.Wave) || begun(jobs, i.Secret, halted != "")) {
			out = append(out, i)
		}
	}
	if why := a.stopped(); why != "" && len(out) == 0 {
		return nil, command.Finding("%s", why)
	}
	return out, nil
}

// jobOf is what says in which part of which plan an item is.
func jobOf(plan string, i migration.Item) migration.Job {
	return migration.Job{Plan: plan, Wave: i.Wave, Account: i.Account}
}

// stopped says which waves set no more keys, in all accounts or in one.
func (a *applying) stopped() string {
	all := slices.Clone(a.stops)
	if a.stop != "" {
		all = append(all, a.stop)
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(all))), "; ")
}

// begun reports that a secret is under way already; with keySet only where its next step sets no key.
func begun(jobs []migration.Job, secret string, keySet bool) bool {
	j := jobFor(jobs, secret)
	return j.UnderWay() && (!keySet || j.Phase != migration.Planned)
}

// waveTurn lists the waves that may move now: those that are past observing, and the first that is not, of which so many
// secrets are left.
func (a *applying) waveTurn(p migration.Plan, jobs []migration.Job) (waves []migration.Wave, left int) {
	for _, wave := range migration.Waves() {
		waves = append(waves, wave)
		for _, i := range p.Items {
			if i.Wave == wave && i.Safe() && !a.isOutside(i.Secret) && !jobFor(jobs, i.Secret).PastObserving(p.ID) {
				left++
			}
		}
		if left > 0 {
			break
		}
	}
	return waves, left
}

// wavesNow are the waves of the turn, or those of them that --wave names. A name does not let a wave go first.
func (a *applying) wavesNow(p migration.Plan, turn []migration.Wave, left int) ([]migration.Wave, error) {
	if len(a.waves) == 0 {
		return turn, nil
	}
	in := func(wave string) bool {
		return slices.ContainsFunc(p.Items, func(i migration.Item) bool { return string(i.Wave) == wave })
	}
	if !slices.ContainsFunc(a.waves, in) {
		return nil, command.Fail("migrate apply: no secret of plan %s is in wave %s; doublelock migrate show says which wave each is in", p.ID, strings.Join(a.waves, " or "))
	}
	var now []migration.Wave
	var early []string
	for _, name := range a.waves {
		switch wave := migration.Wave(name); {
		case slices.Contains(turn, wave):
			now = append(now, wave)
		case in(name):
			early = append(early, name)
		}
	}
	if len(early) == 0 {
		return now, nil
	}
	waits := fmt.Sprintf("wave %s waits: %s not past observing in wave %s; doublelock migrate status names what it waits for",
		strings.Join(early, ", "), output.Count(left, "secret is", "secrets are"), turn[len(turn)-1])
	if !slices.ContainsFunc(now, func(wave migration.Wave) bool { return in(string(wave)) }) {
		return nil, command.Finding("migrate apply: %s", waits)
	}
	a.env.Note("%s", waits)
	return now, nil
}

// standing is what a plan does with a secret that was set back under it: nothing, until somebody plans it again.
func standing(j migration.Job) string {
	return "it was set back (" + j.Reason + "): plan it again when that is mended"
}
