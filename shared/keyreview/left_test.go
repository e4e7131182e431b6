package keyreview_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

const manages = `{"Sid":"Manage","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/admin"},"Action":"kms:PutKeyPolicy","Resource":"*"}`

// Who makes grants, or re-encrypts under a key of his own, comes to what he may not decrypt: to leave that to IAM is to leave it decrypting.
func TestWhatComesToDecryptingIsNotLeftToIAM(t *testing.T) {
	root := func(actions, conditions string) string {
		return `{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":[` + actions + `],"Resource":"*","Condition":{` + conditions + `}}`
	}
	const grant, from = `"kms:CreateGrant"`, `"kms:ReEncryptFrom"`
	for name, test := range map[string]struct {
		statement string
		want      string   // outcome and words; "" for no finding
		left      []string // of the statement in what is proposed
	}{
		"grants":                           {root(grant, ""), "fail hands kms:CreateGrant, which comes to kms:Decrypt, to every IAM policy", nil},
		"grants, among what manages":       {root(`"kms:Create*","kms:PutKeyPolicy"`, ""), "fail hands kms:CreateGrant", []string{"kms:PutKeyPolicy", "kms:CreateAlias"}},
		"grants, by what makes them":       {root(`"kms:GenerateDataKey",`+grant, ""), "fail hands kms:CreateGrant", []string{"kms:GenerateDataKey", "secretsmanager.eu-central-1.amazonaws.com"}},
		"grants that give themselves":      {root(grant, `"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","DescribeKey"]}`), "fail hands kms:CreateGrant", nil},
		"grants with a constraint":         {root(grant, `"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}`), "unknown may hand kms:CreateGrant", nil},
		"grants by services":               {root(grant, `"Bool":{"kms:GrantIsForAWSResource":"true"}`), "", nil},
		"grants of other things":           {root(grant, `"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","DescribeKey"]}`), "", nil},
		"grants to one role":               {root(grant, `"StringEquals":{"kms:GranteePrincipal":"arn:aws:iam::111122223333:role/app"}`), "", nil},
		"re-encrypting":                    {root(`"kms:ReEncrypt*"`, ""), "fail hands kms:ReEncryptFrom, which comes to kms:Decrypt,", nil},
		"re-encrypting from it":            {root(from, ""), "fail hands kms:ReEncryptFrom", nil},
		"re-encrypting under it":           {root(`"kms:ReEncryptTo"`, ""), "", nil},
		"re-encrypting under the same key": {root(from, `"Bool":{"kms:ReEncryptOnSameKey":"true"}`), "", nil},
		"through any service":              {root(`"kms:Decrypt"`, `"StringLike":{"kms:ViaService":"*"}`), "fail hands kms:Decrypt to every IAM policy", []string{"secretsmanager.eu-central-1.amazonaws.com"}},
		"through a service that it names":  {root(`"kms:Decrypt"`, `"StringEquals":{"kms:ViaService":"ssm.eu-central-1.amazonaws.com"}`), "", nil},
		"grants through any service":       {root(grant, `"StringLike":{"kms:ViaService":"*"}`), "", nil},
		"through Secrets Manager":          {root(from+","+grant, `"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}`), "", nil},
		"both":                             {root(from+","+grant, ""), "fail hands kms:CreateGrant and kms:ReEncryptFrom, which comes to kms:Decrypt,", nil},
		"what manages":                     {manageOnly, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(manages, test.statement)
			review := func(k inventory.Key) (out []keyreview.Finding) {
				s := snapshot(k, secret("db", "app"))
				s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`), role("sly", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
				for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
					if f.Control.ID == guard.KeyOnlyDelegate || f.Control.ID == guard.KeyOpen {
						out = append(out, f)
					}
				}
				return out
			}
			found := review(k)
			if (len(found) == 0) != (test.want == "") || len(found) > 1 {
				t.Fatalf("findings are %+v, want %q", found, test.want)
			}
			if len(found) == 0 {
				return
			}
			outcome, words, _ := strings.Cut(test.want, " ")
			f := found[0]
			if string(f.Outcome) != outcome || !strings.Contains(f.Detail, words) || f.After == "" {
				t.Fatalf("it says %q (%s), %s, want %q; after: %s", f.Detail, f.Outcome, f.Fix, test.want, f.After)
			}
			for _, words := range test.left {
				if !strings.Contains(f.After, words) {
					t.Errorf("%s is not left: %s", words, f.After)
				}
			}
			if k.Policy = f.After; len(review(k)) > 0 {
				t.Errorf("the policy that is proposed has findings: %+v", review(k))
			}
		})
	}
}

// Whoever may use the key by a grant may hand that on where the grant says so; by a grant of nothing but grants nobody gets anything.
func TestAGrantThatIsHandedOnIsFound(t *testing.T) {
	const app = "arn:aws:iam::111122223333:role/app"
	for name, test := range map[string]struct {
		grantee    string
		operations []string
		deny       string
		found      bool
	}{
		"of a role":                     {app, []string{"Decrypt", "CreateGrant"}, "", true},
		"of the account":                {"arn:aws:iam::111122223333:root", []string{"ReEncryptFrom", "CreateGrant"}, "", true},
		"of an approved account's role": {"arn:aws:iam::444455556666:role/x", []string{"Decrypt", "CreateGrant"}, "", true},
		"without grants":                {app, []string{"Decrypt", "DescribeKey"}, "", false},
		"of grants alone":               {app, []string{"CreateGrant"}, "", false},
		"of grants and looking":         {app, []string{"CreateGrant", "DescribeKey", "RetireGrant"}, "", false},
		"which is denied":               {app, []string{"Decrypt", "CreateGrant"}, `{"Effect":"Deny","Principal":"*","Action":"kms:CreateGrant","Resource":"*"}`, false},
		"of a service-linked role":      {"arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", []string{"Decrypt", "CreateGrant"}, "", false},
		"of a disk's":                   {"arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0123456789abcdef0", []string{"Decrypt", "CreateGrant"}, "", false},
		"of a service":                  {"rds.eu-central-1.amazonaws.com", []string{"Decrypt", "CreateGrant"}, "", false},
	} {
		k := fine()
		if test.deny != "" {
			k.Policy = document(manageOnly, test.deny)
		}
		k.Grants = []inventory.Grant{{ID: "g", Grantee: test.grantee, Operations: test.operations}}
		std := standard()
		std.Approved = []string{partner}
		found := keyreview.Review(inventory.Prepare(snapshot(k)), std, now)
		if (len(found) > 0) != test.found {
			t.Errorf("a grant %s: %+v", name, found)
		}
		for _, f := range found {
			if f.Control.ID != guard.KeyOpen || !strings.Contains(f.Detail, "hand that on by grants") || !strings.Contains(f.Fix, "a person has to decide") || !strings.Contains(f.Fix, "aws kms revoke-grant --region eu-central-1 --key-id "+arn+" --grant-id g") {
				t.Errorf("a grant %s: %s %s; %s", name, f.Control.ID, f.Detail, f.Fix)
			}
		}
	}
}

// A pattern of services is more than Secrets Manager; a service that a policy names was chosen by whoever wrote it.
func TestAPatternOfServicesIsNotSecretsManager(t *testing.T) {
	for condition, want := range map[string]string{
		`"StringLike":{"kms:ViaService":"*"}`:                                               "through every service like *",
		`"StringLike":{"kms:ViaService":"s*.amazonaws.com"}`:                                "through every service like s*.amazonaws.com",
		`"StringLike":{"kms:ViaService":["secretsmanager.*.amazonaws.com","s?s.*"]}`:        "through every service like s?s.*",
		`"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"}`:                  "",
		`"StringLike":{"kms:ViaService":"secretsmanager*"}`:                                 "",
		`"StringEquals":{"kms:ViaService":"*"}`:                                             "",
		`"StringEquals":{"kms:ViaService":"ssm.eu-central-1.amazonaws.com"}`:                "",
		`"StringNotLike":{"kms:ViaService":"ec2.*"}`:                                        "directly, not only through Secrets Manager",
		`"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}`:     "",
		`"StringEqualsIfExists":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws"}`: "directly, not only through Secrets Manager",
	} {
		statement := `{"Sid":"Use","Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringLike":{"kms:CallerAccount":"111122223333"},` + condition + `}}`
		statement = strings.Replace(statement, `"111122223333"},"StringLike":{`, `"111122223333",`, 1)
		k := fine()
		k.Policy, k.Use = document(manageOnly, statement), inventory.Use{Since: now.AddDate(0, 0, -90)}
		found := keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now)
		if (len(found) > 0) != (want != "") || len(found) > 0 && !strings.Contains(found[0].Detail, want) {
			t.Errorf("%s: %+v, want %q", condition, found, want)
		}
		for _, f := range found {
			if k.Policy = f.After; f.After == "" || len(keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now)) > 0 {
				t.Errorf("%s: what is proposed leaves a finding: %s; %s", condition, f.After, f.Fix)
			}
		}
	}
}

