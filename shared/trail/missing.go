package trail

import (
	"slices"
	"strings"
)

// mayMiss are the members of a record that are read and that a table of events need not have; of userIdentity, invokedBy by
// itself, because tables that have parts of it as columns often lack that.
var mayMiss = []string{"awsRegion", "errorCode", "eventTime", "eventType", "requestParameters", "resources", "responseElements", "sourceIPAddress",
	"userAgent", "userIdentity", invokedBy, "vpcEndpointId"}

const invokedBy = "userIdentity.invokedBy"

// always are the columns that every event has a value for. Some exports write no member for a column that is null: where a
// row has all of these, the whole record was exported.
// Source: CloudTrail User Guide, "CloudTrail record contents for management, data, and network activity events".
var always = []string{"eventversion", "useridentity", "eventtime", "awsregion", "sourceipaddress", "eventid", "eventtype"}

// missing lists the members of a record that the export of a row does not have. header has the columns where they are certain. A
// call with a response has no errorCode: CloudTrail writes none for one that failed.
func missing(row map[string]any, header []string) []string {
	has := map[string]bool{}
	for name := range row {
		has[plainName(name)] = true
	}
	for _, name := range header {
		has[plainName(name)] = true
	}
	inParts := slices.DeleteFunc([]string{"requestParameters", "resources"}, func(name string) bool { // some of them are not all
		return !hasPart(has, plainName(name))
	})
	whole := !slices.ContainsFunc(always, func(name string) bool { return !has[name] })
	if whole && header == nil {
		return inParts
	}
	var out []string
	for _, name := range mayMiss {
		plain := plainName(name)
		if slices.Contains(inParts, name) {
			out = append(out, name)
			continue
		}
		found := has[plain] || name == invokedBy && has["useridentity"] || name == "awsRegion" && has["region"] ||
			structs[plain] != "" && hasPart(has, plain) || name == "errorCode" && responded(row)
		if !found {
			out = append(out, name)
		}
	}
	return out
}

// lacking lists the members that the row of another schema does not have. errorCode is one of them where the row does not say that the call
// succeeded.
func (r row) lacking() []string {
	var out []string
	for _, name := range []string{"awsRegion", "eventTime", "eventType", "requestParameters", "userIdentity"} {
		if r[plainName(name)] == nil {
			out = append(out, name)
		}
	}
	if r["useridentity"] == nil {
		out = append(out, invokedBy)
	}
	if outcome := r["outcome"]; r["errorcode"] == nil && (outcome == nil && r["responseelements"] == nil || outcome == "failure") {
		out = append(out, "errorCode")
	}
	return out
}

// hasPart reports whether there are parts of an object as columns.
func hasPart(has map[string]bool, object string) bool {
	for column := range has {
		if len(column) > len(object) && strings.HasPrefix(column, object) {
			return true
		}
	}
	return false
}

// leftOut lists the members that a record by itself does not have and that CloudTrail gives every record, so that somebody took them out.
// Of one without eventVersion, which is none of CloudTrail's own, any other member may have been taken out as well.
func (f *fields) leftOut() []string {
	has := map[string]bool{
		"awsRegion": f.awsRegion.present(), "eventTime": f.eventTime.present(), "eventType": f.eventType.present(), "sourceIPAddress": f.sourceIP.present(),
		"userIdentity": f.identified, invokedBy: f.identified, "requestParameters": f.request != nil,
	}
	if !f.versioned {
		has["errorCode"], has["resources"], has["responseElements"] = f.errorCode.present() || f.answered, f.listed, f.answered
	}
	var out []string
	for _, name := range mayMiss {
		if there, asked := has[name]; asked && !there {
			out = append(out, name)
		}
	}
	return out
}

// responded reports whether a row has something of the response.
func responded(row map[string]any) bool {
	for name, value := range row {
		part, of := strings.CutPrefix(plainName(name), "responseelements")
		if !of {
			continue
		}
		if object, _ := unpacked(value).(map[string]any); len(object) > 0 || part != "" && holds(value) {
			return true
		}
	}
	return false
}

// Lacks reports whether the export left out a member of the record, so that nobody knows what it says. An export that lacks
// requestParameters may have some of the parameters: those are known, and what it does not have is not.
func (c Change) Lacks(member string) bool { return slices.Contains(c.Missing, member) }

// doubt takes back what was decided by a member that the export does not have.
func (c *Change) doubt(missing []string) {
	if c.Request["omitted"] == true && !slices.Contains(missing, "requestParameters") { // by CloudTrail, which leaves out large ones
		missing = append(missing, "requestParameters")
	}
	c.Missing = missing
	service := watched([]byte(strings.TrimSuffix(c.EventSource, ".amazonaws.com")))
	row := findCall(service, c.EventName)
	if row == nil {
		return
	}
	what, needed := c.undecided(row)
	c.MayRead = row.reads && c.ErrorCode == "" && (what != "" || c.Read && c.Lacks("userIdentity"))
	if what != "" {
		if needed == "requestParameters" && !c.Lacks(needed) { // it is null, which this call never has
			c.Missing = append(c.Missing, needed)
		}
		c.Kind, c.Rule, c.Read = Unknown, "", false
		c.Reason = "not known: the export has no " + needed + ", which says " + what
	}
}

// undecided is what a decision needs and the export does not say, and the member that would; "" where the decision stands.
func (c *Change) undecided(row *call) (what, member string) {
	succeeds := row.kind == Ignored && !row.reads && row.failed == failedNothing // or fails, that is all the same
	names := []string{"requestParameters", "responseElements", "resources"}
	unnamed := ""
	if i := slices.IndexFunc(names, c.Lacks); i >= 0 {
		unnamed = names[i]
	}
	switch service := row.service; {
	case row.rule == ruleServiceEvents && c.Kind == Ignored && c.DetailType != serviceEvent && c.Lacks("eventType"):
		return "whether the service did this by itself", "eventType"
	case c.ErrorCode == "" && c.Lacks("errorCode") && row.rule != ruleServiceEvents && !succeeds:
		return "whether the call succeeded", "errorCode"
	case c.ErrorCode != "" && row.failed == failedRead && service == kms && c.Kind == Ignored && oneOf(deniedReadCodes, c.ErrorCode) && c.Actor.InvokedBy == "" && c.Lacks(invokedBy):
		return "whether Secrets Manager called", "userIdentity"
	case row.rule == ruleTamperRules && c.Kind == Tamper && oneOf(deploying, c.EventName) && c.Actor.InvokedBy == "" && c.Lacks(invokedBy):
		return "whether our own deployment wrote it", "userIdentity"
	case c.ErrorCode != "" && row.rule != ruleServiceEvents:
		return "", ""
	case row.rule == ruleTamperRules && c.Kind == Ignored && c.Target == "" && (c.Request == nil || c.Lacks("requestParameters")): // which all of them have
		return "which rule it is about", "requestParameters"
	case unnamed == "":
		return "", ""
	case (row.kind == LookAtSecret || row.reads && service == secretsManager) && c.Secret.ID == "":
		return "which secret it is about", unnamed
	case (row.kind == LookAtKey || row.kind == KeyLifecycle) && c.Key.ID == "" && c.Alias == "":
		return "which key it is about", unnamed
	case row.reads && service == kms && c.Secret.ID == "" && c.Lacks("requestParameters"):
		return "whether a secret was read", "requestParameters"
	}
	return "", ""
}
