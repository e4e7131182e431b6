package trail

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

var (
	errNoEvent     = errors.New(`neither an EventBridge event (no "detail-type") nor a CloudTrail record (no "eventName")`)
	errNoEventName = errors.New(`a CloudTrail event without "eventName"`)

	// errNotAsWritten is the reason for an event with what CloudTrail writes into none.
	errNotAsWritten = errors.New("no event as CloudTrail writes them")
	errNoSource     = fmt.Errorf(`%w: it has no "eventSource", which says what service was called`, errNotAsWritten)
	errTrailing     = errors.New("more follows after the event")
)

// Decode reads one event: an EventBridge envelope, or a bare CloudTrail record. An event that is none of ours is
// the normal case and answers Ignored; the error is for what is not an event at all.
func Decode(raw []byte) (Change, error) {
	c := cursor{buf: raw}
	change, err := decodeAt(&c)
	if err != nil {
		return Change{}, fmt.Errorf("decode event: %w", err)
	}
	if rest := bytes.TrimLeft(raw[c.at:], " \t\r\n"); len(rest) > 0 {
		return Change{}, fmt.Errorf("decode event: %w", errTrailing)
	}
	return change, nil
}

// decodeAt reads the object at the cursor. A broken JSON text sticks in the cursor as well; an error of meaning does
// not, so that reading can go on behind it.
func decodeAt(c *cursor) (Change, error) {
	var f fields
	f.read(c) // nothing of what is no object
	if c.err != nil {
		return Change{}, c.err
	}
	return f.change()
}

// readAt is decodeAt for a value of a file, which need not be an event but may carry one: then the error is that it is none.
func readAt(c *cursor) (Change, error) {
	var f fields
	f.read(c)
	switch {
	case c.err != nil:
		return Change{}, c.err
	case f.flat, !f.shaped && f.eventSource.present(), bytes.HasPrefix(f.eventSource.bytes(), []byte("aws:")):
		return Change{}, errNoEvent
	}
	change, err := f.change()
	if !f.envelope() {
		change.doubt(f.leftOut())
	}
	return change, err
}

// fields is what we need of an event, as it lies in the buffer.
type fields struct {
	id, detailType, source, account, time, region text // of the envelope

	eventID, sharedEventID, requestID text
	eventName, eventSource, eventType text
	eventTime, awsRegion, recipient   text
	errorCode, errorMessage           text
	userAgent, sourceIP               text
	readOnly                          bool
	user                              identity
	request                           []byte // requestParameters
	flat                              bool   // it is a row of a table: objects are texts or parts of them are members
	shaped                            bool   // it has what only a record has: eventVersion, or an object
	label                             text   // name in a native event
	wrong                             error  // what is not as CloudTrail writes it, of the first such member
	versioned                         bool   // it has eventVersion, as all of CloudTrail's own have
	identified, answered, listed      bool   // it has an object userIdentity, an object responseElements, resources

	response, additional        ids
	keyARN, secretARN, aliasARN text // in resources, of the envelope or of the record
	secondKeyARN                text // likewise
}

// ids are the places of an element in which AWS puts the id of a secret or key.
type ids struct{ arn, secretID, keyID, key, keyState text }

func (f *fields) read(c *cursor) {
	c.object(func(name []byte) {
		switch string(name) {
		case "id":
			f.id = c.text()
		case "detail-type":
			f.detailType = c.text()
		case "source":
			f.source = c.text()
		case "account":
			f.account = c.text()
		case "time":
			f.time = c.text()
		case "region":
			f.region = c.text()
		case "detail":
			f.shaped = true
			c.object(func(name []byte) { f.member(c, name) })
		default:
			f.member(c, name)
		}
	})
}

