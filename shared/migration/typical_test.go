package migration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

const (
	byPeople  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/office"},"Action":"sts:AssumeRoleWithSAML"}]}`
	bySets    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}]}`
	anything  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	ownSecret = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:%s-*"}]}`
)

// typical is an account as many are: 200 roles, of which ten may do everything, and a key whose policy splits who manages it from who
// uses it.
func typical() inventory.Snapshot {
	s := org()
	s.Secrets = nil
	for n := range 190 {
		app := fmt.Sprintf("app-%03d", n)
		s.Principals = append(s.Principals, principal(app, fmt.Sprintf(ownSecret, app)))
		if n < 20 {
			s.Secrets = append(s.Secrets, inventory.Secret{Facts: secret(app, managed())})
		}
	}
	for n := range 8 {
		p := principal(fmt.Sprintf("AWSReservedSSO_Admin%d_0123456789abcdef", n), anything)
		p.Trust = byPeople
		s.Principals = append(s.Principals, p)
	}
	for _, name := range []string{"stacksets-exec-0123456789abcdef", "cdk-hnb659fds-cfn-exec-role-111122223333-eu-central-1"} {
		p := principal(name, anything)
		p.Trust = bySets
		s.Principals = append(s.Principals, p)
	}
	s.Keys[0].Policy = splitKey()
	return s
}

// splitKey is a key policy by which the account manages the key, and some use it.
func splitKey(users ...string) string {
	statements := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["kms:Create*","kms:Describe*","kms:Enable*","kms:List*","kms:Put*","kms:Disable*","kms:Get*","kms:ScheduleKeyDeletion"],"Resource":"*"}`
	if len(users) > 0 {
		statements += `,{"Effect":"Allow","Principal":{"AWS":["` + strings.Join(users, `","`) + `"]},"Action":["kms:Decrypt"],"Resource":"*"}`
	}
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// A plan of a typical account is blocked by its workloads until they may use the key, and by nobody else then.
func TestAPlanOfATypicalAccountIsSafeOnceItsWorkloadsAre(t *testing.T) {
	s := typical()
	all := map[string]int{}
	for name, keep := range map[string]migration.Keep{"workloads": migration.KeepWorkloads, "everybody": migration.KeepEverybody} {
		f := facts(s)
		f.Rules.MustKeep = keep
		for _, i := range planOf(t, f).Items {
			all[name] += len(i.Blocked)
		}
	}
	if diff := cmp.Diff(map[string]int{"workloads": 20, "everybody": 20 * 11}, all); diff != "" {
		t.Errorf("who is in the way of twenty secrets (-want +got):\n%s", diff)
	}
	var users []string
	for n := range 20 {
		users = append(users, role(fmt.Sprintf("app-%03d", n)))
	}
	s = typical()
	s.Keys[0].Policy = splitKey(users...)
	p := planOf(t, facts(s))
	for _, i := range p.Items {
		if !i.Safe() {
			t.Errorf("%s: %s", i.Name, strings.Join(i.Blocked, "; "))
		}
	}
	want := []migration.Tally{{Class: migration.ClassWorkload, Keeps: 20}, {Class: migration.ClassCould, Loses: 10, Spared: 10}}
	if diff := cmp.Diff(want, p.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if got, want := p.Users[1].String(), "could 10 lose (0 accepted, 10 need not keep access)"; got != want {
		t.Errorf("the plan counts %q, want %q", got, want)
	}
}

// An administrator who could read, and then was seen reading, is no longer one who merely could.
func TestAnAdministratorWhoWasSeenHasToKeepAccess(t *testing.T) {
	s := typical()
	f := facts(s)
	name := s.Principals[190].ARN
	f.Seen = []migration.Sighting{{Secret: arn("app-000"), Principal: name, Account: shop, Region: region, Last: now.Add(-1), Count: 1}}
	for _, i := range planOf(t, f).Items {
		if blocked := strings.Join(i.Blocked, "; "); strings.Contains(blocked, name) != (i.Name == "app-000") {
			t.Errorf("%s is blocked by %s", i.Name, blocked)
		}
	}
}

// uses are those of a principal in a plan, each with its verdict.
func usesOf(t *testing.T, p migration.Plan, principal string) string {
	t.Helper()
	var out []string
	for _, r := range p.Items[0].Readers {
		for _, u := range r.Uses {
			if r.Principal == principal {
				out = append(out, fmt.Sprintf("%s: %s from %s %s", u, strings.Join(u.Needs, "+"), u.From, u.Verdict))
			}
		}
	}
	return strings.Join(out, "; ")
}

// What a use takes on the new key, and from when on, is what AWS documents for the call that it makes.
func TestEachUseSaysWhatItTakesOnTheNewKeyAndFromWhenOn(t *testing.T) {
	const everywhere = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*"}]}`
	for sentence, c := range map[string]struct {
		does    migration.Does
		version string
		want    string
	}{
		"the current version":                {migration.Reads, "", "reads: kms:Decrypt from the first new version keeps; writes: kms:GenerateDataKey from the re-key keeps"},
		"the previous version":               {migration.Reads, "AWSPREVIOUS", "reads AWSPREVIOUS: kms:Decrypt from the second new version keeps"},
		"a version that is pending":          {migration.Reads, "AWSPENDING", "reads AWSPENDING: kms:Decrypt from the first new version keeps"},
		"a label of the owner's":             {migration.Reads, "blue", "reads blue: kms:Decrypt from the version that its owner writes again under that label keeps"},
		"the id of the current version":      {migration.Reads, "v1", "reads v1: kms:Decrypt from the end of the previous key keeps"},
		"the id of a version without labels": {migration.Reads, "v0", "reads v0:  from  keeps"},
		"a value that is updated":            {migration.Updates, "", "updates: kms:GenerateDataKey+kms:Decrypt+kms:Encrypt from the re-key keeps"},
		"a rotation that it starts":          {migration.Starts, "", "starts rotations:  from  keeps"},
		"a copy that it makes":               {migration.Replicates, "", "replicates: kms:Decrypt from the first new version keeps"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := org(principal("tool", everywhere))
			s.Secrets[0].Facts.Versions = append(s.Secrets[0].Facts.Versions, guard.Version{ID: "v0", Keys: []guard.Key{managed()}},
				guard.Version{ID: "vb", Stages: []string{"blue"}, Keys: []guard.Key{managed()}})
			f := facts(s)
			f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: role("tool"), Account: shop, Region: region, Does: c.does, Version: c.version, Last: now, Count: 1}}
			if got := usesOf(t, planOf(t, f), role("tool")); !strings.Contains(got, c.want) {
				t.Errorf("uses %q, want %q", got, c.want)
			}
		})
	}
}

