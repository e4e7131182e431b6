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
		"a caller of another account":          {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","accountId":"888877776666"}`, use("888877776666", "kms:Decrypt", "")},
		"one that calls through a service":     {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","accountId":"888877776666","invokedBy":"secretsmanager.amazonaws.com"}`, use("888877776666", "kms:Decrypt", "secretsmanager.eu-west-1.amazonaws.com")},
		"one that the record names":            {"Decrypt", `{"type":"AWSAccount","principalId":"AROAF:x","arn":"arn:aws:sts::888877776666:assumed-role/sync/x","accountId":"888877776666"}`, use("arn:aws:iam::888877776666:role/sync", "kms:Decrypt", "")},
		"a service that calls for itself":      {"GenerateDataKey", `{"type":"AWSService","invokedBy":"logs.amazonaws.com"}`, use("logs.amazonaws.com", "kms:GenerateDataKey", "")},
		"somebody whom it does not name":       {"Decrypt", `{"type":"Unknown"}`, use("", "kms:Decrypt", "")},
		"a grant, by which others use the key": {"CreateGrant", `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann"}`, use("arn:aws:iam::111122223333:user/ann", "kms:CreateGrant", "")},
		"who manages it":                       {"DisableKey", `{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}`, use("arn:aws:iam::111122223333:root", "kms:DisableKey", "")},
		"who checks what it signed":            {"Verify", `{"type":"AWSAccount","principalId":"AIDAF","accountId":"888877776666"}`, use("888877776666", "kms:Verify", "")},
		"a grant that is given back":           {"RetireGrant", `{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`, use("ec2.amazonaws.com", "kms:RetireGrant", "")},
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
		"who looks at the key":              {"DescribeKey", `{}`, resources(one), "", []keyreview.Use{use(one, "kms:DescribeKey")}},
		"one that AWS has added since":      {"DecryptTwice", `{}`, resources(one), "", []keyreview.Use{use(one, "kms:DecryptTwice")}},
		"one of no key, since":              {"ListStores", `{}`, "[]", "", nil},
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
			got := usesOf(t, fmt.Sprintf(`{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
				`"userIdentity":{"type":"IAMUser","arn":%q,"accountId":"111122223333","userName":"Alice"},"requestParameters":%s,"resources":%s%s}`, test.event, alice, test.request, test.resources, test.more))
			if diff := cmp.Diff(test.want, got); diff != "" {
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
			std.Seen = usesOf(t, `{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"cn-north-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
				`"userIdentity":{"type":"AssumedRole","arn":"arn:aws-cn:sts::111122223333:assumed-role/job/x","accountId":"111122223333","invokedBy":"s3.amazonaws.com.cn","sessionContext":{"sessionIssuer":{"type":"Role","arn":"`+job+`"}}},`+
				`"requestParameters":{},"resources":[{"type":"AWS::KMS::Key","ARN":"`+k.Facts.ARN+`"}]}`)
			if len(std.Seen) != 1 || std.Seen[0].Via == "" {
				t.Fatalf("%+v", std.Seen)
			}
		}
		db := secret("db", "app") // without one the key would be that of S3 alone
		db.Facts.ARN, db.Facts.Region, db.Facts.Key = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:db-AbCdEf", "cn-north-1", k.Facts
		db.Facts.Versions[0].Keys = []guard.Key{k.Facts}
		s := snapshot(k, db)
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
	const (
		writer   = "arn:aws:iam::111122223333:role/batch"
		readers  = "use for the readers"
		account  = "use for the account, through Secrets Manager"
		nothing  = "nothing: a person has to decide"
		identity = `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/batch/x","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + writer + `"}}}`
	)
	db := secret("shop/db", "app")
	record := func(event, request, more string) string {
		if request == "" { // a table without that column
			return "eventtime,eventsource,awsregion,recipientaccountid,errorcode,useridentity_arn,eventname\n1790000000," + more + ",eu-central-1,111122223333,," + writer + "," + event
		}
		out := `{"eventVersion":"1.11","eventType":"AwsApiCall","eventName":"` + event + `",` + identity + `,"requestParameters":` + request + more
		for name, value := range map[string]string{"eventSource": "secretsmanager.amazonaws.com", "awsRegion": "eu-central-1", "recipientAccountId": own} {
			if !strings.Contains(more, name) {
				out += `,"` + name + `":"` + value + `"`
			}
		}
		return out + "}"
	}
	for name, test := range map[string]struct {
		event, request, more string
		proposed             string
	}{
		"a version by the name":           {"PutSecretValue", `{"secretId":"shop/db"}`, "", account},
		"a version by the ARN":            {"PutSecretValue", `{"secretId":"` + db.Facts.ARN + `"}`, "", account},
		"by the ARN without its end":      {"PutSecretValue", `{"secretId":"` + strings.TrimSuffix(db.Facts.ARN, "-AbCdEf") + `"}`, "", account},
		"an update":                       {"UpdateSecret", `{"secretId":"shop/db"}`, "", account},
		"a rotation":                      {"RotateSecret", `{"secretId":"shop/db"}`, "", account},
		"a reader":                        {"GetSecretValue", `{"secretId":"shop/db"}`, "", account},
		"a reader of several":             {"BatchGetSecretValue", `{"secretIdList":["other","shop/db"]}`, "", account},
		"another secret":                  {"PutSecretValue", `{"secretId":"other"}`, "", readers},
		"one that nobody holds":           {"PutSecretValue", `{"secretId":"gone"}`, "", account},
		"one of another Region":           {"UpdateSecret", `{"secretId":"gone"}`, `,"awsRegion":"us-east-1"`, readers},
		"its reader":                      {"GetSecretValue", `{"secretId":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:gone-AbCdEf"}`, "", account},
		"one that failed":                 {"PutSecretValue", `{"secretId":"shop/db"}`, `,"errorCode":"AccessDeniedException"`, readers},
		"one who only asks what it is":    {"DescribeSecret", `{"secretId":"shop/db"}`, "", readers},
		"one who moves a label of it":     {"UpdateSecretVersionStage", `{"secretId":"shop/db"}`, "", readers},
		"somebody who tags it, no values": {"TagResource", `{"secretId":"shop/db"}`, "", readers},
		"a new secret, by the key's ARN":  {"CreateSecret", `{"name":"new","kmsKeyId":"` + arn + `"}`, "", account},
		"a new secret, by the key's id":   {"CreateSecret", `{"name":"new","kmsKeyId":"k1"}`, "", account},
		"a new secret, by an alias":       {"CreateSecret", `{"name":"new","kmsKeyId":"alias/app"}`, "", account},
		"a new secret under another key":  {"CreateSecret", `{"name":"new","kmsKeyId":"k2"}`, "", readers},
		"a new one that names no key":     {"CreateSecret", `{"name":"new"}`, "", readers},
		"a new one under AWS's own":       {"CreateSecret", `{"name":"new","kmsKeyId":"alias/aws/secretsmanager"}`, "", readers},
		"a new one with a replica":        {"CreateSecret", `{"name":"new","addReplicaRegions":[{"region":"eu-central-1","kmsKeyId":"k1"}]}`, `,"awsRegion":"us-east-1"`, account},
		"another secret gets the key":     {"UpdateSecret", `{"secretId":"other","kmsKeyId":"alias/app"}`, "", account},
		"who replicates the secret":       {"ReplicateSecretToRegions", `{"secretId":"shop/db","addReplicaRegions":[{"region":"us-east-1"}]}`, "", account},
		"who replicates another to it":    {"ReplicateSecretToRegions", `{"secretId":"other","addReplicaRegions":[{"region":"eu-central-1","kmsKeyId":"alias/app"}]}`, `,"awsRegion":"us-east-1"`, account},
		"who replicates another, there":   {"ReplicateSecretToRegions", `{"secretId":"other","addReplicaRegions":[{"region":"us-east-1","kmsKeyId":"alias/app"}]}`, "", readers},
		"a reader of whatever fits":       {"BatchGetSecretValue", `{"filters":[{"key":"name","values":["shop"]}]}`, "", account},
		"whatever fits elsewhere":         {"BatchGetSecretValue", `{"filters":[{"key":"name","values":["shop"]}]}`, `,"recipientAccountId":"444455556666"`, readers},
		"a table that drops the request":  {"GetSecretValue", "", "secretsmanager.amazonaws.com", account},
		"one, of who makes a secret":      {"CreateSecret", "", "secretsmanager.amazonaws.com", account},
		"a database's password":           {"CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"` + arn + `"}`, `,"eventSource":"rds.amazonaws.com"`, nothing},
		"a cluster's, by an alias":        {"CreateCluster", `{"manageMasterPassword":true,"masterPasswordSecretKmsKeyId":"alias/app"}`, `,"eventSource":"redshift.amazonaws.com"`, nothing},
		"a key within the request":        {"CreateLocationSmb", `{"cmkSecretConfig":{"kmsKeyArn":"` + arn + `"}}`, `,"eventSource":"datasync.amazonaws.com"`, nothing},
		"a connection's secret":           {"CreateConnection", `{"name":"c","kmsKeyIdentifier":"k1"}`, `,"eventSource":"events.amazonaws.com"`, nothing},
		"a database with another key":     {"CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"k2"}`, `,"eventSource":"rds.amazonaws.com"`, readers},
		"a database that was denied":      {"CreateDBInstance", `{"masterUserSecretKmsKeyId":"k1"}`, `,"eventSource":"rds.amazonaws.com","errorCode":"AccessDenied"`, readers},
		"a disk that was denied":          {"CreateVolume", `{"kmsKeyId":"k1"}`, `,"eventSource":"ec2.amazonaws.com","errorCode":"Client.UnauthorizedOperation"`, readers},
		"a database that failed":          {"CreateDBInstance", `{"masterUserSecretKmsKeyId":"k1"}`, `,"eventSource":"rds.amazonaws.com","errorCode":"DBInstanceAlreadyExists"`, nothing},
		"a password that is rotated now":  {"ModifyDBInstance", `{"rotateMasterUserPassword":true}`, `,"eventSource":"rds.amazonaws.com","responseElements":{"masterUserSecret":{"kmsKeyId":"` + arn + `"}}`, nothing},
		"one of another key":              {"ModifyDBInstance", `{"rotateMasterUserPassword":true}`, `,"eventSource":"rds.amazonaws.com","responseElements":{"masterUserSecret":{"kmsKeyId":"` + arn + `2"}}`, readers},
		"a disk under the default key":    {"CreateVolume", `{"encrypted":true}`, `,"eventSource":"ec2.amazonaws.com","responseElements":{"kmsKeyId":"` + arn + `"}`, nothing},
		"a database under a default key":  {"CreateDBInstance", `{"storageEncrypted":true}`, `,"eventSource":"rds.amazonaws.com","responseElements":{"kmsKeyId":"` + arn + `"}`, nothing},
		"a disk under it":                 {"CreateVolume", `{"encrypted":true,"kmsKeyId":"` + arn + `"}`, `,"eventSource":"ec2.amazonaws.com"`, nothing},
		"a vault, by whatever member":     {"CreateBackupVault", `{"encryptionKeyArn":"` + arn + `"}`, `,"eventSource":"backup.amazonaws.com"`, nothing},
		"another, by an alias in a list":  {"CreateThing", `{"keys":["alias/app"]}`, `,"eventSource":"thing.amazonaws.com"`, nothing},
		"a database, and no more is said": {"CreateDBInstance", "", "rds.amazonaws.com", nothing},
		"one of which nothing is said":    {"CreateDBSnapshot", "", "rds.amazonaws.com", readers},
		"one that failed, not by a right": {"PutSecretValue", `{"secretId":"shop/db"}`, `,"errorCode":"LimitExceededException"`, account},
		"one of a secret that is not":     {"PutSecretValue", `{"secretId":"shop/d"}`, `,"errorCode":"ResourceNotFoundException"`, readers},
		"who only looks at databases":     {"DescribeDBInstances", `{"kmsKeyId":"k1"}`, `,"eventSource":"rds.amazonaws.com","readOnly":true`, readers},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(handsOver)
			other := secret("other", "app") // under another key
			other.Facts.Key.ARN = arn + "2"
			other.Facts.Versions[0].Keys = []guard.Key{other.Facts.Key}
			s := snapshot(k, db, other)
			s.Principals = append(s.Principals, role("batch", `{"Effect":"Allow","Action":["secretsmanager:PutSecretValue","kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}`))
			std := standard()
			std.Seen = usesOf(t, record(test.event, test.request, test.more))
			for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
				proposed := account
				switch {
				case f.After == "" && strings.Contains(f.Fix, "a person has to decide: "+writer+" may have used it"):
					proposed = nothing
				case strings.Contains(f.After, `"aws:PrincipalArn"`):
					proposed = readers
				}
				if f.Control.ID != guard.KeyOnlyDelegate || proposed != test.proposed {
					t.Errorf("what is proposed is %s, want %s; %s\n%s", proposed, test.proposed, f.Fix, f.After)
				}
			}
		})
	}
	var how []string
	for _, u := range usesOf(t, record("CreateDBInstance", `{"manageMasterUserPassword":true,"masterUserSecretKmsKeyId":"`+arn+`"}`, `,"eventSource":"rds.amazonaws.com"`)) {
		how = append(how, u.Action+" "+u.Via+" "+u.Key)
	}
	want := []string{"kms:GenerateDataKey secretsmanager.eu-central-1.amazonaws.com " + arn, "kms:Decrypt secretsmanager.eu-central-1.amazonaws.com " + arn, "kms:CreateGrant rds.eu-central-1.amazonaws.com " + arn}
	if diff := cmp.Diff(want, how); diff != "" {
		t.Errorf("a database's password (-want +got):\n%s", diff)
	}
}

