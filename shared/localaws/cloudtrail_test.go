package localaws_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares JSON lines with a file in testdata.
func golden(t *testing.T, name string, records []localaws.Record) {
	t.Helper()
	var text strings.Builder
	for _, record := range records {
		body, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(body)
		text.WriteString("\n")
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s changed; if on purpose, run with -update\n%s", path, diff)
	}
}

// plain hides what the SDK puts into every call by itself.
func (r *testbed) plain() []localaws.Record {
	for _, record := range r.records {
		if agent, _ := record["userAgent"].(string); strings.HasPrefix(agent, "aws-sdk-go") {
			record["userAgent"] = "aws-sdk-go-v2"
		}
		hideToken(record["requestParameters"])
	}
	return r.records
}

func hideToken(parameters any) {
	fields, _ := parameters.(map[string]any)
	if _, sent := fields["clientRequestToken"]; sent {
		fields["clientRequestToken"] = "…"
	}
	if inner, ok := fields["encryptionContext"].(map[string]any); ok && len(inner["SecretVersionId"].(string)) == 36 {
		inner["SecretVersionId"] = "…"
	}
}

func TestRecordsOfASecretsLife(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	key := r.key(open, east)
	arn := r.create(sm, "prod/db", func(in *secretsmanager.CreateSecretInput) { in.Description = aws.String("") })
	r.rekey(sm, arn, key)
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("prod/db"), KmsKeyId: aws.String("")}); err != nil {
		t.Fatal(err)
	}
	r.put(sm, arn, "second")
	r.read(sm, "prod/db")
	if _, err := sm.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: &arn, Tags: tags("a", "b")}); err != nil {
		t.Fatal(err)
	}
	if _, err := sm.ReplicateSecretToRegions(t.Context(), &secretsmanager.ReplicateSecretToRegionsInput{SecretId: &arn, AddReplicaRegions: []smtypes.ReplicaRegionType{{Region: aws.String(west)}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := sm.RemoveRegionsFromReplication(t.Context(), &secretsmanager.RemoveRegionsFromReplicationInput{SecretId: &arn, RemoveReplicaRegions: []string{west}}); err != nil {
		t.Fatal(err)
	}
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	golden(t, "secret_life.jsonl", r.plain())
}

func TestRecordsOfAKeysLife(t *testing.T) {
	r := newTestbed(t)
	keys := r.keys(open, "user/bob", east)
	key := r.key(open, east)
	id := key[strings.LastIndex(key, "/")+1:]
	for name, call := range []func() error{
		func() error { _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &id}); return err },
		func() error { _, err := keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &id}); return err },
		func() error {
			_, err := keys.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)})
			return err
		},
		func() error {
			_, err := keys.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key})
			return err
		},
		func() error { _, err := keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &id}); return err },
		func() error {
			_, err := keys.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::" + open + ":user/bob"),
				Operations: []kmstypes.GrantOperation{"Decrypt"}, Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"SecretARN": "x"}}})
			return err
		},
		func() error {
			_, err := keys.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(allowEveryone)})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Fatalf("call %d: %v", name, err)
		}
	}
	golden(t, "key_life.jsonl", r.plain())
}

func TestADeniedCallIsRecordedAsAccessDenied(t *testing.T) {
	r := newTestbed(t)
	r.guard(needsKey)
	r.forget()
	_, err := r.secrets(guarded, admin, east).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("prod/db"), SecretString: aws.String("x")})
	if code(err) != "AccessDeniedException" {
		t.Fatal(err)
	}
	record := r.last("CreateSecret")
	if record["errorCode"] != "AccessDenied" || record["errorMessage"] != message(err) || record["responseElements"] != nil {
		t.Errorf("got code %v, message %v, response %v", record["errorCode"], record["errorMessage"], record["responseElements"])
	}
}

