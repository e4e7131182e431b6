package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/cloud/topics"
	"github.com/doublelock/doublelock/shared/guard"
)

func kmsTags(key, value string) []kmstypes.Tag {
	return []kmstypes.Tag{{TagKey: &key, TagValue: &value}}
}

func decryptOnly() []kmstypes.GrantOperation {
	return []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}
}

func TestContractHub(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a message reaches the queue that filters it in": messageDelivered,
		"a notice reaches the queue behind the bus":      noticeDelivered,
		"every message of many reaches the queue":        manySent,
		"we are who we are":                              identity,
	})
}

func TestContractOrganization(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"accounts hang where the tree says, and policies with them": organizationTree,
	})
}

func manySent(t *testing.T, w *world) {
	url, arn := queue(t, w, fmt.Sprint("looks-", tables.Add(1)))
	var bodies []string
	for n := range 25 {
		bodies = append(bodies, fmt.Sprintf("look %02d", n))
	}
	if err := queues.Send(t.Context(), w.cloud(t, nil), arn, bodies); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 40 { // a short poll may find some of them only
		out, err := w.sqs(t).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body] = true
		}
		if len(got) == len(bodies) {
			return
		}
	}
	t.Errorf("%d of %d messages came", len(got), len(bodies))
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
	// An answer that gets lost on a busy machine hides its messages for 30 seconds.
	for deadline := time.Now().Add(50 * time.Second); len(bodies) < n && time.Now().Before(deadline); {
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
		w.expect(t, eventsNameTheirAccount, func(t testing.TB) {
			if envelope.Account != hub {
				t.Errorf("envelope %s", body)
			}
		})
		if !slices.Equal(envelope.Resources, []string{secretARN}) {
			t.Errorf("envelope %s", body)
		}
		w.expect(t, eventsKeepTheirTime, func(t testing.TB) {
			if !envelope.Time.Equal(envelope.Detail.At) {
				t.Errorf("envelope %s", body)
			}
		})
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
	_, err := client.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	var founded *orgtypes.AlreadyInOrganizationException
	w.expect(t, organizationIsFounded, func(t testing.TB) {
		if err != nil && !errors.As(err, &founded) {
			t.Error(err)
		}
	})
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
	policies, err := org.Policies(t.Context(), organization.ServiceControl, func(name string) bool { return name == "key-missing" })
	if err != nil || len(policies) != 1 || !slices.ContainsFunc(policies, func(p organization.AttachedPolicy) bool {
		return p.Name == "key-missing" && p.Content == policy && slices.Equal(p.Targets, []string{workloads})
	}) {
		t.Errorf("policies %+v, %v", policies, err)
	}
	w.expect(t, unitsHaveFullAccess, func(t testing.TB) {
		for _, level := range levels {
			if !slices.ContainsFunc(level.Policies, func(p organization.Policy) bool { return p.AWSManaged }) {
				t.Errorf("%s lacks FullAWSAccess", level.Target)
			}
		}
	})
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
