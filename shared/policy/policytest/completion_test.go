package policytest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

// A certain answer to a request of which not all is known holds however the rest turns out to be.

// completion draws requests in which everything is known that was not.
type completion struct {
	random *rand.Rand
	values map[string][]string // by condition key in lower case, those that the policies name
}

var variable = regexp.MustCompile(`\$\{([^},]+)`)

func completionOf(p policy.Policies, random *rand.Rand) completion {
	c := completion{random, map[string][]string{}}
	note := func(key string, values ...string) {
		key = strings.ToLower(key)
		c.values[key] = append(c.values[key], values...)
	}
	documents := slices.Concat(p.Identity, p.Boundary, p.Session, p.Endpoint, slices.Concat(p.SCPs...), slices.Concat(p.RCPs...))
	if p.Resource != nil {
		documents = append(documents, p.Resource)
	}
	for _, d := range documents {
		if d == nil {
			continue
		}
		for _, s := range d.Statements {
			for _, text := range slices.Concat(s.Resources, s.NotResources) {
				for _, found := range variable.FindAllStringSubmatch(text, -1) {
					note(found[1], "pay", "db-AbCdEf")
				}
			}
			for _, condition := range s.Conditions {
				for _, value := range condition.Values {
					note(condition.Key, value, strings.NewReplacer("*", "x", "?", "y").Replace(value), strings.Trim(value, "*"))
					for _, found := range variable.FindAllStringSubmatch(value, -1) {
						note(found[1], "pay", "prod")
					}
				}
				note(condition.Key, "true", "false", "7", "2026-06-01T00:00:00Z", "10.1.2.3", "arn:aws:iam::111122223333:role/x", "pay")
			}
		}
	}
	return c
}

// of fills in what a request leaves open: for each key that the policies name, one of their values, another, or none.
func (c completion) of(r policy.Request) policy.Request {
	whole := r
	whole.Open, whole.Unknown, whole.Absent, whole.Context = false, nil, nil, map[string][]string{}
	for key, values := range r.Context {
		whole.Context[strings.ToLower(key)] = values
	}
	for _, key := range slices.Sorted(maps.Keys(c.values)) {
		if _, given := whole.Context[key]; given || !c.open(r, key) {
			continue
		}
		carried := policy.KeyOf(key, r.Action, r.Principal.Kind)
		if carried == policy.Never && !slices.ContainsFunc(r.Unknown, func(name string) bool { return strings.EqualFold(name, key) }) {
			continue
		}
		if carried != policy.Always && c.random.IntN(3) == 0 {
			whole.Context[key] = []string{} // it is not there
			continue
		}
		whole.Context[key] = []string{c.one(c.values[key])}
		if policy.Multivalued(key) && c.random.IntN(2) == 0 {
			whole.Context[key] = append(whole.Context[key], c.one(c.values[key]))
		}
	}
	return whole
}

func (c completion) one(of []string) string { return of[c.random.IntN(len(of))] }

// follows are keys whose value follows from who asks for what, as long as nobody says that they are not known.
var follows = []string{"aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:principaltype", "aws:userid",
	"aws:username", "aws:principalisawsservice", "aws:principalservicename", "aws:resourceaccount", "kms:calleraccount"}

// open reports whether a request leaves a key open that it does not give.
func (c completion) open(r policy.Request, key string) bool {
	for _, name := range r.Unknown {
		prefix, wild := strings.CutSuffix(strings.ToLower(name), "*")
		namespace := wild && (prefix == "" || strings.HasSuffix(prefix, ":") && strings.Count(prefix, ":") == 1)
		if !namespace && (prefix == key || wild && strings.HasPrefix(key, prefix)) {
			return true
		}
		if namespace && strings.HasPrefix(key, prefix) && !slices.Contains(follows, key) {
			return true
		}
	}
	told := strings.HasPrefix(key, "aws:principaltag/") && r.Principal.Tags != nil
	return r.Open && !told && !slices.Contains(follows, key)
}

