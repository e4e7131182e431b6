package keyreview_test

import (
	"slices"
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
		"a session of the role":              {[]string{manageOnly, allow("Manage", `{"AWS":"arn:aws:sts::111122223333:assumed-role/app/ann"}`, put, ""), allow("Use", app, decrypt, "")}, false, "fail assumed-role/app/ann use the key"},
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

// A key that no secret uses, and something else, is another service's: advice for Secrets Manager would stop that.
func TestAKeyOfAnotherServiceGetsNoAdviceForSecretsManager(t *testing.T) {
	const (
		disk   = `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"ec2.eu-central-1.amazonaws.com"}}}`
		direct = `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}`
		world  = `{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`
		app    = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*"}`
		logs   = `{"Effect":"Allow","Principal":{"Service":"logs.eu-central-1.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}`
	)
	used := inventory.Use{At: now.AddDate(0, 0, -1), Operation: "GenerateDataKeyWithoutPlaintext", Since: now.AddDate(-1, 0, 0)}
	unused := inventory.Use{Since: now.AddDate(0, 0, -90)}
	for name, tt := range map[string]struct {
		use        inventory.Use
		unread     string
		statements []string
		findings   int
		because    string // nobody knows who uses it; "" where a policy is proposed
	}{
		"a disk, handed over":             {used, "", []string{handsOver, disk}, 1, "GenerateDataKeyWithoutPlaintext"},
		"an operation that is not known":  {inventory.Use{At: now, Since: now}, "", []string{handsOver}, 1, "by an operation that is not known"},
		"everybody of the account":        {used, "", []string{manageOnly, direct}, 1, "GenerateDataKeyWithoutPlaintext"},
		"everybody":                       {used, "", []string{manageOnly, world}, 1, "GenerateDataKeyWithoutPlaintext"},
		"one who may make grants":         {used, "", []string{manageOnly, app}, 1, "whether what uses the key needs grants"},
		"a disk's that was not used":      {unused, "", []string{handsOver, disk}, 1, "its policy is for ec2.eu-central-1.amazonaws.com"},
		"a log's that was not used":       {unused, "", []string{handsOver, logs}, 1, "its policy is for logs.eu-central-1.amazonaws.com"},
		"of which nobody knows":           {inventory.Use{}, "access denied", []string{handsOver}, 2, "could not be read"},
		"of which the snapshot says none": {inventory.Use{}, "", []string{handsOver}, 2, "its last use is not known"},
		"one that was not used":           {unused, "", []string{handsOver}, 1, ""},
	} {
		k := fine()
		k.Policy, k.Use, k.UseUnread = document(tt.statements...), tt.use, tt.unread
		found := keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now)
		if len(found) != tt.findings {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			if f.Control.ID == guard.KeyUnused {
				continue
			}
			if tt.because != "" && (f.After != "" || strings.Contains(f.Fix, "Secrets Manager") || !strings.Contains(f.Fix, "a person has to decide") || !strings.Contains(f.Fix, tt.because)) {
				t.Errorf("%s: %s; %s", name, f.Fix, f.After)
			}
			if tt.because == "" && f.After == "" {
				t.Errorf("%s: %s", name, f.Fix)
			}
		}
	}
}

// What a service makes for its resources stays: a statement for that service hands the key on to nobody, whatever else is under the key.
func TestAGrantForAnotherServiceIsNotTakenAway(t *testing.T) {
	for via, found := range map[string]bool{
		`"StringEquals":{"kms:ViaService":"ec2.eu-central-1.amazonaws.com"}`:                                                       false,
		`"StringEquals":{"kms:ViaService":["ec2.eu-central-1.amazonaws.com","secretsmanager.eu-central-1.amazonaws.com"]}`:         false,
		`"StringLike":{"kms:ViaService":["rds.*.amazonaws.com","secretsmanager.*.amazonaws.com"]}`:                                 false,
		`"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}`:                                            true,
		`"StringEqualsIfExists":{"kms:ViaService":["ec2.eu-central-1.amazonaws.com","secretsmanager.eu-central-1.amazonaws.com"]}`: true,
	} {
		k := fine()
		k.Policy = document(manageOnly, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*","Condition":{`+via+`}}`)
		got := keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now)
		if (len(got) > 0) != found {
			t.Errorf("%s: %+v", via, got)
		}
	}
}

// The last use of a key says that it has other users than secrets where Secrets Manager does not call that operation.
func TestAKeyOfSecretsThatIsUsedForSomethingElseTooIsNotTakenFromThat(t *testing.T) {
	for operation, proposed := range map[string]bool{"Decrypt": true, "": true, "GenerateDataKeyWithoutPlaintext": false, "ReEncrypt": false} {
		k := fine()
		k.Policy, k.Use.Operation = document(handsOver), operation
		for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now) {
			if (f.After != "") != proposed || !proposed && !strings.Contains(f.Fix, "may have used it (kms:"+operation) {
				t.Errorf("%s: %s", operation, f.Fix)
			}
		}
	}
}

// What the policy denies whom it names, they do not do: they hand on nothing.
func TestWhoIsDeniedGrantsHandsNothingOn(t *testing.T) {
	const app = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*"}`
	for deny, denied := range map[string]bool{
		`"Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:CreateGrant"`:     true,
		`"Principal":"*","Action":"kms:CreateGrant"`:                                              true,
		`"Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"NotAction":"kms:Decrypt"`:      true,
		`"Principal":{"AWS":"arn:aws:iam::111122223333:role/another"},"Action":"kms:CreateGrant"`: false,
	} {
		k := fine()
		k.Policy = document(app, manageOnly, `{"Effect":"Deny",`+deny+`,"Resource":"*"}`)
		found := keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now)
		said := slices.ContainsFunc(found, func(f keyreview.Finding) bool { return strings.Contains(f.Detail, "hand the key on by grants") })
		if said == denied {
			t.Errorf("%s: %+v", deny, found)
		}
	}
}
