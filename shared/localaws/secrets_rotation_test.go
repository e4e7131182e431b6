package localaws_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
)

func TestRotation(t *testing.T) {
	function := "arn:aws:lambda:us-east-1:" + open + ":function:rotate"
	for name, test := range map[string]struct {
		policy string
		event  string
	}{
		"with the rights on the key a new version becomes current":  {allow("secretsmanager:*", "kms:*"), "RotationSucceeded"},
		"without kms:GenerateDataKey on the key the rotation fails": {allow("secretsmanager:*", "kms:Decrypt"), "RotationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			r.role(open, "Rotator", test.policy)
			r.RotationFunction(function, "arn:aws:iam::"+open+":role/Rotator")
			sm := r.secrets(open, admin, east)
			key := r.key(open, east)
			arn := r.create(sm, "a")
			if _, err := sm.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn}); code(err) != "InvalidRequestException" {
				t.Errorf("without a function: got %v", err)
			}
			missing := function + "-missing"
			if _, err := sm.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &missing}); code(err) != "ResourceNotFoundException" || r.describe(sm, arn).RotationEnabled != nil {
				t.Errorf("with a function that does not exist: got %v, rotation %v", err, r.describe(sm, arn).RotationEnabled)
			}
			r.rekey(sm, arn, key)
			rules := &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)}
			if _, err := sm.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &function, RotationRules: rules}); err != nil {
				t.Fatal(err)
			}
			r.last(test.event)
			rotated := test.event == "RotationSucceeded"
			if got := r.read(sm, arn); (got != "first") != rotated {
				t.Errorf("the value is %s", got)
			}
			want := []string{key, defaultLock}
			if rotated {
				want = []string{key}
			}
			if diff := cmp.Diff(want, r.locks(sm, arn)["AWSCURRENT"]); diff != "" {
				t.Error(diff)
			}
			out := r.describe(sm, arn)
			if !aws.ToBool(out.RotationEnabled) || !out.NextRotationDate.Equal(r.clock().AddDate(0, 0, 30)) {
				t.Errorf("rotation enabled %v, next %v", aws.ToBool(out.RotationEnabled), out.NextRotationDate)
			}
			before := r.read(sm, arn)
			r.later(30 * 24 * time.Hour)
			r.Elapse()
			if rotated && r.read(sm, arn) == before {
				t.Error("the scheduled rotation did not take location")
			}
		})
	}
}