// mustHold tries completions of a request, and reports one that turns a certain answer into its opposite.
func mustHold(t *testing.T, name string, r policy.Request, p policy.Policies, random *rand.Rand, times int) (certain bool) {
	t.Helper()
	first := policy.Evaluate(r, p)
	if first.Answer == policy.Unknown {
		return false
	}
	c := completionOf(p, random)
	for range times {
		whole := c.of(r)
		if got := policy.Evaluate(whole, p); opposite(first.Answer, got.Answer) {
			t.Errorf("%s: %s whatever is not known (%s), and %s with %v: %s", name, first.Answer, first.Why, got.Answer, whole.Context, got.Why)
			return true
		}
	}
	return true
}

func opposite(certain, whole policy.Answer) bool {
	return whole != policy.Unknown && (certain == policy.Allowed) != (whole == policy.Allowed)
}

// Of each case in the suite, keys are hidden: one, all, and all that nobody gave.
func TestNoCompletionTurnsACertainAnswerOfTheSuite(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	asked, certain := 0, 0
	for file, list := range loadCases(t) {
		cases, err := policytest.Read(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			whole := policytest.Run(c).Decision.Answer
			open := c.Request
			open.Open = true
			hidden := []policy.Request{open, c.Request}
			open.Context = maps.Clone(open.Context)
			maps.DeleteFunc(open.Context, func(key string, _ []string) bool { // but for what AWS would not leave open: some cases give it all the same
				return policy.KeyOf(key, open.Action, open.Principal.Kind) != policy.Never && !slices.Contains(follows, strings.ToLower(key))
			})
			hidden = append(hidden, open)
			for key := range c.Request.Context {
				one := c.Request
				one.Context = maps.Clone(one.Context)
				delete(one.Context, key)
				one.Unknown = append(slices.Clip(one.Unknown), key)
				hidden = append(hidden, one)
			}
			for i, r := range hidden {
				asked++
				if got := policy.Evaluate(r, c.Policies); got.Answer != policy.Unknown && opposite(got.Answer, whole) {
					t.Errorf("%s: %s: %s, and %s where not all is known (%d): %s", file, c.Name, whole, got.Answer, i, got.Why)
				}
				if mustHold(t, file+": "+c.Name, r, c.Policies, random, 20) {
					certain++
				}
			}
		}
	}
	t.Logf("%d requests of which not all is known, %d with a certain answer", asked, certain)
	if certain < 500 {
		t.Errorf("only %d certain answers were tried", certain)
	}
}

// shapes are policies as people publish them; what stands in angles is drawn.
var shapes = []string{
	`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}`,
	`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/team}/*"}`,
	`{"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}`,
	`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}}}`,
	`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*","Condition":{"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"}}}`,
	`{"Effect":"<effect>","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}`,
	`{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}}`,
	`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8"]},"Bool":{"aws:ViaAWSService":"false"}}}`,
	`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:SourceVpc":"vpc-1","aws:PrincipalOrgID":"o-ours"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}`,
	`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/BreakGlass*","*"]}}}`,
	`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotLike":{"aws:userid":["AROAEXAMPLEID12345678:*","111122223333"]}}}`,
	`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}"}}}`,
	`{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:SecretARN":"x"},"Null":{"kms:EncryptionContextKeys":"false"}}}`,
	`{"Effect":"<effect>","Action":"*","Resource":"*","Condition":{"<operator>":{"<key>":"<value>"}}}`,
	`{"Effect":"<effect>","Action":"*","Resource":"*","Condition":{"<operator>":{"<key>":["<value>","<value>"]},"Null":{"<key>":"<bool>"}}}`,
	`{"Effect":"<effect>","Action":"*","NotResource":"arn:aws:secretsmanager:*:*:secret:${<key>}*","Condition":{"<operator>":{"<key>":"${<key>}"}}}`,
}

