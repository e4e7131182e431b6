package policy_test

import (
	"math/rand/v2"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
)

func askPattern(pattern, identity, boundary string) policy.Answer {
	return policy.Evaluate(policy.Request{
		Principal: policy.Principal{Kind: policy.KindRole, ARN: "arn:aws:iam::" + account + ":role/r", Role: "arn:aws:iam::" + account + ":role/r", Account: account, Name: "r"},
		Action:    "lambda:UpdateFunctionCode", Resource: pattern, Pattern: true, ResourceAccount: account,
	}, policy.Policies{
		Identity: []*policy.Document{policy.MustParse("identity", `{"Version":"2012-10-17","Statement":[`+identity+`]}`)},
		Boundary: []*policy.Document{policy.MustParse("boundary", `{"Version":"2012-10-17","Statement":[`+boundary+`]}`)},
	}).Answer
}

// Asked about a pattern, a statement that is about some of its resources denies nothing for certain, and may allow.
func TestARequestAboutAPatternIsDeniedOnlyWhereAllOfItIs(t *testing.T) {
	allow := func(resource string) string { return `{"Effect":"Allow","Action":"*","Resource":"` + resource + `"}` }
	deny := func(element, resource string) string {
		return allow("*") + `,{"Effect":"Deny","Action":"*","` + element + `":"` + resource + `"}`
	}
	const functions = "arn:aws:lambda:*:111122223333:function:"
	for sentence, tc := range map[string]struct {
		pattern, identity, boundary string
		want                        policy.Answer
	}{
		"all of everything":                   {"*", allow("*"), allow("*"), policy.Allowed},
		"all of a pattern":                    {functions + "app-*", allow(functions + "*"), allow("arn:aws:lambda:*"), policy.Allowed},
		"some, by the boundary":               {"*", allow("*"), allow(functions + "app-*"), policy.Unknown},
		"some, by both":                       {functions + "app-*", allow(functions + "app-*"), allow(functions + "*-prod"), policy.Unknown},
		"none, by the boundary":               {functions + "app-*", allow("*"), allow(functions + "web-*"), policy.ImplicitlyDenied},
		"none of a service":                   {functions + "*", allow("*"), allow("arn:aws:ecs:*"), policy.ImplicitlyDenied},
		"all but one":                         {"*", deny("Resource", functions+"x"), allow("*"), policy.Unknown},
		"one alone":                           {"*", deny("NotResource", functions+"x"), allow("*"), policy.Unknown},
		"nothing of a pattern that is denied": {functions + "app-?", deny("Resource", functions+"app-*"), allow("*"), policy.ExplicitlyDenied},
		"nothing beside one":                  {functions + "app-*", deny("NotResource", functions+"web"), allow("*"), policy.ExplicitlyDenied},
		"a pattern with a variable":           {functions + "${aws:username}", deny("Resource", functions+"x"), allow("*"), policy.Unknown},
	} {
		if got := askPattern(tc.pattern, tc.identity, tc.boundary); got != tc.want {
			t.Errorf("%s: %s, want %s", sentence, got, tc.want)
		}
	}
}

// What is said of a pattern holds of each resource that it matches.
func TestWhatIsSaidOfAPatternHoldsOfEachOfItsResources(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(letters string) string {
		out := make([]byte, 1+random.IntN(5))
		for i := range out {
			out[i] = letters[random.IntN(len(letters))]
		}
		return string(out)
	}
	const prefix = "arn:aws:lambda:r:" + account + ":"
	matched := 0
	for range 30000 {
		pattern, statement, name := text("ab:*?"), text("ab:*?"), text("ab:")
		about := func(resource string, asked bool) policy.Answer {
			return policy.Evaluate(policy.Request{Principal: policy.Principal{Kind: policy.KindRole, Account: account}, Action: "lambda:X", Resource: prefix + resource, Pattern: asked, ResourceAccount: account},
				policy.Policies{Identity: []*policy.Document{policy.MustParse("p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"`+prefix+statement+`"}]}`)}}).Answer
		}
		of := policy.MustParse("p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"`+prefix+pattern+`"}]}`)
		if policy.Evaluate(policy.Request{Principal: policy.Principal{Kind: policy.KindRole, Account: account}, Action: "lambda:X", Resource: prefix + name, ResourceAccount: account}, policy.Policies{Identity: []*policy.Document{of}}).Answer != policy.Allowed {
			continue
		}
		matched++
		if one, all := about(name, false), about(pattern, true); all != policy.Unknown && one != all {
			t.Fatalf("a statement about %s: %s of %s, and %s of %s", statement, all, pattern, one, name)
		}
	}
	if matched < 1000 {
		t.Errorf("%d names matched", matched)
	}
}
