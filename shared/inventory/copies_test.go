package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// Whoever opens any copy of a secret is a reader, and the row says of which: as can says of the same principal.
// Source: Secrets Manager API Reference, GetSecretValue, VersionStage and VersionId; user guide, "Replicate secrets to other Regions".
func TestReadersAreThoseOfAnyCopy(t *testing.T) {
	const id = "22222222-2222-4222-8222-222222222222"
	off := cmk("off")
	off.State = guard.KeyDisabled
	older := func(stages ...string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			facts := &s.Secrets[0].Facts
			facts.Key, facts.Versions[0].Keys = off, []guard.Key{off}
			facts.Versions = append(facts.Versions, guard.Version{ID: id, Stages: stages, Keys: []guard.Key{cmk("app")}})
		}
	}
	elsewhere := func(replica bool) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			older()(s)
			facts := s.Secrets[0].Facts
			s.Secrets[0].Facts.Versions = facts.Versions[:1]
			facts.Versions = []guard.Version{{ID: id, Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{managedKey()}}}
			facts.Key = managedKey()
			if replica {
				facts.ARN, facts.Region, facts.PrimaryRegion = strings.Replace(facts.ARN, region, "us-east-1", 1), "us-east-1", region
			} else {
				facts.ARN, facts.Account, facts.CopyOf = strings.Replace(facts.ARN, shop, data, 1), data, facts.ARN
			}
			s.Secrets = append(s.Secrets, inventory.Secret{Facts: facts})
		}
	}
	for sentence, tt := range map[string]struct {
		change func(*inventory.Snapshot)
		copied string
		want   policy.Answer
	}{
		"the current one":             {func(*inventory.Snapshot) {}, "", yes},
		"none":                        {func(s *inventory.Snapshot) { older()(s); s.Secrets[0].Facts.Versions = s.Secrets[0].Facts.Versions[:1] }, "", no},
		"the previous one":            {older("AWSPREVIOUS"), "the version with label AWSPREVIOUS", yes},
		"one with a label of its own": {older("blue"), "the version with label blue", yes},
		"one without a label":         {older(), "version " + id + ", which has no label", yes},
		"the replica":                 {elsewhere(true), "the replica in us-east-1", yes},
		"the copy of another account": {elsewhere(false), "the copy in account " + data + ", " + region, may},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Secrets = s.Secrets[:1]
			tt.change(&s)
			account := shop
			if tt.want == may {
				account = data
			}
			s.Principals = []inventory.Principal{role(account, "probe", allow("secretsmanager:GetSecretValue", "*"), allow("kms:Decrypt", "*"))}
			access := inventory.Prepare(s)
			readers, _, err := access.ReadersOfCopies(secretARN("shop/db"))
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(readers, func(r inventory.Reader) bool { return r.Principal == roleARN(account, "probe") })
			if at < 0 || readers[at].Answer != tt.want || readers[at].Copy != tt.copied {
				t.Fatalf("%+v, want %s of %q", readers, tt.want, tt.copied)
			}
			can, err := access.Can(roleARN(account, "probe"))
			if err != nil {
				t.Fatal(err)
			}
			if len(can.Open) != map[policy.Answer]int{yes: 1}[tt.want] {
				t.Errorf("can opens %v", can.Open)
			}
		})
	}
}

// outsider is one principal outside the snapshot, in one request.
type outsider struct {
	principal policy.Principal
	context   map[string][]string
}

func (o outsider) in(row string) bool {
	if o.principal.Kind == policy.KindService {
		return strings.HasPrefix(row, "any AWS service") || row == o.principal.Name
	}
	return row == o.principal.ARN || strings.HasPrefix(row, "anybody in any AWS account") || strings.HasPrefix(row, "anybody whom ") ||
		strings.HasPrefix(row, "anybody in account "+o.principal.Account) || strings.HasPrefix(row, "anybody in organization "+o.principal.OrganizationID)
}

