package policytest_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

var update = flag.Bool("update", false, "rewrite the table of docs/unknown.md")

// before are the cases that are unknown now, and what the version before condition keys were declared said of them.
var before = map[string]policy.Answer{
	"a plain operator on a multivalued key in an allow leaves the answer open":                      policy.ImplicitlyDenied,
	"a value that is no number leaves the answer open":                                              policy.ImplicitlyDenied,
	"ArnLike arn:aws:sns:*:orders with arn:aws:sns:eu-west-1:111122223333:orders":                   policy.ImplicitlyDenied,
	"ArnLike of a star that is no ARN in an allow leaves the answer open":                           policy.ImplicitlyDenied,
	"ArnNotLike of a star that is no ARN in an allow leaves the answer open":                        policy.ImplicitlyDenied,
	"the paths of an organization with a plain operator in an allow leaves the answer open":         policy.ImplicitlyDenied,
	"the paths of an organization with a plain negated operator in an allow leaves the answer open": policy.ImplicitlyDenied,
	"Bool of a word in an allow leaves the answer open":                                             policy.ImplicitlyDenied,
	"Null of a word in an allow leaves the answer open":                                             policy.ImplicitlyDenied,
	"Null of a word in a deny leaves the answer open":                                               policy.Allowed,
	"a variable in the account of a resource leaves the answer open":                                policy.ImplicitlyDenied,
	"a deny of a unique id leaves the answer open where that of the role is not given":              policy.Allowed,
	"which session of a role it is leaves the answer open":                                          policy.ImplicitlyDenied,
	"NotPrincipal with the role alone leaves it open whether it spares the session":                 policy.Allowed,
	"NotPrincipal with another session of the role leaves it open":                                  policy.Allowed,
	"a canonical id in an allow leaves the answer open":                                             policy.ImplicitlyDenied,
	"the user behind a federated user may be the one named":                                         policy.ImplicitlyDenied,
	"a unique id is perhaps that of a role whose id is not given":                                   policy.ImplicitlyDenied,
	"NotPrincipal with the account alone leaves it open whether it spares those in it":              policy.Allowed,
	"a variable before the fifth colon leaves the answer open":                                      policy.ImplicitlyDenied,
	"a variable in a number leaves the answer open":                                                 policy.ImplicitlyDenied,
	"a multivalued key as a variable leaves the answer open":                                        policy.ImplicitlyDenied,

	"a federated user, of whose session policy nothing is said, leaves the answer open":               policy.Allowed,
	"a federated user without a session policy is perhaps among everyone":                             policy.Allowed,
	"a federated user in another account needs a session policy that allows":                          policy.Allowed,
	"a federated user calls IAM from the console alone":                                               policy.Allowed,
	"ForAnyValueIfExists without the key leaves the answer open":                                      policy.Allowed,
	"ForAllValues with Null in an allow leaves the answer open":                                       policy.Allowed,
	"ForAllValues with Null in a deny leaves the answer open":                                         policy.ExplicitlyDenied,
	"ForAnyValue with Null of a key that is there leaves the answer open":                             policy.Allowed,
	"ForAnyValueIfExists without the key in a deny leaves the answer open":                            policy.ExplicitlyDenied,
	"a condition without values leaves the answer open":                                               policy.ImplicitlyDenied,
	"NotPrincipal with a federated user and the account leaves it open whether it spares the session": policy.Allowed,
	"NotPrincipal with the role and the account leaves it open whether it spares the session":         policy.Allowed,
}

// decided are the cases that were unknown then, and are not now.
var decided = []string{
	"ArnNotLike with a variable without a value denies",
	"NotResource with a variable without a value is about every resource",
	"an unknown world still has the caller's account",
	"unknown global keys still have the caller's ARN",
	"an unknown world has the time of the request",
	"an unknown world has no key of another service",
	"a role session cannot have the source of a service's call",
	"a negated deny applies where its variable has no value",
}

// Each case whose answer is unknown now and was not before is in the manual with the page of AWS that leaves it open.
func TestTheManualSaysWhichCasesAreNotKnown(t *testing.T) {
	unknown, rows, left := 0, []string{}, len(decided)
	total := 0
	for file, list := range loadCases(t) {
		cases, err := policytest.Read(list)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, c := range cases {
			total++
			answer := policytest.Run(c).Decision.Answer
			was, changed := before[c.Name]
			switch {
			case answer == policy.Unknown:
				unknown++
				if changed {
					source := list[i].(map[string]any)["source"].(string)
					rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", c.Name, was, source))
				}
			case changed:
				t.Errorf("%s: %s, and no longer unknown", c.Name, answer)
			case slices.Contains(decided, c.Name):
				left--
			}
		}
	}
	if len(rows) != len(before) || left != 0 {
		t.Errorf("%d of %d cases are there, and all but %d that are decided now", len(rows), len(before), left)
	}
	slices.Sort(rows)
	manual.Compare(t, filepath.Join(root, "docs", "unknown.md"), "cases", fmt.Sprintf("Of %d cases %d were unknown and %d are: %d became so, and %d are decided now.\n\n| case | before | why it is open |\n| --- | --- | --- |\n%s",
		total, unknown-len(before)+len(decided), unknown, len(before), len(decided), strings.Join(rows, "")), *update)
}
