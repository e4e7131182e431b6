package scenarios_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// member is a role of the account that tags, sets keys and starts sessions as its policies let it, and means no good.
const member = "member"

// Workers die at any call that changes something, and come several at a time; AWS throttles, events come twice, and members do
// whatever IAM lets them do without taking anybody's right. Nobody breaks where the plan said safe, nothing goes back for one
// principal alone, and a rollback restores the key, the copies and our tags exactly.
func TestNobodyBreaksInAHostileOrganization(t *testing.T) {
	until := time.Now().Add(*randomFor)
	played := map[string]int{}
	missing := func() []string {
		return slices.DeleteFunc([]string{"plan safe", "death", "death while going back", "back exactly", "session refused twice"},
			func(what string) bool { return played[what] > 0 })
	}
	rapid.Check(t, func(r *rapid.T) {
		if time.Now().Before(until) || len(missing()) > 0 {
			playHostile(t, r, played)
		}
	})
	if none := missing(); len(none) > 0 {
		t.Errorf("none of %q: the organizations are too simple", none)
	}
	for _, what := range slices.Sorted(maps.Keys(played)) {
		t.Logf("%6d %s", played[what], what)
	}
}

// hostile is a migration of a random organization.
type hostile struct {
	*testbed
	r       *rapid.T
	played  map[string]int
	line    *line
	url     string // of the line
	item    migration.Item
	plan    string
	could   map[string]bool // who reads or writes when the machine begins
	removed bool            // its owner has taken the copy away
	deleted bool            // it is pending deletion
	did     []string
}

func playHostile(t *testing.T, r *rapid.T, played map[string]int) {
	s := hostileScenario(r)
	s.Drive.Throttle = rapid.SampledFrom([]int{0, 0, 5, 9}).Draw(r, "throttle")
	s.Drive.Workers = rapid.IntRange(1, 3).Draw(r, "workers")
	s.Drive.Crash = true // what a death or a throttled call makes of a visit is nobody's fault
	h := &hostile{testbed: newTestbed(scene{t, r}, s, localaws.Faults{ThrottleEvery: s.Drive.Throttle}), r: r, played: played}
	h.aws.AddRole(shop, member, trustOfSelf, policyText(may(`["secretsmanager:TagResource","secretsmanager:UntagResource","secretsmanager:DescribeSecret"]`, "*")))
	h.hubParts()
	if rapid.Bool().Draw(r, "seen") {
		h.uses()
	}
	plan := h.testbed.plan()
	said, _ := outcomeOf(plan)
	if said == outside || plan.Items[0].Target == "" {
		return
	}
	if said != safe && rapid.IntRange(0, 3).Draw(r, "started all the same") > 0 {
		return
	}
	h.played["plan "+string(said)]++
	h.item, h.plan, h.could = plan.Items[0], plan.ID, h.uses()
	for name, is := range h.judged(plan) {
		if is.Spared || is.Accepted {
			delete(h.could, name)
		}
	}
	h.line, h.url = lay(h, h.testbed.url)
	before := h.look()
	h.die()
	back := rapid.IntRange(1, 12).Draw(r, "rounds before somebody goes back")
	var job migration.Job
	for n := range mostRounds {
		job = h.round(h.item, h.plan, h.url, job.Revision == 0)
		if h.line.mend() {
			h.played["death"]++
			h.die()
		}
		h.check("after a visit", said, job)
		if n == back {
			h.goBack(before, said, job)
			return
		}
		if job.Phase == migration.Sealed || job.Phase.Resting() && n > 3 {
			break
		}
		h.day(job)
		h.check("after a day", said, job)
	}
	h.played["end "+string(job.Phase)]++
	if said == safe && !slices.Contains([]migration.Phase{migration.Sealed, migration.Blocked, migration.Sealing}, job.Phase) {
		h.Fatalf("the plan said safe, and it ends %s (%s)%s", job.Phase, job.Reason, h.story())
	}
	if job.Phase == migration.Sealed && !h.removed && !h.sealed(job.Target) {
		h.Fatalf("the job says sealed, and a labelled version opens with another key%s", h.story())
	}
	h.goBack(before, said, job)
}

