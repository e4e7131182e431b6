package policy_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
)

// A fix is one that somebody can make: nobody attaches policies to a service-linked role, those of a role of IAM Identity Center are
// its permission set's, and no policy names everybody like somebody. What is offered opens the lock.
// Source: IAM User Guide, "Create a service-linked role"; IAM Identity Center User Guide, "Referencing permission sets in resource
// policies".
func TestAFixIsOneThatSomebodyCanMake(t *testing.T) {
	t.Parallel()
	const (
		key     = "arn:aws:kms:eu-central-1:111122223333:key/app"
		linked  = "arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"
		sso     = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Ops_0123456789abcdef"
		pattern = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Ops_????????????????"
		root    = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`
	)
	for sentence, tt := range map[string]struct {
		who, key string
		want     string // of the fix; "" for none
		fixed    string // a statement of the key policy, or "identity"
	}{
		"a service-linked role":                      {linked, root, "name " + linked + " in an Allow of kms:Decrypt in the key policy", `{"Effect":"Allow","Principal":{"AWS":"` + linked + `"},"Action":"kms:Decrypt","Resource":"*"}`},
		"a service-linked role that no policy lets":  {linked, "", "name " + linked + " in an Allow of kms:Decrypt in the key policy", `{"Effect":"Allow","Principal":{"AWS":"` + linked + `"},"Action":"kms:Decrypt","Resource":"*"}`},
		"a permission set":                           {sso, root, "allow kms:Decrypt on " + key + " in permission set Ops", "identity"},
		"a permission set that no policy lets":       {sso, "", "let in whoever's aws:PrincipalArn is like " + pattern + " by an Allow of kms:Decrypt in the key policy", `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"` + pattern + `"}}}`},
		"any other role":                             {"arn:aws:iam::111122223333:role/app", root, "allow kms:Decrypt on " + key + " in an identity policy", "identity"},
		"a service-linked role of another account":   {strings.ReplaceAll(linked, "111122223333", "444455556666"), `{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}`, "", ""},
		"a permission set's role of another account": {strings.ReplaceAll(sso, "111122223333", "444455556666"), `{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}`, "in permission set Ops", "identity"},
	} {
		ask := func(identity string, statements ...string) policy.Decision {
			document := func(text string) *policy.Document {
				return policy.MustParse("p", `{"Version":"2012-10-17","Statement":[`+text+`]}`)
			}
			var kept []string
			for _, s := range statements {
				if s != "" {
					kept = append(kept, s)
				}
			}
			return policy.Evaluate(policy.Request{Principal: mustPrincipal(t, tt.who), Action: "kms:Decrypt", Resource: key},
				policy.Policies{Identity: []*policy.Document{document(identity)}, Resource: document(strings.Join(kept, ","))})
		}
		before := ask("", tt.key)
		_, fix, offered := strings.Cut(before.Why, "To allow it: ")
		if before.Answer != policy.ImplicitlyDenied || offered != (tt.want != "") || !strings.Contains(fix, tt.want) {
			t.Errorf("%s: %s, %q, want %q", sentence, before.Answer, fix, tt.want)
		}
		if linked := strings.Contains(tt.who, "aws-service-role"); (linked || strings.Contains(tt.who, "aws-reserved")) && strings.Contains(fix, "in an identity policy") {
			t.Errorf("%s: %s", sentence, fix)
		}
		after := policy.Decision{Answer: policy.Allowed}
		switch tt.fixed {
		case "":
		case "identity":
			after = ask(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`, tt.key)
		default:
			after = ask("", tt.key, tt.fixed)
		}
		if after.Answer != policy.Allowed {
			t.Errorf("%s: %s once it is done: %s", sentence, after.Answer, after.Why)
		}
	}
	d := policy.Evaluate(policy.Request{Principal: policy.Principal{Kind: policy.KindSomebody, Name: "anybody in account 444455556666", Account: "444455556666"}, Action: "kms:Decrypt", Resource: key},
		policy.Policies{Resource: policy.MustParse("p", `{"Version":"2012-10-17","Statement":[`+root+`]}`)})
	if d.Answer != policy.ImplicitlyDenied || strings.Contains(d.Why, "name anybody") {
		t.Errorf("everybody of an account: %s: %s", d.Answer, d.Why)
	}
}
