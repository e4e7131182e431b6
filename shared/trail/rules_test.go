package trail_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

func TestRulesFitEventBridge(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range trail.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if seen[rule.Name] {
				t.Error("the name is taken")
			}
			seen[rule.Name] = true
			if !regexp.MustCompile(`^doublelock-[a-z-]{1,50}$`).MatchString(rule.Name) {
				t.Error("not a name of ours")
			}
			if rule.Description == "" || len(rule.Description) > 512 {
				t.Errorf("description %q", rule.Description)
			}
			text, err := json.Marshal(rule.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > trail.MaxPattern {
				t.Errorf("pattern has %d characters, EventBridge takes %d", len(text), trail.MaxPattern)
			}
			checkPattern(t, rule.Pattern)
		})
	}
}

// checkPattern holds a pattern against what EventBridge accepts: objects of fields, lists of values or operators.
func checkPattern(t *testing.T, pattern map[string]any) {
	t.Helper()
	if len(pattern) == 0 {
		t.Error("an empty object matches nothing EventBridge would take")
	}
	for field, value := range pattern {
		switch v := value.(type) {
		case map[string]any:
			checkPattern(t, v)
		case []any:
			if len(v) == 0 {
				t.Errorf("%s: an empty list", field)
			}
			for _, element := range v {
				checkElement(t, field, element)
			}
		default:
			t.Errorf("%s: %T in a pattern", field, value)
		}
	}
}

func checkElement(t *testing.T, field string, element any) {
	t.Helper()
	switch e := element.(type) {
	case string:
	case map[string]any:
		if field == "$or" {
			checkPattern(t, e)
			return
		}
		for operator := range e {
			if len(e) != 1 || operator != "prefix" && operator != "suffix" && operator != "exists" {
				t.Errorf("%s: operator %v", field, e)
			}
		}
	default:
		t.Errorf("%s: %T in a list", field, element)
	}
}

func TestRulesAreOwnedByTheCaller(t *testing.T) {
	before, err := json.Marshal(trail.Rules())
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range trail.Rules() {
		for field := range rule.Pattern {
			delete(rule.Pattern, field)
		}
	}
	after, err := json.Marshal(trail.Rules())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("a caller changed the rules (-before +after):\n%s", diff)
	}
}

