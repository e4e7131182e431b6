package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

func TestNoRoleMayReadAValue(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if s.Effect == "Allow" && has(s.Action, covers("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue")) {
				t.Errorf("%s allows reading values: %v", s.Where, s.Action)
			}
		}
	})
}

// covers matches action patterns that include one of some actions.
func covers(actions ...string) func(string) bool {
	return func(pattern string) bool {
		expression := "(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
		matches := regexp.MustCompile(expression).MatchString
		return slices.ContainsFunc(actions, matches)
	}
}

func TestEveryMemberRoleTheHubEntersDeniesValues(t *testing.T) {
	templates, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	for id, role := range templates["member"].of("AWS::IAM::Role") {
		if role.text("RoleName") == settings.RoleForward {
			continue
		}
		denies := slices.ContainsFunc(statements(id, role.at("Policies")), func(s statement) bool {
			return s.Effect == "Deny" && slices.Equal(s.Resource, []string{"*"}) && len(s.Condition) == 0 &&
				slices.Contains(s.Action, "secretsmanager:GetSecretValue") && slices.Contains(s.Action, "secretsmanager:BatchGetSecretValue")
		})
		if !denies {
			t.Errorf("%s does not deny reading values", id)
		}
	}
}

func TestNoRoleHasAWildcardAction(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if s.Effect == "Allow" && has(s.Action, func(a string) bool { return strings.Contains(a, "*") }) {
				t.Errorf("%s: %v", s.Where, s.Action)
			}
		}
	})
}

// A role uses keys only through a service: member roles through Secrets Manager, the hub's through what it stores in.
func TestRolesUseKeysOnlyThroughAService(t *testing.T) {
	crypto := covers("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")
	through := func(stack, home string) string {
		if stack == "member" {
			return `"secretsmanager.*"`
		}
		return "." + home + "." + arn.PartitionOf(home).Suffix() + `"`
	}
	for config, load := range configurations {
		templates, err := load()
		if err != nil {
			t.Fatal(err)
		}
		settings, err := configuration(strings.Replace(config, "whole", "sample", 1))
		if err != nil {
			t.Fatal(err)
		}
		home := settings.Regions.Home
		for name, tpl := range templates {
			for _, s := range tpl.roleStatements() {
				if s.Effect != "Allow" || !has(s.Action, crypto) {
					continue
				}
				if !strings.Contains(s.ConditionText, `"kms:ViaService"`) || !strings.Contains(s.ConditionText, through(name, home)) {
					t.Errorf("%s %s uses keys under %s", config, s.Where, s.ConditionText)
				}
			}
		}
	}
}

func TestAssumeRoleReachesOnlyMemberRolesInsideTheOrganization(t *testing.T) {
	member := regexp.MustCompile(`^arn:aws[a-z-]*:iam::\*:role/(` + settings.RoleRead + `|` + settings.RoleTag + `|` + settings.RoleChange + `)$`)
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if !has(s.Action, covers("sts:AssumeRole")) {
				continue
			}
			if s.Condition["StringEquals"]["aws:ResourceOrgID"] == nil {
				t.Errorf("%s is not bound to the organization", s.Where)
			}
			for _, r := range s.Resource {
				if !member.MatchString(r) {
					t.Errorf("%s may take %s", s.Where, r)
				}
			}
		}
	})
}

// Who may take a role: a service for itself, or named roles of the hub inside the organization, under our session names; people
// under their own.
func TestRolesTrustNobodyBroadly(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for id, role := range tpl.of("AWS::IAM::Role") {
			for _, s := range statements(id, role.at("AssumeRolePolicyDocument")) {
				principal := s.Principal.(map[string]any)
				if principal["Service"] != nil {
					continue
				}
				session := s.Condition["StringLike"]["sts:RoleSessionName"]
				if role.text("RoleName") == settings.RoleOperator {
					session = s.Condition["StringLike"]["aws:userid"]
				}
				if s.Condition["StringEquals"]["aws:PrincipalOrgID"] == nil || session == nil {
					t.Errorf("%s trusts beyond the organization or our sessions: %s", s.Where, s.ConditionText)
				}
				callers := texts(s.Condition["ArnLike"]["aws:PrincipalArn"])
				if len(callers) == 0 || has(callers, func(c string) bool { return strings.HasSuffix(c, ":role/*") || strings.Contains(c, ":*:") }) {
					t.Errorf("%s trusts %v", s.Where, callers)
				}
			}
		}
	})
}

func TestOnlyTheChangeRoleChangesSecrets(t *testing.T) {
	writes := covers("secretsmanager:UpdateSecret", "secretsmanager:PutSecretValue", "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret",
		"secretsmanager:RotateSecret", "secretsmanager:ReplicateSecretToRegions")
	each(t, func(t *testing.T, tpl template) {
		for id, role := range tpl.of("AWS::IAM::Role") {
			for _, s := range statements(id, role.at("Policies")) {
				if s.Effect == "Allow" && has(s.Action, writes) && role.text("RoleName") != settings.RoleChange {
					t.Errorf("%s changes secrets: %v", s.Where, s.Action)
				}
			}
		}
	})
}