// die has the worker die at one of the next calls that change something, or never.
func (h *hostile) die() {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.cutAt, h.line.after = 0, rapid.Bool().Draw(h.r, "after it arrived")
	if n := rapid.IntRange(-20, 20).Draw(h.r, "dies"); n > 0 {
		h.line.cutAt = h.line.writes + n
	}
}

// uses are those that read, and those that write, where they can.
func (h *hostile) uses() map[string]bool {
	out := h.everybody()
	for name, can := range h.writers() {
		out[name] = out[name] && can
	}
	return out
}

func (h *hostile) story() string {
	return fmt.Sprintf("\n%s\nkeys %+v\nsecret %+v\nscp %v", strings.Join(h.did, "\n"), h.Keys, h.Secret, h.SCP)
}

// check tries everybody who read when the machine began, whatever the plan said: what breaks somebody it has to refuse by itself.
func (h *hostile) check(when string, said outcome, job migration.Job) {
	h.Helper()
	if h.deleted {
		return
	}
	h.checkAll(when+" (the plan said "+string(said)+")", h.everybody(), job)
	if job.Phase == migration.RolledBack || job.Phase == migration.Overtaken || len(job.Rescues) > 0 || job.Again != nil {
		h.Fatalf("%s: nobody lost a right, and it is %s (%s), rescues %v%s", when, job.Phase, job.Reason, job.Rescues, h.story())
	}
}

func (h *hostile) checkAll(when string, can map[string]bool, job migration.Job) {
	h.Helper()
	for name, now := range can {
		gone := h.removed && h.Readers[name].Region != "" // with its copy
		if h.could[name] && !now && !gone {
			h.Fatalf("%s, %s: %s used it before and cannot: %s%s\n%+v", when, job.Phase, name, job.Reason, h.story(), h.Readers[name])
		}
	}
}

// day is what happens between two visits: members do something, CloudTrail's events come twice, everybody uses the secret, and its owner
// writes what is asked for.
func (h *hostile) day(job migration.Job) {
	acts := map[string]func(){
		"session": h.refusedSession, "session again": h.refusedSession, "stranger": h.stranger, "tags": h.tags, "write": func() { h.put("written by its owner") },
		"flip": func() { h.setKey(job) }, "remove copy": h.removeCopy, "delete": h.delete, "nothing": func() {},
	}
	names := slices.Sorted(maps.Keys(acts))
	if h.deleted {
		h.deleted = false
		client := secretsmanager.NewFromConfig(h.as(shop, "role/Owner/o", region))
		must(h, ignore(client.RestoreSecret(h.Context(), &secretsmanager.RestoreSecretInput{SecretId: &h.secret})))
	}
	for range rapid.IntRange(0, 2).Draw(h.r, "acts") {
		if name := rapid.SampledFrom(names).Draw(h.r, "act"); !h.deleted {
			h.did = append(h.did, fmt.Sprintf("%s: %s (%s)", job.Phase, name, job.Reason))
			h.played["act "+name]++
			acts[name]()
		}
	}
	h.events()
	*h.now = h.now.Add(25 * time.Hour)
	if h.deleted {
		return
	}
	h.checkAll("a day later", h.uses(), job)
	if asked := !job.AskedAt.IsZero() || !job.FirstNewAt.IsZero(); job.Phase == migration.Sealing && asked && !h.rotates() {
		h.put("written by its owner")
	}
}

// events hands every denied read of the last hour to the watchdog, and twice; a dead worker that holds the secret makes it wait.
func (h *hostile) events() {
	m := h.machine(h.testbed.url)
	for _, in := range []string{region, farRegion} {
		for _, name := range []string{"GetSecretValue", "Decrypt"} {
			var denied []trail.Change
			_, err := m.Reads.History.Find(h.Context(), fleet.Search{Account: shop, Region: in, Name: name, From: h.now.Add(-time.Hour)}, func(raw []byte) error {
				c, err := trail.Decode(raw)
				if err == nil && c.Kind == trail.DeniedRead {
					denied = append(denied, c)
				}
				return err
			})
			must(h, err)
			for _, c := range slices.Concat(denied, denied) {
				if err := watching(m).DeniedRead(h.Context(), c); err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, guard.ErrConflict) && !errors.Is(err, guard.ErrThrottled) {
					h.Fatalf("the watchdog: %v", err)
				}
			}
		}
	}
}

