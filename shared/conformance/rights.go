package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// What several questions call: how their worlds are made.
const (
	describe  = "secretsmanager:DescribeSecret"
	read      = "secretsmanager:GetSecretValue"
	put       = "secretsmanager:PutSecretValue"
	setKey    = "secretsmanager:UpdateSecret"
	versions  = "secretsmanager:ListSecretVersionIds"
	replicate = "secretsmanager:ReplicateSecretToRegions"
	promote   = "secretsmanager:StopReplicationToReplica"
	newAlias  = "kms:CreateAlias"
	lookup    = "cloudtrail:LookupEvents"
	putEvents = "events:PutEvents"

	newSecret = "kms:CreateKey secretsmanager:CreateSecret"
	newRole   = "iam:CreateRole iam:PutRolePolicy"
	newRule   = "events:PutRule events:PutTargets"
	newQueue  = "sqs:CreateQueue sqs:ReceiveMessage"
	moveAlias = "kms:UpdateAlias kms:DescribeKey"
	// asRole makes the role that questions are asked as, and tries it (prepare).
	asRole = newSecret + " " + newRole + " sts:AssumeRole " + describe + " " + read
	// policies make service control policies, on an OU that is looked at before.
	policies = "organizations:CreatePolicy organizations:AttachPolicy " + checks
	checks   = "organizations:ListRoots organizations:ListAccountsForParent organizations:ListOrganizationalUnitsForParent"
)

// calls are the calls that some texts name, each of which may name several.
func calls(texts ...string) []string { return strings.Fields(strings.Join(texts, " ")) }

// makes are the kinds of what a call makes.
var makes = map[string][]sandbox.Kind{
	"secretsmanager:CreateSecret":   {sandbox.Secret},
	"kms:CreateKey":                 {sandbox.Key},
	newAlias:                        {sandbox.Alias},
	"iam:CreateRole":                {sandbox.Role},
	"events:PutRule":                {sandbox.Rule},
	"events:CreateEventBus":         {sandbox.Bus, sandbox.BusRule},
	"events:CreateConnection":       {sandbox.Connection},
	"sqs:CreateQueue":               {sandbox.Queue},
	"lambda:CreateFunction":         {sandbox.Function},
	"scheduler:CreateScheduleGroup": {sandbox.Schedules},
	"cloudformation:CreateStack":    {sandbox.Stack, sandbox.Secret},
	"organizations:CreatePolicy":    {sandbox.Policy},
}

