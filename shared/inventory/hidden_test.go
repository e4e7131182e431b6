package inventory_test

import (
	"fmt"
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

// Accounts that the snapshot does not hold may have secrets, and roles, for whoever may read or take any.
func TestWhatMissingAccountsHoldIsNotRuledOut(t *testing.T) {
	for sentence, tt := range map[string]struct {
		statements []string
		want       []string // what is unseen
	}{
		"reading one secret of its own account": {[]string{allow("secretsmanager:GetSecretValue", secretARN("shop/db"))}, nil},
		"reading any secret":                    {[]string{allow("secretsmanager:GetSecretValue", "*")}, []string{"any secret of the accounts of o-exampleorg that were not read"}},
		"reading any secret of a name":          {[]string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:shop/*")}, []string{"any secret of the accounts of o-exampleorg that were not read"}},
		"reading all but some":                  {[]string{`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","NotResource":"` + secretARN("shop/legacy") + `"}`}, []string{"any secret of the accounts of o-exampleorg that were not read"}},
		"describing any secret":                 {[]string{allow("secretsmanager:DescribeSecret", "*")}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, role(shop, "probe", tt.statements...))
			whole, err := inventory.Prepare(s).Elsewhere(probeARN, nil)
			if err != nil || len(whole.Unseen) > 0 {
				t.Errorf("all is held: %q, %v", whole.Unseen, err)
			}
			s.Accounts = s.Accounts[:2] // the management account is missing
			access := inventory.Prepare(s)
			less, err := access.Elsewhere(probeARN, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, less.Unseen); diff != "" {
				t.Error(diff)
			}
			can, err := access.Can(probeARN)
			can.Unread = slices.DeleteFunc(can.Unread, func(u inventory.Unread) bool { return u.Part == inventory.PartSecrets }) // of Regions
			if err != nil || len(can.Unread) != len(tt.want) {
				t.Errorf("secrets that are not in the snapshot: %v, %v", can.Unread, err)
			}
		})
	}
}

// A session of sts:GetFederationToken has another ARN, type and name than its user: a policy that means the user does not mean it.
// Source: IAM User Guide, "AWS global condition context keys": aws:PrincipalArn, aws:PrincipalType.
func TestAUserGetsASessionThatADenyOfTheUserDoesNotMean(t *testing.T) {
	const bob = "arn:aws:iam::111122223333:user/bob"
	reads, token := []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")}, allow("sts:GetFederationToken", "*")
	asks := func(effect, condition string) string {
		return document(`{"Effect":"` + effect + `","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{` + condition + `}}`)
	}
	for sentence, tt := range map[string]struct {
		statements []string
		policy     string
		want       policy.Answer
		as         string
	}{
		"a deny of the user's ARN":                                       {append(reads, token), asks("Deny", `"ArnEquals":{"aws:PrincipalArn":"`+bob+`"}`), yes, "federated user of-its-choice"},
		"a deny of the user's ARN, without tokens":                       {reads, asks("Deny", `"ArnEquals":{"aws:PrincipalArn":"`+bob+`"}`), no, ""},
		"a deny of the user as principal, which is of its sessions, too": {append(reads, token), document(`{"Effect":"Deny","Principal":{"AWS":"` + bob + `"},"Action":"secretsmanager:*","Resource":"*"}`), no, ""},
		"a session by its ARN in a condition":                            {[]string{token, reads[1]}, asks("Allow", `"ArnEquals":{"aws:PrincipalArn":"arn:aws:sts::111122223333:federated-user/feed"}`), yes, "federated user feed"},
		"any such session":                                               {[]string{token, reads[1]}, asks("Allow", `"StringEquals":{"aws:PrincipalType":"FederatedUser","aws:PrincipalAccount":"111122223333"}`), yes, "federated user of-its-choice"},
		"a session of a name that it may not get":                        {[]string{allow("sts:GetFederationToken", "arn:aws:sts::111122223333:federated-user/other"), reads[1]}, asks("Allow", `"ArnEquals":{"aws:PrincipalArn":"arn:aws:sts::111122223333:federated-user/feed"}`), no, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, inventory.Principal{ARN: bob, Kind: inventory.User, Account: shop, Inline: map[string]string{"own": document(tt.statements...)}})
			s.Secrets[0].Policy = tt.policy
			access := inventory.Prepare(s)
			r, err := access.Explain(bob, secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			if r.Answer != tt.want || tt.as != "" && r.As != tt.as {
				t.Errorf("%s as %q, want %s as %q: %s", r.Answer, r.As, tt.want, tt.as, r.Why())
			}
			can, err := access.Can(bob)
			if err != nil || answerIn(can, secretARN("shop/db")) != tt.want {
				t.Errorf("in bulk %s, %v", answerIn(can, secretARN("shop/db")), err)
			}
		})
	}
}

// SCPs restrict no service-linked role, which its path says. A session's ARN leaves the path out: the role of the snapshot says it, and
// where the snapshot does not hold the role, it is not known.
// Source: IAM User Guide, "Create a service-linked role"; Organizations User Guide, "Tasks and entities not restricted by SCPs".
func TestASessionIsOfAServiceLinkedRoleByItsPath(t *testing.T) {
	const session = ":assumed-role/AWSServiceRoleForRDS/s1"
	for sentence, tt := range map[string]struct {
		account, path string
		held          bool
		want          policy.Answer
	}{
		"a role under the path":          {shop, "aws-service-role/rds.amazonaws.com/", true, yes},
		"a role of the name alone":       {shop, "", true, no},
		"a role that the snapshot lacks": {vendor, "", false, may},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Controls["p-noquarantine"] = inventory.Policy{Name: "none", Document: document(`{"Effect":"Deny","Action":"secretsmanager:*","Resource":"*"}`)}
			if tt.held {
				s.Principals = append(s.Principals, role(tt.account, tt.path+"AWSServiceRoleForRDS", allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")))
			}
			name := "arn:aws:sts::" + tt.account + session
			s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + name + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
			r, err := inventory.Prepare(s).Explain(name, secretARN("shop/db"))
			if err != nil || r.Answer != tt.want {
				t.Errorf("%s, want %s: %s %v", r.Answer, tt.want, r.Why(), err)
			}
		})
	}
}

// What kms:ViaService holds in China is on no page: a key policy that names one form lets in perhaps, one that names both or either does.
func TestWhichFormOfViaServiceIsThereInChinaIsNotKnown(t *testing.T) {
	for sentence, tt := range map[string]struct {
		condition string
		want      policy.Answer
	}{
		"the form of hosts there":     {`"StringEquals":{"kms:ViaService":"secretsmanager.cn-north-1.amazonaws.com.cn"}`, may},
		"the form of other Regions":   {`"StringEquals":{"kms:ViaService":"secretsmanager.cn-north-1.amazonaws.com"}`, may},
		"both":                        {`"StringEquals":{"kms:ViaService":["secretsmanager.cn-north-1.amazonaws.com","secretsmanager.cn-north-1.amazonaws.com.cn"]}`, yes},
		"any form":                    {`"StringLike":{"kms:ViaService":"secretsmanager.*"}`, yes},
		"another service":             {`"StringEquals":{"kms:ViaService":"s3.cn-north-1.amazonaws.com.cn"}`, no},
		"not through Secrets Manager": {`"StringNotLike":{"kms:ViaService":"secretsmanager.*"}`, no},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, role(shop, "probe", allow("secretsmanager:GetSecretValue", "*")))
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{` + tt.condition + `}}`)
			var file strings.Builder
			if err := inventory.Save(&file, s); err != nil {
				t.Fatal(err)
			}
			there, err := inventory.Load(strings.NewReader(strings.NewReplacer("arn:aws:", "arn:aws-cn:", region, "cn-north-1").Replace(file.String())))
			if err != nil {
				t.Fatal(err)
			}
			access := inventory.Prepare(there)
			of := strings.NewReplacer("arn:aws:", "arn:aws-cn:", region, "cn-north-1")
			for name, want := range map[string]policy.Answer{"shop/db": tt.want, "shop/legacy": yes} { // the AWS managed key names the service as it is
				secret, probe := of.Replace(secretARN(name)), of.Replace(probeARN)
				r, err := access.Explain(probe, secret)
				if err != nil || r.Answer != want {
					t.Errorf("%s: %s, want %s: %s %v", name, r.Answer, want, r.Why(), err)
				}
				if can, err := access.Can(probe); err != nil || answerIn(can, secret) != want {
					t.Errorf("%s in bulk: %s, want %s (%v)", name, answerIn(can, secret), want, err)
				}
			}
		})
	}
}

// Many accounts that were not read are one row, and a few are told apart.
func TestManyAccountsThatWereNotReadAreOneReader(t *testing.T) {
	for count, want := range map[int][]string{
		2: {"anybody in account 100000000000", "anybody in account 100000000001", "anybody whom a role of account 100000000000 that was not read lets in", "anybody whom a role of account 100000000001 that was not read lets in"},
		9: {"anybody in those accounts of organization o-exampleorg that were not read", "anybody whom a role of an account that was not read lets in"},
	} {
		s := acme()
		for i := range count {
			id := fmt.Sprintf("10000000%04d", i)
			s.Accounts = append(s.Accounts, inventory.Account{ID: id, Path: []string{"r-ab12"}})
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: id, Why: "not asked for"})
		}
		s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`)
		s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
		var got []string
		for name := range opening(t, inventory.Prepare(s), secretARN("shop/db")) {
			if !strings.HasPrefix(name, "arn:") {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d accounts: %s", count, diff)
		}
	}
}

// A grant gives on what it has, and no more: the use of the key, for the same encryption context.
// Source: KMS API Reference, CreateGrant; KMS Developer Guide, "Grants in AWS KMS".
func TestAGrantIsHandedOnUnderItsConstraints(t *testing.T) {
	for sentence, tt := range map[string]struct {
		operations []string
		subset     map[string]string
		want       bool
	}{
		"the use and grants":                         {[]string{"Decrypt", "CreateGrant"}, nil, true},
		"for the secret":                             {[]string{"Decrypt", "CreateGrant"}, map[string]string{"SecretARN": secretARN("shop/dual")}, true},
		"for another secret":                         {[]string{"Decrypt", "CreateGrant"}, map[string]string{"SecretARN": secretARN("shop/db")}, false},
		"for what Secrets Manager does not say":      {[]string{"Decrypt", "CreateGrant"}, map[string]string{"team": "blue"}, false},
		"grants without the use":                     {[]string{"CreateGrant"}, nil, false},
		"grants, with the use of another kind alone": {[]string{"CreateGrant", "Encrypt"}, nil, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Secrets = s.Secrets[2:3] // shop/dual
			s.Secrets[0].Facts.Versions[0].Keys = s.Secrets[0].Facts.Versions[0].Keys[:1]
			s.Principals = []inventory.Principal{role(shop, "grantor", allow("sts:AssumeRole", "*")), trusting("other", `{"AWS":"`+roleARN(shop, "grantor")+`"}`, allow("secretsmanager:GetSecretValue", "*"))}
			s.Keys[1].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + roleARN(shop, "admin") + `"},"Action":"kms:PutKeyPolicy","Resource":"*"}`)
			s.Keys[1].Grants = []inventory.Grant{{ID: "g", Grantee: roleARN(shop, "grantor"), Operations: tt.operations, Subset: tt.subset}}
			paths, err := inventory.Prepare(s).Reach(roleARN(shop, "grantor"))
			if err != nil || (len(paths) > 0) != tt.want {
				t.Errorf("%+v, %v", paths, err)
			}
		})
	}
}
