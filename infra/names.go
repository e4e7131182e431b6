package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

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
type names struct {
	partition            arn.Partition
	account, region, org string
}

func namesOf(c settings.Config) names {
	return names{arn.PartitionOf(c.Regions.Home), c.Organization.SecurityAccount, c.Regions.Home, c.Organization.ID}
}

func (n names) arn(service, resource string) string {
	return n.partition.New(service, n.region, n.account, resource).String()
}

// role is the ARN of a role of an account; "*" is any account.
func (n names) role(account, name string) string { return n.partition.Role(account, name) }

func (n names) root() string { return n.partition.Root(n.account) }

func (n names) bus() string { return n.arn("events", "event-bus/"+settings.HubName) }

func (n names) table() string { return n.arn("dynamodb", "table/"+settings.HubName) }

func (n names) topic(name string) string { return n.arn("sns", name) }

func (n names) queue(name string) string { return n.arn("sqs", name) }

// principal is a service as policies name it.
func (n names) principal(service string) string { return n.partition.Service(service) }

// regional is a service of the hub's Region, as some services name themselves.
func (n names) regional(service string) string { return n.partition.Regional(service, n.region) }

// via is what kms:ViaService may hold where the services use a key in the hub's Region for somebody.
func (n names) via(services ...string) (out []string) {
	for _, service := range services {
		out = append(out, n.partition.ViaService(service, n.region)...)
	}
	return out
}

// lettersAndDigits is what CloudFormation leaves of a name in an id.
func lettersAndDigits(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return -1
	}, name)
}

// shortHash tells names apart that look the same in an id: 8 hexadecimal digits.
func shortHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:4])
}