func TestEventsReachTheDefaultBus(t *testing.T) {
	for name, test := range map[string]struct {
		state ebtypes.RuleState
		want  []string
	}{
		"a plain rule receives writes": {ebtypes.RuleStateEnabled, []string{"CreateSecret", "Secret Label Updated AWSCURRENT"}},
		"a rule for all management events receives reads, too": {ebtypes.RuleStateEnabledWithAllCloudtrailManagementEvents,
			[]string{"GenerateDataKey", "CreateSecret", "Secret Label Updated AWSCURRENT", "DescribeSecret"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			config := r.config(open, admin, east)
			queue := "arn:aws:sqs:us-east-1:" + open + ":received"
			made, err := sqs.NewFromConfig(config).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("received"), Attributes: map[string]string{
				"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`}})
			if err != nil {
				t.Fatal(err)
			}
			bus := eventbridge.NewFromConfig(config)
			if _, err := bus.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("receive"), State: test.state, EventPattern: aws.String(`{"source":["aws.secretsmanager","aws.kms"]}`)}); err != nil {
				t.Fatal(err)
			}
			if _, err := bus.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("receive"), Targets: []ebtypes.Target{{Id: aws.String("1"), Arn: &queue}}}); err != nil {
				t.Fatal(err)
			}
			sm := r.secrets(open, admin, east)
			r.describe(sm, r.create(sm, "a"))
			r.Trail(open, east, false)
			r.create(sm, "b", noValue) // no rule receives it
			if err := r.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			received, err := sqs.NewFromConfig(config).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, message := range received.Messages {
				var event struct {
					DetailType string `json:"detail-type"`
					Detail     struct{ EventName, LabelUpdated string }
				}
				if err := json.Unmarshal([]byte(*message.Body), &event); err != nil {
					t.Fatal(err)
				}
				if event.Detail.EventName == "" {
					event.Detail.EventName = event.DetailType + " " + event.Detail.LabelUpdated
				}
				got = append(got, event.Detail.EventName)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoRecordHoldsAValue(t *testing.T) {
	r := newTestbed(t)
	sm, keys := r.secrets(open, admin, east), r.keys(open, admin, east)
	const value = "hush-hush-3141592653"
	arn := r.create(sm, "a", func(in *secretsmanager.CreateSecretInput) { in.SecretString = aws.String(value) })
	r.put(sm, arn, value)
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, SecretString: aws.String(value + "!")}); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(r.key(open, east)), Plaintext: []byte(value)}); err != nil {
		t.Fatal(err)
	}
	r.read(sm, arn)
	r.role(open, "Other", allow("*"))
	session, err := r.assume(open, admin, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + open + ":role/Other"), RoleSessionName: aws.String("x1")})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := session.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(r.records)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{value, "aHVzaC1odXNo", issued.SecretAccessKey, issued.SessionToken} {
		if strings.Contains(string(body), secret) {
			t.Errorf("the records hold %s", secret)
		}
	}
}

func TestACallAcrossAccountsIsRecordedInBoth(t *testing.T) {
	r := newTestbed(t)
	central := r.key(keyring, east, keyPolicy(allowEveryone))
	sm := r.secrets(open, admin, east)
	r.create(sm, "a", under(central))
	var shared []string
	seen := map[string]string{}
	for _, record := range r.records {
		if record["eventName"] != "GenerateDataKey" {
			continue
		}
		id, _ := record["sharedEventID"].(string)
		account, _ := record["recipientAccountId"].(string)
		identity, _ := record["userIdentity"].(map[string]any)
		shared = append(shared, id)
		seen[account], _ = identity["type"].(string)
	}
	if diff := cmp.Diff(map[string]string{open: "AssumedRole", keyring: "AWSAccount"}, seen); diff != "" {
		t.Errorf("who is seen to call, by account: %s", diff)
	}
	if len(shared) != 4 || shared[0] == "" || shared[0] != shared[1] || shared[1] == shared[2] {
		t.Errorf("shared event ids %v", shared)
	}
}

func TestWithoutAValueNoKMSCallIsMade(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	r.create(sm, "a", noValue)
	if diff := cmp.Diff([]string{"CreateSecret"}, r.names()); diff != "" {
		t.Error(diff)
	}
}

