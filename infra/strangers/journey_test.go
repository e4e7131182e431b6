package strangers_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestTheHubLivesInAnAWSThatNobodyHereWrote(t *testing.T) {
	t.Parallel() // most of its time it waits
	w := organize(t, start(t))
	w.synthesize(t)
	w.deploy(t)
	in := w.subscribe(t, "doublelock-owners")

	for _, step := range []struct {
		name string
		play func(*testing.T, *world, *inbox)
	}{
		{"a secret without a key is found and tagged, and its owner is notified", foundTaggedAndNotified},
		{"a waived one is recorded and nobody is notified", waived},
		{"one in an account that is fixed is re-keyed, and its lock state is unknown", rekeyed},
		{"what was parked is handled after a redrive", redriven},
		{"the sweep finds what no event reported", swept},
		{"the digest says what is still open", digested},
	} {
		t.Run(step.name, func(t *testing.T) { step.play(t, w, in) })
	}
	for _, l := range in.all {
		if owner := l.MessageAttributes["owner"].Value; owner == "team-shop" && strings.Contains(l.Message, "legacy/agent") {
			t.Errorf("%s was notified of what is waived: %s", owner, l.Subject)
		}
	}
}

func foundTaggedAndNotified(t *testing.T, w *world, in *inbox) {
	secret := w.createSecret(t, w.notified, home, "shop/db", "team-shop")
	w.event(t, w.notified, secret)
	w.eventually(t, "a record of "+secret, func() bool { return w.record(t, secret).state == "default" })
	if f := w.record(t, secret).finding("DL.SECRET.1"); f["status"] != "open" {
		t.Errorf("DL.SECRET.1 is %v, want open", f)
	}
	w.unreadable(t, in, secret)
	w.eventually(t, "our tags on "+secret, func() bool { return w.tags(t, secret)["doublelock:state"] == "default" })
	tags := w.tags(t, secret)
	if tags["doublelock:controls"] != "DL.ORG.1 DL.SECRET.1" || tags["doublelock:since"] == "" || tags["Owner"] != "team-shop" {
		t.Errorf("tags are %v", tags)
	}
	message := w.await(t, in, "team-shop", "[Doublelock] HIGH: shop/db is under the AWS managed key")
	if !strings.Contains(message.Message, secret) {
		t.Errorf("the message does not name %s:\n%s", secret, message.Message)
	}
}

func waived(t *testing.T, w *world, _ *inbox) {
	secret := w.createSecret(t, w.notified, home, "legacy/agent", "team-shop")
	w.event(t, w.notified, secret)
	w.eventually(t, "a record of "+secret, func() bool { return w.record(t, secret).finding("DL.SECRET.1")["status"] == "waived" })
}

func rekeyed(t *testing.T, w *world, in *inbox) {
	key := *must(kms.NewFromConfig(w.as(w.fixed, home)).DescribeKey(w.alive, &kms.DescribeKeyInput{KeyId: aws.String("alias/doublelock/secrets")}))(t).KeyMetadata.Arn
	secret := w.createSecret(t, w.fixed, home, "payments/api", "team-payments") // an owner whose first message of the hour it is: it goes at once
	w.event(t, w.fixed, secret)
	w.eventually(t, "the re-key of "+secret, func() bool { return aws.ToString(w.describe(t, secret).KmsKeyId) == key })
	w.eventually(t, "its state", func() bool { return w.record(t, secret).state == "unknown" })
	w.unreadable(t, in, secret)
	if f := w.record(t, secret).finding("DL.SECRET.1"); f["status"] != "open" {
		t.Errorf("DL.SECRET.1 is %v, want it open: nobody can see which keys its copies open with", f)
	}
	w.eventually(t, "its tags", func() bool { return w.tags(t, secret)["doublelock:state"] == "unknown" })
	message := w.await(t, in, "team-payments", "[Doublelock] MEDIUM: payments/api is under a CMK, not proven yet")
	if words := strings.Join(strings.Fields(message.Message), " "); !strings.Contains(words, "could not be read, so nothing is proven") {
		t.Errorf("the message does not say that nothing is proven:\n%s", message.Message)
	}
}

