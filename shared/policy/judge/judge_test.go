package judge_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/judge"
	"github.com/doublelock/doublelock/shared/policy/judge/judgetest"
)

const (
	root   = "../../.."
	key    = "arn:aws:kms:eu-central-1:111122223333:key/eb96a7a0-1490-49d4-bcd4-905cfc202e72"
	secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db-AbCdEf"
	all    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	others = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/other"},"Action":"kms:*","Resource":"*"}]}`
	open   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`
	shut   = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*"}]}`
)

func session() policy.Principal {
	return policy.Principal{Kind: policy.KindSession, ARN: "arn:aws:sts::111122223333:assumed-role/app/task", Account: "111122223333",
		Name: "app", Session: "task", Role: "arn:aws:iam::111122223333:role/app"}
}

func on(action, resource string) policy.Request {
	return policy.Request{Principal: session(), Action: action, Resource: resource, ResourceAccount: "111122223333"}
}

// ask puts decisions to the second engine. Without it the test is skipped at a desk and fails in CI.
func ask(t *testing.T, decisions ...judge.Decision) judge.Report {
	t.Helper()
	var docket judge.Docket
	for _, d := range decisions {
		docket.Add(d)
	}
	r, err := judge.Ask(t.Context(), root, &docket)
	if errors.Is(err, judge.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each is a decision that differs for one reason alone: one that the second engine has learned has to go from Reasons.
func TestEachReasonIsStillNeeded(t *testing.T) {
	withContext := on("kms:Decrypt", key)
	withContext.Context = map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}
	cases := map[string]judge.Decision{
		"grants of a KMS key": {Request: on("kms:Decrypt", key), Resource: others, Answer: policy.Allowed,
			Grants: []policy.Grant{{ID: "1", Grantee: session().Role, Operations: []string{"Decrypt"}}}},
		"condition keys that go on after a prefix": {Request: withContext, Answer: policy.Allowed,
			Resource: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:Decrypt","Resource":"*",
				"Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"` + secret + `"}}}]}`},
		"an allow of the resource's policy": {Request: on("kms:Decrypt", key), Answer: policy.Allowed, Identity: []string{all},
			Session:  []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`},
			Resource: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*"}]}`},
		"policies that belong to AWS": {Request: on("organizations:DescribePolicy", "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"),
			Identity: []string{all}, Answer: policy.Allowed},
	}
	found := map[*judge.Reason]bool{}
	r := ask(t, slices.Collect(maps.Values(cases))...)
	for _, d := range r.Differences {
		if d.Reason == nil || !strings.HasPrefix(d.Reason.Name, name(cases, d.Decision)) {
			t.Errorf("explained by %+v: %s", d.Reason, d.Decision)
			continue
		}
		found[d.Reason] = true
	}
	for _, reason := range judge.Reasons {
		if !found[reason] || !strings.Contains(reason.Right, "(") {
			t.Errorf("%s: no decision differs for it any more, or no document is named: %q", reason.Name, reason.Right)
		}
	}
}

// name is how a case is called.
func name(cases map[string]judge.Decision, d judge.Decision) string {
	for name, c := range cases {
		if c.String() == d.String() {
			return name
		}
	}
	return "none"
}

// The second engine knows neither of two things of which each alone allows: without one of them it is still allowed.
func TestTwoReasonsTogetherExplainWhatNeitherDoesAlone(t *testing.T) {
	scoped := on("kms:Decrypt", key)
	scoped.Context = map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}
	grant := []policy.Grant{{ID: "1", Grantee: session().Role, Operations: []string{"Decrypt"}}}
	everybody := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*",
		"Condition":{"StringLike":{"kms:EncryptionContext:SecretARN":"` + secret + `"}}}]}`
	r := ask(t, judge.Decision{Request: scoped, Resource: everybody, Grants: grant, Answer: policy.Allowed})
	if len(r.Differences) != 1 || r.Differences[0].Reason == nil {
		t.Errorf("differences %+v, want one that is explained", r.Differences)
	}
}

// A wrong answer is found, also where a reason would be at hand, and the tests that ask fail of it.
func TestAWrongDecisionIsFound(t *testing.T) {
	grant := []policy.Grant{{ID: "1", Grantee: "arn:aws:iam::111122223333:role/other", Operations: []string{"Decrypt"}}}
	scoped := on("kms:Decrypt", key)
	scoped.Context = map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}
	wrong := map[string]judge.Decision{
		"an allow without a policy":                    {Request: on("secretsmanager:GetSecretValue", secret), Answer: policy.Allowed},
		"a deny of what is allowed":                    {Request: on("secretsmanager:GetSecretValue", secret), Identity: []string{all}, Answer: policy.ImplicitlyDenied},
		"an allow beside an SCP that denies":           {Request: on("secretsmanager:GetSecretValue", secret), Identity: []string{all}, SCPs: [][]string{{all, strings.Replace(all, "Allow", "Deny", 1)}}, Answer: policy.Allowed},
		"an allow beside an RCP that denies":           {Request: on("secretsmanager:GetSecretValue", secret), Identity: []string{all}, RCPs: [][]string{{open}, {open, shut}}, Answer: policy.Allowed},
		"an allow by the grant of somebody else":       {Request: on("kms:Decrypt", key), Resource: others, Grants: grant, Answer: policy.Allowed},
		"an allow by a context that no policy asks of": {Request: scoped, Resource: others, Answer: policy.Allowed},
	}
	r := ask(t, slices.Collect(maps.Values(wrong))...)
	if r.Asked != len(wrong) || r.Agreed != 0 {
		t.Errorf("of %d wrong decisions %d were asked, %d agreed", len(wrong), r.Asked, r.Agreed)
	}
	for _, d := range r.Differences {
		if d.Reason != nil {
			t.Errorf("%s is explained: %s", name(wrong, d.Decision), d.Reason.Name)
		}
	}
	var said bytes.Buffer
	if judgetest.Say(r, &said) || strings.Count(said.String(), "FAIL: we say ") != len(wrong) {
		t.Errorf("they pass: %s", &said)
	}
}

func TestADocketTakesTheSameDecisionOnce(t *testing.T) {
	first := judge.Decision{Request: on("secretsmanager:GetSecretValue", secret), Identity: []string{all}, Answer: policy.Allowed}
	later := first
	later.Request.Context = map[string][]string{"aws:CurrentTime": {"2026-11-26T21:00:00Z"}, "aws:SourceIp": {"192.0.2.1"}}
	other := first
	other.Identity = []string{strings.Replace(all, `"Resource":"*"`, `"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.1"}}`, 1)}
	asking := other
	asking.Request.Context = later.Request.Context
	var docket judge.Docket
	for _, d := range []judge.Decision{first, first, later, asking, other} {
		docket.Add(d)
	}
	if docket.Len() != 3 { // no policy of the first three asks where the call comes from
		t.Errorf("%d different decisions, want 3", docket.Len())
	}
}
