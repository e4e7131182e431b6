package keyreview_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	arns "github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	own     = "111122223333"
	partner = "444455556666"
	arn     = "arn:aws:kms:eu-central-1:111122223333:key/k1"
)

var now = time.Date(2026, 10, 1, 6, 0, 0, 0, time.UTC)

// fine is a key that no control finds fault with.
func fine() inventory.Key {
	policy, err := preventive.SecretsKeyPolicy("aws", own, "eu-central-1").JSON()
	if err != nil {
		panic(err)
	}
	return inventory.Key{
		Facts: guard.Key{ARN: arn, ID: "k1", Account: own, Region: "eu-central-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Origin: "AWS_KMS",
			Aliases: []string{"alias/app"}, Tags: map[string]string{"owner": "team", "application": "app", "data-sensitivity": "high"}},
		Policy: policy, Rotation: inventory.Rotation{Enabled: true, PeriodDays: 90}, CreatedAt: now.AddDate(-1, 0, 0),
		Use: inventory.Use{At: now.AddDate(0, 0, -1), Since: now.AddDate(-1, 0, 0)},
	}
}

func secret(name, application string) inventory.Secret {
	return inventory.Secret{Facts: guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:" + name + "-AbCdEf", Name: name, Account: own,
		Region: "eu-central-1", Key: fine().Facts, Tags: map[string]string{"application": application},
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{fine().Facts}}}}}
}

// replicated is a secret whose primary is in another Region under another key, and whose replica has a version under fine.
func replicated(name string) inventory.Secret {
	s := secret(name, "app")
	other := fine().Facts
	other.ARN = "arn:aws:kms:us-east-1:111122223333:key/k2"
	s.Facts.ARN, s.Facts.Region, s.Facts.Key = arns.Of(s.Facts.ARN).In("us-east-1").String(), "us-east-1", other
	there := s.Facts.Versions
	s.Facts.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{other}}}
	s.Facts.Replicas = []guard.Replica{{Region: "eu-central-1", Key: other, Status: "InSync", Listing: guard.Listed, Versions: there}}
	return s
}

func TestASecretCountsASingleTimeWhereTheSnapshotHasItsReplicaToo(t *testing.T) {
	replica := secret("db", "app")
	primary := replicated("db")
	std := standard()
	std.Secrets = 1
	for _, f := range keyreview.Review(inventory.Prepare(snapshot(fine(), primary, replica)), std, now) {
		t.Errorf("%s: %s", f.Control.ID, f.Detail)
	}
}

func changed(by func(*guard.Secret)) inventory.Secret {
	s := secret("db", "app")
	by(&s.Facts)
	return s
}

