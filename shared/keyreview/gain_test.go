package keyreview_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/policy"
)

const handsOver = `{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`

// role is one of the key's account with one statement of its own.
func role(name, statement string) inventory.Principal {
	return inventory.Principal{ARN: "arn:aws:iam::111122223333:role/" + name, Kind: inventory.Role, Account: own, UniqueID: "AROA" + strings.ToUpper(name), Inline: map[string]string{"p": document(statement)}}
}

func TestNoProposedPolicyOpensASecretToSomebodyWhoHadNoRightToTheKey(t *testing.T) {
	const read, both = `"Action":"secretsmanager:GetSecretValue","Resource":"*"`, `"Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"`
	noKMS, admin := role("nokms", `{"Effect":"Allow",`+read+`}`), role("Admin", `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	var many []inventory.Principal
	for i := range 60 {
		many = append(many, role(fmt.Sprintf("reader%d", i), `{"Effect":"Allow",`+both+`}`))
	}
	unread := role("unread", `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	unread.Boundary = "arn:aws:iam::111122223333:policy/not-collected"
	here := `"Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"` + secret("db", "app").Facts.ARN + `"}}`
	for name, test := range map[string]struct {
		policy     string
		principals []inventory.Principal
	}{
		"a reader by a condition":    {document(handsOver), []inventory.Principal{admin, role("app", `{"Effect":"Allow",`+both+`,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`)}},
		"nobody reads":               {document(handsOver), []inventory.Principal{role("manager", `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`)}},
		"too many to be named":       {document(handsOver), many},
		"a boundary was not read":    {document(handsOver), []inventory.Principal{admin, unread}},
		"two who are named":          {document(handsOver), []inventory.Principal{admin, role("app", `{"Effect":"Allow",`+both+`}`)}},
		"the key for one secret":     {document(handsOver), []inventory.Principal{role("one", `{"Effect":"Allow",`+read+`},{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*",`+here+`}`)}},
		"a statement for decrypting": {document(strings.Replace(handsOver, "kms:*", "kms:Decrypt", 1), `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/Admin"},"Action":"kms:PutKeyPolicy","Resource":"*"}`), []inventory.Principal{admin}},
		"everybody through another service": {document(handsOver, `{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"rds.eu-central-1.amazonaws.com"}}}`),
			[]inventory.Principal{admin}},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = test.policy
			s := snapshot(k, secret("db", "app"), secret("other", "app"))
			s.Principals = slices.Concat(test.principals, []inventory.Principal{noKMS})
			before := inventory.Prepare(s)
			proposed := 0
			for _, f := range keyreview.Review(before, standard(), now) {
				if f.After == "" {
					continue
				}
				proposed++
				changed := s
				fixed := k
				fixed.Policy = f.After
				changed.Keys = []inventory.Key{fixed}
				after := inventory.Prepare(changed)
				for _, p := range s.Principals {
					for _, secret := range s.Secrets {
						was, err := before.Explain(p.ARN, secret.Facts.ARN)
						is, err2 := after.Explain(p.ARN, secret.Facts.ARN)
						if err != nil || err2 != nil {
							t.Fatal(err, err2)
						}
						if is.Answer == policy.Allowed && was.Answer != policy.Allowed || is.Answer == policy.Unknown && was.Answer != policy.Unknown && was.Answer != policy.Allowed {
							t.Errorf("%s: %s opens %s after, %s before:\n%s", f.Control.ID, p.ARN, secret.Facts.Name, was.Answer, f.After)
						}
					}
				}
				if name == "a statement for decrypting" && strings.Count(f.After, "kms:PutKeyPolicy") > 1 {
					t.Errorf("whoever IAM lets may change the key policy, which nobody but Admin could: %s", f.After)
				}
			}
			if proposed == 0 && name != "everybody through another service" {
				t.Error("no policy is proposed, though one is proved")
			}
		})
	}
}