// Whatever request from outside the policies let through, some row that is not a no stands for whoever makes it.
func TestEveryOutsiderWhoGetsInIsInARow(t *testing.T) {
	values := map[string][]string{
		"aws:PrincipalOrgID": {"o-partner", "o-exampleorg", "o-*"}, "aws:PrincipalAccount": {vendor, shop, "5555*"},
		"aws:PrincipalArn": {roleARN(vendor, "acme"), "arn:aws:iam::*:role/a*", "*:role/acme"}, "aws:PrincipalOrgPaths": {"o-partner/r-1/ou-2/*", "o-exampleorg/*"},
		"aws:PrincipalIsAWSService": {"true", "false"}, "aws:PrincipalServiceName": {"backup.amazonaws.com", "*.amazonaws.com"},
		"aws:SourceAccount": {vendor, shop}, "aws:SourceArn": {"arn:aws:sns:*:*:*", "arn:aws:sns:eu-central-1:555566667777:t"}, "aws:SourceOrgID": {"o-partner"},
		"aws:ViaAWSService": {"true", "false"}, "aws:PrincipalType": {"AssumedRole", "User"}, "aws:SourceVpc": {"vpc-1"},
	}
	keys := []string{}
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	operators := map[string][]string{"aws:PrincipalIsAWSService": {"Bool", "BoolIfExists"}, "aws:ViaAWSService": {"Bool", "BoolIfExists"},
		"aws:SourceArn": {"ArnLike", "ArnNotLike", "ArnLikeIfExists"}, "aws:PrincipalOrgPaths": {"ForAnyValue:StringLike", "ForAllValues:StringLike"}}
	path := "o-partner/r-1/ou-2/"
	acmeRole, err := policy.ParsePrincipal(roleARN(vendor, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	acmeRole.OrganizationID, acmeRole.OrganizationPath = "o-partner", path
	service := policy.Principal{Kind: policy.KindService, Name: "backup.amazonaws.com"}
	rapid.Check(t, func(t *rapid.T) {
		statement := func(effect string) string {
			principal := `"*"`
			if effect == "Allow" {
				principal = rapid.SampledFrom([]string{`"*"`, `"*"`, `{"AWS":"*"}`, `{"AWS":"` + vendor + `"}`, `{"Service":"backup.amazonaws.com"}`, `{"AWS":"` + roleARN(vendor, "acme") + `"}`}).Draw(t, "principal")
			}
			var conditions []string
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID[string]).Draw(t, "keys") {
				of := operators[key]
				if of == nil {
					of = []string{"StringEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists"}
				}
				conditions = append(conditions, fmt.Sprintf("%q:{%q:%q}", rapid.SampledFrom(of).Draw(t, "operator")+"", key, rapid.SampledFrom(values[key]).Draw(t, "value")))
			}
			return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{` + strings.Join(mergeable(conditions), ",") + `}}`
		}
		statements := []string{statement("Allow"), statement("Allow"), statement("Deny")}[:rapid.IntRange(1, 3).Draw(t, "statements")]
		s := acme()
		s.Secrets, s.Principals = s.Secrets[:1], nil
		s.Secrets[0].Policy = document(statements...)
		s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
		readers, _, err := inventory.Prepare(s).ReadersOfCopies(secretARN("shop/db"))
		if err != nil {
			t.Fatal(err)
		}
		via := rapid.SampledFrom([]string{"true", "false"}).Draw(t, "via")
		for _, o := range []outsider{
			{acmeRole, map[string][]string{"aws:ViaAWSService": {via}, "aws:SourceVpc": {"vpc-1"}}},
			{acmeRole, map[string][]string{"aws:ViaAWSService": {via}}},
			{service, map[string][]string{"aws:ViaAWSService": {"false"}, "aws:SourceAccount": {vendor}, "aws:SourceOrgID": {"o-partner"}, "aws:SourceArn": {"arn:aws:sns:eu-central-1:555566667777:t"}}},
			{service, map[string][]string{"aws:ViaAWSService": {"false"}}},
		} {
			d := policy.Evaluate(policy.Request{Principal: o.principal, Action: "secretsmanager:GetSecretValue", Resource: secretARN("shop/db"), ResourceAccount: shop, Context: o.context},
				policy.Policies{Identity: []*policy.Document{policy.MustParse("all", fullAccess)}, Resource: policy.MustParse("secret", s.Secrets[0].Policy)})
			if d.Answer == policy.Allowed && !slices.ContainsFunc(readers, func(r inventory.Reader) bool { return r.Answer != no && o.in(r.Principal) }) {
				t.Errorf("%s gets in (%v) by %s, and no row stands for it: %s", o.principal, o.context, s.Secrets[0].Policy, cmp.Diff(nil, readers))
			}
		}
	})
}

// mergeable keeps one condition of each operator: a second one of the same name would be read over the first.
func mergeable(conditions []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(conditions, func(c string) bool {
		operator, _, _ := strings.Cut(c, ":{")
		was := seen[operator]
		seen[operator] = true
		return was
	})
}