func redriven(t *testing.T, w *world, _ *inbox) {
	const queue, parked = "doublelock-detect", "doublelock-detect-dlq"
	functions := lambda.NewFromConfig(w.as(w.security, home))
	mappings := must(functions.ListEventSourceMappings(w.alive, &lambda.ListEventSourceMappingsInput{FunctionName: aws.String(queue)}))(t).EventSourceMappings
	if len(mappings) != 1 {
		t.Fatalf("%s has %d event source mappings, want 1", queue, len(mappings))
	}
	must(functions.UpdateEventSourceMapping(w.alive, &lambda.UpdateEventSourceMappingInput{UUID: mappings[0].UUID, Enabled: aws.Bool(false)}))(t)

	secret := w.createSecret(t, w.notified, home, "shop/parked", "")
	w.event(t, w.notified, secret)
	w.eventually(t, "the event in "+parked, func() bool { // somebody who takes it again and again and never finishes
		for _, m := range must(w.sqs().ReceiveMessage(w.alive, &sqs.ReceiveMessageInput{QueueUrl: w.queue(t, queue)}))(t).Messages {
			must(w.sqs().ChangeMessageVisibility(w.alive, &sqs.ChangeMessageVisibilityInput{QueueUrl: w.queue(t, queue), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}))(t)
		}
		return w.waiting(t, parked) == "1"
	})
	if r := w.record(t, secret); r.body != nil {
		t.Fatalf("%s was handled before the redrive: %v", secret, r.body)
	}

	must(functions.UpdateEventSourceMapping(w.alive, &lambda.UpdateEventSourceMappingInput{UUID: mappings[0].UUID, Enabled: aws.Bool(true)}))(t)
	_, err := w.sqs().StartMessageMoveTask(w.alive, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String("arn:aws:sqs:" + home + ":" + w.security + ":" + parked)})
	if lacking(t, "call sqs StartMessageMoveTask", err) {
		out := must(w.sqs().ReceiveMessage(w.alive, &sqs.ReceiveMessageInput{QueueUrl: w.queue(t, parked)}))(t)
		for _, m := range out.Messages {
			w.send(t, queue, *m.Body)
			must(w.sqs().DeleteMessage(w.alive, &sqs.DeleteMessageInput{QueueUrl: w.queue(t, parked), ReceiptHandle: m.ReceiptHandle}))(t)
		}
	}
	w.eventually(t, "a record of "+secret, func() bool { return w.record(t, secret).finding("DL.SECRET.1")["status"] == "open" })
	if left := w.waiting(t, parked); left != "0" {
		t.Errorf("%s messages are left in %s", left, parked)
	}
}

// waiting is how many messages a queue holds.
func (w *world) waiting(t *testing.T, queue string) string {
	t.Helper()
	const count = "ApproximateNumberOfMessages"
	out := must(w.sqs().GetQueueAttributes(w.alive, &sqs.GetQueueAttributesInput{QueueUrl: w.queue(t, queue), AttributeNames: []sqstypes.QueueAttributeName{count}}))(t)
	return out.Attributes[count]
}

func swept(t *testing.T, w *world, _ *inbox) {
	here := w.createSecret(t, w.notified, home, "shop/unseen", "")
	there := w.createSecret(t, w.fixed, other, "payments/unseen", "")
	w.fire(t, "doublelock-sweep", "doublelock-digest")
	for _, secret := range []string{here, there} {
		w.eventually(t, "a record of "+secret, func() bool { return w.record(t, secret).finding("DL.SECRET.1") != nil })
	}
}

func digested(t *testing.T, w *world, in *inbox) {
	message := w.await(t, in, "team-shop", "still need")
	if !strings.Contains(message.Message, "shop/db") {
		t.Errorf("the digest does not name shop/db:\n%s", message.Message)
	}
}

