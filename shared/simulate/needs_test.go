package simulate_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/simulate"
)

func denying(t *testing.T, statement string) simulate.Candidate {
	t.Helper()
	c, err := simulate.ReadCandidate("candidate.json", []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"D","Effect":"Deny",`+statement+`}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A call takes every permission that AWS documents for it, not its own alone. Sources: Service Authorization Reference, Secrets
// Manager, API operations; Secrets Manager API Reference, "Required permissions" of each; KMS Developer Guide, "AWS KMS permissions";
// RDS User Guide and Redshift Management Guide, "Permissions required for Secrets Manager integration"; EventBridge User Guide,
// "Using roles to create secrets for API destinations", and AmazonEventBridgeFullAccess, which each have the rights.
func TestACallTakesAllPermissionsThatItsParametersAskFor(t *testing.T) {
	const anywhere = `,"Resource":"*"`
	const key, other = "arn:aws:kms:us-east-1:111122223333:key/1", "arn:aws:kms:us-east-1:111122223333:key/2"
	for sentence, tt := range map[string]struct {
		statement, source, name, parameters string
		want                                simulate.Outcome
		step                                string
	}{
		"tags of a new secret":                        {`"Action":"secretsmanager:TagResource"` + anywhere, "secretsmanager", "CreateSecret", `{"name":"a","tags":[{"key":"Owner","value":"x"}]}`, simulate.Denied, "secretsmanager:TagResource"},
		"a new secret without tags":                   {`"Action":"secretsmanager:TagResource"` + anywhere, "secretsmanager", "CreateSecret", `{"name":"a","tags":[]}`, simulate.Passes, ""},
		"a tag that is let through":                   {`"Action":"secretsmanager:TagResource"` + anywhere + `,"Condition":{"StringNotEquals":{"aws:RequestTag/Owner":"x"}}`, "secretsmanager", "CreateSecret", `{"name":"a","tags":[{"key":"Owner","value":"x"}]}`, simulate.Passes, ""},
		"replicas of a new secret":                    {`"Action":"secretsmanager:ReplicateSecretToRegions"` + anywhere, "secretsmanager", "CreateSecret", `{"name":"a","addReplicaRegions":[{"region":"eu-west-1"}]}`, simulate.Denied, "secretsmanager:ReplicateSecretToRegions"},
		"replicas in a Region that is let":            {`"Action":"secretsmanager:ReplicateSecretToRegions"` + anywhere + `,"Condition":{"ForAnyValue:StringNotEquals":{"secretsmanager:AddReplicaRegions":"eu-west-1"}}`, "secretsmanager", "CreateSecret", `{"name":"a","addReplicaRegions":[{"region":"eu-west-1"}]}`, simulate.Passes, ""},
		"each secret of a batch":                      {`"Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:b-??????"`, "secretsmanager", "BatchGetSecretValue", `{"secretIdList":["a","b"]}`, simulate.Denied, "secretsmanager:GetSecretValue"},
		"a batch of others":                           {`"Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:c-??????"`, "secretsmanager", "BatchGetSecretValue", `{"secretIdList":["a","b"]}`, simulate.Passes, ""},
		"a batch by filters lists":                    {`"Action":"secretsmanager:ListSecrets"` + anywhere, "secretsmanager", "BatchGetSecretValue", `{"filters":[{"key":"tag-key","values":["x"]}]}`, simulate.Denied, "secretsmanager:ListSecrets"},
		"a batch by filters of another account":       {`"Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:999999999999:secret:*"`, "secretsmanager", "BatchGetSecretValue", `{"filters":[{"key":"tag-key","values":["x"]}]}`, simulate.Passes, ""},
		"a batch of which no parameters are there":    {`"Action":"secretsmanager:GetSecretValue"` + anywhere, "secretsmanager", "BatchGetSecretValue", `null`, simulate.Unknown, "secretsmanager:GetSecretValue"},
		"a batch by filters of which secrets":         {`"Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:c"`, "secretsmanager", "BatchGetSecretValue", `{"filters":[{"key":"tag-key","values":["x"]}]}`, simulate.Unknown, "secretsmanager:GetSecretValue"},
		"a rotation invokes its function":             {`"Action":"lambda:InvokeFunction"` + anywhere, "secretsmanager", "RotateSecret", `{"secretId":"a","rotationLambdaARN":"arn:aws:lambda:us-east-1:111122223333:function:f"}`, simulate.Denied, "lambda:InvokeFunction"},
		"a new key encrypts what is there, if it may": {`"Action":"kms:Encrypt"` + anywhere, "secretsmanager", "UpdateSecret", `{"secretId":"a","kmsKeyId":"` + key + `"}`, simulate.Unknown, "kms:Encrypt"},
		"the source of a re-encryption":               {`"Action":"kms:ReEncryptFrom","Resource":"` + key + `"`, "kms", "ReEncrypt", `{"sourceKeyId":"` + key + `","destinationKeyId":"` + other + `"}`, simulate.Denied, "kms:ReEncryptFrom"},
		"its destination":                             {`"Action":"kms:ReEncryptTo","Resource":"` + other + `"`, "kms", "ReEncrypt", `{"sourceKeyId":"` + key + `","destinationKeyId":"` + other + `"}`, simulate.Denied, "kms:ReEncryptTo"},
		"the alias of a key":                          {`"Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:alias/prod"`, "kms", "CreateAlias", `{"aliasName":"alias/prod","targetKeyId":"1"}`, simulate.Denied, "kms:CreateAlias"},
		"the key that an alias led to":                {`"Action":"kms:UpdateAlias","Resource":"` + other + `"`, "kms", "UpdateAlias", `{"aliasName":"alias/prod","targetKeyId":"1"}`, simulate.Unknown, "kms:UpdateAlias"},
		"tags of a new key":                           {`"Action":"kms:TagResource"` + anywhere, "kms", "CreateKey", `{"tags":[{"tagKey":"a","tagValue":"b"}]}`, simulate.Denied, "kms:TagResource"},
		"a replica key is made where it is":           {`"Action":"kms:CreateKey"` + anywhere + `,"Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}`, "kms", "ReplicateKey", `{"keyId":"mrk-1","replicaRegion":"eu-west-1"}`, simulate.Denied, "kms:CreateKey"},
		"a database whose password RDS keeps":         {`"Action":"secretsmanager:CreateSecret"` + anywhere, "rds", "CreateDBInstance", `{"dBInstanceIdentifier":"d","manageMasterUserPassword":true}`, simulate.Denied, "secretsmanager:CreateSecret"},
		"a cluster, and of DocumentDB":                {`"Action":"secretsmanager:CreateSecret"` + anywhere, "rds", "CreateDBCluster", `{"dBClusterIdentifier":"d","engine":"docdb","manageMasterUserPassword":true}`, simulate.Denied, "secretsmanager:CreateSecret"},
		"a restored one":                              {`"Action":"secretsmanager:CreateSecret"` + anywhere, "rds", "RestoreDBInstanceFromS3", `{"manageMasterUserPassword":true}`, simulate.Denied, "secretsmanager:CreateSecret"},
		"one that keeps its password itself":          {`"Action":"secretsmanager:CreateSecret"` + anywhere, "rds", "CreateDBInstance", `{"dBInstanceIdentifier":"d","manageMasterUserPassword":false}`, simulate.Passes, ""},
		"one that is changed, if RDS kept it before":  {`"Action":"secretsmanager:CreateSecret"` + anywhere, "rds", "ModifyDBInstance", `{"dBInstanceIdentifier":"d","manageMasterUserPassword":true}`, simulate.Unknown, "secretsmanager:CreateSecret"},
		"its tags":                                            {`"Action":"secretsmanager:TagResource"` + anywhere, "rds", "CreateDBInstance", `{"manageMasterUserPassword":true}`, simulate.Denied, "secretsmanager:TagResource"},
		"a password that RDS changes":                         {`"Action":"secretsmanager:RotateSecret"` + anywhere, "rds", "ModifyDBInstance", `{"rotateMasterUserPassword":true}`, simulate.Denied, "secretsmanager:RotateSecret"},
		"a warehouse of Redshift":                             {`"Action":"secretsmanager:CreateSecret"` + anywhere, "redshift", "CreateCluster", `{"clusterIdentifier":"d","manageMasterPassword":true}`, simulate.Denied, "secretsmanager:CreateSecret"},
		"one without servers":                                 {`"Action":"secretsmanager:CreateSecret"` + anywhere, "redshift-serverless", "CreateNamespace", `{"namespaceName":"d","manageAdminPassword":true}`, simulate.Denied, "secretsmanager:CreateSecret"},
		"under a key that its policy keeps":                   {`"Action":"kms:CreateGrant","Resource":"` + key + `"`, "rds", "CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"` + key + `"}`, simulate.Denied, "kms:CreateGrant"},
		"a secret of a service is excepted by its name":       {`"Action":"secretsmanager:CreateSecret","NotResource":"arn:aws:secretsmanager:*:*:secret:*!*"`, "rds", "CreateDBInstance", `{"manageMasterUserPassword":true}`, simulate.Passes, ""},
		"a connector of AppFlow":                              {`"Action":"secretsmanager:CreateSecret"` + anywhere, "appflow", "CreateConnectorProfile", `{"connectorProfileName":"x"}`, simulate.Unknown, "secretsmanager:CreateSecret"},
		"a secret of a service under a name that it may have": {`"Action":"secretsmanager:CreateSecret","Resource":"arn:aws:secretsmanager:*:*:secret:rds!cluster-*"`, "rds", "CreateDBCluster", `{"manageMasterUserPassword":true}`, simulate.Unknown, "secretsmanager:CreateSecret"},
		"a connection of EventBridge that is changed":         {`"Action":"secretsmanager:UpdateSecret"` + anywhere, "events", "UpdateConnection", `{"name":"x"}`, simulate.Unknown, "secretsmanager:UpdateSecret"},
		"a connection of EventBridge":                         {`"Action":"secretsmanager:CreateSecret"` + anywhere, "events", "CreateConnection", `{"name":"x"}`, simulate.Unknown, "secretsmanager:CreateSecret"},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), tt.parameters, ``))
		v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, simulate.Options{}).Try(call)
		if v.Outcome != tt.want || v.Step != tt.step {
			t.Errorf("%s: %s at %q, want %s at %q: %s", sentence, v.Outcome, v.Step, tt.want, tt.step, v.Decision.Why)
		}
	}
	rds := recorded(t, event("rds", "CreateDBInstance", role("111122223333", "app"), `{"manageMasterUserPassword":true}`, ``))
	if v := trial(t, configured(t, true), simulate.Options{}).Try(rds); v.Outcome != simulate.Denied || v.Statement != "doublelock-kms/DefaultKeyUse" || v.Step != "kms:GenerateDataKey" {
		t.Errorf("under the KMS layer a database whose password RDS keeps is %s by %s at %s: %s", v.Outcome, v.Statement, v.Step, v.Decision.Why)
	}
	if v := trial(t, configured(t, false), simulate.Options{}).Try(rds); v.Outcome != simulate.Passes {
		t.Errorf("before it, %s: %s", v.Outcome, v.Decision.Why)
	}
}

