package keyreview_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// Whoever of the own organization is let in is found, whichever key of the principal says so, and no proposal leaves them in.
// Source: IAM User Guide, "AWS global condition context keys", properties of the principal; KMS Developer Guide, "Allowing users in other
// accounts to use a KMS key", of what they cannot do.
func TestOurOrganizationIsJudgedAlikeByEveryKey(t *testing.T) {
	const (
		every   = "every principal of organization o-exampleorg"
		some    = "principals of organization o-exampleorg"
		depends = "it depends on the request, or on who they are, whether " + some
	)
	orgID := `"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`
	paths := func(like string) string {
		return `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"` + like + `"}`
	}
	conditions := map[string]struct {
		condition string
		whom      string // "" where nobody of the organization is let in but those who may be
	}{
		"its id":                            {orgID, every},
		"its path":                          {paths("o-exampleorg/*"), every},
		"its path and root":                 {paths("o-exampleorg/r-ab12/*"), some},
		"an OU":                             {paths("o-exampleorg/r-ab12/ou-ab12-apps0001/*"), some},
		"an OU that no account is in":       {paths("o-exampleorg/r-ab12/ou-ab12-none0001/*"), some},
		"an OU, or none":                    {`"ForAnyValue:StringLikeIfExists":{"aws:PrincipalOrgPaths":"o-exampleorg/r-ab12/ou-ab12-apps0001/*"},"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}`, some},
		"what no page describes":            {`"StringEquals":{"aws:PrincipalOrgMasterAccountId":"999988887777"}`, depends},
		"a role of any account in it":       {orgID + `,"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/app"}`, some},
		"a tag within it":                   {`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","aws:PrincipalTag/team":"shop"}`, some},
		"an address within it":              {orgID + `,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, depends},
		"all of it but an account":          {orgID + `,"StringNotEquals":{"aws:PrincipalAccount":"888877776666"}`, every},
		"its id, and the account":           {`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","kms:CallerAccount":"111122223333"}`, "every principal of the account"},
		"a path, and the approved account":  {`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/*"},"StringEquals":{"kms:CallerAccount":"444455556666"}`, ""},
		"its id, and a role of the account": {orgID + `,"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/app"}`, ""},
	}
	for sentence, c := range conditions {
		for _, way := range []struct{ actions, says string }{
			{`["kms:Decrypt","kms:GenerateDataKey*"]`, " may use the key directly, not only through Secrets Manager"},
			{`"kms:CreateGrant"`, " may hand the key on by grants"},
			{`"kms:PutKeyPolicy"`, " may change the key policy"},
			{`["kms:PutKeyPolicy","kms:DisableKey"]`, " may change the key policy"},
			{`["kms:ReplicateKey","kms:ImportKeyMaterial"]`, " may replicate the key under another key policy"},
			{`["kms:ScheduleKeyDeletion","kms:DisableKey"]`, " may switch the key off or have it deleted"},
			{`"kms:DeleteImportedKeyMaterial"`, " may switch the key off or have it deleted"},
		} {
			review := func(text string) []keyreview.Finding {
				k := fine()
				k.Policy, k.Facts.Spec, k.Facts.Usage = text, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
				s := snapshot(k)
				s.Organization = inventory.Organization{ID: "o-exampleorg", ManagementAccount: "999988887777"}
				s.Accounts = []inventory.Account{{ID: own, Path: []string{"r-ab12", "ou-ab12-core0001"}}, {ID: "555566667777", Path: []string{"r-ab12", "ou-ab12-apps0001"}}}
				std := standard()
				std.Approved = []string{partner}
				return slices.DeleteFunc(keyreview.Review(inventory.Prepare(s), std, now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOpen })
			}
			found := review(document(`{"Sid":"S","Effect":"Allow","Principal":"*","Action":`+way.actions+`,"Resource":"*","Condition":{`+c.condition+`}}`, manageOnly))
			said := ""
			for _, f := range found {
				said += f.Detail
				if f.After != "" {
					if left := review(f.After); len(left) > 0 {
						t.Errorf("%s, %s: the proposal leaves %+v", sentence, way.actions, left)
					}
				} else if !strings.Contains(f.Fix, "a person has to decide") {
					t.Errorf("%s, %s: neither a policy nor why there is none: %+v", sentence, way.actions, f)
				}
				if (f.Outcome == guard.Unknown) != strings.HasPrefix(c.whom, depends) && c.whom != "" && !strings.Contains(said, "hand the key on") {
					t.Errorf("%s, %s: %s", sentence, way.actions, f.Outcome)
				}
			}
			want := c.whom + way.says
			if way.says == " may use the key directly, not only through Secrets Manager" {
				want = strings.Replace(want, "every principal of organization", "everybody in organization", 1)
			}
			if c.whom == "" {
				if strings.Contains(said, "rganization") || strings.Contains(said, "every principal") {
					t.Errorf("%s, %s: %s", sentence, way.actions, said)
				}
			} else if !strings.Contains(said, want) {
				t.Errorf("%s, %s: it does not say %q, but %q", sentence, way.actions, want, said)
			}
		}
	}
}

// A snapshot that does not know our organization does not say that one is foreign, and proposes nothing that takes the key from it.
func TestAnOrganizationThatMayBeOursIsNotRemoved(t *testing.T) {
	const yours = "whether that organization is yours"
	for condition, decide := range map[string]string{
		`"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`:                yours,
		`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorg/*"}`: yours,
		`"StringEquals":{"aws:PrincipalOrgMasterAccountId":"999988887777"}`:   "which organization is meant",
	} {
		k := fine()
		k.Policy = document(`{"Sid":"S","Effect":"Allow","Principal":"*",`+useOfTheKey+`,"Condition":{`+condition+`}}`, manageOnly)
		found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOpen })
		if len(found) != 1 || found[0].Outcome != guard.Unknown || found[0].After != "" || !strings.Contains(found[0].Detail, "not known whether it is yours") || !strings.Contains(found[0].Fix, "a person has to decide: "+decide) {
			t.Errorf("%s: %+v", condition, found)
		}
	}
}