// fire makes schedules due within a minute, by an update of the stack.
func (w *world) fire(t *testing.T, names ...string) {
	t.Helper()
	changed := 0
	for _, r := range w.hub.resources() {
		resource := object(r)
		if properties := object(resource["Properties"]); resource["Type"] == "AWS::Scheduler::Schedule" && slices.Contains(names, fmt.Sprint(properties["Name"])) {
			properties["ScheduleExpression"] = "rate(1 minute)"
			changed++
		}
	}
	if changed != len(names) {
		t.Fatalf("the hub has %d of the schedules %v", changed, names)
	}
	w.update(t, w.security, home, "doublelock-hub", w.hub.String())
}

// createSecret makes a secret on the default key, with an owner's tag, and returns its ARN.
func (w *world) createSecret(t *testing.T, account, region, name, owner string) string {
	t.Helper()
	client := secretsmanager.NewFromConfig(w.as(account, region))
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("not a secret")}
	if owner != "" {
		in.Tags = []secretstypes.Tag{{Key: aws.String("Owner"), Value: &owner}}
	}
	return *must(client.CreateSecret(w.alive, in))(t).ARN
}

// describe looks at a secret as its account does.
func (w *world) describe(t *testing.T, secret string) *secretsmanager.DescribeSecretOutput {
	t.Helper()
	parts := strings.Split(secret, ":")
	client := secretsmanager.NewFromConfig(w.as(parts[4], parts[3]))
	return must(client.DescribeSecret(w.alive, &secretsmanager.DescribeSecretInput{SecretId: &secret}))(t)
}

func (w *world) tags(t *testing.T, secret string) map[string]string {
	t.Helper()
	tags := map[string]string{}
	for _, tag := range w.describe(t, secret).Tags {
		tags[*tag.Key] = *tag.Value
	}
	return tags
}

// event is what EventBridge puts into detect's queue when somebody creates a secret: ministack writes no CloudTrail
// events, and lets nobody put events of an aws source on a bus, as AWS does.
func (w *world) event(t *testing.T, account, secret string) {
	t.Helper()
	w.send(t, "doublelock-detect", w.envelope(t, account, secret))
}

func (w *world) envelope(t *testing.T, account, secret string) string {
	t.Helper()
	event := decode[map[string]any](t, read(t, root+"/testdata/trail/events/create-secret-default-key.json"))
	const oldARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/payments/api-Ab3dEf"
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(oldARN, secret, "shop/payments/api", nameOf(secret), "111122223333", account, "eu-central-1", home,
		"2026-06-02T08:01:00Z", time.Now().UTC().Format(time.RFC3339), "18b57373-766c-5960-8db4-062d98db7317", fmt.Sprintf("%08d-766c-5960-8db4-062d98db7317", time.Now().UnixMilli()%1e8)).Replace(string(raw))
}

func (w *world) queue(t *testing.T, name string) *string {
	t.Helper()
	return must(w.sqs().GetQueueUrl(w.alive, &sqs.GetQueueUrlInput{QueueName: &name}))(t).QueueUrl
}

func (w *world) sqs() *sqs.Client { return sqs.NewFromConfig(w.as(w.security, home)) }

func (w *world) send(t *testing.T, queue, body string) {
	t.Helper()
	must(w.sqs().SendMessage(w.alive, &sqs.SendMessageInput{QueueUrl: w.queue(t, queue), MessageBody: &body}))(t)
}

// record is what the hub remembers of a secret.
type record struct {
	state string
	body  map[string]any
}