// refusedSession is a reader that starts a session without the key, and reads with it again and again.
func (h *hostile) refusedSession() {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(h.Readers))).Draw(h.r, "of")
	p := h.Readers[name]
	h.put("written by its owner") // under the re-key it opens with the new key alone
	p.Session = []any{"read"}
	if rapid.Bool().Draw(h.r, "by a deny") {
		p.Session = []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}, map[string]any{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "$(new)"}}
	}
	was := h.logins[name]
	h.logins[name] = h.login(h.account(p.Account), name, p)
	refused := 0
	for range 3 {
		if h.read(name) == "AccessDeniedException" {
			refused++
		}
		*h.now = h.now.Add(20 * time.Second)
	}
	h.logins[name] = was
	if refused > 1 && h.could[name] {
		h.played["session refused twice"]++
	}
}

// stranger may nothing, and asks all the time.
func (h *hostile) stranger() {
	client := secretsmanager.NewFromConfig(h.as(shop, "role/"+member+"/m", region))
	for range 3 {
		if _, err := client.GetSecretValue(h.Context(), &secretsmanager.GetSecretValueInput{SecretId: &h.secret}); err == nil {
			h.Fatalf("the stranger reads")
		}
		*h.now = h.now.Add(15 * time.Second)
	}
}

// tags writes tags of ours and of others, as the secret's policies let it.
func (h *hostile) tags() {
	client := secretsmanager.NewFromConfig(h.as(shop, "role/"+member+"/m", region))
	name := rapid.SampledFrom([]string{"doublelock:wave", "doublelock:state", "doublelock:previous", "environment", "cost"}).Draw(h.r, "tag")
	if rapid.Bool().Draw(h.r, "untag") {
		must(h, ignore(client.UntagResource(h.Context(), &secretsmanager.UntagResourceInput{SecretId: &h.secret, TagKeys: []string{name}})))
		return
	}
	must(h, ignore(client.TagResource(h.Context(), &secretsmanager.TagResourceInput{SecretId: &h.secret, Tags: []smtypes.Tag{{Key: &name, Value: aws.String("sealed")}}})))
}

// setKey is code that sets the key of before again.
func (h *hostile) setKey(job migration.Job) {
	if job.Before == nil {
		return
	}
	client := secretsmanager.NewFromConfig(h.as(shop, "role/Owner/terraform", region))
	key := job.Before.KeyID
	if key == "" {
		key = "alias/aws/secretsmanager"
	}
	must(h, ignore(client.UpdateSecret(h.Context(), &secretsmanager.UpdateSecretInput{SecretId: &h.secret, KmsKeyId: &key})))
}

func (h *hostile) removeCopy() {
	if len(h.Secret.Replicas) == 0 || h.removed {
		return
	}
	client := secretsmanager.NewFromConfig(h.as(shop, "role/Owner/o", region))
	must(h, ignore(client.RemoveRegionsFromReplication(h.Context(), &secretsmanager.RemoveRegionsFromReplicationInput{SecretId: &h.secret, RemoveReplicaRegions: []string{farRegion}})))
	h.removed = true
}

func (h *hostile) delete() {
	if len(h.Secret.Replicas) > 0 && !h.removed { // AWS refuses
		return
	}
	client := secretsmanager.NewFromConfig(h.as(shop, "role/Owner/o", region))
	must(h, ignore(client.DeleteSecret(h.Context(), &secretsmanager.DeleteSecretInput{SecretId: &h.secret, RecoveryWindowInDays: aws.Int64(7)})))
	h.deleted = true
}

// state is what going back has to restore.
type state struct {
	Key    string
	Copies map[string]string
	Tags   map[string]string
}

