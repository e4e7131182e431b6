package keyreview_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	through     = `"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"`
	outsider    = "888877776666"
	useOfTheKey = `"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"`
)

// opening are the findings of DL.KEY.3 on a key with a policy, in an organization that approved the partner's account.
func opening(t *testing.T, text string) []keyreview.Finding {
	t.Helper()
	k := fine()
	k.Policy, k.Facts.Spec, k.Facts.Usage = text, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
	s := snapshot(k)
	s.Organization.ID = "o-exampleorg"
	s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"*","Resource":"*"}`))
	std := standard()
	std.Approved = []string{partner}
	return slices.DeleteFunc(keyreview.Review(inventory.Prepare(s), std, now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOpen })
}

// Whom a statement lets in that is not ours is found and said, and whom it keeps out is not.
func TestWhomAStatementLetsIn(t *testing.T) {
	everybody := func(condition string) string {
		return `{"Sid":"S","Effect":"Allow","Principal":"*",` + useOfTheKey + `,"Condition":{` + condition + `}}`
	}
	names := func(principal string) string {
		return `{"Sid":"S","Effect":"Allow","Principal":` + principal + `,` + useOfTheKey + `}`
	}
	service := func(condition string) string {
		return `{"Sid":"S","Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},` + useOfTheKey + `,"Condition":{` + condition + `}}`
	}
	const (
		foreign      = `{"AWS":"arn:aws:iam::888877776666:root"}`
		deputy       = "sns.amazonaws.com may use the key for anybody"
		denied       = `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}`
		deniedNot    = `{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}`
		deniedButFor = `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":["111122223333","888877776666"]}}}`
	)
	for sentence, tt := range map[string]struct {
		statements []string
		says       string // "" where there is no finding
		outcome    guard.Outcome
	}{
		"roles of that name in any account":             {[]string{everybody(`"StringLike":{"aws:PrincipalArn":"*:role/app"}`)}, "named *:role/app in an account of their own", guard.Fail},
		"text before the account may run over it":       {[]string{everybody(`"StringLike":{"aws:PrincipalArn":"*:111122223333:role/app"}`)}, "named *:111122223333:role/app", guard.Fail},
		"and so may that of the partition":              {[]string{everybody(`"StringLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:role/app"}`)}, "named arn:*:iam::111122223333:role/app", guard.Fail},
		"an ARN operator keeps it in its component":     {[]string{everybody(`"ArnLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:role/app"}`)}, "", ""},
		"accounts that begin alike":                     {[]string{everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::11112222*:role/app"}`)}, "named arn:aws:iam::11112222*:role/app", guard.Fail},
		"accounts that end alike":                       {[]string{everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::????22223333:role/app"}`)}, "named arn:aws:iam::????22223333:role/app", guard.Fail},
		"text that ends with the account":               {[]string{everybody(`"StringLike":{"aws:PrincipalArn":"arn:aws:iam::1111*"}`)}, "named arn:aws:iam::1111*", guard.Fail},
		"the whole account":                             {[]string{everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333*:role/app"}`)}, "", ""},
		"the approved account":                          {[]string{everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::444455556666:role/*"}`)}, "", ""},
		"callers of accounts that begin alike":          {[]string{everybody(`"StringLike":{"kms:CallerAccount":"1111*"},"StringEquals":{` + through + `}`)}, "every account like 1111*", guard.Fail},
		"principals of such accounts":                   {[]string{everybody(`"StringLike":{"aws:PrincipalAccount":"11112222333?"},"StringEquals":{` + through + `}`)}, "every account like 11112222333?", guard.Fail},
		"anybody but one account":                       {[]string{everybody(`"StringNotEquals":{"aws:PrincipalAccount":"888877776666"}`)}, "anybody in any AWS account may use", guard.Fail},
		"anybody but somebody":                          {[]string{`{"Effect":"Allow","NotPrincipal":` + foreign + `,` + useOfTheKey + `}`}, "anybody in any AWS account may use", guard.Fail},
		"the organization, or none":                     {[]string{everybody(`"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"}`)}, "anybody in any AWS account that is in no organization", guard.Fail},
		"all values of none":                            {[]string{everybody(`"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/*"}`)}, "anybody in any AWS account that is in no organization", guard.Fail},
		"organizations that begin alike":                {[]string{everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg*"}`)}, "organizations like o-exampleorg*", guard.Fail},
		"the organization's own path":                   {[]string{everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/r-1/*"},"StringEquals":{` + through + `}`)}, "", ""},
		"the organization, directly":                    {[]string{everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`)}, "everybody in organization o-exampleorg may use the key directly", guard.Fail},
		"the account, directly":                         {[]string{everybody(`"StringEquals":{"kms:CallerAccount":"111122223333"}`)}, "every principal of the account may use the key directly", guard.Fail},
		"the account that the key is of":                {[]string{everybody(`"StringEquals":{"aws:PrincipalAccount":"${aws:ResourceAccount}",` + through + `}`)}, "", ""},
		"the organization that the key is of":           {[]string{everybody(`"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}",` + through + `}`)}, "", ""},
		"the world, through another service":            {[]string{everybody(`"StringEquals":{"kms:ViaService":"s3.eu-central-1.amazonaws.com"}`)}, "anybody in any AWS account may use", guard.Fail},
		"the world, by the key's own ARN":               {[]string{strings.Replace(names(`"*"`), `"Resource":"*"`, `"Resource":"`+arn+`"`, 1)}, "anybody in any AWS account may use", guard.Fail},
		"another key":                                   {[]string{strings.Replace(names(foreign), `"Resource":"*"`, `"Resource":"`+arn+`2"`, 1)}, "", ""},
		"one that is not said whose it is":              {[]string{names(`{"AWS":"AROAFOREIGN123456789"}`)}, "names AROAFOREIGN123456789", guard.Unknown},
		"a foreign organization that manages":           {[]string{`{"Effect":"Allow","Principal":"*","Action":["kms:PutKeyPolicy","kms:DisableKey"],"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-partner"}}}`}, "organization o-partner, not yours", guard.Fail},
		"a foreign organization that describes":         {[]string{`{"Effect":"Allow","Principal":"*","Action":"kms:DescribeKey","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-partner"}}}`}, "", ""},
		"a foreign account":                             {[]string{names(foreign)}, "account 888877776666, not approved", guard.Fail},
		"a foreign account that is denied":              {[]string{names(foreign), denied}, "", ""},
		"a foreign account that is denied another":      {[]string{names(foreign), deniedNot}, "account 888877776666, not approved", guard.Fail},
		"a foreign account that a deny lets pass":       {[]string{names(foreign), deniedButFor}, "account 888877776666, not approved", guard.Fail},
		"the world, of whom a deny lets one pass":       {[]string{names(`"*"`), deniedButFor}, "account 888877776666, not approved", guard.Fail},
		"an identity provider":                          {[]string{names(`{"Federated":"cognito-identity.amazonaws.com"}`)}, "whoever cognito-identity.amazonaws.com signs in", guard.Fail},
		"an identity provider of the account":           {[]string{names(`{"Federated":"arn:aws:iam::111122223333:saml-provider/okta"}`)}, "whoever arn:aws:iam::111122223333:saml-provider/okta signs in", guard.Fail},
		"every service":                                 {[]string{everybody(`"Bool":{"aws:PrincipalIsAWSService":"true"}`)}, "every AWS service may use the key for anybody", guard.Fail},
		"a service by its name":                         {[]string{everybody(`"StringEquals":{"aws:PrincipalServiceName":"logs.eu-central-1.amazonaws.com"}`)}, "logs.eu-central-1.amazonaws.com may use the key for anybody", guard.Fail},
		"services by a pattern":                         {[]string{everybody(`"StringLike":{"aws:PrincipalServiceName":"logs.*.amazonaws.com"}`)}, "may use the key for anybody", guard.Fail},
		"services by one of their names":                {[]string{everybody(`"ForAnyValue:StringEquals":{"aws:PrincipalServiceNamesList":"logs.amazonaws.com"}`)}, "sources that are certainly yours", guard.Unknown},
		"a service by its name, for the account":        {[]string{everybody(`"StringEquals":{"aws:PrincipalServiceName":"logs.amazonaws.com","aws:SourceAccount":"111122223333"}`)}, "", ""},
		"a service for nobody":                          {[]string{names(`{"Service":"sns.amazonaws.com"}`)}, deputy, guard.Fail},
		"a service for the account":                     {[]string{service(`"StringEquals":{"aws:SourceAccount":"111122223333"}`)}, "", ""},
		"a service for the account that the key is of":  {[]string{service(`"StringEquals":{"aws:SourceAccount":"${aws:ResourceAccount}"}`)}, "", ""},
		"a service for the account, or nobody":          {[]string{service(`"StringEqualsIfExists":{"aws:SourceAccount":"111122223333"}`)}, deputy, guard.Fail},
		"a service for another account":                 {[]string{service(`"StringEquals":{"aws:SourceAccount":"888877776666"}`)}, "for 888877776666, not yours", guard.Fail},
		"a service for the approved account":            {[]string{service(`"StringEquals":{"aws:SourceAccount":"444455556666"}`)}, "", ""},
		"a service for accounts that begin alike":       {[]string{service(`"StringLike":{"aws:SourceAccount":"1111*"}`)}, "for 1111*, not yours", guard.Fail},
		"a service for all accounts but one":            {[]string{service(`"StringNotEquals":{"aws:SourceAccount":"888877776666"}`)}, deputy, guard.Fail},
		"a service for topics of any account":           {[]string{service(`"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`)}, "for arn:aws:sns:*:*:*, not yours", guard.Fail},
		"a service for topics of the account":           {[]string{service(`"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:111122223333:*"}`)}, "", ""},
		"a service for a bucket, of which account ever": {[]string{service(`"ArnLike":{"aws:SourceArn":"arn:aws:s3:::bucket"}`)}, "sources that are certainly yours", guard.Unknown},
		"a service for a bucket of the account":         {[]string{service(`"ArnLike":{"aws:SourceArn":"arn:aws:s3:::bucket"},"StringEquals":{"aws:SourceAccount":"111122223333"}`)}, "", ""},
		"a service for another organization":            {[]string{service(`"StringEquals":{"aws:SourceOrgID":"o-partner"}`)}, "for o-partner, not yours", guard.Fail},
		"a service for the organization":                {[]string{service(`"StringEquals":{"aws:SourceOrgID":"o-exampleorg"}`)}, "", ""},
		"a service for any source":                      {[]string{service(`"Null":{"aws:SourceArn":"false"}`)}, "sources that are certainly yours", guard.Unknown},
		"a service, whose context names no account":     {[]string{service(`"StringEquals":{"kms:EncryptionContext:app":"shop"}`)}, "sources that are certainly yours", guard.Unknown},
		"a service for nobody, which a deny keeps out": {[]string{names(`{"Service":"sns.amazonaws.com"}`),
			`{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceAccount":"111122223333"},"Bool":{"aws:PrincipalIsAWSService":"true"}}}`}, "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			found := opening(t, document(append(tt.statements, manageOnly)...))
			if tt.says == "" {
				if len(found) > 0 {
					t.Errorf("%s", found[0].Detail)
				}
				return
			}
			if len(found) != 1 || !strings.Contains(found[0].Detail, tt.says) || found[0].Outcome != tt.outcome {
				t.Fatalf("%+v", found)
			}
			if found[0].After == "" && !strings.Contains(found[0].Fix, "a person has to decide") {
				t.Errorf("neither a policy nor why there is none: %+v", found[0])
			}
		})
	}
}

// A key whose policy nobody of the account can change is a finding, whether nothing allows that or a Deny stops it.
func TestAKeyThatNobodyCanManage(t *testing.T) {
	const app = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:Decrypt","Resource":"*"}`
	manager := func(principal, condition string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":["kms:PutKeyPolicy","kms:DescribeKey"],"Resource":"*","Condition":{` + condition + `}}`
	}
	for sentence, tt := range map[string]struct {
		statements []string
		nobody     bool
	}{
		"use alone":                       {[]string{app}, true},
		"the account":                     {[]string{app, manageOnly}, false},
		"a role":                          {[]string{app, manager(`{"AWS":"arn:aws:iam::111122223333:role/admin"}`, "")}, false},
		"a role by its ARN":               {[]string{app, manager(`"*"`, `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/adm*"}`)}, false},
		"a role that was deleted":         {[]string{app, manager(`{"AWS":"AROADELETED123456789"}`, "")}, true},
		"a foreign account, which KMS":    {[]string{app, manager(`{"AWS":"arn:aws:iam::444455556666:root"}`, "")}, true},
		"a service":                       {[]string{app, manager(`{"Service":"sns.amazonaws.com"}`, `"StringEquals":{"aws:SourceAccount":"111122223333"}`)}, true},
		"the account, which is denied":    {[]string{app, manageOnly, `{"Effect":"Deny","Principal":"*","Action":"kms:Put*","Resource":"*"}`}, true},
		"all are denied but one":          {[]string{app, manageOnly, `{"Effect":"Deny","Principal":"*","Action":"kms:Put*","Resource":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/admin"}}}`}, false},
		"another condition than there is": {[]string{app, manager(`{"AWS":"111122223333"}`, `"StringEquals":{"kms:KeyOrigin":"EXTERNAL"}`)}, true},
	} {
		found := opening(t, document(tt.statements...))
		if got := slices.ContainsFunc(found, func(f keyreview.Finding) bool {
			return f.Outcome == guard.Fail && strings.HasPrefix(f.Detail, "nobody of account 111122223333 can manage it")
		}); got != tt.nobody {
			t.Errorf("%s: %t, %+v", sentence, got, found)
		}
	}
}

// inside are what findings say that are about nobody from outside.
var inside = []string{"principal of organization o-exampleorg", "principals of organization o-exampleorg", "may use the key directly, not only through", "it lets its principals hand the key on", "it lets the same principals manage", "every principal of the account may", "can manage it"}

func aboutOutsiders(found []keyreview.Finding) bool {
	for _, f := range found {
		for detail := range strings.SplitSeq(f.Detail, "; ") {
			if !slices.ContainsFunc(inside, func(words string) bool { return strings.Contains(detail, words) }) {
				return true
			}
		}
	}
	return false
}

var (
	accountsIn      = regexp.MustCompile(`[0-9]{12}`)
	organizationsIn = regexp.MustCompile(`o-[a-z0-9]+`)
	servicesIn      = regexp.MustCompile(`[a-z-]+(\.[a-z0-9-]+)?\.amazonaws\.com`)
	rolesIn         = regexp.MustCompile(`arn:aws:iam::[0-9]{12}:(role|user)/[A-Za-z0-9/_-]+`)
)

// outsidersOf are whom a policy's own text may be about and who is not ours: symbolic, and examples that wildcards may fit.
func outsidersOf(text string) []policy.Request {
	approved := []string{own, partner}
	world := policy.Principal{Kind: policy.KindSomebody, NotAccounts: approved, NotOrganizations: []string{"o-exampleorg"}}
	principals := []policy.Principal{world}
	if strings.Contains(text, `"Federated"`) && !strings.Contains(text, `"Effect":"Allow","Principal":"*"`) && !strings.Contains(text, `{"AWS":"*"}`) && !strings.Contains(text, "NotPrincipal") {
		principals = append(principals, policy.Principal{Kind: policy.KindFederated, Name: "cognito-identity.amazonaws.com"}) // who calls KMS where a policy names it alone
	}
	for _, account := range append(accountsIn.FindAllString(text, -1), "111100000000", "111122220000", "111122223334", "000000000000") {
		if !slices.Contains(approved, account) {
			principals = append(principals, policy.Principal{Kind: policy.KindSomebody, Account: account, OrganizationID: "o-stranger"})
			for _, name := range []string{"role/app", "role/x:111122223333:role/app", "role/:iam::111122223333:role/app", "user/app"} {
				p, err := policy.ParsePrincipal("arn:aws:iam::" + account + ":" + name)
				if err != nil {
					panic(err)
				}
				p.OrganizationID, p.OrganizationPath = "o-stranger", "o-stranger/r-1/"
				principals = append(principals, p)
			}
		}
	}
	for _, name := range rolesIn.FindAllString(text, -1) {
		if p, err := policy.ParsePrincipal(name); err == nil && !slices.Contains(approved, p.Account) {
			p.OrganizationID, p.OrganizationPath = "o-stranger", "o-stranger/r-1/"
			principals = append(principals, p)
		}
	}
	for _, id := range organizationsIn.FindAllString(text+" o-exampleorgx", -1) {
		if id != "o-exampleorg" {
			principals = append(principals, policy.Principal{Kind: policy.KindSomebody, NotAccounts: approved, OrganizationID: id})
		}
	}
	var out []policy.Request
	for _, p := range principals {
		out = append(out, policy.Request{Principal: p})
	}
	for _, name := range append(servicesIn.FindAllString(text, -1), "any.amazonaws.com") {
		p := policy.Principal{Kind: policy.KindService, Name: name}
		for _, context := range []map[string][]string{
			{"aws:SourceAccount": nil, "aws:SourceArn": nil, "aws:SourceOrgID": nil, "aws:SourceOrgPaths": nil},
			{"aws:SourceAccount": {outsider}, "aws:SourceArn": {"arn:aws:sns:eu-central-1:" + outsider + ":t"}, "aws:SourceOrgID": {"o-partner"}, "aws:SourceOrgPaths": {"o-partner/r-1/"}},
			{"aws:SourceAccount": {"111122223334"}, "aws:SourceArn": nil, "aws:SourceOrgID": nil, "aws:SourceOrgPaths": nil},
		} {
			out = append(out, policy.Request{Principal: p, Context: context})
			out[len(out)-1].Absent = []string{"kms:EncryptionContext:*", "kms:CallerAccount", "aws:PrincipalAccount", "aws:PrincipalArn"}
		}
		p.NotAccounts, p.NotSources, p.NotSourceOrganizations = approved, approved, []string{"o-exampleorg"}
		out = append(out, policy.Request{Principal: p})
	}
	return out
}

var anyAction = policy.MustParse("any", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)

// letIn is who of the outsiders is not certainly denied; "" where all are.
func letIn(t *testing.T, text string) string {
	t.Helper()
	d, err := policy.Parse("key policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range outsidersOf(text) {
		for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant"} {
			request.Action, request.Resource, request.ResourceAccount, request.Open = action, arn, own, true
			context := map[string][]string{"aws:ResourceOrgID": {"o-exampleorg"}, "kms:KeyOrigin": {"AWS_KMS"}, "kms:KeySpec": {"SYMMETRIC_DEFAULT"}, "kms:KeyUsage": {"ENCRYPT_DECRYPT"},
				"kms:MultiRegion": {"false"}, "kms:ResourceAliases": {"alias/app"}, "aws:RequestedRegion": {"eu-central-1"}, "aws:SecureTransport": {"true"}}
			for name, values := range request.Context {
				context[name] = values
			}
			asked := request
			asked.Context = context
			got := policy.Evaluate(asked, policy.Policies{Identity: []*policy.Document{anyAction}, Resource: d, ResourceKind: policy.ResourceKey})
			if got.Answer == policy.Allowed || got.Answer == policy.Unknown {
				return fmt.Sprintf("%+v by %s with %v: %s", request.Principal, action, request.Context, got.Why)
			}
		}
	}
	return ""
}

// A key on which nothing is found about outsiders lets none in: over policies as people have them, and made ones of their parts.
func TestNoFindingMeansNoOutsider(t *testing.T) {
	raw, err := os.ReadFile("testdata/public.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []public
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	var policies []string
	for _, c := range cases {
		policies = append(policies, string(c.Policy))
	}
	random := rand.New(rand.NewPCG(18, 19))
	for range 500 {
		policies = append(policies, madePolicy(random))
	}
	open, shut := 0, 0
	for i, text := range policies {
		found := opening(t, text)
		who := letIn(t, text)
		switch about := aboutOutsiders(found); {
		case !about && who != "":
			t.Errorf("nothing is found, and it lets in %s\n%s", who, text)
		case about && who == "" && i >= len(cases) && !slices.ContainsFunc(found, func(f keyreview.Finding) bool {
			return strings.Contains(f.Detail, "it may let in account") || // which may be of the organization, as no outsider here is
				strings.Contains(f.Detail, "signs in") // and of identities is asked where no statement is for everybody
		}):
			t.Errorf("%+v is found, and it lets in nobody from outside\n%s", found[0].Detail, text)
		case about:
			open++
		default:
			shut++
		}
	}
	if t.Logf("%d open, %d shut", open, shut); open < 100 || shut < 100 {
		t.Errorf("%d policies let outsiders in and %d do not: too few of one to show anything", open, shut)
	}
}

// madePolicy is a key policy of one or two Allows and perhaps a Deny, of the parts that people use, with values of ours and of others.
func madePolicy(random *rand.Rand) string {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	account := func() string {
		return pick(own, own, own, partner, outsider, "1111*", "11112222333?", "*", "${aws:ResourceAccount}")
	}
	principalARN := func() string {
		return pick("arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::444455556666:role/app", "arn:aws:iam::888877776666:role/app", "arn:aws:iam::*:role/app",
			"arn:aws:iam::11112222*:role/app", "arn:aws:iam::111122223333*:role/app", "arn:*:iam::111122223333:role/app", "*:role/app", "*:111122223333:role/app")
	}
	source := func() string {
		return pick("arn:aws:sns:eu-central-1:111122223333:t", "arn:aws:sns:*:111122223333:*", "arn:aws:sns:*:*:*", "arn:aws:sns:eu-central-1:888877776666:t", "arn:aws:s3:::bucket")
	}
	condition := func() string {
		ifExists := pick("", "", "", "IfExists")
		equals, like := pick("StringEquals", "StringLike", "StringEquals", "StringNotEquals", "StringNotLike")+ifExists, pick("ArnLike", "StringLike", "ArnEquals", "ArnNotLike")+ifExists
		set := pick("ForAnyValue:", "ForAnyValue:", "ForAllValues:")
		values := func(value func() string) string { return pick(`"`+value()+`"`, `["`+value()+`","`+value()+`"]`) }
		organizations := func() string { return pick("o-exampleorg", "o-exampleorg", "o-partner", "o-ex*") }
		paths := func() string { return pick("o-exampleorg/*", "o-exampleorg/*", "o-partner/*", "o-exampleorg*", "*") }
		return pick(
			`"`+equals+`":{"`+pick("kms:CallerAccount", "aws:PrincipalAccount", "aws:SourceAccount")+`":`+values(account)+`}`,
			`"`+equals+`":{"`+pick("aws:PrincipalOrgID", "aws:SourceOrgID")+`":`+values(organizations)+`}`,
			`"`+set+`StringLike`+ifExists+`":{"`+pick("aws:PrincipalOrgPaths", "aws:SourceOrgPaths")+`":`+values(paths)+`}`,
			`"`+like+`":{"aws:PrincipalArn":`+values(principalARN)+`}`,
			`"`+like+`":{"`+pick("aws:SourceArn", "kms:EncryptionContext:aws:sns:topicArn")+`":`+values(source)+`}`,
			`"Bool`+ifExists+`":{"aws:PrincipalIsAWSService":"`+pick("true", "false")+`"}`,
			`"StringEquals":{"aws:PrincipalServiceName":"sns.amazonaws.com"}`,
			`"StringEquals":{`+through+`}`,
			`"Null":{"`+pick("aws:PrincipalOrgID", "aws:SourceArn", "aws:SourceAccount")+`":"`+pick("true", "false")+`"}`,
			`"StringEquals":{"kms:KeyOrigin":"`+pick("AWS_KMS", "EXTERNAL")+`"}`,
			`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`,
		)
	}
	conditions := func(least int) string {
		byOperator := map[string]string{}
		for range least + random.IntN(3) {
			operator, keys, _ := strings.Cut(condition(), ":{")
			if strings.HasPrefix(operator, `"For`) { // the operator has a colon
				byOperator[operator] = keys
				continue
			}
			byOperator[operator] = keys
		}
		var out []string
		for operator, keys := range byOperator {
			out = append(out, operator+":{"+keys)
		}
		slices.Sort(out)
		return strings.Join(out, ",")
	}
	principal := func() string {
		return pick(`"Principal":"*"`, `"Principal":{"AWS":"*"}`, `"Principal":{"AWS":"*"}`, `"Principal":{"AWS":"arn:aws:iam::111122223333:role/app"}`, `"Principal":{"AWS":["111122223333","arn:aws:iam::444455556666:root"]}`,
			`"Principal":{"AWS":"arn:aws:iam::888877776666:root"}`, `"Principal":{"AWS":["arn:aws:iam::888877776666:role/app","arn:aws:iam::111122223333:role/app"]}`, `"Principal":{"Service":"sns.amazonaws.com"}`,
			`"Principal":{"Service":["sns.amazonaws.com","logs.eu-central-1.amazonaws.com"]}`, `"Principal":{"Federated":"cognito-identity.amazonaws.com"}`, `"NotPrincipal":{"AWS":"arn:aws:iam::888877776666:root"}`)
	}
	var statements []string
	for range 1 + random.IntN(2) {
		actions := pick(`"kms:Decrypt"`, `["kms:Decrypt","kms:GenerateDataKey"]`, `["kms:Decrypt","kms:GenerateDataKey*","kms:ReEncrypt*"]`, `"kms:CreateGrant"`, `"kms:*"`)
		statements = append(statements, `{"Effect":"Allow",`+principal()+`,"Action":`+actions+`,"Resource":"*","Condition":{`+conditions(1)+`}}`)
	}
	for range random.IntN(2) {
		statements = append(statements, `{"Effect":"Deny","Principal":"*","Action":`+pick(`"kms:*"`, `"kms:Decrypt"`, `["kms:D*","kms:G*"]`)+`,"Resource":"*","Condition":{`+conditions(1)+`}}`)
	}
	return document(append(statements, manageOnly)...)
}
