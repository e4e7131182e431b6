package preventive_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/preventive"
)

func keyRequests() map[string]preventive.KeyRequest {
	app, writer, vendor := "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/rotation", "arn:aws:iam::555566667777:role/acme"
	return map[string]preventive.KeyRequest{
		"key_app": {Shape: preventive.ShapeApp, Account: "111122223333", Region: "eu-central-1", Readers: []string{app}, Writers: []string{writer},
			Secrets: []string{"arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/*"}},
		"key_vendor": {Shape: preventive.ShapeVendor, Account: "111122223333", Region: "eu-central-1", Admins: []string{"arn:aws:iam::111122223333:role/key-admin"},
			Readers: []string{vendor}, Writers: []string{writer}, Secrets: []string{"arn:aws:secretsmanager:eu-central-1:111122223333:secret:vendor/acme-??????"}},
		"key_central": {Shape: preventive.ShapeCentral, Account: "222222222222", Region: "eu-central-1", Accounts: []string{"111122223333", "222222222222"}},
		"key_china": {Shape: preventive.ShapeApp, Account: "111122223333", Region: "cn-north-1",
			Readers: []string{"arn:aws-cn:iam::111122223333:role/app"}, Writers: []string{"arn:aws-cn:iam::111122223333:role/app"}},
	}
}

