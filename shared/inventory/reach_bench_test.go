package inventory_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// organization is four accounts with an equal share of roles and secrets: every role reads the secrets of its application. Of each
// fifty roles of an account one administers everything, one administers IAM, one deploys functions with the roles of applications,
// one may take roles of all accounts, and each tenth role is taken by the one before it. One secret in ten is under the AWS managed
// key, one in a hundred has a policy for a role of another account; the others are under 25 keys an account.
func organization(roles, secrets int) inventory.Snapshot {
	s := inventory.Snapshot{
		Organization: inventory.Organization{ID: "o-exampleorg", ManagementAccount: management},
		Controls:     map[string]inventory.Policy{"p-FullAWSAccess": {Name: "FullAWSAccess", Document: fullAccess}},
		Managed:      map[string]string{administrator: fullAccess},
	}
	const accounts, keys = 4, 25
	for n := range accounts {
		account := fmt.Sprintf("11112222330%d", n)
		at := func(service, resource string) string {
			return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
		}
		s.Accounts = append(s.Accounts, inventory.Account{ID: account, Path: []string{"r-ab12"}, Regions: []string{region},
			SCPs: []inventory.Level{{Target: "r-ab12", Policies: []string{"p-FullAWSAccess"}}, {Target: account, Policies: []string{"p-FullAWSAccess"}}}})
		keyOf := func(i int) guard.Key {
			id := fmt.Sprintf("key-%02d", i%keys)
			return guard.Key{ARN: at("kms", "key/"+id), ID: id, Account: account, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Origin: "AWS_KMS"}
		}
		for i := range keys {
			s.Keys = append(s.Keys, inventory.Key{Facts: keyOf(i), Policy: document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}`)})
		}
		for i := range secrets / accounts {
			k := keyOf(i)
			if i%10 == 0 {
				k = guard.Key{ID: guard.DefaultKeyID, Account: account, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
			}
			name := fmt.Sprintf("app-%03d/secret-%05d", i%(roles/accounts), i)
			facts := guard.Secret{ARN: at("secretsmanager", "secret:"+name+"-AbCdEf"), Name: name, Account: account, Region: region, Key: k, KeyID: k.ARN,
				Versions: []guard.Version{{ID: fmt.Sprintf("%08d-1111-4111-8111-111111111111", i), Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{k}}}}
			secret := inventory.Secret{Facts: facts}
			if i%100 == 1 {
				secret.Policy = document(fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::11112222330%d:role/role-0005"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`, (n+1)%accounts))
			}
			s.Secrets = append(s.Secrets, secret)
		}
		for i := range roles / accounts {
			name := fmt.Sprintf("role-%04d", i)
			r := role(account, name)
			r.UniqueID = fmt.Sprintf("AROAEXAMPLE%d%04d", n, i)
			r.Trust = document(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`)
			var statements []string
			switch i % 50 {
			case 0:
				r.Managed = []string{administrator}
			case 1:
				statements = []string{allow("iam:*", "*")}
			case 2:
				statements = []string{allow("iam:PassRole", "arn:aws:iam::"+account+":role/role-000*"), allow("lambda:*", "*")}
			case 3:
				statements = []string{allow("sts:AssumeRole", "*")}
			default:
				statements = []string{allow("secretsmanager:GetSecretValue", fmt.Sprintf("arn:aws:secretsmanager:*:*:secret:app-%03d/*", i)),
					allow("kms:Decrypt", at("kms", fmt.Sprintf("key/key-%02d", i%keys))), allow("s3:GetObject", "arn:aws:s3:::bucket/*")}
			}
			if i%10 == 9 {
				before := fmt.Sprintf("arn:aws:iam::%s:role/role-%04d", account, i-1)
				r.Trust = document(`{"Effect":"Allow","Principal":{"AWS":["` + before + `","arn:aws:iam::111122223300:role/role-0003"]},"Action":"sts:AssumeRole"}`)
			}
			if statements != nil {
				r.Inline = map[string]string{"rights": document(statements...)}
			}
			s.Principals = append(s.Principals, r)
		}
	}
	return s
}

// BenchmarkCanWithReach asks for every role what it opens and what it comes to open in steps: 1,000 roles before 10,000 secrets. It
// has to stay under 10 s and 1 GB. BenchmarkCanAlone is the same without steps.
func BenchmarkCanWithReach(b *testing.B) { benchmarkCan(b, organization(1000, 10_000), true) }

func BenchmarkCanAlone(b *testing.B) { benchmarkCan(b, organization(1000, 10_000), false) }

// BenchmarkCanWithReachByLabels is BenchmarkCanWithReach where policies decide by tags of secrets, keys and roles, and by aliases of
// keys: every secret, key and role has those of its application, some roles read by theirs, and some may tag and name.
func BenchmarkCanWithReachByLabels(b *testing.B) {
	benchmarkCan(b, labelled(organization(1000, 10_000)), true)
}

func labelled(s inventory.Snapshot) inventory.Snapshot {
	for i := range s.Secrets {
		name, _, _ := strings.Cut(s.Secrets[i].Facts.Name, "/")
		s.Secrets[i].Facts.Tags = map[string]string{"application": name, "environment": []string{"dev", "test", "prod"}[i%3]}
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		k.Facts.Tags, k.Facts.Aliases = map[string]string{"environment": []string{"dev", "test", "prod"}[i%3]}, []string{"alias/" + k.Facts.ID}
		k.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+k.Facts.Account+`:root"},"Action":"kms:*","Resource":"*"}`,
			`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"`+k.Facts.Account+`"},"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/key-0*"}}}`)
	}
	for i := range s.Principals {
		p := &s.Principals[i]
		p.Tags = map[string]string{"application": fmt.Sprintf("app-%03d", i%250)}
		switch i % 50 {
		case 5:
			p.Inline["by-tag"] = document(`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/application":"${aws:PrincipalTag/application}"}}}`)
		case 6:
			p.Inline["tags"] = document(allow(`secretsmanager:TagResource","kms:TagResource","kms:CreateAlias`, "*"))
		case 7:
			p.Inline["by-environment"] = document(`{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:PutResourcePolicy"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:ResourceTag/environment":"dev"}}}`,
				`{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/environment":"dev"}}}`)
		case 8:
			p.Inline["by-alias"] = document(`{"Effect":"Allow","Action":["kms:Decrypt","kms:PutKeyPolicy"],"Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/key-07"}}}`)
		}
	}
	return s
}

func benchmarkCan(b *testing.B, s inventory.Snapshot, reach bool) {
	b.ReportAllocs()
	open, steps := 0, 0
	for b.Loop() {
		access := inventory.Prepare(s)
		open, steps = 0, 0
		for i := range s.Principals {
			can, err := access.Can(s.Principals[i].ARN)
			if err != nil {
				b.Fatal(err)
			}
			open += len(can.Open)
			if !reach {
				continue
			}
			paths, err := access.Reach(s.Principals[i].ARN)
			if err != nil {
				b.Fatal(err)
			}
			steps += len(paths)
		}
		if open < 50_000 || reach && steps < 50_000 {
			b.Fatalf("%d opened and %d in steps: fewer than administrators alone have", open, steps)
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MB-system")
	b.ReportMetric(float64(open), "opened")
	b.ReportMetric(float64(steps), "paths")
}
