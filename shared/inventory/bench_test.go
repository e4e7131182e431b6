package inventory_test

import (
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
)

// testAccount is one account: every role reads the secrets of its application, one in fifty all of them, and a fifth only
// through an AWS managed policy. Secrets are spread over 100 keys, a tenth is under the AWS managed key.
func testAccount(roles, secrets int) inventory.Snapshot {
	s := inventory.Snapshot{
		Organization: inventory.Organization{ID: "o-exampleorg", ManagementAccount: management},
		Accounts:     []inventory.Account{{ID: shop, Path: []string{"r-ab12"}, SCPs: []inventory.Level{{Target: "r-ab12", Policies: []string{"p-FullAWSAccess"}}, {Target: shop, Policies: []string{"p-FullAWSAccess"}}}}},
		Controls:     map[string]inventory.Policy{"p-FullAWSAccess": {Name: "FullAWSAccess", Document: fullAccess}},
		Managed: map[string]string{administrator: fullAccess,
			"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": document(`{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}`)},
	}
	for i := range 100 {
		s.Keys = append(s.Keys, key(fmt.Sprintf("key-%02d", i), delegated))
	}
	for i := range secrets {
		k := cmk(fmt.Sprintf("key-%02d", i%100))
		if i%10 == 0 {
			k = managedKey()
		}
		s.Secrets = append(s.Secrets, secret(fmt.Sprintf("app-%03d/secret-%05d", i%1000, i), "", k))
	}
	for i := range roles {
		r := role(shop, fmt.Sprintf("role-%04d", i))
		r.Managed = []string{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}
		if i%50 == 0 {
			r.Managed = append(r.Managed, administrator)
		} else {
			r.Inline = map[string]string{"read": document(
				allow("secretsmanager:GetSecretValue", fmt.Sprintf("arn:aws:secretsmanager:*:*:secret:app-%03d/*", i%1000)),
				allow("kms:Decrypt", keyARN(fmt.Sprintf("key-%02d", i%100))), allow("s3:GetObject", "arn:aws:s3:::bucket/*"))}
		}
		s.Principals = append(s.Principals, r)
	}
	return s
}

// BenchmarkCan asks for every role what it can open: 1,000 roles before 10,000 secrets.
func BenchmarkCan(b *testing.B) {
	s := testAccount(1000, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		access := inventory.Prepare(s)
		open := 0
		for i := range s.Principals {
			can, err := access.Can(s.Principals[i].ARN)
			if err != nil {
				b.Fatal(err)
			}
			open += len(can.Open)
		}
		if open < 200_000 {
			b.Fatalf("%d openings: fewer than the administrators alone have", open)
		}
	}
}

func BenchmarkReaders(b *testing.B) {
	s := testAccount(1000, 10_000)
	access := inventory.Prepare(s)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := access.Readers(s.Secrets[1].Facts.ARN); err != nil {
			b.Fatal(err)
		}
	}
}
