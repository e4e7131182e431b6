package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// What a principal may do counts as a way to more, until it is known that it is none.
func TestARightIsUnprovedUntilItIsKnownWhatFollowsFromIt(t *testing.T) {
	own := []string{allow("secretsmanager:GetSecretValue", secretARN("vendor/acme")), allow("kms:Decrypt", "*")}
	boundary := "arn:aws:iam::111122223333:policy/reads"
	for of, tc := range map[string]struct {
		statements     []string
		change         func(*inventory.Snapshot, *inventory.Principal)
		unproved, data []string
	}{
		"reading its own secret":                        {},
		"describing and listing":                        {statements: []string{allow("ec2:Describe*", "*"), allow("iam:List*", "*"), allow("s3:GetObject", "*")}},
		"the code of functions":                         {statements: []string{allow("lambda:UpdateFunctionCode", "*")}, unproved: []string{"lambda:UpdateFunctionCode"}},
		"commands on machines":                          {statements: []string{allow("ssm:SendCommand", "*")}, unproved: []string{"ssm:SendCommand"}},
		"builds, stacks, containers":                    {statements: []string{`{"Effect":"Allow","Action":["codebuild:StartBuild","cloudformation:UpdateStack","ecs:ExecuteCommand"],"Resource":"*"}`}, unproved: []string{"codebuild:StartBuild", "cloudformation:UpdateStack", "ecs:ExecuteCommand"}},
		"making users":                                  {statements: []string{allow("iam:CreateUser", "*")}, unproved: []string{"iam:CreateUser"}},
		"making roles":                                  {statements: []string{allow("iam:CreateRole", roleARN(shop, "new-*"))}, unproved: []string{"iam:CreateRole"}},
		"permission sets, sessions of root":             {statements: []string{allow("sso:PutInlinePolicyToPermissionSet", "*"), allow("sts:AssumeRoot", "*")}, unproved: []string{"sso:PutInlinePolicyToPermissionSet", "sts:AssumeRoot"}},
		"leaving the organization":                      {statements: []string{allow("organizations:LeaveOrganization", "*")}, unproved: []string{"organizations:LeaveOrganization"}},
		"a service that nobody knows":                   {statements: []string{allow("newservice:DoIt", "*")}, unproved: []string{"newservice:DoIt"}},
		"a right of it that is named like reading":      {statements: []string{allow("newservice:GetFoo", "*"), allow("newservice:List*", "*")}, unproved: []string{"newservice:GetFoo", "newservice:List*"}},
		"a right that nobody knows of a listed service": {statements: []string{allow("sts:GetFoo", "*"), allow("secretsmanager:BatchGetSecrets*", "*")}, unproved: []string{"sts:GetFoo", "secretsmanager:BatchGetSecrets*"}},
		"everything but IAM":                            {statements: []string{`{"Effect":"Allow","NotAction":["iam:*"],"Resource":"*"}`}, unproved: []string{"everything but iam:*"}},
		"a pattern that may be more than reading":       {statements: []string{allow("ec2:*", "*")}, unproved: []string{"ec2:*"}},
		"reading that hands out credentials":            {statements: []string{allow("ec2:GetPasswordData", "*"), allow("datazone:Get*", "*")}, unproved: []string{"ec2:GetPasswordData", "datazone:Get*"}},
		"what the agent of a cluster is sent, credentials of tasks among it": {statements: []string{allow("ecs:Poll", "*"), allow("ecs:StartTelemetrySession", "*"), allow("ecs:SubmitTaskStateChange", "*")}, unproved: []string{"ecs:Poll", "ecs:StartTelemetrySession"}, data: []string{"ecs:SubmitTaskStateChange"}},
		"commands for the agents of migrated machines":                       {statements: []string{allow("mgn:GetChannelCommandsForMgn", "*"), allow("drs:GetChannelCommandsForDrs", "*")}, unproved: []string{"mgn:GetChannelCommandsForMgn", "drs:GetChannelCommandsForDrs"}},
		"reading by the role of a configuration profile":                     {statements: []string{allow("appconfig:GetLatestConfiguration", "*"), allow("appconfig:GetConfiguration", "*"), allow("appconfig:GetConfigurationProfile", "*")}, unproved: []string{"appconfig:GetLatestConfiguration", "appconfig:GetConfiguration"}},
		"data, and what others run":                                          {statements: []string{allow("s3:*", "*"), allow("lambda:InvokeFunction", "*")}, data: []string{"s3:*", "lambda:InvokeFunction"}},
		"everything on a secret of its own":                                  {statements: []string{allow("secretsmanager:*", secretARN("vendor/acme"))}},
		"everything with a key, which Powers judges":                         {statements: []string{allow("kms:*", "*")}},
		"session tags where no policy asks for them":                         {statements: []string{allow("sts:TagSession", "*")}},
		"session tags where one does": {statements: []string{allow("sts:TagSession", "*")}, unproved: []string{"sts:TagSession"}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			s.Principals = append(s.Principals, role(shop, "tagged", `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}`))
		}},
		"session tags of roles that are all known": {statements: []string{allow("sts:TagSession", roleARN(shop, "*"))}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			s.Principals = append(s.Principals, role(shop, "tagged", `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}`))
		}},
		"session tags where a policy cannot be read": {statements: []string{allow("sts:TagSession", "*")}, unproved: []string{"sts:TagSession"}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			s.Managed["arn:aws:iam::111122223333:policy/broken"] = "{"
		}},
		"a right that a boundary leaves for functions of its account": {statements: []string{allow("lambda:UpdateFunctionCode", "*")}, unproved: []string{"lambda:UpdateFunctionCode"}, change: func(s *inventory.Snapshot, p *inventory.Principal) {
			s.Managed[boundary] = document(allow("secretsmanager:GetSecretValue", "*"), allow("lambda:*", "arn:aws:lambda:*:111122223333:function:app-*"))
			p.Boundary = boundary
		}},
		"a right that the organization leaves for one resource": {statements: []string{allow("newservice:DoIt", "*")}, unproved: []string{"newservice:DoIt"}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			s.Controls["p-FullAWSAccess"] = inventory.Policy{Name: "one", Document: document(allow("*", "*"), `{"Effect":"Deny","Action":"newservice:*","NotResource":"arn:aws:newservice:eu-central-1:111122223333:thing/1"}`)}
		}},
		"a right that a statement of its own leaves for one resource": {statements: []string{allow("ssm:SendCommand", "*"), `{"Effect":"Deny","Action":"ssm:SendCommand","NotResource":"arn:aws:ec2:eu-central-1:111122223333:instance/i-1"}`}, unproved: []string{"ssm:SendCommand"}},
		"a right that a boundary leaves for other resources": {statements: []string{allow("lambda:UpdateFunctionCode", "arn:aws:lambda:*:111122223333:function:app-*")}, change: func(s *inventory.Snapshot, p *inventory.Principal) {
			s.Managed[boundary] = document(allow("secretsmanager:GetSecretValue", "*"), allow("lambda:*", "arn:aws:lambda:*:111122223333:function:web-*"))
			p.Boundary = boundary
		}},
		"roles of one account, which its boundary leaves": {statements: []string{allow("sts:AssumeRole", "*")}, unproved: []string{"sts:AssumeRole"}, change: func(s *inventory.Snapshot, p *inventory.Principal) {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: "444455556666", Why: "denied"})
			s.Managed[boundary] = document(allow("secretsmanager:GetSecretValue", "*"), allow("sts:AssumeRole", "arn:aws:iam::444455556666:role/deploy-*"))
			p.Boundary = boundary
		}},
		"a boundary that leaves reading alone": {statements: []string{allow("*", "*")}, change: func(s *inventory.Snapshot, p *inventory.Principal) {
			s.Managed[boundary] = document(allow("ec2:Describe*", "*"), allow("secretsmanager:GetSecretValue", "*"))
			p.Boundary = boundary
		}},
		"a statement of its own that denies it": {statements: []string{allow("iam:CreateUser", "*"), `{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}`}},
		"a policy that cannot be read":          {unproved: []string{"*"}, change: func(_ *inventory.Snapshot, p *inventory.Principal) { p.Inline["broken"] = "{" }},
		"roles of an account that nobody lets in": {statements: []string{allow("sts:AssumeRole", "arn:aws:iam::777788889999:role/x")}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			closeToOutsiders(s)
		}},
		"roles of an account from where one comes back": {statements: []string{allow("sts:AssumeRole", "arn:aws:iam::777788889999:role/x")}, unproved: []string{"sts:AssumeRole"}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			closeToOutsiders(s)
			s.Principals = append(s.Principals, trusting("entry", `{"AWS":"777788889999"}`, allow("secretsmanager:GetSecretValue", "*")))
		}},
		"a role that it takes": {statements: []string{allow("sts:AssumeRole", roleARN(shop, "builder"))}, unproved: []string{"lambda:UpdateFunctionCode"}, change: func(s *inventory.Snapshot, _ *inventory.Principal) {
			closeToOutsiders(s)
			s.Principals = append(s.Principals, trusting("builder", `{"AWS":"111122223333"}`, allow("lambda:UpdateFunctionCode", "*")))
		}},
	} {
		t.Run(of, func(t *testing.T) {
			s := undamaged()
			probe := role(shop, "probe", slices.Concat(own, tc.statements)...)
			if tc.change != nil {
				tc.change(&s, &probe)
			}
			s.Principals = append(s.Principals, probe)
			found, err := inventory.Prepare(s).Elsewhere(probe.ARN, []string{secretARN("vendor/acme")})
			if err != nil {
				t.Fatal(err)
			}
			names := func(rights []inventory.Right) (out []string) {
				for _, r := range rights {
					out = append(out, r.Action)
				}
				return out
			}
			if diff := cmp.Diff(tc.unproved, names(found.Unproved)); diff != "" {
				t.Errorf("unproved (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tc.data, names(found.Data)); diff != "" {
				t.Errorf("data (-want +got)\n%s", diff)
			}
		})
	}
}

