package keyreview_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/trail"
)

// A caller is kept as the record names it: most callers of other accounts by their account alone, a service by its name.
func TestWhoUsedAKey(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	use := func(who, action, via string) []keyreview.Use {
		return []keyreview.Use{{Key: key, Principal: who, Action: action, Via: via}}
	}
	for name, test := range map[string]struct {
		event, identity string
		want            []keyreview.Use
	}{
		"a session": {"Decrypt", `{"type":"AssumedRole","principalId":"AROAX:s","arn":"arn:aws:sts::111122223333:assumed-role/app/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/svc/app","accountId":"111122223333","userName":"app"}}}`,
			use("arn:aws:iam::111122223333:role/svc/app", "kms:Decrypt", "")},
		"a caller of another account":                    {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","accountId":"888877776666"}`, use("888877776666", "kms:Decrypt", "")},
		"one that calls through a service":               {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","accountId":"888877776666","invokedBy":"secretsmanager.amazonaws.com"}`, use("888877776666", "kms:Decrypt", "secretsmanager.eu-west-1.amazonaws.com")},
		"one that the record names":                      {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","arn":"arn:aws:sts::888877776666:assumed-role/sync/x","accountId":"888877776666"}`, use("arn:aws:iam::888877776666:role/sync", "kms:Decrypt", "")},
		"a service that calls for itself":                {"GenerateDataKey", `{"type":"AWSService","invokedBy":"logs.amazonaws.com"}`, use("logs.amazonaws.com", "kms:GenerateDataKey", "")},
		"somebody whom it does not name":                 {"Decrypt", `{"type":"Unknown"}`, use("", "kms:Decrypt", "")},
		"a grant, by which others use the key":           {"CreateGrant", `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann"}`, use("arn:aws:iam::111122223333:user/ann", "kms:CreateGrant", "")},
		"who manages it":                                 {"DisableKey", `{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}`, use("arn:aws:iam::111122223333:root", "kms:DisableKey", "")},
		"who checks what it signed":                      {"Verify", `{"type":"AWSAccount","principalId":"AIDAF","accountId":"888877776666"}`, use("888877776666", "kms:Verify", "")},
		"a grant that is given back, which needs no key": {"RetireGrant", `{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
				`"userIdentity":%s,"requestParameters":{},"resources":[{"type":"AWS::KMS::Key","ARN":%q}]}`, test.event, test.identity, key)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, keyreview.UsesOf(trail.Record{Change: c})); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

// What was recorded is a use of the key that the record names, of both where it names two.
func TestUsesOfARecord(t *testing.T) {
	const (
		one   = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		two   = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
		alice = "arn:aws:iam::111122223333:user/Alice"
	)
	resources := func(arns ...string) string {
		text := ""
		for i, a := range arns {
			if i > 0 {
				text += ","
			}
			text += `{"type":"AWS::KMS::Key","ARN":"` + a + `"}`
		}
		return "[" + text + "]"
	}
	use := func(key, action string) keyreview.Use {
		return keyreview.Use{Key: key, Principal: alice, Action: action}
	}
	for name, test := range map[string]struct {
		event, request, resources, more string
		want                            []keyreview.Use
	}{
		"Decrypt":                           {"Decrypt", `{}`, resources(one), "", []keyreview.Use{use(one, "kms:Decrypt")}},
		"Decrypt, by the key's id alone":    {"Decrypt", `{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}`, "[]", "", []keyreview.Use{use(one, "kms:Decrypt")}},
		"Decrypt, by an alias alone":        {"Decrypt", `{"keyId":"alias/app"}`, "[]", "", []keyreview.Use{use("arn:aws:kms:eu-west-1:111122223333:alias/app", "kms:Decrypt")}},
		"Encrypt, under a key of AWS's own": {"Encrypt", `{"keyId":"alias/aws/secretsmanager"}`, "[]", "", nil},
		"Decrypt, which names no key":       {"Decrypt", `{}`, "[]", "", []keyreview.Use{use("arn:aws:kms:eu-west-1:*:key/*", "kms:Decrypt")}},
		"an alias among the resources":      {"Decrypt", `{}`, resources("arn:aws:kms:eu-west-1:444455556666:alias/app"), "", []keyreview.Use{use("arn:aws:kms:eu-west-1:444455556666:alias/app", "kms:Decrypt")}},
		"a key that the answer names":       {"GenerateDataKey", `{"keyId":"alias/app"}`, "[]", `,"responseElements":{"keyId":"` + one + `"}`, []keyreview.Use{use(one, "kms:GenerateDataKey")}},
		"a key that KMS adds":               {"GenerateDataKey", `{"keyId":"alias/app"}`, "[]", `,"additionalEventData":{"keyId":"` + one + `"}`, []keyreview.Use{use(one, "kms:GenerateDataKey")}},
		"DescribeKey gets at nothing":       {"DescribeKey", `{}`, resources(one), "", nil},
		"Decrypt that failed":               {"Decrypt", `{}`, resources(one), `,"errorCode":"AccessDenied"`, nil},
		"ReEncrypt that failed":             {"ReEncrypt", `{}`, resources(one, two), `,"errorCode":"AccessDenied"`, nil},
		"ReEncrypt from one to another":     {"ReEncrypt", `{"destinationKeyId":"0987dcba-09fe-87dc-65ba-ab0987654321"}`, resources(one, two), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt to an alias":             {"ReEncrypt", `{"destinationKeyId":"alias/app"}`, resources(one, two), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt under one key":           {"ReEncrypt", `{"sourceKeyId":"` + one + `","destinationKeyId":"` + one + `"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(one, "kms:ReEncryptTo")}},
		"ReEncrypt, the owner of a source":  {"ReEncrypt", `{"destinationKeyId":"arn:aws:kms:eu-west-1:444455556666:key/other"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom")}},
		"ReEncrypt, the owner of a destination": {"ReEncrypt", `{"sourceKeyId":"arn:aws:kms:eu-west-1:444455556666:key/other","destinationKeyId":"` + two + `"}`, resources(two), "",
			[]keyreview.Use{use(two, "kms:ReEncryptTo")}},
		"ReEncrypt whose source the request alone names": {"ReEncrypt", `{"sourceKeyId":"` + one + `","destinationKeyId":"` + two + `"}`, resources(two), "",
			[]keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt, one side, to an alias":   {"ReEncrypt", `{"destinationKeyId":"alias/app"}`, resources(one), "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(one, "kms:ReEncryptTo")}},
		"ReEncrypt without resources":        {"ReEncrypt", `{"sourceKeyId":"` + one + `","destinationKeyId":"` + two + `"}`, "[]", "", []keyreview.Use{use(one, "kms:ReEncryptFrom"), use(two, "kms:ReEncryptTo")}},
		"ReEncrypt that says nothing at all": {"ReEncrypt", `{}`, "[]", "", []keyreview.Use{use("arn:aws:kms:eu-west-1:*:key/*", "kms:ReEncryptFrom"), use("arn:aws:kms:eu-west-1:*:key/*", "kms:ReEncryptTo")}},
		"ReEncrypt to an alias alone": {"ReEncrypt", `{"destinationKeyId":"alias/app"}`, "[]", "",
			[]keyreview.Use{use("arn:aws:kms:eu-west-1:*:key/*", "kms:ReEncryptFrom"), use("arn:aws:kms:eu-west-1:111122223333:alias/app", "kms:ReEncryptTo")}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := trail.Decode([]byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
				`"userIdentity":{"type":"IAMUser","arn":%q,"accountId":"111122223333","userName":"Alice"},"requestParameters":%s,"resources":%s%s}`, test.event, alice, test.request, test.resources, test.more)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, keyreview.UsesOf(trail.Record{Change: c})); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

// Of kms:ViaService in China no page says which form it has: a policy that names one alone lets callers in, keeps them, or locks them out
// by luck. Source: KMS Developer Guide, "kms:ViaService" (live check 43).
func TestAServiceInChinaMayCallByEitherName(t *testing.T) {
	const job = "arn:aws-cn:iam::111122223333:role/job"
	const world = `{"Sid":"W","Effect":"Allow","Principal":"*","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"`
	inChina := func(text string) string { return strings.ReplaceAll(text, "arn:aws:", "arn:aws-cn:") }
	via := func(service string, hosts ...string) string {
		return `,"Condition":{"StringEquals":{"kms:ViaService":["` + service + `.cn-north-1.` + strings.Join(hosts, `","`+service+`.cn-north-1.`) + `"]}}}`
	}
	jobs := `{"Sid":"J","Effect":"Allow","Principal":{"AWS":"` + job + `"},"Action":"kms:Decrypt","Resource":"*"`
	for sentence, tt := range map[string]struct {
		statements []string
		seen       bool // the job, through S3
		outcome    guard.Outcome
		fix        string
	}{
		"the world by one name":                {[]string{world + via("secretsmanager", "amazonaws.com.cn")}, false, guard.Unknown, ""},
		"the world by the other":               {[]string{world + via("secretsmanager", "amazonaws.com")}, false, guard.Unknown, ""},
		"the world by both":                    {[]string{world + via("secretsmanager", "amazonaws.com", "amazonaws.com.cn")}, false, guard.Fail, ""},
		"who was seen, and stays by one name":  {[]string{world + "}", jobs + via("s3", "amazonaws.com.cn")}, true, guard.Fail, "may lose it"},
		"who was seen, and stays by the other": {[]string{world + "}", jobs + via("s3", "amazonaws.com")}, true, guard.Fail, "may lose it"},
		"who was seen, and stays by both":      {[]string{world + "}", jobs + via("s3", "amazonaws.com", "amazonaws.com.cn")}, true, guard.Fail, ""},
	} {
		k := fine()
		k.Facts.ARN, k.Facts.Region, k.Facts.Spec, k.Facts.Usage = "arn:aws-cn:kms:cn-north-1:111122223333:key/k1", "cn-north-1", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
		k.Policy = document(append(tt.statements, inChina(manageOnly))...)
		std := standard()
		if tt.seen {
			c, err := trail.Decode([]byte(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"cn-north-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",` +
				`"userIdentity":{"type":"AssumedRole","arn":"arn:aws-cn:sts::111122223333:assumed-role/job/x","accountId":"111122223333","invokedBy":"s3.amazonaws.com.cn","sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + job + `"}}},` +
				`"requestParameters":{},"resources":[{"type":"AWS::KMS::Key","ARN":"` + k.Facts.ARN + `"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			if std.Seen = keyreview.UsesOf(trail.Record{Change: c}); len(std.Seen) != 1 || std.Seen[0].Via == "" {
				t.Fatalf("%+v", std.Seen)
			}
		}
		s := snapshot(k)
		s.Organization.ID = "o-exampleorg"
		s.Principals = nil
		found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(s), std, now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyOpen })
		if len(found) == 0 || found[0].Outcome != tt.outcome || !strings.Contains(found[0].Fix, tt.fix) || (tt.fix != "") != strings.Contains(found[0].Fix, "lose it") {
			t.Errorf("%s: %+v", sentence, found)
		}
	}
}

// A trail may be without the events of KMS: who writes a secret uses its key, and no policy is proposed that takes it from them.
func TestWhoIsSeenWritingASecretKeepsItsKey(t *testing.T) {
	const writer = "arn:aws:iam::111122223333:role/batch"
	db := secret("shop/db", "app")
	record := func(event, request, more string) []keyreview.Use {
		source := "secretsmanager"
		if event == "CreateDBInstance" {
			source = "rds"
		}
		raw := []byte(fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"`+source+`.amazonaws.com","eventName":%q,"awsRegion":"eu-central-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
			`"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/batch/x","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":%q}}},"requestParameters":%s%s}`, event, writer, request, more))
		c, err := trail.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		return keyreview.UsesOf(trail.Record{Change: c, Raw: raw})
	}
	for name, test := range map[string]struct {
		event, request, more string
		keeps                bool
	}{
		"a version by the name":           {"PutSecretValue", `{"secretId":"shop/db"}`, "", true},
		"a version by the ARN":            {"PutSecretValue", `{"secretId":"` + db.Facts.ARN + `"}`, "", true},
		"by the ARN without its end":      {"PutSecretValue", `{"secretId":"` + strings.TrimSuffix(db.Facts.ARN, "-AbCdEf") + `"}`, "", true},
		"an update":                       {"UpdateSecret", `{"secretId":"shop/db"}`, "", true},
		"a rotation":                      {"RotateSecret", `{"secretId":"shop/db"}`, "", true},
		"a reader":                        {"GetSecretValue", `{"secretId":"shop/db"}`, "", true},
		"a reader of several":             {"BatchGetSecretValue", `{"secretIdList":["other","shop/db"]}`, "", true},
		"a reader of those that it finds": {"BatchGetSecretValue", `{"filters":[{"key":"name","values":["shop"]}]}`, "", true},
		"who replicates it":               {"ReplicateSecretToRegions", `{"secretId":"shop/db","addReplicaRegions":[{"region":"eu-west-1"}]}`, "", true},
		"a new secret under the key":      {"CreateSecret", `{"name":"shop/new","kmsKeyId":"alias/app"}`, "", true},
		"one by the key's ARN":            {"CreateSecret", `{"name":"shop/new","kmsKeyId":"` + arn + `"}`, "", true},
		"another one that is put there":   {"UpdateSecret", `{"secretId":"other","kmsKeyId":"k1"}`, "", true},
		"a replica under the key":         {"CreateSecret", `{"name":"shop/new","addReplicaRegions":[{"region":"eu-central-1","kmsKeyId":"` + arn + `"}]}`, "", true},
		"a password under another key":    {"CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"` + arn + `2"}`, "", false},
		"a new secret under another":      {"CreateSecret", `{"name":"shop/new","kmsKeyId":"` + arn + `2"}`, "", false},
		"one under AWS's own":             {"CreateSecret", `{"name":"shop/new","kmsKeyId":"alias/aws/secretsmanager"}`, "", false},
		"one that names no key":           {"CreateSecret", `{"name":"shop/new"}`, "", false},
		"another secret":                  {"PutSecretValue", `{"secretId":"other"}`, "", false},
		"one that failed":                 {"PutSecretValue", `{"secretId":"shop/db"}`, `,"errorCode":"AccessDeniedException"`, false},
		"one who only asks what it is":    {"DescribeSecret", `{"secretId":"shop/db"}`, "", false},
		"one who moves a label of it":     {"UpdateSecretVersionStage", `{"secretId":"shop/db"}`, "", false},
		"somebody who tags it, no values": {"TagResource", `{"secretId":"shop/db"}`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(handsOver)
			s := snapshot(k, db)
			s.Principals = append(s.Principals, role("batch", `{"Effect":"Allow","Action":["secretsmanager:PutSecretValue","kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}`))
			std := standard()
			std.Seen = record(test.event, test.request, test.more)
			for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
				keeps := strings.Contains(f.After, `"arn:aws:iam::111122223333:root"},"Action":["kms:Decrypt","kms:GenerateDataKey"`)
				if f.Control.ID != guard.KeyOnlyDelegate || f.After == "" || keeps != test.keeps {
					t.Errorf("keeps the key through IAM: %t, want %t; %s\n%s", keeps, test.keeps, f.Fix, f.After)
				}
			}
		})
	}
	var how []string
	for _, u := range record("CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"`+arn+`"}`, "") {
		how = append(how, u.Action+" "+u.Via+" "+u.Key)
	}
	want := []string{"kms:GenerateDataKey secretsmanager.eu-central-1.amazonaws.com " + arn, "kms:Decrypt secretsmanager.eu-central-1.amazonaws.com " + arn, "kms:CreateGrant rds.eu-central-1.amazonaws.com " + arn}
	if diff := cmp.Diff(want, how); diff != "" {
		t.Errorf("a database's password (-want +got):\n%s", diff)
	}
}
