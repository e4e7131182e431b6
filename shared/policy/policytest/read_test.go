package policytest_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var decoded any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

const good = `{"name":"good","request":{"action":"a:B","resource":{"resource":"*"},"principal":"*"},"expected":{"response":"implicitlydenied"}}`

func TestMalformedCasesAreNamedByIndexAndField(t *testing.T) {
	t.Parallel()
	with := func(change string) string {
		return `[` + good + `,{"name":"bad","request":{"action":"a:B","resource":{"resource":"*"},"principal":"*"},"expected":{"response":"Allowed"},` + change + `}]`
	}
	for name, test := range map[string]struct{ text, want string }{
		"no name":                      {`{"request":{}}`, "case 0: name: is missing"},
		"a name that is a number":      {`{"name":1}`, "case 0: name: is a string, not a number"},
		"no request":                   {`{"name":"c"}`, "case 0: request: is missing"},
		"a request that is a string":   {`{"name":"c","request":"x"}`, "case 0: request: is an object, not a string"},
		"no resource":                  {`{"name":"c","request":{"action":"a:B","principal":"*"}}`, "case 0: request.resource: is missing"},
		"an empty resource":            {`{"name":"c","request":{"action":"a:B","principal":"*","resource":{"resource":""}}}`, "case 0: request.resource.resource: is empty"},
		"a principal of no kind":       {`{"name":"c","request":{"action":"a:B","principal":{"type":"User"},"resource":{"resource":"*"}}}`, `case 0: request.principal.type: "User" needs an arn, service, provider or account; only Anonymous needs none`},
		"no expectation":               {`{"name":"c","request":{"action":"a:B","principal":"*","resource":{"resource":"*"}}}`, "case 0: expected: is missing"},
		"a case that is a string":      {`["x"]`, "case 0: a case is an object, not a string"},
		"a file that is a number":      {`1`, "a file of cases is a list or one case, not a number"},
		"an unknown field":             {with(`"identityPolices":[]`), "case 1: identityPolices: not a field here; known are name, description, comment, source, request, identityPolicies, permissionBoundaries, permissionBoundaryPolicies, sessionPolicy, serviceControlPolicies, resourceControlPolicies, resourcePolicy, vpcEndpointPolicies, grants, managementAccount, expected"},
		"policies that are no list":    {with(`"identityPolicies":"x"`), "case 1: identityPolicies: is a list, not a string"},
		"a policy that is a number":    {with(`"identityPolicies":[{"name":"n","policy":5}]`), "case 1: identityPolicies[0].policy: is a policy document, not a number"},
		"a policy with another field":  {with(`"identityPolicies":[{"name":"n","policy":{},"arn":"x"}]`), "case 1: identityPolicies[0].arn: not a field here; known are name, policy"},
		"a level that is no object":    {with(`"serviceControlPolicies":["x"]`), "case 1: serviceControlPolicies[0]: is an object, not a string"},
		"a level with another field":   {with(`"serviceControlPolicies":[{"policy":{}}]`), "case 1: serviceControlPolicies[0].policy: not a field here; known are orgIdentifier, policies"},
		"a grant without operations":   {with(`"grants":[{"granteePrincipal":"*"}]`), "case 1: grants[0].operations: is missing"},
		"a constraint that is unknown": {with(`"grants":[{"granteePrincipal":"*","operations":["Decrypt"],"constraints":{"context":{}}}]`), "case 1: grants[0].constraints.context: not a field here; known are encryptionContextEquals, encryptionContextSubset, sourceArn"},
		"whose management account":     {with(`"managementAccount":"mine"`), `case 1: managementAccount: "mine" is none of principal, resource and both`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases, err := policytest.Read(decode(t, test.text))
			var field *policytest.FieldError
			if !errors.As(err, &field) {
				t.Fatalf("got %v, want a *FieldError", err)
			}
			if diff := cmp.Diff(test.want, field.Error()); diff != "" {
				t.Error(diff)
			}
			if field.Index == 1 && (len(cases) != 1 || cases[0].Name != "good") {
				t.Errorf("the good case is lost: %+v", cases)
			}
		})
	}
}