// undamaged is the small organization without what is closed or cannot be read.
func undamaged() inventory.Snapshot {
	s := acme()
	s.Secrets = slices.DeleteFunc(s.Secrets, func(each inventory.Secret) bool {
		return slices.Contains([]string{"shop/broken", "shop/off", "shop/deleted"}, each.Facts.Name)
	})
	s.Keys = slices.DeleteFunc(s.Keys, func(k inventory.Key) bool { return k.Facts.State != guard.KeyEnabled })
	return s
}

// closeToOutsiders leaves nobody of another account a way in.
func closeToOutsiders(s *inventory.Snapshot) {
	for i := range s.Secrets {
		s.Secrets[i].Policy = ""
	}
}

func TestWhatASnapshotDoesNotHoldIsSaid(t *testing.T) {
	s := acme()
	s.Secrets[0].Facts.Replicas = []guard.Replica{{Region: "eu-west-1", Status: "InSync"}}
	s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: shop, Why: "AccessDenied"}}
	probe := role(shop, "probe")
	s.Principals = append(s.Principals, probe)
	found, err := inventory.Prepare(s).Elsewhere(probe.ARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	copied := "the copy arn:aws:secretsmanager:eu-west-1:111122223333:secret:" + s.Secrets[0].Facts.Name + "-AbCdEf"
	if diff := cmp.Diff([]string{copied, "any role of account " + shop + " that trusts it"}, found.Unseen); diff != "" {
		t.Error(diff)
	}
	found, err = inventory.Prepare(s).Elsewhere(probe.ARN, []string{s.Secrets[0].Facts.ARN})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(found.Unseen, copied) {
		t.Error("a copy of a secret that it may open is held against it")
	}
}

