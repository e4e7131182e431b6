package core

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// Record is one CloudTrail record as JSON decodes it: only strings, booleans, float64, nil, []any and map[string]any.
type Record map[string]any

// trailStore is CloudTrail in one account and Region.
type trailStore struct {
	off       bool
	history   []entry // oldest first
	forgotten int     // how many entries were before those: the number of the first of history
	index     trailIndex
}

func newTrailStore() *trailStore { return &trailStore{} }

// Resource is one entry of a record's resources.
type Resource struct{ ARN, Type, Account string }

// entry is a finished call as CloudTrail keeps it. It is rendered only when somebody reads it, so that calls nobody
// listens to stay cheap.
type entry struct {
	call      *Call
	recipient Location
	eventID   string
	sharedID  string // set when the call is recorded in two accounts
	result    any
	err       error
	service   *ServiceEvent
}

// record writes what CloudTrail knows of a finished call: in the caller's account, and in the account that owns the
// resource when that is another one. The state lock must be held.
func (a *AWS) record(c *Call, result any, err error) {
	if isDataEvent(c.Service, c.Operation) {
		return
	}
	e := entry{call: c, recipient: Location{c.Caller.Account, c.Region}, eventID: a.UUID(), result: result, err: err}
	if c.Caller.Service != "" {
		e.recipient.Account = c.Account
	}
	c.slim()
	if e.readOnly() && c.Operation != "AssumeRole" {
		e.result = nil // never shown
	}
	owner := e.recipient.Account
	if c.owner != "" && err == nil {
		owner = c.owner
	}
	if owner != e.recipient.Account {
		e.sharedID = a.UUID()
	}
	if c.Recorded != nil && err == nil {
		c.Recorded(e.eventID)
	}
	c.Recorded = nil
	a.deliver(e)
	if owner != e.recipient.Account {
		e.recipient.Account, e.eventID = owner, a.UUID()
		a.deliver(e)
	}
}

// deliver keeps an entry, and shows it to those who want it now.
func (a *AWS) deliver(e entry) {
	trail := trailAt(a, e.recipient)
	trail.remember(e, cmp.Or(a.Options.History, historyLimit))
	logging := !trail.off || e.call != nil && e.call.Operation == "StopLogging" // a trail's last record is of its end
	wanted := logging && a.bus.Listens(a, e.recipient, e.readOnly())
	if !wanted && a.Options.OnRecord == nil {
		return
	}
	record := a.render(e)
	if a.Options.OnRecord != nil {
		a.Options.OnRecord(record)
	}
	if wanted {
		a.Emit(e.recipient, a.envelope(e, record))
	}
}

// Emit puts an event of an AWS service on the default bus of a location. The state lock must be held.
func (a *AWS) Emit(p Location, envelope map[string]any) { a.bus.Put(a, p, envelope) }

func (a *AWS) envelope(e entry, record Record) map[string]any {
	detailType := "AWS API Call via CloudTrail"
	if e.service != nil {
		detailType = "AWS Service Event via CloudTrail"
	}
	return map[string]any{
		"version": "0", "id": a.UUID(), "detail-type": detailType, "source": "aws." + e.source(), "account": e.recipient.Account,
		"time": record["eventTime"], "region": e.recipient.Region, "resources": []any{}, "detail": map[string]any(record),
	}
}

const trailVersion = "1.11"

// source is the service that an entry is of.
func (e entry) source() string {
	if e.service != nil {
		return e.service.Source
	}
	return e.call.Service
}

func (e entry) readOnly() bool {
	return e.service == nil && isReadOnly(e.call.Service, e.call.Operation)
}

// render writes an entry as CloudTrail would.
func (a *AWS) render(e entry) Record {
	if e.service != nil {
		return e.service.render(e)
	}
	c := e.call
	record := Record{
		"eventVersion": trailVersion, "userIdentity": userIdentity(c, e.recipient.Account), "eventTime": ISO(c.Now),
		"eventSource": a.Options.Partition.Service(c.Service), "eventName": c.Operation, "awsRegion": c.Region,
		"sourceIPAddress": c.SourceIP, "userAgent": c.UserAgent,
		"requestParameters": requestParameters(c), "responseElements": nil,
		"requestID": c.RequestID, "eventID": e.eventID, "readOnly": e.readOnly(), "eventType": "AwsApiCall",
		"managementEvent": true, "recipientAccountId": e.recipient.Account, "eventCategory": "Management",
	}
	if e.sharedID != "" {
		record["sharedEventID"] = e.sharedID
	}
	if len(c.Resources) > 0 {
		record["resources"] = resourcesOf(c.Resources)
	}
	if e.err != nil {
		record["errorCode"], record["errorMessage"] = trailError(e.err)
	} else {
		record["responseElements"] = responseElements(c, e.result)
	}
	return record
}