func TestReadOnlyEventsNeedAllManagementEvents(t *testing.T) {
	for _, rule := range trail.Rules() {
		text, err := json.Marshal(rule.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		if reads := strings.Contains(string(text), "GetSecretValue"); reads != rule.AllManagementEvents {
			t.Errorf("%s: reads %v, all management events %v", rule.Name, reads, rule.AllManagementEvents)
		}
		if !rule.Forwarded {
			t.Errorf("%s is not forwarded to the hub", rule.Name)
		}
	}
}

// TestRulesAgreeWithDecode plays every call with every outcome through the patterns, as EventBridge would match them,
// and through Decode: the rule that Decode names must be the one and only that matches.
func TestRulesAgreeWithDecode(t *testing.T) {
	rules := trail.Rules()
	tried := 0
	for _, event := range variants(rules) {
		text, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		change, err := trail.Decode(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		var matching []string
		for _, rule := range rules {
			if matches(rule.Pattern, event) {
				matching = append(matching, rule.Name)
			}
		}
		if got := strings.Join(matching, " and "); got != change.Rule {
			t.Errorf("patterns say %q, Decode says %q (%s) of\n%s", got, change.Rule, change.Reason, text)
		}
		if change.Kind != trail.Ignored && change.Rule == "" {
			t.Errorf("%s would never arrive: %s", change.Kind, text)
		}
		tried++
	}
	if tried < 2000 {
		t.Errorf("only %d variants", tried)
	}
	for _, request := range []map[string]any{{"name": "doublelock"}, {"rule": "doublelock-reads"}, {"eventBusName": "doublelock", "name": "theirs"}, {"eventBusName": "default", "name": "theirs"},
		{"eventBusName": "arn:aws:events:us-east-1:222222222222:event-bus/doublelock"}, {"eventBusName": "doublelock2"}, {"name": "their-doublelock-rule"}, {}} {
		event := variant("aws.events", "PutRule", "AWS API Call via CloudTrail", "", "")
		event["detail"].(map[string]any)["requestParameters"] = request
		text, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		change, err := trail.Decode(text)
		for _, rule := range rules {
			if err != nil || matches(rule.Pattern, event) != (rule.Name == change.Rule) {
				t.Errorf("%v: %s matches %v, Decode says %q, %v", request, rule.Name, matches(rule.Pattern, event), change.Rule, err)
			}
		}
	}
	for _, name := range eventNames(t) {
		raw := readEvent(t, name)
		var event map[string]any
		if err := json.Unmarshal(raw, &event); err != nil {
			t.Fatal(err)
		}
		change, err := trail.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			if matches(rule.Pattern, event) != (rule.Name == change.Rule) {
				t.Errorf("%s: %s matches %v, Decode says %q", name, rule.Name, matches(rule.Pattern, event), change.Rule)
			}
		}
	}
}

// variants makes an event of every call that a pattern names, and some more, in every outcome.
func variants(rules []trail.Rule) []map[string]any {
	names := map[string]bool{"DescribeSecret": true, "Encrypt": true, "PutRule": true, "FrobnicateKey": true}
	for _, rule := range rules {
		collectNames(rule.Pattern, names)
	}
	var out []map[string]any
	for _, source := range []string{"aws.secretsmanager", "aws.kms", "aws.cloudtrail", "aws.events", "aws.organizations", "mine.kms"} {
		for name := range names {
			for _, kind := range []string{"AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"} {
				for _, code := range []string{"", "AccessDenied", "DecryptionFailure", "DisabledException", "ResourceNotFoundException"} {
					for _, invokedBy := range []string{"", "secretsmanager.amazonaws.com", "ebs.amazonaws.com"} {
						out = append(out, variant(source, name, kind, code, invokedBy))
					}
				}
			}
		}
	}
	return out
}

func variant(source, name, kind, code, invokedBy string) map[string]any {
	detail := map[string]any{
		"eventName":         name,
		"requestParameters": map[string]any{"name": "doublelock-x", "keyId": "k"},
	}
	if code != "" {
		detail["errorCode"] = code
	}
	if invokedBy != "" {
		detail["userIdentity"] = map[string]any{"invokedBy": invokedBy}
	}
	return map[string]any{"source": source, "detail-type": kind, "detail": detail}
}

func collectNames(pattern map[string]any, names map[string]bool) {
	for field, value := range pattern {
		switch v := value.(type) {
		case map[string]any:
			collectNames(v, names)
		case []any:
			for _, element := range v {
				name, isText := element.(string)
				object, isObject := element.(map[string]any)
				switch {
				case field == "eventName" && isText:
					names[name] = true
				case field == "eventName" && isObject:
					names[fmt.Sprint(object["prefix"])+"Started"] = true
				case isObject:
					collectNames(object, names)
				}
			}
		}
	}
}

// matches is EventBridge's matching for the operators that our patterns use.
func matches(pattern map[string]any, event map[string]any) bool {
	for field, want := range pattern {
		if field == "$or" {
			if !anyOf(want.([]any), event) {
				return false
			}
			continue
		}
		have, present := event[field]
		switch w := want.(type) {
		case map[string]any:
			nested, _ := have.(map[string]any)
			if !matches(w, nested) {
				return false
			}
		case []any:
			if !matchesOne(w, have, present) {
				return false
			}
		}
	}
	return true
}

func anyOf(branches []any, event map[string]any) bool {
	for _, branch := range branches {
		if matches(branch.(map[string]any), event) {
			return true
		}
	}
	return false
}

func matchesOne(wanted []any, have any, present bool) bool {
	for _, want := range wanted {
		switch w := want.(type) {
		case string:
			if present && have == w {
				return true
			}
		case map[string]any:
			if exists, ok := w["exists"].(bool); ok && exists == present {
				return true
			}
			text, isText := have.(string)
			if prefix, ok := w["prefix"].(string); ok && isText && strings.HasPrefix(text, prefix) {
				return true
			}
			if suffix, ok := w["suffix"].(string); ok && isText && strings.HasSuffix(text, suffix) {
				return true
			}
		}
	}
	return false
}
