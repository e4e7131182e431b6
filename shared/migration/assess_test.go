package migration_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

const etl = "arn:aws:iam::444455556666:role/etl"

// sharing lets a role of another account read the secret, by the policy of the secret.
const sharing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/etl"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`

func elsewhere(policy string) inventory.Principal {
	return inventory.Principal{ARN: etl, Kind: inventory.Role, Account: data, Inline: map[string]string{"own": policy}}
}

func assess(t *testing.T, s inventory.Snapshot, change func(*migration.Question)) migration.Assessment {
	t.Helper()
	q := migration.Question{Access: inventory.Prepare(s), Secret: s.Secrets[0].Facts.ARN, Target: s.Keys[0]}
	if change != nil {
		change(&q)
	}
	found, err := migration.Assess(q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Who reads a secret, and what becomes of each, decides whether it is moved.
func TestTheReadersOfASecretAndWhatBecomesOfThem(t *testing.T) {
	last := now.Add(-time.Hour)
	sighting := func(secret, who, where, account string, at time.Time) migration.Sighting {
		return migration.Sighting{Secret: secret, Principal: role(who), Region: where, Account: account, Last: at, Count: 2}
	}
	function := "arn:aws:lambda:" + region + ":" + shop + ":function:rotate"
	rotating := func(s *inventory.Snapshot) {
		s.Secrets[0].Facts.RotationEnabled, s.Secrets[0].Facts.RotationLambdaARN = true, function
	}
	external := func(s *inventory.Snapshot) { // it is rotated by a role and not by a function
		s.Secrets[0].Facts.RotationEnabled, s.Secrets[0].Facts.RotationRoleARN = true, role("rotator")
	}
	keptOut := func(s *inventory.Snapshot) {
		s.Secrets[0].Facts = secret("db", cmk("old", region))
		s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
	}
	none := `{"Version":"2012-10-17","Statement":[]}`
	writing := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:PutSecretValue","secretsmanager:UpdateSecret"],"Resource":"*"}]}`
	otherApp, appUser, etlWithID := principal("app", none), principal("app", none), elsewhere(may(true))
	otherApp.ARN, otherApp.Account = "arn:aws:iam::"+data+":role/app", data
	appUser.ARN, appUser.Kind, appUser.UniqueID = "arn:aws:iam::"+shop+":user/app", inventory.User, "AIDAAPP"
	etlWithID.UniqueID = "AROAETL"
	onlyDecrypt := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}]}`
	for sentence, c := range map[string]struct {
		readers  []inventory.Principal
		world    func(*inventory.Snapshot)
		question func(*migration.Question)
		want     []string // principal, verdict, sources, reads
		problems []string // how each begins
	}{
		"one that is allowed":                 {[]inventory.Principal{principal("app", may(true))}, nil, nil, []string{"app keeps allowed 0"}, nil},
		"one that is not, before one that is": {[]inventory.Principal{principal("aaa", none), principal("app", may(true))}, nil, nil, []string{"app keeps allowed 0"}, nil},
		"one that would lose":                 {[]inventory.Principal{principal("app", may(false))}, nil, nil, []string{"app loses allowed 0"}, []string{role("app") + " would lose access"}},
		"one that may lose":                   {[]inventory.Principal{principal("app", may(true))}, func(s *inventory.Snapshot) { s.Keys[0].Policy, s.Keys[0].PolicyUnread = "", "denied" }, nil, []string{"app unknown allowed 0"}, []string{role("app") + " may lose access: "}},
		"one that AWS RAM may let in":         {[]inventory.Principal{principal("app", may(false))}, func(s *inventory.Snapshot) { s.Keys[0].Shared = none }, nil, []string{"app unknown allowed 0"}, []string{role("app") + " may lose access: "}},
		"one that was accepted":               {[]inventory.Principal{principal("app", may(false))}, nil, func(q *migration.Question) { q.Accepted = []string{role("app")} }, []string{"app loses allowed 0"}, nil},
		"seen by ARN, by the ARN without its end, and by name": {[]inventory.Principal{principal("app", may(true))}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{
				sighting(arn("other"), "app", region, shop, last), sighting(arn("db"), "app", region, shop, last.Add(-time.Hour)),
				sighting(strings.TrimSuffix(arn("db"), "-AbCdEf"), "app", region, shop, last), sighting("db", "app", region, shop, last), sighting("db", "app", region, "", last)}
		}, []string{"app keeps allowed,seen 8"}, nil},
		"seen at secrets of the same name": {[]inventory.Principal{principal("app", may(true))}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting("db", "app", other, shop, last), sighting("db", "app", region, data, last), sighting("db2", "app", region, shop, last)}
		}, []string{"app keeps allowed 0"}, nil},
		"seen by an ARN without its path": {[]inventory.Principal{otherApp, appUser, principal("team/app", may(true))}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting(arn("db"), "app", region, shop, last)}
		}, []string{"team/app keeps allowed,seen 2"}, nil},
		"seen by an ARN that nobody has": {[]inventory.Principal{otherApp, appUser}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting(arn("db"), "app", region, shop, last)}
		}, []string{"app cannot seen 2"}, nil},
		"seen by its account and id": {[]inventory.Principal{appUser, etlWithID}, func(s *inventory.Snapshot) { s.Secrets[0].Policy = sharing }, func(q *migration.Question) {
			q.Seen = []migration.Sighting{{Secret: arn("db"), Principal: data + "/AROAETL", Account: shop, Region: region, Last: last, Count: 2}}
		}, []string{etl + " unknown cross-account,seen 2"}, []string{etl + " may lose access: it reads, last at "}},
		"seen by an id that nobody has": {[]inventory.Principal{appUser, etlWithID}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{{Secret: arn("db"), Principal: data + "/AROAXXX", Account: shop, Region: region, Last: last, Count: 2}}
		}, []string{data + "/AROAXXX unknown seen 2"}, []string{data + "/AROAXXX may lose access: CloudTrail names no more of it than its account and its id"}},
		"who may write, and not under the new key": {[]inventory.Principal{principal("writer", writing), principal("app", may(true))}, nil, nil,
			[]string{"app keeps allowed 0", "writer loses writes 0"}, []string{role("writer") + " would lose access: it writes, which takes kms:GenerateDataKey from the re-key on"}},
		"who may write, and of the key that it has nobody knows": {[]inventory.Principal{principal("writer", writing)}, func(s *inventory.Snapshot) { s.Secrets[0].Facts = secret("db", cmk("old", region)) }, nil,
			[]string{"writer loses writes 0"}, []string{role("writer") + " would lose access: it writes"}},
		"who may write under the key that it has": {[]inventory.Principal{principal("writer", strings.Replace(writing, `"secretsmanager:UpdateSecret"`, `"kms:GenerateDataKey"`, 1))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts, s.Keys[0].Policy = secret("db", cmk("old", region)), closedKey
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: delegated})
		}, nil, []string{"writer loses writes 0"}, []string{role("writer") + " would lose access: it writes"}},
		"who may write, and not under the key that it has": {[]inventory.Principal{principal("writer", writing)}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts = secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: delegated})
		}, nil, nil, nil},
		"who may write, in a copy": {[]inventory.Principal{principal("writer", writing)}, nil, func(q *migration.Question) { q.Replica = true }, nil, nil},
		"who may write, and changes the secret": {[]inventory.Principal{principal("writer", writing), principal("zzz", writing)}, nil, func(q *migration.Question) { q.Changer = role("writer") }, []string{"zzz loses writes 0"},
			[]string{role("zzz") + " would lose access: it writes", "the role writer lacks kms:Decrypt", "the role writer lacks kms:Encrypt", "the role writer lacks kms:GenerateDataKey"}},
		"seen, and may not any more": {[]inventory.Principal{principal("app", none)}, nil, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting(arn("db"), "app", region, shop, last)}
		}, []string{"app unknown seen 2"}, []string{role("app") + " may lose access: it reads, last at "}},
		"one whom the key keeps out, before one whom it lets in": {[]inventory.Principal{principal("aaa", may(true)), principal("zzz", may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts = secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: strings.Replace(closedKey, "role/KeyAdmin", "role/zzz", 1)})
		}, nil, []string{"zzz keeps allowed 0"}, nil},
		"seen, and the key keeps it out by now": {[]inventory.Principal{principal("app", may(true))}, keptOut, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting(arn("db"), "app", region, shop, last)}
		}, []string{"app unknown seen 2"}, []string{role("app") + " may lose access: it reads, last at "}},
		"a rotation that the key keeps out by now": {[]inventory.Principal{principal("rotator", may(true))}, func(s *inventory.Snapshot) { keptOut(s); rotating(s) }, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
		}, []string{"rotator keeps rotation 0"}, nil},
		"a rotation that was seen, and the key keeps it out by now": {[]inventory.Principal{principal("rotator", may(true))}, func(s *inventory.Snapshot) { keptOut(s); rotating(s) }, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
			q.Seen = []migration.Sighting{sighting(arn("db"), "rotator", region, shop, last)}
		}, []string{"rotator keeps rotation,seen 2"}, nil},
		"a rotation that may not read": {[]inventory.Principal{principal("rotator", none)}, rotating, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
		}, []string{"rotator cannot rotation 0"}, nil},
		"a rotation that may make data keys alone": {[]inventory.Principal{principal("rotator", strings.Replace(onlyDecrypt, "kms:Decrypt", "kms:GenerateDataKey", 1))}, rotating, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
		}, []string{"rotator loses allowed,rotation 0"}, []string{role("rotator") + " would lose access"}},
		"the role of the rotation": {[]inventory.Principal{principal("rotator", may(true))}, rotating, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
		}, []string{"rotator keeps allowed,rotation 0"}, nil},
		"a rotation that may not make data keys": {[]inventory.Principal{principal("rotator", onlyDecrypt)}, rotating, func(q *migration.Question) {
			q.Functions = map[string]string{function: role("rotator")}
		}, []string{"rotator loses allowed,rotation 0"}, []string{role("rotator") + " would lose access"}},
		"a reader that may not make data keys": {[]inventory.Principal{principal("app", onlyDecrypt)}, nil, nil, []string{"app keeps allowed 0"}, nil},
		"a rotation whose role is not known":   {nil, rotating, nil, []string{function + " unknown rotation 0"}, []string{function + " may lose access: the role of the rotation function"}},
		"a rotation whose role has no name": {nil, rotating, func(q *migration.Question) {
			q.Functions = map[string]string{function: ""}
		}, []string{function + " unknown rotation 0"}, []string{function + " may lose access: the role of the rotation function"}},
		"a rotation that is off":                            {nil, func(s *inventory.Snapshot) { rotating(s); s.Secrets[0].Facts.RotationEnabled = false }, nil, nil, nil},
		"an external secret, whose role may make data keys": {[]inventory.Principal{principal("rotator", may(true))}, external, nil, []string{"rotator keeps allowed,rotation 0"}, nil},
		"an external secret, whose role may not": {[]inventory.Principal{principal("rotator", onlyDecrypt)}, external, nil,
			[]string{"rotator loses allowed,rotation 0"}, []string{role("rotator") + " would lose access"}},
		"a rotation by the service": {nil, func(s *inventory.Snapshot) { rotating(s); s.Secrets[0].Facts.RotationLambdaARN = "" }, nil, nil, nil},
		"of another account, under its own key": {[]inventory.Principal{elsewhere(may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Policy, s.Secrets[0].Facts = sharing, secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
		}, nil, []string{etl + " loses cross-account,allowed 0"}, []string{etl + " would lose access"}},
		"of another account, under the AWS managed key": {[]inventory.Principal{elsewhere(may(true))}, func(s *inventory.Snapshot) { s.Secrets[0].Policy = sharing }, nil, nil, nil},
		"of another account, whom the secret does not let in": {[]inventory.Principal{elsewhere(may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts = secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
		}, nil, nil, nil},
		"of another account, behind one whom the key does not let in": {[]inventory.Principal{principal("app", may(true)), elsewhere(may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Policy, s.Secrets[0].Facts = sharing, secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
		}, nil, []string{etl + " loses cross-account,allowed 0"}, []string{etl + " would lose access"}},
		"seen, and the key denies it by now": {[]inventory.Principal{principal("app", may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts = secret("db", cmk("old", region))
			denies := strings.Replace(delegated, `{"Effect"`, `{"Effect":"Deny","Principal":{"AWS":"`+role("app")+`"},"Action":"kms:Decrypt","Resource":"*"},{"Effect"`, 1)
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: denies})
		}, func(q *migration.Question) {
			q.Seen = []migration.Sighting{sighting(arn("db"), "app", region, shop, last)}
		}, []string{"app unknown seen 2"}, []string{role("app") + " may lose access: it reads, last at "}},
		"of the account, whom the key does not let in": {[]inventory.Principal{principal("app", may(true))}, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts = secret("db", cmk("old", region))
			s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
		}, nil, nil, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := org(c.readers...)
			s.Accounts = append(s.Accounts, inventory.Account{ID: data})
			if c.world != nil {
				c.world(&s)
			}
			found := assess(t, s, c.question)
			var got []string
			for _, r := range found.Readers {
				var sources []string
				for _, source := range r.Sources {
					sources = append(sources, string(source))
				}
				got = append(got, strings.TrimPrefix(r.Principal, "arn:aws:iam::"+shop+":role/")+" "+string(r.Verdict)+" "+sortedList(sources)+" "+string(rune('0'+r.Reads)))
				if r.Reads > 0 && !r.LastSeen.Equal(last) {
					t.Errorf("%s was last seen %s", r.Principal, r.LastSeen)
				}
			}
			for i, w := range c.want {
				parts := strings.Split(w, " ")
				parts[2] = sortedList(strings.Split(parts[2], ","))
				c.want[i] = strings.Join(parts, " ")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("readers (-want +got):\n%s", diff)
			}
			if len(found.Problems) != len(c.problems) {
				t.Fatalf("problems %q, want %q", found.Problems, c.problems)
			}
			for i, p := range found.Problems {
				if !strings.HasPrefix(p, c.problems[i]) {
					t.Errorf("problem %q, want %q", p, c.problems[i])
				}
			}
		})
	}
}

// Which right a use takes is said of whoever does more than read the current version.
func TestWhatAUserWouldLoseSaysWhichUseTakesWhichRight(t *testing.T) {
	rotated := org(principal("rotator", strings.Replace(may(true), `,"kms:GenerateDataKey"`, "", 1)))
	rotated.Secrets[0].Facts.RotationEnabled, rotated.Secrets[0].Facts.RotationRoleARN = true, role("rotator")
	for want, s := range map[string]inventory.Snapshot{
		role("app") + " would lose access": org(principal("app", may(false))),
		role("rotator") + " would lose access: it rotates, which takes kms:Decrypt and kms:GenerateDataKey from the re-key on": rotated,
	} {
		found := assess(t, s, nil)
		if len(found.Problems) != 1 || found.Problems[0] != want {
			t.Errorf("%q, want %q", found.Problems, want)
		}
		for _, r := range found.Readers {
			if more := r.Principal == role("rotator"); strings.HasPrefix(r.Why, "it rotates, which takes kms:GenerateDataKey from the re-key on: ") != more || strings.HasPrefix(r.Why, "not allowed: ") == more {
				t.Errorf("%s: %s", r.Principal, r.Why)
			}
		}
	}
}

// A reader is judged by its worst use, whichever comes first, and by the right that ends first.
func TestAReaderIsJudgedByItsWorstUse(t *testing.T) {
	const ends = "2026-12-24T00:00:00Z"
	until := func(of, always string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecret",` + always + `],"Resource":"*"},
			{"Effect":"Allow","Action":[` + of + `],"Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"` + ends + `"}}}]}`
	}
	for sentence, c := range map[string]struct {
		policy string
		does   migration.Does
		reads  []string // versions
		want   migration.Verdict
		until  string
	}{
		"the current version, and then one that takes no right": {may(false), "", []string{"", "v0"}, migration.Loses, ""},
		"one that takes no right, and then the current version": {may(false), "", []string{"v0", ""}, migration.Loses, ""},
		"reads until a date, and writes":                        {until(`"kms:Decrypt"`, `"kms:GenerateDataKey","kms:Encrypt"`), migration.Writes, []string{""}, migration.Keeps, ends},
		"writes until a date, and reads":                        {until(`"kms:GenerateDataKey"`, `"kms:Decrypt","kms:Encrypt"`), migration.Writes, []string{""}, migration.Keeps, ends},
		"updates, which the last of its rights ends":            {until(`"kms:Encrypt"`, `"kms:GenerateDataKey","kms:Decrypt"`), migration.Updates, []string{""}, migration.Keeps, ends},
		"updates, which the first of its rights ends":           {until(`"kms:GenerateDataKey"`, `"kms:Encrypt","kms:Decrypt"`), migration.Updates, []string{""}, migration.Keeps, ends},
		"updates, and no right ends":                            {until(`"kms:Sign"`, `"kms:GenerateDataKey","kms:Encrypt","kms:Decrypt"`), migration.Updates, []string{""}, migration.Keeps, ""},
	} {
		s := org(principal("app", c.policy))
		s.Secrets[0].Facts.Versions = append(s.Secrets[0].Facts.Versions, guard.Version{ID: "v0", Keys: []guard.Key{managed()}})
		found := assess(t, s, func(q *migration.Question) {
			for _, version := range c.reads {
				by := seen("app")
				by.Does, by.Version = c.does, version
				q.Seen = append(q.Seen, by)
			}
		})
		r, until := found.Readers[0], ""
		if !r.Until.IsZero() {
			until = r.Until.Format(time.RFC3339)
		}
		if r.Verdict != c.want || until != c.until {
			t.Errorf("%s: %s until %q, want %s until %q", sentence, r.Verdict, until, c.want, c.until)
		}
	}
}

