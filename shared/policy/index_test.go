package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

// The index may skip a target only where nothing can allow it, and is of use only where it skips the others.
func TestCandidatesAreWhatThePrincipalCanReach(t *testing.T) {
	t.Parallel()
	const bucket = "arn:aws:s3:::x"
	open := policy.MustParse("open", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)
	closed := policy.MustParse("closed", `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`)
	targets := []policy.Target{{ARN: secret}, {ARN: bucket}, {ARN: key}}
	for sentence, c := range map[string]struct {
		identity []*policy.Document
		change   func(secret *policy.Target)
		want     []string
	}{
		"nothing without a policy":                   {nil, nil, nil},
		"what its policy names":                      {documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:pay/*"}}`), nil, []string{secret}},
		"what stands behind a denial":                {documents(`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"` + bucket + `"},{"Effect":"Allow","Action":"*","Resource":"` + key + `"}]}`), nil, []string{key}},
		"what begins as a name with a variable does": {documents(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:PrincipalTag/team}"}}`), nil, []string{bucket}},
		"all, where a document cannot be read":       {documents(`{"Statement":`), nil, []string{secret, bucket, key}},
		"all, where a document is missing":           {[]*policy.Document{nil}, nil, []string{secret, bucket, key}},
		"what has a policy that allows":              {nil, func(s *policy.Target) { s.Policy = open }, []string{secret}},
		"not what has a policy that only denies":     {nil, func(s *policy.Target) { s.Policy = closed }, nil},
		"what has a grant": {nil, func(s *policy.Target) {
			s.Grants = []policy.Grant{{ID: "g", Grantee: appRole, Operations: []string{"Decrypt"}}}
		}, []string{secret}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			targets := append([]policy.Target(nil), targets...)
			if c.change != nil {
				c.change(&targets[0])
			}
			var got []string
			for i := range policy.NewIndex(targets).Ask(policy.Request{Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue"}, policy.Policies{Identity: c.identity}).Candidates() {
				got = append(got, targets[i].ARN)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatNobodyKnowsOfATargetIsUnknownOfItAlone(t *testing.T) {
	t.Parallel()
	targets := []policy.Target{{ARN: secret, Unknown: []string{"aws:ResourceTag/team"}}, {ARN: secret}}
	tagged := documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"pay"}}}}`)
	query := policy.NewIndex(targets).Ask(policy.Request{Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue", Unknown: []string{"aws:SourceVpce"}}, policy.Policies{Identity: tagged})
	if first, second := query.Answer(0), query.Answer(1); first != policy.Unknown || second != policy.ImplicitlyDenied {
		t.Errorf("%s and %s", first, second)
	}
}
