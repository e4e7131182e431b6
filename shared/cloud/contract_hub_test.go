package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

func kmsTags(key, value string) []kmstypes.Tag {
	return []kmstypes.Tag{{TagKey: &key, TagValue: &value}}
}

func decryptOnly() []kmstypes.GrantOperation {
	return []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}
}

func TestContractHub(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a record comes back as it was saved":            recordRoundTrip,
		"of two writers one must read again":             recordConflict,
		"records are found by their key":                 recordsByKey,
		"every record is yielded, and nothing else":      everyRecord,
		"a delivery is claimed until it is done":         deliveryClaimed,
		"of many at once one may deliver":                oneOfManyClaims,
		"a counter gives what its limit allows":          changesCounted,
		"the journal keeps the first word, in order":     journalKept,
		"a message reaches the queue that filters it in": messageDelivered,
		"a notice reaches the queue behind the bus":      noticeDelivered,
		"we are who we are":                              identity,
	})
}

func TestContractOrganization(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"accounts hang where the tree says, and policies with them": organizationTree,
	})
}

// table makes the table as infra declares it.
func newTable(t testing.TB, w *world) string {
	t.Helper()
	name := fmt.Sprint("doublelock-", tables.Add(1))
	text := func(n string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS}
	}
	key := func(n string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &n, KeyType: kind}
	}
	_, err := w.dynamodb(t).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{text(table.AttributeKey), text(table.AttributeSort), text(table.AttributeKeyARN)},
		KeySchema:            []types.KeySchemaElement{key(table.AttributeKey, types.KeyTypeHash), key(table.AttributeSort, types.KeyTypeRange)},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String(table.IndexByKey),
			KeySchema:  []types.KeySchemaElement{key(table.AttributeKeyARN, types.KeyTypeHash)},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

var tables atomic.Int64

func record(resource, key string) guard.Record {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return guard.Record{
		Resource: resource, Account: member, Region: region, Name: "app/db", KeyARN: key, State: guard.StateDual, Since: now, SeenAt: now,
		Findings: []guard.Finding{{Control: guard.SecretNotSealed, Resource: resource, Status: guard.FindingOpen, Severity: guard.SeverityMedium, OpenedAt: now}},
		Outbox:   []guard.Notice{{ID: "n1", Kind: guard.NoticeOpened, At: now, Resource: resource}},
	}
}

func recordRoundTrip(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	if got, err := records.Load(t.Context(), secretARN); err != nil || !cmp.Equal(got, guard.Record{}) {
		t.Errorf("never saved loads %+v, %v", got, err)
	}
	want := record(secretARN, keyARN)
	for range 3 {
		if err := records.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.Revision++
		got, err := records.Load(t.Context(), secretARN)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	}
}

func recordConflict(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch err := records.Save(t.Context(), record(secretARN, keyARN)); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, guard.ErrConflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d of 8 first writers won, %d must read again", won.Load(), lost.Load())
	}
	stale := record(secretARN, keyARN)
	stale.Revision = 7
	if err := records.Save(t.Context(), stale); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("a revision that never was saves with %v", err)
	}
}

