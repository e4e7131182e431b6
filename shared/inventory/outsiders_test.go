package inventory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// Whom a policy lets in from outside is said as the condition under which it opens, and nobody is invented.
func TestPopulationsOutsideTheSnapshot(t *testing.T) {
	const anybody = "anybody in any AWS account"
	everybody := func(condition string) string {
		return document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{` + condition + `}}`)
	}
	names := func(principal string) string {
		return document(`{"Effect":"Allow","Principal":` + principal + `,"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
	}
	for sentence, tt := range map[string]struct {
		policy string
		want   map[string]policy.Answer
	}{
		"the world":                            {names(`"*"`), map[string]policy.Answer{anybody: may}},
		"the world, under AWS":                 {names(`{"AWS":"*"}`), map[string]policy.Answer{anybody: may}},
		"the organization alone":               {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`), nil},
		"the organization's paths alone":       {everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/*"}`), nil},
		"the organization, or one without any": {everybody(`"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"}`), map[string]policy.Answer{anybody + ", whose aws:PrincipalOrgID fits StringEqualsIfExists o-exampleorg": may}},
		"all but the organization":             {everybody(`"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`), map[string]policy.Answer{anybody + ", whose aws:PrincipalOrgID is not o-exampleorg": may}},
		"a foreign organization":               {everybody(`"StringEquals":{"aws:PrincipalOrgID":["o-exampleorg","o-partner"]}`), map[string]policy.Answer{"anybody in organization o-partner": may}},
		"a foreign organization's unit":        {everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-partner/r-1/ou-2/*"}`), map[string]policy.Answer{"anybody in organization o-partner": may}},
		"a pattern in a foreign organization": {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-partner"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/sync-*"}`),
			map[string]policy.Answer{"anybody in organization o-partner, whose aws:PrincipalArn is like arn:aws:iam::*:role/sync-*": may}},
		"a pattern in any account":                              {everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/sync-*"}`), map[string]policy.Answer{anybody + ", whose aws:PrincipalArn is like arn:aws:iam::*:role/sync-*": may}},
		"a pattern in a foreign account":                        {everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::555566667777:role/*"}`), map[string]policy.Answer{"anybody in account 555566667777, whose aws:PrincipalArn is like arn:aws:iam::555566667777:role/*": may}},
		"a pattern in the account":                              {everybody(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}`), nil},
		"a foreign account":                                     {everybody(`"StringEquals":{"aws:PrincipalAccount":"555566667777"}`), map[string]policy.Answer{"anybody in account 555566667777": may}},
		"the account":                                           {everybody(`"StringEquals":{"aws:PrincipalAccount":"111122223333"}`), nil},
		"a foreign account's root":                              {names(`{"AWS":"arn:aws:iam::555566667777:root"}`), map[string]policy.Answer{"anybody in account 555566667777": may}},
		"a foreign role":                                        {names(`{"AWS":"arn:aws:iam::555566667777:role/acme"}`), map[string]policy.Answer{"arn:aws:iam::555566667777:role/acme": may}},
		"a service":                                             {names(`{"Service":"backup.amazonaws.com"}`), map[string]policy.Answer{"backup.amazonaws.com": yes}},
		"a service, by its name":                                {everybody(`"StringEquals":{"aws:PrincipalServiceName":"backup.amazonaws.com"}`), map[string]policy.Answer{"backup.amazonaws.com": yes}},
		"a federated user of the account":                       {names(`{"AWS":"arn:aws:sts::111122223333:federated-user/fay"}`), map[string]policy.Answer{"arn:aws:sts::111122223333:federated-user/fay": may}},
		"a principal that was deleted":                          {names(`{"AWS":"AROADELETED0123456789"}`), nil},
		"the world, where it is denied":                         {document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`), nil},
		"the world, for another action":                         {document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:DescribeSecret","Resource":"*"}`), nil},
		"the world, of which one account is denied by its ARNs": {document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}}}`), nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Secrets[0].Policy = tt.policy
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
			access := inventory.Prepare(s)
			readers, _, err := access.Readers(secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			inside := map[string]bool{}
			for _, p := range s.Principals {
				inside[p.ARN] = true
			}
			var got map[string]policy.Answer
			for _, r := range readers {
				if inside[r.Principal] || r.Answer == no {
					continue
				}
				if got == nil {
					got = map[string]policy.Answer{}
				}
				got[r.Principal] = r.Answer
				if again, err := access.Explain(r.Principal, secretARN("shop/db")); err != nil || again.Answer != r.Answer {
					t.Errorf("%s is %s among the readers, and by itself %s (%v)", r.Principal, r.Answer, again.Answer, err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