// A token of an identity provider takes no right: a role that anybody takes with one is everybody's.
func TestARoleThatAnybodyTakesWithATokenIsSaid(t *testing.T) {
	const github, google, cognito = "token.actions.githubusercontent.com", "accounts.google.com", "cognito-identity.amazonaws.com"
	condition := func(operator, key, value string) string {
		return `,"Condition":{"` + operator + `":{"` + key + `":"` + value + `"}}`
	}
	provider := func(name string) string { return `{"Federated":"arn:aws:iam::111122223333:` + name + `"}` }
	for sentence, tc := range map[string]struct {
		principal, condition, resource string
		said                           bool
	}{
		"Google accounts of one application":          {`{"Federated":"` + google + `"}`, condition("StringEquals", google+":aud", "app"), "*", true},
		"one Google account":                          {`{"Federated":"` + google + `"}`, condition("StringEquals", google+":sub", "1234"), "*", false},
		"visitors of an application":                  {`{"Federated":"` + cognito + `"}`, condition("ForAnyValue:StringLike", cognito+":amr", "unauthenticated"), "*", true},
		"workflows of anybody":                        {provider("oidc-provider/" + github), "", "*", true},
		"workflows of anybody, by a pattern":          {provider("oidc-provider/" + github), condition("StringLike", github+":sub", "repo:*"), "*", true},
		"workflows of anybody, by what they choose":   {provider("oidc-provider/" + github), condition("StringEquals", "sts:RoleSessionName", "x"), "*", true},
		"workflows of one organization":               {provider("oidc-provider/" + github), condition("StringLike", github+":sub", "repo:acme/*"), "*", false},
		"workflows of anybody but one":                {provider("oidc-provider/" + github), condition("StringNotLike", github+":sub", "repo:acme/*"), "*", true},
		"workflows of anybody, who open nothing else": {provider("oidc-provider/" + github), "", secretARN("vendor/acme"), false},
		"people of a directory":                       {provider("saml-provider/okta"), "", "*", false},
		"a service":                                   {`{"Service":"lambda.amazonaws.com"}`, "", "*", false},
	} {
		s := undamaged()
		closeToOutsiders(&s)
		web := role(shop, "web", allow("secretsmanager:GetSecretValue", tc.resource), allow("kms:Decrypt", "*"))
		web.Trust = document(`{"Effect":"Allow","Principal":` + tc.principal + `,"Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity","sts:AssumeRoleWithSAML"]` + tc.condition + `}`)
		probe := role(shop, "probe")
		s.Principals = append(s.Principals, web, probe)
		found, err := inventory.Prepare(s).Elsewhere(probe.ARN, []string{secretARN("vendor/acme")})
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(found.Unseen, func(what string) bool { return strings.Contains(what, web.ARN) })
		if said != tc.said {
			t.Errorf("%s: %v", sentence, found.Unseen)
		}
	}
}