// Each version that somebody reads is a use of its own, and is counted as often as it was seen.
func TestUsesOfOneVersionAreCountedTogether(t *testing.T) {
	of := func(version string) migration.Sighting {
		s := seen("app")
		s.Version = version
		return s
	}
	found := assess(t, org(principal("app", may(true))), func(q *migration.Question) {
		q.Seen = []migration.Sighting{of("AWSPREVIOUS"), of(""), of("AWSPREVIOUS")}
	})
	got := map[string]int{}
	for _, u := range found.Readers[0].Uses {
		got[u.Version] += u.Seen
	}
	if diff := cmp.Diff(map[string]int{"": 9, "AWSPREVIOUS": 18}, got); diff != "" || len(found.Readers[0].Uses) != 2 || found.Readers[0].Reads != 27 {
		t.Errorf("%d uses (-want +got):\n%s", len(found.Readers[0].Uses), diff)
	}
}

func sortedList(words []string) string {
	for i := range words {
		for k := i + 1; k < len(words); k++ {
			if words[k] < words[i] {
				words[i], words[k] = words[k], words[i]
			}
		}
	}
	return strings.Join(words, ",")
}

// What keeps the change from taking is found before it: UpdateSecret answers success and re-encrypts nothing.
func TestWhatKeepsAChangeFromTaking(t *testing.T) {
	const noDecrypt = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:UpdateSecret","kms:GenerateDataKey","kms:Encrypt"],"Resource":"*"}]}`
	const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:*","secretsmanager:UpdateSecret"],"Resource":"*"}]}`
	old, far := cmk("old", region), cmk("zzz", region)
	under := func(state guard.KeyState, policy string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			k := old
			k.State = state
			s.Secrets[0].Facts = secret("db", k)
			s.Keys = append(s.Keys, inventory.Key{Facts: far, Policy: closedKey}, inventory.Key{Facts: k, Policy: policy})
		}
	}
	changer := role("doublelock-change")
	for sentence, c := range map[string]struct {
		policy   string
		world    func(*inventory.Snapshot)
		question func(*migration.Question)
		want     []string
	}{
		"nothing": {everything, nil, nil, nil},
		"the role may not decrypt with the new key": {noDecrypt, nil, nil, []string{"lacks kms:Decrypt on " + cmk("new", region).ARN}},
		"nor with the old one":                      {noDecrypt, under(guard.KeyEnabled, delegated), nil, []string{"lacks kms:Decrypt on " + cmk("new", region).ARN, "lacks kms:Decrypt on " + old.ARN}},
		"with the old one alone it may not":         {everything, under(guard.KeyEnabled, closedKey), nil, []string{"lacks kms:Decrypt on " + old.ARN}},
		"its old key is off":                        {everything, under(guard.KeyDisabled, delegated), nil, []string{"its key " + old.ARN + " is in state Disabled"}},
		"the state of its old key is not known":     {everything, under(guard.KeyStateUnknown, delegated), nil, nil},
		"it is a copy, whose key is set as well":    {noDecrypt, nil, func(q *migration.Question) { q.Replica = true }, []string{"lacks kms:Decrypt on " + cmk("new", region).ARN}},
		"it is under the new key already":           {noDecrypt, func(s *inventory.Snapshot) { s.Secrets[0].Facts = secret("db", cmk("new", region)) }, nil, nil},
		"it may not go back to its old key": {strings.Replace(everything, `[{`, `[{"Effect":"Deny","Action":["kms:Encrypt","kms:GenerateDataKey"],"Resource":"`+old.ARN+`"},{`, 1), under(guard.KeyEnabled, delegated), nil,
			[]string{"going back would be refused: the role doublelock-change lacks kms:Encrypt on " + old.ARN, "going back would be refused: the role doublelock-change lacks kms:GenerateDataKey on " + old.ARN}},
		"it may not, and its old key is the first": {strings.Replace(everything, `[{`, `[{"Effect":"Deny","Action":"kms:Encrypt","Resource":"`+old.ARN+`"},{`, 1), func(s *inventory.Snapshot) {
			under(guard.KeyEnabled, delegated)(s)
			slices.Reverse(s.Keys)
		}, func(q *migration.Question) { q.Target = inventory.Key{Facts: cmk("new", region), Policy: delegated} }, []string{"going back would be refused: the role doublelock-change lacks kms:Encrypt on " + old.ARN}},
		"it may set none but the new key": {strings.Replace(everything, `[{`, `[{"Effect":"Deny","Action":"secretsmanager:UpdateSecret","Resource":"*","Condition":{"StringNotEquals":{"secretsmanager:KmsKeyArn":"`+cmk("new", region).ARN+`"}}},{`, 1), under(guard.KeyEnabled, delegated), nil,
			[]string{"going back would be refused: the role doublelock-change may not call UpdateSecret on " + arn("db")}},
		"nobody knows its old key, where it would go back to": {everything, func(s *inventory.Snapshot) {
			under(guard.KeyEnabled, delegated)(s)
			s.Keys = s.Keys[:len(s.Keys)-1]
		}, nil, nil},
		"a version that no re-key takes along is not asked for": {everything, func(s *inventory.Snapshot) {
			s.Secrets[0].Facts.Versions = append(s.Secrets[0].Facts.Versions, guard.Version{ID: "v0", Stages: []string{"last-year"}, Keys: []guard.Key{old}})
			s.Keys = append(s.Keys, inventory.Key{Facts: old, Policy: closedKey})
		}, nil, nil},
		"it may not set a key":            {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`, nil, nil, []string{"may not call UpdateSecret on " + arn("db")}},
		"the role of tags may not tag":    {everything, nil, func(q *migration.Question) { q.Tagger = changer }, []string{"may not call TagResource on " + arn("db"), "may not call UntagResource on " + arn("db")}},
		"a role of tags that nobody read": {everything, nil, func(q *migration.Question) { q.Tagger = role("nobody") }, nil},
		"a copy takes the primary's tags": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:*","secretsmanager:UpdateSecret","secretsmanager:RemoveRegionsFromReplication","secretsmanager:ReplicateSecretToRegions"],"Resource":"*"}]}`,
			func(s *inventory.Snapshot) { s.Secrets[0].Facts.PrimaryRegion = other }, func(q *migration.Question) { q.Tagger, q.Replica = changer, true }, nil},
		"nobody is asked for the role":    {may(true), nil, func(q *migration.Question) { q.Changer = "" }, nil},
		"the role is not in the snapshot": {may(true), nil, func(q *migration.Question) { q.Changer = role("nobody") }, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := org(principal("doublelock-change", c.policy))
			if c.world != nil {
				c.world(&s)
			}
			found := assess(t, s, func(q *migration.Question) {
				q.Changer = changer
				if c.question != nil {
					c.question(q)
				}
			})
			if len(found.Problems) != len(c.want) {
				t.Fatalf("problems %q, want %q", found.Problems, c.want)
			}
			for i, p := range found.Problems {
				if !strings.Contains(p, c.want[i]) {
					t.Errorf("problem %q, want %q", p, c.want[i])
				}
			}
		})
	}
}

