package policy_test

import (
	"strings"
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

// Targets that are alike are asked once, so that what tells them apart must not be overlooked: each has the answer that it has alone.
func TestTargetsThatDifferAreAskedByThemselves(t *testing.T) {
	t.Parallel()
	const pay, ops, team = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pay/db-AbCdEf", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ops/db-AbCdEf", "aws:ResourceTag/team"
	const allowed, denied, unknown = policy.Allowed, policy.ImplicitlyDenied, policy.Unknown
	tagged := func(arn, value string) policy.Target {
		return policy.Target{ARN: arn, Context: map[string][]string{team: {value}}}
	}
	either := func(values ...string) policy.Target {
		return policy.Target{ARN: pay, OneOf: map[string][]string{team: values}}
	}
	attached := func(arn, statements string) policy.Target {
		target := policy.Target{ARN: arn, Context: map[string][]string{"aws:PrincipalTag/team": {"pay"}}}
		if statements != "" {
			target.Policy = policy.MustParse("attached", `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
		}
		return target
	}
	granted := func(grantee string) policy.Target {
		return policy.Target{ARN: key, Kind: policy.ResourceKey, Grants: []policy.Grant{{ID: "g", Grantee: grantee, Operations: []string{"Decrypt"}}}}
	}
	const anyone = `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`
	const own = `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/team}/*"}`
	but := func(who string) string {
		return anyone + `,{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:root","` + who + `"]},"Action":"*","Resource":"*"}`
	}
	const byTag = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"b"}}}}`
	for sentence, c := range map[string]struct {
		identity []*policy.Document
		targets  []policy.Target
		want     []policy.Answer
	}{
		"by a tag":                           {documents(byTag), []policy.Target{tagged(pay, "a"), tagged(pay, "b"), {ARN: pay}}, []policy.Answer{denied, allowed, denied}},
		"by a tag of which nobody knows":     {documents(byTag), []policy.Target{either("a", "c"), either("b", "c"), {ARN: pay}}, []policy.Answer{denied, unknown, denied}},
		"by a name and a tag":                {documents(strings.Replace(byTag, `"Resource":"*"`, `"Resource":"arn:aws:secretsmanager:*:*:secret:pay/*"`, 1)), []policy.Target{tagged(pay, "a"), tagged(ops, "b"), tagged(pay, "b")}, []policy.Answer{denied, denied, allowed}},
		"by their grants":                    {nil, []policy.Target{granted("arn:aws:iam::111122223333:role/other"), granted(appRole), {ARN: key, Kind: policy.ResourceKey}}, []policy.Answer{denied, allowed, denied}},
		"by a name that the request decides": {nil, []policy.Target{attached(ops, own), attached(pay, own)}, []policy.Answer{denied, allowed}},
		"behind one that is asked by itself": {nil, []policy.Target{attached(ops, own), attached(pay, ""), attached(pay, anyone)}, []policy.Answer{denied, denied, allowed}},
		"by whom a denial leaves out":        {nil, []policy.Target{attached(pay, but("arn:aws:iam::111122223333:role/other")), attached(pay, but(appRole)), attached(pay, anyone)}, []policy.Answer{denied, unknown, allowed}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			request := policy.Request{Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue"}
			if c.targets[0].ARN == key {
				request.Action = "kms:Decrypt"
			}
			together := policy.NewIndex(c.targets).Ask(request, policy.Policies{Identity: c.identity})
			for i, target := range c.targets {
				alone := policy.NewIndex([]policy.Target{target}).Ask(request, policy.Policies{Identity: c.identity}).Answer(0)
				if got := together.Answer(i); got != c.want[i] || alone != c.want[i] {
					t.Errorf("target %d: %s, and alone %s; want %s", i, got, alone, c.want[i])
				}
			}
		})
	}
}
