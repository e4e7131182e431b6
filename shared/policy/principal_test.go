package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

func TestParsePrincipal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]policy.Principal{
		"*":                              {Kind: policy.KindAnonymous},
		"111122223333":                   {Kind: policy.KindRoot, ARN: "arn:aws:iam::111122223333:root", Account: account, Name: "root"},
		"arn:aws:iam::111122223333:root": {Kind: policy.KindRoot, ARN: "arn:aws:iam::111122223333:root", Account: account, Name: "root"},
		"arn:aws:iam::111122223333:user/team/pay/ana": {Kind: policy.KindUser, ARN: "arn:aws:iam::111122223333:user/team/pay/ana", Account: account, Name: "ana"},
		"arn:aws:iam::111122223333:role/team/app": {
			Kind: policy.KindRole, ARN: "arn:aws:iam::111122223333:role/team/app", Account: account, Name: "app", Role: "arn:aws:iam::111122223333:role/team/app",
		},
		"arn:aws-us-gov:sts::111122223333:assumed-role/app/ana@example.com": {
			Kind: policy.KindSession, ARN: "arn:aws-us-gov:sts::111122223333:assumed-role/app/ana@example.com", Account: account, Name: "app",
			Session: "ana@example.com", Role: "arn:aws-us-gov:iam::111122223333:role/app",
		},
		"arn:aws:sts::111122223333:federated-user/fay": {Kind: policy.KindFederatedUser, ARN: "arn:aws:sts::111122223333:federated-user/fay", Account: account, Name: "fay"},
		"arn:aws:iam::111122223333:saml-provider/Okta": {
			Kind: policy.KindFederated, ARN: "arn:aws:iam::111122223333:saml-provider/Okta", Account: account, Name: "arn:aws:iam::111122223333:saml-provider/Okta",
		},
		"lambda.amazonaws.com":             {Kind: policy.KindService, Name: "lambda.amazonaws.com"},
		"logs.cn-north-1.amazonaws.com.cn": {Kind: policy.KindService, Name: "logs.cn-north-1.amazonaws.com.cn"},
		"cognito-identity.amazonaws.com":   {Kind: policy.KindFederated, Name: "cognito-identity.amazonaws.com"},
		"accounts.google.com":              {Kind: policy.KindFederated, Name: "accounts.google.com"},
		"www.amazon.com":                   {Kind: policy.KindFederated, Name: "www.amazon.com"},
	} {
		got, err := policy.ParsePrincipal(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{"", "bob", "arn:aws:iam::111122223333", "arn:aws:iam::111122223333:group/g", "arn:aws:s3:::bucket",
		"arn:aws:sts::111122223333:assumed-role/app", "arn:aws:iam::111122223333:user/", "12345",
		"arn:aws:sts::111122223333:role/app/x", "arn:aws:iam::111122223333:assumed-role/app/x"} {
		if p, err := policy.ParsePrincipal(text); err == nil {
			t.Errorf("%q was read as %+v", text, p)
		}
	}
}

func TestServiceLinkedRoles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS": true,
		"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForRDS/rds":                        true,
		"arn:aws:iam::111122223333:role/AWSServiceRoleForMe":                                     false,
		"arn:aws:iam::111122223333:role/app":                                                     false,
		"arn:aws:iam::111122223333:user/AWSServiceRoleForRDS":                                    false,
	} {
		p := mustPrincipal(t, text)
		if got := p.ServiceLinked(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestAPrincipalIsPrintedByTheBestName(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]policy.Principal{
		appRole:                appPrincipal(t),
		"lambda.amazonaws.com": {Kind: policy.KindService, Name: "lambda.amazonaws.com"},
		"an anonymous caller":  {Kind: policy.KindAnonymous},
		"somebody":             {Kind: policy.KindSomebody},
		"anybody else":         {Kind: policy.KindSomebody, Name: "anybody else"},
		"":                     {Kind: policy.KindService},
	} {
		if got := p.String(); got != want {
			t.Errorf("%+v is printed as %q, want %q", p, got, want)
		}
	}
}

func appPrincipal(t *testing.T) policy.Principal {
	t.Helper()
	p, err := policy.ParsePrincipal(appRole)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