var drawn = map[string][]string{
	"effect": {"Allow", "Deny"},
	"bool":   {"true", "false"},
	"operator": {"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists", "StringEqualsIgnoreCase", "ArnLike",
		"ArnNotEquals", "Bool", "BoolIfExists", "NumericLessThan", "NumericNotEquals", "DateGreaterThan", "IpAddress", "NotIpAddressIfExists", "ForAnyValue:StringLike",
		"ForAllValues:StringEquals", "ForAnyValue:StringNotEquals", "ForAllValues:StringNotLike", "ForAnyValue:StringEqualsIfExists"},
	"key": {"aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:PrincipalOrgPaths", "aws:PrincipalOrgID", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:userid", "aws:username",
		"aws:SourceIp", "aws:SourceVpce", "aws:SourceArn", "aws:TagKeys", "aws:CalledVia", "aws:CurrentTime", "aws:SecureTransport", "aws:MultiFactorAuthAge", "aws:TokenIssueTime",
		"kms:ViaService", "kms:ResourceAliases", "kms:KeySpec", "kms:MultiRegion", "kms:GrantOperations", "secretsmanager:SecretId", "secretsmanager:VersionStage", "aws:New2027", "x:unheard"},
	"value": {"pay", "*", "p*", "true", "false", "7", "o-ours", "o-ours/*", "10.0.0.0/8", "2026-01-01T00:00:00Z", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/app",
		"AROAEXAMPLEID12345678:*", "${aws:PrincipalTag/team}", "${aws:username}", "${aws:PrincipalTag/team, 'pay'}", "alias/*", "SYMMETRIC_DEFAULT"},
}

