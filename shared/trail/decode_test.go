package trail_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

const eventFolder = "../../testdata/trail/events"

// readEvent returns one of our own events: shapes as AWS delivers them, contents ours.
func readEvent(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(eventFolder, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func eventNames(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(eventFolder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no events in %s: %v", eventFolder, err)
	}
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(path), ".json")
	}
	return paths
}

// reading is the part of a Change that the table pins down.
type reading struct {
	kind     trail.Kind
	rule     string
	resource string
	actor    string
	read     bool
}

const (
	payments  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/payments/api-Ab3dEf"
	orders    = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/orders/db-Gh5jKl"
	oldToken  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/old/token-Mn7pQr"
	shopKey   = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d-1111-4222-8333-444455556666"
	multiKey  = "arn:aws:kms:eu-central-1:111122223333:key/mrk-0a1b2c3d111142228333444455556666"
	pipeline  = "arn:aws:sts::111122223333:assumed-role/ci-deploy/build-4711"
	maria     = "arn:aws:iam::111122223333:user/ops/maria"
	mariaSSO  = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Operator_0123456789abcdef/maria@example.com"
	ordersApp = "arn:aws:sts::111122223333:assumed-role/orders-task/7f3c"
	reports   = "arn:aws:sts::111122223333:assumed-role/reports/nightly"
	service   = "secretsmanager.amazonaws.com"

	changes   = "doublelock-secret-changes"
	services  = "doublelock-service-events"
	keys      = "doublelock-key-changes"
	lifecycle = "doublelock-key-lifecycle"
	denied    = "doublelock-denied-reads"
)

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		event string
		want  reading
	}{
		"a created secret is found by the ARN in the response":        {"create-secret-default-key", reading{trail.LookAtSecret, changes, payments, pipeline, false}},
		"a secret created with key and replicas is looked at as well": {"create-secret-with-key", reading{trail.LookAtSecret, changes, orders, mariaSSO, false}},
		"a denied CreateSecret is an attempt and has only a name":     {"create-secret-denied-by-scp", reading{trail.AttemptDenied, "doublelock-attempts", "shop/mail/smtp", pipeline, false}},
		"a CreateSecret that failed otherwise is nothing":             {"create-secret-exists-already", reading{trail.Ignored, "", "shop/payments/api", pipeline, false}},
		"back to the default key names the secret by name":            {"update-secret-back-to-default", reading{trail.LookAtSecret, changes, orders, pipeline, false}},
		"an UpdateSecret before 2024 has aRN":                         {"update-secret-before-2024", reading{trail.LookAtSecret, changes, orders, maria, false}},
		"a denied UpdateSecret is an attempt":                         {"update-secret-denied", reading{trail.AttemptDenied, "doublelock-attempts", orders, pipeline, false}},
		"our own UpdateSecret is still a place to look":               {"update-secret-by-doublelock", reading{trail.LookAtSecret, changes, payments, "arn:aws:sts::111122223333:assumed-role/doublelock-change/doublelock-remediate", false}},
		"no userIdentity, eventSource and requestID is readable":      {"put-secret-value-trimmed", reading{trail.LookAtSecret, changes, payments, "", false}},
		"a partial ARN is kept as the caller gave it":                 {"put-secret-value-by-partial-arn", reading{trail.LookAtSecret, changes, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/payments/api", pipeline, false}},
		"a moved label changes which version is read":                 {"update-secret-version-stage", reading{trail.LookAtSecret, changes, payments, pipeline, false}},
		"replication names the primary":                               {"replicate-secret", reading{trail.LookAtSecret, changes, orders, pipeline, false}},
		"a denied replication is an attempt":                          {"replicate-secret-denied", reading{trail.AttemptDenied, "doublelock-attempts", orders, maria, false}},
		"RotateSecret writes a version":                               {"rotate-secret", reading{trail.LookAtSecret, changes, orders, pipeline, false}},
		"a tag with no response names the secret by ARN":              {"tag-secret", reading{trail.LookAtSecret, changes, orders, pipeline, false}},
		"an untag by name keeps the name":                             {"untag-secret-by-name", reading{trail.LookAtSecret, changes, "shop/orders/db", pipeline, false}},
		"a deleted secret has aRN and a date nobody parses":           {"delete-secret", reading{trail.LookAtSecret, changes, oldToken, pipeline, false}},
		"a restored secret is judged again":                           {"restore-secret", reading{trail.LookAtSecret, changes, oldToken, pipeline, false}},
		"a resource policy changes who may read":                      {"put-resource-policy", reading{trail.LookAtSecret, changes, orders, pipeline, false}},
		"a successful read is evidence of a reader":                   {"get-secret-value", reading{trail.Ignored, "", orders, ordersApp, true}},
		"a cross-account read names the owner's secret":               {"get-secret-value-cross-account", reading{trail.Ignored, "", orders, "arn:aws:sts::222233334444:assumed-role/reader/batch-1", true}},
		"a read without the key is a denied read":                     {"get-secret-value-no-kms", reading{trail.DeniedRead, denied, "shop/orders/db", reports, false}},
		"a read under a disabled key is a denied read":                {"get-secret-value-key-disabled", reading{trail.DeniedRead, denied, orders, ordersApp, false}},
		"a read that only Describe can explain is a denied read":      {"get-secret-value-pending-deletion", reading{trail.DeniedRead, denied, "shop/old/token", pipeline, false}},
		"a read of what does not exist is nothing":                    {"get-secret-value-not-found", reading{trail.Ignored, "", "shop/nothing", pipeline, false}},
		"a batch by filter names no secret":                           {"batch-get-secret-value", reading{trail.Ignored, "", "", ordersApp, true}},
		"a batch of one names it":                                     {"batch-get-secret-value-of-one", reading{trail.Ignored, "", "shop/orders/db", ordersApp, true}},
		"a failed DescribeSecret is nothing":                          {"describe-secret-not-found", reading{trail.Ignored, "", "shop/nothing", pipeline, false}},
		"a list is nothing":                                           {"list-secrets", reading{trail.Ignored, "", "", "arn:aws:sts::111122223333:assumed-role/doublelock-read/doublelock-sweep", false}},
		"a rotation has the id in additionalEventData.SecretId":       {"rotation-succeeded", reading{trail.LookAtSecret, services, orders, service, false}},
		"a rotation may have the id in the request id alone":          {"rotation-failed-id-in-request-id", reading{trail.LookAtSecret, services, orders, service, false}},
		"a tried-out rotation has its own names":                      {"test-rotation-succeeded", reading{trail.LookAtSecret, services, orders, service, false}},
		"a deleted version has the id in additionalEventData.ARN":     {"end-secret-version-delete", reading{trail.LookAtSecret, services, oldToken, service, false}},
		"a scheduled deletion may have the id in the request id":      {"start-secret-version-delete-id-in-request-id", reading{trail.LookAtSecret, services, oldToken, service, false}},
		"a replication may have the id in serviceEventDetails":        {"replication-succeeded", reading{trail.LookAtSecret, services, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/orders/db-Gh5jKl", service, false}},
		"a label event is not CloudTrail's and names nobody":          {"secret-label-updated", reading{trail.LookAtSecret, "doublelock-labels", orders, "", false}},
		"a disabled key is found in resources":                        {"disable-key", reading{trail.KeyLifecycle, lifecycle, shopKey, mariaSSO, false}},
		"before December 2022 there was no response":                  {"disable-key-before-2022", reading{trail.KeyLifecycle, lifecycle, shopKey, maria, false}},
		"an enabled key":                                                 {"enable-key", reading{trail.KeyLifecycle, lifecycle, shopKey, pipeline, false}},
		"a key scheduled for deletion":                                   {"schedule-key-deletion", reading{trail.KeyLifecycle, lifecycle, shopKey, pipeline, false}},
		"a multi-Region primary waits for its replicas":                  {"schedule-key-deletion-multi-region", reading{trail.KeyLifecycle, lifecycle, multiKey, pipeline, false}},
		"a canceled key deletion":                                        {"cancel-key-deletion", reading{trail.KeyLifecycle, lifecycle, shopKey, pipeline, false}},
		"a deleted key is a service event with no request":               {"delete-key", reading{trail.KeyLifecycle, lifecycle, shopKey, "AWS Internal", false}},
		"a key policy":                                                   {"put-key-policy", reading{trail.LookAtKey, keys, shopKey, pipeline, false}},
		"a grant":                                                        {"create-grant", reading{trail.LookAtKey, keys, shopKey, pipeline, false}},
		"rotation switched off":                                          {"disable-key-rotation", reading{trail.LookAtKey, keys, shopKey, pipeline, false}},
		"KMS rotates by itself":                                          {"rotate-key", reading{trail.LookAtKey, keys, shopKey, "AWS Internal", false}},
		"an alias is not taken for its key, types or not":                {"update-alias", reading{trail.LookAtKey, keys, shopKey, pipeline, false}},
		"a replica key is the new key, in its own Region":                {"replicate-key", reading{trail.LookAtKey, keys, "arn:aws:kms:eu-west-1:111122223333:key/mrk-0a1b2c3d111142228333444455556666", pipeline, false}},
		"a decrypt for Secrets Manager is evidence of a reader":          {"decrypt-for-secrets-manager", reading{trail.Ignored, "", orders, ordersApp, true}},
		"a decrypt under another account's key names the secret":         {"decrypt-cross-account-key", reading{trail.Ignored, "", orders, ordersApp, true}},
		"a denied decrypt has only the message":                          {"decrypt-denied", reading{trail.DeniedRead, denied, shopKey, reports, false}},
		"a decrypt under a disabled key":                                 {"decrypt-key-disabled", reading{trail.DeniedRead, denied, orders, ordersApp, false}},
		"a denied decrypt of somebody else's is nothing":                 {"decrypt-denied-elsewhere", reading{trail.Ignored, "", "0a1b2c3d-1111-4222-8333-444455556666", maria, false}},
		"a key that was only tried out is no read":                       {"generate-data-key-to-validate", reading{trail.Ignored, "", orders, maria, false}},
		"a stopped trail is tampering":                                   {"stop-logging", reading{trail.Tamper, "doublelock-tamper-trail", "arn:aws:cloudtrail:eu-central-1:111122223333:trail/organization", maria, false}},
		"one of our rules switched off is tampering":                     {"disable-our-rule", reading{trail.Tamper, "doublelock-tamper-rules", "doublelock-secret-changes", maria, false}},
		"one of our rules emptied is tampering":                          {"remove-targets-of-our-rule", reading{trail.Tamper, "doublelock-tamper-rules", "doublelock-key-lifecycle", maria, false}},
		"somebody else's rule is nothing":                                {"disable-another-rule", reading{trail.Ignored, "", "nightly-report", maria, false}},
		"a detached policy is tampering":                                 {"detach-policy", reading{trail.Tamper, "doublelock-tamper-policies", "p-exampleid1", "arn:aws:sts::444455556666:assumed-role/admin/root-ops", false}},
		"another service is nothing":                                     {"run-instances", reading{trail.Ignored, "", "", pipeline, false}},
		"our own notice on the hub's bus is nothing and no CloudTrail's": {"doublelock-finding", reading{trail.Ignored, "", "", "", false}},
	}
	covered := map[string]bool{}
	for sentence, test := range tests {
		covered[test.event] = true
		t.Run(sentence, func(t *testing.T) {
			got, err := trail.Decode(readEvent(t, test.event))
			if err != nil {
				t.Fatal(err)
			}
			was := reading{got.Kind, got.Rule, got.Resource(), got.Actor.String(), got.Read}
			if diff := cmp.Diff(test.want, was, cmp.AllowUnexported(reading{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Reason == "" {
				t.Error("no reason given")
			}
		})
	}
	for _, name := range eventNames(t) {
		if !covered[name] {
			t.Errorf("no test reads %s", name)
		}
	}
}

func TestDecodeFillsEverything(t *testing.T) {
	got, err := trail.Decode(readEvent(t, "decrypt-key-disabled"))
	if err != nil {
		t.Fatal(err)
	}
	want := trail.Change{
		Kind:         trail.DeniedRead,
		Reason:       "the key could not be used (DisabledException)",
		Rule:         denied,
		EventID:      got.EventID,
		EventName:    "Decrypt",
		EventSource:  "kms.amazonaws.com",
		DetailType:   "AWS API Call via CloudTrail",
		Time:         time.Date(2026, 6, 2, 8, 52, 0, 0, time.UTC),
		Account:      "111122223333",
		Region:       "eu-central-1",
		Secret:       guard.SecretRef{Account: "111122223333", Region: "eu-central-1", ID: orders},
		Key:          guard.KeyRef{Account: "111122223333", Region: "eu-central-1", ID: shopKey},
		UserAgent:    service,
		SourceIP:     service,
		ErrorCode:    "DisabledException",
		ErrorMessage: shopKey + " is disabled.",
		ReadOnly:     true,
		Actor: trail.Actor{
			Type: "AssumedRole", ARN: ordersApp, Account: "111122223333", Name: "orders-task", SessionName: "7f3c",
			RoleARN: "arn:aws:iam::111122223333:role/orders-task", InvokedBy: service,
		},
		Request: map[string]any{
			"encryptionAlgorithm": "SYMMETRIC_DEFAULT",
			"encryptionContext":   map[string]any{"SecretARN": orders, "SecretVersionId": got.Request["encryptionContext"].(map[string]any)["SecretVersionId"]},
		},
	}
	if got.EventID == "" {
		t.Error("no event ID")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeWhere(t *testing.T) {
	tests := map[string]struct {
		event  string
		secret guard.SecretRef
		key    guard.KeyRef
		shared bool
	}{
		"a name lives where the event happened": {
			event:  "untag-secret-by-name",
			secret: guard.SecretRef{Account: "111122223333", Region: "eu-central-1", ID: "shop/orders/db"},
		},
		"an ARN lives where it says, though the reader's account got the event": {
			event:  "get-secret-value-cross-account",
			secret: guard.SecretRef{Account: "111122223333", Region: "eu-central-1", ID: orders},
			shared: true,
		},
		"the key of another account lives there, the secret does not": {
			event:  "decrypt-cross-account-key",
			secret: guard.SecretRef{Account: "111122223333", Region: "eu-central-1", ID: orders},
			key: guard.KeyRef{Account: "444455556666", Region: "eu-central-1",
				ID: "arn:aws:kms:eu-central-1:444455556666:key/9f8e7d6c-1111-4222-8333-444455556666"},
			shared: true,
		},
		"a replica key lives in its Region": {
			event: "replicate-key",
			key: guard.KeyRef{Account: "111122223333", Region: "eu-west-1",
				ID: "arn:aws:kms:eu-west-1:111122223333:key/mrk-0a1b2c3d111142228333444455556666"},
		},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got, err := trail.Decode(readEvent(t, test.event))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.secret, got.Secret); diff != "" {
				t.Errorf("secret (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.key, got.Key); diff != "" {
				t.Errorf("key (-want +got):\n%s", diff)
			}
			if (got.SharedEventID != "") != test.shared {
				t.Errorf("shared event ID %q", got.SharedEventID)
			}
		})
	}
}

func TestDecodeNeverKeepsAValue(t *testing.T) {
	raw := `{"eventSource":"secretsmanager.amazonaws.com","eventName":"PutSecretValue","awsRegion":"eu-central-1",
		"requestParameters":{"secretId":"a","secretString":"hunter2","SecretBinary":"aHVudGVyMg==","deep":[{"SecretString":"hunter2"}]},
		"responseElements":{"secretString":"hunter2","arn":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf"}}`
	got, err := trail.Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "aHVudGVyMg") {
		t.Errorf("a value was kept: %s", text)
	}
	if diff := cmp.Diff(map[string]any{"secretId": "a", "deep": []any{map[string]any{}}}, got.Request); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// bare makes a CloudTrail record of members.
func bare(members string) string {
	return `{"eventSource":"secretsmanager.amazonaws.com","awsRegion":"eu-central-1","recipientAccountId":"111122223333",` + members + `}`
}

func TestDecodeTolerates(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want reading
	}{
		"ARN in capitals":                       {bare(`"eventName":"RestoreSecret","responseElements":{"ARN":"` + oldToken + `"}`), reading{trail.LookAtSecret, changes, oldToken, "", false}},
		"a null arn beside an aRN":              {bare(`"eventName":"RestoreSecret","responseElements":{"aRN":"` + oldToken + `","arn":null}`), reading{trail.LookAtSecret, changes, oldToken, "", false}},
		"null objects everywhere":               {bare(`"eventName":"PutSecretValue","userIdentity":null,"requestParameters":null,"responseElements":null,"resources":null,"additionalEventData":null,"errorCode":null`), reading{trail.Ignored, changes, "", "", false}},
		"members of other types":                {bare(`"eventName":"PutSecretValue","userIdentity":"x","requestParameters":"","responseElements":"y","resources":"z","readOnly":"false","vpcEndpointId":17,"errorCode":""`), reading{trail.Ignored, changes, "", "", false}},
		"an escaped name":                       {bare(`"event\u004eame":"PutSecretValue","requestParameters":{"secretId":"caf\u00e9\/\"db\""}`), reading{trail.LookAtSecret, changes, `café/"db"`, "", false}},
		"the last of two spellings":             {bare(`"eventName":"ListSecrets","eventName":"PutSecretValue","requestParameters":{"secretId":"a"}`), reading{trail.LookAtSecret, changes, "a", "", false}},
		"a call nobody knows":                   {bare(`"eventName":"FrobnicateSecret","requestParameters":{"secretId":"a"}`), reading{trail.Ignored, "", "a", "", false}},
		"an API call that is a service event":   {bare(`"eventName":"RotationSucceeded","requestParameters":{"secretId":"a"}`), reading{trail.Ignored, "", "a", "", false}},
		"a denied create without requests":      {bare(`"eventName":"CreateSecret","errorCode":"AccessDenied","requestParameters":null,"errorMessage":"User: x is not authorized to perform: secretsmanager:CreateSecret on resource: shop/x because no"`), reading{trail.AttemptDenied, "doublelock-attempts", "shop/x", "", false}},
		"a rotation token that is no UUID":      {bare(`"eventName":"RotationFailed","eventType":"AwsServiceEvent","requestID":"Rotation-` + orders + `-0123456789abcdef0123456789abcdef"`), reading{trail.LookAtSecret, services, orders, "", false}},
		"a request id with no end to the ARN":   {bare(`"eventName":"RotationFailed","eventType":"AwsServiceEvent","requestID":"Rotation-arn:aws:secretsmanager:eu-central-1:111122223333:secret:abc-def-x"`), reading{trail.Ignored, services, "", "", false}},
		"a service event's name without ARN":    {bare(`"eventName":"RotationFailed","eventType":"AwsServiceEvent","additionalEventData":{"SecretId":"shop/x"}`), reading{trail.LookAtSecret, services, "shop/x", "", false}},
		"other partitions":                      {bare(`"eventName":"PutSecretValue","responseElements":{"arn":"arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:a-AbCdEf"}`), reading{trail.LookAtSecret, changes, "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:a-AbCdEf", "", false}},
		"a secret among the resources":          {bare(`"eventName":"TagResource","resources":[{"type":"AWS::SecretsManager::Secret","ARN":"` + orders + `"}],"requestParameters":{"secretId":"shop/orders/db"}`), reading{trail.LookAtSecret, changes, orders, "", false}},
		"a batch of two":                        {bare(`"eventName":"BatchGetSecretValue","requestParameters":{"secretIdList":["a","b"]}`), reading{trail.Ignored, "", "", "", true}},
		"a failed read with an error to come":   {bare(`"eventName":"GetSecretValue","errorCode":"InternalServiceError","requestParameters":{"secretId":"a"}`), reading{trail.Ignored, "", "a", "", false}},
		"a lookalike from a custom bus":         {`{"detail-type":"AWS API Call via CloudTrail","source":"mine.secretsmanager","detail":{"eventName":"PutSecretValue","eventSource":"secretsmanager.amazonaws.com"}}`, reading{trail.Ignored, "", "", "", false}},
		"an event that is not CloudTrail's":     {`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"state":"running"}}`, reading{trail.Ignored, "", "", "", false}},
		"a label event without the ARN":         {`{"detail-type":"Secret Label Updated","source":"aws.secretsmanager","account":"111122223333","region":"eu-central-1","detail":{"name":"shop/x"}}`, reading{trail.LookAtSecret, "doublelock-labels", "shop/x", "", false}},
		"a label event without anything":        {`{"detail-type":"Secret Label Updated","source":"aws.secretsmanager"}`, reading{trail.Ignored, "", "", "", false}},
		"a console sign-in":                     {`{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","eventType":"AwsConsoleSignIn"}`, reading{trail.Ignored, "", "", "", false}},
		"a KMS key after its alias":             {`{"eventSource":"kms.amazonaws.com","eventName":"UpdateAlias","resources":[{"type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-central-1:111122223333:alias/shop"},{"type":"AWS::KMS::Key","ARN":"` + shopKey + `"}]}`, reading{trail.LookAtKey, keys, shopKey, "", false}},
		"a KMS key where types were not logged": {`{"eventSource":"kms.amazonaws.com","eventName":"DisableKey","resources":[{"ARN":"` + shopKey + `","accountId":"111122223333"}]}`, reading{trail.KeyLifecycle, lifecycle, shopKey, "", false}},
		"a key event that names no key":         {`{"eventSource":"kms.amazonaws.com","eventName":"DisableKey"}`, reading{trail.Ignored, lifecycle, "", "", false}},
		"a created key":                         {`{"eventSource":"kms.amazonaws.com","eventName":"CreateKey","responseElements":{"keyMetadata":{"keyId":"x","arn":"` + shopKey + `"}}}`, reading{trail.LookAtKey, keys, shopKey, "", false}},
		"a key known only by the request":       {`{"eventSource":"kms.amazonaws.com","eventName":"PutKeyPolicy","requestParameters":{"keyId":"alias/shop"}}`, reading{trail.LookAtKey, keys, "alias/shop", "", false}},
		"a failed key change":                   {`{"eventSource":"kms.amazonaws.com","eventName":"DisableKey","errorCode":"AccessDenied","requestParameters":{"keyId":"alias/shop"}}`, reading{trail.Ignored, "", "alias/shop", "", false}},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got, err := trail.Decode([]byte(test.raw))
			if err != nil {
				t.Fatal(err)
			}
			was := reading{got.Kind, got.Rule, got.Resource(), got.Actor.String(), got.Read}
			if diff := cmp.Diff(test.want, was, cmp.AllowUnexported(reading{})); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, got.Reason)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"nothing":                       {``, "unexpected end of JSON"},
		"half an event":                 {`{"detail-type":"AWS API`, "unexpected end of JSON"},
		"a list":                        {`[]`, "neither an EventBridge event"},
		"an object that is no event":    {`{"hello":"world"}`, "neither an EventBridge event"},
		"an envelope without a name":    {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.kms","detail":{}}`, `without "eventName"`},
		"an envelope with a null":       {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.kms","detail":null}`, `without "eventName"`},
		"two events in one":             {`{"eventName":"a","eventSource":"b"}{"eventName":"b"}`, "more follows"},
		"a missing comma":               {`{"eventName":"a" "eventSource":"b"}`, "want ',' or '}', found '\"'"},
		"a raw newline in a string":     {"{\"eventName\":\"a\nb\"}", "not closed before"},
		"an unknown escape":             {`{"eventName":"\x"}`, "unknown escape"},
		"more nesting than is sensible": {`{"eventName":"a","x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "nested deeper"},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got, err := trail.Decode([]byte(test.raw))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v and error %v, want one with %q", got, err, test.want)
			}
		})
	}
}

// The text of a message is AWS's to change: it is repeated, and decides neither the kind nor the words around it.
func TestTheTextOfAMessageDecidesNothing(t *testing.T) {
	event := func(source, name, code, message string) string {
		return `{"eventSource":"` + source + `.amazonaws.com","eventName":"` + name + `","errorCode":"` + code + `","errorMessage":"` + message + `",` +
			`"awsRegion":"eu-central-1","recipientAccountId":"111122223333","requestParameters":{"secretId":"shop/x","name":"shop/x"},` +
			`"userIdentity":{"type":"AssumedRole","invokedBy":"secretsmanager.amazonaws.com"}}`
	}
	tests := map[string]struct {
		source, name, code string
		kind               trail.Kind
		reason             string // with the message in its place
	}{
		"a denied create":           {"secretsmanager", "CreateSecret", "AccessDenied", trail.AttemptDenied, "denied, no secret exists: %s"},
		"a denied update":           {"secretsmanager", "UpdateSecret", "AccessDenied", trail.AttemptDenied, "denied, nothing changed: %s"},
		"a denied read":             {"secretsmanager", "GetSecretValue", "AccessDenied", trail.DeniedRead, "the reader was denied: %s"},
		"a use that KMS denied":     {"kms", "Decrypt", "AccessDenied", trail.DeniedRead, "the reader may use the secret but not its key"},
		"a read that was refused":   {"secretsmanager", "GetSecretValue", "InvalidRequestException", trail.DeniedRead, "no value was given (InvalidRequestException): the secret is pending deletion, or its key cannot be used"},
		"a create that was refused": {"secretsmanager", "CreateSecret", "InvalidRequestException", trail.Ignored, "failed with InvalidRequestException, nothing changed"},
	}
	messages := map[string]string{ // and how it is repeated
		"User: x is not authorized to perform: y on resource: shop/x with an explicit deny in a service control policy": `"with an explicit deny in a service control policy"`,
		"User: x is not authorized to perform: y on resource: shop/x because no identity-based policy allows y":         `"no identity-based policy allows y"`,
		"Access to KMS is not allowed":                 `"Access to KMS is not allowed"`,
		"it was marked for deletion":                   `"it was marked for deletion"`,
		`\u001b[2J` + strings.Repeat("service ", 1000): `"\x1b[2J` + strings.Repeat("service ", 29) + `serv…"`,
	}
	for name, tt := range tests {
		for message, repeated := range messages {
			change, err := trail.Decode([]byte(event(tt.source, tt.name, tt.code, message)))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.reason, "%s", repeated); change.Kind != tt.kind || change.Reason != want {
				t.Errorf("%s, %.60q:\n got %s, %s\nwant %s, %s", name, message, change.Kind, change.Reason, tt.kind, want)
			}
		}
		silent, err := trail.Decode([]byte(event(tt.source, tt.name, tt.code, "")))
		if want := strings.TrimSuffix(tt.reason, ": %s"); err != nil || silent.Kind != tt.kind || silent.Reason != want {
			t.Errorf("%s without a message: got %s, %s, want %s, %s (%v)", name, silent.Kind, silent.Reason, tt.kind, want, err)
		}
	}
}
