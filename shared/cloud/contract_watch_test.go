package cloud_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/functions"
	"github.com/doublelock/doublelock/shared/cloud/principals"
	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/guard"
)

// What doctor and the inventory take for granted.
func TestContractWatch(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"recorded events are found, newest first":           lookedUp,
		"the trails of an account are seen":                 trailsSeen,
		"a rule is seen with its targets":                   ruleSeen,
		"a bus has a policy":                                busPolicy,
		"a queue says how full it is":                       queueSeen,
		"a function says what is deployed":                  functionSeen,
		"a role can be entered, or the account is not ours": entered,
		"who may do what in an account is read":             principalsRead,
	})
}

func lookedUp(t *testing.T, w *world) {
	account := w.account(t)
	for n := range 60 {
		name := fmt.Sprintf("made/%02d", n)
		w.create(t, account, &secretsmanager.CreateSecretInput{Name: &name})
	}
	w.expect(t, eventsAreLookedUp, func(t testing.TB) {
		history := trails.New(w.cloud(t, func(o *cloud.Options) { o.LookupEvery = time.Millisecond }))
		var names []string
		err := history.Lookup(t.Context(), trails.Lookup{Account: account, Region: region, By: trails.ByEventName, Value: "CreateSecret"}, func(record []byte) error {
			var r struct {
				EventName         string                `json:"eventName"`
				RequestParameters struct{ Name string } `json:"requestParameters"`
			}
			if err := json.Unmarshal(record, &r); err != nil || r.EventName != "CreateSecret" {
				t.Errorf("record %s, %v", record, err)
			}
			names = append(names, r.RequestParameters.Name)
			return nil
		})
		if err != nil || len(names) != 60 || names[0] != "made/59" || names[59] != "made/00" {
			t.Errorf("found %v, %v", names, err)
		}
		enough := errors.New("enough")
		err = history.Lookup(t.Context(), trails.Lookup{Account: account, Region: region, By: trails.ByEventName, Value: "CreateSecret"}, func([]byte) error { return enough })
		if !errors.Is(err, enough) {
			t.Errorf("an error of yield ends with %v", err)
		}
		err = history.Lookup(t.Context(), trails.Lookup{Account: account, Region: region, By: trails.ByEventName, Value: "CreateSecret", To: time.Now().Add(-time.Hour)}, func(record []byte) error {
			t.Errorf("found %s before it happened", record)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func trailsSeen(t *testing.T, w *world) {
	w.expect(t, organizationTrailIsSeen, func(t testing.TB) {
		account := w.account(t)
		client := cloudtrail.NewFromConfig(w.config(t, account, region))
		seen := func() trails.Trail {
			t.Helper()
			history, err := trails.New(w.cloud(t, nil)).Describe(t.Context(), account, region)
			if err != nil || len(history) != 1 || history[0].Name != "organization-trail" {
				t.Fatalf("trails %+v, %v", history, err)
			}
			return history[0]
		}
		trail := seen()
		if _, err := client.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: &trail.ARN}); err != nil {
			t.Fatal(err)
		}
		if trail := seen(); !trail.Logging || !trail.MultiRegion {
			t.Errorf("started, but %+v", trail)
		}
		if _, err := client.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: &trail.ARN}); err != nil {
			t.Fatal(err)
		}
		if trail := seen(); trail.Logging {
			t.Errorf("stopped, but %+v", trail)
		}
	})
}

func ruleSeen(t *testing.T, w *world) {
	account := w.account(t)
	client := eventbridge.NewFromConfig(w.config(t, account, region))
	pattern := `{"source":["aws.secretsmanager"]}`
	_, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("doublelock-forward"), EventPattern: &pattern})
	if err != nil {
		t.Fatal(err)
	}
	target := eventtypes.Target{Id: aws.String("hub"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":hub"),
		DeadLetterConfig: &eventtypes.DeadLetterConfig{Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":dlq")}}
	if _, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("doublelock-forward"), Targets: []eventtypes.Target{target}}); err != nil {
		t.Fatal(err)
	}
	c := w.cloud(t, nil)
	got, err := bus.ReadRule(t.Context(), c, account, region, "", "doublelock-forward")
	want := bus.Rule{Name: "doublelock-forward", ARN: "arn:aws:events:" + region + ":" + account + ":rule/doublelock-forward", State: "ENABLED", Pattern: pattern,
		Targets: []bus.Target{{ID: "hub", ARN: *target.Arn, DLQ: *target.DeadLetterConfig.Arn}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, err := client.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("doublelock-forward")}); err != nil {
		t.Fatal(err)
	}
	if got, err := bus.ReadRule(t.Context(), c, account, region, "", "doublelock-forward"); err != nil || got.State != "DISABLED" {
		t.Errorf("disabled, but %+v, %v", got, err)
	}
	if _, err := bus.ReadRule(t.Context(), c, account, region, "", "doublelock-never"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a rule that is not there says %v, want ErrGone", err)
	}
}