func (w *world) record(t *testing.T, secret string) record {
	t.Helper()
	client := dynamodb.NewFromConfig(w.as(w.security, home))
	out := must(client.GetItem(w.alive, &dynamodb.GetItemInput{TableName: aws.String("doublelock"), ConsistentRead: aws.Bool(true),
		Key: map[string]dynamodbtypes.AttributeValue{
			"pk": &dynamodbtypes.AttributeValueMemberS{Value: "resource#" + secret}, "sk": &dynamodbtypes.AttributeValueMemberS{Value: "record"},
		}}))(t)
	if len(out.Item) == 0 {
		return record{}
	}
	state, _ := out.Item["state"].(*dynamodbtypes.AttributeValueMemberS)
	body, _ := out.Item["body"].(*dynamodbtypes.AttributeValueMemberS)
	if state == nil || body == nil {
		t.Fatalf("record of %s has no state or body: %v", secret, out.Item)
	}
	return record{state.Value, decode[map[string]any](t, []byte(body.Value))}
}

// finding is what a record says of a control; nil where it says nothing.
func (r record) finding(control string) map[string]any {
	list, _ := r.body["findings"].([]any)
	for _, f := range list {
		if finding := object(f); finding["control"] == control {
			return finding
		}
	}
	return nil
}

// unreadable asserts that the hub does not pretend to know what ministack does not say: by which keys a version opens.
func (w *world) unreadable(t *testing.T, in *inbox, secret string) {
	t.Helper()
	f := w.record(t, secret).finding("DL.ORG.1")
	if blind := object(object(f["subject"])["blind"]); f["status"] != "open" || blind["part"] != "version_keys" || blind["cause"] != "not_listed" {
		t.Errorf("DL.ORG.1 is %v, want it open because no keys of a version are listed", f)
	}
	reason := w.await(t, in, "security-team", "Doublelock cannot look here: "+nameOf(secret))
	if words := strings.Join(strings.Fields(reason.Message), " "); !strings.Contains(words, "keys of version ") {
		t.Errorf("the message does not say that keys of a version are unread:\n%s", reason.Message)
	}
}

// nameOf is the name in a secret's ARN, without the six characters behind it.
func nameOf(secret string) string {
	return secret[strings.LastIndex(secret, ":")+1 : strings.LastIndex(secret, "-")]
}

// inbox is a queue that subscribes to a topic, and what came so far.
type inbox struct {
	url *string
	all []message
}

// message is a message as SNS puts it into a queue.
type message struct {
	Subject           string
	Message           string
	MessageAttributes map[string]struct{ Value string }
}

// await waits for a message to an owner whose subject holds a text.
func (w *world) await(t *testing.T, in *inbox, owner, text string) message {
	t.Helper()
	var found message
	w.eventually(t, fmt.Sprintf("a message %q to %s", text, owner), func() bool {
		out := must(w.sqs().ReceiveMessage(w.alive, &sqs.ReceiveMessageInput{QueueUrl: in.url, MaxNumberOfMessages: 10}))(t)
		for _, m := range out.Messages {
			in.all = append(in.all, decode[message](t, []byte(*m.Body)))
			must(w.sqs().DeleteMessage(w.alive, &sqs.DeleteMessageInput{QueueUrl: in.url, ReceiptHandle: m.ReceiptHandle}))(t)
		}
		for _, l := range in.all {
			if l.MessageAttributes["owner"].Value == owner && strings.Contains(l.Subject, text) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

func (w *world) subscribe(t *testing.T, topic string) *inbox {
	t.Helper()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage",
		"Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:%s:%s:%s"}}}]}`, home, w.security, topic)
	out := must(w.sqs().CreateQueue(w.alive, &sqs.CreateQueueInput{QueueName: aws.String("inbox-" + topic), Attributes: map[string]string{"Policy": policy}}))(t)
	client := sns.NewFromConfig(w.as(w.security, home))
	must(client.Subscribe(w.alive, &sns.SubscribeInput{TopicArn: aws.String("arn:aws:sns:" + home + ":" + w.security + ":" + topic),
		Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + home + ":" + w.security + ":inbox-" + topic)}))(t)
	return &inbox{url: out.QueueUrl}
}
