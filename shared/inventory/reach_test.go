package inventory_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// trusting is a role that others may take.
func trusting(name, principal string, statements ...string) inventory.Principal {
	r := role(shop, name, statements...)
	r.Trust = document(`{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}`)
	return r
}

func TestChainsAreTheShortestWaysToRoles(t *testing.T) {
	take := func(name string) string { return allow("sts:AssumeRole", roleARN(shop, name)) }
	s := acme()
	s.Principals = []inventory.Principal{
		role(shop, "probe", take("first"), take("closed"), take("last"), `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`),
		trusting("first", `{"AWS":"111122223333"}`, take("second"), take("probe")),
		trusting("second", `{"AWS":"`+roleARN(shop, "first")+`"}`, take("first"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")),
		trusting("perhaps", `{"AWS":"111122223333"}`),
		trusting("named", `{"AWS":"`+roleARN(shop, "probe")+`"}`),
		role(shop, "closed"),
		{ARN: roleARN(shop, "last"), Kind: inventory.Role, Account: shop, Trust: `{`},
	}
	chains, err := inventory.Prepare(s).Chains(roleARN(shop, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	type found struct {
		Roles   []string
		Certain bool
		Opens   bool
	}
	var got []found
	for _, c := range chains {
		got = append(got, found{c.Roles, c.Certain, slices.Contains(c.Opens.Open, secretARN("shop/db"))})
	}
	want := []found{
		{[]string{roleARN(shop, "first")}, true, false},
		{[]string{roleARN(shop, "named")}, true, false}, // its trust policy names the role itself: IAM is not asked
		{[]string{roleARN(shop, "last")}, false, false}, // its trust policy cannot be read
		{[]string{roleARN(shop, "perhaps")}, false, false},
		{[]string{roleARN(shop, "first"), roleARN(shop, "second")}, true, true},
	}
	slices.SortStableFunc(got, func(a, b found) int { return len(a.Roles) - len(b.Roles) })
	sorted := func(list []found) []found {
		slices.SortFunc(list[:4], func(a, b found) int { return compare(a.Roles[0], b.Roles[0]) })
		return list
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Error(diff)
	}
}

// Of two ways that are as long, the certain one is named, whichever role comes first.
func TestOfWaysThatAreAsLongTheCertainOneIsNamed(t *testing.T) {
	take := func(name string) string { return allow("sts:AssumeRole", roleARN(shop, name)) }
	perhaps := `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + roleARN(shop, "last") + `","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`
	s := acme()
	s.Principals = []inventory.Principal{role(shop, "probe", take("first"), take("second")), trusting("first", `{"AWS":"111122223333"}`, perhaps),
		trusting("second", `{"AWS":"111122223333"}`, take("last")), trusting("last", `{"AWS":"111122223333"}`)}
	chains, err := inventory.Prepare(s).Chains(roleARN(shop, "probe"))
	if err != nil || len(chains) != 3 {
		t.Fatalf("%+v, %v", chains, err)
	}
	if diff := cmp.Diff([]string{roleARN(shop, "second"), roleARN(shop, "last")}, chains[2].Roles); diff != "" || !chains[2].Certain {
		t.Errorf("certain %t: %s", chains[2].Certain, diff)
	}
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// Each right by which more may be opened is found, and reading is none.
func TestPowersAreRightsToChangeWhatDecides(t *testing.T) {
	const function = "arn:aws:lambda:eu-central-1:111122223333:function:rotate"
	managed := "arn:aws:iam::111122223333:policy/app"
	for sentence, tt := range map[string]struct {
		statement string
		want      string // action and resource of the first power; "" for none
		perhaps   bool
	}{
		"reading":                          {allow("secretsmanager:GetSecretValue", "*"), "", false},
		"decrypting":                       {allow("kms:Decrypt", "*"), "", false},
		"writing values":                   {allow("secretsmanager:PutSecretValue", "*"), "", false},
		"its own role":                     {allow("iam:PutRolePolicy", roleARN(shop, "probe")), "iam:PutRolePolicy " + roleARN(shop, "probe"), false},
		"another role's trust":             {allow("iam:UpdateAssumeRolePolicy", roleARN(shop, "app")), "iam:UpdateAssumeRolePolicy " + roleARN(shop, "app"), false},
		"a user's credentials":             {allow("iam:CreateAccessKey", "arn:aws:iam::111122223333:user/*"), "iam:CreateAccessKey arn:aws:iam::111122223333:user/alice", false},
		"a group":                          {allow("iam:AddUserToGroup", "*"), "iam:AddUserToGroup arn:aws:iam::111122223333:group/developers", false},
		"a policy that others have":        {allow("iam:CreatePolicyVersion", "*"), "iam:CreatePolicyVersion " + managed, false},
		"a role for a service":             {allow("iam:PassRole", roleARN(shop, "app")), "iam:PassRole " + roleARN(shop, "app"), true},
		"the policy of another secret":     {allow("secretsmanager:PutResourcePolicy", secretARN("shop/legacy")), "secretsmanager:PutResourcePolicy " + secretARN("shop/legacy"), false},
		"the policy of the secret it has":  {allow("secretsmanager:PutResourcePolicy", secretARN("shop/db")), "", false},
		"the policy of a key":              {allow("kms:PutKeyPolicy", keyARN("app")), "kms:PutKeyPolicy " + keyARN("app"), false},
		"grants on a key":                  {allow("kms:CreateGrant", "*"), "kms:CreateGrant " + keyARN("app"), false},
		"grants on a key for services":     {`{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}`, "kms:CreateGrant " + keyARN("app"), true},
		"the code that rotates":            {allow("lambda:UpdateFunctionCode", "*"), "lambda:UpdateFunctionCode " + function, false},
		"under a condition that is unread": {`{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"` + roleARN(shop, "probe") + `","Condition":{"StringEquals":{"iam:PermissionsBoundary":"x"}}}`, "iam:PutRolePolicy " + roleARN(shop, "probe"), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Managed[managed] = fullAccess
			s.Principals = append(s.Principals, role(shop, "probe", tt.statement))
			s.Secrets = slices.DeleteFunc(s.Secrets, func(s inventory.Secret) bool { return s.Facts.Name == "shop/broken" }) // whose policy may give rights
			for i := range s.Secrets {
				if s.Secrets[i].Facts.Name == "shop/legacy" {
					s.Secrets[i].Facts.RotationLambdaARN = function
				}
			}
			powers, err := inventory.Prepare(s).Powers(roleARN(shop, "probe"), []string{secretARN("shop/db")})
			if err != nil {
				t.Fatal(err)
			}
			if len(powers) == 0 || tt.want == "" {
				if len(powers) > 0 || tt.want != "" {
					t.Errorf("%+v, want %q", powers, tt.want)
				}
				return
			}
			if got := powers[0].Action + " " + powers[0].Resource; got != tt.want || powers[0].Certain == tt.perhaps {
				t.Errorf("%s, certain %t, want %s", got, powers[0].Certain, tt.want)
			}
		})
	}
}

// What a reader may choose opens what some choice opens; a label that no version has today leaves it open.
func TestWhatAReaderMayChooseOpensWhatSomeChoiceOpens(t *testing.T) {
	const old, other = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
	for sentence, tt := range map[string]struct {
		condition string
		now, any  policy.Answer
	}{
		"by its ARN":           {`"StringEquals":{"secretsmanager:SecretId":"` + secretARN("shop/db") + `"}`, yes, yes},
		"by its name":          {`"StringEquals":{"secretsmanager:SecretId":"shop/db"}`, yes, yes},
		"by a part of its ARN": {`"StringLike":{"secretsmanager:SecretId":"*:secret:shop/db"}`, yes, yes},
		"by another's name":    {`"StringLike":{"secretsmanager:SecretId":"vendor/*"}`, no, no},
		"not by its ARN":       {`"ArnNotLike":{"secretsmanager:SecretId":"arn:aws:secretsmanager:*:*:secret:*"}`, may, may},
		"without a label, which by default is the current one, in the request perhaps": {`"Null":{"secretsmanager:VersionStage":"true"}`, may, may},
		"another label than the current one, or none, which is it by default, perhaps": {`"StringNotEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}`, may, yes},
		"the current label, perhaps, by the id of a version that has none":             {`"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT","secretsmanager:VersionId":"` + other + `"}`, no, may},
		"with a label":                      {`"Null":{"secretsmanager:VersionStage":"false"}`, yes, yes},
		"the current one":                   {`"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}`, yes, yes},
		"the previous one":                  {`"StringEquals":{"secretsmanager:VersionStage":"AWSPREVIOUS"}`, no, yes},
		"one without a label, by its id":    {`"StringEquals":{"secretsmanager:VersionId":"` + other + `"}`, no, yes},
		"one that is not there, by its id":  {`"StringEquals":{"secretsmanager:VersionId":"44444444-4444-4444-8444-444444444444"}`, no, may},
		"a label that no version has today": {`"StringLike":{"secretsmanager:VersionStage":"BLUE*"}`, no, may},
		"a key that nobody knows":           {`"StringEquals":{"secretsmanager:ReadPurpose":"audit"}`, may, may},
		"a key of another service":          {`"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}`, no, no},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			versions := &s.Secrets[0].Facts.Versions
			*versions = append(*versions, guard.Version{ID: old, Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{managedKey()}}, guard.Version{ID: other, Keys: []guard.Key{managedKey()}})
			s.Principals = append(s.Principals, role(shop, "probe", `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{`+tt.condition+`}}`, allow("kms:Decrypt", "*")))
			access := inventory.Prepare(s)
			now, err := access.Explain(roleARN(shop, "probe"), secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			any, err := access.Opens(roleARN(shop, "probe"), secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			can, err := access.Can(roleARN(shop, "probe"))
			if err != nil {
				t.Fatal(err)
			}
			if now.Answer != tt.now || any.Answer != tt.any || answerIn(can, secretARN("shop/db")) != tt.any {
				t.Errorf("the current version %s, any %s, in bulk %s, want %s and %s\n%s", now.Answer, any.Answer, answerIn(can, secretARN("shop/db")), tt.now, tt.any, any.Why())
			}
		})
	}
}

// A right on the key of a copy alone is a power, too: each copy opens with its own keys.
func TestThePowerOverTheKeyOfACopyIsFound(t *testing.T) {
	far := guard.Key{ARN: "arn:aws:kms:eu-west-1:111122223333:key/far", ID: "far", Account: shop, Region: "eu-west-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	unread := guard.Key{ID: "alias/far", Account: shop, Region: "eu-west-1"}
	listed := guard.Listed
	for sentence, change := range map[string]func(*guard.Secret){
		"the key that a replica has": func(s *guard.Secret) {
			s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: far.ARN, Key: far, Status: "InSync"}}
		},
		"the key of an older version of it": func(s *guard.Secret) {
			s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: guard.Key{ID: guard.DefaultKeyID, Account: shop, Region: "eu-west-1", Manager: guard.ManagerAWS}, Status: "InSync", Listing: listed,
				Versions: []guard.Version{{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{far}}}}}
		},
		"the key of a copy in another account": func(s *guard.Secret) {
			s.Elsewhere.Copies = []guard.AccountCopy{{Account: shop, Region: "eu-west-1", Key: far, Status: "InSync"}}
		},
		"a key that only its alias is known of": func(s *guard.Secret) {
			s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: unread.ID, Key: unread, Status: "InSync"}}
		},
		"a key that only its id is known of": func(s *guard.Secret) {
			s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: "far", Key: guard.Key{ID: "far", Account: shop, Region: "eu-west-1"}, Status: "InSync"}}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Secrets = []inventory.Secret{secret("shop/db", "", cmk("app"))}
			change(&s.Secrets[0].Facts)
			k := inventory.Key{Facts: far, Policy: document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)}
			k.Facts.Aliases = []string{"alias/far"}
			s.Keys = append(s.Keys, k)
			s.Principals = append(s.Principals, role(shop, "probe", allow("kms:PutKeyPolicy", far.ARN)))
			powers, err := inventory.Prepare(s).Powers(roleARN(shop, "probe"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(powers) != 1 || powers[0].Action+" "+powers[0].Resource != "kms:PutKeyPolicy "+far.ARN {
				t.Errorf("%+v", powers)
			}
		})
	}
}