// The cost counts each key that is paid for, a single time, and those that stay until their last copy is gone.
func TestWhatThePlannedKeysCost(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Accounts[0].Regions = []string{region, other}
	old, far := cmk("old", region), cmk("oldfar", other)
	old.Aliases, far.Aliases = nil, nil
	old.State = guard.KeyDisabled // which makes another key its target
	s.Secrets[0].Facts = secret("db", old)
	s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: other, KeyID: far.ARN, Key: guard.Key{ARN: far.ARN, Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Account: data, Region: other}}}
	s.Keys = append(s.Keys, inventory.Key{Facts: old, Policy: delegated}, inventory.Key{Facts: cmk("newfar", other), Policy: delegated})
	for days, want := range map[int]migration.Cost{
		30: {Prices: migration.ListPrices, KeysBefore: 2, KeysAfter: 2, Requests: 1_000_000, Before: 5, After: 5, StillOldKeys: 2},
		0:  {Prices: migration.ListPrices, KeysBefore: 2, KeysAfter: 2, Before: 2, After: 2, StillOldKeys: 2},
	} {
		f := facts(s)
		f.LookBack = days
		f.Seen = []migration.Sighting{{Secret: arn("db"), Principal: role("app"), Count: 400_000}, {Secret: arn("db"), Principal: role("app"), Count: 600_000}}
		if diff := cmp.Diff(want, planOf(t, f).Cost); diff != "" {
			t.Errorf("%d days (-want +got):\n%s", days, diff)
		}
	}
}

