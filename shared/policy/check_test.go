package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

func TestCheckNamesWhatAWSWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text       string
		policyType policy.Type
		want       []policy.Problem
	}{
		"a good identity policy": {`{"Statement":{"Sid":"A1","Effect":"Allow","Action":"*","Resource":"*"}}`, policy.TypeIdentity, nil},
		"a good key policy":      {typicalKeyPolicy, policy.TypeKey, nil},
		"an identity policy with a principal and no resource": {
			"{\"Statement\":[\n{\"Effect\":\"Allow\",\"Action\":\"*\",\"Principal\":\"*\"}]}", policy.TypeIdentity,
			[]policy.Problem{{2, "an identity policy takes no Principal"}, {2, "an identity policy needs a Resource"}},
		},
		"an identity policy with an Id and bad Sids": {
			`{"Id":"x","Statement":[{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}]}`, policy.TypeIdentity,
			[]policy.Problem{{0, "an identity policy takes no Id"}, {1, `the Sid "a b" may hold only letters and digits`}, {1, `the Sid "a b" appears twice`}, {1, `the Sid "a b" may hold only letters and digits`}},
		},
		"an RCP that allows, for some, everything": {
			`{"Statement":{"Effect":"Allow","Action":"*","Principal":{"AWS":"111122223333"},"Resource":"*"}}`, policy.TypeRCP,
			[]policy.Problem{{1, "an RCP can only Deny"}, {1, `the Principal of an RCP is "*"`}, {1, "an Action of an RCP begins with a service"}},
		},
		"a trust policy with a Resource and NotPrincipal": {
			`{"Statement":{"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"111122223333"},"Resource":"*"}}`, policy.TypeTrust,
			[]policy.Problem{{1, "a trust policy takes no Resource"}, {1, "NotPrincipal is supported only with Deny, in resource policies"}},
		},
		"principals that are none": {
			`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":{"AWS":["arn:aws:iam::111122223333:role/*","bob","AROAEXAMPLEID12345678"],"Service":"lambda"}}}`, policy.TypeResource,
			[]policy.Problem{{1, `"arn:aws:iam::111122223333:role/*" names no principal; parts of names take no wildcards`}, {1, `"bob" names no principal; parts of names take no wildcards`}, {1, `"lambda" is no service principal`}},
		},
		"a trust policy":                       {`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"}}}`, policy.TypeTrust, nil},
		"a resource policy without a Resource": {`{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"*"}}`, policy.TypeResource, nil},
		"a resource policy that spares one":    {`{"Statement":{"Effect":"Deny","Action":"s3:*","NotPrincipal":{"AWS":"111122223333"},"Resource":"*"}}`, policy.TypeResource, nil},
		"a resource policy that allows all but one": {`{"Statement":{"Effect":"Allow","Action":"s3:*","NotPrincipal":{"AWS":"111122223333"},"Resource":"*"}}`, policy.TypeResource,
			[]policy.Problem{{1, "NotPrincipal is supported only with Deny, in resource policies"}}},
		"a trust policy with a NotResource": {`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"},"NotResource":"*"}}`, policy.TypeTrust,
			[]policy.Problem{{1, "a trust policy takes no Resource"}}},
		"a NotPrincipal that is none": {`{"Statement":{"Effect":"Deny","Action":"s3:*","NotPrincipal":{"AWS":"bob"},"Resource":"*"}}`, policy.TypeResource,
			[]policy.Problem{{1, `"bob" names no principal; parts of names take no wildcards`}}},
		"an RCP that spares one": {`{"Statement":{"Effect":"Deny","Action":"s3:*","NotPrincipal":{"AWS":"111122223333"},"Resource":"*"}}`, policy.TypeRCP,
			[]policy.Problem{{1, "NotPrincipal is supported only with Deny, in resource policies"}}},
		"a session policy that is as long as it may be": {`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"` + strings.Repeat("x", 2048-61) + `"}]}`, policy.TypeSession, nil},
		"a session policy that is too long": {
			`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"` + strings.Repeat("x", 2048) + `"}]}`, policy.TypeSession,
			[]policy.Problem{{0, "2109 characters; the quota of a session policy is 2048"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := policy.MustParse("p", test.text)
			if diff := cmp.Diff(test.want, d.Check(test.policyType, []byte(test.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhiteSpaceCountsWhereTheQuotaCountsIt(t *testing.T) {
	t.Parallel()
	text := `{"Statement":[]}` + strings.Repeat(" ", 20000)
	d := policy.MustParse("p", text)
	if got := d.Check(policy.TypeIdentity, []byte(text)); got != nil {
		t.Errorf("identity policy: %v", got)
	}
	if got := d.Check(policy.TypeSCP, []byte(text)); len(got) != 1 {
		t.Errorf("service control policy: %v", got)
	}
}