// Every condition key that is a parameter is in the record. Source: Service Authorization Reference, KMS, STS, IAM and Secrets
// Manager.
func TestTheConditionKeysOfParametersAreInTheRecord(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:111122223333:key/1"
	for sentence, tt := range map[string]struct {
		source, name, parameters, condition string
		passes                              string // parameters with which it passes; "" is not tried
	}{
		"the days until a key is gone":    {"kms", "ScheduleKeyDeletion", `{"keyId":"1","pendingWindowInDays":7}`, `"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, `{"keyId":"1","pendingWindowInDays":30}`},
		"the days until then, by default": {"kms", "ScheduleKeyDeletion", `{"keyId":"1","pendingWindowInDays":7}`, `"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, `{"keyId":"1"}`},
		"what a key is by default":        {"kms", "CreateKey", `{"keySpec":"RSA_2048"}`, `"StringNotEqualsIfExists":{"kms:KeySpec":"SYMMETRIC_DEFAULT"},"Null":{"kms:KeySpec":"false"}`, `{}`},
		"how often a key rotates":         {"kms", "EnableKeyRotation", `{"keyId":"1","rotationPeriodInDays":2560}`, `"NumericGreaterThan":{"kms:RotationPeriodInDays":"365"}`, `{"keyId":"1","rotationPeriodInDays":90}`},
		"a lockout that is allowed":       {"kms", "PutKeyPolicy", `{"keyId":"1","bypassPolicyLockoutSafetyCheck":true}`, `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, `{"keyId":"1","bypassPolicyLockoutSafetyCheck":false}`},
		"a key of many Regions":           {"kms", "CreateKey", `{"multiRegion":true}`, `"Bool":{"kms:MultiRegion":"true"}`, `{"multiRegion":false}`},
		"where its material is from":      {"kms", "CreateKey", `{"origin":"EXTERNAL"}`, `"StringNotEquals":{"kms:KeyOrigin":"AWS_KMS"}`, `{"origin":"AWS_KMS"}`},
		"who gets a grant":                {"kms", "CreateGrant", `{"keyId":"1","granteePrincipal":"arn:aws:iam::999999999999:root","operations":["Decrypt"]}`, `"StringLike":{"kms:GranteePrincipal":"arn:aws:iam::999999999999:*"}`, `{"keyId":"1","granteePrincipal":"arn:aws:iam::111122223333:role/a"}`},
		"what a grant allows":             {"kms", "CreateGrant", `{"keyId":"1","operations":["Decrypt","CreateGrant"]}`, `"ForAnyValue:StringEquals":{"kms:GrantOperations":"CreateGrant"}`, `{"keyId":"1","operations":["Decrypt"]}`},
		"a grant without a constraint":    {"kms", "CreateGrant", `{"keyId":"1","operations":["Decrypt"]}`, `"Null":{"kms:GrantConstraintType":"true"}`, `{"keyId":"1","constraints":{"encryptionContextSubset":{"a":"b"}}}`},
		"an alias by its ARN":             {"kms", "Decrypt", `{"keyId":"arn:aws:kms:us-east-1:111122223333:alias/prod"}`, `"StringEquals":{"kms:RequestAlias":"alias/prod"}`, `{"keyId":"` + key + `"}`},
		"how something is signed":         {"kms", "Sign", `{"keyId":"1","signingAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}`, `"StringLike":{"kms:SigningAlgorithm":"RSASSA_PKCS1*"}`, `{"keyId":"1","signingAlgorithm":"RSASSA_PSS_SHA_512"}`},
		"where a key is replicated to":    {"kms", "ReplicateKey", `{"keyId":"mrk-1","replicaRegion":"ap-east-1"}`, `"StringNotEquals":{"kms:ReplicaRegion":"eu-west-1"}`, `{"keyId":"mrk-1","replicaRegion":"eu-west-1"}`},
		"which tags are taken away":       {"kms", "UntagResource", `{"keyId":"1","tagKeys":["Owner"]}`, `"ForAnyValue:StringEquals":{"aws:TagKeys":"Owner"}`, `{"keyId":"1","tagKeys":["x"]}`},
		"and from a secret":               {"secretsmanager", "UntagResource", `{"secretId":"a","tagKeys":["Owner"]}`, `"ForAnyValue:StringEquals":{"aws:TagKeys":"Owner"}`, `{"secretId":"a","tagKeys":["x"]}`},
		"the id outside of a trust":       {"sts", "AssumeRole", `{"roleArn":"arn:aws:iam::111122223333:role/a","externalId":"7"}`, `"StringEquals":{"sts:ExternalId":"7"}`, `{"roleArn":"arn:aws:iam::111122223333:role/a"}`},
		"the name of a session":           {"sts", "AssumeRole", `{"roleArn":"arn:aws:iam::111122223333:role/a","roleSessionName":"eve"}`, `"StringLike":{"sts:RoleSessionName":"eve*"}`, `{"roleArn":"arn:aws:iam::111122223333:role/a","roleSessionName":"ana"}`},
		"which policy is attached":        {"iam", "AttachRolePolicy", `{"roleName":"a","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`, `"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AdministratorAccess"}`, `{"roleName":"a","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}`},
	} {
		c := denying(t, `"Action":"`+tt.source+`:`+tt.name+`","Resource":"*","Condition":{`+tt.condition+`}`)
		for parameters, want := range map[string]simulate.Outcome{tt.parameters: simulate.Denied, tt.passes: simulate.Passes} {
			call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), parameters, ``))
			if v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(call); v.Outcome != want {
				t.Errorf("%s: %s is %s, want %s: %s", sentence, parameters, v.Outcome, want, v.Decision.Why)
			}
		}
	}
	for sentence, tt := range map[string]struct{ source, name, parameters, action, resource string }{
		"the role that is assumed":   {"sts", "AssumeRole", `{"roleArn":"arn:aws:iam::111122223333:role/prod"}`, "sts:AssumeRole", "arn:aws:iam::111122223333:role/prod"},
		"the trail that is stopped":  {"cloudtrail", "StopLogging", `{"name":"org"}`, "cloudtrail:StopLogging", "arn:aws:cloudtrail:*:*:trail/org"},
		"the policy that is changed": {"iam", "CreatePolicyVersion", `{"policyArn":"arn:aws:iam::111122223333:policy/p"}`, "iam:CreatePolicyVersion", "arn:aws:iam::111122223333:policy/p"},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), tt.parameters, ``))
		for resource, want := range map[string]simulate.Outcome{tt.resource: simulate.Denied, tt.resource + "x": simulate.Passes} {
			c := denying(t, `"Action":"`+tt.action+`","Resource":"`+resource+`"`)
			if v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(call); v.Outcome != want {
				t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, want, v.Decision.Why)
			}
		}
	}
}

