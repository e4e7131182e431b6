package preventive_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// config is an organization with one guarded stage, one that has migrated, and one that only watches.
func config() settings.Config {
	return settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", SecurityAccount: "222222222222", DeployRoles: []string{"arn:aws:iam::*:role/OrgDeploy"}},
		Regions:      settings.Regions{Home: "us-east-1", Guarded: []string{"us-east-1", "eu-west-1"}, RestrictReplicas: true},
		Rollout: []settings.RolloutStage{
			{Name: "done", Targets: []string{"ou-ab12-done"}, SCP: true, BacklogMigrated: true},
			{Name: "guarded", Targets: []string{"ou-ab12-guarded", "333333333333"}, SCP: true},
			{Name: "watched", Targets: []string{"ou-ab12-watched"}},
		},
		Keys:       settings.Keys{Approved: settings.Approved{Accounts: []string{"222222222222"}}},
		BreakGlass: []string{"arn:aws:iam::*:role/BreakGlass*"},
	}
}

// approving is the same organization, in which an alias and a tag approve keys too, and a stage protects them alone.
func approving() settings.Config {
	c := config()
	c.Rollout = append(c.Rollout, settings.RolloutStage{Name: "next", Targets: []string{"ou-ab12-next"}, ProtectApproval: true})
	c.Keys.Approved.Aliases = []string{"alias/doublelock/secrets", "alias/approved/app", "alias/central"}
	c.Keys.Approved.Tags = map[string]string{"approved": "yes", "approved-by": "security"}
	c.Keys.Approved.Managers = []settings.Manager{{Role: "arn:aws:iam::*:role/KeyManager", Reason: "the key team"}}
	return c
}

func TestSCPsGolden(t *testing.T) {
	scps, err := preventive.SCPs(config())
	if err != nil {
		t.Fatal(err)
	}
	more, err := preventive.SCPs(approving())
	if err != nil {
		t.Fatal(err)
	}
	scps = append(scps, more[len(more)-1])
	for _, scp := range scps {
		isGolden(t, scp)
	}
}

// isGolden compares a policy with the file of its name, or writes that.
func isGolden(t *testing.T, p preventive.SCP) {
	t.Helper()
	path := filepath.Join("testdata", p.Name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(p.Content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), p.Content+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", p.Name, diff)
	}
}

