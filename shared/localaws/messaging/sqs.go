package messaging

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

//nolint:gosec // the wire protocol asks for MD5

// sqsStore is Amazon SQS in one account and Region.
type sqsStore struct {
	queues map[string]*queue
}

func newSQSStore() *sqsStore { return &sqsStore{queues: map[string]*queue{}} }

func queuesAt(a *core.AWS, at core.Location) *sqsStore { return core.Regional(a, at, newSQSStore) }

// queue is one SQS queue.
type queue struct {
	core.Location
	name       string
	url        string
	attributes map[string]string
	created    time.Time
	modified   time.Time
	messages   backlog
}

// message is one message of a queue. It is in flight while now is before visible and receipt is not empty.
type message struct {
	id, body   string
	attributes map[string]messageAttribute
	system     map[string]string // AWSTraceHeader, DeadLetterQueueSourceArn
	sender     string
	sent       time.Time
	visible    time.Time
	first      time.Time // first receive
	received   int
	receipt    string
	gone       bool // taken out of its backlog
}

// messageAttribute is an attribute of an SQS message as the JSON protocol writes it.
type messageAttribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

func sqsOperations() map[string]core.Operation {
	all := map[string]core.Operation{
		"ListQueues":           listQueues,
		"CreateQueue":          createQueue,
		"GetQueueUrl":          getQueueURL,
		"DeleteQueue":          onQueue(deleteQueue),
		"GetQueueAttributes":   onQueue(getQueueAttributes),
		"SetQueueAttributes":   onQueue(setQueueAttributes),
		"ListQueueTags":        onQueue(listQueueTags),
		"StartMessageMoveTask": startMessageMoveTask,
	}
	maps.Copy(all, sqsMessageOperations())
	return all
}

// onQueue finds the queue that QueueUrl names.
func onQueue(run func(*core.Call, *queue) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		q, err := queueOf(c)
		if err != nil {
			return nil, err
		}
		return run(c, q)
	}
}

func queueOf(c *core.Call) (*queue, error) {
	var in struct{ QueueUrl string } //nolint:revive // AWS's own name
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	account, name := queueOfURL(in.QueueUrl)
	if account == "" {
		account = c.Account
	}
	q, ok := queuesAt(c.AWS, core.Location{Account: account, Region: c.Region}).queues[name]
	if !ok {
		return nil, noSuchQueue()
	}
	return q, nil
}

func noSuchQueue() error {
	return &core.Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist."}
}

// queueOfURL takes account and name from a queue URL, whatever its host; a bare name has no account.
func queueOfURL(url string) (account, name string) {
	parts := strings.Split(url, "/")
	name = parts[len(parts)-1]
	if len(parts) > 1 {
		account = parts[len(parts)-2]
	}
	return account, name
}

// queueByARN finds a queue anywhere. The state lock must be held.
func queueByARN(a *core.AWS, queueARN string) (*queue, bool) {
	at, name, ok := a.Locate(queueARN, "sqs")
	if !ok {
		return nil, false
	}
	q, ok := queuesAt(a, at).queues[name]
	return q, ok
}

func (q *queue) arn() string { return q.Location.ARN("sqs", q.name) }

// seconds reads a numeric attribute, which was checked when it was set.
func (q *queue) seconds(name string) time.Duration {
	n, _ := strconv.Atoi(q.attributes[name])
	return time.Duration(n) * time.Second
}

// redrive is where messages go that were received too often; ok is false when there is no such rule.
func (q *queue) redrive() (target string, most int, ok bool) {
	var policy struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(q.attributes["RedrivePolicy"]), &policy) != nil {
		return "", 0, false
	}
	n, err := policy.MaxReceiveCount.Int64()
	return policy.DeadLetterTargetArn, int(n), err == nil && n > 0 && policy.DeadLetterTargetArn != ""
}

// sqsAccess names the queue a call is about and lets its policy speak.
func sqsAccess(c *core.Call) (core.Access, error) {
	var in struct{ QueueUrl, QueueName, SourceArn string } //nolint:revive // AWS's own names
	if err := c.Decode(&in); err != nil {
		return core.Access{}, err
	}
	action := "sqs:" + strings.TrimSuffix(c.Operation, "Batch")
	switch {
	case in.SourceArn != "":
		return core.Access{Action: action, Resource: in.SourceArn}, nil
	case in.QueueUrl == "" && in.QueueName == "":
		return core.Access{Action: action, Resource: c.Location.ARN("sqs", "*")}, nil
	case in.QueueUrl == "":
		return core.Access{Action: action, Resource: c.Location.ARN("sqs", in.QueueName)}, nil
	}
	account, name := queueOfURL(in.QueueUrl)
	if account == "" {
		account = c.Account
	}
	at := core.Location{Account: account, Region: c.Region}
	on := core.Access{Action: action, Resource: at.ARN("sqs", name), Owner: account}
	if q, ok := queuesAt(c.AWS, at).queues[name]; ok {
		on.ResourcePolicy = q.attributes["Policy"]
	}
	return on, nil
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is SQS's digest of message attributes: names sorted; name, type and value with their lengths.
func md5OfAttributes(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(text []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text))) //nolint:gosec // a message is at most 1 MiB
		b = append(b, text...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		attribute := attributes[name]
		add([]byte(name))
		add([]byte(attribute.DataType))
		if attribute.StringValue != nil {
			b = append(b, 1)
			add([]byte(*attribute.StringValue))
		} else {
			b = append(b, 2)
			add(attribute.BinaryValue)
		}
	}
	sum := md5.Sum(b) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