func TestSameSeedSameRecords(t *testing.T) {
	play := func() []byte {
		r := newTestbed(t)
		sm := r.secrets(open, admin, east)
		token := strings.Repeat("7", 36)
		r.create(sm, "a", func(in *secretsmanager.CreateSecretInput) { in.ClientRequestToken = &token })
		r.read(sm, "a")
		body, err := json.Marshal(r.records)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	if diff := cmp.Diff(string(play()), string(play())); diff != "" {
		t.Error(diff)
	}
}

func TestLookupEvents(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	other := r.create(sm, "b")
	for range 60 {
		r.read(sm, arn)
	}
	r.read(sm, other)
	trail := cloudtrail.NewFromConfig(r.config(open, admin, east))
	find := func(key cttypes.LookupAttributeKey, value string) (names []string) {
		t.Helper()
		pages := cloudtrail.NewLookupEventsPaginator(trail, &cloudtrail.LookupEventsInput{LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, event := range page.Events {
				names = append(names, *event.EventName)
			}
		}
		return names
	}
	if got := find("ResourceName", arn); len(got) != 61 || got[60] != "CreateSecret" {
		t.Errorf("by the secret's ARN: %d events, the oldest %v", len(got), got)
	}
	if got := find("EventName", "GetSecretValue"); len(got) != 61 {
		t.Errorf("by the call's name: %d events", len(got))
	}
	r.read(sm, other)
	if got := find("ResourceName", other); len(got) != 3 || got[0] != "GetSecretValue" {
		t.Errorf("what came after a search: %v", got)
	}
	for key, value := range map[cttypes.LookupAttributeKey]string{"EventSource": "secretsmanager.amazonaws.com", "Username": "ada", "ResourceType": "AWS::KMS::Key"} {
		if got, none := find(key, value), find(key, "nobody"); len(got) == 0 || len(none) > 0 {
			t.Errorf("by %s: %d events, and %d of nobody", key, len(got), len(none))
		}
	}
	for name, in := range map[string]*cloudtrail.LookupEventsInput{
		"InvalidLookupAttributesException": {LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: "Color", AttributeValue: aws.String("red")}}},
		"InvalidMaxResultsException":       {MaxResults: aws.Int32(51)},
		"InvalidTimeRangeException":        {StartTime: aws.Time(time.Unix(2, 0)), EndTime: aws.Time(time.Unix(1, 0))},
	} {
		if _, err := trail.LookupEvents(t.Context(), in); code(err) != name {
			t.Errorf("want %s, got %v", name, err)
		}
	}
	if out, err := trail.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{EventCategory: cttypes.EventCategoryInsight}); err != nil || len(out.Events) > 0 {
		t.Errorf("%v, or management events among those of Insights", err)
	}
	if got := find("ReadOnly", "false"); !slices.Contains(got, "CreateSecret") || slices.Contains(got, "GetSecretValue") {
		t.Errorf("by an attribute without an index: %v", got)
	}
	r.later(91 * 24 * time.Hour)
	r.read(sm, other) // each record lets go of those that are too old
	for key, value := range map[cttypes.LookupAttributeKey]string{"EventName": "GetSecretValue", "ResourceName": other} {
		if got := find(key, value); len(got) != 1 {
			t.Errorf("by %s, after 90 days: %v", key, got)
		}
	}
}

// A history ends: what comes too often for it pushes out the oldest, from a search by an index too.
func TestLookupEventsForgetsTheOldest(t *testing.T) {
	for name, row := range map[string]struct{ set, limit int }{"where nobody says": {0, 50_000}, "where a limit is set": {1_000, 1_000}} {
		t.Run(name, func(t *testing.T) { forgetsTheOldest(t, row.set, row.limit) })
	}
}

// forgetsTheOldest sets how many records of an account and Region are kept; 0 leaves it.
func forgetsTheOldest(t *testing.T, set, limit int) {
	r := newTestbed(t, func(o *localaws.Options) { o.History = set })
	arn := r.create(r.secrets(open, admin, east), "a")
	found := func() (n int) {
		t.Helper()
		for token := ""; ; {
			out, err := r.AsPrincipal(open, admin, east, "cloudtrail", "LookupEvents", map[string]any{"NextToken": token, "LookupAttributes": []any{map[string]string{"AttributeKey": "ResourceName", "AttributeValue": arn}}})
			if err != nil {
				t.Fatal(err)
			}
			n += len(out["Events"].([]any))
			if token, _ = out["NextToken"].(string); token == "" || n > 100 { // each page is a record of its own
				return n
			}
		}
	}
	call := func(n int, service, operation string, input map[string]any) {
		t.Helper()
		for range n {
			if _, err := r.AsPrincipal(open, admin, east, service, operation, input); err != nil {
				t.Fatal(err)
			}
		}
	}
	describe := map[string]any{"SecretId": arn}
	call(4, "secretsmanager", "DescribeSecret", describe)
	if n := found(); n != 5 {
		t.Errorf("%d events, want the making and four reads", n)
	}
	call(limit-20, "kms", "ListAliases", nil)
	if n := found(); n != 5 {
		t.Errorf("%d events while the history is not full", n)
	}
	call(limit/2, "kms", "ListAliases", nil)
	call(2, "secretsmanager", "DescribeSecret", describe)
	if n := found(); n != 2 {
		t.Errorf("%d events, want the last two", n)
	}
}

func TestATrailThatIsOffPublishesNothing(t *testing.T) {
	r := newTestbed(t)
	trail := cloudtrail.NewFromConfig(r.config(open, admin, east))
	status := func() bool {
		t.Helper()
		out, err := trail.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String("organization-trail")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.IsLogging
	}
	if !status() {
		t.Error("off from the start")
	}
	r.Trail(open, east, false)
	if status() {
		t.Error("on after it was switched off")
	}
	if _, err := trail.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("organization-trail")}); err != nil || !status() {
		t.Errorf("off after it was switched on (%v)", err)
	}
	if !slices.Contains(r.names(), "StartLogging") {
		t.Errorf("records: %v", r.names())
	}
}
