package migration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// granting is a fake whose workers may make grants, and know what the new key means for readers.
type granting struct {
	*fake
	grants  map[string]string // names by ids
	to      []string          // key, grantee and secret of each that was made
	revoked []string
	refused error
	unseen  error // what listing answers
	readers []migration.Reader
	unknown error // what asking for the readers answers
}

func (g *granting) Grant(_ context.Context, key guard.KeyRef, name, grantee, secret string) (id string, err error) {
	if g.refused != nil {
		return "", g.refused
	}
	err = g.call("Grant", func() error {
		id = fmt.Sprintf("id-%d", len(g.to)+1)
		g.grants[id] = name
		g.to = append(g.to, key.Account+" "+key.Region+" "+key.ID+" "+grantee+" "+secret)
		return nil
	})
	return id, err
}

func (g *granting) Retire(_ context.Context, _ guard.KeyRef, id string) error {
	g.revoked = append(g.revoked, id)
	delete(g.grants, id)
	return nil
}

func (g *granting) Given(context.Context, guard.KeyRef) (map[string]string, error) {
	return maps.Clone(g.grants), g.unseen
}

func (g *granting) Check(context.Context, guard.Secret, string, []string) (migration.Assessment, error) {
	return migration.Assessment{Readers: g.readers}, g.unknown
}

func (g *granting) worker(name string) *migration.Engine {
	e := g.fake.worker(name)
	e.Grants, e.Preflight = g, g
	return e
}

// sealedUnder is a secret that was moved and sealed under rules, with app and batch among its readers.
func sealedUnder(t *testing.T, rules migration.Rules) *granting {
	t.Helper()
	g := movedUnder(t, rules)
	g.secret.Versions = []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{cmk("new", region)}}}
	if j, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil || j.Phase != migration.Sealed {
		t.Fatalf("%s (%s), error %v", j.Phase, j.Reason, err)
	}
	g.fake.notices, g.entries = nil, nil
	return g
}

// movedUnder is one that was moved, and whose older copies are there.
func movedUnder(t *testing.T, rules migration.Rules) *granting {
	t.Helper()
	g := &granting{fake: steady(t), grants: map[string]string{"id-0": "somebody-elses"}}
	item := g.item()
	for _, name := range []string{"app", "batch"} {
		item.Readers = append(item.Readers, migration.Reader{Principal: role(name), Verdict: migration.Keeps, Sources: []migration.Source{migration.SourceSeen}})
	}
	if _, err := g.worker("w0").Start(t.Context(), item, "plan", rules); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.worker("w0").Advance(t.Context(), g.secret.ARN); err != nil {
		t.Fatal(err)
	}
	g.fake.notices, g.entries = nil, nil
	return g
}

func rescuing() migration.Rules {
	rules := migration.Defaults()
	rules.AutoGrant, rules.GrantFor = true, migration.Duration(time.Hour)
	return rules
}

// refuse has a reader refused by the new key now.
func (g *granting) refuse(t *testing.T, name, event string) (migration.Answer, error) {
	t.Helper()
	return g.worker("watchdog").Refused(t.Context(), g.secret.ARN, migration.Refused{Principal: role(name), EventID: event, At: g.now, By: migration.LockKey, Read: true})
}