func resourcesOf(all []Resource) []any {
	out := make([]any, 0, len(all))
	for _, r := range all {
		one := map[string]any{"accountId": r.Account, "ARN": r.ARN}
		if r.Type != "" {
			one["type"] = r.Type
		}
		out = append(out, one)
	}
	return out
}

func trailError(err error) (code, message string) {
	var api *Error
	if !errors.As(err, &api) {
		return "InternalFailure", err.Error()
	}
	if api.Code == "AccessDeniedException" { // CloudTrail's own name for it
		return "AccessDenied", api.Message
	}
	return api.Code, api.Message
}

// userIdentity is who made a call, as the recipient account sees it.
func userIdentity(c *Call, recipient string) map[string]any {
	who := c.Caller
	if who.Service != "" {
		return map[string]any{"type": "AWSService", "invokedBy": who.Service}
	}
	if recipient != who.Account {
		out := map[string]any{"type": "AWSAccount", "principalId": who.PrincipalID, "accountId": who.Account}
		if c.Via != "" {
			out["invokedBy"] = c.Via
		}
		return out
	}
	out := map[string]any{"principalId": who.PrincipalID, "arn": who.ARN, "accountId": who.Account, "accessKeyId": who.AccessKeyID}
	switch {
	case who.isRoot():
		out["type"] = "Root"
	case who.RoleARN != "":
		out["type"] = "AssumedRole"
		out["sessionContext"] = sessionContext(who)
	default:
		out["type"], out["userName"] = "IAMUser", arn.Of(who.ARN).Base()
	}
	switch {
	case c.Via != "":
		out["invokedBy"] = c.Via
	case arn.IsHost(c.SourceIP): // a service with a role that it took, as CloudFormation
		out["invokedBy"] = c.SourceIP
	}
	return out
}

func sessionContext(who Caller) map[string]any {
	issuer, _, _ := strings.Cut(who.PrincipalID, ":")
	return map[string]any{
		"sessionIssuer": map[string]any{"type": "Role", "principalId": issuer, "arn": who.RoleARN, "accountId": who.Account, "userName": arn.Of(who.RoleARN).Base()},
		"attributes":    map[string]any{"creationDate": ISO(who.issued), "mfaAuthenticated": "false"},
	}
}

// ServiceEvent is something an AWS service did by itself.
type ServiceEvent struct {
	Source    string // "secretsmanager", "kms"
	Name      string
	RequestID string
	Extra     map[string]any // additionalEventData
	Resources []Resource
	now       time.Time
	Caller    string // invokedBy; "" is the service itself
}

func (s *ServiceEvent) render(e entry) Record {
	by := s.Caller
	if by == "" {
		by = arn.PartitionOf(e.recipient.Region).Service(s.Source)
	}
	record := Record{
		"eventVersion": trailVersion, "userIdentity": map[string]any{"accountId": e.recipient.Account, "invokedBy": by},
		"eventTime": ISO(s.now), "eventSource": arn.PartitionOf(e.recipient.Region).Service(s.Source), "eventName": s.Name, "awsRegion": e.recipient.Region,
		"sourceIPAddress": by, "userAgent": by, "requestParameters": nil, "responseElements": nil,
		"requestID": s.RequestID, "eventID": e.eventID, "readOnly": false, "eventType": "AwsServiceEvent",
		"managementEvent": true, "recipientAccountId": e.recipient.Account, "eventCategory": "Management",
	}
	if s.Extra != nil {
		record["additionalEventData"] = s.Extra
	}
	if len(s.Resources) > 0 {
		record["resources"] = resourcesOf(s.Resources)
	}
	return record
}

// Happened records a service event. The state lock must be held.
func (a *AWS) Happened(p Location, s ServiceEvent) {
	s.now = a.Options.Now().UTC()
	if s.RequestID == "" {
		s.RequestID = a.UUID()
	}
	a.deliver(entry{recipient: p, eventID: a.UUID(), service: &s})
}

// jsonValue turns a value into what JSON decodes it to.
func jsonValue(v any) any {
	body, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(body, &out); err != nil {
		return nil
	}
	return out
}