// The change role may have a rotation started and no function called.
func TestNoRoleCallsFunctionsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if s.Effect != "Allow" || !has(s.Action, covers("lambda:InvokeFunction")) {
				continue
			}
			through := slices.Equal(texts(s.Condition["Bool"]["aws:ViaAWSService"]), []string{"true"})
			if !through {
				t.Errorf("%s calls %v under %s", s.Where, s.Resource, s.ConditionText)
			}
		}
	})
}

func TestNoRolePassesRoles(t *testing.T) {
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if s.Effect == "Allow" && has(s.Action, covers("iam:PassRole")) {
				t.Errorf("%s passes roles", s.Where)
			}
		}
	})
}

// Grants are made where the configuration lets them be, by one role, each for one secret; none of others is ended.
func TestGrantsAreMadeOnlyWhereRescueByGrantIsOn(t *testing.T) {
	for name, load := range configurations {
		c, err := configuration(strings.Replace(name, "whole", "sample", 1))
		if err != nil {
			t.Fatal(err)
		}
		on := c.Migration.RescueGrants
		templates, err := load()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, tpl := range templates {
			for _, s := range tpl.roleStatements() {
				if s.Effect == "Allow" && has(s.Action, covers("kms:RevokeGrant", "kms:RetireGrant")) {
					t.Errorf("%s: %s ends grants of others", name, s.Where)
				}
				if s.Effect != "Allow" || !has(s.Action, covers("kms:CreateGrant")) {
					continue
				}
				found++
				for key, want := range map[[2]string][]string{
					{"BoolIfExists", "kms:GrantIsForAWSResource"}:        {"false"},
					{"StringEquals", "kms:GrantConstraintType"}:          {"EncryptionContextSubset"},
					{"ForAllValues:StringEquals", "kms:GrantOperations"}: {"Decrypt"},
					{"Null", "kms:GrantOperations"}:                      {"false"},
				} {
					if got := texts(s.Condition[key[0]][key[1]]); !slices.Equal(got, want) {
						t.Errorf("%s: %s grants with %v %v, want %v", name, s.Where, key, got, want)
					}
				}
				if s.Condition["StringLike"]["kms:GranteePrincipal"] == nil {
					t.Errorf("%s: %s grants to anybody", name, s.Where)
				}
			}
		}
		if (found > 0) != on {
			t.Errorf("%s: %d statements make grants, rescueGrants is %v", name, found, on)
		}
	}
}

// A rotation that is configured may be started. A request that names a function would hand it the value.
func TestNoRoleConfiguresARotation(t *testing.T) {
	found := 0
	each(t, func(t *testing.T, tpl template) {
		for _, s := range tpl.roleStatements() {
			if s.Effect != "Allow" || !has(s.Action, covers("secretsmanager:RotateSecret")) {
				continue
			}
			found++
			if !slices.Equal(texts(s.Condition["Null"]["secretsmanager:RotationLambdaARN"]), []string{"true"}) {
				t.Errorf("%s rotates by any function: %s", s.Where, s.ConditionText)
			}
		}
	})
	if found == 0 {
		t.Error("no role rotates: this test looks in the wrong place")
	}
}

// People read, ask, and set the brake. Whatever they take with them, they change no secret and read no value.
func TestTheOperatorRoleReadsAndAsks(t *testing.T) {
	found := 0
	each(t, func(t *testing.T, tpl template) {
		for id, role := range tpl.of("AWS::IAM::Role") {
			if role.text("RoleName") != settings.RoleOperator {
				continue
			}
			found++
			var may []string
			for _, s := range statements(id, role.at("Policies")) {
				if s.Effect == "Allow" {
					may = append(may, s.Action...)
				}
				if has(s.Action, covers("sqs:SendMessage")) && (len(s.Resource) != 1 || !strings.HasSuffix(s.Resource[0], ":doublelock-operate")) {
					t.Errorf("%s sends to %v", s.Where, s.Resource)
				}
				if has(s.Action, covers("sts:AssumeRole")) && (len(s.Resource) != 1 || !strings.HasSuffix(s.Resource[0], ":role/"+settings.RoleRead)) {
					t.Errorf("%s takes %v", s.Where, s.Resource)
				}
				if diff := cmp.Diff(map[string]map[string]any{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": brakePartition}, "Null": {"dynamodb:LeadingKeys": "false"}}, s.Condition); has(s.Action, covers("dynamodb:PutItem")) && diff != "" {
					t.Errorf("%s writes other rows than the brake (-want +got):\n%s", s.Where, diff)
				}
			}
			slices.Sort(may)
			if diff := cmp.Diff([]string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "kms:Decrypt", "kms:GenerateDataKey", "sqs:SendMessage", "sts:AssumeRole"}, may); diff != "" {
				t.Errorf("rights of %s (-want +got):\n%s", id, diff)
			}
		}
	})
	if found == 0 {
		t.Error("no template has the role: this test looks in the wrong place")
	}
}

func TestWithoutOperatorsThereIsNoRoleForThem(t *testing.T) {
	templates, err := minimal()
	if err != nil {
		t.Fatal(err)
	}
	for name, tpl := range templates {
		for _, role := range tpl.of("AWS::IAM::Role") {
			if role.text("RoleName") == settings.RoleOperator {
				t.Errorf("%s: it has the role, and nobody may take it", name)
			}
		}
	}
}