func TestContextTakesAnyScalar(t *testing.T) {
	t.Parallel()
	cases, err := policytest.Read(decode(t, `{"name":"c","request":{"action":"a:B","resource":{"resource":"*","accountId":111122223333},"principal":"*",
		"context":{"text":"x","list":["a","b"],"number":3600,"fraction":2.5,"flag":true,"empty":[],"absent":null}},"expected":{"response":"Allowed"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"text": {"x"}, "list": {"a", "b"}, "number": {"3600"}, "fraction": {"2.5"}, "flag": {"true"}, "empty": {}}
	if diff := cmp.Diff(want, cases[0].Request.Context); diff != "" {
		t.Error(diff)
	}
	if cases[0].Request.ResourceAccount != "111122223333" {
		t.Errorf("account %q", cases[0].Request.ResourceAccount)
	}
}

func TestAFederatedUserMayBeGivenNoSessionPolicy(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]policy.Answer{"": policy.Unknown, `"sessionPolicy":[],`: policy.ImplicitlyDenied, `"sessionPolicy":null,`: policy.Unknown} {
		cases, err := policytest.Read(decode(t, `{"name":"c","request":{"action":"a:B","resource":"*","principal":"arn:aws:sts::111122223333:federated-user/fay"},`+field+
			`"identityPolicies":[{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}],"expected":{"response":"Allowed"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := policytest.Run(cases[0]); r.Decision.Answer != want {
			t.Errorf("with %q: %s, want %s", field, r.Decision.Answer, want)
		}
	}
}

func TestARequestHasAConditionKeyOneTime(t *testing.T) {
	t.Parallel()
	_, err := policytest.Read(decode(t, `{"name":"c","request":{"action":"a:B","resource":"*","principal":"*","context":{"aws:SourceVpce":"a","AWS:sourcevpce":"b"}},"expected":{"response":"Allowed"}}`))
	var field *policytest.FieldError
	if !errors.As(err, &field) || field.Field != "request.context.aws:SourceVpce" {
		t.Errorf("%v", err)
	}
}

func TestAKeyIsNotKnownAndUnknownAtOnce(t *testing.T) {
	t.Parallel()
	for unknown, wrong := range map[string]bool{`["AWS:sourcevpce"]`: true, `[""]`: true, `["aws:SourceIp"]`: false, `["*"]`: false} {
		_, err := policytest.Read(decode(t, `{"name":"c","request":{"action":"a:B","resource":"*","principal":"*","context":{"aws:SourceVpce":"a"},"unknownContext":`+unknown+`},"expected":{"response":"Allowed"}}`))
		var field *policytest.FieldError
		if errors.As(err, &field) && field.Field == "request.unknownContext" != wrong || (err != nil) != wrong {
			t.Errorf("%s: %v", unknown, err)
		}
	}
}

func TestPrincipalObjects(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]policy.PrincipalKind{
		`{"type":"Anonymous"}`:                                                            policy.KindAnonymous,
		`{"type":"Service","service":"lambda.amazonaws.com"}`:                             policy.KindService,
		`{"type":"Service","value":"lambda.amazonaws.com"}`:                               policy.KindService,
		`{"type":"AWS","arn":"arn:aws:iam::111122223333:user/ana"}`:                       policy.KindUser,
		`{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/app/run-1"}`: policy.KindSession,
		`{"type":"Account","account":"111122223333"}`:                                     policy.KindRoot,
		`{"type":"Federated","provider":"arn:aws:iam::111122223333:saml-provider/Okta"}`:  policy.KindFederated,
		`{"type":"FederatedUser","arn":"arn:aws:sts::111122223333:federated-user/fay"}`:   policy.KindFederatedUser,
		`{"type":"Role","roleArn":"arn:aws:iam::111122223333:role/app"}`:                  policy.KindRole,
	} {
		cases, err := policytest.Read(decode(t, `{"name":"c","request":{"action":"a:B","resource":"*","principal":`+text+`},"expected":{"response":"Allowed"}}`))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := cases[0].Request.Principal.Kind; got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`[` + good + `]`))
	f.Add([]byte(`{"name":"c","request":{"action":"kms:Decrypt","resource":{"resource":"arn:aws:kms:eu-west-1:111122223333:key/1"},"principal":{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/a/b","tags":{"a":1}},"context":{"a":[1,true,"x"],"b":null},"unknownContext":"*"},"identityPolicies":[{"name":"n","policy":"{}"},{}],"serviceControlPolicies":[{"orgIdentifier":"o","policies":[]}],"grants":[{"GranteePrincipal":"x","Operations":"Decrypt","Constraints":{"EncryptionContextSubset":{"a":"b"}}}],"expected":{"response":"Unknown"}}`))
	f.Add([]byte(`{"cases":[null,{},{"name":[]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var decoded any
		if json.Unmarshal(raw, &decoded) != nil {
			return
		}
		cases, err := policytest.Read(decoded)
		var field *policytest.FieldError
		if err != nil && !errors.As(err, &field) {
			t.Fatalf("error without a place: %v", err)
		}
		for _, c := range cases {
			if r := policytest.Run(c); r.Decision.Answer == "" || r.Explanation() == "" {
				t.Fatalf("no answer to %+v", c)
			}
		}
	})
}
