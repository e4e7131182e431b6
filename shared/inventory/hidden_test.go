package inventory_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// What was not read may hold principals, grants or policies: whoever could be among them is unknown, and said to be.
func TestReadersWhereSomethingWasNotRead(t *testing.T) {
	const anyOfShop, anyOfData = "anybody in account " + shop, "anybody in account " + data
	const anyOfOwn = "anybody in those accounts of organization o-exampleorg that were not read"
	unread := func(account string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: account, Why: "no role"})
			s.Principals = without(s.Principals, account)
		}
	}
	alone := func(s *inventory.Snapshot) { // as doublelock inventory --own --account writes it where the management account is not asked for
		s.Accounts, s.Principals = s.Accounts[:1], without(s.Principals, data)
	}
	lets := func(condition string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{` + condition + `}}`)
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
		}
	}
	own := lets(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`)
	paths := func(of string) func(*inventory.Snapshot) {
		return lets(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"` + of + `"}`)
	}
	grantless := func(s *inventory.Snapshot) {
		s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::555566667777:root","arn:aws:iam::111122223333:root"],"Service":"backup.amazonaws.com"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
		s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + roleARN(shop, "admin") + `"},"Action":"kms:PutKeyPolicy","Resource":"*"}`)
	}
	for sentence, tt := range map[string]struct {
		change []func(*inventory.Snapshot)
		want   []string // beside those of the snapshot
		blind  []string
	}{
		"all was read": {},
		"the secret's own account, whose identity policies alone may allow it":              {[]func(*inventory.Snapshot){unread(shop)}, []string{anyOfShop}, []string{"principals " + shop}},
		"the own organization, all read":                                                    {[]func(*inventory.Snapshot){own}, nil, nil},
		"the own organization, one account not":                                             {[]func(*inventory.Snapshot){own, unread(data)}, []string{anyOfData}, []string{"principals " + data}},
		"the own organization, without its management account, which is always one of it":   {[]func(*inventory.Snapshot){own, alone}, []string{anyOfOwn}, []string{"organization "}},
		"its accounts by their paths, one of which was not read":                            {[]func(*inventory.Snapshot){paths("o-exampleorg/r-ab12/ou-ab12-apps0001/*"), unread(data)}, []string{anyOfData + ", whose aws:PrincipalOrgPaths fits ForAnyValue:StringLike o-exampleorg/r-ab12/ou-ab12-apps0001/*"}, []string{"principals " + data}},
		"its accounts by other paths than the one that was not read":                        {[]func(*inventory.Snapshot){paths("o-exampleorg/r-ab12/ou-other/*"), unread(data)}, nil, []string{"principals " + data}},
		"an account of the own organization, which was not read":                            {[]func(*inventory.Snapshot){lets(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","aws:PrincipalAccount":"` + data + `"}`), unread(data)}, []string{anyOfData + ", whose aws:PrincipalOrgID is o-exampleorg"}, []string{"principals " + data}},
		"an account that may be of the own organization, since not all of it is held":       {[]func(*inventory.Snapshot){lets(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","aws:PrincipalAccount":"777788889999"}`), alone}, []string{"anybody in account 777788889999, whose aws:PrincipalOrgID is o-exampleorg"}, nil},
		"an account that is not of the own organization, all of which is held":              {[]func(*inventory.Snapshot){lets(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","aws:PrincipalAccount":"777788889999"}`)}, nil, nil},
		"own and foreign organizations":                                                     {[]func(*inventory.Snapshot){lets(`"StringEquals":{"aws:PrincipalOrgID":["o-exampleorg","o-partner"]}`), unread(data)}, []string{anyOfData, "anybody in organization o-partner"}, []string{"principals " + data}},
		"the world, where all but the own organization is denied":                           {[]func(*inventory.Snapshot){denyOthers}, nil, nil},
		"the world, where all but the own organization is denied, of which one is not read": {[]func(*inventory.Snapshot){denyOthers, unread(data)}, []string{"anybody in any AWS account"}, []string{"principals " + data}},
		"grants of the key, which may be to anybody: an account, a service":                 {[]func(*inventory.Snapshot){grantless, func(s *inventory.Snapshot) { s.Keys[0].GrantsUnread = "access denied" }}, []string{"anybody in account 555566667777", "backup.amazonaws.com"}, nil},
		"the grants were read, and there is none":                                           {[]func(*inventory.Snapshot){grantless}, nil, nil},
		"a replica of another Region":                                                       {[]func(*inventory.Snapshot){func(s *inventory.Snapshot) { s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: "eu-west-1"}} }}, []string{"anybody who opens the copy arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-AbCdEf"}, []string{"secrets " + shop}},
		"a part that has no Region, with one": {[]func(*inventory.Snapshot){func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: shop, Region: region, Why: "no role"}}
		}}, []string{anyOfShop}, []string{"principals " + shop}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			for _, change := range tt.change {
				change(&s)
			}
			inside := map[string]bool{}
			for _, p := range s.Principals {
				inside[p.ARN] = true
			}
			readers, blind, err := inventory.Prepare(s).ReadersOfCopies(secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			var got, parts []string
			for _, r := range readers {
				switch {
				case inside[r.Principal] || r.Answer == no:
				case r.Answer != may:
					t.Errorf("%s: %s", r.Principal, r.Answer)
				default:
					got = append(got, r.Principal)
				}
			}
			for _, u := range blind {
				parts = append(parts, string(u.Part)+" "+u.Account)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.blind, parts); diff != "" {
				t.Error("what hides readers: " + diff)
			}
		})
	}
}

func denyOthers(s *inventory.Snapshot) {
	s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`,
		`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`)
	s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
}

// Whoever opens a secret when all is seen, itself or in steps, is among those who open it or may when less is seen: by name, or in the
// people of an account that was not read.
func TestNobodyHidesInWhatWasNotRead(t *testing.T) {
	s := acme()
	s.Principals = append(s.Principals, trusting("entry", `{"AWS":"`+data+`"}`, allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")),
		role(data, "caller", allow("sts:AssumeRole", roleARN(shop, "entry"))))
	lets := document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`)
	s.Secrets[0].Policy = lets
	s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
	seen := map[string][]string{} // who opens each secret
	for _, of := range s.Secrets {
		seen[of.Facts.ARN] = slices.Sorted(maps.Keys(opening(t, inventory.Prepare(s), of.Facts.ARN)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		less := s
		less.Principals, less.Accounts = slices.Clone(s.Principals), slices.Clone(s.Accounts)
		less.Secrets, less.Keys = slices.Clone(s.Secrets), slices.Clone(s.Keys)
		blinded(rt, &less)
		if rapid.Bool().Draw(rt, "one account alone") {
			less.Accounts, less.Principals = less.Accounts[:1], without(less.Principals, data)
		}
		access := inventory.Prepare(less)
		at := rapid.SampledFrom(less.Secrets).Draw(rt, "secret").Facts.ARN
		found := opening(t, access, at)
		for _, who := range seen[at] {
			p, err := policy.ParsePrincipal(who)
			if err != nil || found[who] {
				continue
			}
			held := slices.ContainsFunc(less.Principals, func(of inventory.Principal) bool { return of.ARN == who })
			covered := slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(name string) bool {
				return strings.HasPrefix(name, "anybody in account "+p.Account) || !held && (strings.HasPrefix(name, "anybody whom ") ||
					strings.HasPrefix(name, "anybody in organization ") || strings.HasPrefix(name, "anybody in those accounts ") || strings.HasPrefix(name, "anybody in any "))
			})
			if !covered {
				rt.Errorf("%s opens %s, and nobody of %v is it (%v)", who, at, slices.Sorted(maps.Keys(found)), less.Unread)
			}
		}
	})
}

// opening are those who open a secret or may, themselves or in steps.
func opening(t *testing.T, access *inventory.Access, secret string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	readers, _, err := access.ReadersOfCopies(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		if r.Answer != no {
			found[r.Principal] = true
		}
	}
	paths, err := access.ReachersOf(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		found[p.Principal] = true
	}
	return found
}
