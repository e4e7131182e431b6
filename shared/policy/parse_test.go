package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

func TestParseIsAsLenientAsAWS(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one statement instead of a list":      `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		"no Version":                           `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		"lists and strings":                    `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:*","kms:Decrypt"],"NotResource":["*"]}]}`,
		"numbers and booleans as values":       `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"a:b":[1,2.5]},"Bool":{"c:d":true}}}}`,
		"operators in any case":                `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"FORALLVALUES:stringlikeifexists":{"a:b":"c"}}}}`,
		"no Resource, as trust policies have":  `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}}`,
		"every kind of principal":              `{"Statement":{"Effect":"Allow","Action":"*","Principal":{"AWS":["111122223333","*"],"Service":"a.amazonaws.com","Federated":"accounts.google.com","CanonicalUser":"79a5"}}}`,
		"a byte order mark":                    "\xef\xbb\xbf" + `{"Statement":[]}`,
		"a star in front of the colon as well": `{"Statement":{"Effect":"Allow","Action":"*:*","Resource":"*"}}`,
		"a condition without values":           `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:b":[]}}}}`,
		"an Id":                                `{"Id":"key-default-1","Statement":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := policy.Parse("p", []byte(text)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseRefusesWithPosition(t *testing.T) {
	t.Parallel()
	statement := func(elements string) string {
		return "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {" + elements + "}\n  ]\n}"
	}
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"text that is no JSON":            {`{"Version"`, "p:1:11: the text ends too early"},
		"text that is torn":               {"{\n\"Statement\": [}", "p:2:15: not JSON: invalid character '}' looking for beginning of value"},
		"nothing":                         {"", "p:1:1: the text ends too early"},
		"text behind the end":             {`{"Statement":[]} x`, "p:1:18: text after the end of the document"},
		"a list":                          {`[]`, "p:1:1: a policy is an object, not a list"},
		"a bad version":                   {`{"Version":"2012-10-18","Statement":[]}`, `p:1:12: Version is "2012-10-18"; it must be "2012-10-17" or "2008-10-17"`},
		"no statement":                    {`{"Version":"2012-10-17"}`, "p:1:1: the policy has no Statement"},
		"an unknown element":              {`{"Stmt":[]}`, `p:1:2: "Stmt" is not an element of a policy; known are Version, Id, Statement`},
		"an element in the wrong case":    {statement(`"effect":"Allow"`), `p:4:6: "effect" is not an element of a statement; write "Effect"`},
		"an element in the plural":        {statement(`"Effect":"Allow","Actions":"*"`), `p:4:23: "Actions" is not an element of a statement; write "Action"`},
		"an element twice":                {statement(`"Effect":"Allow","Effect":"Deny"`), `p:4:23: "Effect" appears twice; a policy engine would see only one of them`},
		"no effect":                       {statement(`"Action":"*","Resource":"*"`), "p:4:5: the statement has no Effect"},
		"a bad effect":                    {statement(`"Effect":"allow"`), `p:4:15: Effect is "allow"; it must be "Allow" or "Deny"`},
		"both Action and NotAction":       {statement(`"Effect":"Allow","Action":"*","NotAction":"s3:*"`), "p:4:5: the statement has both Action and NotAction"},
		"no Action":                       {statement(`"Effect":"Allow","Resource":"*"`), "p:4:5: the statement has neither Action nor NotAction"},
		"both Resource and NotResource":   {statement(`"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"`), "p:4:5: the statement has both Resource and NotResource"},
		"both Principal and NotPrincipal": {statement(`"Effect":"Allow","Action":"*","Principal":"*","NotPrincipal":"*"`), "p:4:5: the statement has both Principal and NotPrincipal"},
		"an action without a service":     {statement(`"Effect":"Allow","Action":"GetSecretValue"`), `p:4:32: Action "GetSecretValue" must be "*" or service:action, the service without wildcards`},
		"an action with a wild service":   {statement(`"Effect":"Allow","Action":["s3:*","s*:Get"]`), `p:4:40: Action "s*:Get" must be "*" or service:action, the service without wildcards`},
		"an action behind *":              {statement(`"Effect":"Allow","Action":["*","Get"]`), `p:4:37: Action "Get" must be "*" or service:action, the service without wildcards`},
		"an action of no service":         {statement(`"Effect":"Allow","Action":":Get"`), `p:4:32: Action ":Get" must be "*" or service:action, the service without wildcards`},
		"a service without an action":     {statement(`"Effect":"Allow","Action":"s3:"`), `p:4:32: Action "s3:" must be "*" or service:action, the service without wildcards`},
		"an action that is a number":      {statement(`"Effect":"Allow","Action":1`), "p:4:32: Action is a string or a list of strings, not a number or boolean"},
		"an empty resource":               {statement(`"Effect":"Allow","Action":"*","Resource":""`), "p:4:47: Resource is empty"},
		"a principal without a kind":      {statement(`"Effect":"Allow","Action":"*","Principal":"111122223333"`), `p:4:48: Principal is "111122223333"; it must be "*" or an object such as {"AWS": …}`},
		"a principal of an unknown kind":  {statement(`"Effect":"Allow","Action":"*","Principal":{"Aws":"*"}`), `p:4:49: "Aws" is not an element of Principal; write "AWS"`},
		"a principal that is empty":       {statement(`"Effect":"Allow","Action":"*","Principal":{}`), `p:4:48: Principal is "*" or an object such as {"AWS": …}, not an object`},
		"an unknown operator":             {statement(`"Effect":"Allow","Action":"*","Condition":{"StringIs":{"a":"b"}}`), `p:4:49: "StringIs" is not a condition operator`},
		"Null with IfExists":              {statement(`"Effect":"Allow","Action":"*","Condition":{"NullIfExists":{"a":"true"}}`), `p:4:49: "NullIfExists" is not a condition operator`},
		"an operator without keys":        {statement(`"Effect":"Allow","Action":"*","Condition":{"StringEquals":"a"}`), "p:4:64: StringEquals is an object of condition keys, not a string"},
		"a condition value that is null":  {statement(`"Effect":"Allow","Action":"*","Condition":{"StringEquals":{"a":null}}`), "p:4:69: a is a string, number, boolean or a list of them, not null"},
		"a Sid that is a number":          {statement(`"Effect":"Allow","Sid":1`), "p:4:29: Sid is a string, not a number or boolean"},
		"objects without end":             {strings.Repeat(`{"a":`, 100), "p:1:86: nested too deeply for a policy"},
		"nesting without end":             {strings.Repeat("[", 100), "p:1:18: nested too deeply for a policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse("p", []byte(test.text))
			var syntax *policy.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a *SyntaxError", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSizeCountsAllButWhiteSpace(t *testing.T) {
	t.Parallel()
	d := policy.MustParse("p", "{ \"Statement\" :\n\t[ ] }")
	if d.Size != len(`{"Statement":[]}`) {
		t.Errorf("size is %d", d.Size)
	}
}

func TestReadKeepsWhatCannotBeParsed(t *testing.T) {
	t.Parallel()
	d := policy.Read("torn", []byte("{"))
	if d.Err() == nil || d.Name != "torn" {
		t.Errorf("got %q, %v", d.Name, d.Err())
	}
}

func TestADocumentIsPrintedWithAllItsConditions(t *testing.T) {
	t.Parallel()
	const text = `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1","aws:SourceVpce":"vpce-1"},"Bool":{"aws:SecureTransport":"true"}}}]}`
	got := policy.MustParse("p", text).Minified()
	if diff := cmp.Diff(text, string(got)); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":["1","arn:aws:iam::111122223333:role/x"]},"Action":["s3:Get*","*"],"Resource":"arn:aws:s3:::b/${aws:username, 'x'}/*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*",1,true]}}}]}`))
	f.Add([]byte(`{"Id":"x","Statement":{"Effect":"Deny","NotPrincipal":{"Service":"a.amazonaws.com"},"NotAction":"kms:*","NotResource":"arn:aws:*:${*}${","Condition":{"Null":{"a":"true"},"IpAddress":{"b":"::1/64"},"DateLessThan":{"c":"2024"},"ArnLike":{"d":"arn:a:b:c:d:${e}"}}}}`))
	f.Add([]byte("{"))
	f.Add([]byte(`{"Statement":[{"Effect":"Allow","Action":"a:b","Resource":"\u0000\ud800"}]}`))
	principal, err := policy.ParsePrincipal("arn:aws:sts::111122223333:assumed-role/app/run-1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := policy.Parse("p", raw)
		if err != nil {
			var syntax *policy.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("error without a position: %v", err)
			}
			return
		}
		printed := d.Print()
		again, err := policy.Parse("p", printed)
		if err != nil {
			t.Fatalf("printed form does not parse: %v\n%s", err, printed)
		}
		if diff := cmp.Diff(string(printed), string(again.Print())); diff != "" {
			t.Fatal(diff)
		}
		request := policy.Request{Principal: principal, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x", ResourceAccount: "111122223333"}
		policy.Evaluate(request, policy.Policies{Identity: []*policy.Document{d}, Resource: d, Boundary: []*policy.Document{d}})
	})
}

// Whoever changes what a condition or a policy variable reads changes what the document says, wherever the variable stands.
func TestADocumentDecidesByItsConditionsAndItsVariables(t *testing.T) {
	d := policy.MustParse("p", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::x/${aws:PrincipalTag/Home}"},
		{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::y/${aws:username}"},
		{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/${aws:PrincipalTag/role}"}}}]}`)
	got := d.ConditionKeys()
	for i := range got {
		got[i] = strings.ToLower(got[i])
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"aws:principalarn", "aws:principaltag/home", "aws:principaltag/role", "aws:principaltag/team", "aws:resourcetag/team", "aws:username"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