func TestKeyPoliciesOfEveryShape(t *testing.T) {
	for name, r := range keyRequests() {
		t.Run(name, func(t *testing.T) {
			d, _, err := preventive.KeyPolicy(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.Indented()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// with is the request for an application's key, changed.
func with(change func(*preventive.KeyRequest)) preventive.KeyRequest {
	r := keyRequests()["key_app"]
	change(&r)
	return r
}

func TestWhatIsSaidOfAKeyPolicyIsWhatTheEngineProved(t *testing.T) {
	const (
		app, rotation, acme = "arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/rotation", "arn:aws:iam::555566667777:role/acme"
		byIAM               = "whoever IAM in 111122223333 lets manages, and cannot decrypt by that; a reader or writer that IAM lets manage does both (--admin parts them)"
	)
	requests := keyRequests()
	requests["central, with an administrator of its own"] = preventive.KeyRequest{Shape: preventive.ShapeCentral, Account: "222222222222", Region: "eu-central-1",
		Accounts: []string{"111122223333"}, Admins: []string{"arn:aws:iam::222222222222:role/keys"}}
	requests["readers and writers of another account"] = with(func(r *preventive.KeyRequest) { r.Readers, r.Writers = []string{acme}, []string{acme} })
	for name, want := range map[string][]string{
		"readers and writers of another account": {"whoever IAM in 111122223333 lets manages, and cannot decrypt",
			acme + " decrypts through Secrets Manager alone, of these secrets alone, and cannot manage", "nobody else decrypts, and nobody of another account manages"},
		"key_app": {byIAM, app + " decrypts through Secrets Manager alone, of these secrets alone", rotation + " decrypts through Secrets Manager alone, of these secrets alone",
			"nobody else decrypts, and nobody of another account manages"},
		"key_vendor": {"arn:aws:iam::111122223333:role/key-admin manages, and cannot decrypt",
			acme + " decrypts through Secrets Manager alone, of these secrets alone, and cannot manage",
			rotation + " decrypts through Secrets Manager alone, of these secrets alone, and cannot manage", "nobody else decrypts or manages"},
		"key_central": {"whoever IAM in 222222222222 lets manages, and decrypts through Secrets Manager only where IAM in 222222222222 lets it",
			"whoever IAM in 111122223333 lets decrypts through Secrets Manager alone, and cannot manage",
			"whoever IAM in 222222222222 lets decrypts through Secrets Manager alone", "nobody of another account decrypts or manages"},
		"central, with an administrator of its own": {"arn:aws:iam::222222222222:role/keys manages, and cannot decrypt",
			"whoever IAM in 111122223333 lets decrypts through Secrets Manager alone, and cannot manage", "nobody of another account decrypts or manages"},
	} {
		_, got, err := preventive.KeyPolicy(requests[name])
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestKeyPolicySaysWhatIsMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		request preventive.KeyRequest
		want    string
	}{
		"no shape":                        {preventive.KeyRequest{Account: "111122223333", Region: "x"}, `shape "": use app, vendor or central`},
		"an account with a name":          {preventive.KeyRequest{Shape: preventive.ShapeApp, Account: "shop"}, `account "shop" is not 12 digits`},
		"an account with a digit too few": {preventive.KeyRequest{Shape: preventive.ShapeApp, Account: "11112222333"}, `account "11112222333" is not 12 digits`},
		"an account of twelve letters":    {preventive.KeyRequest{Shape: preventive.ShapeApp, Account: "abcdefghijkl"}, `account "abcdefghijkl" is not 12 digits`},
		"a central key's reader and writer": {preventive.KeyRequest{Shape: preventive.ShapeCentral, Readers: []string{"arn:aws:iam::555566667777:role/acme"},
			Writers: []string{"arn:aws:iam::555566667777:role/rotation"}}, "takes accounts, not readers"},
		"a central key's writer and secret": {preventive.KeyRequest{Shape: preventive.ShapeCentral, Writers: []string{"arn:aws:iam::555566667777:role/rotation"},
			Secrets: []string{"arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/*"}}, "takes accounts, not readers"},
		"no Region":                 {preventive.KeyRequest{Shape: preventive.ShapeApp, Account: "111122223333"}, "no Region"},
		"an application nobody has": {preventive.KeyRequest{Shape: preventive.ShapeApp}, "an application's key needs a reader"},
		"nobody who writes":         {preventive.KeyRequest{Shape: preventive.ShapeApp, Readers: []string{"arn:aws:iam::555566667777:role/acme"}}, "nobody could put a secret under the key"},
		"a vendor without a secret": {preventive.KeyRequest{Shape: preventive.ShapeVendor, Readers: []string{"arn:aws:iam::555566667777:role/acme"}}, "needs one reader and one secret"},
		"a central key for nobody":  {preventive.KeyRequest{Shape: preventive.ShapeCentral}, "needs the accounts that use it"},
		"a central key's reader":    {preventive.KeyRequest{Shape: preventive.ShapeCentral, Readers: []string{"arn:aws:iam::555566667777:role/acme"}}, "takes accounts, not readers"},
		"a reader with a wildcard":  {preventive.KeyRequest{Shape: preventive.ShapeApp, Readers: []string{"arn:aws:iam::111122223333:role/*"}}, "is not the ARN of a role or user"},
		"a root user as reader":     {preventive.KeyRequest{Shape: preventive.ShapeApp, Readers: []string{"arn:aws:iam::111122223333:root"}}, "is not the ARN of a role or user"},
		"an administrator who reads": {with(func(r *preventive.KeyRequest) { r.Admins = r.Readers }),
			"arn:aws:iam::111122223333:role/app is named as administrator and as reader or writer"},
		"an administrator who writes": {with(func(r *preventive.KeyRequest) { r.Admins = r.Writers }), "role/rotation is named as administrator and as reader or writer"},
		"an administrator of another account": {with(func(r *preventive.KeyRequest) { r.Admins = []string{"arn:aws:iam::555566667777:role/admin"} }),
			"is of account 555566667777 and the key of 111122223333"},
		"a reader of another partition": {with(func(r *preventive.KeyRequest) { r.Region, r.Secrets = "us-gov-west-1", nil }),
			"arn:aws:iam::111122223333:role/app is of partition aws and the key of aws-us-gov"},
		"a secret of another Region": {with(func(r *preventive.KeyRequest) {
			r.Secrets = []string{"arn:aws:secretsmanager:us-east-1:111122223333:secret:app/*"}
		}),
			"us-east-1:111122223333:secret:app/* is not of 111122223333, eu-central-1, where the key is"},
		"a secret of another account": {with(func(r *preventive.KeyRequest) {
			r.Secrets = []string{"arn:aws:secretsmanager:eu-central-1:555566667777:secret:app/*"}
		}),
			"is not of 111122223333, eu-central-1"},
		"a secret of another partition": {with(func(r *preventive.KeyRequest) {
			r.Secrets = []string{"arn:aws-cn:secretsmanager:eu-central-1:111122223333:secret:app/*"}
		}),
			"is not of 111122223333, eu-central-1"},
		"a secret by name": {preventive.KeyRequest{Shape: preventive.ShapeApp, Secrets: []string{"db"}}, `"db" is not the ARN of a secret`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := preventive.KeyPolicy(tt.request); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in one line of it", err, tt.want)
			}
		})
	}
}

// What follows from a mistake is not complained of beside it.
func TestAMistakeOfTheAccountOrTheRegionIsTheOnlyComplaint(t *testing.T) {
	for name, tt := range map[string]struct {
		request preventive.KeyRequest
		want    string
	}{
		"an account that is none": {with(func(r *preventive.KeyRequest) { r.Account = "shop" }), `write key policy: account "shop" is not 12 digits`},
		"no Region":               {with(func(r *preventive.KeyRequest) { r.Region = "" }), "write key policy: no Region"},
	} {
		if _, _, err := preventive.KeyPolicy(tt.request); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestTwoReadersOfOneAccountAreOneCallerAccount(t *testing.T) {
	d, _, err := preventive.KeyPolicy(with(func(r *preventive.KeyRequest) {
		r.Readers = []string{"arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/batch", "arn:aws:iam::555566667777:role/acme"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := preventive.Values{"111122223333", "555566667777"}
	if diff := cmp.Diff(want, d.Statement[1].Condition["StringEquals"]["kms:CallerAccount"]); diff != "" {
		t.Errorf("kms:CallerAccount of readers (-want +got):\n%s", diff)
	}
}

// A policy variable must reach AWS as it is: Terraform would take it for its own.
func TestKeyAsCode(t *testing.T) {
	d := preventive.NewDocument(preventive.Statement{Sid: "A", Effect: "Allow", Principal: preventive.Principal{"AWS": {"*"}}, Action: preventive.Values{"kms:Decrypt"},
		Resource: preventive.Values{"*"}, Condition: preventive.Condition{"StringEquals": {"aws:ResourceTag/team": {"${aws:PrincipalTag/team}"}}}})
	terraform, err := preventive.KeyTerraform(d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(terraform, `"$${aws:PrincipalTag/team}"`) || !strings.Contains(terraform, "rotation_period_in_days = 90") {
		t.Errorf("Terraform:\n%s", terraform)
	}
	cdk, err := preventive.KeyCDK(d)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(cdk, "fromJson(")
	text, _, _ := strings.Cut(rest, "),\n});")
	if !json.Valid([]byte(text)) || !strings.Contains(text, `"${aws:PrincipalTag/team}"`) {
		t.Errorf("CDK:\n%s", cdk)
	}
}
