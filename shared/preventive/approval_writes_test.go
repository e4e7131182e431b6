package preventive_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// approvalsAndSCP are what approves keys in an organization with a manager and a deploy role, and the policy that we render for
// it.
func approvalsAndSCP(t *testing.T) (preventive.Approvals, string) {
	t.Helper()
	c := config()
	c.Keys.Approved.Aliases, c.Keys.Approved.Tags = []string{"alias/ok"}, map[string]string{"approved": "yes"}
	c.Keys.Approved.Managers = []settings.Manager{{Role: "arn:aws:iam::*:role/KeyManager", Reason: "x"}}
	c.Rollout = []settings.RolloutStage{{Name: "all", Targets: []string{"r-ab12"}, ProtectApproval: true}}
	scps, err := preventive.SCPs(c)
	if err != nil || len(scps) != 1 {
		t.Fatalf("%d policies, error %v", len(scps), err)
	}
	return preventive.Approvals{Aliases: c.Keys.Approved.Aliases, Tags: c.Keys.Approved.Tags, Approvers: c.Approvers()}, scps[0].Content
}

// A policy of our name protects what it denies, not what it is called.
func TestAnApprovalIsProtectedByWhatThePolicyDenies(t *testing.T) {
	const account, region = "333333333333", "eu-west-1"
	approvals, ours := approvalsAndSCP(t)
	changed := func(old, with string) string {
		t.Helper()
		text := strings.ReplaceAll(ours, old, with)
		if text == ours {
			t.Fatalf("the policy has no %s: %s", old, ours)
		}
		return text
	}
	const manager = `"arn:aws:iam::*:role/KeyManager"`
	for name, c := range map[string]struct {
		content string
		want    guard.Outcome
		why     string // part of it
	}{
		"what we render":                                {ours, guard.Pass, ""},
		"that with one manager fewer":                   {changed(","+manager, ""), guard.Pass, ""},
		"that before a manager was added":               {changed(","+manager+"]}", "]}"), guard.Pass, ""},
		"that as a stricter one, without exemptions":    {`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["kms:*","iam:*"],"Resource":"*"}]}`, guard.Pass, ""},
		"one that allows everything":                    {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, guard.Fail, "role/doublelock-nobody can make the approved alias/ok"},
		"one without a statement about moving an alias": {changed(`,"kms:UpdateAlias"`, ""), guard.Fail, "can move the approved alias/ok"},
		"one that lets an alias be deleted":             {changed(`"kms:DeleteAlias",`, ""), guard.Fail, "can delete the approved alias/ok"},
		"one about another alias":                       {changed(`:alias/ok"`, `:alias/oh"`), guard.Fail, "can make the approved alias/ok"},
		"one about aliases of another Region":           {changed(`arn:*:kms:*:*:alias/ok`, `arn:*:kms:us-east-1:*:alias/ok`), guard.Fail, "can make the approved alias/ok"},
		"one about another tag":                         {changed(`"aws:TagKeys":"approved"`, `"aws:TagKeys":"approves"`), guard.Fail, "can write the approving tag approved"},
		"one that lets a tag be written":                {changed(`,"kms:TagResource"`, ""), guard.Fail, "can write the approving tag approved"},
		"one that lets a tag be taken away":             {changed(`,"kms:UntagResource"`, ""), guard.Fail, "can take the approving tag approved away"},
		"one that asks for all tags of a call":          {changed("ForAnyValue:", "ForAllValues:"), guard.Fail, "can write the approving tag approved with others"},
		"one that exempts another role":                 {changed(manager, manager+`,"arn:aws:iam::*:role/Dev"`), guard.Fail, "role/Dev can make the approved alias/ok"},
		"one that exempts a role of that account":       {changed(manager, manager+`,"arn:aws:iam::333333333333:role/team/*"`), guard.Fail, "role/team/doublelock-nobody can"},
		"one that exempts a role of another account":    {changed(manager, manager+`,"arn:aws:iam::444444444444:role/Dev"`), guard.Pass, ""},
		"one that exempts longer names, too":            {changed(`role/KeyManager"`, `role/KeyManager*"`), guard.Fail, "role/KeyManagerdoublelock-nobody can"},
		"one that exempts every role":                   {changed(manager, `"arn:aws:iam::*:role/*"`), guard.Fail, "role/doublelock-nobody can"},
		"one that exempts a user":                       {changed(manager, manager+`,"arn:aws:iam::*:user/admin"`), guard.Fail, "user/admin can"},
		"one that exempts users":                        {changed(`"ArnNotLike":`, `"StringEquals":{"aws:PrincipalType":"AssumedRole"},"ArnNotLike":`), guard.Fail, "user/doublelock-nobody can"},
		"one that exempts who has a tag":                {changed(`"ArnNotLike":`, `"StringNotEquals":{"aws:PrincipalTag/team":"keys"},"ArnNotLike":`), guard.Unknown, "depends on what nobody knows"},
		"one that exempts what comes through a service": {changed(`"ArnNotLike":`, `"Bool":{"aws:ViaAWSService":"false"},"ArnNotLike":`), guard.Unknown, "depends on what nobody knows"},
		"one that exempts by a variable":                {changed(manager+"]}", `"arn:aws:iam::*:role/${aws:PrincipalTag/team}"]}`), guard.Unknown, "is not known"},
		"one that exempts a key":                        {changed(`"kms:UntagResource"],"Resource":"*"`, `"kms:UntagResource"],"NotResource":"arn:aws:kms:*:*:key/1234*"`), guard.Fail, "can write the approving tag approved"},
		"one that exempts a path like a manager's":      {changed(manager, manager+`,"arn:aws:iam::*:role/x:role/KeyManager"`), guard.Fail, "role/x:role/KeyManager can make the approved alias/ok"},
		"one that exempts a name of any kind":           {changed(manager, manager+`,"arn:aws:iam::*:*/Dev"`), guard.Fail, "/Dev can make the approved alias/ok"},
		"one that exempts by a variable, and a role":    {changed(manager+"]}", `"arn:aws:iam::*:role/${aws:PrincipalTag/team}","arn:aws:iam::*:role/Dev"]}`), guard.Fail, "role/Dev can make the approved alias/ok"},
		"one about tags that leaves an alias out":       {changed(`"kms:UntagResource"],"Resource":"*"`, `"kms:UntagResource"],"NotResource":"arn:aws:kms:*:*:alias/ok"`), guard.Pass, ""},
		"one under which a deployer's role can be made": {strings.ReplaceAll(changed(`"iam:CreateRole",`, ""), `"arn:*:iam::*:role/stacksets-exec-*",`, ""), guard.Fail, "can make a role like arn:aws:iam::*:role/OrgDeploy"},
		"one under which a manager's role can be made":  {changed(`"iam:CreateRole",`, ""), guard.Fail, "can make a role like"},
		"one that is no policy":                         {"{", guard.Unknown, "approval"},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, why := approvals.Protected([]*policy.Document{policy.Read("approval", []byte(c.content))}, account, region)
			if outcome != c.want || !strings.Contains(why, c.why) || (why == "") != (c.want == guard.Pass) {
				t.Errorf("%s: %q, want %s: %q", outcome, why, c.want, c.why)
			}
		})
	}
	if outcome, why := approvals.Protected(nil, account, region); outcome != guard.Fail {
		t.Errorf("no policy at all: %s, %s", outcome, why)
	}
	nothing := preventive.Approvals{Approvers: approvals.Approvers}
	if outcome, why := nothing.Protected(nil, account, region); outcome != guard.Pass || len(nothing.Writes(account, region)) > 0 {
		t.Errorf("no alias and no tag approves keys: %s, %s", outcome, why)
	}
}

// A path can be anybody's, and may hold colons: what ends like an approver's ARN is not one.
func TestARoleWhosePathEndsLikeAnApproversARNIsNone(t *testing.T) {
	approvals, _ := approvalsAndSCP(t)
	for role, want := range map[string]bool{
		"arn:aws:iam::333333333333:role/KeyManager":                                    true,
		"arn:aws:iam::222222222222:role/cdk-x-cfn-exec-role-222222222222-eu":           true,
		"arn:aws:iam::333333333333:role/team/KeyManager":                               false,
		"arn:aws:iam::333333333333:role/x:role/KeyManager":                             false,
		"arn:aws:iam::333333333333:user/x:role/KeyManager":                             false,
		"arn:aws:iam::333333333333:role/x:iam::222222222222:role/cdk-x-cfn-exec-role-": false,
		"": false,
	} {
		if got := approvals.Approver(role); got != want {
			t.Errorf("%s: %t", role, got)
		}
	}
}
