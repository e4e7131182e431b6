package messaging

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// queueDefaults are the attributes a queue has when nothing else is said (seconds and bytes).
var queueDefaults = map[string]string{
	"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
}

// queueBounds are the least and most of the numeric attributes.
var queueBounds = map[string][2]int{
	"DelaySeconds": {0, 900}, "MaximumMessageSize": {1024, 1 << 20}, "MessageRetentionPeriod": {60, 1209600},
	"ReceiveMessageWaitTimeSeconds": {0, 20}, "VisibilityTimeout": {0, 43200}, "KmsDataKeyReusePeriodSeconds": {60, 86400},
}

// queueTexts are the attributes that hold something else than a number.
var queueTexts = []string{"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "SqsManagedSseEnabled"}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func createQueue(c *core.Call) (any, error) {
	var in struct {
		QueueName        string
		Attributes, Tags map[string]string // the SDK writes tags in lower case
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !queueName.MatchString(in.QueueName) {
		return nil, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if err := checkQueueAttributes(c, in.Attributes); err != nil {
		return nil, err
	}
	store := queuesAt(c.AWS, c.Location)
	if old, ok := store.queues[in.QueueName]; ok {
		return sameQueue(old, in.Attributes)
	}
	q := &queue{Location: c.Location, name: in.QueueName, url: queueURL(c, in.QueueName), attributes: maps.Clone(queueDefaults),
		created: c.Now, modified: c.Now}
	maps.Copy(q.attributes, in.Attributes)
	store.queues[in.QueueName] = q
	tag(c.AWS, q.arn(), in.Tags)
	return map[string]string{"QueueUrl": q.url}, nil
}

// sameQueue answers a repeated CreateQueue: fine when it asks for what exists.
func sameQueue(old *queue, attributes map[string]string) (any, error) {
	for name, value := range attributes {
		if old.attributes[name] != value {
			return nil, &core.Error{Code: "QueueNameExists", Message: "A queue already exists with the same name and a different value for attribute " + name}
		}
	}
	return map[string]string{"QueueUrl": old.url}, nil
}

// queueURL has the host that the caller reached us by, so that SDKs which call the URL itself come back here.
func queueURL(c *core.Call, name string) string {
	host := "https://" + arn.PartitionOf(c.Region).Regional("sqs", c.Region)
	if c.Request != nil && c.Request.Host != "" {
		host = "http://" + c.Request.Host
	}
	return host + "/" + c.Account + "/" + name
}

func checkQueueAttributes(c *core.Call, attributes map[string]string) error {
	for name, value := range attributes {
		bounds, numeric := queueBounds[name]
		switch {
		case numeric:
			if n, err := strconv.Atoi(value); err != nil || n < bounds[0] || n > bounds[1] {
				return invalidParameter("Invalid value for the parameter " + name + ".")
			}
		case !slices.Contains(queueTexts, name):
			return &core.Error{Code: "InvalidAttributeName", Message: "Unknown Attribute " + name + "."}
		case name == "Policy" && value != "" && !json.Valid([]byte(value)):
			return &core.Error{Code: "InvalidAttributeValue", Message: "Invalid value for the parameter Policy."}
		}
	}
	return checkRedrive(c, attributes["RedrivePolicy"])
}

func checkRedrive(c *core.Call, policy string) error {
	if policy == "" {
		return nil
	}
	probe := queue{attributes: map[string]string{"RedrivePolicy": policy}}
	target, most, ok := probe.redrive()
	if !ok || most > 1000 {
		return invalidParameter("Value " + policy + " for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: valid values are from 1 to 1000 both inclusive.")
	}
	if _, ok := queueByARN(c.AWS, target); !ok {
		return invalidParameter("Value " + policy + " for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.")
	}
	return nil
}

func invalidParameter(message string) error {
	return &core.Error{Code: "InvalidParameterValue", Message: message}
}

func getQueueURL(c *core.Call) (any, error) {
	var in struct{ QueueName, QueueOwnerAWSAccountId string } //nolint:revive // AWS's own names
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	owner := c.Location
	if in.QueueOwnerAWSAccountId != "" {
		owner.Account = in.QueueOwnerAWSAccountId
	}
	q, ok := queuesAt(c.AWS, owner).queues[in.QueueName]
	if !ok {
		return nil, noSuchQueue()
	}
	return map[string]string{"QueueUrl": q.url}, nil
}

func listQueues(c *core.Call) (any, error) {
	var in struct{ QueueNamePrefix string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	var urls []string
	queues := queuesAt(c.AWS, c.Location).queues
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			urls = append(urls, queues[name].url)
		}
	}
	return struct {
		QueueUrls []string `json:",omitempty"`
	}{urls}, nil
}

func deleteQueue(c *core.Call, q *queue) (any, error) {
	delete(queuesAt(c.AWS, q.Location).queues, q.name)
	return struct{}{}, nil
}

func setQueueAttributes(c *core.Call, q *queue) (any, error) {
	var in struct{ Attributes map[string]string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkQueueAttributes(c, in.Attributes); err != nil {
		return nil, err
	}
	maps.Copy(q.attributes, in.Attributes)
	q.modified = c.Now
	return struct{}{}, nil
}

func getQueueAttributes(c *core.Call, q *queue) (any, error) {
	var in struct{ AttributeNames []string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	all := q.describe(c.Now)
	if slices.Contains(in.AttributeNames, "All") {
		return map[string]any{"Attributes": all}, nil
	}
	some := map[string]string{}
	for _, name := range in.AttributeNames {
		if value, ok := all[name]; ok {
			some[name] = value
		}
	}
	return map[string]any{"Attributes": some}, nil
}

// describe is every attribute, the counted ones as of now.
func (q *queue) describe(now time.Time) map[string]string {
	all := maps.Clone(q.attributes)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	ready, flying, delayed := q.count(now)
	for name, n := range map[string]int{"ApproximateNumberOfMessages": ready,
		"ApproximateNumberOfMessagesNotVisible": flying, "ApproximateNumberOfMessagesDelayed": delayed,
		"CreatedTimestamp": int(q.created.Unix()), "LastModifiedTimestamp": int(q.modified.Unix())} {
		all[name] = strconv.Itoa(n)
	}
	all["QueueArn"] = q.arn()
	return all
}

// count is how many messages can be received, are being handled, and are still delayed.
func (q *queue) count(now time.Time) (ready, flying, delayed int) {
	for m := range q.messages.all() {
		switch {
		case !m.visible.After(now):
			ready++
		case m.receipt != "":
			flying++
		default:
			delayed++
		}
	}
	return ready, flying, delayed
}

// startMessageMoveTask moves what lies in a dead-letter queue back: to a destination, or to the queue each came from.
// Here it takes no time.
func startMessageMoveTask(c *core.Call) (any, error) {
	var in struct{ SourceArn, DestinationArn string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	source, ok := queueByARN(c.AWS, in.SourceArn)
	if !ok {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "The resource that you specified for the SourceArn parameter doesn't exist.", Status: 404}
	}
	moved := 0
	source.messages.removeIf(func(m *message) bool {
		back := moveBack(c.AWS, *m, in.DestinationArn, c.Now)
		if back {
			moved++
		}
		return back
	})
	if stay := source.messages.size(); stay > 0 && moved == 0 {
		return nil, &core.Error{Code: "UnsupportedOperation", Message: fmt.Sprintf("Source queue must be configured as a Dead Letter Queue; its %d messages have no queue to return to.", stay)}
	}
	return map[string]string{"TaskHandle": c.AWS.UUID()}, nil
}

// moveBack puts a dead letter where it is wanted, as a message that was never received.
func moveBack(a *core.AWS, m message, destination string, now time.Time) bool {
	if destination == "" {
		destination = m.system["DeadLetterQueueSourceArn"]
	}
	to, ok := queueByARN(a, destination)
	if !ok {
		return false
	}
	m.received, m.receipt, m.visible = 0, "", now
	m.system = maps.Clone(m.system)
	delete(m.system, "DeadLetterQueueSourceArn")
	to.messages.add(&m)
	transitOf(a).wake()
	return true
}
