package migration_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

func planOf(t testing.TB, f migration.Facts) migration.Plan {
	t.Helper()
	p, err := migration.Make(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanNamesWhoLosesAccess(t *testing.T) {
	unreadKey := func(s *inventory.Snapshot) { s.Keys[0].Policy, s.Keys[0].PolicyUnread = "", "access denied" }
	for name, tt := range map[string]struct {
		readers []inventory.Principal
		change  func(*inventory.Snapshot)
		facts   func(*migration.Facts)
		want    map[string]migration.Verdict
		fix     migration.FixKind
		safe    bool
	}{
		"a reader with the right on the key keeps": {readers: []inventory.Principal{principal("app", may(true))},
			want: map[string]migration.Verdict{"app": migration.Keeps}, safe: true},
		"a reader without it loses, and an IAM statement is the fix": {readers: []inventory.Principal{principal("app", may(false))},
			want: map[string]migration.Verdict{"app": migration.Loses}, fix: migration.FixIdentity},
		"with a key policy that does not delegate, only the key policy is the fix": {readers: []inventory.Principal{principal("app", may(true))},
			change: func(s *inventory.Snapshot) { s.Keys[0].Policy = closedKey },
			want:   map[string]migration.Verdict{"app": migration.Loses}, fix: migration.FixKey},
		"a boundary that leaves KMS out has no fix by a statement": {readers: []inventory.Principal{func() inventory.Principal {
			p := principal("app", may(true))
			p.Boundary = "arn:aws:iam::111122223333:policy/bound"
			return p
		}()},
			change: func(s *inventory.Snapshot) {
				s.Managed = map[string]string{"arn:aws:iam::111122223333:policy/bound": may(false)}
			},
			want: map[string]migration.Verdict{"app": migration.Loses}, fix: migration.FixNone},
		"a key whose policy was not read is unknown": {readers: []inventory.Principal{principal("app", may(true))}, change: unreadKey,
			want: map[string]migration.Verdict{"app": migration.Unknown}},
		"who cannot read today is no reader": {readers: []inventory.Principal{principal("app", may(true)),
			principal("other", `{"Version":"2012-10-17","Statement":[]}`)},
			want: map[string]migration.Verdict{"app": migration.Keeps}, safe: true},
		"who was seen and is gone cannot": {readers: []inventory.Principal{principal("app", may(true))},
			facts: func(f *migration.Facts) { f.Seen = []migration.Sighting{seen("app"), seen("old")} },
			want:  map[string]migration.Verdict{"app": migration.Keeps, "old": migration.Cannot}, safe: true},
		"a rotation function whose role is not known is unknown": {readers: []inventory.Principal{principal("app", may(true))},
			change: func(s *inventory.Snapshot) {
				s.Secrets[0].Facts.RotationEnabled, s.Secrets[0].Facts.RotationLambdaARN = true, "arn:aws:lambda:eu-central-1:111122223333:function:rotate"
			},
			want: map[string]migration.Verdict{"app": migration.Keeps, "arn:aws:lambda:eu-central-1:111122223333:function:rotate": migration.Unknown}},
		"a rotation role needs to write as well": {readers: []inventory.Principal{principal("rotate",
			strings.Replace(may(true), `,"kms:GenerateDataKey"`, "", 1))},
			change: func(s *inventory.Snapshot) {
				s.Secrets[0].Facts.RotationEnabled, s.Secrets[0].Facts.RotationLambdaARN = true, "arn:aws:lambda:eu-central-1:111122223333:function:rotate"
			},
			facts: func(f *migration.Facts) {
				f.Functions = map[string]string{"arn:aws:lambda:eu-central-1:111122223333:function:rotate": role("rotate")}
			},
			want: map[string]migration.Verdict{"rotate": migration.Loses}, fix: migration.FixIdentity},
		"a reader that was accepted to lose does not block": {readers: []inventory.Principal{principal("app", may(false))},
			facts: func(f *migration.Facts) { f.Accepted = []string{role("app")} },
			want:  map[string]migration.Verdict{"app": migration.Loses}, fix: migration.FixIdentity, safe: true},
		"principals that could not be read may hide a reader": {readers: []inventory.Principal{principal("app", may(true))},
			change: func(s *inventory.Snapshot) {
				s.Principals = nil
				s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: shop, Why: "access denied"}}
			}, want: map[string]migration.Verdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := org(tt.readers...)
			if tt.change != nil {
				tt.change(&s)
			}
			f := facts(s)
			if tt.facts != nil {
				tt.facts(&f)
			}
			p := planOf(t, f)
			if len(p.Items) != 1 {
				t.Fatalf("%d items, outside %v", len(p.Items), p.Outside)
			}
			got, fix := map[string]migration.Verdict{}, migration.FixKind("")
			for _, r := range p.Items[0].Readers {
				got[strings.TrimPrefix(r.Principal, role(""))] = r.Verdict
				if r.Fix != nil {
					fix = r.Fix.Kind
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if fix != tt.fix {
				t.Errorf("fix %q, want %q", fix, tt.fix)
			}
			if p.Items[0].Safe() != tt.safe {
				t.Errorf("safe %v: %v", p.Items[0].Safe(), p.Items[0].Blocked)
			}
		})
	}
}

func TestTheFixWorks(t *testing.T) {
	s := org(principal("app", may(false)))
	reader := planOf(t, facts(s)).Items[0].Readers[0]
	s.Principals[0].Inline["fix"] = `{"Version":"2012-10-17","Statement":[` + string(reader.Fix.Identity) + `]}`
	if p := planOf(t, facts(s)); !p.Items[0].Safe() {
		t.Errorf("with the fix it is still blocked: %v", p.Items[0].Blocked)
	}
	for _, want := range []string{"kms:Decrypt", arn("db"), cmk("new", region).ARN} {
		if !strings.Contains(reader.Fix.Terraform, want) || !strings.Contains(reader.Fix.CDK, want) {
			t.Errorf("the snippets leave out %s:\n%s\n%s", want, reader.Fix.Terraform, reader.Fix.CDK)
		}
	}
}

// The key of a secret that a service owns is chosen there, and how is said.
func TestASecretOfAServiceIsLeftToItWithItsFix(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Secrets[0].Facts.OwningService = "rds"
	fix := ""
	for _, v := range guard.Evaluate(s.Secrets[0].Facts, guard.Standard{}, now) {
		if v.Control.ID == guard.SecretForeignKey {
			fix = v.Fix()
		}
	}
	want := "owned by rds: its key is chosen there. " + fix
	if p := planOf(t, facts(s)); fix == "" || len(p.Outside) != 1 || p.Outside[0].Reason != want {
		t.Errorf("outside %+v, want %q", p.Outside, want)
	}
}

func TestWhatIsOutOfScopeSaysWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*guard.Secret)
		facts  func(*migration.Facts)
		want   string
	}{
		"owned by RDS":     {change: func(s *guard.Secret) { s.OwningService = "rds" }, want: "owned by rds"},
		"pending deletion": {change: func(s *guard.Secret) { s.DeletedAt = now }, want: "deletion is scheduled"},
		"a replica":        {change: func(s *guard.Secret) { s.PrimaryRegion = other }, want: "a copy of the secret in eu-west-1"},
		"sealed": {change: func(s *guard.Secret) { s.Key = cmk("new", region); s.Versions[0].Keys = []guard.Key{s.Key} },
			want: "sealed already"},
		"sealed, and a copy of it is not known to be": {change: func(s *guard.Secret) {
			s.Key = cmk("new", region)
			s.Versions[0].Keys = []guard.Key{s.Key}
			s.Replicas = []guard.Replica{{Region: other, Key: cmk("far", other), Status: "InSync"}}
		}, want: "sealed already in eu-central-1; a copy elsewhere is not known to be"},
		"waived": {facts: func(f *migration.Facts) {
			f.Waivers = []guard.Waiver{{Control: guard.SecretDefaultKey, Resource: arn("db"), By: "ciso", Reason: "vendor", Expires: now.Add(time.Hour)}}
		}, want: "waived by ciso until 2026-11-21: vendor"},
	} {
		t.Run(name, func(t *testing.T) {
			s := org(principal("app", may(true)))
			if tt.change != nil {
				tt.change(&s.Secrets[0].Facts)
			}
			f := facts(s)
			if tt.facts != nil {
				tt.facts(&f)
			}
			p := planOf(t, f)
			if len(p.Items) != 0 || len(p.Outside) != 1 || !strings.Contains(p.Outside[0].Reason, tt.want) || strings.Contains(p.Outside[0].Reason, "a copy elsewhere") != strings.Contains(tt.want, "a copy elsewhere") {
				t.Errorf("items %v, outside %+v", p.Items, p.Outside)
			}
		})
	}
}

