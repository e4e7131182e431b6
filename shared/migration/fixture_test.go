package migration_test

import (
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

const (
	shop   = "111122223333"
	data   = "444455556666"
	region = "eu-central-1"
	other  = "eu-west-1"

	alias     = "alias/doublelock/secrets"
	delegated = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
	closedKey = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/KeyAdmin"},"Action":"kms:*","Resource":"*"}]}`
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func arn(name string) string {
	return "arn:aws:secretsmanager:" + region + ":" + shop + ":secret:" + name + "-AbCdEf"
}

func role(name string) string { return "arn:aws:iam::" + shop + ":role/" + name }

func managed() guard.Key {
	return guard.Key{ID: guard.DefaultKeyID, Account: shop, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
}

func cmk(id, where string) guard.Key {
	return guard.Key{ARN: "arn:aws:kms:" + where + ":" + shop + ":key/" + id, ID: id, Account: shop, Region: where,
		Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Origin: "AWS_KMS", Aliases: []string{alias}, Tags: map[string]string{}}
}

func secret(name string, opens ...guard.Key) guard.Secret {
	return guard.Secret{ARN: arn(name), Name: name, Account: shop, Region: region, Key: opens[0], KeyID: opens[0].ARN,
		Tags:     map[string]string{"environment": "dev"},
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: opens}}}
}

// may is an identity policy for reading, with or without the key.
func may(key bool) string {
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}`
	if key {
		doc += `,{"Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`
	}
	return doc + `]}`
}

func principal(name, policy string) inventory.Principal {
	return inventory.Principal{ARN: role(name), Kind: inventory.Role, Account: shop, UniqueID: "AROA" + name,
		Inline: map[string]string{"own": policy},
		Trust:  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}
}

// org is one account with one secret under the AWS managed key, one key to move to, and some readers.
func org(readers ...inventory.Principal) inventory.Snapshot {
	return inventory.Snapshot{
		Version: inventory.Version, TakenAt: now, Accounts: []inventory.Account{{ID: shop, Name: "shop", Regions: []string{region}}},
		Principals: readers, Secrets: []inventory.Secret{{Facts: secret("db", managed())}},
		Keys: []inventory.Key{{Facts: cmk("new", region), Policy: delegated}},
	}
}

func facts(s inventory.Snapshot) migration.Facts {
	return migration.Facts{Access: inventory.Prepare(s), Now: now, LookBack: 90, Rules: migration.Defaults(),
		KeyFor: func(string, string, map[string]string) string { return alias }}
}

func seen(name string) migration.Sighting {
	return migration.Sighting{Secret: arn("db"), Principal: role(name), Account: shop, Region: region, Last: now.Add(-time.Hour), Count: 9}
}
