package preventive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
)

const partner = "777777777777"

func perimeter(t *testing.T) preventive.SCP {
	t.Helper()
	c := config()
	c.Organization.Partners = []string{partner}
	c.Rollout[1].Perimeter = true
	rcps, err := preventive.RCPs(c)
	if err != nil || len(rcps) != 1 {
		t.Fatalf("%d policies, %v", len(rcps), err)
	}
	return rcps[0]
}

func TestThePerimeterIsAttachedWhereAStageAsks(t *testing.T) {
	rcp := perimeter(t)
	if diff := cmp.Diff([]string{"ou-ab12-guarded", "333333333333"}, rcp.Targets); diff != "" || rcp.Kind != preventive.ResourceControl || rcp.Quota() != 5120 {
		t.Errorf("%s of %d characters at most, attached to (-want +got):\n%s", rcp.Kind, rcp.Quota(), diff)
	}
	isGolden(t, rcp)
	d, err := policy.Parse(rcp.Name, []byte(rcp.Content))
	if err != nil {
		t.Fatal(err)
	}
	if problems := d.Check(policy.TypeRCP, []byte(rcp.Content)); len(problems) > 0 {
		t.Errorf("AWS would refuse it: %v", problems)
	}
	if none, err := preventive.RCPs(config()); err != nil || len(none) != 0 {
		t.Errorf("off, there are %d (%v)", len(none), err)
	}
	all, err := preventive.Policies(config())
	if err != nil || slices.ContainsFunc(all, func(p preventive.SCP) bool { return p.Kind != preventive.ServiceControl }) {
		t.Errorf("off, %+v (%v)", all, err)
	}
}

func TestAPerimeterThatCannotBeDeployedNamesTheListThatGrew(t *testing.T) {
	c := config()
	c.Rollout[0].Perimeter = true
	for i := range 400 {
		c.Organization.Partners = append(c.Organization.Partners, fmt.Sprintf("%012d", i))
	}
	if _, err := preventive.Policies(c); err == nil || !strings.Contains(err.Error(), "organization.partners") {
		t.Errorf("error %v", err)
	}
}

// Whom the perimeter stops, although the resource lets everybody in.
func TestThePerimeterStopsWhoIsOutside(t *testing.T) {
	rcp, err := policy.Parse("rcp", []byte(perimeter(t).Content))
	if err != nil {
		t.Fatal(err)
	}
	open := policy.MustParse("open", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)
	allows := policy.MustParse("all", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	somebody := func(account, organization string) policy.Principal {
		p, err := policy.ParsePrincipal("arn:aws:iam::" + account + ":role/somebody")
		if err != nil {
			t.Fatal(err)
		}
		p.OrganizationID = organization
		return p
	}
	service := policy.Principal{Kind: policy.KindService, Name: "appflow.amazonaws.com"}
	ours, stranger, friend := somebody("444444444444", "o-exampleorgid"), somebody("999999999999", "o-stranger"), somebody(partner, "o-partner")
	for sentence, tt := range map[string]struct {
		who     policy.Principal
		action  string
		context map[string][]string
		want    policy.Answer
	}{
		"another account of the organization reads": {ours, "secretsmanager:GetSecretValue", nil, policy.Allowed},
		"it changes the policy":                     {ours, "secretsmanager:PutResourcePolicy", nil, policy.Allowed},
		"a stranger reads":                          {stranger, "secretsmanager:GetSecretValue", nil, policy.ExplicitlyDenied},
		"a stranger moves the secret":               {stranger, "secretsmanager:UpdateSecret", nil, policy.ExplicitlyDenied},
		"a stranger uses a key":                     {stranger, "kms:Decrypt", nil, policy.ExplicitlyDenied},
		"an account without an organization":        {somebody("999999999999", ""), "secretsmanager:GetSecretValue", nil, policy.ExplicitlyDenied},
		"nobody in particular":                      {policy.Principal{Kind: policy.KindAnonymous}, "secretsmanager:GetSecretValue", nil, policy.ExplicitlyDenied},
		"a partner reads":                           {friend, "secretsmanager:GetSecretValue", nil, policy.Allowed},
		"a partner changes the policy":              {friend, "secretsmanager:PutResourcePolicy", nil, policy.ExplicitlyDenied},
		"a partner moves the secret":                {friend, "secretsmanager:UpdateSecret", nil, policy.ExplicitlyDenied},
		"a service for the organization":            {service, "secretsmanager:GetSecretValue", map[string][]string{"aws:SourceAccount": {"444444444444"}, "aws:SourceOrgID": {"o-exampleorgid"}}, policy.Allowed},
		"a service for a stranger":                  {service, "secretsmanager:GetSecretValue", map[string][]string{"aws:SourceAccount": {"999999999999"}, "aws:SourceOrgID": {"o-stranger"}}, policy.ExplicitlyDenied},
		"a service that does not say for whom":      {service, "kms:Decrypt", nil, policy.Allowed},
		"something else of a stranger":              {stranger, "s3:GetObject", nil, policy.Allowed},
	} {
		got := policy.Evaluate(policy.Request{Principal: tt.who, Action: tt.action, Resource: "arn:aws:secretsmanager:us-east-1:333333333333:secret:a-AbCdEf", ResourceAccount: "333333333333", Context: tt.context},
			policy.Policies{Identity: []*policy.Document{allows}, Resource: open, ResourceKind: policy.ResourcePlain, RCPs: [][]*policy.Document{{open, rcp}}})
		if got.Answer != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, tt.want, got.Why)
		}
	}
}
