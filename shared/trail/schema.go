package trail

import (
	"slices"
	"strconv"
	"strings"
)

// Two schemas that events of CloudTrail are kept in by others: OCSF, in which Security Lake writes them, and ECS, in which
// Elastic's integration does. Both are read as rows.

// fromOCSF reads an API Activity (class 6003); nil for anything else.
// Source: schema.ocsf.io/classes/api_activity, and Security Lake's mapping of CloudTrail to OCSF 1.1.
func fromOCSF(o map[string]any) row {
	operation := at(o, "api", "operation")
	if o["class_uid"] != 6003.0 && o["class_uid"] != "6003" || operation == nil {
		return nil
	}
	user, session := at(o, "actor", "user"), at(o, "actor", "session")
	var identity any
	if o["actor"] != nil {
		identity = identityOf(o, user, session)
	}
	return row{
		"eventname": operation, "eventsource": at(o, "api", "service", "name"), "eventtime": first(at(o, "time_dt"), at(o, "time")),
		"eventid": at(o, "metadata", "uid"), "eventtype": at(o, "metadata", "event_code"), "requestid": at(o, "api", "request", "uid"),
		"awsregion": at(o, "cloud", "region"), "recipientaccountid": first(at(o, "cloud", "account", "uid"), at(o, "cloud", "account_uid")),
		"errorcode": at(o, "api", "response", "error"), "errormessage": first(at(o, "api", "response", "error_message"), at(o, "api", "response", "message")),
		"sourceipaddress": first(at(o, "src_endpoint", "ip"), at(o, "src_endpoint", "domain")), "useragent": at(o, "http_request", "user_agent"),
		"requestparameters": first(at(o, "api", "request", "data"), unmapped(o, "requestParameters")),
		"responseelements":  first(at(o, "api", "response", "data"), unmapped(o, "responseElements")),
		"useridentity":      identity, "resources": resourcesOf(o["resources"]), "outcome": outcomeOf(o["status"]),
	}
}

func identityOf(o map[string]any, user, session any) map[string]any {
	identity := map[string]any{
		"type": at(user, "type"), "arn": first(at(user, "uid"), at(user, "uuid")), "principalId": at(user, "uid_alt"),
		"accountId": first(at(user, "account", "uid"), at(user, "account_uid")), "userName": at(user, "name"),
		"invokedBy": at(o, "actor", "invoked_by"),
	}
	if issuer := at(session, "issuer"); issuer != nil {
		identity["sessionContext"] = map[string]any{"sessionIssuer": map[string]any{"arn": issuer, "type": "Role"}}
	}
	return identity
}

// outcomeOf is what OCSF and ECS say of whether a call went well: success or failure; nil where they do not.
func outcomeOf(status any) any {
	if text, is := status.(string); is {
		return strings.ToLower(text)
	}
	return nil
}

// unmapped is what of a record OCSF has no member for: an object, or members with dotted names.
func unmapped(o map[string]any, name string) any {
	all, _ := o["unmapped"].(map[string]any)
	if whole, found := all[name]; found {
		return whole
	}
	var object map[string]any
	for dotted, value := range all {
		if rest, found := strings.CutPrefix(dotted, name+"."); found {
			if object == nil {
				object = map[string]any{}
			}
			put(object, strings.Split(rest, "."), value)
		}
	}
	if object == nil {
		return nil
	}
	return unflattened(object)
}

func put(object map[string]any, path []string, value any) {
	for ; len(path) > 1; path = path[1:] {
		inner, is := object[path[0]].(map[string]any)
		if !is {
			inner = map[string]any{}
			object[path[0]] = inner
		}
		object = inner
	}
	if _, parts := object[path[0]].(map[string]any); !parts { // of the same member, which say more whichever is put first
		object[path[0]] = value
	}
}

// unflattened makes a list of an object whose members are numbered: CloudWatch flattens lists so, as in resources.0.ARN. What a row has nothing of
// is no element. The names in an encryption context are the caller's, who may have chosen numbers.
// Source: CloudWatch Logs User Guide, "Supported logs and discovered fields", fields in JSON logs.
func unflattened(value any) any {
	object, is := value.(map[string]any)
	if !is {
		return value
	}
	var numbers []int
	for name, member := range object {
		if !strings.HasPrefix(plainName(name), "encryptioncontext") {
			object[name] = unflattened(member)
		}
		if n, err := strconv.Atoi(name); err == nil && strconv.Itoa(n) == name && n >= 0 {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) < max(1, len(object)) {
		return object
	}
	slices.Sort(numbers)
	out := []any{}
	for _, n := range numbers {
		if element := object[strconv.Itoa(n)]; !hollow(element) {
			out = append(out, element)
		}
	}
	return out
}

// hollow reports whether a row has nothing of an element: a query selects the members of as many as the longest list has.
func hollow(element any) bool {
	switch v := element.(type) {
	case map[string]any:
		for _, member := range v {
			if !hollow(member) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return !holds(element)
}

func resourcesOf(value any) any {
	listed, _ := value.([]any)
	var out []any
	for _, resource := range listed {
		out = append(out, map[string]any{"ARN": at(resource, "uid"), "type": at(resource, "type")})
	}
	if out == nil {
		return nil
	}
	return out
}

// fromECS reads an event of Elastic's integration; nil for anything else.
// Source: docs.elastic.co/integrations/aws/cloudtrail, exported fields.
func fromECS(o map[string]any) row {
	action, provider := at(o, "event", "action"), at(o, "event", "provider")
	own, is := at(o, "aws", "cloudtrail").(map[string]any)
	if action == nil || provider == nil || !is {
		return nil
	}
	out := row{
		"eventname": action, "eventsource": provider, "eventtime": first(o["@timestamp"], at(o, "event", "created")), "eventid": at(o, "event", "id"),
		"awsregion": at(o, "cloud", "region"), "recipientaccountid": first(own["recipient_account_id"], at(o, "cloud", "account", "id")),
		"sourceipaddress": first(at(o, "source", "ip"), at(o, "source", "address")), "useragent": at(o, "user_agent", "original"),
		"requestparameters": first(at(own, "flattened", "request_parameters"), own["request_parameters"]),
		"responseelements":  first(at(own, "flattened", "response_elements"), own["response_elements"]),
		"outcome":           outcomeOf(at(o, "event", "outcome")),
	}
	for name, value := range own {
		if plain := plainName(name); out[plain] == nil {
			out[plain] = value
		}
	}
	if identity, is := own["user_identity"].(map[string]any); is {
		out["useridentity"] = renamed(identity)
		if name := at(o, "user", "name"); name != nil {
			out["useridentity"].(map[string]any)["username"] = name
		}
	}
	return out
}

// renamed is an object with plain names.
func renamed(value any) any {
	object, is := value.(map[string]any)
	if !is {
		return value
	}
	out := make(map[string]any, len(object))
	for name, value := range object {
		out[plainName(name)] = renamed(value)
	}
	return out
}

// at is the member at the end of a path, nil where there is none.
func at(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// first is the first that is there and not empty.
func first(values ...any) any {
	for _, value := range values {
		if value != nil && value != "" {
			return value
		}
	}
	return nil
}
