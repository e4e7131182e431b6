package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

const (
	app     = "arn:aws:sts::" + account + ":assumed-role/app/run-1"
	appRole = "arn:aws:iam::" + account + ":role/app"
)

func documents(texts ...string) []*policy.Document {
	var out []*policy.Document
	for i, text := range texts {
		out = append(out, policy.Read([]string{"first", "second", "third"}[i], []byte(text)))
	}
	return out
}

func TestDecisionsExplainThemselves(t *testing.T) {
	t.Parallel()
	const readPay = `{"Statement":[
		{"Sid":"Read","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:pay/*"}]}`
	const readOps = `{"Statement":{"Sid":"Ops","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:ops/*"}}`
	const opsEndpoint = `{"Statement":{"Sid":"Ops","Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:ops/*"}}`
	const viaEndpoint = `{"Statement":{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":["vpce-1","vpce-2"]}}}}`
	const denyAway = `{"Statement":{"Sid":"Home","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}}}}`
	const onlyUse = `{"Statement":[{"Sid":"Use","Effect":"Allow","Principal":{"AWS":"` + appRole + `"},"Action":"kms:Decrypt","Resource":"*"}]}`
	const delegates = `{"Statement":[{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}]}`
	names := func(who string) string {
		return `{"Statement":{"Sid":"Name","Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`
	}
	namesRole, namesUser, namesAccount, namesOther := names(appRole), names("arn:aws:iam::"+account+":user/ana"), names(account), names(other)
	for name, test := range map[string]struct {
		principal, action, resource string
		context                     map[string][]string
		unknown                     []string
		policies                    policy.Policies
		want                        string
	}{
		"allowed by one statement": {
			policies: policy.Policies{Identity: documents(readOps, readPay)},
			want:     `allowed by statement "Read" of identity policy "second" (line 2)`,
		},
		"allowed by a statement behind one that denies something else": {
			policies: policy.Policies{Identity: documents(`{"Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"},{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}]}`)},
			want:     `allowed by statement "All" of identity policy "first" (line 1)`,
		},
		"denied, beside a document that AWS would not have taken": {
			policies: policy.Policies{Identity: documents(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"*"}]}`)},
			want:     `denied by statement 0 of identity policy "first" (line 1); an explicit deny overrides every allow, so it would have to except this request or go`,
		},
		"denied, behind a document that AWS would not have taken": {
			policies: policy.Policies{Identity: documents(`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"*"}]}`, `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)},
			want:     `denied by statement 0 of identity policy "second" (line 1); an explicit deny overrides every allow, so it would have to except this request or go`,
		},
		"unknown by a denial, whose condition asks for what was not given": {
			unknown:  []string{"aws:RequestedRegion"},
			policies: policy.Policies{Identity: documents(readPay, denyAway)},
			want:     `unknown: not given aws:RequestedRegion; it would depend on statement "Home" of identity policy "second" (line 1)`,
		},
		"denied by an SCP, with what made it match": {
			context:  map[string][]string{"aws:RequestedRegion": {"eu-west-1"}},
			policies: policy.Policies{Identity: documents(readPay), SCPs: [][]*policy.Document{documents(fullAccess, denyAway)}},
			want: `denied by statement "Home" of service control policy "second" (line 1), for aws:RequestedRegion is eu-west-1 (StringNotEquals eu-central-1); ` +
				`an explicit deny overrides every allow, so it would have to except this request or go`,
		},
		"denied by two statements, whose conditions would be too much to say": {
			context:  map[string][]string{"aws:RequestedRegion": {"eu-west-1"}},
			policies: policy.Policies{Identity: documents(denyAway, denyAway)},
			want: `denied by statement "Home" of identity policy "first" (line 1) and statement "Home" of identity policy "second" (line 1); ` +
				`an explicit deny overrides every allow, so it would have to except this request or go`,
		},
		"denied by a statement without a condition": {
			policies: policy.Policies{Identity: documents(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)},
			want:     `denied by statement 0 of identity policy "first" (line 1); an explicit deny overrides every allow, so it would have to except this request or go`,
		},
		"allowed by the resource's policy, which names the role, whatever IAM says": {
			policies: policy.Policies{Identity: documents(readPay), Resource: documents(namesRole)[0]},
			want:     `allowed by statement "Name" of resource policy "first" (line 1)`,
		},
		"allowed by the resource's policy, which names the user": {
			principal: "arn:aws:iam::" + account + ":user/ana",
			policies:  policy.Policies{Identity: documents(fullAccess), Resource: documents(namesUser)[0]},
			want:      `allowed by statement "Name" of resource policy "first" (line 1)`,
		},
		"allowed by IAM, and the resource's policy names the account alone": {
			policies: policy.Policies{Identity: documents(readPay), Resource: documents(namesAccount)[0]},
			want:     `allowed by statement "Read" of identity policy "first" (line 2)`,
		},
		"allowed by both sides of another account": {
			principal: "arn:aws:sts::" + other + ":assumed-role/vendor/job",
			policies:  policy.Policies{Identity: documents(readPay), Resource: documents(namesOther)[0]},
			want:      `allowed by statement "Read" of identity policy "first" (line 2) and statement "Name" of resource policy "first" (line 1)`,
		},
		"allowed to the root user, who needs no policy": {
			principal: "arn:aws:iam::" + account + ":root",
			want:      `allowed by identity policy "root user"`,
		},
		"not allowed by the VPC endpoint": {
			policies: policy.Policies{Identity: documents(readPay), Endpoint: documents(opsEndpoint)},
			want: `not allowed: the VPC endpoint policy does not allow it (nearest is statement "Ops" of VPC endpoint policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow it in the VPC endpoint policy`,
		},
		"not allowed by the session": {
			policies: policy.Policies{Identity: documents(readPay), Session: documents(readOps)},
			want: `not allowed: the session policy does not allow it (nearest is statement "Ops" of session policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow it in the session policy`,
		},
		"of two that are equally near, the first": {
			policies: policy.Policies{Identity: documents(readOps, readOps)},
			want: `not allowed: no identity policy allows it (nearest is statement "Ops" of identity policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow secretsmanager:GetSecretValue on ` + secret + ` in an identity policy`,
		},
		"a statement about another action is not near": {
			policies: policy.Policies{Identity: documents(`{"Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"x"}}`)},
			want:     `not allowed: no identity policy allows it. To allow it: allow secretsmanager:GetSecretValue on ` + secret + ` in an identity policy`,
		},
		"the root user cannot assume root": {
			principal: "arn:aws:iam::" + account + ":root", action: "sts:AssumeRoot", resource: "arn:aws:iam::" + other + ":root",
			want: "not allowed: the root user of an account cannot assume roles",
		},
		"not allowed, and which statement came nearest by resource": {
			policies: policy.Policies{Identity: documents(readOps)},
			want: `not allowed: no identity policy allows it (nearest is statement "Ops" of identity policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow secretsmanager:GetSecretValue on ` + secret + ` in an identity policy`,
		},
		"not allowed, and which condition failed": {
			context:  map[string][]string{"aws:sourcevpce": {"vpce-9"}},
			policies: policy.Policies{Identity: documents(viaEndpoint)},
			want: `not allowed: no identity policy allows it (nearest is statement 0 of identity policy "first" (line 1): aws:SourceVpce is vpce-9 (StringEquals vpce-1, vpce-2)). ` +
				`To allow it: allow secretsmanager:GetSecretValue on ` + secret + ` in an identity policy`,
		},
		"an SCP level without an allow": {
			policies: policy.Policies{Identity: documents(readPay), SCPs: [][]*policy.Document{documents(fullAccess), documents(readOps)}},
			want: `not allowed: no service control policy at level 1 of the organization's path allows it (nearest is statement "Ops" of service control policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow secretsmanager:GetSecretValue in a service control policy of level 1`,
		},
		"two SCP levels without an allow, of which the first is named": {
			policies: policy.Policies{Identity: documents(readPay), SCPs: [][]*policy.Document{documents(readOps), documents(readOps)}},
			want: `not allowed: no service control policy at level 0 of the organization's path allows it (nearest is statement "Ops" of service control policy "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow secretsmanager:GetSecretValue in a service control policy of level 0`,
		},
		"a boundary in the way": {
			policies: policy.Policies{Identity: documents(readPay), Boundary: documents(readOps)},
			want: `not allowed: the permissions boundary does not allow it (nearest is statement "Ops" of permissions boundary "first" (line 1): it is about arn:aws:secretsmanager:*:*:secret:ops/*). ` +
				`To allow it: allow it in the permissions boundary`,
		},
		"a key policy that does not know the caller": {
			principal: "arn:aws:iam::" + account + ":user/ana", action: "kms:Decrypt", resource: key,
			policies: policy.Policies{Identity: documents(fullAccess), Resource: documents(onlyUse)[0]},
			want: `not allowed: the key policy allows neither the principal nor its account, without which IAM policies count for nothing, and no grant does ` +
				`(nearest is statement "Use" of key policy "first" (line 1): it names other principals). ` +
				`To allow it: name arn:aws:iam::111122223333:user/ana in an Allow of kms:Decrypt in the key policy`,
		},
		"a key policy that delegates to nobody's policy": {
			action: "kms:Decrypt", resource: key,
			policies: policy.Policies{Resource: documents(delegates)[0]},
			want:     `not allowed: no identity policy allows it. To allow it: allow kms:Decrypt on ` + key + ` in an identity policy`,
		},
		"both sides of another account": {
			principal: "arn:aws:sts::" + other + ":assumed-role/vendor/job",
			want: `not allowed: the resource is of account 111122223333 and its policy allows neither the principal nor account 444455556666; no identity policy allows it. ` +
				`To allow it: name arn:aws:iam::444455556666:role/vendor in an Allow of secretsmanager:GetSecretValue in the resource policy, and allow secretsmanager:GetSecretValue on ` + secret + ` in an identity policy`,
		},
		"a service without policies of its own": {
			principal: "lambda.amazonaws.com",
			want: `not allowed: the resource policy does not allow lambda.amazonaws.com, which has no policies of its own. ` +
				`To allow it: name lambda.amazonaws.com in an Allow of secretsmanager:GetSecretValue in the resource policy`,
		},
		"allowed by a grant": {
			action: "kms:Decrypt", resource: key,
			policies: policy.Policies{Resource: documents(delegates)[0], Grants: []policy.Grant{{ID: "g-1", Grantee: appRole, Operations: []string{"Decrypt"}}}},
			want:     "allowed by grant g-1",
		},
		"unknown for a key": {
			unknown:  []string{"aws:SourceVpce"},
			policies: policy.Policies{Identity: documents(viaEndpoint)},
			want:     `unknown: not given aws:SourceVpce; it would depend on statement 0 of identity policy "first" (line 1)`,
		},
		"unknown for a document": {
			policies: policy.Policies{Identity: documents(readPay, `{"Statement":`)},
			want:     `unknown: cannot read identity policy "second" (second:1:14: the text ends too early)`,
		},
		"unknown for a statement without a resource": {
			policies: policy.Policies{Identity: documents(readPay, `{"Statement":[{"Effect":"Allow","Action":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`)},
			want:     `unknown: cannot read identity policy "second" (a statement has no Resource)`,
		},
		"unknown for a resource control policy for some": {
			policies: policy.Policies{Identity: documents(readPay), RCPs: [][]*policy.Document{documents(`{"Statement":[{"Effect":"Deny","Principal":{"AWS":"` + other + `"},"Action":"s3:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}`)}},
			want:     `unknown: cannot read resource control policy "first" (the Principal of an RCP is "*")`,
		},
		"the root user cannot assume roles": {
			principal: "arn:aws:iam::" + account + ":root", action: "sts:AssumeRole", resource: appRole,
			want: "not allowed: the root user of an account cannot assume roles",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := policy.Request{Principal: mustPrincipal(t, or(test.principal, app)), Action: or(test.action, "secretsmanager:GetSecretValue"),
				Resource: or(test.resource, secret), ResourceAccount: account, Context: test.context, Unknown: test.unknown}
			if diff := cmp.Diff(test.want, policy.Evaluate(r, test.policies).Why); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADecisionByAGrantNamesTheGrantAndNoStatement(t *testing.T) {
	d := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, app), Action: "kms:Decrypt", Resource: key, ResourceAccount: account}, policy.Policies{
		Resource: documents(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + other + `"},"Action":"kms:*","Resource":"*"}]}`)[0],
		Grants:   []policy.Grant{{ID: "g-1", Grantee: appRole, Operations: []string{"Decrypt"}}, {ID: "g-2", Grantee: appRole, Operations: []string{"Decrypt"}}},
	})
	if diff := cmp.Diff([]policy.StatementRef{{Type: policy.TypeKey, Index: -1, Effect: policy.Allow, Grant: "g-1"}}, d.Decided); diff != "" {
		t.Error(diff)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestUnknownNamesWhatMattered(t *testing.T) {
	t.Parallel()
	d := policy.Evaluate(policy.Request{
		Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue", Resource: secret, ResourceAccount: account,
		Unknown: []string{"*"}, Context: map[string][]string{"aws:SourceAccount": {other}},
	}, policy.Policies{
		Identity: documents(
			`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1","aws:PrincipalTag/team":"pay"}}}}`,
			`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"`+account+`","aws:SourceIp":"x"}}}}`,
			`{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`),
	})
	if diff := cmp.Diff([]string{"aws:PrincipalTag/team", "aws:SourceVpce"}, d.Missing); diff != "" {
		t.Error(diff)
	}
	want := []policy.StatementRef{{Type: policy.TypeIdentity, Document: "first", Line: 1, Effect: policy.Allow}}
	if diff := cmp.Diff(want, d.Decided); diff != "" {
		t.Error(diff)
	}
}

func TestNotPrincipalWithoutTheAccountIsNoted(t *testing.T) {
	t.Parallel()
	for excepted, want := range map[string]policy.Answer{
		`"` + appRole + `"`:                                   policy.Unknown,
		`["` + appRole + `","` + account + `"]`:               policy.Unknown,
		`["` + app + `","` + appRole + `","` + account + `"]`: policy.Allowed,
		`["` + appRole + `","` + other + `"]`:                 policy.Unknown,
	} {
		resource := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","NotPrincipal":{"AWS":` + excepted + `},"Action":"*","Resource":"*"}]}`
		d := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue", Resource: secret, ResourceAccount: account},
			policy.Policies{Resource: documents(resource)[0]})
		if noted := len(d.Notes) == 1; d.Answer != want || noted != (want == policy.Unknown) {
			t.Errorf("all but %s: %s with notes %q, want %s", excepted, d.Answer, d.Notes, want)
		}
	}
}