// The statements that are offered as code name the secret, the key and the reader as each tool takes them.
func TestFixesAsCode(t *testing.T) {
	s := org(principal("app", may(false)))
	s.Secrets[0].Facts = secret("amzAMZ059/@[`{", managed())
	byIdentity := assess(t, s, nil).Readers[0].Fix
	if byIdentity.Kind != migration.FixIdentity || !strings.HasPrefix(byIdentity.Terraform, `resource "aws_iam_role_policy" "read_amzamz059_____" {`) || strings.Contains(byIdentity.Terraform, "principals") {
		t.Errorf("in IAM: %s\n%s", byIdentity.Kind, byIdentity.Terraform)
	}
	if want := "reader.addToPrincipalPolicy(new iam.PolicyStatement({\n  actions: ['kms:Decrypt'],\n  resources: ['" + s.Keys[0].Facts.ARN + "'],\n  conditions: " +
		"{ StringEquals: { 'kms:ViaService': 'secretsmanager." + region + ".amazonaws.com', 'kms:EncryptionContext:SecretARN': '" + s.Secrets[0].Facts.ARN + "' } },\n}));\n"; byIdentity.CDK != want {
		t.Errorf("for the CDK:\n%s\nwant:\n%s", byIdentity.CDK, want)
	}
	s = org(principal("app", may(true)))
	s.Keys[0].Policy = closedKey
	byKey := assess(t, s, nil).Readers[0].Fix
	if byKey.Kind != migration.FixKey || !strings.HasPrefix(byKey.Terraform, "# add to the policy document of ") || !strings.Contains(byKey.Terraform, `identifiers = ["`+role("app")+`"]`) {
		t.Errorf("at the key: %s\n%s", byKey.Kind, byKey.Terraform)
	}
	s = org(elsewhere(may(false)))
	s.Accounts = append(s.Accounts, inventory.Account{ID: data})
	s.Secrets[0].Policy, s.Secrets[0].Facts = sharing, secret("db", cmk("old", region))
	s.Keys[0].Policy = closedKey
	s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
	both := assess(t, s, nil).Readers[0].Fix
	if both.Kind != migration.FixBoth || !strings.Contains(both.Terraform, "}\n\n# add to the policy document of ") || strings.HasPrefix(both.Terraform, "\n") {
		t.Errorf("both: %s\n%s", both.Kind, both.Terraform)
	}
	if len(byIdentity.KeyPolicy) > 0 || len(byKey.Identity) > 0 || len(byIdentity.Identity) == 0 || len(byKey.KeyPolicy) == 0 || len(both.Identity) == 0 || len(both.KeyPolicy) == 0 {
		t.Errorf("statements %s %s, %s %s, %s %s", byIdentity.Identity, byIdentity.KeyPolicy, byKey.Identity, byKey.KeyPolicy, both.Identity, both.KeyPolicy)
	}
	user := principal("ana", may(false))
	user.ARN, user.Kind = "arn:aws:iam::"+shop+":user/ana", inventory.User
	if fix := assess(t, org(user), nil).Readers[0].Fix; !strings.HasPrefix(fix.Terraform, `resource "aws_iam_user_policy" "read_db" {`) {
		t.Errorf("of a user:\n%s", fix.Terraform)
	}
}

