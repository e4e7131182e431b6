package inventory_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
)

// Whoever a policy lets change, from outside, what locks a secret comes to open it perhaps, in as many steps; a principal of which
// that is said by name comes to as much as everybody like it.
// Source: Secrets Manager User Guide, "Determine who has permissions to your secrets", resource-based policies of other accounts; KMS
// API Reference, CreateGrant, "Cross-account use: Yes". PutKeyPolicy is "No" there: a key policy that gives it away is named all
// the same, since nothing but that sentence closes it.
func TestOutsidersWhoMayChangeWhatLocksASecretReachIt(t *testing.T) {
	const (
		foreign = `{"AWS":"` + vendor + `"}`
		who     = "perhaps anybody in account 555566667777 "
		reads   = ", anybody in account 555566667777 reads"
	)
	to := func(principal, actions string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":[` + actions + `],"Resource":"*"}`
	}
	open, closed := to(`"*"`, `"kms:Decrypt"`), to(`{"AWS":"`+shop+`"}`, `"kms:*"`)
	for sentence, tt := range map[string]struct {
		secret, key []string // statements
		grants      []inventory.Grant
		want        []string
	}{
		"nothing":                          {[]string{to(foreign, `"secretsmanager:DescribeSecret"`)}, []string{open}, nil, nil},
		"the secret's policy":              {[]string{to(foreign, `"secretsmanager:PutResourcePolicy"`)}, []string{open}, nil, []string{who + "PutResourcePolicy db-AbCdEf" + reads}},
		"all of the secret":                {[]string{to(foreign, `"secretsmanager:Put*"`)}, []string{open}, nil, []string{who + "PutResourcePolicy db-AbCdEf" + reads}},
		"the secret's policy, not its key": {[]string{to(foreign, `"secretsmanager:PutResourcePolicy"`)}, []string{closed}, nil, nil},
		"no policy any more":               {[]string{to(foreign, `"secretsmanager:DeleteResourcePolicy"`)}, []string{open}, nil, nil},
		"another key":                      {[]string{to(foreign, `"secretsmanager:GetSecretValue","secretsmanager:UpdateSecret"`)}, []string{closed}, nil, []string{who + "UpdateSecret db-AbCdEf" + reads}},
		"another key, without reading":     {[]string{to(foreign, `"secretsmanager:UpdateSecret"`)}, []string{closed}, nil, nil},
		"a grant":                          {[]string{to(foreign, `"secretsmanager:GetSecretValue"`)}, []string{closed, to(foreign, `"kms:CreateGrant"`)}, nil, []string{who + "CreateGrant app" + reads}},
		"the key's policy":                 {[]string{to(foreign, `"secretsmanager:GetSecretValue"`)}, []string{closed, to(foreign, `"kms:Put*"`)}, nil, []string{who + "PutKeyPolicy app" + reads}},
		"the key's policy, not its secret": {nil, []string{closed, to(foreign, `"kms:*"`)}, nil, nil},
		"both policies":                    {[]string{to(foreign, `"secretsmanager:PutResourcePolicy"`)}, []string{closed, to(foreign, `"kms:PutKeyPolicy"`)}, nil, []string{who + "PutResourcePolicy db-AbCdEf, anybody in account 555566667777 PutKeyPolicy app" + reads}},
		"it is open to it already":         {[]string{to(foreign, `"secretsmanager:*"`)}, []string{open}, nil, nil},
		"a grant that gives grants, which give no more than it: not the use": {[]string{to(`{"AWS":"`+roleARN(vendor, "acme")+`"}`, `"secretsmanager:GetSecretValue"`)}, []string{closed}, []inventory.Grant{{ID: "g", Grantee: roleARN(vendor, "acme"), Operations: []string{"CreateGrant"}}}, nil},
		"a foreign organization":               {[]string{`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:PutResourcePolicy","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-partner"}}}`}, []string{open}, nil, []string{"perhaps anybody in organization o-partner PutResourcePolicy db-AbCdEf, anybody in organization o-partner reads"}},
		"the organization":                     {[]string{`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`}, []string{to(`"*"`, `"kms:Decrypt"`), to(foreign, `"kms:*"`)}, nil, nil},
		"some of the world, by the key policy": {[]string{to(`"*"`, `"secretsmanager:GetSecretValue"`)}, []string{closed, `{"Effect":"Allow","Principal":"*","Action":"kms:CreateGrant","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"` + vendor + `"}}}`}, nil, []string{who + "CreateGrant app" + reads, "perhaps anybody in any AWS account CreateGrant app, anybody in any AWS account reads"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = nil
			s.Secrets, s.Keys = s.Secrets[:1], s.Keys[:1]
			if tt.secret != nil {
				s.Secrets[0].Policy = document(tt.secret...)
			}
			s.Keys[0].Policy, s.Keys[0].Grants = document(tt.key...), tt.grants
			access := inventory.Prepare(s)
			paths, err := access.ReachersOf(secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range paths {
				if got = append(got, short(p)); !p.Outside {
					t.Errorf("%s is outside", p.Principal)
				}
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			one, err := access.Reach(roleARN(vendor, "acme"))
			if err != nil {
				t.Fatal(err)
			}
			partner := slices.ContainsFunc(tt.want, func(path string) bool {
				return path == "perhaps anybody in organization o-partner PutResourcePolicy db-AbCdEf, anybody in organization o-partner reads"
			})
			if (len(one) > 0) != (len(tt.want) > 0) && !partner {
				t.Errorf("a principal of the account by name: %+v", one)
			}
		})
	}
}
