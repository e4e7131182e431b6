package simulate_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/simulate"
)

// A call that is written down takes the same permissions as one that was recorded. What the request does not say is not known.
func TestARequestTakesWhatARecordedCallTakes(t *testing.T) {
	const (
		secret  = `"resource":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"`
		role    = `arn:aws:iam::111122223333:role/app`
		session = `arn:aws:sts::111122223333:assumed-role/app/me`
		onTeam  = `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/*"}}`
	)
	team := simulate.Options{Principals: map[string]simulate.Principal{"111122223333/role/app": {ARN: "arn:aws:iam::111122223333:role/team/app"}}}
	for sentence, tt := range map[string]struct {
		denied, condition, principal, action, rest string
		options                                    simulate.Options
		want                                       simulate.Outcome
	}{
		"a read opens with a key":                    {`kms:Decrypt`, ``, role, `secretsmanager:GetSecretValue`, secret, simulate.Options{}, simulate.Denied},
		"a read of another key":                      {`kms:Encrypt`, ``, role, `secretsmanager:GetSecretValue`, secret, simulate.Options{}, simulate.Passes},
		"a read under which key is not said":         {`kms:Decrypt","Resource":"arn:aws:kms:*:*:key/1`, ``, role, `secretsmanager:GetSecretValue`, secret, simulate.Options{}, simulate.Unknown},
		"a batch reads":                              {`secretsmanager:GetSecretValue`, ``, role, `secretsmanager:BatchGetSecretValue`, `"resource":"*"`, simulate.Options{}, simulate.Unknown},
		"a value is written under a key":             {`kms:GenerateDataKey`, ``, role, `secretsmanager:PutSecretValue`, secret, simulate.Options{}, simulate.Denied},
		"an update may write one":                    {`kms:GenerateDataKey`, ``, role, `secretsmanager:UpdateSecret`, secret, simulate.Options{}, simulate.Unknown},
		"an update to a key tries it":                {`kms:Decrypt`, ``, role, `secretsmanager:UpdateSecret`, secret + `,"context":{"secretsmanager:KmsKeyId":["alias/a"]}`, simulate.Options{}, simulate.Denied},
		"a replica is read":                          {`kms:Decrypt`, ``, role, `secretsmanager:ReplicateSecretToRegions`, secret, simulate.Options{}, simulate.Denied},
		"a replica is written":                       {`kms:GenerateDataKey`, ``, role, `secretsmanager:ReplicateSecretToRegions`, secret, simulate.Options{}, simulate.Denied},
		"a new secret's replica is written":          {`kms:Encrypt`, ``, role, `secretsmanager:CreateSecret`, secret + `,"context":{"secretsmanager:AddReplicaRegions":["eu-west-1"]}`, simulate.Options{}, simulate.Denied},
		"a rotation by a function that is named":     {`lambda:InvokeFunction`, ``, role, `secretsmanager:RotateSecret`, secret + `,"context":{"secretsmanager:RotationLambdaARN":["arn:aws:lambda:us-east-1:111122223333:function:f"]}`, simulate.Options{}, simulate.Denied},
		"a rotation by one that is not":              {`lambda:InvokeFunction`, ``, role, `secretsmanager:RotateSecret`, secret, simulate.Options{}, simulate.Unknown},
		"a key that is not known for a new secret":   {`kms:GenerateDataKey","Resource":"arn:aws:kms:*:*:key/1`, ``, role, `secretsmanager:CreateSecret`, secret + `,"unknownContext":["secretsmanager:*"]`, simulate.Options{}, simulate.Unknown},
		"a database's password is a secret":          {`secretsmanager:CreateSecret`, ``, role, `rds:CreateDBInstance`, `"resource":"*","context":{"rds:ManageMasterUserPassword":["true"]}`, simulate.Options{}, simulate.Denied},
		"a session of a role under some path":        {`s3:GetObject`, onTeam, session, `s3:GetObject`, `"resource":"arn:aws:s3:::b/k"`, simulate.Options{}, simulate.Unknown},
		"a session of a role that a snapshot has":    {`s3:GetObject*`, onTeam, session, `s3:GetObject`, `"resource":"arn:aws:s3:::b/k"`, team, simulate.Denied},
		"a role, which the request names with paths": {`s3:GetObject`, onTeam, role, `s3:GetObject`, `"resource":"arn:aws:s3:::b/k"`, simulate.Options{}, simulate.Passes},
	} {
		calls, _, err := simulate.Calls("t.json", []byte(`[{"principal":"`+tt.principal+`","action":"`+tt.action+`",`+tt.rest+`}]`))
		if err != nil {
			t.Fatal(err)
		}
		statement := `"Action":"` + tt.denied + `"`
		if tt.denied[len(tt.denied)-1] != '1' {
			statement += `,"Resource":"*"`
		}
		if v := trial(t, []simulate.Candidate{denying(t, statement+tt.condition)}, tt.options).Try(calls[0]); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// A call takes each permission that AWS's documents name beside its own.
func TestARecordedCallTakesWhatItsDocumentsName(t *testing.T) {
	const (
		secret = `arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf`
		link   = `{"secretId":"` + secret + `","crossAccountReplicaARN":"arn:aws:secretsmanager:us-east-1:444455556666:secret:r-AbCdEf","replicationRoleARN":"arn:aws:iam::111122223333:role/z"}`
		tagged = `{"resourceARNList":["` + secret + `"],"tags":{"a":"b"}}`
	)
	for sentence, tt := range map[string]struct {
		statement, source, name, parameters string
		want                                simulate.Outcome
	}{
		"a link reads the secret":                 {`"Action":"secretsmanager:GetSecretValue","Resource":"` + secret + `"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Denied},
		"a link opens it":                         {`"Action":"kms:Decrypt","Resource":"*"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Denied},
		"a link is accepted":                      {`"Action":"secretsmanager:AcceptCrossAccountReplication","Resource":"arn:aws:secretsmanager:*:444455556666:*"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Denied},
		"a link writes under the replica's key":   {`"Action":"kms:Encrypt","Resource":"arn:aws:kms:*:444455556666:key/*"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Denied},
		"a link does not under one of its own":    {`"Action":"kms:Encrypt","Resource":"arn:aws:kms:*:111122223333:key/*"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Passes},
		"a link hands over a role":                {`"Action":"iam:PassRole","Resource":"*"`, "secretsmanager", "AssociateCrossAccountReplica", link, simulate.Denied},
		"a rotation by the function there is":     {`"Action":"lambda:InvokeFunction","Resource":"*"`, "secretsmanager", "RotateSecret", `{"secretId":"a"}`, simulate.Unknown},
		"a rotation with a partner's role":        {`"Action":"iam:PassRole","Resource":"*"`, "secretsmanager", "RotateSecret", `{"secretId":"a","externalSecretRotationRoleArn":"arn:aws:iam::111122223333:role/z"}`, simulate.Unknown},
		"a rotation without one":                  {`"Action":"iam:PassRole","Resource":"*"`, "secretsmanager", "RotateSecret", `{"secretId":"a"}`, simulate.Passes},
		"a replica's own key":                     {`"Action":"kms:Encrypt","Resource":"*"`, "secretsmanager", "ReplicateSecretToRegions", `{"secretId":"a","addReplicaRegions":[{"region":"eu-west-1","kmsKeyId":"alias/x"}]}`, simulate.Denied},
		"a replica under AWS's":                   {`"Action":"kms:Encrypt","Resource":"*"`, "secretsmanager", "ReplicateSecretToRegions", `{"secretId":"a","addReplicaRegions":[{"region":"eu-west-1"}]}`, simulate.Passes},
		"tags of a secret by the Tagging API":     {`"Action":"secretsmanager:TagResource","Resource":"*"`, "tagging", "TagResources", tagged, simulate.Denied},
		"one tag of it":                           {`"Action":"secretsmanager:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/a":"b"}}`, "tagging", "TagResources", tagged, simulate.Denied},
		"another one":                             {`"Action":"secretsmanager:TagResource","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"c"}}`, "tagging", "TagResources", tagged, simulate.Passes},
		"tags of what an export left out":         {`"Action":"kms:TagResource","Resource":"*"`, "tagging", "TagResources", `null`, simulate.Unknown},
		"tags that the Tagging API takes away":    {`"Action":"kms:UntagResource","Resource":"*"`, "tagging", "UntagResources", `{"resourceARNList":["arn:aws:kms:us-east-1:111122223333:key/1"],"tagKeys":["a"]}`, simulate.Denied},
		"tags of a queue, by another action":      {`"Action":"sqs:TagQueue","Resource":"*"`, "tagging", "TagResources", `{"resourceARNList":["arn:aws:sqs:us-east-1:111122223333:q"],"tags":{"a":"b"}}`, simulate.Denied},
		"what takes them away there is not known": {`"Action":"sqs:UntagQueue","Resource":"*"`, "tagging", "UntagResources", `{"resourceARNList":["arn:aws:sqs:us-east-1:111122223333:q"],"tagKeys":["a"]}`, simulate.Unknown},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), tt.parameters, ``))
		if v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, simulate.Options{}).Try(call); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}