// A statement is offered where it helps beside all that the policy says already.
func TestAFixIsTriedBesideWhatThePolicySays(t *testing.T) {
	const denies = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}`
	for sentence, c := range map[string]struct {
		policy string
		want   migration.FixKind
	}{
		"a policy that denies it":         {denies, migration.FixNone},
		"one that says nothing":           {`{"Version":"2012-10-17","Statement":[]}`, migration.FixKey},
		"one that says one thing":         {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/KeyAdmin"},"Action":"kms:*","Resource":"*"}}`, migration.FixKey},
		"one that says one thing against": {strings.NewReplacer("[", "", "]", "").Replace(denies), migration.FixNone},
	} {
		s := org(principal("app", may(true)))
		s.Keys[0].Policy = c.policy
		if fix := assess(t, s, nil).Readers[0].Fix; fix.Kind != c.want || fix.Kind == migration.FixNone && !strings.HasPrefix(fix.Why, "no added statement helps: ") {
			t.Errorf("%s: %s (%s)", sentence, fix.Kind, fix.Why)
		}
	}
	s := org(principal("app", ""))
	s.Principals[0].Inline, s.Principals[0].Managed = nil, []string{"arn:aws:iam::111122223333:policy/read"}
	s.Managed = map[string]string{"arn:aws:iam::111122223333:policy/read": may(false)}
	if fix := assess(t, s, nil).Readers[0].Fix; fix.Kind != migration.FixIdentity {
		t.Errorf("a role without a policy of its own: %s (%s)", fix.Kind, fix.Why)
	}
}