// A partial ARN names the one secret whose name it has, not those that begin with it.
func TestAPartialARNNamesOneSecret(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Secrets[0].Facts.ARN, s.Secrets[0].Facts.Name = arn("db-prod"), "db-prod"
	f := facts(s)
	f.Seen = []migration.Sighting{{Secret: strings.TrimSuffix(arn("db"), "-AbCdEf"), Principal: role("other"), Account: shop, Region: region, Last: now, Count: 1}}
	for _, r := range planOf(t, f).Items[0].Readers {
		if r.Principal == role("other") {
			t.Errorf("who read db is a reader of db-prod: %+v", r)
		}
	}
}

// Who was seen after the snapshot was taken was made after it: that is not known to need nothing.
func TestARoleThatWasMadeAfterTheSnapshotIsNotKnown(t *testing.T) {
	s := org(principal("app", may(true)))
	f := facts(s)
	for at, want := range map[string]migration.Verdict{"before": migration.Cannot, "after": migration.Unknown} {
		last := now.Add(-1)
		if at == "after" {
			last = now.Add(1)
		}
		f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: role("young"), Account: shop, Region: region, Last: last, Count: 1}}
		item := planOf(t, f).Items[0]
		for _, r := range item.Readers {
			if r.Principal == role("young") && (r.Verdict != want || item.Safe() != (want == migration.Cannot)) {
				t.Errorf("seen %s the snapshot it is %s (%s), blocked by %v", at, r.Verdict, r.Why, item.Blocked)
			}
		}
		if len(item.Readers) != 2 {
			t.Errorf("%d readers: nobody was asked about it", len(item.Readers))
		}
	}
}

// CloudTrail names a role without its path where a record lacks the session's issuer, and a caller of another account by its id.
func TestWhoCloudTrailNamesInPartIsFound(t *testing.T) {
	for as, of := range map[string]inventory.Principal{
		role("app"):             {ARN: "arn:aws:iam::" + shop + ":role/team/app", Kind: inventory.Role, Account: shop, Inline: map[string]string{"own": may(true)}},
		data + "/AROAEXAMPLEID": {ARN: etl, Kind: inventory.Role, Account: data, UniqueID: "AROAEXAMPLEID", Inline: map[string]string{"own": may(true)}},
	} {
		s := org(of)
		s.Accounts = append(s.Accounts, inventory.Account{ID: data})
		f := facts(s)
		f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: as, Account: shop, Region: region, Last: now, Count: 1}}
		found := false
		for _, r := range planOf(t, f).Items[0].Readers {
			found = found || r.Principal == of.ARN && r.SeenAs == as && r.Class == migration.ClassSeen
		}
		if !found {
			t.Errorf("%s is not found to be %s: %+v", as, of.ARN, planOf(t, f).Items[0].Readers)
		}
	}
	f := facts(org(principal("app", may(true))))
	f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: data + "/AROASTRANGER", Account: shop, Region: region, Last: now, Count: 1}}
	if blocked := strings.Join(planOf(t, f).Items[0].Blocked, "; "); !strings.Contains(blocked, data+"/AROASTRANGER may lose access: CloudTrail names no more of it than its account and its id") {
		t.Errorf("a caller whose id nobody knows: blocked by %q", blocked)
	}
}
