package simulate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/simulate"
)

const (
	namedARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
	anyARN   = "arn:aws:secretsmanager:*:*:secret:"
)

// before is a secret that was there before the calls that event makes.
func before(name, end string) guard.Secret {
	return guard.Secret{ARN: namedARN + name + "-" + end, Name: name, CreatedAt: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
}

// A secret's ARN ends with six characters that nobody chooses, which a call by name, or by an ARN without them, does not record: what the
// candidates say of the whole ARN decides, and is not known where it depends on them.
// Source: Service Authorization Reference, Secrets Manager, resource type Secret; User Guide, "Secret ARN … -??????".
func TestASecretIsTriedByItsWholeARN(t *testing.T) {
	snapshot := simulate.Options{Secrets: []guard.Secret{before("x/y", "AbCdEf")}}
	twice := simulate.Options{Secrets: []guard.Secret{before("x/y", "AbCdEf"), before("x/y", "zzzzzz")}}
	alike := simulate.Options{Secrets: []guard.Secret{before("x/y-abcdef", "111111")}}
	deny := func(resource string) string {
		return `"Action":"secretsmanager:*","Resource":"` + anyARN + resource + `"`
	}
	allBut := func(resource string) string {
		return `"Action":"secretsmanager:*","NotResource":"` + anyARN + resource + `"`
	}
	for sentence, tt := range map[string]struct {
		statement, call, id string
		options             simulate.Options
		want                simulate.Outcome
	}{
		"six of any":                             {deny("x/y-??????"), "GetSecretValue", "x/y", simulate.Options{}, simulate.Denied},
		"any end":                                {deny("x/y-*"), "PutSecretValue", "x/y", simulate.Options{}, simulate.Denied},
		"a folder":                               {deny("x/*"), "DescribeSecret", "x/y", simulate.Options{}, simulate.Denied},
		"without them, which no secret is":       {deny("x/y"), "GetSecretValue", "x/y", simulate.Options{}, simulate.Passes},
		"certain ones":                           {deny("x/y-AbCdEf"), "GetSecretValue", "x/y", simulate.Options{}, simulate.Unknown},
		"ones that begin so":                     {deny("x/y-Ab*"), "DeleteSecret", "x/y", simulate.Options{}, simulate.Unknown},
		"ones that end so":                       {deny("x/y*Ef"), "RotateSecret", "x/y", simulate.Options{}, simulate.Unknown},
		"certain ones that a snapshot knows":     {deny("x/y-AbCdEf"), "GetSecretValue", "x/y", snapshot, simulate.Denied},
		"others than a snapshot knows":           {deny("x/y-zzzzzz"), "GetSecretValue", "x/y", snapshot, simulate.Passes},
		"one of two that it knows":               {deny("x/y-AbCdEf"), "GetSecretValue", "x/y", twice, simulate.Unknown},
		"a name of another that is longer":       {deny("x/y-abcdef"), "GetSecretValue", "x/y", alike, simulate.Unknown},
		"all but certain ones":                   {allBut("x/y-AbCdEf"), "GetSecretValue", "x/y", simulate.Options{}, simulate.Unknown},
		"all but six of any":                     {allBut("x/y-??????"), "GetSecretValue", "x/y", simulate.Options{}, simulate.Passes},
		"a name that ends like an ARN":           {deny("app-abcdef-*"), "GetSecretValue", "app-abcdef", simulate.Options{}, simulate.Denied},
		"and is none":                            {deny("app-??????"), "GetSecretValue", "app-abcdef", simulate.Options{}, simulate.Passes},
		"an ARN without them":                    {deny("x/y-??????"), "UpdateSecret", namedARN + "x/y", simulate.Options{}, simulate.Denied},
		"an ARN without them, and certain ones":  {deny("x/y-AbCdEf"), "UpdateSecret", namedARN + "x/y", simulate.Options{}, simulate.Unknown},
		"a whole ARN":                            {deny("x/y-AbCdEf"), "UpdateSecret", namedARN + "x/y-AbCdEf", simulate.Options{}, simulate.Denied},
		"a whole ARN of another":                 {deny("x/y-AbCdEf"), "UpdateSecret", namedARN + "x/y-zzzzzz", simulate.Options{}, simulate.Passes},
		"a batch, each":                          {deny("x/y-??????"), "BatchGetSecretValue", "x/y", simulate.Options{}, simulate.Denied},
		"one that is yet to be, by any end":      {deny("x/*"), "CreateSecret", "x/y", simulate.Options{}, simulate.Denied},
		"one that is yet to be, by six of any":   {deny("x/y-??????"), "CreateSecret", "x/y", simulate.Options{}, simulate.Unknown},
		"the context of the key, of certain one": {`"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"` + namedARN + `app-abcdef"}}`, "GetSecretValue", "app-abcdef", simulate.Options{}, simulate.Unknown},
	} {
		parameters := `{"secretId":"` + tt.id + `"}`
		switch tt.call {
		case "BatchGetSecretValue":
			parameters = `{"secretIdList":["a/b","` + tt.id + `"]}`
		case "CreateSecret":
			parameters = `{"name":"` + tt.id + `"}`
		}
		call := recorded(t, event("secretsmanager", tt.call, role("111122223333", "app"), parameters, ``))
		if v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, tt.options).Try(call); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// A request through a VPC endpoint has aws:VpcSourceIp in place of aws:SourceIp. Source: IAM User Guide, "AWS global condition context keys".
func TestAnAddressBehindAnEndpointIsNoSourceIP(t *testing.T) {
	const behind, from = `,"vpcEndpointId":"vpce-1","sourceIPAddress":"10.1.1.1"`, `,"sourceIPAddress":"10.1.1.1"`
	for sentence, tt := range map[string]struct {
		condition, rest string
		want            simulate.Outcome
	}{
		"not from the network":             {`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, behind, simulate.Denied},
		"from the network":                 {`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, behind, simulate.Passes},
		"from nowhere":                     {`"Null":{"aws:SourceIp":"true"}`, behind, simulate.Denied},
		"from the network of the VPC":      {`"IpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}`, behind, simulate.Denied},
		"not from that":                    {`"NotIpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}`, behind, simulate.Passes},
		"from the network, by no endpoint": {`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, from, simulate.Denied},
	} {
		call := recorded(t, event("secretsmanager", "DescribeSecret", role("111122223333", "app"), `{"secretId":"a"}`, tt.rest))
		if v := trial(t, []simulate.Candidate{denying(t, `"Action":"secretsmanager:*","Resource":"*","Condition":{`+tt.condition+`}`)}, simulate.Options{}).Try(call); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// A read that asks for no label gets AWSCURRENT; whether it has the condition key then is not documented.
// Source: Secrets Manager API Reference, GetSecretValue, VersionStage.
func TestAReadWithoutALabelMayHaveTheKeyOfOne(t *testing.T) {
	for condition, want := range map[string]simulate.Outcome{`"StringNotEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}`: simulate.Unknown, `"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}`: simulate.Unknown,
		`"StringEquals":{"secretsmanager:VersionStage":"AWSPREVIOUS"}`: simulate.Passes} {
		call := recorded(t, event("secretsmanager", "GetSecretValue", role("111122223333", "app"), `{"secretId":"a"}`, ``))
		if v := trial(t, []simulate.Candidate{denying(t, `"Action":"secretsmanager:*","Resource":"*","Condition":{`+condition+`}`)}, simulate.Options{}).Try(call); v.Outcome != want {
			t.Errorf("%s: %s, want %s: %s", condition, v.Outcome, want, v.Decision.Why)
		}
	}
}

// An RCP binds resources of the organization's own accounts, no AWS managed key, and whether it binds a call that makes its resource no
// page of AWS says. Source: AWS Organizations User Guide, "Resource control policies".
func TestAnRCPIsTriedOnWhatItBinds(t *testing.T) {
	rcp, err := simulate.ReadCandidate("rcp.json", []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"D","Effect":"Deny","Principal":"*","Action":["secretsmanager:*","kms:*"],"Resource":"*"}]}`))
	if err != nil || rcp.Type != policy.TypeRCP {
		t.Fatal(rcp.Type, err)
	}
	const key = "arn:aws:kms:us-east-1:111122223333:key/1"
	known := func(by guard.KeyManager) simulate.Options {
		return simulate.Options{Keys: map[string]guard.Key{key: {ARN: key, Manager: by}}}
	}
	const foreign = `{"secretId":"arn:aws:secretsmanager:us-east-1:888877776666:secret:f-AbCdEf"}`
	for sentence, tt := range map[string]struct {
		source, name, parameters string
		options                  simulate.Options
		want                     simulate.Outcome
	}{
		"a secret of ours":                  {"secretsmanager", "GetSecretValue", `{"secretId":"x"}`, simulate.Options{}, simulate.Denied},
		"a secret of an account, whose":     {"secretsmanager", "GetSecretValue", foreign, simulate.Options{}, simulate.Unknown},
		"one of another account of ours":    {"secretsmanager", "GetSecretValue", foreign, simulate.Options{Members: []string{"888877776666"}}, simulate.Denied},
		"one of the account that manages":   {"secretsmanager", "GetSecretValue", foreign, simulate.Options{ManagementAccount: "888877776666"}, simulate.Passes},
		"a secret that is yet to be":        {"secretsmanager", "CreateSecret", `{"name":"x"}`, simulate.Options{}, simulate.Unknown},
		"the AWS managed key":               {"kms", "Decrypt", `{"keyId":"alias/aws/secretsmanager"}`, simulate.Options{}, simulate.Passes},
		"a key, of AWS or not":              {"kms", "Decrypt", `{"keyId":"` + key + `"}`, simulate.Options{}, simulate.Unknown},
		"a key of a customer":               {"kms", "Decrypt", `{"keyId":"` + key + `"}`, known(guard.ManagerCustomer), simulate.Denied},
		"a key of AWS":                      {"kms", "Decrypt", `{"keyId":"` + key + `"}`, known(guard.ManagerAWS), simulate.Passes},
		"a key that somebody manages":       {"kms", "DisableKey", `{"keyId":"` + key + `"}`, simulate.Options{}, simulate.Denied},
		"a key of somebody":                 {"kms", "Decrypt", `{"keyId":"arn:aws:kms:us-east-1:888877776666:key/1"}`, simulate.Options{}, simulate.Unknown},
		"an alias that is yet to be, and a": {"kms", "CreateAlias", `{"aliasName":"alias/x","targetKeyId":"1"}`, simulate.Options{}, simulate.Denied},
	} {
		call := recorded(t, event(tt.source, tt.name, role("111122223333", "app"), tt.parameters, ``))
		if v := trial(t, []simulate.Candidate{rcp}, tt.options).Try(call); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// A name is free again once its secret is deleted, and the next one has another ARN: a call from before the secret that the snapshot has
// was about one of which nobody knows the key and the end of the ARN. A call that names the whole ARN was about this one.
// Source: Secrets Manager User Guide, "What's in a Secrets Manager secret?".
func TestACallFromBeforeASecretIsAboutAnotherOne(t *testing.T) {
	const defaultKey = `"Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"}}`
	const whole = `"Action":"secretsmanager:*","Resource":"` + anyARN + `x/y-AbCdEf"`
	const older, undated, timeless = "was created after it", "does not say when the one there was created", "its record does not say when"
	called := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) // as event has it
	for sentence, tt := range map[string]struct {
		statement, call, id string
		created             time.Time
		noTime              bool
		want                simulate.Outcome
		why                 string
	}{
		"the key of the one that is there":                {defaultKey, "PutSecretValue", "x/y", called.AddDate(0, -1, 0), false, simulate.Denied, ""},
		"the key of one that is gone":                     {defaultKey, "PutSecretValue", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, older},
		"a read of one that is gone":                      {defaultKey, "GetSecretValue", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, older},
		"each of a batch":                                 {defaultKey, "BatchGetSecretValue", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, older},
		"an ARN without its end":                          {defaultKey, "PutSecretValue", namedARN + "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, older},
		"the whole ARN, whenever that was":                {defaultKey, "PutSecretValue", namedARN + "x/y-AbCdEf", called.AddDate(0, 1, 0), false, simulate.Denied, ""},
		"the end of the ARN of the one that is there":     {whole, "DescribeSecret", "x/y", called.AddDate(0, -1, 0), false, simulate.Denied, ""},
		"the end of one that is gone":                     {whole, "DescribeSecret", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, older},
		"the second in which it was created":              {whole, "DescribeSecret", "x/y", called.Add(700 * time.Millisecond), false, simulate.Denied, ""},
		"the second before":                               {whole, "DescribeSecret", "x/y", called.Add(time.Second), false, simulate.Unknown, older},
		"a snapshot without the date, by the key":         {defaultKey, "PutSecretValue", "x/y", time.Time{}, false, simulate.Unknown, undated},
		"a snapshot without the date, by the ARN":         {whole, "DescribeSecret", "x/y", time.Time{}, false, simulate.Unknown, undated},
		"without the date, where it does not matter":      {`"Action":"secretsmanager:*","Resource":"` + anyARN + `x/*"`, "DescribeSecret", "x/y", time.Time{}, false, simulate.Denied, ""},
		"without it, where neither matters":               {`"Action":"secretsmanager:DeleteSecret","Resource":"*"`, "PutSecretValue", "x/y", time.Time{}, false, simulate.Passes, ""},
		"without it, by the whole ARN":                    {whole, "DescribeSecret", namedARN + "x/y-AbCdEf", time.Time{}, false, simulate.Denied, ""},
		"a record without a time":                         {whole, "DescribeSecret", "x/y", called, true, simulate.Unknown, timeless},
		"one that is gone, by what else is not known":     {`"Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}`, "DescribeSecret", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, ""},
		"the replica of one that is gone, by its own key": {defaultKey, "ReplicateSecretToRegions", "x/y", called.AddDate(0, 1, 0), false, simulate.Unknown, ""},
	} {
		parameters := `{"secretId":"` + tt.id + `"}`
		switch tt.call {
		case "BatchGetSecretValue":
			parameters = `{"secretIdList":["` + tt.id + `"]}`
		case "ReplicateSecretToRegions":
			parameters = `{"secretId":"` + namedARN + `x/y-AbCdEf","addReplicaRegions":[{"region":"eu-west-1","kmsKeyId":"1"}]}`
		}
		text := event("secretsmanager", tt.call, role("111122223333", "app"), parameters, ``)
		if tt.noTime {
			text = strings.Replace(text, `"eventTime":"2026-09-01T12:00:00Z",`, ``, 1)
		}
		s := before("x/y", "AbCdEf")
		s.CreatedAt, s.Key = tt.created, guard.Key{Manager: guard.ManagerAWS}
		if tt.call == "ReplicateSecretToRegions" {
			s.Key = guard.Key{Manager: guard.ManagerCustomer, Aliases: []string{"alias/app"}}
		}
		v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, simulate.Options{Secrets: []guard.Secret{s}}).Try(recorded(t, text))
		if v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
		if said := strings.Contains(v.Decision.Why, "another secret of its name"); said != (tt.why != "") || !strings.Contains(v.Decision.Why, tt.why) {
			t.Errorf("%s: %s, want %q in it", sentence, v.Decision.Why, tt.why)
		}
	}
}