func snapshot(k inventory.Key, secrets ...inventory.Secret) inventory.Snapshot {
	return inventory.Snapshot{Version: inventory.Version, TakenAt: now, Accounts: []inventory.Account{{ID: own}}, Keys: []inventory.Key{k}, Secrets: secrets,
		Principals: []inventory.Principal{{ARN: "arn:aws:iam::111122223333:role/app", Kind: inventory.Role, Account: own, UniqueID: "AROAAPP",
			Inline: map[string]string{"read": document(`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*"}`)}}}}
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func standard() keyreview.Standard {
	return keyreview.Default()
}

func TestReview(t *testing.T) {
	use := `"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"`
	for name, tt := range map[string]struct {
		change  func(*inventory.Key)
		secrets []inventory.Secret
		want    []string // control and outcome
	}{
		"nothing to say":           {func(*inventory.Key) {}, nil, nil},
		"nothing to say of a used": {func(*inventory.Key) {}, []inventory.Secret{secret("db", "app")}, nil},

		"no tags":                     {func(k *inventory.Key) { k.Facts.Tags = map[string]string{} }, nil, []string{"DL.KEY.1 fail"}},
		"one tag is missing":          {func(k *inventory.Key) { delete(k.Facts.Tags, "data-sensitivity") }, nil, []string{"DL.KEY.1 fail"}},
		"another name of a tag":       {func(k *inventory.Key) { delete(k.Facts.Tags, "owner"); k.Facts.Tags["Team"] = "x" }, nil, nil},
		"tags that could not be read": {func(k *inventory.Key) { k.Facts.Tags = nil }, nil, []string{"DL.KEY.1 unknown"}},

		"rotation is off":                  {func(k *inventory.Key) { k.Rotation = inventory.Rotation{} }, nil, []string{"DL.KEY.2 fail"}},
		"rotation once a year":             {func(k *inventory.Key) { k.Rotation.PeriodDays = 0 }, nil, []string{"DL.KEY.2 fail"}},
		"rotation on demand in time":       {func(k *inventory.Key) { k.Rotation = inventory.Rotation{Past: []time.Time{now.AddDate(0, -2, 0)}} }, nil, nil},
		"rotation on demand too long ago":  {func(k *inventory.Key) { k.Rotation = inventory.Rotation{Past: []time.Time{now.AddDate(0, -4, 0)}} }, nil, []string{"DL.KEY.2 fail"}},
		"a key younger than the period":    {func(k *inventory.Key) { k.Rotation = inventory.Rotation{}; k.CreatedAt = now.AddDate(0, -1, 0) }, nil, nil},
		"imported material, never rotated": {func(k *inventory.Key) { k.Rotation = inventory.Rotation{}; k.Facts.Origin = "EXTERNAL" }, nil, []string{"DL.KEY.2 fail"}},
		"imported material of a young key": {func(k *inventory.Key) {
			k.Rotation, k.Facts.Origin, k.CreatedAt = inventory.Rotation{}, "EXTERNAL", now.AddDate(0, -1, 0)
		}, nil, nil},
		"rotation that could not be read": {func(k *inventory.Key) { k.RotationUnread = "access denied" }, nil, []string{"DL.KEY.2 unknown"}},
		"a key on its way out is let be": {func(k *inventory.Key) {
			k.Facts.State, k.Facts.Tags, k.Rotation = guard.KeyPendingDeletion, nil, inventory.Rotation{}
		}, nil, nil},
		"a key that nobody used for long":           {func(k *inventory.Key) { k.Use.At = now.AddDate(0, -6, 0) }, nil, []string{"DL.KEY.4 fail"}},
		"a key that was never used":                 {func(k *inventory.Key) { k.Use.At = time.Time{} }, nil, []string{"DL.KEY.4 fail"}},
		"a new key that was never used":             {func(k *inventory.Key) { k.Use.At, k.CreatedAt = time.Time{}, now.AddDate(0, 0, -3) }, nil, nil},
		"a key with secrets nobody reads":           {func(k *inventory.Key) { k.Use.At = now.AddDate(0, -6, 0) }, []inventory.Secret{secret("db", "app")}, nil},
		"a key that no secret is known to be under": {func(k *inventory.Key) { k.Use.At = now.AddDate(0, -6, 0) }, []inventory.Secret{changed(func(s *guard.Secret) { s.Key = guard.Key{ARN: arn + "2"}; s.Versions, s.VersionsUnread = nil, true })}, []string{"DL.KEY.4 unknown", "DL.KEY.5 unknown"}},
		"a key beside one that AWS does not name":   {func(k *inventory.Key) { k.Use.At = now.AddDate(0, -6, 0) }, []inventory.Secret{changed(func(s *guard.Secret) { s.Key = guard.Key{ARN: arn + "2"}; s.Versions[0].Keys = nil })}, []string{"DL.KEY.4 unknown", "DL.KEY.5 unknown"}},
		"a last use that could not be read":         {func(k *inventory.Key) { k.UseUnread = "access denied" }, nil, []string{"DL.KEY.4 unknown"}},

		"a disabled key with a secret":                  {func(k *inventory.Key) { k.Facts.State = guard.KeyDisabled }, []inventory.Secret{secret("db", "app")}, []string{"DL.KEY.5 fail"}},
		"a key pending deletion with one":               {func(k *inventory.Key) { k.Facts.State = guard.KeyPendingDeletion }, []inventory.Secret{secret("db", "app")}, []string{"DL.KEY.5 fail"}},
		"a disabled key that nothing needs":             {func(k *inventory.Key) { k.Facts.State = guard.KeyDisabled }, nil, nil},
		"a state that could not be read":                {func(k *inventory.Key) { k.Facts.State = "" }, []inventory.Secret{secret("db", "app")}, []string{"DL.KEY.5 unknown"}},
		"a state that does not say what the key does":   {func(k *inventory.Key) { k.Facts.State = guard.KeyCreating }, []inventory.Secret{secret("db", "app")}, []string{"DL.KEY.5 unknown"}},
		"a disabled key that a replica needs":           {func(k *inventory.Key) { k.Facts.State = guard.KeyDisabled }, []inventory.Secret{replicated("db")}, []string{"DL.KEY.5 fail"}},
		"a key that a replica's older version is under": {func(k *inventory.Key) { k.Use.At = now.AddDate(0, -6, 0) }, []inventory.Secret{replicated("db")}, nil},
		"two applications under one key":                {func(*inventory.Key) {}, []inventory.Secret{secret("a", "x"), secret("b", "y")}, []string{"DL.KEY.6 fail"}},
		"two secrets of one application":                {func(*inventory.Key) {}, []inventory.Secret{secret("a", "x"), secret("b", "x")}, nil},
		"a policy that could not be read":               {func(k *inventory.Key) { k.PolicyUnread = "access denied" }, nil, []string{"DL.KEY.3 unknown", "DL.KEY.7 unknown"}},
		"a policy that cannot be parsed":                {func(k *inventory.Key) { k.Policy = "{" }, nil, []string{"DL.KEY.3 unknown"}},
		"grants that could not be read":                 {func(k *inventory.Key) { k.GrantsUnread = "access denied" }, nil, []string{"DL.KEY.3 unknown"}},
		"whether it is shared could not be read":        {func(k *inventory.Key) { k.SharedUnread = "access denied" }, nil, []string{"DL.KEY.3 unknown"}},
		"a key that AWS RAM shares": {func(k *inventory.Key) {
			k.Shared = document(`{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:Decrypt","Resource":"*"}`)
		}, nil, []string{"DL.KEY.3 unknown"}},
		"a policy that only delegates":       {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`), nil, []string{"DL.KEY.7 fail"}},
		"an account by its number delegates": {policyOf(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}`), nil, []string{"DL.KEY.7 fail"}},
		"delegation through Secrets Manager": {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},` + use + `,"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`), nil, nil},

		"open to the world":                         {policyOf(`{"Effect":"Allow","Principal":"*",` + use + `}`), nil, []string{"DL.KEY.3 fail"}},
		"the account, directly":                     {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"the account, through a service":            {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`), nil, nil},
		"the service, of any account":               {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"the organization, by a service":            {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg","kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`), nil, nil},
		"a condition with IfExists":                 {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"an address":                                {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`), nil, []string{"DL.KEY.3 unknown"}},
		"what the key is, asked of everybody":       {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:KeyOrigin":"AWS_KMS"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"what the key is not":                       {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:KeyOrigin":"EXTERNAL"}}}`), nil, nil},
		"that it is of one Region":                  {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"Bool":{"kms:MultiRegion":"false"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"its alias":                                 {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"a spec that was not read":                  {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT"}}}`), nil, []string{"DL.KEY.3 unknown"}},
		"an enclave of any account":                 {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"9fedcba8"}}}`), nil, []string{"DL.KEY.3 unknown"}},
		"everybody, by the algorithm of every call": {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}}`), nil, []string{"DL.KEY.3 unknown"}},
		"a deny beside it counts":                   {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},`+use+`}`, `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/app"}}}`), nil, []string{"DL.KEY.3 unknown"}}, // whom IAM does not let manage it
		"one role":                                  {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},` + use + `}`), nil, nil},
		"managing and using":                        {policyOf(`{"Sid":"Both","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:*","Resource":"*"}`), nil, []string{"DL.KEY.3 fail"}},
		"managing alone":                            {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/admin"},"Action":["kms:Put*","kms:Describe*"],"Resource":"*"}`), nil, nil},
		"handing on by grants":                      {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*"}`), nil, []string{"DL.KEY.3 fail"}},
		"grants for services":                       {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}`), nil, nil},
		"another account":                           {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999900001111:root"},` + use + `}`), nil, []string{"DL.KEY.3 fail"}},
		"an approved account":                       {policyOf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/x"},` + use + `}`), nil, nil},
		"another account by condition":              {policyOf(`{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:CallerAccount":["111122223333","999900001111"],"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com"}}}`), nil, []string{"DL.KEY.3 fail"}},
		"a grant to another account": {func(k *inventory.Key) {
			k.Grants = []inventory.Grant{{ID: "g", Grantee: "arn:aws:iam::999900001111:role/x", Operations: []string{"Decrypt"}}}
		}, nil, []string{"DL.KEY.3 fail"}},
		"a grant to another account, which is denied": {func(k *inventory.Key) {
			policyOf(`{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}`)(k)
			k.Grants = []inventory.Grant{{ID: "g", Grantee: "arn:aws:iam::999900001111:role/x", Operations: []string{"Decrypt"}}}
		}, nil, nil},
		"a grant to another account, of which something is denied": {func(k *inventory.Key) {
			policyOf(`{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}`)(k)
			k.Grants = []inventory.Grant{{ID: "g", Grantee: "arn:aws:iam::999900001111:role/x", Operations: []string{"Decrypt", "Encrypt"}}}
		}, nil, []string{"DL.KEY.3 fail"}},
		"a grant to the own account": {func(k *inventory.Key) {
			k.Grants = []inventory.Grant{{ID: "g", Grantee: "arn:aws:iam::111122223333:role/x", Operations: []string{"Decrypt"}}}
		}, nil, nil},
		"an AWS managed key is not ours": {func(k *inventory.Key) { k.Facts.Manager, k.Facts.Tags = guard.ManagerAWS, nil }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			tt.change(&k)
			for i := range tt.secrets {
				for _, v := range tt.secrets[i].Facts.Versions {
					for j := range v.Keys {
						v.Keys[j].State = k.Facts.State
					}
				}
				for j := range tt.secrets[i].Facts.Replicas {
					tt.secrets[i].Facts.Replicas[j].Versions[0].Keys[0].State = k.Facts.State
				}
			}
			std := standard()
			std.Approved = []string{partner}
			s := snapshot(k, tt.secrets...)
			s.Organization.ID = "o-exampleorg"
			var got []string
			for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
				got = append(got, string(f.Control.ID)+" "+string(f.Outcome))
				if f.Detail == "" || f.Fix == "" || f.Control.Title == "" {
					t.Errorf("finding without detail, fix or title: %+v", f)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s\n%+v", diff, keyreview.Review(inventory.Prepare(s), std, now))
			}
		})
	}
}