// A secret whose policy lets in another account, and whose key does not, opens to that account's people once somebody changes the key:
// they themselves, by a role of the secret's account, or somebody of that account for one that it takes.
func TestAKeyThatIsChangedOpensASecretToTheOtherAccountThatItsPolicyLetsIn(t *testing.T) {
	keeper := func(trusted string) inventory.Principal {
		return trusting("keeper", `{"AWS":"`+trusted+`"}`, allow("kms:PutKeyPolicy", "*"), allow("sts:AssumeRole", "*"))
	}
	pipeline := func(trusted string) inventory.Principal {
		p := role(data, "pipeline", allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), allow("sts:AssumeRole", "*"))
		p.Trust = document(`{"Effect":"Allow","Principal":{"AWS":"` + trusted + `"},"Action":"sts:AssumeRole"}`)
		return p
	}
	for sentence, tt := range map[string]struct {
		principals []inventory.Principal
		of, want   string
	}{
		"they themselves":       {[]inventory.Principal{pipeline(shop), keeper(roleARN(data, "pipeline"))}, roleARN(data, "pipeline"), "pipeline AssumeRole keeper, keeper PutKeyPolicy app, pipeline reads"},
		"a role that one takes": {[]inventory.Principal{pipeline(roleARN(shop, "keeper")), keeper(shop)}, roleARN(shop, "keeper"), "keeper AssumeRole pipeline, keeper PutKeyPolicy app, pipeline reads"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = tt.principals
			named(&s, "shared/token").Facts.Versions[0].Keys[0] = cmk("app")
			named(&s, "shared/token").Facts.Key = cmk("app")
			paths, err := inventory.Prepare(s).Reach(tt.of)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range paths {
				if p.Secret == secretARN("shared/token") {
					got = short(p)
				}
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
