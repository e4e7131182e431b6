package trail

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is an event whose members have other names than CloudTrail's: the columns of a table by their plain names, that is
// in lower case and without anything but letters and digits.
type row map[string]any

func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '@':
			return r
		}
		return -1
	}, name)
}

// columns are the texts of a record, by plain name.
var columns = map[string]string{
	"eventversion": "eventVersion", "eventtime": "eventTime", "eventsource": "eventSource", "eventname": "eventName",
	"awsregion": "awsRegion", "region": "awsRegion", "sourceipaddress": "sourceIPAddress", "useragent": "userAgent",
	"errorcode": "errorCode", "errormessage": "errorMessage", "requestid": "requestID", "eventid": "eventID",
	"eventtype": "eventType", "recipientaccountid": "recipientAccountId", "sharedeventid": "sharedEventID",
	"vpcendpointid": "vpcEndpointId", "eventcategory": "eventCategory", "apiversion": "apiVersion",
}

// structs are the objects of a record, by plain name.
var structs = map[string]string{
	"useridentity": "userIdentity", "requestparameters": "requestParameters", "responseelements": "responseElements",
	"additionaleventdata": "additionalEventData", "serviceeventdetails": "serviceEventDetails", "resources": "resources",
}

// members are the names inside of those objects that are read, as CloudTrail writes them; tables have them in lower case.
var members = func() map[string]string {
	byPlain := map[string]string{}
	for _, name := range []string{
		"arn", "accountId", "principalId", "userName", "invokedBy", "accessKeyId", "sessionContext", "sessionIssuer", "attributes", "mfaAuthenticated",
		"creationDate", "sourceIdentity", "onBehalfOf", "userId", "identityStoreArn", "type", "webIdFederationData",
		"name", "secretId", "secretIdList", "kmsKeyId", "keyId", "targetKeyId", "sourceKeyId", "destinationKeyId", "aliasName", "addReplicaRegions", "replicaRegions",
		"versionId", "versionStage", "clientRequestToken", "resourcePolicy", "policyName", "policy", "policyId", "policyType", "targetId",
		"rule", "encryptionContext", "granteePrincipal", "operations", "keyMetadata", "replicaKeyMetadata", "trailName",
		"roleName", "path", "stackName", "eventBusName",
	} {
		byPlain[plainName(name)] = name
	}
	byPlain["secretarn"], byPlain["secretversionid"] = "SecretARN", "SecretVersionId" // of the encryption context
	return byPlain
}()

// isEvent reports whether the columns of a table are those of events.
func (r row) isEvent() bool {
	_, name := r["eventname"]
	_, source := r["eventsource"]
	return name && source
}

// record writes a row as the record of CloudTrail that it was made of.
func (r row) record() []byte {
	record := map[string]any{}
	for name, value := range r {
		switch text, isText := value.(string); {
		case columns[name] != "" && isText && holds(value):
			record[columns[name]] = text
		case structs[name] != "":
			if found := restored(unpacked(value)); found != nil {
				record[structs[name]] = found
			}
		case name == "readonly":
			record["readOnly"] = value == true || isText && strings.EqualFold(text, "true")
		}
	}
	if at := eventTime(r["eventtime"]); at != "" {
		record["eventTime"] = at
	}
	_, asked := r["vpcendpointid"]
	if _, whole := r["useridentity"]; !whole || !asked {
		delete(record, "eventVersion") // which a whole record has: of this one, columns may have been left out
	}
	r.flatIdentity(record)
	r.console(record)
	raw, err := json.Marshal(record)
	if err != nil {
		return nil // cannot be: it was read from JSON
	}
	return raw
}

// unpacked reads what a column holds: JSON, or a struct as Athena prints it.
func unpacked(value any) any {
	text, isText := value.(string)
	if !isText {
		return value
	}
	var decoded any
	if err := json.Unmarshal([]byte(text), &decoded); err == nil {
		if inner, twice := decoded.(string); twice {
			return presto(inner)
		}
		return decoded
	}
	if found := presto(text); found != text {
		return found
	}
	return nil
}

// holds reports whether a column holds anything: exports write nothing, null or a dash where the record has no member.
func holds(value any) bool { return value != nil && value != "" && value != "null" && value != "-" }

