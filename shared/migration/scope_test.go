package migration_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

// One secret that is out of scope keeps no other out.
func TestASecretOutOfScopeKeepsNoOtherOut(t *testing.T) {
	s := org(principal("app", may(true)))
	leaving := secret("aaa", managed())
	leaving.DeletedAt = now
	s.Secrets = append([]inventory.Secret{{Facts: leaving}}, s.Secrets...)
	p := planOf(t, facts(s))
	if len(p.Items) != 1 || p.Items[0].Name != "db" || len(p.Outside) != 1 || p.Outside[0].Name != "aaa" {
		t.Errorf("items %+v, outside %+v", p.Items, p.Outside)
	}
	only, err := migration.Make(facts(s), "db")
	if err != nil || len(only.Items) != 1 || len(only.Outside) != 0 {
		t.Errorf("only db: items %+v, outside %+v, error %v", only.Items, only.Outside, err)
	}
	partial, err := migration.Make(facts(s), "db", "nobody")
	if err != nil || len(partial.Items) != 1 || len(partial.Missing()) != 1 || partial.Missing()[0].Name != "nobody" || partial.Missing()[0].Reason != "there is no such secret" {
		t.Errorf("one that is not there: %+v, %+v, error %v", partial.Items, partial.Outside, err)
	}
}

// A secret under a fine key stays under it; one under a key that is not is moved.
func TestWhichKeyASecretIsPlannedFor(t *testing.T) {
	fine, off, theirs := cmk("fine", region), cmk("off", region), cmk("theirs", region)
	fine.Aliases, off.Aliases, theirs.Aliases = nil, nil, nil
	off.State, theirs.Account = guard.KeyDisabled, data
	for sentence, c := range map[string]struct {
		under guard.Key
		want  string
		why   string
	}{
		"under the AWS managed key":        {managed(), cmk("new", region).ARN, "named for account, Region and tags: " + alias},
		"under a fine key, and not sealed": {fine, fine.ARN, "it is under this key already, and not sealed"},
		"under a key that is off":          {off, cmk("new", region).ARN, "named for account, Region and tags: " + alias},
		"under a key of another account":   {theirs, cmk("new", region).ARN, "named for account, Region and tags: " + alias},
	} {
		s := org(principal("app", may(true)))
		s.Secrets[0].Facts = secret("db", c.under)
		s.Secrets[0].Facts.Versions[0].Keys = []guard.Key{c.under, managed()}
		s.Keys = append(s.Keys, inventory.Key{Facts: fine, Policy: delegated}, inventory.Key{Facts: off, Policy: delegated}, inventory.Key{Facts: theirs, Policy: delegated})
		if item := planOf(t, facts(s)).Items[0]; item.Target != c.want || item.TargetWhy != c.why || item.Line == "" {
			t.Errorf("%s: %s (%s), line %q", sentence, item.Target, item.TargetWhy, item.Line)
		}
	}
}

// A key is found by what people call it, in the account and Region of the secret; by its ARN anywhere.
func TestAKeyIsFoundByItsName(t *testing.T) {
	far, theirs := cmk("far", other), cmk("theirs", region)
	theirs.Account, theirs.ARN = data, strings.Replace(theirs.ARN, shop, data, 1)
	for name, want := range map[string]string{
		alias: cmk("new", region).ARN, "new": cmk("new", region).ARN, cmk("new", region).ARN: cmk("new", region).ARN,
		"arn:aws:kms:" + region + ":" + shop + ":" + alias: cmk("new", region).ARN,
		far.ARN: far.ARN, "far": "", "theirs": "", "alias/nothing": "",
	} {
		s := org(principal("app", may(true)))
		s.Keys = append([]inventory.Key{{Facts: far, Policy: delegated}, {Facts: theirs, Policy: delegated}}, s.Keys...)
		f := facts(s)
		f.KeyFor = func(string, string, map[string]string) string { return name }
		item := planOf(t, f).Items[0]
		if item.Target != want || (want == "") != strings.Contains(strings.Join(item.Blocked, " "), "there is no key "+name) {
			t.Errorf("%s: target %s, blocked %v", name, item.Target, item.Blocked)
		}
	}
}

// A secret that another account reads takes a key that opens to it, whether its policy says so or CloudTrail saw it.
func TestAKeyThatIsClosedToAnotherAccountIsFound(t *testing.T) {
	policy := strings.ReplaceAll(sharing, "role/etl", "role/nobody")
	sighting := func(who, secret string) migration.Sighting {
		return migration.Sighting{Secret: secret, Principal: who, Region: region, Account: shop, Last: now, Count: 1}
	}
	for sentence, c := range map[string]struct {
		policy string
		seen   []migration.Sighting
		shared bool
	}{
		"its policy lets the other account in": {sharing, nil, true},
		"the other account was seen":           {policy, []migration.Sighting{sighting(etl, arn("db"))}, true},
		"it was seen at another secret":        {policy, []migration.Sighting{sighting(etl, arn("db2"))}, false},
		"a role of the account was seen":       {policy, []migration.Sighting{sighting(role("batch"), arn("db"))}, false},
		"a service was seen":                   {policy, []migration.Sighting{sighting("lambda.amazonaws.com", arn("db"))}, false},
		"it has no policy":                     {"", []migration.Sighting{sighting(etl, arn("db"))}, false},
	} {
		s := org(principal("app", may(true)), principal("batch", may(false)), elsewhere(may(true)))
		s.Accounts = append(s.Accounts, inventory.Account{ID: data})
		s.Secrets[0].Policy = c.policy
		f := facts(s)
		f.Seen = c.seen
		item := planOf(t, f).Items[0]
		blocked := strings.Join(item.Blocked, " ")
		if strings.Contains(blocked, "the secret is shared with "+etl+", and neither") != c.shared || strings.Contains(blocked, "is shared with") != c.shared {
			t.Errorf("%s: blocked %v", sentence, item.Blocked)
		}
	}
}

