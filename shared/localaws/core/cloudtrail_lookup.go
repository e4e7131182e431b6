package core

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

func cloudTrailOperations() map[string]Operation {
	return map[string]Operation{
		"LookupEvents":   lookupEvents,
		"DescribeTrails": describeTrails,
		"GetTrailStatus": getTrailStatus,
		"StartLogging":   switchTrail(true),
		"StopLogging":    switchTrail(false),
	}
}

// cloudTrailAccess names the trail of the calls that are about one.
func cloudTrailAccess(c *Call) (Access, error) {
	switch c.Operation {
	case "GetTrailStatus", "StartLogging", "StopLogging":
		return Access{Resource: c.trailARN()}, nil
	}
	return Access{}, nil
}

const (
	lookupPage = 50
	lookupBack = 90 * 24 * time.Hour
	trailName  = "organization-trail"
)

type lookupInput struct {
	LookupAttributes   []struct{ AttributeKey, AttributeValue string }
	StartTime, EndTime float64 // epoch seconds; 0 is open
	MaxResults         int
	NextToken          string
	EventCategory      string // "insight": no management events
}

// lookupAttributes are what LookupEvents searches by. Source: API reference, LookupAttribute.
var lookupAttributes = []string{"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"}

// check refuses what CloudTrail does. Source: API reference, LookupEvents.
func (in lookupInput) check() error {
	switch {
	case len(in.LookupAttributes) > 1:
		return &Error{Code: "InvalidLookupAttributesException", Message: "You can only specify one attribute."}
	case len(in.LookupAttributes) == 1 && !slices.Contains(lookupAttributes, in.LookupAttributes[0].AttributeKey):
		return &Error{Code: "InvalidLookupAttributesException", Message: "Unknown attribute " + in.LookupAttributes[0].AttributeKey + "."}
	case in.MaxResults < 0 || in.MaxResults > lookupPage:
		return &Error{Code: "InvalidMaxResultsException", Message: "MaxResults must be from 1 to 50."}
	case in.EndTime > 0 && in.StartTime > in.EndTime:
		return &Error{Code: "InvalidTimeRangeException", Message: "The start time must be before the end time."}
	}
	return nil
}

// lookupEvents searches the management events of the last 90 days, newest first, by at most one attribute. AWS answers two
// searches a second in each account and Region; Faults throttle here.
func lookupEvents(c *Call) (any, error) {
	var in lookupInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	var matched []entry
	for e := range trailAt(c.AWS, c.Location).candidates(c.AWS, in) {
		if in.matches(c.AWS, e, c.Now) {
			matched = append(matched, e)
		}
	}
	from, to, next, err := Page(len(matched), in.NextToken, in.MaxResults, lookupPage)
	if err != nil {
		return nil, err
	}
	events := make([]any, 0, to-from)
	for _, e := range matched[from:to] {
		events = append(events, lookedUp(c.AWS.render(e)))
	}
	out := Reply{"Events": events}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

// matches compares an entry that is a candidate: by its time, and by an attribute that no index has.
func (in lookupInput) matches(a *AWS, e entry, now time.Time) bool {
	at := e.at().Truncate(time.Second) // as its record says it
	seconds := float64(at.Unix())
	if in.EventCategory == "insight" || now.Sub(at) > lookupBack || in.StartTime > seconds || in.EndTime > 0 && in.EndTime < seconds {
		return false
	}
	for _, wanted := range in.LookupAttributes {
		if !isIndexed(wanted.AttributeKey) && !slices.Contains(attributeOf(a.render(e), wanted.AttributeKey), wanted.AttributeValue) {
			return false
		}
	}
	return true
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// attributeOf are the values that LookupEvents compares for one of the attributes that no index has.
func attributeOf(record Record, key string) []string {
	switch key {
	case "EventId":
		return []string{text(record["eventID"])}
	case "EventSource":
		return []string{text(record["eventSource"])}
	case "ReadOnly":
		readOnly, _ := record["readOnly"].(bool)
		return []string{strconv.FormatBool(readOnly)}
	case "Username":
		return []string{usernameOf(record)}
	case "ResourceType":
		var types []string
		for _, r := range touchedBy(record) {
			types = append(types, text(r["type"]))
		}
		return types
	case "AccessKeyId":
		return []string{text(within(record, "userIdentity", "accessKeyId"))}
	}
	return nil
}

// within walks down objects; nil where there is nothing.
func within(record Record, path ...string) any {
	var at any = map[string]any(record)
	for _, name := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

func usernameOf(record Record) string {
	if name := text(within(record, "userIdentity", "userName")); name != "" {
		return name
	}
	_, session, _ := strings.Cut(text(within(record, "userIdentity", "principalId")), ":")
	return session
}

func resourceNames(record Record) []string {
	var names []string
	for _, path := range [][]string{{"requestParameters", "secretId"}, {"requestParameters", "name"}, {"responseElements", "arn"}, {"responseElements", "aRN"},
		{"requestParameters", "roleArn"}, {"additionalEventData", "SecretId"}, {"additionalEventData", "ARN"}} {
		if name := text(within(record, path...)); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, r := range touchedBy(record) {
		names = append(names, text(r["ARN"]))
	}
	return names
}

// touchedBy are the resources of a record, each with its ARN and, as a rule, its type.
func touchedBy(record Record) []map[string]any {
	var all []map[string]any
	resources, _ := record["resources"].([]any)
	for _, r := range resources {
		object, _ := r.(map[string]any)
		all = append(all, object)
	}
	return all
}

func lookedUp(record Record) Reply {
	body, _ := json.Marshal(record) // JSON values only
	at, _ := time.Parse(time.RFC3339, text(record["eventTime"]))
	resources := []any{}
	for _, name := range resourceNames(record) {
		resources = append(resources, Reply{"ResourceName": name})
	}
	readOnly, _ := record["readOnly"].(bool)
	return Reply{"EventId": record["eventID"], "EventName": record["eventName"], "EventSource": record["eventSource"], "EventTime": Epoch(at),
		"ReadOnly": strconv.FormatBool(readOnly), "Username": usernameOf(record), "AccessKeyId": text(within(record, "userIdentity", "accessKeyId")),
		"Resources": resources, "CloudTrailEvent": string(body)}
}

func (c *Call) trailARN() string {
	owner := c.Account
	if o := c.AWS.organization; o != nil {
		owner = o.management
	}
	return Location{owner, c.Region}.ARN("cloudtrail", "trail/"+trailName)
}

// describeTrails answers the one organization trail that covers every account and Region here.
func describeTrails(c *Call) (any, error) {
	return Reply{"trailList": []any{Reply{"Name": trailName, "TrailARN": c.trailARN(), "HomeRegion": c.Region, "IsMultiRegionTrail": true,
		"IsOrganizationTrail": c.AWS.organization != nil, "IncludeGlobalServiceEvents": true}}}, nil
}

func getTrailStatus(c *Call) (any, error) {
	return Reply{"IsLogging": !trailAt(c.AWS, c.Location).off}, nil
}

func switchTrail(on bool) Operation {
	return func(c *Call) (any, error) {
		trailAt(c.AWS, c.Location).off = !on
		return nil, nil
	}
}