// policyOf is a policy of the statements, and of one by which somebody manages the key.
func policyOf(statements ...string) func(*inventory.Key) {
	return func(k *inventory.Key) { k.Policy = document(append(statements, manageOnly)...) }
}

// manageOnly lets the account manage a key and not use it.
const manageOnly = `{"Sid":"ManageOnly","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["kms:Describe*","kms:Get*","kms:List*","kms:PutKeyPolicy","kms:Enable*","kms:Disable*","kms:ScheduleKeyDeletion","kms:CancelKeyDeletion","kms:TagResource"],"Resource":"*"}`

// The fix of each fault, applied, leaves nothing for the control to find, and takes the value from no reader.
func TestFixesAsDiffs(t *testing.T) {
	var out strings.Builder
	for _, tt := range []struct {
		name       string
		statements []string
	}{
		{"only delegates", []string{`{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`}},
		{"open to the world", []string{`{"Sid":"All","Effect":"Allow","Principal":"*","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`}},
		{"a stranger's account", []string{`{"Sid":"Use","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/app","arn:aws:iam::999900001111:root"]},"Action":"kms:Decrypt","Resource":"*"}`}},
		{"grants", []string{`{"Sid":"Use","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*"}`}},
	} {
		k := fine()
		if tt.name != "only delegates" {
			tt.statements = append(tt.statements, manageOnly) // without one KMS takes no policy
		}
		k.Policy = document(tt.statements...)
		for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now) {
			fixed := k
			fixed.Policy = f.After
			for _, left := range keyreview.Review(inventory.Prepare(snapshot(fixed, secret("db", "app"))), standard(), now) {
				t.Errorf("%s: after the fix there is %s: %s", tt.name, left.Control.ID, left.Detail)
			}
			if was, is := opens(t, k), opens(t, fixed); was != is {
				t.Errorf("%s: before the fix the reader's lock was %s, after it %s", tt.name, was, is)
			}
			fmt.Fprintf(&out, "# %s\n%s %s\n%s\nfix: %s\n%s\n", tt.name, f.Control.ID, f.Detail, f.Statement, f.Fix, f.Diff)
		}
	}
	golden := filepath.Join("testdata", "fixes.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Error(diff)
	}
}