func (h *hostile) look() state {
	s, err := secrets.New(h.client("plan")).Describe(h.Context(), h.ref())
	must(h, err)
	out := state{Key: s.Key.ARN, Copies: map[string]string{}, Tags: s.Tags}
	for _, r := range s.Replicas {
		out.Copies[r.Region] = r.Key.ARN
	}
	return out
}

// goBack has a person go back, whose process may die as well, and compares.
func (h *hostile) goBack(before state, said outcome, job migration.Job) {
	if h.deleted || job.Before == nil {
		return
	}
	was := h.look()
	changed := was.Key != before.Key || !maps.Equal(was.Copies, before.Copies) && !h.removed
	h.die()
	for range mostRounds {
		_, err := h.machine(h.url).Engine.Rollback(h.Context(), h.secret, "somebody asks")
		if h.line.mend() {
			h.played["death while going back"]++
			h.die()
			err = nil
		}
		if err != nil && !errors.Is(err, migration.ErrBusy) && !errors.Is(err, migration.ErrNothingToUndo) && !errors.Is(err, guard.ErrConflict) && !errors.Is(err, guard.ErrThrottled) {
			h.Fatalf("going back: %v%s", err, h.story())
		}
		loaded, failed := h.machine(h.testbed.url).Store.Load(h.Context(), h.secret)
		must(h, failed)
		if job = loaded; job.Phase == migration.RolledBack {
			break
		}
		*h.now = h.now.Add(time.Hour)
	}
	if job.Phase != migration.RolledBack {
		h.Fatalf("going back ends %s (%s)%s", job.Phase, job.Reason, h.story())
	}
	h.played["end rolled_back"]++
	now := h.look()
	if h.removed {
		delete(before.Copies, farRegion)
	}
	before.Tags = was.Tags // others are their owners'
	if !strings.HasPrefix(job.Reason, "nothing had been changed") {
		before.Tags = ours(was.Tags, job.Before.Tags)
	}
	if changed {
		h.played["back exactly"]++
	}
	if diff := cmp.Diff(before, now); diff != "" {
		h.Fatalf("going back (-before +now):\n%s%s\n%+v", diff, h.story(), job)
	}
	h.checkAll("after going back (the plan said "+string(said)+")", h.uses(), job)
}

// ours are tags with those of ours as they were before. The one that places a secret in a wave is its owner's.
func ours(now, before map[string]string) map[string]string {
	out := map[string]string{}
	for _, from := range []struct {
		tags map[string]string
		ours bool
	}{{now, false}, {before, true}} {
		for name, value := range from.tags {
			if (strings.HasPrefix(name, "doublelock:") && name != migration.TagWave) == from.ours {
				out[name] = value
			}
		}
	}
	return out
}

// hostileScenario is a random organization in which more plans are safe, with copies and somebody who writes.
func hostileScenario(r *rapid.T) *scenario {
	s := randomScenario(r)
	s.Secret.Policy = nil // the staff has to be able to take every step, and a stranger none
	for _, name := range slices.Sorted(maps.Keys(s.Keys)) {
		k := s.Keys[name]
		if rapid.IntRange(0, 3).Draw(r, name+" delegates") > 0 && !slices.Contains(k.Policy, any("account")) {
			k.Policy = append(k.Policy, "account")
		}
		s.Keys[name] = k
	}
	for _, name := range slices.Sorted(maps.Keys(s.Readers)) {
		p := s.Readers[name]
		p.Account = ""
		if rapid.IntRange(0, 7).Draw(r, name+" decrypts") > 0 {
			p.May = append(p.May, "decrypt")
		}
		s.Readers[name] = p
	}
	if rapid.Bool().Draw(r, "copied") {
		s.Keys["far"] = keyOf{Region: farRegion, Policy: []any{"staff", "account"}}
		s.Targets = map[string]string{farRegion: "far"}
		s.Secret.Replicas = map[string]string{farRegion: ""}
		s.Readers["away"] = person{Region: farRegion, May: []any{"read", "decrypt"}}
	}
	if rapid.Bool().Draw(r, "written") {
		s.Readers["writer"] = person{May: []any{"read", "write", "decrypt", "generate"}, Writes: rapid.SampledFrom([]string{"put", "update"}).Draw(r, "writes")}
	}
	return s
}