func TestSCPsAttachByStage(t *testing.T) {
	scps, err := preventive.SCPs(config())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, scp := range scps {
		got[scp.Name] = scp.Targets
	}
	guarded := []string{"ou-ab12-done", "ou-ab12-guarded", "333333333333"}
	want := map[string][]string{
		"doublelock-keys": guarded, "doublelock-tamper": guarded, "doublelock-kms": {"ou-ab12-done"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

// The layer stands alone in a stage that has no other, and there is none where nobody could approve anything by a name.
func TestApprovalIsProtectedWhereAStageAsksForIt(t *testing.T) {
	c := approving()
	scps, err := preventive.SCPs(c)
	if err != nil {
		t.Fatal(err)
	}
	last := scps[len(scps)-1]
	if diff := cmp.Diff([]string{"ou-ab12-done", "ou-ab12-guarded", "333333333333", "ou-ab12-next"}, last.Targets); diff != "" || last.Name != settings.ApprovalSCP {
		t.Errorf("targets of %s (-want +got):\n%s", last.Name, diff)
	}
	perTarget := map[string]int{}
	for _, scp := range scps {
		for _, target := range scp.Targets {
			perTarget[target]++
		}
	}
	if diff := cmp.Diff(map[string]int{"ou-ab12-done": 4, "ou-ab12-guarded": 3, "333333333333": 3, "ou-ab12-next": 1}, perTarget); diff != "" {
		t.Errorf("policies by target (-want +got):\n%s", diff)
	}
	c.Keys.Approved.Aliases, c.Keys.Approved.Tags = nil, nil
	if scps, err = preventive.SCPs(c); err != nil || len(scps) != 3 {
		t.Errorf("%d policies where nothing approves by name, error %v", len(scps), err)
	}
	c.Keys.Create = true
	if scps, err = preventive.SCPs(c); err != nil || len(scps) != 4 || strings.Contains(scps[3].Content, "TagKeys") {
		t.Errorf("where keys are made: %d policies, error %v", len(scps), err)
	}
}

func TestAnApprovalLayerOverTheLimitNamesItsLongestList(t *testing.T) {
	c := approving()
	for i := range 120 {
		c.Keys.Approved.Aliases = append(c.Keys.Approved.Aliases, fmt.Sprintf("alias/approved/application-%03d/secrets", i))
	}
	if _, err := preventive.SCPs(c); err == nil || !strings.Contains(err.Error(), settings.ApprovalSCP) || !strings.Contains(err.Error(), "keys.approved.aliases") {
		t.Errorf("error %v", err)
	}
}

func TestSCPsWithoutAStageThatWantsThem(t *testing.T) {
	c := config()
	for i := range c.Rollout {
		c.Rollout[i].SCP = false
	}
	scps, err := preventive.SCPs(c)
	if err != nil || len(scps) != 0 {
		t.Errorf("got %d policies, error %v; want none", len(scps), err)
	}
}

func TestSCPsSplitTargetsOverTheLimit(t *testing.T) {
	c := config()
	c.Rollout = []settings.RolloutStage{{Name: "many", SCP: true}}
	for i := range 250 {
		c.Rollout[0].Targets = append(c.Rollout[0].Targets, fmt.Sprintf("ou-ab12-%08d", i))
	}
	scps, err := preventive.SCPs(c)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for _, scp := range scps {
		sizes[scp.Name] = len(scp.Targets)
	}
	want := map[string]int{
		"doublelock-keys": 100, "doublelock-keys-2": 100, "doublelock-keys-3": 50,
		"doublelock-tamper": 100, "doublelock-tamper-2": 100, "doublelock-tamper-3": 50,
	}
	if diff := cmp.Diff(want, sizes); diff != "" {
		t.Errorf("targets per policy (-want +got):\n%s", diff)
	}
}

func TestSCPsOverTheSizeLimitSayWhatToShorten(t *testing.T) {
	c := config()
	for i := range 60 {
		c.Keys.Approved.ARNs = append(c.Keys.Approved.ARNs,
			fmt.Sprintf("arn:aws:kms:us-east-1:222222222222:key/1234abcd-12ab-34cd-56ef-%012d", i))
	}
	_, err := preventive.SCPs(c)
	if err == nil || !strings.Contains(err.Error(), "doublelock-keys") || !strings.Contains(err.Error(), "keys.approved") {
		t.Errorf("error %v; want one that names doublelock-keys and keys.approved", err)
	}
}

func TestTheListThatTakesMostIsTheOneToShorten(t *testing.T) {
	c := config()
	for i := range 60 {
		c.Keys.Approved.ARNs = append(c.Keys.Approved.ARNs, fmt.Sprintf("arn:aws:kms:us-east-1:222222222222:key/1234abcd-12ab-34cd-56ef-%012d", i))
	}
	c.BreakGlass = []string{"arn:aws:iam::*:role/" + strings.Repeat("BreakGlass", 10)} // longer than any key, shorter than all
	if _, err := preventive.SCPs(c); err == nil || !strings.Contains(err.Error(), "keys.approved") {
		t.Errorf("error %v does not name keys.approved", err)
	}
}

func TestAPolicyMayHaveAsManyCharactersAsCloudFormationTakes(t *testing.T) {
	withKey := func(name string) ([]preventive.SCP, error) {
		c := config()
		c.Keys.Approved.ARNs = []string{"arn:aws:kms:us-east-1:222222222222:key/" + name}
		return preventive.SCPs(c)
	}
	scps, err := withKey("x")
	if err != nil {
		t.Fatal(err)
	}
	fits := strings.Repeat("x", preventive.MaxDeployed-scps[0].Characters()+1)
	if scps, err = withKey(fits); err != nil || scps[0].Characters() != preventive.MaxDeployed {
		t.Errorf("at the limit: error %v", err)
	}
	if _, err = withKey(fits + "x"); err == nil {
		t.Error("a policy of a character more is rendered")
	}
}

// Organizations refuses a policy that has a statement without a resource.
func TestWithoutBreakGlassRolesNoStatementIsAboutThem(t *testing.T) {
	c := config()
	c.BreakGlass = nil
	scps, err := preventive.SCPs(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, scp := range scps {
		for _, s := range scp.Statements {
			if len(s.Resource)+len(s.NotResource) == 0 {
				t.Errorf("%s of %s has no resource", s.Sid, scp.Name)
			}
		}
	}
}

func TestAStageThatOnlyWatchesDoesNotHideTheOneBehindIt(t *testing.T) {
	c := config()
	slices.Reverse(c.Rollout)
	scps, err := preventive.SCPs(c)
	if err != nil || len(scps) != 3 {
		t.Fatalf("%d policies, error %v", len(scps), err)
	}
	if diff := cmp.Diff([]string{"ou-ab12-guarded", "333333333333", "ou-ab12-done"}, scps[0].Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestEveryStatementIsADenyThatSaysWhy(t *testing.T) {
	scps, err := preventive.SCPs(config())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, scp := range scps {
		if scp.Characters() > preventive.MaxDeployed || preventive.MaxDeployed > preventive.Quota() {
			t.Errorf("%s has %d characters", scp.Name, len(scp.Content))
		}
		if !json.Valid([]byte(scp.Content)) || strings.ContainsAny(scp.Content, " \n\t") {
			t.Errorf("%s is not minified JSON: %s", scp.Name, scp.Content)
		}
		for _, s := range scp.Statements {
			if s.Effect != "Deny" || s.Why == "" || seen[s.Sid] {
				t.Errorf("%s: effect %q, why %q, seen before %v", s.Sid, s.Effect, s.Why, seen[s.Sid])
			}
			seen[s.Sid] = true
		}
	}
}

func TestApprovedKeys(t *testing.T) {
	own := "arn:aws:kms:*:${aws:PrincipalAccount}:key/*"
	central := "arn:aws:kms:*:222222222222:key/*"
	one := "arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for name, tc := range map[string]struct {
		keys settings.Keys
		want []string
	}{
		"nothing said is every key of the own account": {settings.Keys{}, []string{own}},
		"a central account alone shuts out the own account": {
			settings.Keys{Approved: settings.Approved{Accounts: []string{"222222222222"}}}, []string{central},
		},
		"an alias cannot be seen, so the own account is admitted": {
			settings.Keys{Approved: settings.Approved{Accounts: []string{"222222222222"}, Aliases: []string{"alias/app"}}},
			[]string{own, central},
		},
		"a tag cannot be seen either": {
			settings.Keys{Approved: settings.Approved{ARNs: []string{one}, Tags: map[string]string{"approved": "yes"}}},
			[]string{own, one},
		},
		"keys we make are in the own account": {
			settings.Keys{Create: true, Approved: settings.Approved{ARNs: []string{one}}}, []string{own, one},
		},
		"the same key twice is once": {
			settings.Keys{Approved: settings.Approved{ARNs: []string{one, one}}}, []string{one},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.Keys = tc.keys
			if diff := cmp.Diff(tc.want, []string(preventive.ApprovedKeys(c))); diff != "" {
				t.Errorf("approved keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsKeyPolicySplitsManagingFromUsing(t *testing.T) {
	doc := preventive.SecretsKeyPolicy("aws", "333333333333", "eu-west-1")
	manage, use := doc.Statement[0], doc.Statement[1]
	for _, action := range manage.Action {
		for _, crypto := range preventive.SecretsUse {
			if action == crypto && action != "kms:DescribeKey" {
				t.Errorf("the administration statement may %s", action)
			}
		}
	}
	want := preventive.Condition{"StringEquals": {
		"kms:CallerAccount": {"333333333333"}, "kms:ViaService": {"secretsmanager.eu-west-1.amazonaws.com"},
	}}
	if diff := cmp.Diff(want, use.Condition); diff != "" {
		t.Errorf("condition of use (-want +got):\n%s", diff)
	}
}

// A policy in the ARNs of another partition exempts nobody and approves nothing: it would deny every secret.
func TestPoliciesAreInThePartitionOfEveryRegionThatAConfigurationMayName(t *testing.T) {
	for _, region := range arn.Regions() {
		want := arn.KnownPartition(region)
		if got := arn.PartitionOf(region); got != want {
			t.Errorf("partition of %s: got %s, the list of Regions says %s", region, got, want)
		}
	}
}

func TestTheKeyIsUsedUnderTheNameThatKMSGivesTheServiceThere(t *testing.T) {
	for partition, want := range map[string]string{
		"aws": "secretsmanager.r.amazonaws.com", "aws-us-gov": "secretsmanager.r.amazonaws.com", "aws-cn": "secretsmanager.r.amazonaws.com.cn",
		"aws-eusc": "secretsmanager.r.amazonaws.eu", "aws-iso": "secretsmanager.r.c2s.ic.gov",
	} {
		use := preventive.SecretsKeyPolicy(arn.Partition(partition), "333333333333", "r").Statement[1]
		if got := use.Condition["StringEquals"]["kms:ViaService"][0]; got != want {
			t.Errorf("%s: kms:ViaService %s, want %s", partition, got, want)
		}
	}
}