// A copy under a fine key stays; one under any other is planned, each with the key it comes from.
func TestWhichCopiesArePlanned(t *testing.T) {
	const third = "us-east-1"
	fine, theirs := cmk("fine", other), cmk("theirs", other)
	theirs.Account = data
	far, east := managed(), managed()
	far.Region, east.Region = other, third
	for sentence, c := range map[string]struct {
		replicas []guard.Replica
		want     []string
	}{
		"under the AWS managed key":           {[]guard.Replica{{Region: other, Key: far}}, []string{other + " "}},
		"under an approved key":               {[]guard.Replica{{Region: other, Key: fine}}, nil},
		"the second, behind one that is fine": {[]guard.Replica{{Region: other, Key: fine}, {Region: third, Key: east}}, []string{third + " "}},
		"under a key that is not approved":    {[]guard.Replica{{Region: other, Key: theirs}}, []string{other + " " + theirs.ARN}},
	} {
		s := org(principal("app", may(true)))
		s.Secrets[0].Facts.Replicas = c.replicas
		var got []string
		for _, r := range planOf(t, facts(s)).Items[0].Replicas {
			got = append(got, r.Region+" "+r.FromCustomer)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
	s := org(principal("app", may(true)))
	s.Secrets[0].Facts = secret("db", cmk("new", region))
	s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: other, Key: far}}
	if p := planOf(t, facts(s)); len(p.Items) != 1 {
		t.Errorf("sealed, and a copy is not: outside %+v", p.Outside)
	}
	s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: other, Key: fine}}
	if p := planOf(t, facts(s)); len(p.Items) != 0 {
		t.Errorf("sealed, its copy too: items %+v", p.Items)
	}
}

// A plan that was edited is refused, whichever of its two names it is edited in.
func TestAPlanOfAnotherNameIsRefused(t *testing.T) {
	p := planOf(t, facts(org(principal("app", may(true)))))
	for _, edit := range []func(*migration.Plan){func(p *migration.Plan) { p.ID = "another" }, func(p *migration.Plan) { p.Digest = "another" }} {
		edited := p
		edit(&edited)
		var file bytes.Buffer
		if err := migration.SavePlan(&file, edited); err != nil {
			t.Fatal(err)
		}
		if _, err := migration.LoadPlan(&file); err == nil || !strings.Contains(err.Error(), "it was edited") {
			t.Errorf("error %v", err)
		}
	}
}

// What changed of the groups of a reader, and of versions that somebody reads, is named; what changed of others is not.
func TestWhatAPlanRestsOn(t *testing.T) {
	base := func() inventory.Snapshot {
		user := principal("ana", may(true))
		user.ARN, user.Kind, user.Groups = "arn:aws:iam::"+shop+":user/ana", inventory.User, []string{"readers"}
		s := org(user)
		s.Groups = []inventory.Group{{Name: "readers", Account: shop, Inline: map[string]string{"own": may(true)}}, {Name: "readers", Account: data}, {Name: "others", Account: shop}}
		s.Secrets[0].Facts.Versions = append([]guard.Version{{ID: "v0", Keys: []guard.Key{managed()}}}, s.Secrets[0].Facts.Versions...)
		return s
	}
	plan := planOf(t, facts(base()))
	policies := []string{"policies of arn:aws:iam::" + shop + ":user/ana"}
	for sentence, c := range map[string]struct {
		change func(*inventory.Snapshot)
		want   []string
	}{
		"its group": {func(s *inventory.Snapshot) { s.Groups[0].Inline["more"] = may(true) }, policies},
		"a group of that name in another account": {func(s *inventory.Snapshot) { s.Groups[1].Inline = map[string]string{"more": may(true)} }, nil},
		"a group that it is not in":               {func(s *inventory.Snapshot) { s.Groups[2].Inline = map[string]string{"more": may(true)} }, nil},
		"a version without a label":               {func(s *inventory.Snapshot) { s.Secrets[0].Facts.Versions[0].ID = "v9" }, nil},
		"a version behind that":                   {func(s *inventory.Snapshot) { s.Secrets[0].Facts.Versions[1].ID = "v9" }, []string{"versions of the secret"}},
	} {
		s := base()
		c.change(&s)
		var what []string
		for _, d := range migration.Verify(plan, planOf(t, facts(s))) {
			what = append(what, d.What...)
		}
		if diff := cmp.Diff(c.want, what); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

// Reads are counted together by secret, reader and Region; one that has no count is one.
func TestReadsAreCountedTogether(t *testing.T) {
	read := func(who string, count int, at time.Duration) migration.Sighting {
		return migration.Sighting{Secret: "s", Principal: who, Region: region, Count: count, Last: now.Add(at)}
	}
	got := migration.Gather([]migration.Sighting{read("b", 0, 0), read("a", 3, time.Hour), read("b", 4, -time.Hour), read("a", 1, 2*time.Hour)})
	want := []migration.Sighting{read("a", 4, 2*time.Hour), read("b", 5, 0)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
