package inventory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// Whom a policy lets in from outside is said as the condition under which it opens, and nobody is invented.
func TestPopulationsOutsideTheSnapshot(t *testing.T) {
	const anybody, services = "anybody in any AWS account", "any AWS service"
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
		"the world":                             {names(`"*"`), map[string]policy.Answer{anybody: may, services: may}},
		"the world, under AWS":                  {names(`{"AWS":"*"}`), map[string]policy.Answer{anybody: may, services: may}},
		"an account by its canonical id":        {names(`{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`), map[string]policy.Answer{"anybody in the account with canonical user id 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be": may}},
		"the organization alone":                {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`), nil},
		"the organization's paths alone":        {everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/*"}`), nil},
		"the organization, or one without any":  {everybody(`"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"}`), map[string]policy.Answer{anybody + ", whose aws:PrincipalOrgID fits StringEqualsIfExists o-exampleorg": may, services + ", where aws:PrincipalOrgID fits StringEqualsIfExists o-exampleorg": may}},
		"all but the organization":              {everybody(`"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`), map[string]policy.Answer{anybody + ", whose aws:PrincipalOrgID is not o-exampleorg": may, services + ", where aws:PrincipalOrgID is not o-exampleorg": may}},
		"a foreign organization":                {everybody(`"StringEquals":{"aws:PrincipalOrgID":["o-exampleorg","o-partner"]}`), map[string]policy.Answer{"anybody in organization o-partner": may}},
		"a foreign organization's unit":         {everybody(`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-partner/r-1/ou-2/*"}`), map[string]policy.Answer{"anybody in organization o-partner, whose aws:PrincipalOrgPaths fits ForAnyValue:StringLike o-partner/r-1/ou-2/*": may}},
		"an account of a foreign organization":  {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-partner","aws:PrincipalAccount":"555566667777"}`), map[string]policy.Answer{"anybody in account 555566667777, whose aws:PrincipalOrgID is o-partner": may}},
		"a foreign account of the organization": {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","aws:PrincipalAccount":"555566667777"}`), nil},
		"a foreign organization's tagged":       {everybody(`"StringEquals":{"aws:PrincipalOrgID":"o-partner","aws:PrincipalTag/team":"blue"}`), map[string]policy.Answer{"anybody in organization o-partner, whose aws:PrincipalTag/team is blue": may}},
		"services":                              {everybody(`"Bool":{"aws:PrincipalIsAWSService":"true"}`), map[string]policy.Answer{services: may}},
		"all but services":                      {everybody(`"Bool":{"aws:PrincipalIsAWSService":"false"},"StringEquals":{"aws:PrincipalOrgID":"o-partner"}`), map[string]policy.Answer{"anybody in organization o-partner, whose aws:PrincipalIsAWSService fits Bool false": may}},
		"services for a resource":               {everybody(`"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:555566667777:*"}`), map[string]policy.Answer{services + ", where aws:SourceArn is like arn:aws:sns:*:555566667777:*": may}},
		"services for an account":               {everybody(`"StringEquals":{"aws:SourceAccount":"111122223333"}`), map[string]policy.Answer{services + ", where aws:SourceAccount is 111122223333": may}},
		"services for an organization":          {everybody(`"StringEquals":{"aws:SourceOrgID":"o-exampleorg"}`), map[string]policy.Answer{services + ", where aws:SourceOrgID is o-exampleorg": may}},
		"services for a unit":                   {everybody(`"ForAnyValue:StringLike":{"aws:SourceOrgPaths":"o-partner/r-1/*"}`), map[string]policy.Answer{services + ", where aws:SourceOrgPaths fits ForAnyValue:StringLike o-partner/r-1/*": may}},
		"services by a pattern":                 {everybody(`"StringLike":{"aws:PrincipalServiceName":"*.amazonaws.com"}`), map[string]policy.Answer{services + ", where aws:PrincipalServiceName is like *.amazonaws.com": may}},
		"services by one of their names":        {everybody(`"ForAnyValue:StringEquals":{"aws:PrincipalServiceNamesList":"backup.amazonaws.com"}`), map[string]policy.Answer{services + ", where aws:PrincipalServiceNamesList fits ForAnyValue:StringEquals backup.amazonaws.com": may}},
		"a service by its name, for an account": {everybody(`"StringEquals":{"aws:PrincipalServiceName":"backup.amazonaws.com","aws:SourceAccount":"555566667777"}`), map[string]policy.Answer{"backup.amazonaws.com": may}},
		"services, where people are kept out":   {document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}`), map[string]policy.Answer{services: may}},
		"the world, but one service":            {document(`{"Effect":"Allow","NotPrincipal":{"Service":"backup.amazonaws.com"},"Action":"secretsmanager:*","Resource":"*"}`), map[string]policy.Answer{anybody: may, services: may}},
		"the world, through services":           {everybody(`"Bool":{"aws:ViaAWSService":"true"}`), map[string]policy.Answer{anybody + ", whose aws:ViaAWSService fits Bool true": may}},
		"the world, through one service":        {everybody(`"ForAnyValue:StringEquals":{"aws:CalledVia":"cloudformation.amazonaws.com"}`), map[string]policy.Answer{anybody + ", whose aws:CalledVia fits ForAnyValue:StringEquals cloudformation.amazonaws.com": may, services + ", where aws:CalledVia fits ForAnyValue:StringEquals cloudformation.amazonaws.com": may}},
		"a policy that cannot be read":          {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`, map[string]policy.Answer{"anybody whom the policy may let in": may}},
		"half a policy":                         {`{"Version":"2012-10-17","Sta`, map[string]policy.Answer{"anybody whom the policy may let in": may}},
		"sessions that a provider signed in":    {names(`{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"}`), map[string]policy.Answer{"anybody whom arn:aws:iam::111122223333:saml-provider/Okta signs in": may}},
		"sessions of web identities":            {names(`{"Federated":"cognito-identity.amazonaws.com"}`), map[string]policy.Answer{"anybody whom cognito-identity.amazonaws.com signs in": may}},
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

// A root user has no policies, and opens what the secret's policy and the key's policy let its account open: as can says of it.
func TestTheRootUsersWhoOpenASecretAreSaid(t *testing.T) {
	allow := func(principal, condition string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*","Condition":{` + condition + `}}`
	}
	const everybody, account = `"*"`, `{"AWS":"arn:aws:iam::` + data + `:root"}`
	own := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + shop + `:root"},"Action":"kms:*","Resource":"*"}`
	deny := `{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"}}}`
	for sentence, tt := range map[string]struct {
		secret, key string
		scp         string
		want        map[string]policy.Answer
	}{
		"of the own account":                {"", own, "", map[string]policy.Answer{shop: yes}},
		"of one that the policies name":     {document(allow(account, "")), document(own, allow(account, "")), "", map[string]policy.Answer{shop: yes, data: yes}},
		"of the organization":               {document(allow(everybody, `"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`)), document(own, allow(everybody, "")), "", map[string]policy.Answer{shop: yes, data: yes, "999988887777": yes}},
		"who may, from an address":          {document(allow(account, `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`)), document(own, allow(account, "")), "", map[string]policy.Answer{shop: yes, data: may}},
		"none, where a Deny is about them":  {document(deny), document(own), "", nil},
		"none, where the key does not":      {"", document(allow(`{"AWS":"arn:aws:iam::`+shop+`:role/app"}`, "")), "", nil},
		"none of theirs, where an SCP says": {document(allow(account, "")), document(own, allow(account, "")), `{"Effect":"Deny","Action":"secretsmanager:*","Resource":"*"}`, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Secrets = s.Secrets[:1]
			s.Secrets[0].Policy = tt.secret
			for i := range s.Keys {
				if s.Keys[i].Facts.ARN == s.Secrets[0].Facts.Key.ARN {
					s.Keys[i].Policy = tt.key
					if !strings.HasPrefix(tt.key, `{"Version"`) {
						s.Keys[i].Policy = document(tt.key)
					}
				}
			}
			if tt.scp != "" {
				for id, c := range s.Controls {
					c.Document = document(`{"Effect":"Allow","Action":"*","Resource":"*"}`, tt.scp)
					s.Controls[id] = c
				}
			}
			access := inventory.Prepare(s)
			roots, err := access.RootsOf(secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]policy.Answer
			for _, r := range roots {
				if got == nil {
					got = map[string]policy.Answer{}
				}
				got[r.Account] = r.Answer
				if can, err := access.Opens(r.Principal, secretARN("shop/db")); err != nil || can.Answer != r.Answer {
					t.Errorf("%s is %s among the roots, and by itself %s (%v)", r.Principal, r.Answer, can.Answer, err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
