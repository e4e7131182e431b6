package main

import (
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// The names that only infra uses; those that handlers use as well are in settings.
const (
	hubKeyAlias = "alias/doublelock/hub"
	forwardDLQ  = "doublelock-forward-dlq"
)

// names writes the ARNs of the hub. Hub resources have fixed names in one account and Region, so that a member
// template can name them before they exist.
type names struct{ partition, account, region, org string }

func namesOf(c settings.Config) names {
	return names{string(arn.PartitionOf(c.Regions.Home)), c.Organization.SecurityAccount, c.Regions.Home, c.Organization.ID}
}

func (n names) arn(service, resource string) string {
	return "arn:" + n.partition + ":" + service + ":" + n.region + ":" + n.account + ":" + resource
}

// global is an ARN without a Region, as IAM has them; account "*" is any account.
func (n names) role(account, name string) string {
	return "arn:" + n.partition + ":iam::" + account + ":role/" + name
}

func (n names) root() string { return "arn:" + n.partition + ":iam::" + n.account + ":root" }

func (n names) bus() string { return n.arn("events", "event-bus/"+settings.HubName) }

func (n names) table() string { return n.arn("dynamodb", "table/"+settings.HubName) }

func (n names) topic(name string) string { return n.arn("sns", name) }

func (n names) queue(name string) string { return n.arn("sqs", name) }

// service is how kms:ViaService names a service of the hub.
func (n names) service(name string) string { return name + "." + n.region + ".amazonaws.com" }