// What a query did not select may be anything, and so may parameters that CloudTrail left out for their size.
// Source: CloudTrail User Guide, "CloudTrail record contents", requestParameters.
func TestACallOfWhichColumnsAreMissingIsNotJudgedByThem(t *testing.T) {
	row := func(columns, cells string) string {
		return "eventname,eventsource,errorcode," + columns + "\nCreateSecret,secretsmanager.amazonaws.com,," + cells
	}
	const who = `"{type=AssumedRole, arn=arn:aws:sts::111122223333:assumed-role/app/x, accountid=111122223333, sessioncontext={sessionissuer={type=Role, arn=arn:aws:iam::111122223333:role/app}}}"`
	for sentence, tt := range map[string]struct {
		in, condition string
		want          simulate.Outcome
	}{
		"its parameters":                {row("useridentity,awsregion", who+",us-east-1"), `"Null":{"secretsmanager:KmsKeyId":"true"}`, simulate.Unknown},
		"parameters that are there":     {row("useridentity,awsregion,requestparameters", who+`,us-east-1,{name=a}`), `"Null":{"secretsmanager:KmsKeyId":"true"}`, simulate.Denied},
		"its Region":                    {row("useridentity,requestparameters", who+`,{name=a}`), `"StringNotEquals":{"aws:RequestedRegion":"us-east-1"}`, simulate.Unknown},
		"where it came from":            {row("useridentity,awsregion,requestparameters", who+`,us-east-1,{name=a}`), `"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, simulate.Unknown},
		"who called":                    {row("awsregion,requestparameters", `us-east-1,{name=a}`), `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/app"}`, simulate.Unknown},
		"who called, where nobody may":  {row("awsregion,recipientaccountid,requestparameters", `us-east-1,111122223333,{name=a}`), `"StringLike":{"secretsmanager:Name":"a"}`, simulate.Denied},
		"parameters that were left out": {event("secretsmanager", "CreateSecret", role("111122223333", "app"), `null`, ``), `"Null":{"secretsmanager:KmsKeyId":"true"}`, simulate.Unknown},
		"parameters that were omitted":  {event("secretsmanager", "CreateSecret", role("111122223333", "app"), `{"omitted":true,"originalSize":111563}`, ``), `"Null":{"secretsmanager:KmsKeyId":"true"}`, simulate.Unknown},
	} {
		c := denying(t, `"Action":"secretsmanager:CreateSecret","Resource":"*","Condition":{`+tt.condition+`}`)
		if v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(recorded(t, tt.in)); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// The owner of a resource has records of callers from other accounts without their ARN: an RCP binds them, and an SCP where their
// account is in the organization. Sources: CloudTrail User Guide, "CloudTrail userIdentity element"; AWS Organizations User Guide,
// "Resource control policies" and "SCP evaluation".
func TestACallerFromAnotherAccountIsTried(t *testing.T) {
	const rcp = `"Principal":"*","Action":["secretsmanager:*","kms:*"],"Resource":"*"`
	const scp = `"Action":["secretsmanager:*","kms:*"],"Resource":"*"`
	outsider := `{"type":"AWSAccount","principalId":"AROAEXAMPLE:x","accountId":"888877776666"}`
	for sentence, tt := range map[string]struct {
		who, statement string
		members        []string
		want           simulate.Outcome
	}{
		"an RCP stops everybody":                   {outsider, rcp, nil, simulate.Denied},
		"one that lets members may":                {outsider, rcp + `,"Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"}}`, nil, simulate.Unknown},
		"and lets them":                            {outsider, rcp + `,"Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"}}`, []string{"888877776666"}, simulate.Passes},
		"one that lets a partner lets it":          {outsider, rcp + `,"Condition":{"StringNotEquals":{"aws:PrincipalAccount":"888877776666"}}`, nil, simulate.Passes},
		"who it is has no ARN":                     {outsider, rcp + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::888877776666:role/a"}}`, nil, simulate.Unknown},
		"whoever did not sign":                     {`{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}`, rcp, nil, simulate.Denied},
		"an SCP binds a member":                    {outsider, scp, []string{"888877776666"}, simulate.Denied},
		"and whether it binds others is not known": {outsider, scp, nil, simulate.Unknown},
		"nor of a role that is named":              {role("888877776666", "app"), scp, nil, simulate.Unknown},
		"the account's own role is bound":          {role("111122223333", "app"), scp, nil, simulate.Denied},
	} {
		for name, source := range map[string]string{"GetSecretValue": "secretsmanager", "Decrypt": "kms"} {
			call := recorded(t, event(source, name, tt.who, `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf","keyId":"arn:aws:kms:us-east-1:111122223333:key/1"}`, ``))
			v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, simulate.Options{Organization: "o-exampleorgid", Members: tt.members}).Try(call)
			if v.Outcome != tt.want {
				t.Errorf("%s: %s is %s, want %s: %s", sentence, name, v.Outcome, tt.want, v.Decision.Why)
			}
		}
	}
	tally := simulate.NewTally(nil)
	call := recorded(t, event("secretsmanager", "GetSecretValue", outsider, `{"secretId":"a"}`, ``))
	tally.Add(call, trial(t, []simulate.Candidate{denying(t, rcp)}, simulate.Options{}).Try(call))
	if groups := tally.Groups(); len(groups) != 1 || !groups[0].Breaks() || !strings.Contains(groups[0].Principal, "888877776666") {
		t.Errorf("nobody is named: %+v", groups)
	}
}
