package inventory_test

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

const (
	shop       = "111122223333"
	data       = "444455556666"
	vendor     = "555566667777"
	management = "999988887777"
	region     = "eu-central-1"

	fullAccess    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
	delegated     = `{"Version":"2012-10-17","Statement":[{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
)

func secretARN(name string) string {
	return "arn:aws:secretsmanager:" + region + ":" + shop + ":secret:" + name + "-AbCdEf"
}

func keyARN(id string) string { return "arn:aws:kms:" + region + ":" + shop + ":key/" + id }

func roleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

func cmk(id string) guard.Key {
	return guard.Key{ARN: keyARN(id), ID: id, Account: shop, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled,
		Origin: "AWS_KMS", Aliases: []string{"alias/" + id}, Tags: map[string]string{"owner": "team-shop"}}
}

func managedKey() guard.Key {
	return guard.Key{ID: guard.DefaultKeyID, Account: shop, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
}

func secret(name, policy string, keys ...guard.Key) inventory.Secret {
	facts := guard.Secret{ARN: secretARN(name), Name: name, Account: shop, Region: region, Key: keys[0], KeyID: keys[0].ARN,
		Tags: map[string]string{"application": strings.Split(name, "/")[0]},
		Versions: []guard.Version{{ID: "11111111-1111-4111-8111-111111111111", Stages: []string{"AWSCURRENT"}, Keys: keys,
			CreatedAt: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)}},
		CreatedAt: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), LastChangedAt: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)}
	return inventory.Secret{Facts: facts, Policy: policy}
}

func key(id, policy string, grants ...inventory.Grant) inventory.Key {
	return inventory.Key{Facts: cmk(id), Policy: policy, Grants: grants, Rotation: inventory.Rotation{Enabled: true, PeriodDays: 90},
		Use:       inventory.Use{At: time.Date(2026, 9, 28, 7, 0, 0, 0, time.UTC), Operation: "Decrypt", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		CreatedAt: time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC)}
}

func role(account, name string, statements ...string) inventory.Principal {
	p := inventory.Principal{ARN: roleARN(account, name), Kind: inventory.Role, Account: account, UniqueID: "AROAEXAMPLE",
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}
	if len(statements) > 0 {
		p.Inline = map[string]string{"inline": document(statements...)}
	}
	return p
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

// acme is a small organization with one of everything that decides who can read.
func acme() inventory.Snapshot {
	path := []string{"r-ab12", "ou-ab12-apps0001"}
	scps := func(account string, extra ...string) []inventory.Level {
		return []inventory.Level{
			{Target: "r-ab12", Policies: []string{"p-FullAWSAccess"}},
			{Target: "ou-ab12-apps0001", Policies: append([]string{"p-FullAWSAccess"}, extra...)},
			{Target: account, Policies: []string{"p-FullAWSAccess"}},
		}
	}
	s := inventory.Snapshot{
		Version: inventory.Version, TakenAt: time.Date(2026, 10, 1, 6, 0, 0, 0, time.UTC),
		Organization: inventory.Organization{ID: "o-exampleorg", ManagementAccount: management},
		Accounts: []inventory.Account{
			{ID: shop, Name: "shop", Path: path, SCPs: scps(shop, "p-noquarantine"), Regions: []string{region}},
			{ID: data, Name: "data", Path: path, SCPs: scps(data), Regions: []string{region}},
			{ID: management, Name: "management", Path: path[:1], SCPs: scps(management)[:1], Regions: []string{region}},
		},
		Controls: map[string]inventory.Policy{
			"p-FullAWSAccess": {Name: "FullAWSAccess", Document: fullAccess},
			"p-noquarantine":  {Name: "no-quarantine", Document: document(`{"Sid":"Quarantine","Effect":"Deny","Action":"secretsmanager:*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/quarantined"}}}`)},
		},
		Managed: map[string]string{
			administrator: fullAccess,
			"arn:aws:iam::111122223333:policy/no-keys": document(allow("secretsmanager:*", "*")),
		},
		Groups: []inventory.Group{{Name: "developers", Account: shop, Inline: map[string]string{"read": document(allow("secretsmanager:GetSecretValue", secretARN("shop/legacy")))}}},
	}
	s.Principals = acmePrincipals()
	s.Secrets = acmeSecrets()
	s.Keys = acmeKeys()
	return s
}

func acmePrincipals() []inventory.Principal {
	admin := role(shop, "admin")
	admin.Managed = []string{administrator}
	bounded := role(shop, "bounded")
	bounded.Managed, bounded.Boundary = []string{administrator}, "arn:aws:iam::111122223333:policy/no-keys"
	quarantined := role(shop, "quarantined")
	quarantined.Managed = []string{administrator}
	return []inventory.Principal{
		admin, bounded, quarantined,
		role(shop, "app", allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:shop/*"), allow("kms:Decrypt", keyARN("app"))),
		role(shop, "analyst", allow("secretsmanager:GetSecretValue", "*")),
		role(shop, "batch", allow("secretsmanager:GetSecretValue", secretARN("vendor/acme"))),
		role(shop, "keys-only", allow("kms:Decrypt", "*")),
		role(shop, "office", `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","kms:Decrypt"],"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`),
		role(data, "pipeline", allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*")),
		{ARN: "arn:aws:iam::111122223333:user/alice", Kind: inventory.User, Account: shop, Groups: []string{"developers"}},
	}
}

func acmeSecrets() []inventory.Secret {
	broken := secret("shop/broken", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`, cmk("app"))
	deleted := secret("shop/deleted", "", cmk("app"))
	deleted.Facts.DeletedAt = time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC)
	off := cmk("off")
	off.State = guard.KeyDisabled
	return []inventory.Secret{
		secret("shop/db", "", cmk("app")),
		secret("shop/legacy", "", managedKey()),
		secret("shop/dual", "", cmk("grants"), managedKey()),
		secret("vendor/acme", document(`{"Sid":"Vendor","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::555566667777:role/acme"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`), cmk("vendor")),
		secret("shared/token", document(`{"Sid":"Data","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`), cmk("shared")),
		secret("shared/default", document(`{"Sid":"Data","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`), managedKey()),
		secret("shop/off", "", off),
		broken, deleted,
	}
}

func acmeKeys() []inventory.Key {
	via := `"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.eu-central-1.amazonaws.com","kms:CallerAccount":"111122223333"}}`
	off := key("off", delegated)
	off.Facts.State = guard.KeyDisabled
	return []inventory.Key{
		key("app", delegated),
		key("grants", document(`{"Effect":"Allow","Principal":{"AWS":"`+roleARN(shop, "admin")+`"},"Action":["kms:Describe*","kms:Put*"],"Resource":"*"}`),
			inventory.Grant{ID: "grant-1", Grantee: roleARN(shop, "analyst"), Operations: []string{"Decrypt"}, Subset: map[string]string{"SecretARN": secretARN("shop/dual")}}),
		key("vendor", document(`{"Sid":"UseByVendor","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::555566667777:role/acme"},"Action":"kms:Decrypt","Resource":"*"}`,
			`{"Sid":"Use","Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*",`+via+`}`)),
		key("shared", document(`{"Sid":"Data","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::444455556666:root","arn:aws:iam::111122223333:root"]},"Action":"kms:*","Resource":"*"}`)),
		off,
	}
}
