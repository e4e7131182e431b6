package simulate_test

import (
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/simulate"
)

// What a record has of its caller decides where a policy asks for it; what it leaves open decides nothing.
func TestARecordIsTriedAsAWhole(t *testing.T) {
	const denies = `{"Version":"2012-10-17","Statement":[{"Sid":"D","Effect":"Deny","Action":"secretsmanager:*","Resource":"*","Condition":{`
	who := func(attributes string) string {
		return `{"type":"AssumedRole","principalId":"AROAEXAMPLE:me","arn":"arn:aws:sts::111122223333:assumed-role/dev/me","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{` + attributes + `"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/team/dev"}}}`
	}
	user := `{"type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","accessKeyId":"AKIA1","userName":"ana"}`
	bare := `{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/dev/me","accountId":"111122223333","sessionContext":{"sessionIssuer":{}}}`
	linked := func(role string) string {
		return `{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForRDS/x","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + role + `"}}}`
	}
	for sentence, tt := range map[string]struct {
		condition, who, rest string
		options              simulate.Options
		want                 simulate.Outcome
	}{
		"with MFA": {`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, who(`"attributes":{"mfaAuthenticated":"true"},`), ``, simulate.Options{}, simulate.Passes},
		"without MFA, whether or not the key is there": {`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, who(`"attributes":{"mfaAuthenticated":"false"},`), ``, simulate.Options{}, simulate.Denied},
		"without MFA, where that decides":              {`"Bool":{"aws:MultiFactorAuthPresent":"false"}`, who(`"attributes":{"mfaAuthenticated":"false"},`), ``, simulate.Options{}, simulate.Unknown},
		"a user's own keys have no MFA":                {`"Bool":{"aws:MultiFactorAuthPresent":"false"}`, user, ``, simulate.Options{}, simulate.Passes},
		"through the endpoint":                         {`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`, who(``), `,"vpcEndpointId":"vpce-1"`, simulate.Options{}, simulate.Passes},
		"through another":                              {`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`, who(``), `,"vpcEndpointId":"vpce-2"`, simulate.Options{}, simulate.Denied},
		"through none":                                 {`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`, who(``), ``, simulate.Options{}, simulate.Denied},
		"through some endpoint of some VPC":            {`"StringEquals":{"aws:SourceVpc":"vpc-1"}`, who(``), `,"vpcEndpointId":"vpce-2"`, simulate.Options{}, simulate.Unknown},
		"by principal id":                              {`"StringLike":{"aws:userid":"AROAEXAMPLE:*"}`, who(``), ``, simulate.Options{}, simulate.Denied},
		"by source identity":                           {`"StringNotEquals":{"aws:SourceIdentity":"maria"}`, who(`"sourceIdentity":"maria",`), ``, simulate.Options{}, simulate.Passes},
		"without source identity":                      {`"Null":{"aws:SourceIdentity":"true"}`, who(``), ``, simulate.Options{}, simulate.Denied},
		"the issuer is the role with its path":         {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/*"}`, who(``), ``, simulate.Options{}, simulate.Denied},
		"no issuer, and a path decides":                {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/*"}`, bare, ``, simulate.Options{}, simulate.Unknown},
		"no issuer, and the name decides":              {`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/BreakGlass"}`, bare, ``, simulate.Options{}, simulate.Denied},
		"no issuer, and a snapshot knows the role":     {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/*"}`, bare, ``, simulate.Options{Principals: map[string]simulate.Principal{"111122223333/role/dev": {ARN: "arn:aws:iam::111122223333:role/team/dev"}}}, simulate.Denied},
		"one of that name that is gone":                {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/team/*"}`, bare, ``, simulate.Options{Principals: map[string]simulate.Principal{"111122223333/role/dev": {ARN: "arn:aws:iam::111122223333:role/team/dev", Former: func(string, time.Time) bool { return true }}}}, simulate.Unknown},
		"a service-linked role is known by its path":   {`"Null":{"aws:PrincipalArn":"false"}`, linked(`arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS`), ``, simulate.Options{}, simulate.Unbound},
		"and no other that has a name like one":        {`"Null":{"aws:PrincipalArn":"false"}`, linked(`arn:aws:iam::111122223333:role/AWSServiceRoleForRDS`), ``, simulate.Options{}, simulate.Denied},
		"nor one under a path like it":                 {`"Null":{"aws:PrincipalArn":"false"}`, linked(`arn:aws:iam::111122223333:role/team/aws-service-role/AWSServiceRoleForRDS`), ``, simulate.Options{}, simulate.Denied},
		"which it is without a path is not known":      {`"Null":{"aws:PrincipalArn":"false"}`, linked(``), ``, simulate.Options{}, simulate.Unknown},
		"but in a snapshot":                            {`"Null":{"aws:PrincipalArn":"false"}`, linked(``), ``, simulate.Options{Principals: map[string]simulate.Principal{"111122223333/role/AWSServiceRoleForRDS": {ARN: "arn:aws:iam::111122223333:role/AWSServiceRoleForRDS"}}}, simulate.Denied},
		"where nothing denies it, it passes":           {`"Null":{"aws:PrincipalArn":"true"}`, linked(``), ``, simulate.Options{}, simulate.Passes},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, err := simulate.ReadCandidate("candidate.json", []byte(denies+tt.condition+`}}]}`))
			if err != nil {
				t.Fatal(err)
			}
			call := recorded(t, event("secretsmanager", "DescribeSecret", tt.who, `{"secretId":"a"}`, tt.rest))
			if v := trial(t, []simulate.Candidate{c}, tt.options).Try(call); v.Outcome != tt.want {
				t.Errorf("%s, want %s: %s", v.Outcome, tt.want, v.Decision.Why)
			}
		})
	}
}

// The session of the caller goes on to KMS, and so do its conditions; the encryption context is that of the secret.
func TestTheStepsOfACallHaveTheirOwnContext(t *testing.T) {
	for sentence, tt := range map[string]struct {
		action, condition, event, parameters string
		want                                 simulate.Outcome
	}{
		"the secret is in the context":          {"kms:GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf"}`, "PutSecretValue", `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf"}`, simulate.Denied},
		"of a name its end is not known":        {"kms:GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf"}`, "PutSecretValue", `{"secretId":"a/b"}`, simulate.Unknown},
		"a key that is set is tried":            {"kms:Decrypt", `"StringEquals":{"kms:EncryptionContext:SecretVersionId":"RequestToValidateKeyAccess"}`, "UpdateSecret", `{"secretId":"a/b","kmsKeyId":"alias/app"}`, simulate.Denied},
		"a value is written under its token":    {"kms:GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:SecretVersionId":"t-1"}`, "PutSecretValue", `{"secretId":"a/b","clientRequestToken":"t-1"}`, simulate.Denied},
		"a read decrypts through the service":   {"kms:Decrypt", `"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com"}`, "GetSecretValue", `{"secretId":"a/b"}`, simulate.Denied},
		"a description is no use of a key":      {"kms:*", `"Bool":{"aws:ViaAWSService":"true"}`, "DescribeSecret", `{"secretId":"a/b"}`, simulate.Passes},
		"a service calls for the principal":     {"kms:GenerateDataKey", `"Bool":{"aws:ViaAWSService":"false"}`, "PutSecretValue", `{"secretId":"a/b"}`, simulate.Passes},
		"a customer's aliases may be any other": {"kms:GenerateDataKey", `"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/legacy-*"}`, "CreateSecret", `{"name":"rds!b","kmsKeyId":"alias/app"}`, simulate.Unknown},
	} {
		c, err := simulate.ReadCandidate("candidate.json", []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"D","Effect":"Deny","Action":"`+tt.action+`","Resource":"*","Condition":{`+tt.condition+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		call := recorded(t, event("secretsmanager", tt.event, role("111122223333", "app"), tt.parameters, ``))
		v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(call)
		if v.Outcome != tt.want || tt.want == simulate.Denied && v.Step != tt.action {
			t.Errorf("%s: %s at %q, want %s: %s", sentence, v.Outcome, v.Step, tt.want, v.Decision.Why)
		}
	}
}

// The layer that stops choosing the AWS managed key is unclear until AWS was asked, and leaves what is under that key alone.
func TestChoosingTheManagedKeyIsAsClosedAsAWSSays(t *testing.T) {
	scps, err := preventive.SCPs(settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", ManagementAccount: "111111111111", SecurityAccount: "222222222222"},
		Regions:      settings.Regions{Home: "us-east-1", Guarded: []string{"us-east-1"}},
		Rollout:      []settings.RolloutStage{{Targets: []string{"r-ab12"}, SCP: true, DenyDefaultKey: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := simulate.Candidates(scps)
	if err != nil {
		t.Fatal(err)
	}
	const (
		named, empty = "move to the managed key's own ARN", `move by an empty key ("")`
		replica      = "add a replica that names no key"
		legacy, rds  = "new value of a secret that is still on the managed key", "a secret that RDS creates and owns"
	)
	all := func(write bool) (answers []simulate.Answer) {
		for _, way := range []simulate.Way{simulate.ByName, simulate.ByEmpty, simulate.ByReplica} {
			answers = append(answers, simulate.Answer{Layer: simulate.Trials, Way: way, Question: string(way), Stops: true})
		}
		return append(answers, simulate.Answer{Layer: simulate.Trials, Way: simulate.ByWrite, Question: "write", Stops: write})
	}
	none := all(false)
	for n := range none {
		none[n].Stops = false
	}
	for sentence, tt := range map[string]struct {
		answers []simulate.Answer
		want    map[string]policy.Answer
	}{
		"nobody has asked": {nil, map[string]policy.Answer{named: policy.Unknown, empty: policy.Unknown, replica: policy.Unknown, legacy: policy.Allowed, rds: policy.Unknown}},
		"it tries every key": {all(false), map[string]policy.Answer{named: policy.ExplicitlyDenied, empty: policy.ExplicitlyDenied,
			replica: policy.ExplicitlyDenied, legacy: policy.Allowed, rds: policy.Unknown}},
		"it tries none":                  {none, map[string]policy.Answer{named: policy.Allowed, replica: policy.Allowed, legacy: policy.Allowed, rds: policy.Unknown}},
		"it tries the key of each write": {all(true)[3:], map[string]policy.Answer{legacy: policy.ExplicitlyDenied, rds: policy.Unknown}},
	} {
		found := map[string]policy.Answer{}
		for _, p := range trial(t, candidates, simulate.Options{Answers: tt.answers}).Probe("111122223333", "us-east-1", preventive.Approvals{}) {
			found[p.Probe.Name] = p.Open
			if p.Probe.Honest && p.Probe.Name != rds && p.Open != policy.Allowed {
				t.Errorf("%s: %s is %s: %s", sentence, p.Probe.Name, p.Open, p.Why)
			}
		}
		for name, want := range tt.want {
			if found[name] != want {
				t.Errorf("%s: %s is %s, want %s", sentence, name, found[name], want)
			}
		}
	}
	back := recorded(t, event("secretsmanager", "UpdateSecret", role("111122223333", "doublelock-change"), `{"secretId":"a","kmsKeyId":""}`, ``))
	if v := trial(t, candidates, simulate.Options{Answers: all(false)}).Try(back); v.Outcome != simulate.Exempt {
		t.Errorf("the way back is %s: %s", v.Outcome, v.Decision.Why)
	}
}

// An RCP binds whoever comes, so calls from outside are tried, and ways in from there.
func TestThePerimeterIsTriedFromOutside(t *testing.T) {
	policies, err := preventive.Policies(settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", ManagementAccount: "111111111111", SecurityAccount: "222222222222"},
		Regions:      settings.Regions{Home: "us-east-1", Guarded: []string{"us-east-1"}},
		Rollout:      []settings.RolloutStage{{Targets: []string{"r-ab12"}, Perimeter: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := simulate.Candidates(policies)
	if err != nil || len(candidates) != 1 || candidates[0].Type != policy.TypeRCP {
		t.Fatalf("%+v, %v", candidates, err)
	}
	tried := trial(t, candidates, simulate.Options{Organization: "o-exampleorgid", Members: []string{"444455556666"}})
	outside := 0
	for _, p := range tried.Probe("111122223333", "us-east-1", preventive.Approvals{}) {
		if silent := p.Probe.Name == "a service that may send none reads it for a stranger"; silent != (p.Open == policy.Unknown) {
			t.Errorf("%s: %s, but only a service that may send no aws:SourceAccount is unclear", p.Probe.Name, p.Open)
		}
		if p.Open != policy.ExplicitlyDenied {
			continue
		}
		if p.Statement == "doublelock-perimeter/OutsideOrganization" || p.Statement == "doublelock-perimeter/ForOutsiders" {
			outside++
		}
		if p.Probe.Honest {
			t.Errorf("%s: %s %s", p.Probe.Name, p.Open, p.Why)
		}
	}
	if outside != 4 {
		t.Errorf("%d ways in from outside are closed, want 4", outside)
	}
	for account, want := range map[string]simulate.Outcome{"111122223333": simulate.Passes, "444455556666": simulate.Passes, "999999999999": simulate.Unknown} {
		call := recorded(t, event("secretsmanager", "GetSecretValue", role(account, "app"), `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"}`, ``))
		if v := tried.Try(call); v.Outcome != want {
			t.Errorf("account %s: %s, want %s: %s", account, v.Outcome, want, v.Decision.Why)
		}
	}
}
