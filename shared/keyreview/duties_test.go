package keyreview_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// Who manages and uses a key does so by whatever statements, and two for one do not part it.
func TestWhoManagesAKeyDoesNotUseItByAnyStatement(t *testing.T) {
	const app, admin = `{"AWS":"arn:aws:iam::111122223333:role/app"}`, `{"AWS":"arn:aws:iam::111122223333:role/admin"}`
	allow := func(sid, principal, actions, conditions string) string {
		return `{"Sid":"` + sid + `","Effect":"Allow","Principal":` + principal + `,"Action":[` + actions + `],"Resource":"*","Condition":{` + conditions + `}}`
	}
	const put, decrypt, anybody = `"kms:PutKeyPolicy"`, `"kms:Decrypt"`, `{"AWS":"*"}`
	const both = `fail statement "Use": it lets arn:aws:iam::111122223333:role/app use the key, whom statement "Manage" lets manage it`
	const throughSecretsManager = `"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}`
	tagged := func(value string) string { return `"StringEquals":{"aws:PrincipalTag/duty":"` + value + `"}` }
	for name, test := range map[string]struct {
		statements []string
		multi      bool   // the key is a multi-Region key
		want       string // the outcome and the words of the only finding; "" for none
	}{
		"two statements":                     {[]string{allow("Manage", app, put, ""), allow("Use", app, decrypt, "")}, false, both},
		"two statements, use first":          {[]string{allow("Use", app, decrypt, ""), allow("Manage", app, put, "")}, false, both},
		"through Secrets Manager":            {[]string{allow("Manage", app, put, ""), allow("Use", app, decrypt, throughSecretsManager)}, false, both},
		"of one secret":                      {[]string{allow("Manage", app, put, ""), allow("Use", app, decrypt, `"StringEquals":{"kms:EncryptionContext:SecretARN":"x"}`)}, false, "unknown depends on the request"},
		"re-encrypting":                      {[]string{allow("Manage", app, put, ""), allow("Use", app, `"kms:ReEncrypt*"`, "")}, false, both},
		"re-encrypting, in one statement":    {[]string{allow("Both", app, put+`,"kms:ReEncryptFrom"`, "")}, false, `fail statement "Both": it lets the same principals manage and use the key`},
		"one statement, and one more":        {[]string{allow("Both", app, `"kms:*"`, ""), allow("Use", app, decrypt, "")}, false, `fail statement "Both": it lets the same principals manage and use the key`},
		"one by a pattern of its name":       {[]string{allow("Manage", app, put, ""), allow("Use", anybody, decrypt, `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/a*"},`+throughSecretsManager)}, false, both},
		"a session of the role":              {[]string{allow("Manage", `{"AWS":"arn:aws:sts::111122223333:assumed-role/app/ann"}`, put, ""), allow("Use", app, decrypt, "")}, false, "fail assumed-role/app/ann use the key"},
		"everybody in one statement":         {[]string{manageOnly, allow("Both", anybody, put+","+decrypt, throughSecretsManager)}, false, "fail it lets the same principals manage and use the key"},
		"two roles":                          {[]string{allow("Manage", admin, put, ""), allow("Use", app, decrypt, "")}, false, ""},
		"the account manages, through IAM":   {[]string{manageOnly, allow("Use", app, decrypt, "")}, false, ""},
		"a manager is one of the account":    {[]string{allow("Manage", admin, put, ""), allow("Use", anybody, decrypt, throughSecretsManager)}, false, ""},
		"what is denied":                     {[]string{manageOnly, allow("Both", app, put+","+decrypt, ""), `{"Effect":"Deny","Principal":` + app + `,"Action":"kms:Decrypt","Resource":"*"}`}, false, ""},
		"by a tag that it has":               {[]string{manageOnly, allow("Manage", app, put, tagged("app")), allow("Use", app, decrypt, "")}, false, both},
		"by a tag that it has not":           {[]string{manageOnly, allow("Manage", app, put, tagged("admin")), allow("Use", app, decrypt, "")}, false, ""},
		"replicas of a multi-Region key":     {[]string{manageOnly, allow("Manage", app, `"kms:ReplicateKey"`, ""), allow("Use", app, decrypt, "")}, true, both},
		"no replicas of a key of one":        {[]string{manageOnly, allow("Manage", app, `"kms:ReplicateKey"`, ""), allow("Use", app, decrypt, "")}, false, ""},
		"replicas by another":                {[]string{manageOnly, allow("Manage", admin, `"kms:ReplicateKey"`, ""), allow("Use", app, decrypt, "")}, true, ""},
		"somebody who only looks at its ids": {[]string{manageOnly, allow("Manage", app, `"kms:DescribeKey","kms:GetKeyPolicy"`, ""), allow("Use", app, decrypt, "")}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy, k.Facts.MultiRegion = document(test.statements...), test.multi
			s := snapshot(k)
			s.Principals[0].Tags = map[string]string{"duty": "app"}
			s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
			got := ""
			for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
				if f.Control.ID != guard.KeyOpen {
					continue
				}
				got += string(f.Outcome) + " " + f.Detail
				if strings.Contains(f.Detail, "manage") && (f.After != "" || !strings.Contains(f.Fix, "a person has to decide: who is to manage the key")) {
					t.Errorf("a policy is proposed, or nobody has to decide: %s %s", f.Fix, f.After)
				}
			}
			outcome, words, _ := strings.Cut(test.want, " ")
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, outcome) || !strings.Contains(got, words) || strings.Count(got, "statement \"Use\"") > 1 || strings.Contains(got, `"Use"`) && strings.Contains(got, `"Both"`) {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}