// What a service does for its resources it does by grants: that is not taken from it, whoever reads secrets under the key.
// Source: EC2 Auto Scaling User Guide, "Required AWS KMS key policy for use with encrypted volumes"; KMS Developer Guide, "How Amazon EBS uses AWS KMS".
func TestGrantsAreNotTakenFromWhatWorksByThem(t *testing.T) {
	const linked = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	names := func(who, actions string) string {
		return `{"Sid":"S","Effect":"Allow","Principal":{"AWS":"` + who + `"},"Action":[` + actions + `],"Resource":"*"}`
	}
	const uses = `"kms:Decrypt","kms:GenerateDataKeyWithoutPlaintext","kms:CreateGrant"`
	const app, handsApp = "arn:aws:iam::111122223333:role/app", `"kms:Decrypt","kms:CreateGrant"`
	grant := func(grantee string, subset map[string]string) func(*inventory.Key) {
		return func(k *inventory.Key) {
			k.Grants = []inventory.Grant{{ID: "g", Grantee: grantee, Operations: []string{"Decrypt"}, Subset: subset}}
		}
	}
	none := func(*inventory.Key) {}
	for name, test := range map[string]struct {
		statement string
		change    func(*inventory.Key)
		decide    string // "" where a policy is proposed
		left      string
	}{
		"a service-linked role":               {names(linked, uses), none, "", `"Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}`},
		"a role":                              {names(app, handsApp), none, "", `"Action":"kms:Decrypt"`},
		"a role, and a disk's grant":          {names(app, handsApp), grant("ec2.eu-central-1.amazonaws.com", map[string]string{"aws:ebs:id": "vol-1"}), "grant g is one that a service makes", ""},
		"a role, and a function's grant":      {names(app, handsApp), grant(app, map[string]string{"aws:lambda:FunctionArn": "f"}), "grant g is one that a service makes", ""},
		"a role, and a service's role's":      {names(app, handsApp), grant(linked, nil), "grant g is one that a service makes", ""},
		"a role, and somebody's grant":        {names(app, handsApp), grant(app, nil), "may have used it (kms:CreateGrant)", ""},
		"the account, and a disk's grant":     {handsOver, grant("ec2.eu-central-1.amazonaws.com", nil), "grant g is one that a service makes", ""},
		"the account, and an instance's":      {handsOver, grant("arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0123456789abcdef0", nil), "grant g is one that a service makes", ""},
		"the account, and grants not read":    {handsOver, func(k *inventory.Key) { k.GrantsUnread = "access denied" }, "its grants could not be read", ""},
		"the account, and a grant for secret": {handsOver, grant(app, map[string]string{"SecretARN": secret("db", "app").Facts.ARN}), "may have used it (kms:CreateGrant)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(manages, test.statement)
			test.change(&k)
			s := snapshot(k, secret("db", "app"))
			s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`))
			judged := 0
			for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
				if f.Statement == "" {
					continue // of grants
				}
				judged++
				decides := strings.Contains(f.Fix, "a person has to decide")
				if (f.After == "") != (test.decide != "") || decides != (test.decide != "") || !strings.Contains(f.Fix, test.decide) || !strings.Contains(f.After, test.left) {
					t.Errorf("%s: %s\n%s", f.Detail, f.Fix, f.After)
				}
			}
			if judged != 1 {
				t.Errorf("%d findings", judged)
			}
		})
	}
}

func TestAStatementOfEverythingButSomeIsNotDroppedForItsGrants(t *testing.T) {
	k := fine()
	k.Policy = document(manages, `{"Sid":"S","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/batch"},"NotAction":["kms:PutKeyPolicy","kms:ReplicateKey"],"Resource":"*"}`)
	k.Use = inventory.Use{Since: now.AddDate(0, 0, -90)} // for nothing else than secrets
	s := snapshot(k)
	s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`), role("batch", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`))
	found := keyreview.Review(inventory.Prepare(s), standard(), now)
	if len(found) != 1 || found[0].After != "" || !strings.Contains(found[0].Fix, "a person has to decide") {
		t.Errorf("%+v", found)
	}
}

// kms:GrantIsForAWSResource is there when a grant is asked for, and else never: who asks for it in a statement lets nobody use the key by that.
// Source: KMS Developer Guide, "kms:GrantIsForAWSResource".
func TestAStatementAboutGrantsOfServicesLetsNobodyUseTheKey(t *testing.T) {
	k := fine()
	k.Policy = document(handsOver, `{"Sid":"S","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/job"},"Action":"kms:*","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}`)
	std := standard()
	std.Seen = []keyreview.Use{{Key: arn, Principal: "arn:aws:iam::111122223333:role/job", Action: "kms:GenerateDataKeyWithoutPlaintext", Via: "ec2.eu-central-1.amazonaws.com"}}
	s := snapshot(k, secret("db", "app"))
	s.Principals = append(s.Principals, role("job", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
	found := keyreview.Review(inventory.Prepare(s), std, now)
	if len(found) != 1 || found[0].After != "" || !strings.Contains(found[0].Fix, "role/job was seen using it (kms:GenerateDataKeyWithoutPlaintext through ec2.eu-central-1.amazonaws.com) and would lose it") {
		t.Errorf("%+v", found)
	}
}
