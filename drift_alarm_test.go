package doublelock_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/drift"
)

// What AWS may add tomorrow is reported by its name, and nothing else is.
func TestWhatAWSAddsTomorrowIsReportedByName(t *testing.T) {
	sdk := sdkModels(t)
	models := append(otherModels(t), sdk...)
	known, left := knownOf(t, sdk), readLeftAlone(t)
	for name, tt := range map[string]struct {
		source  drift.Source
		service string
		add     func(*drift.Model)
		reports []string // parts of the problems, one each
	}{
		"a call": {drift.Botocore, "secretsmanager", func(m *drift.Model) { m.Calls["MirrorSecret"] = drift.Call{} }, []string{
			"calls: secretsmanager:MirrorSecret (in botocore): if its event can change which keys open a secret",
			"differences: secretsmanager:MirrorSecret, not in aws-sdk-go-v2: say what follows",
			"differences: secretsmanager:MirrorSecret, not in service reference: say what follows",
		}},
		"a right that is no call": {drift.Reference, "kms", func(m *drift.Model) { m.Calls["ShareKey"] = drift.Call{} }, []string{
			"actions: kms:ShareKey (in service reference): if it opens or closes a secret or key",
		}},
		"a field of an answer": {drift.SDK, "secretsmanager", func(m *drift.Model) {
			addField(m, "DescribeSecret", drift.Field{Path: "SecondKmsKeyId", Owner: "DescribeSecretOutput"})
		}, []string{
			"fields: secretsmanager:DescribeSecret.SecondKmsKeyId (in aws-sdk-go-v2): read it in shared/cloud",
			"differences: secretsmanager:DescribeSecret.SecondKmsKeyId, not in botocore",
		}},
		"a field inside one that we read": {drift.Botocore, "secretsmanager", func(m *drift.Model) {
			addField(m, "DescribeSecret", drift.Field{Path: "ReplicationStatus.OlderKmsKeyIds", Owner: "ReplicationStatusType"})
		}, []string{
			"fields: secretsmanager:DescribeSecret.ReplicationStatus.OlderKmsKeyIds (in botocore): read it",
			"differences: secretsmanager:DescribeSecret.ReplicationStatus.OlderKmsKeyIds, not in aws-sdk-go-v2",
		}},
		"a field inside one that is left alone": {drift.Botocore, "secretsmanager", func(m *drift.Model) {
			addField(m, "DescribeSecret", drift.Field{Path: "RotationRules.Jitter", Owner: "RotationRulesType"})
		}, nil},
		"a parameter that makes a list whole": {drift.Botocore, "secretsmanager", func(m *drift.Model) {
			call := m.Calls["ListSecrets"]
			call.Request = append(slices.Clip(call.Request), drift.Field{Path: "IncludeArchived", Owner: "ListSecretsRequest"})
			m.Calls["ListSecrets"] = call
		}, []string{
			"parameters: secretsmanager:ListSecrets(IncludeArchived) (in botocore): set it where the call is made",
			"differences: secretsmanager:ListSecrets(IncludeArchived), not in aws-sdk-go-v2",
		}},
		"a state of keys": {drift.SDK, "kms", func(m *drift.Model) { m.Enums["KeyState"] = append(slices.Clip(m.Enums["KeyState"]), "Quarantined") }, []string{
			"values: kms:KeyState=Quarantined (in aws-sdk-go-v2): give it a case",
			"differences: kms:KeyState=Quarantined, not in botocore",
		}},
		"a manager of keys": {drift.Botocore, "kms", func(m *drift.Model) {
			m.Enums["KeyManagerType"] = append(slices.Clip(m.Enums["KeyManagerType"]), "PARTNER")
		}, []string{
			"values: kms:KeyManagerType=PARTNER (in botocore): give it a case",
			"differences: kms:KeyManagerType=PARTNER, not in aws-sdk-go-v2",
		}},
		"a value of an enum that we read nowhere": {drift.Botocore, "kms", func(m *drift.Model) {
			m.Enums["WrappingKeySpec"] = append(slices.Clip(m.Enums["WrappingKeySpec"]), "RSA_8192")
		}, nil},
		"a condition key": {drift.Reference, "secretsmanager", func(m *drift.Model) { m.Keys["secretsmanager:SecondKmsKeyArn"] = "ARN" }, []string{
			"condition keys: secretsmanager:SecondKmsKeyArn (in service reference): declare it in shared/policy",
		}},
		"a condition key with many values": {drift.Reference, "secretsmanager", func(m *drift.Model) { m.Keys["secretsmanager:KmsKeyArn"] = "ArrayOfARN" }, []string{
			"multivalued: secretsmanager:KmsKeyArn (in service reference): put multivaluedKeys in shared/policy right",
		}},
		"a condition key of reads that other calls had before": {drift.Reference, "secretsmanager", func(m *drift.Model) {
			call := m.Calls["GetSecretValue"]
			call.Keys = append(slices.Clip(call.Keys), "secretsmanager:KmsKeyId")
			m.Calls["GetSecretValue"] = call
		}, []string{
			"absences: secretsmanager:GetSecretValue?secretsmanager:KmsKeyId (in service reference): declare in shared/policy that the action has it",
		}},
		"a condition key that nobody knew, which is unknown until it is declared": {drift.Reference, "secretsmanager", func(m *drift.Model) {
			m.Keys = maps.Clone(m.Keys)
			m.Keys["secretsmanager:ReadPurpose"] = "String"
			call := m.Calls["GetSecretValue"]
			call.Keys = append(slices.Clip(call.Keys), "secretsmanager:ReadPurpose")
			m.Calls["GetSecretValue"] = call
		}, []string{
			"condition keys: secretsmanager:ReadPurpose (in service reference): declare it in shared/policy",
		}},
		"a name in the documentation": {drift.Botocore, "kms", func(m *drift.Model) { m.Mentions = append(slices.Clip(m.Mentions), "kms:Quorum") }, []string{
			"mentions: kms:Quorum (in botocore): find out what it is for",
		}},
		"an error of a call that we make": {drift.Botocore, "secretsmanager", func(m *drift.Model) {
			call := m.Calls["UpdateSecret"]
			call.Errors = append(slices.Clip(call.Errors), "ApprovalPendingException")
			m.Calls["UpdateSecret"], m.Errors = call, append(slices.Clip(m.Errors), "ApprovalPendingException")
		}, []string{
			"errors: secretsmanager!ApprovalPendingException (in botocore): give it a meaning in shared/cloud/internal/session/errors.go",
			"differences: secretsmanager!ApprovalPendingException, not in aws-sdk-go-v2",
		}},
		"an error that nothing is known to answer": {drift.SDK, "kms", func(m *drift.Model) { m.Errors = append(slices.Clip(m.Errors), "QuorumException") }, []string{
			"errors: kms!QuorumException (in aws-sdk-go-v2): give it a meaning",
			"differences: kms!QuorumException, not in botocore",
		}},
		"an error of reads": {drift.Botocore, "secretsmanager", func(m *drift.Model) {
			call := m.Calls["BatchGetSecretValue"]
			call.Errors = append(slices.Clip(call.Errors), "ReadWindowException")
			m.Calls["BatchGetSecretValue"] = call
		}, []string{
			"refusals: secretsmanager:BatchGetSecretValue!ReadWindowException (in botocore): if a reader who gets it lost access",
		}},
		"what the code names and AWS took back": {drift.Reference, "secretsmanager", func(m *drift.Model) { delete(m.Keys, "secretsmanager:KmsKeyArn") }, []string{
			"names: secretsmanager:KmsKeyArn: AWS has no such action or condition key (any more)",
		}},
		"a field that was left alone, and is gone": {drift.Botocore, "kms", func(m *drift.Model) { dropField(m, "DescribeKey", "KeyMetadata.XksKeyConfiguration") }, []string{
			"differences: kms:DescribeKey.KeyMetadata.XksKeyConfiguration, not in botocore",
		}},
		"an SDK that has caught up": {drift.SDK, "secretsmanager", func(m *drift.Model) { m.Calls["ListResourcePolicies"] = drift.Call{} }, []string{
			"differences: secretsmanager:ListResourcePolicies, not in aws-sdk-go-v2 is listed, and is not there (any more): strike it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tomorrow := slices.Clone(models)
			for i, m := range tomorrow {
				if m.Source == tt.source && m.Service == tt.service {
					m.Calls, m.Enums, m.Keys = maps.Clone(m.Calls), maps.Clone(m.Enums), maps.Clone(m.Keys)
					tt.add(&m)
					tomorrow[i] = m
				}
			}
			problems := drift.Compare(drift.FactsOf(tomorrow, known), left)
			for _, want := range tt.reports {
				at := slices.IndexFunc(problems, func(p string) bool { return strings.HasPrefix(p, want) })
				if at < 0 {
					t.Errorf("not reported: %s", want)
					continue
				}
				problems = slices.Delete(problems, at, at+1)
			}
			for _, p := range problems {
				t.Errorf("reported beside it: %s", p)
			}
		})
	}
}

func addField(m *drift.Model, call string, f drift.Field) {
	c := m.Calls[call]
	c.Response = append(slices.Clip(c.Response), f)
	m.Calls[call] = c
}

func dropField(m *drift.Model, call, path string) {
	c := m.Calls[call]
	c.Response = slices.DeleteFunc(slices.Clone(c.Response), func(f drift.Field) bool { return f.Path == path || strings.HasPrefix(f.Path, path+".") })
	m.Calls[call] = c
}