// A thousand sets of policies of these shapes, for each kind of principal.
func TestNoCompletionTurnsACertainAnswerOfPublicShapes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	fill := func(shape string) string {
		for name, values := range drawn {
			for strings.Contains(shape, "<"+name+">") {
				shape = strings.Replace(shape, "<"+name+">", pick(values), 1)
			}
		}
		return shape
	}
	document := func(name string, principal bool) *policy.Document {
		statements := make([]string, 1+random.IntN(3))
		for i := range statements {
			statements[i] = fill(pick(shapes))
			if principal {
				statements[i] = fmt.Sprintf(`{"Principal":%s,%s`, pick([]string{`"*"`, `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::111122223333:role/app"}`, `{"AWS":"AROAEXAMPLEID12345678"}`}), statements[i][1:])
			}
		}
		if !principal && random.IntN(2) == 0 {
			statements = append(statements, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
		}
		raw := []byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
		if !json.Valid(raw) {
			t.Fatalf("%s", raw)
		}
		return policy.Read(name, raw)
	}
	who := []string{"arn:aws:iam::111122223333:user/ana", "arn:aws:sts::111122223333:assumed-role/app/run-1", "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:root",
		"arn:aws:sts::111122223333:federated-user/fay", "lambda.amazonaws.com", "*"}
	certain := map[policy.Answer]int{}
	for i := range 1500 {
		p := policy.Policies{Identity: []*policy.Document{document("identity", false)}}
		if random.IntN(2) == 0 {
			p.SCPs = [][]*policy.Document{{policy.MustParse("full", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), document("scp", false)}}
		}
		if random.IntN(3) > 0 {
			p.Resource = document("resource", true)
		}
		principal, err := policy.ParsePrincipal(pick(who))
		if err != nil {
			t.Fatal(err)
		}
		if principal.Kind == policy.KindRole || principal.Kind == policy.KindSession {
			principal.UniqueID = pick([]string{"", "AROAEXAMPLEID12345678"})
		}
		r := policy.Request{Principal: principal, Action: "secretsmanager:GetSecretValue", Resource: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pay/db-AbCdEf",
			ResourceAccount: "111122223333", Open: true}
		if random.IntN(2) == 0 {
			r.Action, r.Resource = "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		}
		if mustHold(t, fmt.Sprintf("policies %d", i), r, p, random, 30) {
			certain[policy.Evaluate(r, p).Answer]++
		}
	}
	t.Logf("certain answers: %v of 1500", certain)
	if certain[policy.Allowed] < 30 || certain[policy.ImplicitlyDenied] < 100 || certain[policy.ExplicitlyDenied] < 30 {
		t.Errorf("certain answers: %v: too few to show anything", certain)
	}
}

// What is denied to a population is denied to everybody in it, and what is allowed to somebody in it is not denied to it.
func TestAPopulationIsDeniedOnlyWhatEverybodyInItIsDenied(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	const ours, theirs = "111122223333", "555566667777"
	values := []string{"o-ours", "o-partner", "o-ours/*", "o-partner/*", "o-*", ours, theirs, "arn:aws:iam::" + ours + ":role/*", "arn:aws:iam::" + theirs + ":role/sync", "arn:aws:iam::*:role/sync*", "*"}
	condition := func() string {
		if random.IntN(3) == 0 {
			return ""
		}
		return fmt.Sprintf(`,"Condition":{"%s":{"%s":["%s","%s"]}}`, pick([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "ArnLike", "ArnNotLike",
			"StringEqualsIfExists", "StringNotEqualsIfExists", "ForAnyValue:StringLike", "ForAllValues:StringNotLike"}),
			pick([]string{"aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:PrincipalAccount", "aws:PrincipalArn"}), pick(values), pick(values))
	}
	principal := func() string {
		return pick([]string{`"*"`, `{"AWS":"` + ours + `"}`, `{"AWS":"` + theirs + `"}`, `{"AWS":"arn:aws:iam::` + theirs + `:role/sync"}`, `{"AWS":"arn:aws:iam::` + ours + `:role/app"}`})
	}
	members := []policy.Principal{}
	for _, text := range []string{"arn:aws:iam::" + theirs + ":role/sync", "arn:aws:sts::" + theirs + ":assumed-role/sync/1", "arn:aws:iam::999999999999:user/eve"} {
		for _, organization := range []string{"", "o-partner"} {
			p, err := policy.ParsePrincipal(text)
			if err != nil {
				t.Fatal(err)
			}
			if organization != "" {
				p.OrganizationID, p.OrganizationPath = organization, organization+"/r-1/"
			}
			members = append(members, p)
		}
	}
	all := []*policy.Document{policy.MustParse("all", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}
	denied, open := 0, 0
	for range 2000 {
		text := `{"Version":"2012-10-17","Statement":[`
		for i := range 1 + random.IntN(3) {
			text += []string{"", ","}[min(i, 1)] + `{"Effect":"` + pick([]string{"Allow", "Allow", "Deny"}) + `","Principal":` + principal() + `,"Action":"*","Resource":"*"` + condition() + `}`
		}
		p := policy.Policies{Identity: all, Resource: policy.MustParse("secret's policy", text+`]}`)}
		r := policy.Request{Action: "secretsmanager:GetSecretValue", Resource: "arn:aws:secretsmanager:eu-west-1:" + ours + ":secret:pay/db-AbCdEf", ResourceAccount: ours, Open: true}
		for name, who := range map[string]policy.Principal{
			"the world":         {NotAccounts: []string{ours}, NotOrganizations: []string{"o-ours"}},
			"o-partner":         {NotAccounts: []string{ours}, OrganizationID: "o-partner"},
			"account " + theirs: {Account: theirs},
		} {
			who.Kind = policy.KindSomebody
			r.Principal = who
			whole := policy.Evaluate(r, p)
			for _, member := range members {
				if who.Account != "" && who.Account != member.Account || who.OrganizationID != "" && who.OrganizationID != member.OrganizationID {
					continue
				}
				r.Principal = member
				if member.OrganizationID == "" {
					r.Absent = []string{"aws:PrincipalOrgID", "aws:PrincipalOrgPaths"}
				} else {
					r.Absent = nil
				}
				if one := policy.Evaluate(r, p); whole.Answer != policy.Unknown && one.Answer != policy.Unknown && opposite(whole.Answer, one.Answer) {
					t.Fatalf("%s: %s, and %s of %q is %s: %s\n%s]}", name, whole.Answer, member, member.OrganizationID, one.Answer, one.Why, text)
				}
			}
			if whole.Answer == policy.Unknown {
				open++
			} else {
				denied++
			}
		}
	}
	if denied < 1000 || open < 500 {
		t.Errorf("%d certain, %d open: too few to show anything", denied, open)
	}
}
