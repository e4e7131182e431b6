package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/google/go-cmp/cmp"
)

// big is an organization of 50 OUs in 12 stages, each with its own mode, in four Regions.
func big() settings.Config {
	c := settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", RootID: "r-ab12", Enroll: []string{"r-ab12"}, ManagementAccount: "111111111111", SecurityAccount: "222222222222"},
		Regions:      settings.Regions{Home: "eu-west-1", Guarded: []string{"eu-west-1", "eu-central-1", "us-east-1", "us-west-2"}, RestrictReplicas: true},
		Keys:         settings.Keys{Create: true, Approved: settings.Approved{Accounts: []string{"222222222222"}, Aliases: []string{settings.SecretsKeyAlias}}},
		Owners:       settings.Owners{Tags: []string{"Owner"}, Fallback: "security-team"},
		Retention:    settings.Retention{LogDays: 100},
	}
	modes := guard.Modes()
	for i := range 50 {
		if i%5 == 0 {
			c.Rollout = append(c.Rollout, settings.RolloutStage{
				Name: fmt.Sprintf("stage-%d", i/5), Mode: modes[i/5%len(modes)], SCP: i >= 10, BacklogMigrated: i >= 30, DenyDefaultKey: i >= 10, Perimeter: i >= 20,
			})
		}
		stage := &c.Rollout[len(c.Rollout)-1]
		stage.Targets = append(stage.Targets, fmt.Sprintf("ou-ab12-%08d", i))
		c.BreakGlass = append(c.BreakGlass, fmt.Sprintf("arn:aws:iam::*:role/BreakGlass%02d", i))
	}
	c.BreakGlass = c.BreakGlass[:4]
	return c
}

func TestFiftyOUsStayUnderEveryLimit(t *testing.T) {
	var log bytes.Buffer
	started := time.Now()
	templates, err := synthesize(big(), &log)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("50 OUs, 10 stages, 4 Regions: synthesized in %v\n%s", time.Since(started).Round(time.Millisecond), log.String())
	for name, tpl := range templates {
		if count := len(tpl.Resources); count > 500 {
			t.Errorf("%s has %d resources, CloudFormation takes 500", name, count)
		}
		if size := len(text(tpl.raw)); size > 1_000_000 {
			t.Errorf("%s has %d bytes, CloudFormation takes 1 MB", name, size)
		}
	}
	kinds := map[string]string{}
	for id, policy := range templates["org"].of("AWS::Organizations::Policy") {
		kinds[fmt.Sprint(policy.at("Name"))] = fmt.Sprint(policy.at("Type"))
		if size := len(text(policy.at("Content"))); size > 5120 {
			t.Errorf("%s has %d characters", id, size)
		}
		if targets := len(texts(policy.at("TargetIds"))); targets == 0 || targets > 100 {
			t.Errorf("%s has %d targets", id, targets)
		}
	}
	if kinds["doublelock-choice"] != "SERVICE_CONTROL_POLICY" || kinds["doublelock-perimeter"] != "RESOURCE_CONTROL_POLICY" {
		t.Errorf("kinds of policies: %v", kinds)
	}
	if !strings.Contains(log.String(), "SCP doublelock-keys: ") || !strings.Contains(log.String(), "of 5120 characters") {
		t.Errorf("the sizes were not written: %s", log.String())
	}
}

func TestBuildRefusesWhatCannotBeDeployed(t *testing.T) {
	for name, tc := range map[string]struct {
		config func() settings.Config
		says   string
	}{
		"an SCP over the limit": {func() settings.Config {
			c := big()
			for i := range 100 {
				c.BreakGlass = append(c.BreakGlass, fmt.Sprintf("arn:aws:iam::*:role/team-%03d/BreakGlass", i))
			}
			return c
		}, "breakGlassRoles: the SCP doublelock-keys has"},
		"a member template over the limit": {func() settings.Config {
			c := big()
			c.Keys.Tags = map[string]string{}
			for i := range 400 {
				c.Keys.Tags[fmt.Sprintf("tag-%03d", i)] = strings.Repeat("x", 100)
			}
			return c
		}, "keys.tags: the member template has"},
		"more operators than a trust policy has room for": {func() settings.Config {
			c := big()
			for i := range 40 {
				c.Operations.Roles = append(c.Operations.Roles, fmt.Sprintf("arn:aws:iam::222222222222:role/operators/team-%03d/Operator", i))
			}
			return c
		}, "operations.roles: the trust policy of doublelock-read has"},
		"a handler environment over the limit": {func() settings.Config {
			c := big()
			for i := range 2000 {
				c.Rollout[0].Accounts = append(c.Rollout[0].Accounts, fmt.Sprintf("%012d", 100000000000+i*7919*1013))
			}
			return c
		}, settings.EnvConfig},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := synthesize(tc.config(), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v; want one with %q", err, tc.says)
			}
		})
	}
}