func TestVerifyNamesWhatChanged(t *testing.T) {
	base := func() inventory.Snapshot {
		s := org(principal("app", may(true)))
		s.Accounts[0].SCPs = []inventory.Level{{Target: "r-root", Policies: []string{"p-1"}}}
		s.Controls = map[string]inventory.Policy{"p-1": {Name: "Full", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}}
		return s
	}
	plan := planOf(t, facts(base()))
	for name, tt := range map[string]struct {
		change func(*inventory.Snapshot)
		want   []string
	}{
		"nothing":                {func(*inventory.Snapshot) {}, nil},
		"somebody moved it":      {func(s *inventory.Snapshot) { s.Secrets[0].Facts.KeyID = "alias/x" }, []string{"key of the secret"}},
		"a new version":          {func(s *inventory.Snapshot) { s.Secrets[0].Facts.Versions[0].ID = "v2" }, []string{"versions of the secret"}},
		"another wave":           {func(s *inventory.Snapshot) { s.Secrets[0].Facts.Tags = map[string]string{"environment": "prod"} }, []string{"tags of the secret"}},
		"our own tags are none":  {func(s *inventory.Snapshot) { s.Secrets[0].Facts.Tags["doublelock:state"] = "default" }, nil},
		"the key is shared":      {func(s *inventory.Snapshot) { s.Keys[0].Shared = may(true) }, []string{"sharing of the target (new)"}},
		"whether it is shared":   {func(s *inventory.Snapshot) { s.Keys[0].SharedUnread = "denied" }, []string{"sharing of the target (new)"}},
		"the key policy":         {func(s *inventory.Snapshot) { s.Keys[0].Policy += " " }, []string{"policy of the target"}},
		"the key is off":         {func(s *inventory.Snapshot) { s.Keys[0].Facts.State = guard.KeyDisabled }, []string{"readers", "target key"}},
		"a reader's policy":      {func(s *inventory.Snapshot) { s.Principals[0].Inline["more"] = may(true) }, []string{"policies of " + role("app")}},
		"another reader":         {func(s *inventory.Snapshot) { s.Principals = append(s.Principals, principal("new", may(true))) }, []string{"policies of " + role("new") + " (new)", "readers"}},
		"an SCP":                 {func(s *inventory.Snapshot) { s.Controls["p-1"] = inventory.Policy{Name: "Full", Document: may(true)} }, []string{"organization policies of " + shop}},
		"it is gone":             {func(s *inventory.Snapshot) { s.Secrets = nil }, []string{"the secret does not exist any more"}},
		"its deletion was asked": {func(s *inventory.Snapshot) { s.Secrets[0].Facts.DeletedAt = now }, []string{"now out of scope: its deletion is scheduled: restore it first, or let it go"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := base()
			tt.change(&s)
			var what []string
			for _, d := range migration.Verify(plan, planOf(t, facts(s))) {
				what = append(what, d.What...)
			}
			if diff := cmp.Diff(tt.want, what); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be looked at any more is neither gone nor unchanged; what is gone or out of scope holds up no wave.
func TestWhatIsNotKnownAnyMoreIsNeitherGoneNorUnchanged(t *testing.T) {
	unlisted := inventory.Unread{Part: inventory.PartSecrets, Account: shop, Region: region, Why: "no answer"}
	plan := planOf(t, facts(org(principal("app", may(true)))))
	id := plan.Items[0].Secret
	for name, tt := range map[string]struct {
		change  func(*migration.Facts, *inventory.Snapshot)
		want    string
		outside bool
	}{
		"its location cannot be listed": {func(_ *migration.Facts, s *inventory.Snapshot) {
			s.Secrets, s.Unread = nil, append(s.Unread, unlisted)
		}, "it could not be looked at: the secrets of " + shop + " in " + region + " could not be listed: no answer", false},
		"no location of its account can be listed": {func(_ *migration.Facts, s *inventory.Snapshot) {
			everywhere := unlisted
			everywhere.Region = ""
			s.Secrets, s.Unread = nil, append(s.Unread, everywhere)
		}, "it could not be looked at: the secrets of " + shop + " in " + region + " could not be listed: no answer", false},
		"another account and another Region cannot be listed": {func(_ *migration.Facts, s *inventory.Snapshot) {
			elsewhere, there := unlisted, unlisted
			elsewhere.Account, there.Region = data, other
			s.Secrets, s.Unread = nil, append(s.Unread, elsewhere, there)
		}, "the secret does not exist any more", true},
		"its account is not read": {func(_ *migration.Facts, s *inventory.Snapshot) {
			s.Secrets, s.Accounts = nil, slices.DeleteFunc(s.Accounts, func(a inventory.Account) bool { return a.ID == shop })
		}, "it could not be looked at: the account " + shop + " is none that was read", false},
		"CloudTrail does not answer": {func(f *migration.Facts, _ *inventory.Snapshot) {
			f.Unseen = map[migration.Location]string{{Account: shop, Region: region}: "no answer"}
		}, "now blocked: CloudTrail could not be asked who reads it: no answer", false},
		"it is gone": {func(_ *migration.Facts, s *inventory.Snapshot) { s.Secrets = nil }, "the secret does not exist any more", true},
		"its deletion is scheduled": {func(_ *migration.Facts, s *inventory.Snapshot) { s.Secrets[0].Facts.DeletedAt = now },
			"now out of scope: its deletion is scheduled: restore it first, or let it go", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := org(principal("app", may(true)))
			f := facts(s)
			tt.change(&f, &s)
			unseen := f.Unseen
			f = facts(s)
			f.Unseen = unseen
			fresh, err := migration.Make(f, id)
			if err != nil {
				t.Fatal(err)
			}
			want := []migration.Drift{{Secret: id, Name: "db", What: []string{tt.want}, Outside: tt.outside}}
			if diff := cmp.Diff(want, migration.Verify(plan, fresh)); diff != "" {
				t.Errorf("named (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanFileIsReadAsItWasWritten(t *testing.T) {
	p := planOf(t, facts(org(principal("app", may(false)))))
	var file bytes.Buffer
	if err := migration.SavePlan(&file, p); err != nil {
		t.Fatal(err)
	}
	text := file.String()
	back, err := migration.LoadPlan(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if back.Digest != p.Digest || len(migration.Verify(p, back)) > 0 {
		t.Errorf("digest %s, was %s", back.Digest, p.Digest)
	}
	for name, edit := range map[string][3]string{
		"another target":  {"key/new", "key/evil", "it was edited"},
		"a laxer rule":    {`"observe": "24h0m0s"`, `"observe": "0s"`, "it was edited"},
		"another version": {`"version": 4`, `"version": 3`, "version 3 of the format, want 4: plan again with this doublelock"},
		"an extra field":  {`"version": 4`, `"version": 4, "force": true`, "unknown field"},
		"no version":      {`"version": 4,`, ``, `no "version"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := migration.LoadPlan(strings.NewReader(strings.Replace(text, edit[0], edit[1], 1))); err == nil || !strings.Contains(err.Error(), edit[2]) {
				t.Errorf("error %v, want %q", err, edit[2])
			}
		})
	}
}

func TestWavesMoveInTheirOrder(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Secrets = nil
	for name, tags := range map[string]map[string]string{
		"prod": {"Environment": "production"}, "none": nil, "dev": {"env": "sandbox"}, "stage": {"stage": "uat"},
		"canary": {"environment": "prod", migration.TagWave: "canary"},
	} {
		facts := secret(name, managed())
		facts.Tags = tags
		s.Secrets = append(s.Secrets, inventory.Secret{Facts: facts})
	}
	var got []string
	for _, i := range planOf(t, facts(s)).Items {
		got = append(got, i.Name+" "+string(i.Wave))
	}
	if diff := cmp.Diff([]string{"canary canary", "dev dev", "stage test", "none prod", "prod prod"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestASharedSecretGetsAKeyThatOpensToTheOtherAccount(t *testing.T) {
	shared := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/etl"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	s := org(principal("app", may(true)), inventory.Principal{ARN: "arn:aws:iam::444455556666:role/etl", Kind: inventory.Role, Account: data,
		Inline: map[string]string{"own": may(true)}})
	s.Accounts = append(s.Accounts, inventory.Account{ID: data})
	s.Secrets[0].Policy = shared
	item := planOf(t, facts(s)).Items[0]
	if item.Safe() || !strings.Contains(strings.Join(item.Blocked, " "), "is shared with arn:aws:iam::444455556666:role/etl") {
		t.Errorf("a single-account key for a shared secret: blocked %v", item.Blocked)
	}
	open := cmk("open", region)
	open.Aliases = []string{"alias/open"}
	s.Keys = append(s.Keys, inventory.Key{Facts: open, Policy: strings.Replace(delegated, `{"AWS":"arn:aws:iam::111122223333:root"}`,
		`{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::444455556666:root"]}`, 1)})
	item = planOf(t, facts(s)).Items[0]
	if !item.Safe() || item.Target != open.ARN {
		t.Errorf("target %s (%s), blocked %v", item.Target, item.TargetWhy, item.Blocked)
	}
}

func TestReplicasAreSaidBeforehand(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Accounts[0].Regions = []string{region, other}
	far := managed()
	far.Region = other
	s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: other, Key: far, Status: "InSync"}}
	s.Keys = append(s.Keys, inventory.Key{Facts: cmk("far", other), Policy: delegated})
	item := planOf(t, facts(s)).Items[0]
	if item.Safe() || !strings.Contains(strings.Join(item.Blocked, " "), "replica in eu-west-1: it could not be read") {
		t.Errorf("a copy that nobody looked at: blocked %v", item.Blocked)
	}
	replica := secret("db", far)
	replica.ARN, replica.Region, replica.PrimaryRegion = strings.Replace(replica.ARN, region, other, 1), other, region
	s.Secrets = append(s.Secrets, inventory.Secret{Facts: replica})
	item = planOf(t, facts(s)).Items[0]
	if !item.Safe() || len(item.Replicas) != 1 || item.Replicas[0].Target != cmk("far", other).ARN || item.Replicas[0].Interruption == "" {
		t.Errorf("blocked %v, replicas %+v", item.Blocked, item.Replicas)
	}
	if got := item.Replicas[0].Readers; len(got) != 1 || !slices.Contains(got[0].Sources, migration.SourceReplica) {
		t.Errorf("readers of the copy %+v", got)
	}
}

func TestCostCountsKeysNotSecrets(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Secrets = append(s.Secrets, inventory.Secret{Facts: secret("db2", managed())})
	f := facts(s)
	f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: role("app"), Count: 9_000_000}}
	want := migration.Cost{Prices: migration.ListPrices, KeysAfter: 1, Requests: 3_000_000, Before: 9, After: 10}
	if diff := cmp.Diff(want, planOf(t, f).Cost); diff != "" {
		t.Errorf("cost (-want +got):\n%s", diff)
	}
}

func FuzzLoadPlan(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"items":[],"outside":[]} {}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := migration.LoadPlan(bytes.NewReader(raw))
		if err == nil && p.Version != migration.PlanVersion {
			t.Errorf("version %d was taken", p.Version)
		}
	})
}

// The users of a plan are counted by why they count as users, and by what becomes of each: a principal of two secrets once, by its worst.
func TestThePlanCountsUsersByClassAndByWhatBecomesOfThem(t *testing.T) {
	none, human := `{"Version":"2012-10-17","Statement":[]}`, func(name, policy string) inventory.Principal {
		p := principal(name, policy)
		p.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + shop + `:root"},"Action":"sts:AssumeRole"}]}`
		return p
	}
	user := principal("", may(true))
	user.ARN, user.Kind, user.Trust = "arn:aws:iam::"+shop+":user/backup", inventory.User, ""
	s := org(principal("app", may(true)), principal("old-app", may(false)), human("dev", may(false)), human("glass", may(false)), human("seen", may(true)), human("gone", none), user)
	second := secret("db2", cmk("old", region))
	s.Secrets = append(s.Secrets, inventory.Secret{Facts: second})
	s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: delegated})
	f := facts(s)
	f.Seen = []migration.Sighting{seen("seen"), seen("gone")}
	f.Rules.MustKeep, f.Rules.AlwaysKeep = migration.KeepWorkloads, []string{role("glass")}
	f.Rules.Accepted = []migration.Accept{{Principals: role("*"), By: "ciso", Reason: "they go"}}
	words := func() (all []string) {
		t.Helper()
		for _, of := range planOf(t, f).Users {
			all = append(all, of.String())
		}
		return all
	}
	want := []string{"named 1 lose", "seen 1 keep, 1 unknown (1 accepted, 0 need not keep access)", "user 1 keep", "workload 1 keep, 1 lose (1 accepted, 0 need not keep access)", "could 1 lose (1 accepted, 0 need not keep access)"}
	if diff := cmp.Diff(want, words()); diff != "" {
		t.Errorf("all are accepted (-want +got):\n%s", diff)
	}
	f.Rules.Accepted[0].Principals = role("old-*")
	want[1], want[4] = "seen 1 keep, 1 unknown", "could 1 lose (0 accepted, 1 need not keep access)"
	if diff := cmp.Diff(want, words()); diff != "" {
		t.Errorf("one is accepted (-want +got):\n%s", diff)
	}
	f.Accepted = []string{role("glass")}
	want[0] = "named 1 lose (1 accepted, 0 need not keep access)"
	if diff := cmp.Diff(want, words()); diff != "" {
		t.Errorf("who is named is accepted by name alone (-want +got):\n%s", diff)
	}
}

// Uses that were recorded and not read are nobody's safety: the plan says of which times, and only somebody's word lets the secret move,
// which its job keeps.
func TestUsesThatWereNotReadBlockUntilSomebodyAcceptsThem(t *testing.T) {
	f := facts(org(principal("app", may(true))))
	f.Gaps = map[string][]migration.Gap{arn("db"): {{From: now.Add(-48 * time.Hour), To: now.Add(-24 * time.Hour)}}}
	const between = "who used it between 2026-11-19T09:00:00Z and 2026-11-20T09:00:00Z is not known"
	blocked := planOf(t, f).Items[0]
	if len(blocked.Blocked) != 1 || !strings.Contains(blocked.Blocked[0], between) || blocked.Unread != "" {
		t.Errorf("blocked by %q", blocked.Blocked)
	}
	f.Accepted = []string{migration.UnreadUses}
	item := planOf(t, f).Items[0]
	if !item.Safe() || !strings.Contains(item.Unread, between) {
		t.Errorf("accepted: blocked by %q, unread %q", item.Blocked, item.Unread)
	}
	w := steady(t)
	j, err := w.worker("a").Start(t.Context(), item, "plan", migration.Defaults())
	if err != nil || !slices.Contains(j.Accepted, migration.UnreadUses) {
		t.Errorf("its job accepts %q, %v", j.Accepted, err)
	}
}

// Who uses two secrets is counted by what is worse for it, whichever of them comes first, and by the class that counts more.
func TestAUserOfTwoSecretsIsCountedByTheWorse(t *testing.T) {
	one := func(secret string) string { // may decrypt the one secret alone
		return strings.Replace(may(true), `"Action":["kms:Decrypt"`, `"Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"`+secret+`"}},"Action":["kms:Decrypt"`, 1)
	}
	s := org(principal("first", one(arn("db"))), principal("second", one(arn("db2"))))
	s.Secrets = append(s.Secrets, inventory.Secret{Facts: secret("db2", managed())})
	f := facts(s)
	f.Seen = []migration.Sighting{seen("first"), seen("gone")} // at the first secret, which it goes on reading
	var got []string
	for _, of := range planOf(t, f).Users {
		got = append(got, of.String())
	}
	if diff := cmp.Diff([]string{"seen 1 keep, 1 cannot", "workload 1 lose"}, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// Before anything is done it is said which versions a re-key leaves, and who reads each of them by its label.
func TestWhatAReKeyLeavesIsSaidWithWhoReadsIt(t *testing.T) {
	s := org(principal("app", may(true)), principal("batch", may(true)), principal("other", may(true)))
	facts := facts(s)
	versions := &s.Secrets[0].Facts.Versions
	*versions = append(*versions, guard.Version{ID: "v0", Stages: []string{"last-year"}, Keys: []guard.Key{managed()}}, guard.Version{ID: "v2", Stages: []string{"spare"}, Keys: []guard.Key{managed()}})
	facts.Access = inventory.Prepare(s)
	for _, name := range []string{"app", "batch", "other"} {
		by := seen(name)
		by.Version = map[string]string{"app": "last-year", "batch": "last-year", "other": ""}[name]
		facts.Seen = append(facts.Seen, by)
	}
	var got []string
	for _, text := range planOf(t, facts).Items[0].Later {
		_, by, read := strings.Cut(text, "; read by ")
		got = append(got, strings.Fields(strings.TrimPrefix(text, "the version under "))[0]+map[bool]string{true: " " + by}[read])
	}
	if diff := cmp.Diff([]string{"last-year " + role("app") + ", " + role("batch"), "spare"}, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
