package preventive_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// approvalConfig is any organization that approves keys by aliases and tags.
func approvalConfig(t *rapid.T) settings.Config {
	c := config()
	word := rapid.StringMatching(`[A-Za-z][A-Za-z0-9]{0,6}`)
	for _, name := range rapid.SliceOfN(word, 0, 3).Draw(t, "aliases") {
		c.Keys.Approved.Aliases = append(c.Keys.Approved.Aliases, "alias/"+name)
	}
	c.Keys.Approved.Tags = map[string]string{}
	for _, name := range rapid.SliceOfN(word, 1, 3).Draw(t, "tags") {
		c.Keys.Approved.Tags[name] = "yes"
	}
	for _, name := range rapid.SliceOfN(word, 0, 2).Draw(t, "managers") {
		c.Keys.Approved.Managers = append(c.Keys.Approved.Managers, settings.Manager{Role: "arn:aws:iam::*:role/" + name, Reason: "x"})
	}
	c.Rollout = []settings.RolloutStage{{Name: "all", Targets: []string{"r-ab12"}, ProtectApproval: true}}
	return c
}

func parsed(t *testing.T, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse("policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whoever is neither a manager nor one that deploys can bring no key to be approved: each call after which guard.Approved
// would accept a key by alias or tag is denied, in every Region, and so is each that makes a role that the SCP exempts.
func TestNobodyButAManagerCanMakeAKeyApproved(t *testing.T) {
	all := parsed(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	open := parsed(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)
	rapid.Check(t, func(t *rapid.T) {
		c := approvalConfig(t)
		scps, err := preventive.SCPs(c)
		if err != nil || len(scps) != 1 {
			t.Fatalf("%d policies, error %v", len(scps), err)
		}
		document, err := policy.Parse(scps[0].Name, []byte(scps[0].Content))
		if err != nil {
			t.Fatal(err)
		}
		role := "arn:aws:iam::333333333333:role/" + rapid.SampledFrom(append(managerNames(c), "app", "Admin", "BreakGlassOps", "doublelock-change", "stacksets-exec-0123",
			"cdk-hnb659fds-cfn-exec-role-333333333333-us-east-1", "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123", "team/stacksets-exec-0", "OrgDeploy")).Draw(t, "role")
		exempt := mayApprove(c, role)
		try := func(action, resource string, context map[string][]string) policy.Answer {
			r := policy.Request{Principal: policy.Principal{Kind: policy.KindRole, ARN: role, Role: role, Account: "333333333333", Name: arn.Of(role).Base()},
				Action: action, Resource: resource, ResourceAccount: "333333333333", Context: context}
			return policy.Evaluate(r, policy.Policies{Identity: []*policy.Document{all}, SCPs: [][]*policy.Document{{all, document}}, Resource: open, ResourceKind: policy.ResourcePlain}).Answer
		}
		approved := guard.Approved{Aliases: c.Keys.Approved.Aliases, Tags: c.Keys.Approved.Tags, Protected: map[string]bool{"333333333333": true}}
		key := guard.Key{ARN: ownKey, Account: "333333333333", Manager: guard.ManagerCustomer, Aliases: []string{}, Tags: map[string]string{}}

		name := "alias/" + rapid.SampledFrom(append(aliasNames(c), "doublelock/secrets", "app", "APP")).Draw(t, "alias")
		named := key
		named.Aliases = []string{name}
		answer := try("kms:"+rapid.SampledFrom([]string{"CreateAlias", "UpdateAlias", "DeleteAlias"}).Draw(t, "call"),
			"arn:aws:kms:"+rapid.SampledFrom([]string{"us-east-1", "ap-southeast-2"}).Draw(t, "region")+":333333333333:"+name, nil)
		approves := approved.Allows(named, key.Account) == guard.Pass
		check(t, "the alias "+name, answer, approves || strings.HasPrefix(name, "alias/doublelock/"), exempt)

		marked, keys := key, append(slices.Sorted(maps.Keys(c.Keys.Approved.Tags)), "team")
		marked.Tags = map[string]string{}
		for _, tag := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, -1, rapid.ID[string]).Draw(t, "tags written") {
			marked.Tags[tag] = "yes"
		}
		context := map[string][]string{"aws:TagKeys": slices.Sorted(maps.Keys(marked.Tags))}
		ours := slices.ContainsFunc(context["aws:TagKeys"], func(tag string) bool { return c.Keys.Approved.Tags[tag] != "" })
		action := rapid.SampledFrom([]string{"kms:TagResource", "kms:UntagResource", "kms:CreateKey"}).Draw(t, "tagging")
		resource := ownKey
		if action == "kms:CreateKey" {
			resource = "*"
		}
		answer = try(action, resource, context)
		if approved.Allows(marked, key.Account) == guard.Pass && !ours {
			t.Fatal("a key is approved by a tag that the SCP does not name")
		}
		check(t, action+" of "+strings.Join(context["aws:TagKeys"], ", "), answer, ours, exempt)

		for _, target := range slices.Concat(managerNames(c), []string{"stacksets-exec-evil", "OrgDeploy"}) {
			answer = try("iam:UpdateAssumeRolePolicy", "arn:aws:iam::333333333333:role/"+target, nil)
			check(t, "opening the role "+target, answer, true, deploys(role))
		}
	})
}

// check fails where what must be denied is not, and where what need not be is.
func check(t *rapid.T, what string, answer policy.Answer, guarded, exempt bool) {
	want := policy.Allowed
	if guarded && !exempt {
		want = policy.ExplicitlyDenied
	}
	if answer != want {
		t.Fatalf("%s: %s, want %s", what, answer, want)
	}
}

func deploys(role string) bool {
	return arn.Match("arn:aws:iam::*:role/stacksets-exec-*", role) || arn.Match("arn:aws:iam::*:role/OrgDeploy", role)
}

func mayApprove(c settings.Config, role string) bool {
	return deploys(role) || slices.ContainsFunc(c.Keys.Approved.Managers, func(m settings.Manager) bool { return arn.Match(m.Role, role) })
}

func managerNames(c settings.Config) []string {
	var names []string
	for _, m := range c.Keys.Approved.Managers {
		names = append(names, arn.Of(m.Role).Base())
	}
	return names
}

func aliasNames(c settings.Config) []string {
	var names []string
	for _, alias := range c.Keys.Approved.Aliases {
		names = append(names, strings.TrimPrefix(alias, "alias/"))
	}
	return names
}