func TestWithoutBinariesTheHubSynthesizesAndRefusesDeployment(t *testing.T) {
	config := big()
	in, err := input(config, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in.Dist = t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(t.TempDir())})
	if err := Build(app, in, io.Discard); err != nil {
		t.Fatal(err)
	}
	hub, err := parse(app.Synth(nil).GetStackByName(jsii.String("doublelock-hub")).Template())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"Fn::Equals": []any{"built", "missing"}}
	rules, _ := hub.raw["Rules"].(map[string]any)
	rule, _ := rules["LambdaBinariesAreBuilt"].(map[string]any)
	assertions, _ := rule["Assertions"].([]any)
	if len(assertions) != 1 {
		t.Fatalf("rules %v; want one that refuses", rules)
	}
	if diff := cmp.Diff(want, assertions[0].(map[string]any)["Assert"]); diff != "" {
		t.Errorf("assertion (-want +got):\n%s", diff)
	}
}

func TestTheManagementAccountGetsTheMemberStackInEveryRegionHomeFirst(t *testing.T) {
	got := regionsHomeFirst(settings.Config{Regions: settings.Regions{Home: "eu-west-1", Guarded: []string{"us-east-1", "eu-west-1", "ap-southeast-2"}}})
	if diff := cmp.Diff([]string{"eu-west-1", "us-east-1", "ap-southeast-2"}, got); diff != "" {
		t.Errorf("Regions (-want +got):\n%s", diff)
	}
}

func TestTheStackSetEnrollsByOUAndAccountsThatJoinLater(t *testing.T) {
	templates, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	config, err := configuration("sample")
	if err != nil {
		t.Fatal(err)
	}
	sets := templates["org"].of("AWS::CloudFormation::StackSet")
	if len(sets) != 1 {
		t.Fatalf("%d StackSets, want one: an account in two would need its roles twice", len(sets))
	}
	for _, set := range sets {
		group := set.at("StackInstancesGroup").([]any)[0].(map[string]any)
		want := map[string]any{"OrganizationalUnitIds": plain(config.Organization.Enroll)}
		if diff := cmp.Diff(want, group["DeploymentTargets"]); diff != "" {
			t.Errorf("targets (-want +got):\n%s", diff)
		}
		if set.at("AutoDeployment", "Enabled") != true || set.text("PermissionModel") != "SERVICE_MANAGED" {
			t.Errorf("auto-deployment %v, permissions %v", set.at("AutoDeployment"), set.at("PermissionModel"))
		}
		if order := texts(set.at("OperationPreferences", "RegionOrder")); order[0] != config.Regions.Home {
			t.Errorf("Regions in the order %v: the home Region makes the roles", order)
		}
	}
}

func TestEventsOfOrganizationsComeFromTheirRegionAlsoWhenItIsNotGuarded(t *testing.T) {
	c := big()
	c.Regions.Guarded = []string{"eu-west-1"}
	in, err := input(c, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(t.TempDir())})
	if err := Build(app, in, io.Discard); err != nil {
		t.Fatal(err)
	}
	stack, err := parse(app.Synth(nil).GetStackByName(jsii.String("doublelock-member-us-east-1")).Template())
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, rule := range stack.of("AWS::Events::Rule") {
		rules = append(rules, texts(rule.at("EventPattern", "source"))...)
	}
	if diff := cmp.Diff([]string{"aws.organizations"}, rules); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if keys := stack.of("AWS::KMS::Key"); len(keys) != 0 {
		t.Errorf("%d keys in a Region that is not guarded", len(keys))
	}
}

func TestLogRetentionIsOneThatCloudWatchTakesAndNotShorter(t *testing.T) {
	for days, want := range map[int]int{0: 1, 1: 1, 90: 90, 91: 120, 366: 400, 9999: 3653} {
		if got := logRetention(days); got != want {
			t.Errorf("%d days: got %d, want %d", days, got, want)
		}
	}
}

func TestOperatorsMayReadAndNothingElse(t *testing.T) {
	c := big()
	c.Operations.Roles = []string{"arn:aws:iam::222222222222:role/SecurityOperator"}
	for _, d := range duties(c) {
		visited := slices.Contains(d.callers, c.Operations.Roles[0])
		if visited != (d.name == settings.RoleRead) {
			t.Errorf("%s: an operator may take it: %v", d.name, visited)
		}
	}
}