// unreadable lists the objects of a record whose columns hold something else than an object, or a text inside where CloudTrail has
// objects, so that what they say is not known.
func (r row) unreadable() []string {
	var out []string
	for name, member := range structs {
		value := unpacked(r[name])
		if holds(r[name]) && (!isObject(value) || member == "requestParameters" && textual(value)) {
			out = append(out, member)
		}
	}
	if slices.Contains(out, "userIdentity") {
		out = append(out, invokedBy)
	}
	slices.Sort(out)
	return out
}

// ofObjects are the parameters that are lists of objects. Some exports write them, or each object in them, as a text.
var ofObjects = []string{"tags", "addreplicaregions"}

// objects reads such a parameter, as far as it can be read.
func objects(value any) any {
	if text, is := value.(string); is {
		if value = unpacked(text); !isObject(value) {
			return text
		}
	}
	list, _ := value.([]any)
	for i := range list {
		if text, is := list[i].(string); is && isObject(unpacked(text)) {
			list[i] = unpacked(text)
		}
	}
	return value
}

// textual reports whether a request has a text where CloudTrail has objects.
func textual(request any) bool {
	parameters, _ := request.(map[string]any)
	for name, value := range parameters {
		if !slices.Contains(ofObjects, plainName(name)) {
			continue
		}
		value = objects(value)
		list, _ := value.([]any)
		if text, is := value.(string); is && holds(text) || slices.ContainsFunc(list, func(item any) bool { _, is := item.(string); return is }) {
			return true
		}
	}
	return false
}

func isObject(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// restored gives members the names that CloudTrail gives them. Values of secrets are left out.
func restored(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			if secretMember([]byte(name)) {
				continue
			}
			if known := members[name]; known != "" { // a name with a capital is CloudTrail's own already
				name = known
			}
			if slices.Contains(ofObjects, plainName(name)) {
				value = objects(value)
			}
			out[name] = restored(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = restored(v[i])
		}
	}
	return value
}

// flatIdentity makes userIdentity of the columns that a table without structs has of it.
func (r row) flatIdentity(record map[string]any) {
	if record["userIdentity"] != nil {
		return
	}
	identity := map[string]any{}
	for name, value := range r {
		part, found := strings.CutPrefix(name, "useridentity")
		if known := members[part]; found && known != "" && value != nil {
			identity[known] = value
		}
	}
	if issuer, _ := r["useridentitysessioncontextsessionissuerarn"].(string); issuer != "" {
		identity["sessionContext"] = map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": issuer}}
	}
	user, _ := r["username"].(string)
	if len(identity) == 0 && user != "" && user != "-" {
		identity["userName"] = user
	}
	if len(identity) > 0 {
		record["userIdentity"] = identity
	}
}

// console takes the resource of the event history of CloudTrail's console, which has no request: it says what the call was about, and
// not by which parameter that was named.
func (r row) console(record map[string]any) {
	resource, _ := r["resourcename"].(string)
	if resource == "" || resource == "-" || record["requestParameters"] != nil || record["additionalEventData"] != nil {
		return
	}
	parameter := "secretId"
	if source, _ := record["eventSource"].(string); strings.HasPrefix(source, kms+".") {
		parameter = "keyId"
	}
	first, _, _ := strings.Cut(resource, ",")
	record["additionalEventData"] = map[string]any{parameter: strings.TrimSpace(first)}
}

// timeLayouts are those of tables and of the console.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05",
	// With MST in place of UTC, time.Parse takes the name of the zone and passes over the offset.
	"January 02, 2006, 15:04:05 (UTC-07:00)", "January 2, 2006, 15:04:05 (UTC-07:00)", "Jan 02, 2006, 15:04:05 (UTC-07:00)",
	"Jan 2, 2006, 3:04:05 PM", "2006-01-02T15:04:05-07:00",
}

// eventTime is a time as CloudTrail writes it, "" when it is none. Numbers are seconds or milliseconds since 1970. A time
// without its zone is in UTC, as all of CloudTrail's are.
func eventTime(value any) string {
	switch v := value.(type) {
	case float64:
		const firstMilliseconds = 1e11 // as seconds that would be the year 5138
		if v >= firstMilliseconds {
			v /= 1000
		}
		if v <= 0 || v >= firstMilliseconds {
			return ""
		}
		return time.Unix(int64(v), 0).UTC().Format(time.RFC3339)
	case string:
		if number, err := strconv.ParseFloat(v, 64); err == nil {
			return eventTime(number)
		}
		for _, layout := range timeLayouts {
			if at, err := time.Parse(layout, v); err == nil {
				return at.UTC().Format(time.RFC3339)
			}
		}
	}
	return ""
}