// Where secrets under the key may not have been read, their readers are not left out of a proposal by its naming the known ones.
func TestReadersOfSecretsThatWereNotReadAreNotLeftOut(t *testing.T) {
	k := fine()
	k.Policy = document(`{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)
	for region, named := range map[string]bool{"eu-central-1": false, "": false, "us-east-1": true} {
		s := snapshot(k, secret("db", "app"))
		s.Unread = []inventory.Unread{{Part: inventory.PartSecrets, Account: own, Region: region, Why: "AccessDenied"}}
		found := keyreview.Review(inventory.Prepare(s), standard(), now)
		if len(found) != 1 || found[0].After == "" || strings.Contains(found[0].After, "role/app") != named || strings.Contains(found[0].Fix, "could not be read: AccessDenied") == named {
			t.Errorf("%q unread: %+v", region, found)
		}
	}
}

// What a caller chooses, or where it calls from, is no lock: whether everybody of the account uses the key directly is not known then.
func TestEverybodyOfTheAccountByWhatTheRequestSaysIsNotRuledOut(t *testing.T) {
	for condition, found := range map[string]bool{
		`,"StringLike":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:*"}`:                      true,
		`,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`:                                                    true,
		`,"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/app"}`:                            false,
		`,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringLike":{"kms:ViaService":"secretsmanager.*"}`: false,
	} {
		k := fine()
		k.Policy = document(manageOnly, `{"Sid":"Use","Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}`+condition+`}}`)
		got := keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now)
		const says = "it depends on the request, or on who they are, whether every principal of the account may use the key directly"
		if len(got) > 0 != found || found && (got[0].Outcome != guard.Unknown || !strings.Contains(got[0].Detail, says) || got[0].After == "") {
			t.Errorf("%s: %+v", condition, got)
		}
	}
}