func recordsByKey(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	moved := record("secret-b", keyARN)
	for _, r := range []guard.Record{record("secret-a", keyARN), moved, record("secret-c", centralARN), record("secret-d", "")} {
		if err := records.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	moved.Revision, moved.KeyARN = 1, ""
	if err := records.Save(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	got, unreadable, err := records.ByKey(t.Context(), keyARN)
	if err != nil || unreadable != nil || len(got) != 1 || got[0].Resource != "secret-a" || got[0].Revision != 1 {
		t.Errorf("under the key: %+v, %v", got, err)
	}
}

func everyRecord(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var want []string
	for n := range 40 {
		r := record(fmt.Sprintf("secret-%02d", n), keyARN)
		r.Findings[0].Detail = strings.Repeat("x", 60_000) // more than one page of a megabyte
		want = append(want, r.Resource)
		if err := records.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	_, err := records.Claim(t.Context(), "n1", time.Hour)
	err = errors.Join(err, records.Journal().Append(t.Context(), store.JournalEntry{ID: "1", Resource: "secret-00", At: time.Now()}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = records.All(t.Context(), func(r guard.Record, _ *store.Unreadable) error { got = append(got, r.Resource); return nil })
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func deliveryClaimed(t *testing.T, w *world) {
	now := time.Now()
	records := table.Open(w.cloud(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }), newTable(t, w))
	expect := func(when string, want store.Claim) {
		t.Helper()
		if got, err := records.Claim(t.Context(), "n1|email", 5*time.Minute); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", when, got, err, want)
		}
	}
	expect("first", store.ClaimNew)
	expect("meanwhile", store.ClaimBusy)
	if err := records.Release(t.Context(), "n1|email"); err != nil {
		t.Fatal(err)
	}
	expect("given back", store.ClaimNew)
	now = now.Add(6 * time.Minute)
	expect("after a crash", store.ClaimAgain)
	if err := records.Delivered(t.Context(), "n1|email", time.Hour); err != nil {
		t.Fatal(err)
	}
	expect("delivered", store.ClaimDone)
}

func oneOfManyClaims(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := records.Claim(t.Context(), "n1|email", time.Minute)
			if err != nil || (got != store.ClaimNew && got != store.ClaimBusy) {
				t.Errorf("claim %q, %v", got, err)
			}
			if got == store.ClaimNew {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 8 may deliver", won.Load())
	}
}

func changesCounted(t *testing.T, w *world) {
	records := table.Open(w.cloud(t, nil), newTable(t, w))
	until := time.Now().Add(time.Hour)
	var all sync.WaitGroup
	var taken atomic.Int32
	for range 4 {
		all.Go(func() {
			for range 2 {
				ok, err := records.Take(t.Context(), "changes 2026-03-01T09", 5, until)
				if err != nil {
					t.Error(err)
				}
				if ok {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != 5 {
		t.Errorf("%d of a limit of 5 taken", taken.Load())
	}
	if ok, err := records.Take(t.Context(), "changes 2026-03-01T10", 5, until); !ok || err != nil {
		t.Errorf("the next hour has nothing left: %v", err)
	}
}

func journalKept(t *testing.T, w *world) {
	journal := table.Open(w.cloud(t, nil), newTable(t, w)).Journal()
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	entry := func(id string, after time.Duration) store.JournalEntry {
		return store.JournalEntry{ID: id, Resource: secretARN, Action: "UpdateSecret", At: start.Add(after), By: "doublelock-remediate",
			Before: map[string]string{"kmsKeyId": ""}, After: map[string]string{"kmsKeyId": keyARN}}
	}
	repeat := entry("b", time.Second)
	repeat.Before = map[string]string{"kmsKeyId": keyARN}
	other := entry("x", 0)
	other.Resource = "another"
	for _, e := range []store.JournalEntry{entry("c", 10*time.Second), entry("a", 0), entry("b", time.Second), repeat, other} {
		if err := journal.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := journal.List(t.Context(), secretARN, time.Time{})
	want := []store.JournalEntry{entry("a", 0), entry("b", time.Second), entry("c", 10*time.Second)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, _, err = journal.List(t.Context(), secretARN, start.Add(time.Second))
	if diff := cmp.Diff(want[1:], got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if err := journal.Append(t.Context(), store.JournalEntry{ID: "z", Resource: secretARN}); err == nil {
		t.Error("an entry without time was written: it could not be found again")
	}
}

// queue makes a queue that AWS services may send to.
func queue(t *testing.T, w *world, name string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:" + region + ":" + hub + ":" + name
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","sns.amazonaws.com"]},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`
	out, err := w.sqs(t).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"Policy": policy}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, arn
}

// received waits for n messages, and for no more than that.
func received(t *testing.T, w *world, url string, n int) []string {
	t.Helper()
	var bodies []string
	for deadline := time.Now().Add(20 * time.Second); len(bodies) < n && time.Now().Before(deadline); {
		out, err := w.sqs(t).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
	}
	if len(bodies) != n {
		t.Fatalf("received %d messages, want %d: %v", len(bodies), n, bodies)
	}
	return bodies
}

func messageDelivered(t *testing.T, w *world) {
	ours, oursARN := queue(t, w, "ours")
	theirs, theirsARN := queue(t, w, "theirs")
	topic, err := w.sns(t).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("owners")})
	if err != nil {
		t.Fatal(err)
	}
	for owner, queue := range map[string]string{"payments": oursARN, "search": theirsARN} {
		_, err := w.sns(t).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &queue,
			Attributes: map[string]string{"FilterPolicy": `{"owner":["` + owner + `"]}`, "RawMessageDelivery": "true"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	sender := topics.New(w.cloud(t, nil))
	for owner, text := range map[string]string{"payments": "to pay", "search": "to find"} {
		if err := sender.Publish(t.Context(), *topic.TopicArn, "app/"+owner, text, map[string]string{"owner": owner}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := received(t, w, ours, 1); got[0] != "to pay" {
		t.Errorf("got %q", got[0])
	}
	if got := received(t, w, theirs, 1); got[0] != "to find" {
		t.Errorf("got %q", got[0])
	}
	if err := sender.Publish(t.Context(), *topic.TopicArn+"-never", "", "d", nil, nil); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a topic that is not there says %v, want ErrGone", err)
	}
}

func noticeDelivered(t *testing.T, w *world) {
	url, arn := queue(t, w, "notices")
	events := w.events(t)
	_, err := events.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("doublelock")})
	if err != nil {
		t.Fatal(err)
	}
	pattern := `{"source":["doublelock"],"detail-type":["Doublelock Finding"],"detail":{"kind":["finding_opened"]}}`
	_, err = events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("doublelock-alert"), EventBusName: aws.String("doublelock"), EventPattern: &pattern})
	if err != nil {
		t.Fatal(err)
	}
	_, err = events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("doublelock-alert"), EventBusName: aws.String("doublelock"),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: &arn}}})
	if err != nil {
		t.Fatal(err)
	}
	want := notices(12, "as it was")
	want[3].Kind = guard.NoticeSealed
	if err := bus.Open(w.cloud(t, nil), "doublelock").Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var got []guard.Notice
	for _, body := range received(t, w, url, 11) {
		var envelope struct {
			Source     string       `json:"source"`
			DetailType string       `json:"detail-type"`
			Account    string       `json:"account"`
			Resources  []string     `json:"resources"`
			Time       time.Time    `json:"time"`
			Detail     guard.Notice `json:"detail"`
		}
		if err := json.Unmarshal([]byte(body), &envelope); err != nil {
			t.Fatal(err)
		}
		if w.faithful(t, "a delivered event has no account") && envelope.Account != hub {
			t.Errorf("envelope %s", body)
		}
		if !slices.Equal(envelope.Resources, []string{secretARN}) || !envelope.Time.Equal(envelope.Detail.At) {
			t.Errorf("envelope %s", body)
		}
		got = append(got, envelope.Detail)
	}
	slices.SortFunc(got, func(a, b guard.Notice) int { return a.At.Compare(b.At) })
	if diff := cmp.Diff(slices.Delete(want, 3, 4), got); diff != "" {
		t.Error(diff)
	}
}

func identity(t *testing.T, w *world) {
	id, err := w.cloud(t, nil).Identity(t.Context())
	if err != nil || id.Account != hub || !strings.HasPrefix(id.ARN, "arn:aws:sts::"+hub+":assumed-role/people/") {
		t.Errorf("identity %+v, %v", id, err)
	}
}

func organizationTree(t *testing.T, w *world) {
	client := w.organizations(t)
	if w.deviates { // localaws founds it with its accounts; in moto the first call does
		if _, err := client.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll}); err != nil {
			t.Fatal(err)
		}
	}
	roots, err := client.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		t.Fatal(err)
	}
	root := *roots.Roots[0].Id
	unit := func(parent, name string) string {
		out, err := client.CreateOrganizationalUnit(t.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: &parent, Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		return *out.OrganizationalUnit.Id
	}
	workloads := unit(root, "workloads")
	prod := unit(workloads, "prod")
	account := joined(t, client, root, prod)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"secretsmanager:CreateSecret","Resource":"*","Condition":{"Null":{"secretsmanager:KmsKeyArn":"true"}}}]}`
	made, err := client.CreatePolicy(t.Context(), &organizations.CreatePolicyInput{Name: aws.String("key-missing"), Description: aws.String("deny"), Type: orgtypes.PolicyTypeServiceControlPolicy, Content: &policy})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: &workloads}); err != nil {
		t.Fatal(err)
	}

	org := organization.New(w.cloud(t, nil))
	about, err := org.About(t.Context())
	if err != nil || about.RootID != root || about.ManagementAccount != hub || !strings.HasPrefix(about.ID, "o-") {
		t.Errorf("organization %+v, %v", about, err)
	}
	accounts, err := org.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string][]string{}
	for _, a := range accounts {
		paths[a.ID] = a.Path
		if !a.Active() {
			t.Errorf("account %+v is not active", a)
		}
	}
	if !slices.Equal(paths[hub], []string{root}) || !slices.Equal(paths[account], []string{root, workloads, prod}) {
		t.Errorf("paths %v", paths)
	}
	levels, err := org.PolicyPath(t.Context(), append(paths[account], account), organization.ServiceControl)
	if err != nil || len(levels) != 4 {
		t.Fatalf("levels %+v, %v", levels, err)
	}
	here := levels[1]
	found := slices.IndexFunc(here.Policies, func(p organization.Policy) bool { return p.ID == *made.Policy.PolicySummary.Id })
	if here.Target != workloads || found < 0 || here.Policies[found].Content != policy || here.Policies[found].Name != "key-missing" {
		t.Errorf("level %+v", here)
	}
	policies, err := org.Policies(t.Context(), organization.ServiceControl)
	if err != nil || !slices.ContainsFunc(policies, func(p organization.AttachedPolicy) bool {
		return p.Name == "key-missing" && p.Content == policy && slices.Equal(p.Targets, []string{workloads})
	}) {
		t.Errorf("policies %+v, %v", policies, err)
	}
	for _, level := range levels {
		if !slices.ContainsFunc(level.Policies, func(p organization.Policy) bool { return p.AWSManaged }) {
			t.Errorf("%s lacks FullAWSAccess", level.Target)
		}
	}
}

// joined makes an account and moves it to an OU.
func joined(t *testing.T, client *organizations.Client, root, unit string) string {
	t.Helper()
	made, err := client.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: aws.String("payments"), Email: aws.String("payments@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	id := aws.ToString(made.CreateAccountStatus.AccountId)
	if id == "" {
		status, err := client.DescribeCreateAccountStatus(t.Context(), &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.CreateAccountStatus.Id})
		if err != nil {
			t.Fatal(err)
		}
		id = aws.ToString(status.CreateAccountStatus.AccountId)
	}
	if _, err := client.MoveAccount(t.Context(), &organizations.MoveAccountInput{AccountId: &id, SourceParentId: &root, DestinationParentId: &unit}); err != nil {
		t.Fatal(err)
	}
	return id
}
