package trail

import (
	"slices"
	"strings"
)

// The EventBridge rules by name. The same names are used for the forwarding rules of a member account and for the
// rules on the hub's bus.
const (
	ruleSecretChanges  = "doublelock-secret-changes"
	ruleServiceEvents  = "doublelock-service-events"
	ruleLabels         = "doublelock-labels"
	ruleKeyChanges     = "doublelock-key-changes"
	ruleKeyLifecycle   = "doublelock-key-lifecycle"
	ruleAttempts       = "doublelock-attempts"
	ruleDeniedReads    = "doublelock-denied-reads"
	ruleTamperTrail    = "doublelock-tamper-trail"
	ruleTamperRules    = "doublelock-tamper-rules"
	ruleTamperPolicies = "doublelock-tamper-policies"
	ruleReads          = "doublelock-reads"
)

// The detail-types we read.
const (
	apiCall      = "AWS API Call via CloudTrail"
	serviceEvent = "AWS Service Event via CloudTrail"
)

// MaxPattern is the longest event pattern EventBridge takes, in characters of JSON.
const MaxPattern = 2048

// Rule is an EventBridge rule that brings us the calls we know. Pattern marshals to the event pattern.
type Rule struct {
	Name        string
	Description string
	Pattern     map[string]any
	// AllManagementEvents: the rule must be in state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS, because
	// EventBridge holds read-only events back from any other. Member and hub rule alike.
	AllManagementEvents bool
	// Forwarded: member accounts send it on to the hub's bus.
	Forwarded bool
	// Reads: it brings successful reads, which are many and only the ledger of uses is about.
	Reads bool
	// Changes: it brings the successful changes of secrets.
	Changes bool
}

// RulesWith are Rules and, where reads are forwarded, the rule that brings them.
func RulesWith(reads bool) []Rule {
	if reads {
		return append(Rules(), readsRule())
	}
	return Rules()
}

// readsRule brings successful reads, and the look at itself as well: one that arrives has come the way
// of the reads, through the trail, the rule in its state, its role and the bus.
func readsRule() Rule {
	return Rule{
		Name:                ruleReads,
		Description:         "A secret was read; and our look at this rule, which proves that reads would arrive",
		AllManagementEvents: true,
		Forwarded:           true,
		Reads:               true,
		Pattern: map[string]any{
			"detail-type": list(apiCall),
			"$or": []any{
				map[string]any{
					"source": list("aws." + secretsManager),
					"detail": map[string]any{"eventName": failing(secretsManager, failedRead), "errorCode": []any{map[string]any{"exists": false}}},
				},
				map[string]any{
					"source": list("aws." + eventBridge),
					"detail": map[string]any{"eventName": list(describeRule), "requestParameters": map[string]any{"name": list(ruleReads)}},
				},
			},
		},
	}
}

const describeRule = "DescribeRule"

// Pulse reports that an event is our own look at the rule that forwards reads.
func (c Change) Pulse() bool {
	return c.EventSource == eventBridge+".amazonaws.com" && c.EventName == describeRule && c.ErrorCode == "" && member(c.Request, "name") == ruleReads && c.Actor.Own()
}

// Rules returns every rule, made from the table of calls. The caller owns what it gets. At most one of them matches
// an event, and it is the one that Decode names.
func Rules() []Rule {
	changes := succeeded(ruleSecretChanges, "Secrets created, changed, re-keyed, replicated, tagged or deleted", secretsManager, apiCall)
	changes.Changes = true
	return []Rule{
		changes,
		{
			Name:        ruleServiceEvents,
			Description: "What Secrets Manager does by itself: rotation, replication, deletion of versions",
			Forwarded:   true,
			Pattern: map[string]any{
				"source":      list("aws." + secretsManager),
				"detail-type": list(serviceEvent),
				"detail":      map[string]any{"eventName": names(ruleServiceEvents)},
			},
		},
		{
			Name:        ruleLabels,
			Description: "A staging label moved; Secrets Manager tells without a trail",
			Forwarded:   true,
			Pattern: map[string]any{
				"source":      list("aws." + secretsManager),
				"detail-type": list(labelUpdated),
			},
		},
		succeeded(ruleKeyChanges, "Who may use a key, its aliases, tags or rotation changed", kms, apiCall, serviceEvent),
		succeeded(ruleKeyLifecycle, "A key was disabled, enabled, scheduled for deletion or deleted", kms, apiCall, serviceEvent),
		{
			Name:        ruleAttempts,
			Description: "Creating, re-keying or replicating a secret was denied",
			Forwarded:   true,
			Pattern: map[string]any{
				"source":      list("aws." + secretsManager),
				"detail-type": list(apiCall),
				"detail": map[string]any{
					"eventName": failing(secretsManager, failedAttempt),
					"errorCode": list(deniedCodes...),
				},
			},
		},
		deniedReads(),
		succeeded(ruleTamperTrail, "A trail was stopped, deleted or changed", cloudTrail, apiCall),
		tamperedRules(),
		succeeded(ruleTamperPolicies, "An organization policy was attached, detached, changed, deleted or switched on or off, or an account left, was moved or closed", organizations, apiCall),
	}
}