// Rights that open what is closed, or change by what policies decide, are powers.
func TestRightsToChangeWhatPoliciesDecideByArePowers(t *testing.T) {
	byKey := func(key string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			s.Principals = append(s.Principals, role(shop, "tagged", `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"`+key+`":"blue"}}}`))
		}
	}
	byTag := byKey("aws:ResourceTag/team")
	for action, when := range map[string]func(*inventory.Snapshot){
		"secretsmanager:TagResource": byTag, "secretsmanager:UntagResource": byTag, "kms:TagResource": byTag, "iam:TagRole": byTag,
		"kms:CreateAlias": func(s *inventory.Snapshot) {
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Decrypt","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/x"}}}`)
		},
		"secretsmanager:RotateSecret": byKey("secretsmanager:resource/AllowRotationLambdaArn"), "secretsmanager:CancelRotateSecret": byKey("secretsmanager:resource/AllowRotationLambdaArn"),
		"secretsmanager:StopReplicationToReplica": byKey("secretsmanager:SecretPrimaryRegion"),
		"kms:EnableKey":                func(s *inventory.Snapshot) { disable(s, guard.KeyDisabled) },
		"kms:CancelKeyDeletion":        func(s *inventory.Snapshot) { disable(s, guard.KeyPendingDeletion) },
		"secretsmanager:RestoreSecret": func(s *inventory.Snapshot) { s.Secrets[0].Facts.DeletedAt = s.TakenAt },
	} {
		t.Run(action, func(t *testing.T) {
			for _, changed := range []bool{false, true} {
				s := undamaged()
				if changed {
					when(&s)
				}
				probe := role(shop, "probe", allow(action, "*"))
				s.Principals = append(s.Principals, probe)
				found, err := inventory.Prepare(s).Powers(probe.ARN, nil)
				if err != nil {
					t.Fatal(err)
				}
				if has := len(found) > 0; has != changed {
					t.Errorf("changed %v: powers %v", changed, found)
				}
			}
		})
	}
}