// opens is how the one reader of the snapshot stands before the secret.
func opens(t *testing.T, k inventory.Key) policy.Answer {
	t.Helper()
	r, err := inventory.Prepare(snapshot(k, secret("db", "app"))).Explain("arn:aws:iam::111122223333:role/app", secret("db", "app").Facts.ARN)
	if err != nil {
		t.Fatal(err)
	}
	return r.Answer
}

// A key in another partition is used under another name of the service: what is bound to that name is open to nobody else.
func TestAKeyIsFineInEveryPartition(t *testing.T) {
	for region, partition := range map[string]string{"eu-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"} {
		k := fine()
		k.Use = inventory.Use{Since: now.AddDate(0, 0, -90)}
		k.Facts.Region, k.Facts.ARN = region, strings.NewReplacer("eu-central-1", region, "arn:aws:", "arn:"+partition+":").Replace(arn)
		document, err := preventive.SecretsKeyPolicy(arns.Partition(partition), own, region).JSON()
		if err != nil {
			t.Fatal(err)
		}
		k.Policy = document
		if found := keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now); len(found) != 0 {
			t.Errorf("%s: %+v", region, found)
		}
		k.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"},` + strings.ReplaceAll(manageOnly, "arn:aws:", "arn:"+partition+":") + `]}`
		open := keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now)
		at := slices.IndexFunc(open, func(f keyreview.Finding) bool { return f.Control.ID == guard.KeyOpen })
		if at < 0 || !strings.Contains(open[at].After, arns.Partition(partition).Regional("secretsmanager", region)) {
			t.Errorf("%s: the fix of an open key is not bound to Secrets Manager there: %+v", region, open)
		} else if !strings.Contains(open[at].After, `secretsmanager.`+region+`.amazonaws.com"`) { // the guide's form, which may be that of every partition
			t.Errorf("%s: nobody keeps it if the service has the name that the guide gives it: %s", region, open[at].After)
		}
	}
}