// removing are the calls that find and remove what is of a kind.
var removing = map[sandbox.Kind][]string{
	sandbox.Secret:     {"secretsmanager:ListSecrets", describe, "secretsmanager:DeleteSecret"},
	sandbox.Key:        {"kms:ListKeys", "kms:DescribeKey", "kms:ListResourceTags", "kms:ScheduleKeyDeletion"},
	sandbox.Alias:      {"kms:ListAliases", "kms:DescribeKey", "kms:ListResourceTags", "kms:DeleteAlias"},
	sandbox.Role:       {"iam:ListRoles", "iam:GetRole", "iam:DeleteRolePolicy", "iam:DeleteRole"},
	sandbox.Rule:       {"events:ListRules", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"},
	sandbox.BusRule:    {"events:ListEventBuses", "events:ListRules", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"},
	sandbox.Bus:        {"events:ListEventBuses", "events:DescribeEventBus", "events:ListTagsForResource", "events:DeleteEventBus"},
	sandbox.Connection: {"events:ListConnections", "events:DescribeConnection", "events:DeleteConnection"},
	sandbox.Queue:      {"sqs:ListQueues", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:DeleteQueue"},
	sandbox.Function:   {"lambda:ListFunctions", "lambda:ListTags", "lambda:DeleteFunction"},
	sandbox.Schedules:  {"scheduler:GetScheduleGroup", "scheduler:ListScheduleGroups", "scheduler:ListTagsForResource", "scheduler:DeleteScheduleGroup"},
	sandbox.Stack:      {"cloudformation:DescribeStacks", "cloudformation:DeleteStack"},
	sandbox.Policy:     {"organizations:ListPolicies", "organizations:ListTagsForResource", "organizations:ListTargetsForPolicy", "organizations:DetachPolicy", "organizations:DeletePolicy"},
}

// ofKeys are the uses of keys: Secrets Manager asks for them in its caller's name, and where an effect of that does not come a run tries
// them on its own keys (TryKey).
var ofKeys = []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}

// asked are the rights that AWS asks for on the way of a call, as the same caller; and those of calls that are made only
// where something went wrong.
var asked = map[string][]string{
	"secretsmanager:CreateSecret":   {"secretsmanager:TagResource", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
	"secretsmanager:RotateSecret":   {"secretsmanager:CancelRotateSecret", "lambda:InvokeFunction"},
	"kms:CreateKey":                 {"kms:TagResource"},
	"iam:CreateRole":                {"iam:TagRole"},
	"events:PutRule":                {"events:TagResource"},
	"events:PutTargets":             {"iam:PassRole"},
	"events:CreateEventBus":         {"events:TagResource"},
	"events:CreateConnection":       {"iam:CreateServiceLinkedRole", "secretsmanager:CreateSecret", put},
	"sqs:CreateQueue":               {"sqs:TagQueue"},
	"lambda:CreateFunction":         {"lambda:TagResource", "iam:PassRole"},
	"scheduler:CreateScheduleGroup": {"scheduler:TagResource", "scheduler:DeleteSchedule"},
	"scheduler:CreateSchedule":      {"iam:PassRole"},
	"cloudformation:CreateStack":    {"cloudformation:TagResource", "secretsmanager:CreateSecret", "secretsmanager:TagResource", "secretsmanager:GetRandomPassword", "kms:Decrypt", "kms:GenerateDataKey"},
	"cloudformation:UpdateStack":    {setKey, read, "kms:Encrypt"},
	"organizations:CreatePolicy":    {"organizations:TagResource"},
	replicate:                       {promote},                                       // of a replica whose primary is gone
	promote:                         {"secretsmanager:RemoveRegionsFromReplication"}, // of a replica that was not promoted
}

// Kinds lists what some questions can have made, and nothing else is looked for after them: in the order in which it is
// removed.
func Kinds(questions []Question) []sandbox.Kind {
	var made []sandbox.Kind
	for _, q := range questions {
		for _, call := range q.Calls {
			made = append(made, makes[call]...)
		}
	}
	return slices.DeleteFunc(sandbox.Kinds(), func(k sandbox.Kind) bool { return !slices.Contains(made, k) })
}

// Calls lists the calls that some questions make, their removal included, and those of the command itself: sorted, as IAM
// names the rights to them.
func Calls(questions []Question) []string {
	var all []string
	organization := false
	for _, q := range questions {
		all = append(all, q.Calls...)
		organization = organization || q.Need == NeedsOrganization
		if slices.Contains(q.Calls, replicate) && !slices.Contains(q.Calls, promote) { // which leaves no replica
			all = append(all, "secretsmanager:RemoveRegionsFromReplication")
		}
	}
	for _, kind := range Kinds(questions) {
		all = append(all, removing[kind]...)
	}
	if !organization { // which has looked at its OU
		all = append(all, "organizations:DescribeOrganization")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Rights lists the IAM actions that some questions take, sorted: to their calls, and what AWS asks for on the way.
func Rights(questions []Question) []string {
	all := Calls(questions)
	for _, call := range Calls(questions) {
		all = append(all, asked[call]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// anywhere are the actions that AWS authorises on no single resource, or on one whose name the run cannot choose.
var anywhere = []string{
	"secretsmanager:ListSecrets", "secretsmanager:GetRandomPassword", "kms:ListKeys", "kms:ListAliases", "kms:CreateKey", "kms:DescribeKey", "kms:ListResourceTags", "iam:ListRoles", "cloudtrail:LookupEvents",
	"events:ListRules", "events:ListEventBuses", "events:ListConnections", "sqs:ListQueues", "lambda:ListFunctions", "scheduler:ListScheduleGroups", "cloudformation:DescribeStacks",
	"organizations:DescribeOrganization",
}

// statement is one of an IAM policy.
type statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  any
	Condition map[string]map[string]string `json:",omitempty"`
}

// document is an IAM policy of those of some statements that allow something.
func document(all ...statement) string {
	all = slices.DeleteFunc(all, func(s statement) bool { return len(s.Action) == 0 })
	text, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": all}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("encode policy of texts: %v", err))
	}
	return string(text)
}

// Policy is an IAM policy that allows the rights of some questions and nothing else: on what has the name of a run, and on
// keys with its tag.
func Policy(questions []Question, partition arn.Partition, account string) string {
	return document(statements(questions, partition, account)...)
}

// OrganizationPolicies are two IAM policies that allow the rights of some questions in a run of the second set, and nothing else:
// one for the credentials of the management account, which take a role in the sandbox account, and one for that role.
func OrganizationPolicies(questions []Question, partition arn.Partition, account, role string) (management, own string) {
	all := slices.DeleteFunc(statements(questions, partition, account), func(s statement) bool { return s.Sid == managing })
	for n := range all { // the OU is looked at in its place
		all[n].Action = slices.DeleteFunc(all[n].Action, func(action string) bool { return action == "organizations:DescribeOrganization" })
	}
	organization := calls(checks)
	for _, action := range Rights(questions) {
		if strings.HasPrefix(action, "organizations:") && action != "organizations:DescribeOrganization" && !slices.Contains(organization, action) {
			organization = append(organization, action)
		}
	}
	slices.Sort(organization)
	return document(
		statement{Sid: "TakeRole", Effect: "Allow", Action: []string{"sts:AssumeRole"}, Resource: partition.Role(account, role)},
		statement{Sid: managing, Effect: "Allow", Action: organization, Resource: "*"}), document(all...)
}

// Reach says, a line each, what somebody with the rights of some questions could do beyond a run: what no condition of IAM or KMS keeps away
// without changing what is asked.
func Reach(questions []Question) []string {
	var lines []string
	rights := Rights(questions)
	if slices.Contains(rights, "iam:PutRolePolicy") {
		lines = append(lines, "these rights reach further than a run: who may write the policy of a role named "+sandbox.Prefix+"… and take it can have every right in the account; give them in a sandbox account alone, and take them back afterwards")
	}
	if slices.Contains(rights, "kms:TagResource") {
		lines = append(lines, "KMS asks for kms:TagResource on any key when a key is made with a tag: with these rights an existing key can be tagged "+sandbox.TagKey+" too, and then used, disabled or scheduled for deletion")
	}
	return lines
}

// connecting is the service principal whose service-linked role EventBridge makes with the first connection of an account.
const connecting = "apidestinations.events.amazonaws.com"

// managing is the id of the statement that allows what is asked of the organization.
const managing = "Organization"

func statements(questions []Question, partition arn.Partition, account string) []statement {
	var general, used, keys, owned, named, sent, linked, organization []string
	connects := slices.Contains(Kinds(questions), sandbox.Connection)
	tries := slices.ContainsFunc(questions, func(q Question) bool { return slices.Contains(q.Calls, setKey) || slices.Contains(q.Calls, replicate) })
	for _, action := range Rights(questions) {
		service, operation, _ := strings.Cut(action, ":")
		switch {
		case slices.Contains(ofKeys, action):
			used = append(used, action)
			if tries {
				keys = append(keys, action)
			}
		case slices.Contains(anywhere, action):
			general = append(general, action)
		case action == "iam:CreateServiceLinkedRole":
			linked = append(linked, action)
		case action == putEvents:
			sent = append(sent, action)
		case service == "organizations":
			organization = append(organization, action)
		case service == "kms":
			keys = append(keys, action)
		default:
			named = append(named, action)
			if connects && service == "secretsmanager" && slices.Contains([]string{"CreateSecret", "DescribeSecret", "PutSecretValue", "TagResource", "DeleteSecret"}, operation) {
				owned = append(owned, action)
			}
		}
	}
	name := sandbox.Prefix + "*"
	in := func(service, resource string) string { return partition.New(service, "*", account, resource).String() }
	return []statement{
		{Sid: "Look", Effect: "Allow", Action: general, Resource: "*"},
		{Sid: "UseKeys", Effect: "Allow", Action: used, Resource: "*", Condition: map[string]map[string]string{"StringLike": {"kms:ViaService": "secretsmanager.*"}}},
		{Sid: "Keys", Effect: "Allow", Action: keys, Resource: in("kms", "key/*"), Condition: map[string]map[string]string{"StringLike": {"aws:ResourceTag/" + sandbox.TagKey: "*"}}},
		{Sid: "TagKeys", Effect: "Allow", Action: slices.DeleteFunc(slices.Clone(keys), func(action string) bool { return action != "kms:TagResource" }), Resource: in("kms", "key/*"), Condition: map[string]map[string]string{"StringLike": {"aws:RequestTag/" + sandbox.TagKey: "*"}}},
		{Sid: "Aliases", Effect: "Allow", Action: aliases(keys), Resource: in("kms", "alias/"+name)},
		{Sid: "Named", Effect: "Allow", Action: named, Resource: []string{
			in("secretsmanager", "secret:"+name), partition.Role(account, name), in("lambda", "function:"+name), in("events", "rule/"+name), in("events", "event-bus/"+name),
			in("events", "connection/"+name), in("sqs", name), in("scheduler", "schedule-group/"+name), in("scheduler", "schedule/"+name), in("cloudformation", "stack/"+name)}},
		{Sid: "Owned", Effect: "Allow", Action: owned, Resource: in("secretsmanager", "secret:events!connection/"+name)},
		{Sid: "Linked", Effect: "Allow", Action: linked, Resource: partition.New("iam", "", account, "role/aws-service-role/"+connecting+"/*").String(),
			Condition: map[string]map[string]string{"StringEquals": {"iam:AWSServiceName": connecting}}},
		{Sid: "Send", Effect: "Allow", Action: sent, Resource: in("events", "event-bus/default")},
		{Sid: managing, Effect: "Allow", Action: organization, Resource: "*"},
	}
}

func aliases(of []string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(action string) bool { return !strings.HasSuffix(action, "Alias") })
}
