package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// short is a path as one line: what is done by whom to what, and who reads in the end.
func short(p inventory.Path) string {
	base := func(of string) string { return of[strings.LastIndexAny(of, "/:")+1:] }
	var parts []string
	for _, s := range p.Steps {
		_, action, _ := strings.Cut(s.Action, ":")
		parts = append(parts, base(s.As)+" "+action+" "+base(s.Resource))
	}
	certain := map[bool]string{true: "", false: "perhaps "}[p.Certain]
	return certain + strings.Join(parts, ", ") + ", " + base(p.Reads) + " reads"
}

// Each right of the closure opens shop/legacy, a secret under the AWS managed key, or shop/locked, which nobody's IAM policies open.
func TestAPathIsTheShortestWayToASecret(t *testing.T) {
	for sentence, tt := range pathCases() {
		t.Run(sentence, func(t *testing.T) {
			access := inventory.Prepare(tt.snapshot())
			of := "shop/legacy"
			if tt.secret != "" {
				of = tt.secret
			}
			paths, err := access.Reach(probeARN)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range paths {
				if p.Secret == secretARN(of) {
					got = short(p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			back, err := access.ReachersOf(secretARN(of))
			if err != nil {
				t.Fatal(err)
			}
			got = ""
			for _, p := range back {
				if p.Principal == probeARN {
					got = short(p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("asked the other way round, -want +got:\n%s", diff)
			}
		})
	}
}

const (
	probeARN = "arn:aws:iam::111122223333:role/probe"
	managed  = "arn:aws:iam::111122223333:policy/app"
)

// pathCase is a role, what is around it, and the path to one secret.
type pathCase struct {
	probe  []string // its statements
	others []inventory.Principal
	change func(*inventory.Snapshot)
	secret string // shop/legacy where ""
	want   string // "" for none
}

// snapshot has the role last.
func (c pathCase) snapshot() inventory.Snapshot {
	s := acme()
	s.Principals = append([]inventory.Principal{{ARN: "arn:aws:iam::111122223333:user/alice", Kind: inventory.User, Account: shop, Groups: []string{"developers"}}}, c.others...)
	s.Principals = append(s.Principals, role(shop, "probe", c.probe...))
	s.Managed[managed] = document(allow("iam:*", "arn:aws:iam::aws:policy/*"))
	if c.change != nil {
		c.change(&s)
	}
	return s
}

func pathCases() map[string]pathCase {
	const function = "arn:aws:lambda:eu-central-1:111122223333:function:rotate"
	reader := func(name string, trust string) inventory.Principal {
		r := trusting(name, trust, allow("secretsmanager:GetSecretValue", secretARN("shop/legacy")))
		return r
	}
	lambda, own := `{"Service":"lambda.amazonaws.com"}`, `{"AWS":"111122223333"}`
	const byOwnTag = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}`
	byRoleTag := func(action, family string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"*","Condition":{"StringEquals":{"` + family + `:ResourceTag/team":"blue"}}}`
	}
	byAlias := func(action string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/open"}}}`
	}
	with := func(p inventory.Principal, tag, value string) inventory.Principal {
		p.Tags = map[string]string{tag: value}
		return p
	}
	untagged := func(action string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"*","Condition":{"Null":{"aws:ResourceTag/team":"true"}}}`
	}
	hasManaged := func(s *inventory.Snapshot) { last(s).Managed = []string{managed} }
	tagged := func(p inventory.Principal) inventory.Principal { return with(p, "team", "blue") }
	locked := func(p inventory.Principal) inventory.Principal { return with(p, "locked", "yes") }
	tagging := func(p inventory.Principal) inventory.Principal {
		p.Trust = strings.ReplaceAll(p.Trust, `"sts:AssumeRole"`, `["sts:AssumeRole","sts:TagSession"]`)
		return p
	}
	byIAM := document(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`)
	namesItsKey := func(s *inventory.Snapshot) {
		closed(s)
		named(s, "shop/db").Facts.KeyID = "alias/app"
		s.Keys = []inventory.Key{key("app", byIAM), key("other", byIAM)} // some of the others let in the account
	}
	aliased := func(name string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			closed(s)
			for i := range s.Keys {
				s.Keys[i].Facts.Aliases = []string{name}
			}
		}
	}
	return map[string]pathCase{
		"nothing":                                     {},
		"it is opened already, which is no step":      {probe: []string{allow("secretsmanager:GetSecretValue", "*")}},
		"a role whose trust policy names it":          {others: []inventory.Principal{reader("other", `{"AWS":"`+probeARN+`"}`)}, want: "probe AssumeRole other, other reads"},
		"a role that it may not take":                 {probe: []string{allow("sts:AssumeRole", "*")}, others: []inventory.Principal{reader("other", lambda)}},
		"a role behind another":                       {others: []inventory.Principal{trusting("first", `{"AWS":"`+probeARN+`"}`), reader("other", `{"AWS":"`+roleARN(shop, "first")+`"}`)}, want: "probe AssumeRole first, first AssumeRole other, other reads"},
		"a trust policy that it writes":               {probe: []string{allow("iam:UpdateAssumeRolePolicy", "*")}, others: []inventory.Principal{reader("other", lambda)}, want: "probe UpdateAssumeRolePolicy other, other reads"},
		"a trust policy that it perhaps writes":       {probe: []string{`{"Effect":"Allow","Action":"iam:UpdateAssumeRolePolicy","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`}, others: []inventory.Principal{reader("other", lambda)}, want: "perhaps probe UpdateAssumeRolePolicy other, other reads"},
		"a role that a service made for itself":       {probe: []string{allow("iam:*", "arn:aws:iam::*:role/aws-service-role/*"), allow("iam:PassRole", "*"), allow("lambda:*", "*")}, others: []inventory.Principal{reader("aws-service-role/lambda.amazonaws.com/AWSServiceRoleForLambda", lambda)}},
		"a role of IAM Identity Center":               {probe: []string{allow("iam:UpdateAssumeRolePolicy", "*")}, others: []inventory.Principal{reader("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Operator_0123456789abcdef", lambda)}, want: "perhaps probe UpdateAssumeRolePolicy AWSReservedSSO_Operator_0123456789abcdef, AWSReservedSSO_Operator_0123456789abcdef reads"},
		"a role for a function that it makes":         {probe: []string{allow("iam:PassRole", "*"), allow("lambda:*", "*")}, others: []inventory.Principal{reader("other", lambda)}, want: "probe PassRole other, other reads"},
		"a role for a function of a name":             {probe: []string{allow("iam:PassRole", "*"), allow("lambda:*", "arn:aws:lambda:*:*:function:team-*")}, others: []inventory.Principal{reader("other", lambda)}, want: "probe PassRole other, other reads"},
		"a role for functions, which it cannot make":  {probe: []string{allow("iam:PassRole", "*"), allow("lambda:Get*", "*")}, others: []inventory.Principal{reader("other", lambda)}},
		"a role for another service only":             {probe: []string{`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}`, allow("lambda:*", "*")}, others: []inventory.Principal{reader("other", lambda)}},
		"a role for a service that nobody knows":      {probe: []string{allow("iam:PassRole", "*")}, others: []inventory.Principal{reader("other", `{"Service":"new.amazonaws.com"}`)}, want: "perhaps probe PassRole other, other reads"},
		"its own policies":                            {probe: []string{allow("iam:PutRolePolicy", probeARN)}, want: "probe PutRolePolicy probe, probe reads"},
		"a policy that it has":                        {probe: []string{allow("iam:CreatePolicyVersion", managed)}, change: func(s *inventory.Snapshot) { last(s).Managed = []string{managed} }, want: "probe CreatePolicyVersion app, probe reads"},
		"an older version of it":                      {probe: []string{allow("iam:SetDefaultPolicyVersion", managed)}, change: func(s *inventory.Snapshot) { last(s).Managed = []string{managed} }, want: "perhaps probe SetDefaultPolicyVersion app, probe reads"},
		"a policy that others have":                   {probe: []string{allow("iam:CreatePolicyVersion", managed)}},
		"the policies of a role that it may not take": {probe: []string{allow("iam:PutRolePolicy", roleARN(shop, "other"))}, others: []inventory.Principal{role(shop, "other")}},
		"the policies of a role that it takes":        {probe: []string{allow("iam:PutRolePolicy", roleARN(shop, "other"))}, others: []inventory.Principal{trusting("other", `{"AWS":"`+probeARN+`"}`)}, want: "probe AssumeRole other, probe PutRolePolicy other, other reads"},
		"what its boundary holds back": {probe: []string{allow("secretsmanager:*", "*"), allow("iam:*", "*")}, want: "probe DeleteRolePermissionsBoundary probe, probe reads", change: func(s *inventory.Snapshot) {
			s.Managed[managed] = document(allow("iam:*Boundary", "*"))
			last(s).Boundary = managed
		}},
		"a user's credentials":      {probe: []string{allow("iam:CreateAccessKey", "*")}, want: "probe CreateAccessKey alice, alice reads"},
		"a group that it joins":     {probe: []string{allow("iam:CreateAccessKey", "*"), allow("iam:AddUserToGroup", "*")}, secret: "shop/db", want: "perhaps probe CreateAccessKey alice, probe AddUserToGroup developers, alice reads"},
		"the policies of its group": {probe: []string{allow("iam:CreateAccessKey", "*"), allow("iam:PutGroupPolicy", "*")}, secret: "shop/db", want: "probe CreateAccessKey alice, probe PutGroupPolicy developers, alice reads"},
		"the policy of a secret":    {probe: []string{allow("secretsmanager:PutResourcePolicy", "*")}, want: "probe PutResourcePolicy legacy-AbCdEf, probe reads"},
		"a policy that denied it": {probe: []string{allow("secretsmanager:DeleteResourcePolicy", "*"), allow("secretsmanager:GetSecretValue", "*")}, change: func(s *inventory.Snapshot) {
			named(s, "shop/legacy").Policy = document(`{"Effect":"Deny","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
		}, want: "probe DeleteResourcePolicy legacy-AbCdEf, probe reads"},
		"the key's policy": {probe: []string{allow("kms:PutKeyPolicy", "*"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", want: "probe PutKeyPolicy app, probe reads"},
		"a grant":          {probe: []string{allow("kms:CreateGrant", "*"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", want: "probe CreateGrant app, probe reads"},
		"both policies":    {probe: []string{allow("kms:PutKeyPolicy", "*"), allow("secretsmanager:PutResourcePolicy", "*")}, secret: "shop/db", want: "probe PutResourcePolicy db-AbCdEf, probe PutKeyPolicy app, probe reads"},
		"another key for a role": {probe: []string{allow("secretsmanager:UpdateSecret", "*"), allow("kms:Decrypt", "*")}, secret: "shop/db", others: []inventory.Principal{func() inventory.Principal {
			r := trusting("other", `{"AWS":"`+probeARN+`"}`, allow("secretsmanager:GetSecretValue", "*"))
			return r
		}()}, want: "probe AssumeRole other, probe UpdateSecret db-AbCdEf, other reads"},
		"a replica":                                              {probe: []string{allow("secretsmanager:ReplicateSecretToRegions", "*"), allow("kms:Decrypt", "*"), allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:*:secret:*")}, secret: "shop/db", want: "perhaps probe ReplicateSecretToRegions db-AbCdEf, probe reads"},
		"the code that rotates":                                  {probe: []string{allow("lambda:UpdateFunctionCode", "*")}, change: func(s *inventory.Snapshot) { named(s, "shop/legacy").Facts.RotationLambdaARN = function }, want: "perhaps probe UpdateFunctionCode rotate, probe reads"},
		"of two ways the shorter":                                {probe: []string{allow("secretsmanager:PutResourcePolicy", "*")}, others: []inventory.Principal{trusting("first", `{"AWS":"`+probeARN+`"}`), reader("other", `{"AWS":"`+roleARN(shop, "first")+`"}`)}, want: "probe PutResourcePolicy legacy-AbCdEf, probe reads"},
		"of two ways one that is certain":                        {probe: []string{`{"Effect":"Allow","Action":"secretsmanager:PutResourcePolicy","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`}, others: []inventory.Principal{trusting("first", `{"AWS":"`+probeARN+`"}`), reader("other", `{"AWS":"`+roleARN(shop, "first")+`"}`)}, want: "probe AssumeRole first, first AssumeRole other, other reads"},
		"a secret that is being deleted":                         {probe: []string{allow("secretsmanager:PutResourcePolicy", "*"), allow("kms:*", "*")}, secret: "shop/deleted"},
		"a secret that is being deleted, which it restores":      {probe: []string{allow("secretsmanager:RestoreSecret", "*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")}, secret: "shop/deleted", want: "probe RestoreSecret deleted-AbCdEf, probe reads"},
		"a secret that is being deleted, and lets it in":         {probe: []string{allow("secretsmanager:*", "*"), allow("kms:PutKeyPolicy", "*")}, secret: "shop/deleted", want: "probe RestoreSecret deleted-AbCdEf, probe PutKeyPolicy app, probe reads"},
		"a key that is off, which it switches on":                {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), allow("kms:EnableKey", "*")}, secret: "shop/off", want: "probe EnableKey off, probe reads"},
		"a key that is off, and does not let it in":              {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:EnableKey", "*"), allow("kms:PutKeyPolicy", "*")}, secret: "shop/off", want: "probe EnableKey off, probe PutKeyPolicy off, probe reads"},
		"a key that is being deleted, and off after that":        {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:*", "*")}, secret: "shop/off", change: setState(guard.KeyPendingDeletion), want: "probe CancelKeyDeletion off, probe EnableKey off, probe reads"},
		"a key that is being deleted, which it cannot switch on": {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), allow("kms:CancelKeyDeletion", "*")}, secret: "shop/off", change: setState(guard.KeyPendingDeletion)},
		"a key without its material, which it perhaps has":       {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:*", "*")}, secret: "shop/off", change: setState(guard.KeyPendingImport), want: "perhaps probe ImportKeyMaterial off, probe reads"},
		"a key whose custom key store is disconnected":           {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:*", "*")}, secret: "shop/off", change: setState(guard.KeyUnavailable), want: "perhaps probe ConnectCustomKeyStore off, probe reads"},
		"a key whose store only the key's own ARN names":         {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), allow("kms:ConnectCustomKeyStore", "arn:aws:kms:*:*:key/*")}, secret: "shop/off", change: setState(guard.KeyUnavailable)},
		"the tags of a secret, by which its policies decide":     {probe: []string{allow("secretsmanager:TagResource", "*"), `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`}, want: "perhaps probe TagResource legacy-AbCdEf, probe reads"},
		"the tags of a secret, by which nothing decides":         {probe: []string{allow("secretsmanager:TagResource", "*")}, change: closed},
		"a right by a tag that it may set":                       {probe: []string{allow("secretsmanager:UntagResource", "*"), `{"Effect":"Allow","Action":"secretsmanager:PutResourcePolicy","Resource":"*","Condition":{"Null":{"secretsmanager:ResourceTag/application":"true"}}}`}, want: "perhaps probe UntagResource legacy-AbCdEf, probe PutResourcePolicy legacy-AbCdEf, probe reads"},
		"the tags of a key, by which its policies decide":        {probe: []string{allow("kms:TagResource", "*"), allow("secretsmanager:GetSecretValue", "*"), `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`}, secret: "shop/db", want: "perhaps probe TagResource app, probe reads"},
		"its own tags, by which its policies decide":             {probe: []string{allow("iam:TagRole", probeARN), `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}`}, want: "perhaps probe TagRole probe, probe reads"},
		"the tags of a role, by which it may be taken": {probe: []string{allow("iam:TagRole", "*"), byRoleTag("sts:AssumeRole", "iam")}, others: []inventory.Principal{reader("other", own)}, change: closed,
			want: "perhaps probe TagRole other, probe AssumeRole other, other reads"},
		"the tags of a role, which it has":               {probe: []string{allow("iam:TagRole", "*"), byRoleTag("sts:AssumeRole", "iam")}, others: []inventory.Principal{tagged(reader("other", own))}, change: closed, want: "probe AssumeRole other, other reads"},
		"the tags of a role, which it may not set":       {probe: []string{allow("iam:TagRole", probeARN), byRoleTag("sts:AssumeRole", "iam")}, others: []inventory.Principal{reader("other", own)}, change: closed},
		"the tags of a role, where its own deny nothing": {probe: []string{allow("iam:UntagRole", "*"), `{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"*","Condition":{"Null":{"aws:ResourceTag/locked":"true"}}}`}, others: []inventory.Principal{locked(reader("other", `{"AWS":"`+probeARN+`"}`))}, secret: "shop/db", change: closed, want: "probe PutRolePolicy probe, probe reads"},
		"the tags of a role, which is locked by one": {probe: []string{allow("iam:UntagRole", roleARN(shop, "other")), `{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"` + roleARN(shop, "other") + `","Condition":{"Null":{"aws:ResourceTag/locked":"true"}}}`}, others: []inventory.Principal{locked(trusting("other", `{"AWS":"`+probeARN+`"}`))}, secret: "shop/db", change: closed,
			want: "perhaps probe UntagRole other, probe AssumeRole other, probe PutRolePolicy other, other reads"},
		"the tags of a role, by which its trust policy is written": {probe: []string{allow("iam:TagRole", "*"), byRoleTag("iam:UpdateAssumeRolePolicy", "aws")}, others: []inventory.Principal{reader("other", lambda)}, change: closed,
			want: "perhaps probe TagRole other, probe UpdateAssumeRolePolicy other, other reads"},
		"the tags of a role, which another one sets": {probe: []string{byRoleTag("sts:AssumeRole", "iam")}, others: []inventory.Principal{trusting("tagger", `{"AWS":"`+probeARN+`"}`, allow("iam:TagRole", "*")), reader("other", own)}, change: closed,
			want: "perhaps probe AssumeRole tagger, tagger TagRole other, probe AssumeRole other, other reads"},
		"the tags of a role, of whom comes later": {probe: []string{allow("iam:TagRole", "*")}, others: []inventory.Principal{trusting("taker", `{"AWS":"`+probeARN+`"}`, byRoleTag("sts:AssumeRole", "iam")), reader("other", own)}, change: closed,
			want: "perhaps probe AssumeRole taker, probe TagRole other, taker AssumeRole other, other reads"},
		"the tags of a user, by which it gets credentials": {probe: []string{allow("iam:TagUser", "*"), byRoleTag("iam:CreateAccessKey", "iam")}, change: func(s *inventory.Snapshot) {
			closed(s)
			s.Principals[0].Inline = map[string]string{"read": document(allow("secretsmanager:GetSecretValue", secretARN("shop/legacy")))}
		}, want: "perhaps probe TagUser alice, probe CreateAccessKey alice, alice reads"},
		"the tags of a session, by a trust policy that it writes":       {probe: []string{allow("iam:UpdateAssumeRolePolicy", "*")}, others: []inventory.Principal{trusting("other", lambda, byOwnTag)}, change: closed, want: "perhaps probe UpdateAssumeRolePolicy other, other reads"},
		"the tags of a session, where the trust policy lets it":         {others: []inventory.Principal{tagging(trusting("other", `{"AWS":"`+probeARN+`"}`, byOwnTag))}, change: closed, want: "perhaps probe AssumeRole other, other reads"},
		"the tags of a session, where it does not":                      {probe: []string{allow("sts:TagSession", "*")}, others: []inventory.Principal{trusting("other", `{"AWS":"`+probeARN+`"}`, byOwnTag)}, change: closed},
		"an alias of a key, by which policies decide":                   {probe: []string{allow("kms:CreateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed, want: "perhaps probe CreateAlias app, probe reads"},
		"an alias that is moved":                                        {probe: []string{allow("kms:UpdateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed, want: "perhaps probe UpdateAlias app, probe reads"},
		"an alias that a deny looks for":                                {probe: []string{allow("kms:DeleteAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), `{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/*"}}}`}, secret: "shop/db", change: closed, want: "perhaps probe DeleteAlias app, probe reads"},
		"an alias that the key has":                                     {probe: []string{allow("kms:CreateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: aliased("alias/open")},
		"an alias, by the right on the key alone":                       {probe: []string{allow("kms:CreateAlias", "arn:aws:kms:*:*:key/*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed},
		"an alias, by the right on an alias alone":                      {probe: []string{allow("kms:CreateAlias", "arn:aws:kms:*:*:alias/*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed},
		"an alias of a name":                                            {probe: []string{allow("kms:CreateAlias", "arn:aws:kms:*:*:alias/op*"), allow("kms:CreateAlias", "arn:aws:kms:*:*:key/*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed, want: "perhaps probe CreateAlias app, probe reads"},
		"an alias of a name that a statement leaves":                    {probe: []string{allow("kms:CreateAlias", "*"), `{"Effect":"Deny","Action":"kms:CreateAlias","NotResource":["arn:aws:kms:*:*:alias/op*","arn:aws:kms:*:*:key/*"]}`, allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt")}, secret: "shop/db", change: closed, want: "perhaps probe CreateAlias app, probe reads"},
		"an alias, by which nothing decides":                            {probe: []string{allow("kms:CreateAlias", "*"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", change: closed},
		"the alias that a secret names, moved to another key":           {probe: []string{allow("kms:UpdateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", keyARN("other"))}, secret: "shop/db", change: namesItsKey, want: "perhaps probe UpdateAlias app, probe reads"},
		"the alias that a secret names, made again":                     {probe: []string{allow("kms:DeleteAlias", "*"), allow("kms:CreateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", keyARN("other"))}, secret: "shop/db", change: namesItsKey, want: "perhaps probe DeleteAlias app, probe CreateAlias app, probe reads"},
		"the alias that a secret names, moved to a key of its own":      {probe: []string{allow("kms:UpdateAlias", "*"), allow("kms:CreateKey", "*"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", change: namesItsKey, want: "perhaps probe CreateKey *, probe UpdateAlias app, probe reads"},
		"the alias that a secret names, and no other key":               {probe: []string{allow("kms:UpdateAlias", "*"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", change: namesItsKey},
		"the alias that a secret names, by the right on keys alone":     {probe: []string{allow("kms:UpdateAlias", "arn:aws:kms:*:*:key/*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", keyARN("other"))}, secret: "shop/db", change: namesItsKey},
		"the alias that a secret names, by the right on it alone":       {probe: []string{allow("kms:UpdateAlias", "arn:aws:kms:*:*:alias/*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", keyARN("other"))}, secret: "shop/db", change: namesItsKey},
		"an alias of the key of a secret that does not name it":         {probe: []string{allow("kms:UpdateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", keyARN("other"))}, secret: "shop/db", change: closed},
		"a right on a key by an alias":                                  {probe: []string{allow("kms:CreateAlias", "*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:PutKeyPolicy")}, secret: "shop/db", change: closed, want: "perhaps probe CreateAlias app, probe PutKeyPolicy app, probe reads"},
		"a right on a key by a tag":                                     {probe: []string{allow("kms:TagResource", "*"), allow("secretsmanager:GetSecretValue", "*"), `{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`}, secret: "shop/db", change: closed, want: "perhaps probe TagResource app, probe CreateGrant app, probe reads"},
		"an alias by a tag":                                             {probe: []string{allow("kms:TagResource", "*"), allow("secretsmanager:GetSecretValue", "*"), byAlias("kms:Decrypt"), `{"Effect":"Allow","Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:key/*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`, allow("kms:CreateAlias", "arn:aws:kms:*:*:alias/*")}, secret: "shop/db", change: closed, want: "perhaps probe TagResource app, probe CreateAlias app, probe reads"},
		"a policy by its tags, which are not read":                      {probe: []string{byRoleTag("iam:CreatePolicyVersion", "aws")}, change: hasManaged, want: "perhaps probe CreatePolicyVersion app, probe reads"},
		"a policy without a tag, which is not read":                     {probe: []string{untagged("iam:CreatePolicyVersion")}, change: hasManaged, want: "perhaps probe CreatePolicyVersion app, probe reads"},
		"a policy, but none with a tag, which is not read":              {probe: []string{allow("iam:CreatePolicyVersion", managed), strings.Replace(byRoleTag("iam:CreatePolicyVersion", "iam"), "Allow", "Deny", 1)}, change: hasManaged, want: "perhaps probe CreatePolicyVersion app, probe reads"},
		"a group without a tag, which is not read":                      {probe: []string{allow("iam:CreateAccessKey", "*"), untagged("iam:PutGroupPolicy")}, secret: "shop/db", want: "perhaps probe CreateAccessKey alice, probe PutGroupPolicy developers, alice reads"},
		"a role for a function, without a tag that passing may look at": {probe: []string{untagged("iam:PassRole"), allow("lambda:*", "*")}, others: []inventory.Principal{reader("other", lambda)}, want: "perhaps probe PassRole other, other reads"},
		"a role for a function without a tag, which is not read":        {probe: []string{allow("iam:PassRole", "*"), untagged("lambda:*")}, others: []inventory.Principal{reader("other", lambda)}, want: "perhaps probe PassRole other, other reads"},
		"a key without a tag, which is not read":                        {probe: []string{untagged("kms:PutKeyPolicy"), allow("secretsmanager:GetSecretValue", "*")}, secret: "shop/db", change: func(s *inventory.Snapshot) { s.Keys[0].Facts.Tags = nil }, want: "perhaps probe PutKeyPolicy app, probe reads"},
		"a key that is off, without a tag, which is not read":           {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"), untagged("kms:EnableKey")}, secret: "shop/off", change: func(s *inventory.Snapshot) { s.Keys[len(s.Keys)-1].Facts.Tags = nil }, want: "perhaps probe EnableKey off, probe reads"},
		"a role without a tag, which was read":                          {probe: []string{untagged("iam:PutRolePolicy")}, want: "probe PutRolePolicy probe, probe reads"},
		"a role of an account that was not read": {probe: []string{allow("sts:AssumeRole", "*")}, change: func(s *inventory.Snapshot) {
			named(s, "shop/legacy").Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + data + `"},"Action":"secretsmanager:PutResourcePolicy","Resource":"*"}`)
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: data, Why: "no role"})
		}},
		"a role of an account that was not read, which the secret lets in": {probe: []string{allow("sts:AssumeRole", "arn:aws:iam::*:role/sync")}, secret: "shared/token", change: func(s *inventory.Snapshot) {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: data, Why: "no role"})
		}, want: "perhaps probe AssumeRole sync, anybody in account 444455556666 reads"},
		"a role of an account that was not read, and of another name than it may take": {probe: []string{allow("sts:AssumeRole", roleARN(vendor, "sync"))}, secret: "shared/token", change: func(s *inventory.Snapshot) {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: data, Why: "no role"})
		}},
		"a key that is off": {probe: []string{allow("secretsmanager:GetSecretValue", "*"), allow("kms:PutKeyPolicy", "*")}, secret: "shop/off"},
	}
}

func setState(state guard.KeyState) func(*inventory.Snapshot) {
	return func(s *inventory.Snapshot) {
		s.Keys[len(s.Keys)-1].Facts.State = state
		off := &named(s, "shop/off").Facts
		off.Key.State, off.Versions[0].Keys[0].State = state, state
	}
}

// closed takes away the policy that cannot be read, which may decide by anything.
func closed(s *inventory.Snapshot) {
	s.Secrets = slices.DeleteFunc(s.Secrets, func(s inventory.Secret) bool { return s.Facts.Name == "shop/broken" })
}

func last(s *inventory.Snapshot) *inventory.Principal { return &s.Principals[len(s.Principals)-1] }

func named(s *inventory.Snapshot, secret string) *inventory.Secret {
	return &s.Secrets[slices.IndexFunc(s.Secrets, func(each inventory.Secret) bool { return each.Facts.Name == secret })]
}

// Whoever a role's trust policy lets in from outside comes to what the role opens, or comes to open.
func TestOutsidersReachASecretByRolesThatTrustThem(t *testing.T) {
	s := acme()
	saml := trusting("saml", `{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"}`, allow("secretsmanager:GetSecretValue", "*"))
	saml.Trust = strings.ReplaceAll(saml.Trust, "sts:AssumeRole", "sts:AssumeRoleWithSAML")
	s.Principals = []inventory.Principal{
		trusting("partner", `{"AWS":"`+vendor+`"}`), saml,
		trusting("reader", `{"AWS":"`+roleARN(shop, "partner")+`"}`, allow("secretsmanager:GetSecretValue", "*")),
		trusting("none", `{"AWS":"`+vendor+`"}`),
	}
	paths, err := inventory.Prepare(s).ReachersOf(secretARN("shop/legacy"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range paths {
		got = append(got, short(p))
		if p.Outside == strings.HasPrefix(p.Principal, "arn:") {
			t.Errorf("%s: outside %t", p.Principal, p.Outside)
		}
	}
	want := []string{
		"partner AssumeRole reader, reader reads",
		"perhaps Okta signs in AssumeRoleWithSAML saml, saml reads",
		"perhaps anybody in account 555566667777 AssumeRole partner, partner AssumeRole reader, reader reads",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is done twice for one thing and another is one step.
func TestAStepThatServesTwiceIsCountedOnce(t *testing.T) {
	s := acme()
	both := trusting("both", `{"AWS":"`+roleARN(shop, "probe")+`"}`, allow("secretsmanager:PutResourcePolicy", "*"), allow("kms:PutKeyPolicy", "*"))
	s.Principals = []inventory.Principal{role(shop, "probe"), both}
	paths, err := inventory.Prepare(s).Reach(roleARN(shop, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(paths, func(p inventory.Path) bool { return p.Secret == secretARN("shop/db") })
	if i < 0 {
		t.Fatal("no path")
	}
	const want = "probe AssumeRole both, both PutResourcePolicy db-AbCdEf, both PutKeyPolicy app, probe reads"
	if got := short(paths[i]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