// A key policy that names a principal allows it each action whatever its IAM policies say: a proposal leaves them in charge, for every action and
// every request.
func TestNoProposedPolicyAllowsWhatTheIAMPoliciesOfAReaderDoNot(t *testing.T) {
	const read = `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:PutSecretValue"],"Resource":"*"}`
	decrypts := func(condition string) string {
		return document(read, `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{`+condition+`}}`)
	}
	for name, test := range map[string]struct{ reader, iam string }{
		"who decrypts alone":           {"role/app", decrypts("")},
		"who decrypts until a day":     {"role/app", decrypts(`"DateLessThan":{"aws:CurrentTime":"2026-12-01T00:00:00Z"}`)},
		"who decrypts one secret":      {"role/app", decrypts(`"StringEquals":{"kms:EncryptionContext:SecretARN":"` + secret("db", "app").Facts.ARN + `"}`)},
		"a user":                       {"user/bob", decrypts("")},
		"a permission set's role":      {"role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Op_0123456789abcdef", decrypts("")},
		"who has a network of its own": {"role/app", decrypts(`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(handsOver)
			s := snapshot(k, secret("db", "app"))
			reader := inventory.Principal{ARN: "arn:aws:iam::111122223333:" + test.reader, Kind: inventory.Role, Account: own, Inline: map[string]string{"p": test.iam}}
			if strings.HasPrefix(test.reader, "user/") {
				reader.Kind = inventory.User
			}
			s.Principals = []inventory.Principal{reader, role("admin", `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`)}
			found := keyreview.Review(inventory.Prepare(s), standard(), now)
			if len(found) != 1 || found[0].After == "" {
				t.Fatalf("no policy is proposed: %+v", found)
			}
			who, err := policy.ParsePrincipal(reader.ARN)
			if err != nil {
				t.Fatal(err)
			}
			answer := func(action, by, secret, address, at string) policy.Answer {
				request := policy.Request{Principal: who, Action: action, Resource: arn, ResourceAccount: own, Context: map[string][]string{"kms:ViaService": {"secretsmanager.eu-central-1.amazonaws.com"},
					"kms:EncryptionContext:SecretARN": {secret}, "aws:SourceIp": {address}, "aws:CurrentTime": {at}}}
				return policy.Evaluate(request, policy.Policies{Identity: []*policy.Document{policy.MustParse("p", test.iam)}, Resource: policy.MustParse("k", by), ResourceKind: policy.ResourceKey}).Answer
			}
			kept := false
			for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ReplicateKey"} {
				for _, of := range []string{secret("db", "app").Facts.ARN, secret("other", "app").Facts.ARN} {
					for _, address := range []string{"10.1.1.1", "203.0.113.1"} {
						for _, at := range []string{"2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z"} {
							was, is := answer(action, k.Policy, of, address, at), answer(action, found[0].After, of, address, at)
							kept = kept || is == policy.Allowed
							if is == policy.Allowed && was != policy.Allowed {
								t.Errorf("%s of %s from %s at %s is %s before and %s after:\n%s", action, of, address, at, was, is, found[0].After)
							}
						}
					}
				}
			}
			if !kept {
				t.Errorf("the reader may do nothing any more: %s", found[0].After)
			}
		})
	}
}

func TestAKeyWithoutSecretsIsNotOpenedByItsFix(t *testing.T) {
	k := fine()
	k.Policy, k.Use = document(handsOver), inventory.Use{Since: now.AddDate(0, 0, -90)}
	s := snapshot(k)
	s.Principals = []inventory.Principal{role("nokms", `{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}`)}
	for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
		if f.Control.ID != guard.KeyOnlyDelegate || f.After == "" {
			t.Fatalf("%s: %s; %s", f.Control.ID, f.Detail, f.Fix)
		}
		fixed := k
		fixed.Policy = f.After
		later := snapshot(fixed, secret("db", "app"))
		later.Principals = s.Principals
		reader, err := inventory.Prepare(later).Explain(s.Principals[0].ARN, later.Secrets[0].Facts.ARN)
		if err != nil || reader.Answer == policy.Allowed || reader.Answer == policy.Unknown {
			t.Errorf("whoever has no right to the key opens what will be under it: %s %v\n%s", reader.Answer, err, f.After)
		}
	}
}

// What only perhaps keeps people out does not keep them out.
func TestWhatOnlyPerhapsKeepsIAMOutIsUnknown(t *testing.T) {
	deny := func(condition string) string {
		return document(handsOver, `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":`+condition+`}`)
	}
	for name, test := range map[string]struct {
		policy string
		want   string
	}{
		"a date":                     {deny(`{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`), "unknown"},
		"a user agent":               {deny(`{"StringLike":{"aws:UserAgent":"*evil*"}}`), "unknown"},
		"an address":                 {deny(`{"NotIpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), "unknown"},
		"MFA":                        {deny(`{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`), "unknown"},
		"a version of TLS":           {deny(`{"NumericLessThan":{"kms:TlsVersion":"1.2"}}`), "unknown"},
		"a key that nobody knows":    {deny(`{"StringEquals":{"aws:NewNextYear":"x"}}`), "unknown"},
		"everybody but the account":  {document(handsOver, `{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`), "unknown"},
		"an Allow that asks for MFA": {document(strings.Replace(handsOver, `"Resource":"*"`, `"Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, 1)), "unknown"},
		"an Allow that asks for a tag": {document(strings.Replace(handsOver, `"Resource":"*"`, `"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/a":"b"}}`, 1)),
			"unknown"},
		"a Deny without Secrets Manager": {deny(`{"StringNotEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}`), ""},
		"nothing":                        {document(handsOver), "fail"},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = test.policy
			got := ""
			for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now) {
				if f.Control.ID == guard.KeyOnlyDelegate {
					got += string(f.Outcome)
				}
			}
			if got != test.want {
				t.Errorf("DL.KEY.7 says %q, want %q", got, test.want)
			}
		})
	}
}

// Who manages a key is somebody who is there and is no service, or it is not known.
func TestWhoManagesAKeyIsThereAndNoService(t *testing.T) {
	const use = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:Decrypt","Resource":"*"}`
	names := func(who string) string {
		return document(use, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:`+who+`"},"Action":"kms:PutKeyPolicy","Resource":"*"}`)
	}
	unless := func(condition string) string {
		return document(use, handsOver, `{"Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*","Condition":`+condition+`}`)
	}
	const linked = "iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"
	for name, test := range map[string]struct {
		policy string
		unread bool
		want   string // outcome and the words that say why
	}{
		"a role that is there":                         {policy: names("iam::111122223333:role/admin")},
		"a session of it":                              {policy: names("sts::111122223333:assumed-role/admin/ann")},
		"a session that nobody is known to name":       {names("sts::111122223333:assumed-role/app/ann"), false, "unknown nobody is known to choose that name"},
		"a role that nobody made":                      {names("iam::111122223333:role/ghost"), false, "fail nobody of account"},
		"a session of one that nobody made":            {names("sts::111122223333:assumed-role/ghost/ann"), false, "fail nobody of account"},
		"one of an account that was not read":          {names("iam::111122223333:role/ghost"), true, "unknown not all principals of the account were read: access denied"},
		"a service-linked role":                        {names(linked), false, "fail nobody of account"},
		"the account, unless a date is past":           {unless(`{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`), false, "unknown not given aws:CurrentTime"},
		"the account, unless a new key has a value":    {unless(`{"StringNotEquals":{"aws:NewNextYear":"x"}}`), false, "unknown not given aws:NewNextYear"},
		"the account, unless somebody has one address": {unless(`{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), false, "unknown not given aws:SourceIp"},
		"the account, but for all who are no admin":    {policy: unless(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/admin"}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = test.policy
			s := snapshot(k)
			slr := role("x", `{"Effect":"Allow","Action":"*","Resource":"*"}`)
			slr.ARN = "arn:aws:" + linked
			admin := role("admin", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`)
			admin.Trust = document(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`)
			s.Principals = append(s.Principals, admin, slr)
			if test.unread {
				s.Unread = append(s.Unread, inventory.Unread{Account: own, Part: inventory.PartPrincipals, Why: "access denied"})
			}
			got := ""
			for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
				if strings.Contains(f.Detail, "can manage it") {
					got += string(f.Outcome) + " " + f.Detail
				}
			}
			outcome, why, _ := strings.Cut(test.want, " ")
			if !strings.HasPrefix(got, outcome) || !strings.Contains(got, why) || (got == "") != (test.want == "") {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}

// KMS takes RevokeGrant and ListGrants from other accounts, and what decides about a key from its own alone; who may retire a grant is in the grant.
func TestWhoMayGetAtGrantsFromOutside(t *testing.T) {
	statement := func(principal, action, condition string) string {
		return document(manageOnly, `{"Sid":"S","Effect":"Allow","Principal":`+principal+`,"Action":`+action+`,"Resource":"*","Condition":{`+condition+`}}`)
	}
	const foreign = `{"AWS":"arn:aws:iam::999988887777:root"}`
	for name, test := range map[string]struct {
		policy string
		want   string // outcome and words; "" for no finding
	}{
		"everybody may revoke":         {statement(`"*"`, `"kms:RevokeGrant"`, ""), "fail anybody in any AWS account may revoke its grants"},
		"everybody may list":           {statement(`"*"`, `"kms:ListGrants"`, ""), "fail anybody in any AWS account may list its grants"},
		"everybody from an address":    {statement(`"*"`, `"kms:RevokeGrant"`, `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), "unknown may revoke its grants"},
		"everybody of the account may": {statement(`"*"`, `"kms:RevokeGrant"`, `"StringEquals":{"kms:CallerAccount":"111122223333"}`), "fail every principal of the account may revoke its grants"},
		"a foreign account may revoke": {statement(foreign, `"kms:RevokeGrant"`, ""), "fail it lets in account 999988887777, not approved"},
		"a foreign account may disable": {statement(foreign, `"kms:DisableKey"`, ""),
			"fail it names account 999988887777, not approved, for what KMS takes from those of the key's account alone"},
		"a foreign organization may disable": {statement(`"*"`, `"kms:DisableKey"`, `"StringEquals":{"aws:PrincipalOrgID":"o-partner"}`),
			"fail it names organization o-partner, not yours, for what KMS takes from those of the key's account alone"},
		"everybody of the account may list": {statement(`"*"`, `"kms:ListGrants"`, `"StringEquals":{"kms:CallerAccount":"111122223333"}`), ""},
		"everybody may retire":              {statement(`"*"`, `"kms:RetireGrant"`, ""), ""},
		"a role may revoke":                 {statement(`{"AWS":"arn:aws:iam::111122223333:role/app"}`, `["kms:RevokeGrant","kms:ListGrants"]`, ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, f := range opening(t, test.policy) {
				got += string(f.Outcome) + " " + f.Detail
			}
			outcome, words, _ := strings.Cut(test.want, " ")
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, outcome) || !strings.Contains(got, words) {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}

func TestAStatementThatAsksForAnAccountByItsARNMatchesNobody(t *testing.T) {
	statement := func(principal, condition string) string {
		return document(manageOnly, `{"Sid":"S","Effect":"Allow","Principal":`+principal+`,"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*","Condition":{`+condition+`}}`)
	}
	for condition, finding := range map[string]bool{
		`"StringEquals":{"kms:CallerAccount":"arn:aws:iam::111122223333:root"}`:                  false,
		`"StringLike":{"kms:CallerAccount":"arn:aws:iam::*:root"}`:                               false,
		`"StringEquals":{"kms:CallerAccount":["arn:aws:iam::111122223333:root","111122223333"]}`: true,
		`"StringLike":{"kms:CallerAccount":"1111*"}`:                                             true,
		`"StringEqualsIfExists":{"kms:CallerAccount":"arn:aws:iam::111122223333:root"}`:          true,
		`"StringNotEquals":{"kms:CallerAccount":"arn:aws:iam::111122223333:root"}`:               true,
		`"StringEquals":{"kms:CallerAccount":"${aws:PrincipalTag/account}"}`:                     true,
	} {
		if found := opening(t, statement(`"*"`, condition)); (len(found) > 0) != finding {
			t.Errorf("%s: %+v", condition, found)
		}
	}
}

// A key opens many secrets, and whoever would lose the last of them loses it.
func TestAProposalIsProvedOnEverySecretUnderTheKey(t *testing.T) {
	const vendor = "888877776666"
	k := fine()
	k.Policy = document(`{"Sid":"Foreign","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+vendor+`:root"},"Action":"kms:Decrypt","Resource":"*"}`, manageOnly)
	for _, reads := range []int{-1, 0, 29} {
		var secrets []inventory.Secret
		for i := range 30 {
			s := secret(fmt.Sprintf("shop/%02d", i), "app")
			if i == reads {
				s.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + vendor + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
			}
			secrets = append(secrets, s)
		}
		s := snapshot(k, secrets...)
		s.Accounts = append(s.Accounts, inventory.Account{ID: vendor})
		s.Principals = append(s.Principals, inventory.Principal{ARN: "arn:aws:iam::" + vendor + ":role/sync", Kind: inventory.Role, Account: vendor,
			Inline: map[string]string{"read": document(`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}`)}})
		found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(s), standard(), now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOpen })
		lost := fmt.Sprintf("role/sync would lose shop/%02d", reads)
		if len(found) != 1 || (reads < 0) != (found[0].After != "") || reads >= 0 && !strings.Contains(found[0].Fix, lost) {
			t.Errorf("secret %d is read from outside: %+v", reads, found)
		}
	}
}

// A fix that takes use away leaves all that manages a key of whatever origin, store and Region, such as bringing back material that expires.
func TestAFixLeavesEveryWayToManageAKey(t *testing.T) {
	k := fine()
	k.Policy, k.Facts.Origin, k.Facts.MultiRegion = document(handsOver), "EXTERNAL", true
	found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOnlyDelegate })
	if len(found) != 1 || found[0].After == "" {
		t.Fatalf("%+v", found)
	}
	using := []string{"Decrypt", "DeriveSharedSecret", "Encrypt", "GenerateMac", "GetPublicKey", "Sign", "Verify", "VerifyMac", "CreateGrant"}
	for _, action := range policy.OnKeys() {
		taken := slices.Contains(using, action) || strings.HasPrefix(action, "GenerateDataKey") || strings.HasPrefix(action, "ReEncrypt")
		manage := strings.Contains(strings.Split(found[0].After, "UseThroughSecretsManager")[0], `"kms:`+action+`"`)
		if manage == taken {
			t.Errorf("%s: left %t: %s", action, manage, found[0].After)
		}
	}
}

// One of two policies put back what the other changed, and who applied both in turn had one of the findings still.
func TestOnePolicyEndsAllFindingsOfAKey(t *testing.T) {
	const direct = `{"Sid":"Use","Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}`
	const bare = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Decrypt","Resource":"*"}`
	for name, statements := range map[string][]string{"two that hand over": {bare, handsOver}, "one that does, and one for everybody": {handsOver, direct}, "all": {direct, bare, handsOver}} {
		k := fine()
		k.Policy = document(statements...)
		review := func() []keyreview.Finding {
			return keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now)
		}
		found := review()
		if len(found) != len(statements) {
			t.Errorf("%s: %+v", name, found)
		}
		for _, f := range found {
			if f.After == "" || f.After != found[0].After || f.Diff != found[0].Diff || !strings.Contains(f.Fix, fmt.Sprintf("ends all %d findings", len(found))) {
				t.Errorf("%s: %s; %s", name, f.Fix, f.After)
			}
		}
		k.Policy = found[0].After
		if left := review(); len(left) > 0 {
			t.Errorf("%s: it leaves %+v", name, left)
		}
	}
}
