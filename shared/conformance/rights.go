package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// always are the rights of every run: to make secrets, keys and roles, to take the roles, and to remove all of it.
var always = []string{
	"secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds", "secretsmanager:PutSecretValue",
	"secretsmanager:TagResource", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret", "secretsmanager:ListSecrets",
	"kms:CreateKey", "kms:TagResource", "kms:DescribeKey", "kms:ListKeys", "kms:ListResourceTags", "kms:CreateAlias", "kms:DeleteAlias", "kms:ListAliases", "kms:ScheduleKeyDeletion",
	"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey",
	"iam:CreateRole", "iam:TagRole", "iam:PutRolePolicy", "iam:GetRole", "iam:ListRoles", "iam:DeleteRolePolicy", "iam:DeleteRole",
	"sts:AssumeRole", "organizations:DescribeOrganization",
}

// everywhere are the kinds that every run makes.
var everywhere = []sandbox.Kind{sandbox.Secret, sandbox.Key, sandbox.Alias, sandbox.Role}

// removing are the rights to find and remove what is of a kind, beside always.
var removing = map[sandbox.Kind][]string{
	sandbox.Rule:       {"events:ListRules", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"},
	sandbox.BusRule:    {"events:ListEventBuses", "events:ListRules", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"},
	sandbox.Bus:        {"events:ListEventBuses", "events:DescribeEventBus", "events:ListTagsForResource", "events:DeleteEventBus"},
	sandbox.Connection: {"events:ListConnections", "events:DescribeConnection", "events:DeleteConnection"},
	sandbox.Queue:      {"sqs:ListQueues", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:DeleteQueue"},
	sandbox.Function:   {"lambda:ListFunctions", "lambda:ListTags", "lambda:DeleteFunction"},
	sandbox.Schedules:  {"scheduler:GetScheduleGroup", "scheduler:ListScheduleGroups", "scheduler:ListTagsForResource", "scheduler:DeleteScheduleGroup", "scheduler:DeleteSchedule"},
	sandbox.Stack:      {"cloudformation:DescribeStacks", "cloudformation:DeleteStack"},
	sandbox.Policy:     {"organizations:ListPolicies", "organizations:ListTagsForResource", "organizations:ListTargetsForPolicy", "organizations:DetachPolicy", "organizations:DeletePolicy"},
}

// Kinds lists what some questions can have made, and nothing else is looked for after them: in the order in which it is
// removed.
func Kinds(questions []Question) []sandbox.Kind {
	made := slices.Clone(everywhere)
	for _, q := range questions {
		made = append(made, q.Makes...)
	}
	return slices.DeleteFunc(sandbox.Kinds(), func(k sandbox.Kind) bool { return !slices.Contains(made, k) })
}

// replicas are the rights of questions that need a second Region.
var replicas = []string{"secretsmanager:ReplicateSecretToRegions", "secretsmanager:RemoveRegionsFromReplication", "secretsmanager:StopReplicationToReplica"}

// Rights lists the IAM actions that some questions take, sorted.
func Rights(questions []Question) []string {
	actions := slices.Clone(always)
	for _, q := range questions {
		actions = append(actions, q.Rights...)
		if q.Need == NeedsRegion {
			actions = append(actions, replicas...)
		}
	}
	for _, kind := range Kinds(questions) {
		actions = append(actions, removing[kind]...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// anywhere are the actions that AWS authorises on no single resource, or on one whose name the run cannot choose.
var anywhere = []string{
	"secretsmanager:ListSecrets", "secretsmanager:GetRandomPassword", "kms:ListKeys", "kms:ListAliases", "kms:CreateKey", "kms:DescribeKey", "kms:ListResourceTags", "iam:ListRoles", "cloudtrail:LookupEvents",
	"events:ListRules", "events:ListEventBuses", "events:ListConnections", "sqs:ListQueues", "lambda:ListFunctions", "scheduler:ListScheduleGroups", "cloudformation:DescribeStacks",
	"organizations:DescribeOrganization",
}

// Policy is an IAM policy that allows the rights of some questions and nothing else: on what has the name of a run, and on
// keys with its tag.
func Policy(questions []Question, partition arn.Partition, account string) string {
	var general, used, keys, owned, named, organization []string
	for _, action := range Rights(questions) {
		service, operation, _ := strings.Cut(action, ":")
		switch {
		case slices.Contains([]string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, action):
			used = append(used, action)
		case slices.Contains(anywhere, action), action == "iam:CreateServiceLinkedRole":
			general = append(general, action)
		case service == "organizations":
			organization = append(organization, action)
		case service == "kms":
			keys = append(keys, action)
		default:
			named = append(named, action)
			if service == "secretsmanager" && slices.Contains([]string{"CreateSecret", "DescribeSecret", "PutSecretValue", "TagResource", "DeleteSecret"}, operation) {
				owned = append(owned, action)
			}
		}
	}
	type statement struct {
		Sid       string
		Effect    string
		Action    []string
		Resource  any
		Condition map[string]map[string]string `json:",omitempty"`
	}
	name := sandbox.Prefix + "*"
	in := func(service, resource string) string { return partition.New(service, "*", account, resource).String() }
	all := []statement{
		{Sid: "Look", Effect: "Allow", Action: general, Resource: "*"},
		{Sid: "UseKeys", Effect: "Allow", Action: used, Resource: "*", Condition: map[string]map[string]string{"StringLike": {"kms:ViaService": "secretsmanager.*"}}},
		{Sid: "Keys", Effect: "Allow", Action: keys, Resource: in("kms", "key/*"), Condition: map[string]map[string]string{"StringLike": {"aws:ResourceTag/" + sandbox.TagKey: "*"}}},
		{Sid: "TagKeys", Effect: "Allow", Action: []string{"kms:TagResource"}, Resource: in("kms", "key/*"), Condition: map[string]map[string]string{"StringLike": {"aws:RequestTag/" + sandbox.TagKey: "*"}}},
		{Sid: "Aliases", Effect: "Allow", Action: aliases(keys), Resource: in("kms", "alias/"+name)},
		{Sid: "Named", Effect: "Allow", Action: named, Resource: []string{
			in("secretsmanager", "secret:"+name), partition.Role(account, name), in("lambda", "function:"+name), in("events", "rule/"+name), in("events", "event-bus/"+name),
			in("events", "connection/"+name), in("sqs", name), in("scheduler", "schedule-group/"+name), in("scheduler", "schedule/"+name), in("cloudformation", "stack/"+name)}},
		{Sid: "Owned", Effect: "Allow", Action: owned, Resource: in("secretsmanager", "secret:events!connection/"+name)},
		{Sid: "Organization", Effect: "Allow", Action: organization, Resource: "*"},
	}
	all = slices.DeleteFunc(all, func(s statement) bool { return len(s.Action) == 0 })
	text, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": all}, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("encode policy of texts: %v", err))
	}
	return string(text)
}

func aliases(of []string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(action string) bool { return !strings.HasSuffix(action, "Alias") })
}