// A replica of a multi-Region key has a policy of its own: who makes one lets in whom he likes. It takes the right to make a key, too.
func TestReplicatingAKeyLetsOthersUseIt(t *testing.T) {
	const multi = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	for sentence, tc := range map[string]struct {
		rights      []string
		of          string
		multiRegion bool
		want        bool
	}{
		"a multi-Region key":                 {[]string{"kms:ReplicateKey", "kms:CreateKey"}, shop, true, true},
		"without the right to make a key":    {[]string{"kms:ReplicateKey"}, shop, true, false},
		"a key of one Region":                {[]string{"kms:ReplicateKey", "kms:CreateKey"}, shop, false, false},
		"somebody of another account cannot": {[]string{"kms:ReplicateKey", "kms:CreateKey"}, data, true, false},
	} {
		s := undamaged()
		k := cmk("multi")
		k.ARN, k.ID, k.MultiRegion = multi, "mrk-1234abcd12ab34cd56ef1234567890ab", tc.multiRegion
		s.Keys = append(s.Keys, inventory.Key{Facts: k, Policy: document(`{"Effect":"Allow","Principal":{"AWS":["111122223333","444455556666"]},"Action":"kms:*","Resource":"*"}`)})
		s.Secrets = append(s.Secrets, secret("multi/db", "", k))
		var rights []string
		for _, right := range tc.rights {
			rights = append(rights, allow(right, "*"))
		}
		s.Principals = append(s.Principals, role(tc.of, "probe", rights...))
		found, err := inventory.Prepare(s).Powers(roleARN(tc.of, "probe"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if has := slices.ContainsFunc(found, func(p inventory.Power) bool { return p.Action == "kms:ReplicateKey" && p.Resource == multi }); has != tc.want {
			t.Errorf("%s: %v", sentence, found)
		}
	}
}

func disable(s *inventory.Snapshot, state guard.KeyState) {
	for i := range s.Keys {
		s.Keys[i].Facts.State = state
	}
}

// Whoever may set another key, the AWS managed one among them, needs no key for that: what is written from then on is under it.
func TestSettingAKeyTakesNoKey(t *testing.T) {
	s := acme()
	probe := role(shop, "probe", allow("secretsmanager:UpdateSecret", "*"))
	s.Principals = append(s.Principals, probe)
	found, err := inventory.Prepare(s).Powers(probe.ARN, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Error("UpdateSecret on every secret is no power")
	}
}

// The name of a session is chosen by whoever takes the role; of one that only services take, nobody is known to choose it.
func TestATrustPolicyThatNamesASessionLetsItsRoleIn(t *testing.T) {
	for name, probe := range map[string]struct {
		inventory.Principal
		certain bool
	}{
		"a role that a service takes": {role(shop, "probe"), false},
		"a role that principals take": {trusting("probe", `{"AWS":"111122223333"}`), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, probe.Principal, trusting("entry", `{"AWS":"arn:aws:sts::111122223333:assumed-role/probe/me"}`))
			chains, err := inventory.Prepare(s).Chains(roleARN(shop, "probe"))
			if err != nil {
				t.Fatal(err)
			}
			if len(chains) != 1 || chains[0].Roles[0] != roleARN(shop, "entry") || chains[0].Certain != probe.certain {
				t.Errorf("chains: %v", chains)
			}
		})
	}
}
