package localaws_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
)

// rotatesExternal is the policy of a rotation role as the user guide shows it (managed external secrets, security and
// permissions), with more statements.
func rotatesExternal(kind, more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue",` +
		`"secretsmanager:UpdateSecretVersionStage"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/Type":"` + kind + `"}}}` + more + `]}`
}

const (
	salesforce = "SalesforceClientSecret"
	usesKeys   = `,{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`
	trustsUs   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"` + open + `"}}}]}`
)

func TestAManagedExternalSecretIsRotatedByItsRole(t *testing.T) {
	for name, test := range map[string]struct {
		policy string
		event  string
	}{
		"with the rights of the guide and those on the key": {rotatesExternal(salesforce, usesKeys), "RotationSucceeded"},
		"without a right on the key":                        {rotatesExternal(salesforce, ""), "RotationFailed"},
		"with rights on another type of secret":             {rotatesExternal("BigIDClientSecret", usesKeys), "RotationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			sm, key := r.secrets(open, admin, east), r.key(open, east)
			r.AddRole(open, "Rotation", trustsUs, test.policy)
			role := "arn:aws:iam::" + open + ":role/Rotation"
			arn := r.create(sm, "crm", under(key), func(in *secretsmanager.CreateSecretInput) { in.Type = aws.String(salesforce) })
			details := []smtypes.ExternalSecretRotationMetadataItem{{Key: aws.String("apiVersion"), Value: aws.String("v65.0")}}
			in := &secretsmanager.RotateSecretInput{SecretId: &arn, ExternalSecretRotationRoleArn: &role, ExternalSecretRotationMetadata: details,
				RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}}
			if _, err := sm.RotateSecret(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			r.last(test.event)
			rotated := test.event == "RotationSucceeded"
			before := r.read(sm, arn)
			if (before != "first") != rotated {
				t.Errorf("the value is %s", before)
			}
			if rotated {
				by := r.last("PutSecretValue")["userIdentity"].(map[string]any)["arn"].(string)
				if !strings.Contains(by, ":assumed-role/Rotation/") {
					t.Errorf("written by %s", by)
				}
			}
			listed, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
			if err != nil {
				t.Fatal(err)
			}
			one := r.describe(sm, arn)
			for from, got := range map[string][3]string{
				"described": {aws.ToString(one.Type), aws.ToString(one.ExternalSecretRotationRoleArn), *one.ExternalSecretRotationMetadata[0].Value},
				"listed":    {aws.ToString(listed.SecretList[0].Type), aws.ToString(listed.SecretList[0].ExternalSecretRotationRoleArn), *listed.SecretList[0].ExternalSecretRotationMetadata[0].Value},
			} {
				if diff := cmp.Diff([3]string{salesforce, role, "v65.0"}, got); diff != "" {
					t.Errorf("%s: %s", from, diff)
				}
			}
			r.later(30 * 24 * time.Hour)
			r.Elapse()
			if got := r.read(sm, arn); rotated && got == before {
				t.Error("the scheduled rotation changed nothing")
			}
		})
	}
}

func TestARotationRoleHasToFit(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	r.AddRole(open, "Rotation", trustsUs, rotatesExternal(salesforce, ""))
	r.role(open, "Distrustful", rotatesExternal(salesforce, ""))
	typed := func(in *secretsmanager.CreateSecretInput) { in.Type = aws.String(salesforce) }
	function := "arn:aws:lambda:" + east + ":" + open + ":function:rotate"
	for name, test := range map[string]struct {
		secret         string
		role, function *string
		want           string
	}{
		"on a secret without a type": {r.create(sm, "plain"), aws.String("arn:aws:iam::" + open + ":role/Rotation"), nil, "InvalidRequestException"},
		"a role that does not trust": {r.create(sm, "a", typed), aws.String("arn:aws:iam::" + open + ":role/Distrustful"), nil, "InvalidParameterException"},
		"a role that is not there":   {r.create(sm, "b", typed), aws.String("arn:aws:iam::" + open + ":role/None"), nil, "InvalidParameterException"},
		"no role":                    {r.create(sm, "c", typed), nil, nil, "InvalidRequestException"},
		"a function":                 {r.create(sm, "d", typed), nil, &function, "InvalidRequestException"},
		"a role that fits":           {r.create(sm, "e", typed), aws.String("arn:aws:iam::" + open + ":role/Rotation"), nil, ""},
	} {
		in := &secretsmanager.RotateSecretInput{SecretId: &test.secret, ExternalSecretRotationRoleArn: test.role, RotationLambdaARN: test.function}
		if _, err := sm.RotateSecret(t.Context(), in); code(err) != test.want {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	only := r.role(open, "Only", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{"ArnNotLike":{"secretsmanager:ExternalSecretRotationRoleArn":"arn:aws:iam::*:role/Rotation"}}},`+
		`{"Effect":"Deny","Action":["secretsmanager:CreateSecret","secretsmanager:UpdateSecret"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:Type":"`+salesforce+`"}}}]}`)
	limited := r.secrets(open, only, east)
	arn := r.create(sm, "f", typed)
	if _, err := limited.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn, ExternalSecretRotationRoleArn: aws.String("arn:aws:iam::" + open + ":role/Distrustful")}); code(err) != "AccessDeniedException" {
		t.Errorf("another role than the policy wants: %v", err)
	}
	if _, err := limited.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("g"), Type: aws.String(salesforce)}); code(err) != "AccessDeniedException" {
		t.Errorf("a type that the policy denies: %v", err)
	}
	plain := r.create(sm, "h")
	if _, err := limited.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &plain, Type: aws.String(salesforce)}); code(err) != "AccessDeniedException" {
		t.Errorf("changed to a type that the policy denies: %v", err)
	}
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &plain, Type: aws.String(salesforce)}); err != nil || aws.ToString(r.describe(sm, plain).Type) != salesforce {
		t.Errorf("changed to a type: %v", err)
	}
}

// A service that owns a secret rotates it itself, on the schedule that the customer may set (user guide, managed rotation).
func TestAServiceRotatesWhatItOwns(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn, err := r.ServiceOwnedSecret(open, east, "rds", "db", "")
	if err != nil {
		t.Fatal(err)
	}
	before := r.read(sm, arn)
	if _, err := sm.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(10)}}); err != nil {
		t.Fatal(err)
	}
	now := r.read(sm, arn)
	if by := r.last("PutSecretValue")["userIdentity"].(map[string]any)["invokedBy"]; now == before || by != "rds.amazonaws.com" {
		t.Errorf("rotated by %v", by)
	}
	if got := r.describe(sm, arn); aws.ToString(got.OwningService) != "rds" || !got.NextRotationDate.Equal(r.clock().AddDate(0, 0, 10)) {
		t.Errorf("owned by %q, next %v", aws.ToString(got.OwningService), got.NextRotationDate)
	}
	r.later(10 * 24 * time.Hour)
	r.Elapse()
	if r.read(sm, arn) == now {
		t.Error("the scheduled rotation changed nothing")
	}
}