// member reads one member of a CloudTrail record.
func (f *fields) member(c *cursor, name []byte) {
	if b := c.peek(); b == '{' || b == '[' {
		f.shaped = true
	}
	switch string(name) {
	case "eventVersion":
		f.shaped, f.versioned = true, true
		c.skip()
	case "eventID":
		f.eventID = f.string(c, name)
	case "sharedEventID":
		f.sharedEventID = f.string(c, name)
	case "requestID":
		f.requestID = f.string(c, name)
	case "eventName":
		f.eventName = f.string(c, name)
	case "eventSource":
		f.eventSource = f.string(c, name)
	case "eventType":
		f.eventType = f.string(c, name)
	case "eventTime":
		f.eventTime = f.string(c, name)
	case "awsRegion":
		f.awsRegion = f.string(c, name)
	case "recipientAccountId":
		f.recipient = f.string(c, name)
	case "errorCode":
		f.errorCode = f.string(c, name)
	case "errorMessage":
		f.errorMessage = f.string(c, name)
	case "userAgent":
		f.userAgent = f.string(c, name)
	case "sourceIPAddress":
		f.sourceIP = f.string(c, name)
	case "readOnly":
		f.readOnly = c.flag()
	case "userIdentity":
		f.flat = f.flat || c.peek() == '"'
		f.want(c, name, '{')
		f.identified = c.peek() == '{'
		f.user.read(c)
	case "requestParameters":
		f.flat = f.flat || c.peek() == '"'
		f.want(c, name, '{')
		f.request = c.span()
	case "responseElements":
		f.flat = f.flat || c.peek() == '"'
		f.want(c, name, '{')
		f.answered = c.peek() == '{'
		f.response.read(c)
	case "additionalEventData", "serviceEventDetails":
		f.want(c, name, '{')
		f.additional.read(c)
	case "resources":
		f.want(c, name, '[')
		f.listed = true
		f.readResources(c)
	case "name":
		f.label = c.text()
	default:
		f.flat = f.flat || string(name) == "_raw" || bytes.ContainsRune(name, '.')
		c.skip()
	}
}

func (i *ids) read(c *cursor) {
	c.object(func(name []byte) {
		switch string(name) {
		case "arn", "aRN", "ARN", "Arn":
			i.set(&i.arn, c.text())
		case "SecretId", "secretId", "secretID", "SecretID":
			i.set(&i.secretID, c.text())
		case "keyId", "KeyId":
			i.set(&i.keyID, c.text())
		case "keyState":
			i.set(&i.keyState, c.text())
		case "keyMetadata", "replicaKeyMetadata":
			c.object(func(name []byte) {
				if string(name) == "arn" {
					i.key = c.text()
					return
				}
				c.skip()
			})
		default:
			c.skip()
		}
	})
}

// set keeps what is there when another spelling of the same member is empty or null.
func (i *ids) set(to *text, found text) {
	if found.present() {
		*to = found
	}
}

// string reads a member that CloudTrail writes as a text, or not at all.
func (f *fields) string(c *cursor, name []byte) text {
	f.want(c, name, '"')
	return c.text()
}

// want notes a member that has another type than CloudTrail gives it. Null is as good as absent, and a text may be the column of a table.
func (f *fields) want(c *cursor, name []byte, begins byte) {
	if b := c.peek(); b != begins && b != 'n' && b != '"' && f.wrong == nil && c.err == nil {
		f.wrong = fmt.Errorf("%w: %s is %s", errNotAsWritten, name, kindOf(b))
	}
}

// kindOf names a JSON value by how it begins.
func kindOf(b byte) string {
	switch b {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a truth value"
	}
	return "a number"
}

// readResources reads the envelope's list of ARNs as well as the record's list of objects.
func (f *fields) readResources(c *cursor) {
	c.array(func() {
		if c.peek() == '"' {
			f.resource(c.text(), text{})
			return
		}
		var id, kind text
		c.object(func(name []byte) {
			switch string(name) {
			case "ARN", "arn":
				id = c.text()
			case "type":
				kind = c.text()
			default:
				c.skip()
			}
		})
		f.resource(id, kind)
	})
}

// resource sorts a resource by type and, since old records lack types, by ARN. The first of a sort counts.
func (f *fields) resource(id, kind text) {
	service, noun := arn.Kind(id.bytes())
	switch {
	case string(service) == kms && string(noun) == "alias": // typed AWS::KMS::Key, too, beside the key it leads to
		if !f.aliasARN.present() {
			f.aliasARN = id
		}
	case string(kind.bytes()) == "AWS::KMS::Key" || string(service) == kms && string(noun) == "key":
		switch {
		case !f.keyARN.present():
			f.keyARN = id
		case !f.secondKeyARN.present():
			f.secondKeyARN = id
		}
	case string(service) == secretsManager:
		if !f.secretARN.present() {
			f.secretARN = id
		}
	}
}