func TestAReaderThatLostAccessGetsItBackForAWhile(t *testing.T) {
	g := sealedUnder(t, rescuing())
	key := cmk("new", region).ARN
	if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerGrant {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	if diff := cmp.Diff([]string{shop + " " + region + " " + key + " " + role("app") + " " + g.secret.ARN}, g.to); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	until := g.now.Add(time.Hour)
	if diff := cmp.Diff([]migration.Rescue{{Principal: role("app"), Key: key, GrantID: "id-1", Until: until}}, g.job(t).Rescues); diff != "" {
		t.Errorf("rescues (-want +got):\n%s", diff)
	}
	if len(g.entries) != 1 || g.entries[0].Action != "CreateGrant" || g.entries[0].After["grantee"] != role("app") || g.entries[0].After["until"] != until.Format(time.RFC3339) || g.entries[0].After["kmsKeyId"] != key {
		t.Errorf("journal %+v", g.entries)
	}
	for event, want := range map[string]migration.Answer{"e-1": migration.AnswerNone, "e-2": migration.AnswerNone} {
		if answer, err := g.refuse(t, "app", event); err != nil || answer != want {
			t.Errorf("%s while it has a grant: answer %q, error %v", event, answer, err)
		}
	}
	g.now = g.now.Add(30 * time.Minute)
	if answer, err := g.refuse(t, "batch", "e-3"); err != nil || answer != migration.AnswerGrant {
		t.Fatalf("another reader: answer %q, error %v", answer, err)
	}
	visit := func(at time.Time, revoked ...string) {
		t.Helper()
		g.now = at
		if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(revoked, g.revoked); diff != "" {
			t.Errorf("revoked by %s (-want +got):\n%s", at.Format(time.TimeOnly), diff)
		}
	}
	visit(until.Add(-time.Second))
	visit(until, "id-1")
	visit(until.Add(29*time.Minute), "id-1")
	visit(until.Add(30*time.Minute), "id-1", "id-2")
	visit(until.Add(31*time.Minute), "id-1", "id-2")
	for _, r := range g.job(t).Rescues {
		if r.Ended.IsZero() {
			t.Errorf("%s has its grant for ever", r.Principal)
		}
	}
	if answer, err := g.refuse(t, "app", "e-4"); err != nil || answer != migration.AnswerGrant {
		t.Errorf("refused again when its grant has ended: answer %q, error %v", answer, err)
	}
}

// killed runs what a worker does until the worker dies.
func killed(t *testing.T, do func()) {
	t.Helper()
	defer func() {
		if cause := recover(); cause != any(errDied) {
			t.Errorf("the worker was not killed: %v", cause)
		}
	}()
	do()
}

// patiently tries until the secret is free: another worker holds it for a while after it died.
func (g *granting) patiently(t *testing.T, try func() error) {
	t.Helper()
	err := try()
	for waited := 0; errors.Is(err, migration.ErrBusy) && waited < 3; waited++ {
		g.now = g.now.Add(time.Hour)
		err = try()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A worker that dies between the grant and its job leaves a grant that the next one finds by its name.
func TestAGrantIsMadeASingleTime(t *testing.T) {
	g := sealedUnder(t, rescuing())
	g.trouble = func(at string) error {
		if at == "after Grant" {
			panic(errDied)
		}
		return nil
	}
	killed(t, func() { _, _ = g.refuse(t, "app", "e-1") })
	g.trouble = func(string) error { return nil }
	at := g.now // the event comes again as it was
	g.patiently(t, func() error {
		_, err := g.worker("watchdog").Refused(t.Context(), g.secret.ARN, migration.Refused{Principal: role("app"), EventID: "e-1", At: at, By: migration.LockKey, Read: true})
		return err
	})
	if j := g.job(t); len(g.to) != 1 || len(j.Rescues) != 1 || j.Rescues[0].GrantID != "id-1" {
		t.Errorf("grants %v, rescues %+v", g.to, j.Rescues)
	}
}

// A grant that nobody may list is made, and ended, all the same: both calls are safe to repeat.
func TestGrantsThatMayNotBeListedAreMadeAndEnded(t *testing.T) {
	for _, unseen := range []error{guard.ErrDenied, guard.ErrNotOurs} {
		g := sealedUnder(t, rescuing())
		g.unseen = fmt.Errorf("list grants: %w", unseen)
		if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerGrant || len(g.to) != 1 {
			t.Errorf("%v: answer %q, grants %v, error %v", unseen, answer, g.to, err)
		}
		g.now = g.now.Add(time.Hour)
		if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil || len(g.revoked) != 1 {
			t.Errorf("%v: revoked %v, error %v", unseen, g.revoked, err)
		}
	}
}

// KMS takes letters, digits and a few signs in the name of a grant (KMS API, CreateGrant, Name). A denied read is two events, of
// the secret and of the key: where the worker of the first dies with the grant made and not stored, the second finds it by name.
func TestAGrantIsNamedAsKMSTakesItAndTheSameForBothEventsOfARead(t *testing.T) {
	names := map[string]bool{}
	for _, event := range []string{"amzAMZ059-`{@[/:ü", "the key's own"} {
		g := sealedUnder(t, rescuing())
		if _, err := g.refuse(t, "app", event); err != nil {
			t.Fatal(err)
		}
		names[g.grants["id-1"]] = true
	}
	for name := range names {
		if !regexp.MustCompile(`^doublelock-[a-zA-Z0-9:/_-]{1,245}$`).MatchString(name) || len(names) > 1 {
			t.Errorf("named %q, one of %d", name, len(names))
		}
	}
}

// What went wrong is said in our words: AWS's own are for the log.
func TestAnAnswerThatFailedIsTheOwners(t *testing.T) {
	const refused = "; restoring access failed: "
	for meaning, want := range map[error]string{
		guard.ErrDenied:    refused + "the role doublelock-change may not change the secret or use the key",
		guard.ErrNotOurs:   refused + "the role doublelock-change cannot be assumed in the account",
		guard.ErrRefused:   refused + "the secret or its key is in a state in which it cannot be changed",
		guard.ErrGone:      refused + "the secret or its key does not exist any more",
		guard.ErrThrottled: refused + "AWS asked to come back later",
		errDied:            refused + "a call to AWS did not go through",
	} {
		g := sealedUnder(t, rescuing())
		g.refused = fmt.Errorf("create grant: %w", meaning)
		answer, err := g.refuse(t, "app", "e-1")
		if answer != migration.AnswerPage || err == nil {
			t.Errorf("%v: answer %q, error %v", meaning, answer, err)
		}
		if len(g.fake.notices) != 1 {
			t.Fatalf("%v: notices %+v", meaning, g.fake.notices)
		}
		if got := g.fake.notices[0].Move.Reader; got.Problem != want || got.Answer != string(migration.AnswerPage) {
			t.Errorf("%v: said %+v, want %q", meaning, got, want)
		}
	}
}

// Going back that ends with a reason is answered: the event does not come again. What may pass comes again.
func TestGoingBackThatFailedIsAnsweredWithTheReasonOfTheJob(t *testing.T) {
	for sentence, c := range map[string]struct {
		trouble func(*granting)
		problem string
		phase   migration.Phase
		passes  bool
	}{
		"refused for good": {func(g *granting) { g.refusing("UpdateSecret", guard.ErrRefused) }, "going back was refused: the secret or its key is in a state", migration.Failed, false},
		"not proven":       {func(g *granting) { g.secret.VersionsUnread = true }, "the versions could not be read", migration.Observing, false},
		"set back already": {func(g *granting) {
			g.secret.KeyID, g.secret.Key = "", managed()
			g.secret.Versions[0].Keys = []guard.Key{managed()}
		}, "the secret is as it was before its migration", migration.RolledBack, false},
		"a call that did not go through": {func(g *granting) { g.refusing("UpdateSecret", errDied) }, "a call to AWS did not go through", migration.Observing, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			g := movedUnder(t, rescuing())
			c.trouble(g)
			answer, err := g.refuse(t, "app", "e-1")
			if answer != migration.AnswerPage || (err != nil) != c.passes {
				t.Fatalf("answer %q, error %v", answer, err)
			}
			var said []string
			for _, n := range g.fake.notices {
				if n.Kind == guard.NoticeReaderLost {
					said = append(said, n.Move.Reader.Problem)
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], "; going back failed: ") || !strings.Contains(said[0], c.problem) {
				t.Errorf("said %q, want %q", said, c.problem)
			}
			if j := g.job(t); j.Phase != c.phase || len(j.Denials) != 1 || j.Denials[0].Answer != migration.AnswerPage {
				t.Errorf("%s (%s), denials %+v", j.Phase, j.Reason, j.Denials)
			}
		})
	}
}

// The notice of a lost reader has what lets that reader keep its access, and of no other.
func TestALostReaderIsNamedWithItsOwnRemedy(t *testing.T) {
	reader := func(name string) migration.Reader {
		return migration.Reader{Principal: role(name), Verdict: migration.Loses, Fix: &migration.Fix{Kind: migration.FixIdentity, Principal: role(name), Key: cmk("new", region).ARN, Identity: []byte(`{"Sid":"` + name + `"}`)}}
	}
	app, unfixed := reader("app"), reader("app")
	unfixed.Fix = nil
	key := "kms:Decrypt on " + cmk("new", region).ARN
	for sentence, c := range map[string]struct {
		by      migration.Lock
		what    string
		readers []migration.Reader
		unknown error
		right   string
		remedy  []guard.Remedy
	}{
		"refused by the key":                   {migration.LockKey, "", []migration.Reader{reader("batch"), app}, nil, key, []guard.Remedy{app.Remedy()}},
		"by an event that names the right":     {migration.LockKey, "kms:Decrypt on alias/x", []migration.Reader{app}, nil, "kms:Decrypt on alias/x", []guard.Remedy{app.Remedy()}},
		"for whom nothing was found":           {migration.LockKey, "", []migration.Reader{unfixed}, nil, key, nil},
		"of whom nothing is known":             {migration.LockKey, "", []migration.Reader{reader("batch")}, nil, key, nil},
		"where its rights could not be read":   {migration.LockKey, "", []migration.Reader{app}, errDied, key, nil},
		"where nobody knows which lock it was": {migration.LockUnknown, "", []migration.Reader{app}, nil, "", nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			rules := migration.Defaults()
			rules.AutoRollback = false
			g := movedUnder(t, rules)
			g.readers, g.unknown, g.lock = c.readers, c.unknown, c.by
			event := migration.Refused{Principal: role("app"), EventID: "e-1", At: g.now, By: c.by, What: c.what, Read: true}
			if answer, err := g.worker("watchdog").Refused(t.Context(), g.secret.ARN, event); err != nil || answer != migration.AnswerPage || len(g.fake.notices) != 1 {
				t.Fatalf("answer %q, notices %+v, error %v", answer, g.fake.notices, err)
			}
			move := g.fake.notices[0].Move
			if diff := cmp.Diff(c.remedy, move.Remedies); diff != "" || move.Reader.Right != c.right || move.Reader.Principal != role("app") || move.Reader.Problem != "" {
				t.Errorf("%+v\n%s", move.Reader, diff)
			}
		})
	}
}

// Nobody is asked who would lose access for a read that no grant or key decides.
func TestAGrantThatNobodyMayMakeIsTheOwners(t *testing.T) {
	g := sealedUnder(t, rescuing())
	e := g.worker("watchdog")
	e.Grants = nil
	answer, err := e.Refused(t.Context(), g.secret.ARN, migration.Refused{Principal: role("app"), EventID: "e-1", At: g.now, By: migration.LockKey, Read: true})
	if err != nil || answer != migration.AnswerPage || !strings.Contains(g.fake.notices[0].Move.Reason, "nobody here may make grants") {
		t.Errorf("answer %q, notices %+v, error %v", answer, g.fake.notices, err)
	}
}

// A reader that polls and keeps failing is one notice a day, with how often it was refused since.
func TestAReaderThatKeepsFailingIsNotifiedOnceADay(t *testing.T) {
	rules := rescuing()
	rules.AutoGrant = false
	g := sealedUnder(t, rules)
	start := g.now
	for _, c := range []struct {
		reader string
		after  time.Duration
		want   migration.Answer
		again  int
	}{
		{"app", 0, migration.AnswerPage, 0},
		{"batch", time.Hour, migration.AnswerPage, 0},
		{"app", 2 * time.Hour, migration.AnswerNone, 0},
		{"app", 23*time.Hour + 59*time.Minute, migration.AnswerNone, 0},
		{"app", 24*time.Hour + 10*time.Minute, migration.AnswerPage, 2},
		{"batch", 25 * time.Hour, migration.AnswerPage, 0},
	} {
		before := len(g.fake.notices)
		g.now = start.Add(c.after)
		answer, err := g.refuse(t, c.reader, fmt.Sprint("e-", c.after))
		if err != nil || answer != c.want {
			t.Fatalf("%s after %s: answer %q, error %v", c.reader, c.after, answer, err)
		}
		if said := g.fake.notices[before:]; (len(said) == 1) != (c.want == migration.AnswerPage) || len(said) == 1 && said[0].Move.Reader.Again != c.again {
			t.Errorf("%s after %s: notices %+v", c.reader, c.after, said)
		}
	}
}

// That its access was restored yesterday is no reason to say nothing when it is gone and nothing restores it.
func TestAReaderWhoseGrantHasEndedIsNotifiedWithinTheDay(t *testing.T) {
	g := sealedUnder(t, rescuing())
	g.now = g.now.Add(47 * time.Hour)
	if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerGrant {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	g.now = g.now.Add(2 * time.Hour)
	if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil {
		t.Fatal(err)
	}
	if answer, err := g.refuse(t, "app", "e-2"); err != nil || answer != migration.AnswerPage {
		t.Errorf("answer %q, error %v", answer, err)
	}
}

// All grants whose time is over end at the first visit behind it; one that is gone already is not revoked again.
func TestGrantsThatAreOverEndTogether(t *testing.T) {
	g := sealedUnder(t, rescuing())
	for _, name := range []string{"app", "batch"} {
		if answer, err := g.refuse(t, name, "e-"+name); err != nil || answer != migration.AnswerGrant {
			t.Fatalf("%s: answer %q, error %v", name, answer, err)
		}
	}
	g.now = g.now.Add(time.Hour)
	if _, _, err := g.fake.worker("without grants").Advance(t.Context(), g.secret.ARN); err != nil || !g.job(t).Rescues[0].Ended.IsZero() {
		t.Errorf("who may make no grants ends none: %+v, error %v", g.job(t).Rescues, err)
	}
	delete(g.grants, "id-1")
	if _, _, err := g.worker("sweep").Advance(t.Context(), g.secret.ARN); err != nil {
		t.Fatal(err)
	}
	for _, r := range g.job(t).Rescues {
		if r.Ended.IsZero() {
			t.Errorf("the grant of %s has not ended", r.Principal)
		}
	}
	if diff := cmp.Diff([]string{"id-2"}, g.revoked); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
}

// Of a secret that cannot be looked at nobody asks what its readers lack.
func TestAReaderOfASecretThatCannotBeSeenHasNoRemedy(t *testing.T) {
	rules := migration.Defaults()
	rules.AutoRollback = false
	g := movedUnder(t, rules)
	g.readers = []migration.Reader{{Principal: role("app"), Verdict: migration.Loses, Fix: &migration.Fix{Kind: migration.FixIdentity, Principal: role("app"), Identity: []byte(`{}`)}}}
	g.refusing("Describe", errDied)
	if answer, err := g.refuse(t, "app", "e-1"); err != nil || answer != migration.AnswerPage || len(g.fake.notices[0].Move.Remedies) > 0 {
		t.Errorf("answer %q, notices %+v, error %v", answer, g.fake.notices, err)
	}
}