// succeeded is a rule on the calls of one service that have no errorCode. It looks at source and not at eventSource,
// because source is set by EventBridge itself and always there.
func succeeded(name, description, service string, detailTypes ...string) Rule {
	return Rule{
		Name:        name,
		Description: description,
		Forwarded:   true,
		Pattern: map[string]any{
			"source":      list("aws." + service),
			"detail-type": list(detailTypes...),
			"detail": map[string]any{
				"eventName": names(name),
				"errorCode": []any{map[string]any{"exists": false}},
			},
		},
	}
}

// deniedReads matches failed reads of values, and failed decrypts only when Secrets Manager asked for them: other
// uses of a key are many and not ours.
func deniedReads() Rule {
	return Rule{
		Name:                ruleDeniedReads,
		Description:         "A reader was denied a value, or its key could not be used",
		AllManagementEvents: true,
		Forwarded:           true,
		Pattern: map[string]any{
			"detail-type": list(apiCall),
			"$or": []any{
				map[string]any{
					"source": list("aws." + secretsManager),
					"detail": map[string]any{
						"eventName": failing(secretsManager, failedRead),
						"errorCode": list(deniedReadCodes...),
					},
				},
				map[string]any{
					"source": list("aws." + kms),
					"detail": map[string]any{
						"eventName":    failing(kms, failedRead),
						"errorCode":    list(deniedReadCodes...),
						"userIdentity": map[string]any{"invokedBy": list(secretsManagerHost)},
					},
				},
			},
		},
	}
}

// The bus of the hub, by name and as an ARN ends that names it.
const (
	busName   = "doublelock"
	busEnding = ":event-bus/" + busName
)

// tamperedRules matches our own rules and bus only: other people's rules are switched off every day. The parameter is "name", "rule" or
// "eventBusName", depending on the call.
func tamperedRules() Rule {
	rule := succeeded(ruleTamperRules, "One of our rules was switched off, changed, deleted or emptied, or our bus was", eventBridge, apiCall)
	var ours []any
	for _, name := range []string{"name", "rule", "eventBusName"} {
		ours = append(ours, map[string]any{name: []any{busName, map[string]any{"prefix": SessionPrefix}, map[string]any{"suffix": busEnding}}})
	}
	rule.Pattern["detail"].(map[string]any)["requestParameters"] = map[string]any{"$or": ours}
	return rule
}

// names lists the calls that a rule brings when they succeed.
func names(rule string) []any {
	var out []any
	for _, c := range calls {
		if c.rule == rule {
			out = append(out, nameMatch(c.name))
		}
	}
	return out
}

func failing(service string, how failure) []any {
	var out []any
	for _, c := range calls {
		if c.service == service && c.failed == how {
			out = append(out, nameMatch(c.name))
		}
	}
	return out
}

func nameMatch(name string) any {
	if prefix, found := strings.CutSuffix(name, "*"); found {
		return map[string]any{"prefix": prefix}
	}
	return name
}

func list(values ...string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// brings reports whether a rule takes events of the detail-type.
func brings(rule, detailType string) bool {
	switch rule {
	case "":
		return true
	case ruleServiceEvents:
		return detailType == serviceEvent
	case ruleKeyChanges, ruleKeyLifecycle:
		return detailType == apiCall || detailType == serviceEvent
	default:
		return detailType == apiCall
	}
}

func oneOf(codes []string, code string) bool { return slices.Contains(codes, code) }
