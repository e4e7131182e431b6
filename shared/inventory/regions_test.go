package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
)

// What a principal may read in a Region or account that nobody read is said, and what it certainly may not is none.
func TestARegionThatNobodyReadIsNotTakenForOneWithoutSecrets(t *testing.T) {
	others := "secrets of 111122223333: other Regions than eu-central-1 were not read"
	inAll := "secrets of : other Regions than eu-central-1 were not read in 3 accounts"
	inRegion := func(region string) string {
		return "secrets of 111122223333 in " + region + ": this Region was not read"
	}
	elsewhere := `{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-central-1"]}}}`
	alone := func(s *inventory.Snapshot) { s.Accounts = s.Accounts[:1]; s.Organization = inventory.Organization{} }
	for sentence, tc := range map[string]struct {
		statements []string
		change     func(*inventory.Snapshot)
		want       []string
	}{
		"reading by ARN where secrets were read":       {statements: []string{allow("secretsmanager:GetSecretValue", secretARN("vendor/acme"))}},
		"any secret of a Region that was read":         {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:*:secret:*")}},
		"a Region that was not":                        {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:*")}, want: []string{inRegion("us-east-1")}},
		"one secret there":                             {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbCdEf")}, want: []string{inRegion("us-east-1")}},
		"a Region that is not known":                   {statements: []string{allow("secretsmanager:*", "arn:aws:secretsmanager:eu-south-9:111122223333:secret:*")}, want: []string{inRegion("eu-south-9")}},
		"a Region of another partition":                {statements: []string{allow("secretsmanager:*", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:*")}},
		"everything":                                   {statements: []string{allow("*", "*")}, want: []string{inAll}},
		"all Regions, by a short pattern":              {statements: []string{allow("secretsmanager:Get*", "arn:aws:secretsmanager:*")}, want: []string{inAll}},
		"all Regions, by a * that runs past colons":    {statements: []string{allow("secretsmanager:Get*", "arn:aws:secretsmanager:*:secret:shop/*")}, want: []string{inAll}},
		"all but some":                                 {statements: []string{`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","NotResource":"` + secretARN("shop/db") + `"}`}, want: []string{inAll}},
		"secrets named like the user":                  {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:${aws:username}/*")}, want: []string{inRegion("us-east-1")}},
		"letting itself in":                            {statements: []string{allow("secretsmanager:PutResourcePolicy", "arn:aws:secretsmanager:us-*-2:111122223333:secret:*")}, want: []string{others}},
		"describing":                                   {statements: []string{allow("secretsmanager:DescribeSecret", "*")}},
		"everything where its statement names Regions": {statements: []string{`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-central-1"}}}`}},
		"everything but other Regions":                 {statements: []string{allow("*", "*"), elsewhere}},
		"everything where the organization denies other Regions": {statements: []string{allow("*", "*")}, change: func(s *inventory.Snapshot) {
			s.Controls["p-FullAWSAccess"] = inventory.Policy{Name: "Regions", Document: document(allow("*", "*"), elsewhere)}
		}},
		"everything within a boundary of one Region": {statements: []string{allow("*", "*")}, change: func(s *inventory.Snapshot) {
			s.Managed["arn:aws:iam::111122223333:policy/region"] = document(allow("*", "arn:aws:secretsmanager:eu-central-1:*:secret:*"))
			s.Principals[len(s.Principals)-1].Boundary = "arn:aws:iam::111122223333:policy/region"
		}},
		"everything within a boundary of some secrets of another": {statements: []string{allow("*", "*")}, want: []string{inRegion("us-east-1")}, change: func(s *inventory.Snapshot) {
			s.Managed["arn:aws:iam::111122223333:policy/region"] = document(allow("*", "arn:aws:secretsmanager:us-east-1:111122223333:secret:app-*"))
			s.Principals[len(s.Principals)-1].Boundary = "arn:aws:iam::111122223333:policy/region"
		}},
		"everything but what is not denied in another": {statements: []string{allow("*", "*"), `{"Effect":"Deny","Action":"secretsmanager:*","NotResource":["` + secretARN("vendor/acme") + `","arn:aws:secretsmanager:us-east-1:111122223333:secret:foo-*"]}`}, want: []string{inRegion("us-east-1")}},
		"everything but what the organization does not deny": {statements: []string{allow("*", "*")}, want: []string{inRegion("us-east-1")}, change: func(s *inventory.Snapshot) {
			s.Controls["p-FullAWSAccess"] = inventory.Policy{Name: "one", Document: document(allow("*", "*"), `{"Effect":"Deny","Action":"secretsmanager:*","NotResource":"arn:aws:secretsmanager:us-east-1:111122223333:secret:foo-AbCdEf"}`)}
		}},
		"everything but what is not denied of all Regions":        {statements: []string{allow("*", "*"), `{"Effect":"Deny","Action":"secretsmanager:*","NotResource":"arn:aws:secretsmanager:*:111122223333:secret:shop/*"}`}, want: []string{others}},
		"everything but what is not denied of an account outside": {statements: []string{allow("*", "*"), `{"Effect":"Deny","Action":"secretsmanager:*","NotResource":"arn:aws:secretsmanager:eu-central-1:777788889999:secret:*"}`}, want: []string{"secrets of 777788889999: the account is not in the snapshot"}},
		"everything where all Regions of the account were read": {statements: []string{allow("*", "*")}, change: func(s *inventory.Snapshot) {
			alone(s)
			s.Accounts[0].Enabled = []string{"eu-central-1"}
		}},
		"everything where one that is enabled was not": {statements: []string{allow("*", "*")}, want: []string{inRegion("us-east-1")}, change: func(s *inventory.Snapshot) {
			alone(s)
			s.Accounts[0].Enabled = []string{"eu-central-1", "us-east-1"}
		}},
		"everything where the Region could not be read, which is said": {statements: []string{allow("*", "*")}, want: []string{"secrets of 111122223333 in us-east-1: AccessDenied"}, change: func(s *inventory.Snapshot) {
			alone(s)
			s.Accounts[0].Enabled = []string{"eu-central-1", "us-east-1"}
			s.Unread = []inventory.Unread{{Part: inventory.PartSecrets, Account: shop, Region: "us-east-1", Why: "AccessDenied"}}
		}},
		"everything where nothing says which Regions were read": {statements: []string{allow("*", "*")}, want: []string{others}, change: func(s *inventory.Snapshot) {
			alone(s)
			s.Accounts[0].Regions = nil // its secrets say one
		}},
		"everything where there is no secret either": {statements: []string{allow("*", "*")}, want: []string{"secrets of 111122223333: the snapshot does not say which Regions were read"}, change: func(s *inventory.Snapshot) {
			alone(s)
			s.Accounts[0].Regions, s.Secrets = nil, nil
		}},
		"the Region of another account":     {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:444455556666:secret:*")}, want: []string{"secrets of 444455556666 in us-east-1: this Region was not read"}},
		"an account outside":                {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:777788889999:secret:*")}, want: []string{"secrets of 777788889999: the account is not in the snapshot"}},
		"an account outside that is denied": {statements: []string{allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:777788889999:secret:*"), elsewhere}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, role(shop, "probe", tc.statements...))
			if tc.change != nil {
				tc.change(&s)
			}
			can, err := inventory.Prepare(s).Can(roleARN(shop, "probe"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range can.Unread {
				line := string(u.Part) + " of " + u.Account
				if u.Region != "" {
					line += " in " + u.Region
				}
				why, of, named := strings.Cut(u.Why, ", and ")
				if named && of != roleARN(shop, "probe")+" may read secrets there" {
					t.Errorf("why: %q", u.Why)
				}
				got = append(got, line+": "+why)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What could not be read of another account is no doubt about whom nothing of its own lets in there.
func TestAnAccountThatNobodyReadMattersToWhomMayReadThere(t *testing.T) {
	const outside, read = "444455556666", "secretsmanager:GetSecretValue"
	account := inventory.Unread{Part: inventory.PartSecrets, Account: outside, Why: "not asked for"}
	inRegion := inventory.Unread{Part: inventory.PartSecrets, Account: outside, Region: "eu-west-1", Why: "AccessDenied"}
	organization := inventory.Unread{Part: inventory.PartOrganization, Why: "AccessDenied"}
	own := inventory.Unread{Part: inventory.PartSecrets, Account: shop, Region: "eu-west-1", Why: "AccessDenied"}
	denied := `{"Effect":"Deny","Action":"secretsmanager:*","NotResource":"arn:aws:secretsmanager:*:111122223333:secret:*"}`
	for sentence, tc := range map[string]struct {
		unread     inventory.Unread
		statements []string
		said       bool
	}{
		"a secret by ARN, and a whole account":             {account, []string{allow(read, secretARN("vendor/acme"))}, false},
		"a secret by ARN, and a Region of an account":      {inRegion, []string{allow(read, secretARN("vendor/acme"))}, false},
		"a secret by ARN, and the organization":            {organization, []string{allow(read, secretARN("vendor/acme"))}, false},
		"a secret by ARN, and a Region of its own account": {own, []string{allow(read, secretARN("vendor/acme"))}, true},
		"everything, and a whole account":                  {account, []string{allow(read, "*")}, true},
		"everything, and a Region of an account":           {inRegion, []string{allow(read, "*")}, true},
		"everything, and the organization":                 {organization, []string{allow(read, "*")}, true},
		"everything of the own account, and an account":    {account, []string{allow(read, "*"), denied}, false},
		"one Region of the account, and a whole account":   {account, []string{allow(read, "arn:aws:secretsmanager:eu-west-1:444455556666:secret:*")}, true},
		"a Region by a condition, and a whole account":     {account, []string{`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}`}, true},
		"another Region of the account, and one":           {inRegion, []string{allow(read, "arn:aws:secretsmanager:eu-west-2:444455556666:secret:*")}, false},
		"letting itself in there":                          {inRegion, []string{allow("secretsmanager:PutResourcePolicy", "*")}, true},
	} {
		for _, taken := range []bool{false, true} {
			s := acme()
			s.Unread = []inventory.Unread{tc.unread}
			reader := role(shop, "reads", tc.statements...)
			probe := reader
			if taken {
				reader = trusting("reads", `{"AWS":"111122223333"}`, tc.statements...)
				probe = role(shop, "probe", allow("sts:AssumeRole", reader.ARN))
				s.Principals = append(s.Principals, probe)
			}
			s.Principals = append(s.Principals, reader)
			found, err := inventory.Prepare(s).Elsewhere(probe.ARN, nil)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(found.Unread, tc.unread) != tc.said {
				t.Errorf("%s (taken: %v): %v", sentence, taken, found.Unread)
			}
		}
	}
}

// A role that it takes may read in other Regions than itself.
func TestARegionThatNobodyReadIsSaidOfRolesThatAreTaken(t *testing.T) {
	s := acme()
	s.Principals = append(s.Principals, role(shop, "probe", allow("sts:AssumeRole", roleARN(shop, "entry"))),
		trusting("entry", `{"AWS":"111122223333"}`, allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:*")))
	found, err := inventory.Prepare(s).Elsewhere(roleARN(shop, "probe"), nil)
	if err != nil {
		t.Fatal(err)
	}
	said := func(u inventory.Unread) bool {
		return u.Region == "us-east-1" && strings.Contains(u.Why, roleARN(shop, "entry"))
	}
	if !slices.ContainsFunc(found.Unread, said) {
		t.Errorf("unread: %v", found.Unread)
	}
}

// Of a thousand accounts one line says that Regions were not read.
func TestManyAccountsWithRegionsThatNobodyReadAreOneLine(t *testing.T) {
	s := acme()
	for _, id := range []string{"100000000001", "100000000002", "100000000003", "100000000004"} {
		s.Accounts = append(s.Accounts, inventory.Account{ID: id, Regions: []string{region}})
	}
	s.Principals = append(s.Principals, role(shop, "probe", allow("*", "*")))
	can, err := inventory.Prepare(s).Can(roleARN(shop, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	if len(can.Unread) != 1 || !strings.Contains(can.Unread[0].Why, "other Regions than eu-central-1 were not read in 7 accounts") {
		t.Errorf("unread: %v", can.Unread)
	}
}