func busPolicy(t *testing.T, w *world) {
	client := w.events(t)
	if _, err := client.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("asked")}); err != nil {
		t.Fatal(err)
	}
	c := w.cloud(t, nil)
	if policy, err := bus.Open(c, "asked").Policy(t.Context()); err != nil || policy != "" {
		t.Errorf("a new bus has policy %q, %v", policy, err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Sid":"Members","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"arn:aws:events:` + region + `:` + hub + `:event-bus/asked","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-contract00"}}}]}`
	if _, err := client.PutPermission(t.Context(), &eventbridge.PutPermissionInput{EventBusName: aws.String("asked"), Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	got, err := bus.Open(c, "asked").Policy(t.Context())
	if err != nil || !strings.Contains(got, `"events:PutEvents"`) {
		t.Errorf("policy %s, %v", got, err)
	}
	w.expect(t, busPolicyIsKept, func(t testing.TB) {
		if diff := cmp.Diff(parsed(t, policy), parsed(t, got)); diff != "" {
			t.Error(diff)
		}
	})
	if _, err := bus.Open(c, "never").Policy(t.Context()); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a bus that is not there says %v, want ErrGone", err)
	}
}

func queueSeen(t *testing.T, w *world) {
	url, arn := queue(t, w, "filling")
	for range 3 {
		if _, err := w.sqs(t).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("m")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.sqs(t).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1}); err != nil {
		t.Fatal(err)
	}
	c := w.cloud(t, nil)
	waiting, inFlight := held(t, w.sqs(t), url)
	if got, err := queues.Read(t.Context(), c, "filling"); err != nil || got != (queues.Queue{ARN: arn, Waiting: waiting, InFlight: inFlight}) {
		t.Errorf("queue %+v, %v, want %d waiting and %d in flight", got, err, waiting, inFlight)
	}
	if waiting < 2 || inFlight < 1 {
		t.Errorf("%d waiting and %d in flight of three that were sent and one that was received", waiting, inFlight)
	}
	if _, err := queues.Read(t.Context(), c, "never"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a queue that is not there says %v, want ErrGone", err)
	}
}

// held is what a queue says it holds, asked by a plain call. It is more than was sent where an answer was lost and the call repeated.
func held(t *testing.T, client *sqs.Client, url string) (waiting, inFlight int) {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	count := func(name sqstypes.QueueAttributeName) int {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return count(sqstypes.QueueAttributeNameApproximateNumberOfMessages), count(sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
}

func functionSeen(t *testing.T, w *world) {
	c := w.cloud(t, nil)
	if _, err := functions.Read(t.Context(), c, "doublelock-never"); !errors.Is(err, guard.ErrGone) {
		t.Errorf("a function that is not there says %v, want ErrGone", err)
	}
	const trustLambda = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	made, err := iam.NewFromConfig(w.config(t, hub, region)).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("doublelock-detect"), AssumeRolePolicyDocument: aws.String(trustLambda)})
	if err != nil {
		t.Fatal(err)
	}
	role := made.Role.Arn
	_, err = lambda.NewFromConfig(w.config(t, hub, region)).CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("doublelock-detect"), Role: role, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code:        &lambdatypes.FunctionCode{ZipFile: []byte("PK\x05\x06" + strings.Repeat("\x00", 18))},
		Environment: &lambdatypes.Environment{Variables: map[string]string{"DOUBLELOCK_BUS": "doublelock"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := functions.Read(t.Context(), c, "doublelock-detect")
	for deadline := time.Now().Add(20 * time.Second); err == nil && got.State == "Pending" && time.Now().Before(deadline); { // AWS answers before it is ready
		time.Sleep(50 * time.Millisecond)
		got, err = functions.Read(t.Context(), c, "doublelock-detect")
	}
	if err != nil || got.Version != "$LATEST" || got.Runtime != "provided.al2023" || got.RoleARN != *role || got.Environment["DOUBLELOCK_BUS"] != "doublelock" || got.State != "Active" {
		t.Errorf("function %+v, %v", got, err)
	}
	w.expect(t, functionHasADigest, func(t testing.TB) {
		if got.CodeSHA256 == "" {
			t.Errorf("function %+v has no digest of its package", got)
		}
	})
}

func entered(t *testing.T, w *world) {
	account := w.account(t)
	c := w.cloud(t, nil)
	if err := c.Enter(t.Context(), account, "doublelock-read"); err != nil {
		t.Error(err)
	}
	w.expect(t, rolesTrust, func(t testing.TB) {
		if err := c.Enter(t.Context(), account, "doublelock-never"); !errors.Is(err, guard.ErrNotOurs) {
			t.Errorf("a role that is not there says %v, want ErrNotOurs", err)
		}
	})
	if err := c.Enter(t.Context(), "payments", "doublelock-read"); err == nil {
		t.Error("entered an account that is none")
	}
}

func principalsRead(t *testing.T, w *world) {
	account := w.account(t)
	client := iam.NewFromConfig(w.config(t, account, region))
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	reads := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	managed, err := client.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("reads"), PolicyDocument: &reads})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("app"), Path: aws.String("/team/"), AssumeRolePolicyDocument: &trust, PermissionsBoundary: managed.Policy.Arn})
	_, err2 := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("app"), PolicyName: aws.String("inline"), PolicyDocument: &reads})
	_, err3 := client.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("app"), PolicyArn: managed.Policy.Arn})
	_, err4 := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("old-fashioned")})
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	got, err := principals.Read(t.Context(), w.cloud(t, nil), account)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(got.Roles, func(p principals.Principal) bool { return p.Name == "app" })
	if at < 0 || !slices.ContainsFunc(got.Users, func(p principals.Principal) bool { return p.Name == "old-fashioned" }) {
		t.Fatalf("principals %+v", got)
	}
	role := got.Roles[at]
	if role.ARN != "arn:aws:iam::"+account+":role/team/app" || role.Path != "/team/" || !slices.Equal(role.Attached, []string{*managed.Policy.Arn}) {
		t.Errorf("role %+v", role)
	}
	w.expect(t, boundaryIsRead, func(t testing.TB) {
		if role.Boundary != *managed.Policy.Arn {
			t.Errorf("boundary %q", role.Boundary)
		}
	})
	for what, documents := range map[string][2]string{
		"trust": {trust, role.Trust}, "inline": {reads, role.Inline[0].JSON}, "managed": {reads, got.Policies[*managed.Policy.Arn]},
	} {
		if diff := cmp.Diff(parsed(t, documents[0]), parsed(t, documents[1])); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func parsed(t testing.TB, document string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Errorf("document %q: %v", document, err)
	}
	return v
}
