package trail_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
)

// What takes our sight away is named to whoever reads a trail, though no rule brings it to the hub.
func TestATrailShowsWhatNoRuleBrings(t *testing.T) {
	const human = `"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana"}`
	const stackSets = `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/stacksets-exec-1/x","invokedBy":"cloudformation.amazonaws.com"}`
	for sentence, tt := range map[string]struct {
		source, name, request, rest string
		want                        trail.Kind
	}{
		"a role of ours":                       {"iam", "DeleteRole", `{"roleName":"doublelock-forward"}`, human, trail.Tamper},
		"its policy":                           {"iam", "DeleteRolePolicy", `{"roleName":"doublelock-forward","policyName":"x"}`, human, trail.Tamper},
		"another one":                          {"iam", "PutRolePolicy", `{"roleName":"doublelock-read","policyName":"x"}`, human, trail.Tamper},
		"a policy that is detached":            {"iam", "DetachRolePolicy", `{"roleName":"doublelock-read"}`, human, trail.Tamper},
		"who may assume it":                    {"iam", "UpdateAssumeRolePolicy", `{"roleName":"doublelock-read"}`, human, trail.Tamper},
		"a role that SCPs except":              {"iam", "UpdateAssumeRolePolicy", `{"roleName":"stacksets-exec-1"}`, human, trail.Tamper},
		"somebody else's role":                 {"iam", "DeleteRole", `{"roleName":"app"}`, human, trail.Ignored},
		"a role, by our deployment":            {"iam", "PutRolePolicy", `{"roleName":"doublelock-read"}`, stackSets, trail.Ignored},
		"a role that it takes away":            {"iam", "DeleteRole", `{"roleName":"doublelock-read"}`, stackSets, trail.Tamper},
		"a role, in vain":                      {"iam", "DeleteRole", `{"roleName":"doublelock-read"}`, human + `,"errorCode":"AccessDenied"`, trail.Ignored},
		"which role an export left out":        {"iam", "DeleteRole", ``, human, trail.Unknown},
		"our stack":                            {"cloudformation", "DeleteStack", `{"stackName":"StackSet-doublelock-member-1"}`, human, trail.Tamper},
		"our stack, by ARN":                    {"cloudformation", "DeleteStack", `{"stackName":"arn:aws:cloudformation:us-east-1:111122223333:stack/StackSet-doublelock-member-1/2"}`, human, trail.Tamper},
		"another stack":                        {"cloudformation", "DeleteStack", `{"stackName":"app"}`, human, trail.Ignored},
		"our stack of many accounts":           {"cloudformation", "DeleteStackInstances", `{"stackSetName":"doublelock-member"}`, human, trail.Tamper},
		"our StackSet, by id":                  {"cloudformation", "DeleteStackSet", `{"stackSetName":"doublelock-member:1"}`, human, trail.Tamper},
		"StackSets' access":                    {"cloudformation", "DeactivateOrganizationsAccess", `null`, human, trail.Tamper},
		"an account":                           {"account", "CloseAccount", `null`, human, trail.Tamper},
		"a Region":                             {"account", "DisableRegion", `{"RegionName":"eu-central-1"}`, human, trail.Tamper},
		"who deploys us":                       {"organizations", "DeregisterDelegatedAdministrator", `{"accountId":"111122223333","servicePrincipal":"member.org.stacksets.cloudformation.amazonaws.com"}`, human, trail.Tamper},
		"another administrator":                {"organizations", "DeregisterDelegatedAdministrator", `{"accountId":"111122223333","servicePrincipal":"config.amazonaws.com"}`, human, trail.Ignored},
		"who manages the organization's trail": {"cloudtrail", "DeregisterOrganizationDelegatedAdmin", `{"delegatedAdminAccountId":"1"}`, human, trail.Tamper},
	} {
		event := `{"eventVersion":"1.11","eventTime":"2026-09-01T12:00:00Z","eventSource":"` + tt.source + `.amazonaws.com","eventName":"` + tt.name + `","awsRegion":"us-east-1","sourceIPAddress":"x","eventID":"e","eventType":"AwsApiCall",` + tt.rest
		if tt.request != "" {
			event += `,"requestParameters":` + tt.request
		}
		err := trail.Read(strings.NewReader(event+`}`), "in", func(r trail.Record) error {
			c := r.InTrail()
			if c.Kind != tt.want || c.Reason == "" || c.Rule != "" {
				t.Errorf("%s: %s, want %s: %s", sentence, c.Kind, tt.want, c.Reason)
			}
			if r.Change.Kind == trail.Tamper {
				t.Errorf("%s: claimed as brought by a rule", sentence)
			}
			return r.Err
		})
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}