// service is the part of the event source that names the service. An envelope's own source counts, for EventBridge
// sets it and nobody else can send one that begins with "aws.".
func (f *fields) service() []byte {
	if f.source.present() {
		service, found := bytes.CutPrefix(f.source.bytes(), []byte("aws."))
		if !found {
			return nil
		}
		return service
	}
	service, _ := bytes.CutSuffix(f.eventSource.bytes(), []byte(".amazonaws.com"))
	return service
}

// deliveredAs is the detail-type; for a bare record the one EventBridge would give it.
func (f *fields) deliveredAs() string {
	if f.detailType.present() {
		switch string(f.detailType.bytes()) {
		case apiCall:
			return apiCall
		case serviceEvent:
			return serviceEvent
		}
		return f.detailType.String()
	}
	switch string(f.eventType.bytes()) {
	case "AwsServiceEvent":
		return serviceEvent
	case "AwsConsoleSignIn":
		return "AWS Console Sign In via CloudTrail"
	case "AwsConsoleAction":
		return "AWS Console Action via CloudTrail"
	}
	return apiCall
}

// envelope reports whether EventBridge's is around the record.
func (f *fields) envelope() bool { return f.detailType.present() || f.source.present() }

// change makes the plain value of the fields.
func (f *fields) change() (Change, error) {
	if !f.envelope() && !f.eventName.present() {
		return Change{}, errNoEvent
	}
	c := Change{Kind: Ignored, DetailType: f.deliveredAs(), Account: f.where(), Region: f.whichRegion()}
	c.Time = parseTime(f.eventTime, f.time)
	c.EventID = orElse(f.eventID.String(), f.id.String())
	service := f.service()
	ours := watched(service)
	fromTrail := strings.HasSuffix(c.DetailType, "via CloudTrail")
	switch {
	case f.source.present() && service == nil:
		c.EventSource = f.source.String()
		c.Reason = "not from AWS"
	case c.DetailType == labelUpdated && ours == secretsManager:
		f.native(&c)
	case !fromTrail:
		c.EventSource = f.source.String()
		c.Reason = "not a CloudTrail event"
	case f.wrong != nil:
		return Change{}, f.wrong
	case !f.eventName.present():
		return Change{}, errNoEventName
	case len(f.service()) == 0:
		return Change{}, errNoSource
	default:
		f.record(&c)
		f.judge(&c, ours)
	}
	return c, nil
}

func (f *fields) native(c *Change) {
	c.EventName, c.EventSource = labelUpdated, secretsManagerHost
	c.Secret = secretRef(orElse(f.secretARN.String(), f.label.String()), c.Account, c.Region)
	if c.Secret.ID == "" {
		c.Reason = "names no secret"
		return
	}
	c.Kind, c.Rule, c.Reason = LookAtSecret, ruleLabels, "a label moved to another version"
}

// record fills in what every CloudTrail record has.
func (f *fields) record(c *Change) {
	c.EventName = f.eventName.String()
	c.EventSource = f.eventSource.String()
	if c.EventSource == "" {
		c.EventSource = string(f.service()) + ".amazonaws.com"
	}
	c.SharedEventID = f.sharedEventID.String()
	c.Actor = f.user.actor()
	c.UserAgent = f.userAgent.String()
	c.SourceIP = f.sourceIP.String()
	c.ErrorCode = f.errorCode.String()
	c.ErrorMessage = f.errorMessage.String()
	c.ReadOnly = f.readOnly
}

// where is the account in which it happened. The envelope's account is EventBridge's word, the rest is the record's.
func (f *fields) where() string {
	for _, t := range []text{f.account, f.recipient, f.user.account} {
		if t.present() {
			return t.String()
		}
	}
	return ""
}

func (f *fields) whichRegion() string {
	if f.region.present() {
		return f.region.String()
	}
	return f.awsRegion.String()
}

// parseTime reads the first that is a time; zero when none is.
func parseTime(candidates ...text) time.Time {
	for _, t := range candidates {
		if !t.present() {
			continue
		}
		if at, err := time.Parse(time.RFC3339, string(t.bytes())); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