// usesOf are the uses of what a file of a trail holds.
func usesOf(t *testing.T, text string) []keyreview.Use {
	t.Helper()
	var out []keyreview.Use
	if err := trail.Read(strings.NewReader(text), "trail", func(r trail.Record) error {
		out = append(out, keyreview.UsesOf(r)...)
		return r.Err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// What key a call set is not known where the export has its name alone: none of the Region may be taken from the caller.
func TestAKeyInAColumnThatIsNotThereIsNotTheDefaultOne(t *testing.T) {
	const head = "eventSource,eventName,eventTime,awsRegion,recipientAccountId,errorCode,userIdentity.arn"
	for sentence, in := range map[string]string{
		"the name alone":                   head + ",requestParameters.name\nsecretsmanager.amazonaws.com,CreateSecret,2026-09-20T10:00:00Z,eu-central-1,111122223333,,arn:aws:iam::111122223333:role/writer,other/n",
		"the resource of the history":      "Event name,Event time,User name,Event source,Resource type,Resource name,AWS region,Error code\nCreateSecret,2026-09-20T10:00:00Z,s,secretsmanager.amazonaws.com,AWS::SecretsManager::Secret,other/n,eu-central-1,",
		"no parameter, beside the columns": head + "\nsecretsmanager.amazonaws.com,CreateSecret,2026-09-20T10:00:00Z,eu-central-1,111122223333,,arn:aws:iam::111122223333:role/writer",
	} {
		maybe := 0
		for _, u := range usesOf(t, in) {
			if u.Maybe && u.Key == "arn:aws:kms:eu-central-1:*:key/*" {
				maybe++
			}
		}
		if maybe != 2 {
			t.Errorf("%s: %+v", sentence, usesOf(t, in))
		}
	}
	whole := head + ",requestParameters\nsecretsmanager.amazonaws.com,CreateSecret,2026-09-20T10:00:00Z,eu-central-1,111122223333,,arn:aws:iam::111122223333:role/writer,{name=other/n}"
	if uses := usesOf(t, whole); len(uses) != 0 {
		t.Errorf("a whole request without a key: %+v", uses)
	}
}