// What a reader that was seen and is kept out lacks under the new key is offered; where it lacks nothing, nothing is.
func TestAReaderThatIsKeptOutGetsBackWhatTheNewKeyLacks(t *testing.T) {
	for policy, fixed := range map[string]bool{delegated: false, closedKey: true} {
		s := org(principal("app", may(true)))
		s.Secrets[0].Facts = secret("db", cmk("old", region))
		s.Keys[0].Policy = policy
		s.Keys = append(s.Keys, inventory.Key{Facts: cmk("old", region), Policy: closedKey})
		r := assess(t, s, func(q *migration.Question) { q.Seen = []migration.Sighting{seen("app")} }).Readers[0]
		if r.Verdict != migration.Unknown || (r.Fix != nil) != fixed {
			t.Errorf("%s, fix %+v", r.Verdict, r.Fix)
		}
	}
}

func TestAnAWSManagedKeyCostsNothing(t *testing.T) {
	s := org(principal("app", may(true)))
	s.Secrets[0].Facts.Key.ARN = "arn:aws:kms:" + region + ":" + shop + ":key/aws"
	if c := planOf(t, facts(s)).Cost; c.KeysBefore != 0 || c.KeysAfter != 1 {
		t.Errorf("%+v", c)
	}
}

// What can be undone how is said before anything is done.
func TestWhatCanBeUndoneIsSaidBefore(t *testing.T) {
	const last = "after a new version: it opens with the new key alone, so going back needs the right to decrypt with that key, or a new version"
	first := func(key string) string {
		return "until the first new version: UpdateSecret sets " + key + " again, and the tags as they were; the copies under the new key stay beside it"
	}
	old, off := cmk("old", region), cmk("old", region)
	off.State = guard.KeyDisabled
	old.Account = data // which makes another key its target
	aws := managed()
	aws.ARN = "arn:aws:kms:" + region + ":" + shop + ":key/aws"
	for sentence, c := range map[string]struct {
		under  guard.Key
		rotate bool
		want   []string
	}{
		"the AWS managed key":         {managed(), false, []string{first("the AWS managed key"), last}},
		"the AWS managed key by ARN":  {aws, false, []string{first("the AWS managed key"), last}},
		"a key of theirs":             {old, false, []string{first(old.ARN), last}},
		"a key of theirs that is off": {off, false, []string{first(off.ARN), last, "not at all, as long as the key it comes from is Disabled"}},
		"a secret that rotates":       {managed(), true, []string{first("the AWS managed key"), last, "a rotation changes the credential itself: that is not undone"}},
	} {
		s := org(principal("app", may(true)))
		s.Secrets[0].Facts = secret("db", c.under)
		s.Secrets[0].Facts.RotationEnabled, s.Secrets[0].Facts.Versions[0].Keys = c.rotate, []guard.Key{c.under, managed()}
		f := facts(s)
		f.Begun = map[string]migration.Before{}
		if diff := cmp.Diff(c.want, planOf(t, f).Items[0].Undo); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}