// A role of a permission set has other digits when it is made anew: a proposal names it by what stays.
func TestAProposalNamesAPermissionSetByItsPattern(t *testing.T) {
	const people = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Data_0123456789abcdef"
	k := fine()
	k.Policy = document(`{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)
	s := snapshot(k, secret("db", "app"))
	person := s.Principals[0]
	person.ARN = people
	s.Principals = append(s.Principals, person)
	found := keyreview.Review(inventory.Prepare(s), standard(), now)
	if len(found) != 1 || !strings.Contains(found[0].After, `"aws:PrincipalArn":["arn:aws:iam::111122223333:role/app","arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Data_????????????????"]`) ||
		strings.Contains(found[0].After, "0123456789abcdef") {
		t.Fatalf("%+v", found)
	}
	s.Keys[0].Policy = found[0].After
	for _, reader := range []string{people, "arn:aws:iam::111122223333:role/app", strings.Replace(people, "0123456789abcdef", "fedcba9876543210", 1)} {
		s.Principals[1].ARN = reader
		if got, err := inventory.Prepare(s).Explain(reader, s.Secrets[0].Facts.ARN); err != nil || got.Answer != policy.Allowed {
			t.Errorf("after the fix %s is %s (%v): %s", reader, got.Answer, err, got.Why())
		}
	}
}

// Evidence outranks the model: whoever was seen using a key keeps it, or a person decides.
func TestNoProposalTakesAKeyFromWhoWasSeenUsingIt(t *testing.T) {
	const app, job = "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/job"
	k := fine()
	k.Policy = document(`{"Sid":"All","Effect":"Allow","Principal":"*","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`, manageOnly)
	use := func(who, via string) keyreview.Use {
		return keyreview.Use{Key: k.Facts.ARN, Principal: who, Action: "kms:Decrypt", Via: via}
	}
	for sentence, tt := range map[string]struct {
		seen   []keyreview.Use
		grants []inventory.Grant
		decide string // "" where a policy is proposed
	}{
		"nobody was seen":                  {nil, nil, ""},
		"through Secrets Manager":          {[]keyreview.Use{use(app, "secretsmanager.eu-central-1.amazonaws.com")}, nil, ""},
		"directly":                         {[]keyreview.Use{use(job, "")}, nil, job + " was seen using it (kms:Decrypt) and would lose it"},
		"through another service":          {[]keyreview.Use{use(job, "s3.eu-central-1.amazonaws.com")}, nil, "through s3.eu-central-1.amazonaws.com"},
		"by a grant, which no policy ends": {[]keyreview.Use{use(job, "")}, []inventory.Grant{{ID: "g", Grantee: job, Operations: []string{"Decrypt"}}}, ""},
		"of another key":                   {[]keyreview.Use{{Key: "arn:aws:kms:eu-central-1:111122223333:key/other", Principal: job, Action: "kms:Decrypt"}}, nil, ""},
		"in a way that the policy of today does not explain": {[]keyreview.Use{{Key: k.Facts.ARN, Principal: job, Action: "kms:Sign"}}, nil, "does not explain"},
	} {
		std := standard()
		std.Seen = tt.seen
		tried := k
		tried.Grants = tt.grants
		found := keyreview.Review(inventory.Prepare(snapshot(tried, secret("db", "app"))), std, now)
		at := slices.IndexFunc(found, func(f keyreview.Finding) bool { return f.Control.ID == guard.KeyOpen })
		if at < 0 {
			t.Fatalf("%s: %+v", sentence, found)
		}
		if f := found[at]; (f.After == "") != (tt.decide != "") || !strings.Contains(f.Fix, tt.decide) {
			t.Errorf("%s: proposes %q; %s", sentence, f.After, f.Fix)
		}
	}
}

// No proposal takes a key from anybody who was seen, however the record names them: each is asked about under the policy before and after.
func TestAProposalKeepsEveryKindOfCaller(t *testing.T) {
	const (
		foreign  = `{"Sid":"F","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/app","arn:aws:iam::888877776666:root"]},"Action":"kms:Decrypt","Resource":"*"}`
		world    = `{"Sid":"W","Effect":"Allow","Principal":"*","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`
		grants   = `{"Sid":"G","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":["kms:Decrypt","kms:CreateGrant"],"Resource":"*"}`
		root     = `{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
		logs     = `{"Sid":"L","Effect":"Allow","Principal":{"Service":"logs.eu-central-1.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}`
		approved = `{"Sid":"P","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/sync"},"Action":"kms:Decrypt","Resource":"*"}`
		app, etl = "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/etl"
	)
	for sentence, tt := range map[string]struct {
		statements []string
		seen       keyreview.Use
		decide     string // "" where a policy is proposed
	}{
		"an account, from whose statement it would be taken": {[]string{foreign, manageOnly}, keyreview.Use{Principal: "888877776666", Action: "kms:Decrypt"}, "account 888877776666 was seen using it (kms:Decrypt) and would lose it"},
		"a role of that account":                             {[]string{foreign, manageOnly}, keyreview.Use{Principal: "arn:aws:iam::888877776666:role/x", Action: "kms:Decrypt"}, "would lose it"},
		"an account of the world":                            {[]string{world, manageOnly}, keyreview.Use{Principal: "888877776666", Action: "kms:Decrypt"}, "account 888877776666 was seen using it (kms:Decrypt) and would lose it"},
		"an account that no statement lets in":               {[]string{grants, manageOnly}, keyreview.Use{Principal: "888877776666", Action: "kms:Decrypt"}, "does not explain"},
		"a role of an account whose statement stays":         {[]string{foreign, approved, manageOnly}, keyreview.Use{Principal: "444455556666", Action: "kms:Decrypt"}, ""},
		"a service of the world":                             {[]string{world, manageOnly}, keyreview.Use{Principal: "logs.amazonaws.com", Action: "kms:Decrypt"}, "logs.amazonaws.com was seen using it (kms:Decrypt) and may lose it"},
		"a service whose statement stays":                    {[]string{world, logs, manageOnly}, keyreview.Use{Principal: "sns.amazonaws.com", Action: "kms:Decrypt"}, "may lose it"},
		"a service by its name in the Region":                {[]string{foreign, logs, manageOnly}, keyreview.Use{Principal: "logs.amazonaws.com", Action: "kms:Decrypt"}, ""},
		"somebody whom no record names":                      {[]string{world, manageOnly}, keyreview.Use{Action: "kms:Decrypt"}, "whom the record does not name"},
		"a maker of grants":                                  {[]string{grants, manageOnly}, keyreview.Use{Principal: app, Action: "kms:CreateGrant"}, app + " was seen using it (kms:CreateGrant) and would lose it"},
		"a maker of grants by IAM":                           {[]string{root}, keyreview.Use{Principal: etl, Action: "kms:CreateGrant", Via: "ec2.eu-central-1.amazonaws.com"}, etl + " was seen using it (kms:CreateGrant through ec2.eu-central-1.amazonaws.com) and would lose it"},
		"one that re-encrypts by IAM":                        {[]string{root}, keyreview.Use{Principal: etl, Action: "kms:ReEncryptTo"}, etl + " was seen using it (kms:ReEncryptTo) and would lose it"},
		"one that imports material by IAM":                   {[]string{root}, keyreview.Use{Principal: etl, Action: "kms:ImportKeyMaterial"}, ""},
		"one that manages by IAM":                            {[]string{root}, keyreview.Use{Principal: etl, Action: "kms:DisableKey"}, ""},
	} {
		tt.seen.Key = arn
		std := standard()
		std.Seen, std.Approved = []keyreview.Use{tt.seen}, []string{partner}
		k := fine()
		k.Policy = document(tt.statements...)
		found := keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), std, now)
		if len(found) != 1 {
			t.Errorf("%s: %+v", sentence, found)
			continue
		}
		if f := found[0]; (f.After == "") != (tt.decide != "") || !strings.Contains(f.Fix, tt.decide) {
			t.Errorf("%s: proposes %q; %s", sentence, f.After, f.Fix)
		}
	}
}

// What somebody excused is said with its end, and only as long as that lasts.
func TestAWaiverExcusesAFindingOnAKey(t *testing.T) {
	k := fine()
	k.Facts.Tags = map[string]string{}
	for sentence, tt := range map[string]struct {
		waiver guard.Waiver
		waived bool
	}{
		"this control on this key": {guard.Waiver{Control: guard.KeyTags, Resource: k.Facts.ARN, Expires: now.Add(time.Hour)}, true},
		"by a pattern":             {guard.Waiver{Control: guard.KeyTags, Resource: "arn:aws:kms:*:111122223333:key/*", Expires: now.Add(time.Hour)}, true},
		"another control":          {guard.Waiver{Control: guard.KeyOpen, Resource: k.Facts.ARN, Expires: now.Add(time.Hour)}, false},
		"over":                     {guard.Waiver{Control: guard.KeyTags, Resource: k.Facts.ARN, Expires: now}, false},
	} {
		std := standard()
		std.Waivers = []guard.Waiver{tt.waiver}
		found := keyreview.Review(inventory.Prepare(snapshot(k)), std, now)
		if len(found) != 1 || found[0].Waived.IsZero() == tt.waived {
			t.Errorf("%s: %+v", sentence, found)
		}
	}
}
