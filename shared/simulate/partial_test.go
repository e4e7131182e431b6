package simulate_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/simulate"
)

// A candidate that denies what a parameter says, one that denies its absence, and one that denies what a parameter takes: none is
// cleared by an export that has the secret's name alone.
func TestAnExportOfPartOfARequestIsNotTheWholeRequest(t *testing.T) {
	const (
		head     = "eventSource,eventName,eventTime,awsRegion,recipientAccountId,userIdentity.arn"
		cells    = `,2026-09-20T10:00:00Z,us-east-1,111122223333,arn:aws:iam::111122223333:user/ana`
		create   = "secretsmanager.amazonaws.com,CreateSecret" + cells
		history  = "Event name,Event time,User name,Event source,Resource type,Resource name,AWS region\n"
		row      = ",2026-09-20T10:00:00Z,ana,secretsmanager.amazonaws.com,AWS::SecretsManager::Secret,shop/new,us-east-1"
		named    = `"StringEquals":{"secretsmanager:KmsKeyId":"alias/aws/secretsmanager"}`
		unnamed  = `"Null":{"secretsmanager:KmsKeyId":"true"}`
		withTag  = `"StringEquals":{"aws:RequestTag/a":"b"}`
		noTags   = `"Null":{"aws:TagKeys":"true"}`
		byID     = `"StringNotEquals":{"secretsmanager:SecretId":"shop/new"}`
		oneNamed = `"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"SecretARN"}`
	)
	inParts := head + ",requestParameters.name\n" + create + ",shop/new"
	lake := func(tags string) string {
		return head + ",errorCode,requestParameters\n" + create + `,,"{""name"":""shop/new"",""tags"":` + tags + `}"`
	}
	for sentence, tt := range map[string]struct {
		action, condition, in string
		want                  simulate.Outcome
	}{
		"a key in a column that is not there":              {"secretsmanager:CreateSecret", named, inParts, simulate.Unknown},
		"whether it names one":                             {"secretsmanager:CreateSecret", unnamed, inParts, simulate.Unknown},
		"tags":                                             {"secretsmanager:CreateSecret", withTag, inParts, simulate.Unknown},
		"whether it has tags":                              {"secretsmanager:CreateSecret", noTags, inParts, simulate.Unknown},
		"the action that tags":                             {"secretsmanager:TagResource", ``, inParts, simulate.Unknown},
		"the action that replicates":                       {"secretsmanager:ReplicateSecretToRegions", ``, inParts, simulate.Unknown},
		"its name, which is there":                         {"secretsmanager:CreateSecret", `"StringEquals":{"secretsmanager:Name":"shop/new"}`, inParts, simulate.Denied},
		"a key that the history never has":                 {"secretsmanager:CreateSecret", named, history + "CreateSecret" + row, simulate.Unknown},
		"of an update":                                     {"secretsmanager:UpdateSecret", named, history + "UpdateSecret" + row, simulate.Unknown},
		"by which parameter the history's secret is named": {"secretsmanager:UpdateSecret", byID, history + "UpdateSecret" + row, simulate.Unknown},
		"other parts of an encryption context":             {"kms:Decrypt", oneNamed, head + ",requestParameters.encryptionContext.SecretARN\nkms.amazonaws.com,Decrypt" + cells + ",arn", simulate.Unknown},
		"whether a grant has constraints":                  {"kms:CreateGrant", `"Null":{"kms:GrantConstraintType":"true"}`, head + ",requestParameters.keyId\nkms.amazonaws.com,CreateGrant" + cells + ",11112222-3333-4444-5555-666677778888", simulate.Unknown},
		"the bus of a rule":                                {"events:DeleteRule", ``, head + ",requestParameters.name\nevents.amazonaws.com,DeleteRule" + cells + ",a", simulate.Unknown},
		"an external id":                                   {"sts:AssumeRole", `"Null":{"sts:ExternalId":"true"}`, head + ",requestParameters.roleArn\nsts.amazonaws.com,AssumeRole" + cells + ",arn:aws:iam::111122223333:role/a", simulate.Unknown},
		"the tag of a text of JSON":                        {"secretsmanager:CreateSecret", withTag, lake(`""[{\""key\"":\""a\"",\""value\"":\""b\""}]""`), simulate.Denied},
		"one that is a text in a list":                     {"secretsmanager:CreateSecret", withTag, lake(`[""{\""key\"":\""a\"",\""value\"":\""b\""}""]`), simulate.Denied},
		"that there are some":                              {"secretsmanager:CreateSecret", noTags, lake(`""[{\""key\"":\""a\"",\""value\"":\""b\""}]""`), simulate.Passes},
		"tags that nobody can read":                        {"secretsmanager:CreateSecret", withTag, lake(`""a: b""`), simulate.Unknown},
		"whether RDS keeps a password in a secret":         {"secretsmanager:CreateSecret", ``, head + ",requestParameters.dBInstanceIdentifier\nrds.amazonaws.com,CreateDBInstance" + cells + ",db", simulate.Unknown},
		"under which key RDS keeps it":                     {"kms:GenerateDataKey", `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"}`, head + ",requestParameters.manageMasterUserPassword\nrds.amazonaws.com,CreateDBInstance" + cells + ",true", simulate.Unknown},
		"whether its key is named":                         {"secretsmanager:CreateSecret", unnamed, head + ",requestParameters.manageMasterUserPassword\nrds.amazonaws.com,CreateDBInstance" + cells + ",true", simulate.Unknown},
		"that none is named in a whole request":            {"secretsmanager:CreateSecret", unnamed, head + ",errorCode,requestParameters\nrds.amazonaws.com,CreateDBInstance" + cells + `,,"{""manageMasterUserPassword"":true}"`, simulate.Denied},
		"whether Redshift does":                            {"secretsmanager:CreateSecret", ``, head + "\nredshift.amazonaws.com,ModifyCluster" + cells, simulate.Unknown},
		"nothing of a call that never does":                {"secretsmanager:CreateSecret", ``, head + "\nrds.amazonaws.com,DeleteDBInstance" + cells, simulate.Passes},
		"whether a task takes a role":                      {"iam:PassRole", ``, head + "\necs.amazonaws.com,RunTask" + cells, simulate.Unknown},
		"none, in a whole request":                         {"secretsmanager:CreateSecret", withTag, lake(`null`), simulate.Passes},
	} {
		resource := "*"
		if tt.action == "events:DeleteRule" {
			resource = "arn:aws:events:us-east-1:111122223333:rule/bus/a"
		}
		c, err := simulate.ReadCandidate("candidate.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"`+tt.action+`","Resource":"`+resource+`","Condition":{`+tt.condition+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(recorded(t, tt.in)); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}
