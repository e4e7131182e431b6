package doublelock_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/simulate"
)

var update = flag.Bool("update", false, "write shared/simulate/actions.txt anew")

// announced are in botocore and the guide, not in the reference of the pinned version.
var announced = []string{
	"secretsmanager:AcceptCrossAccountReplication", "secretsmanager:AssociateCrossAccountReplica",
	"secretsmanager:DisassociateCrossAccountReplica", "secretsmanager:ListResourcePolicies",
}

// A pattern such as kms:* is judged by the list of what it can be. An action that AWS adds to one of these services has to be
// judged before it counts as harmless.
func TestEveryActionOfTheListedServicesIsJudged(t *testing.T) {
	for _, service := range []string{"secretsmanager", "kms", "sts"} {
		listed, has := inventory.ActionsOf(service), actionsInReference(t, service)
		for _, a := range has {
			if !slices.Contains(listed, a.Name) {
				t.Errorf("%s:%s is not in shared/inventory/elsewhere_actions.go: what follows from it?", service, a.Name)
			}
		}
		for _, name := range listed {
			known := slices.ContainsFunc(has, func(a referenceAction) bool { return a.Name == name })
			if !known && !slices.Contains(announced, service+":"+name) {
				t.Errorf("%s:%s is listed, and AWS has no such action", service, name)
			}
		}
	}
}

// By the name of its event a call is judged only where that is an action. "go test . -run TestTheActionsAreThoseOfTheReference -update" writes them.
func TestTheActionsAreThoseOfTheReference(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(referenceFolder(), "actions", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range files {
		service := strings.TrimSuffix(filepath.Base(file), ".json")
		var names []string
		for _, a := range actionsInReference(t, service) {
			names = append(names, a.Name)
		}
		for _, name := range announced {
			if of, name, _ := strings.Cut(name, ":"); of == service && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if !*update && !slices.Equal(names, simulate.ActionsOf(service)) {
			t.Errorf("%s has other actions than in shared/simulate/actions.txt", service)
		}
		text.WriteString(service + " " + strings.Join(names, " ") + "\n")
	}
	if *update && len(files) > 0 {
		if err := os.WriteFile(filepath.Join("shared", "simulate", "actions.txt"), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for call, actions := range simulate.Authorizes {
		service, name, _ := strings.Cut(call, ":")
		for _, action := range actions {
			if call != "kms:ReEncrypt" && !slices.Contains(simulate.ActionsOf(service), action) {
				t.Errorf("%s is authorized by %s, which is no action of the reference", call, action)
			}
		}
		if slices.Contains(simulate.ActionsOf(service), name) && !slices.Contains(actions, name) {
			t.Errorf("%s is an action, and shared/simulate/actions.go says that it does not authorize its own call", call)
		}
	}
}

// A right of a service that nobody knows is no reading, whatever its name: services that AWS adds have to be looked through.
func TestTheServicesOfTheReferenceAreKnown(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(referenceFolder(), "actions", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	handing := []string{"cloudshell", "codecatalyst"} // every right of theirs counts as one that does
	for _, file := range files {
		service := strings.TrimSuffix(filepath.Base(file), ".json")
		if !slices.Contains(handing, service) && inventory.ActionsOf(service) == nil && !inventory.ReadsOnly(service+":DescribeNothing") {
			t.Errorf("%s is not in shared/policy/services.go: which of its rights hand out credentials?", service)
		}
	}
}

// A call to an action without resources is about "*", and of any other one that names none it is not known what it is about.
func TestTheActionsWithoutResourcesAreThoseOfTheReference(t *testing.T) {
	for _, service := range []string{"secretsmanager", "kms"} {
		for _, a := range actionsInReference(t, service) {
			if name := service + ":" + a.Name; simulate.TakesNoResource(name) != (len(a.ResourceTypes) == 0) {
				t.Errorf("%s has %d types of resources, and shared/simulate/unnamed.go says otherwise", name, len(a.ResourceTypes))
			}
		}
	}
}

// What tags in a service is TagResource, or the one that is listed.
func TestTheActionsThatTagAreThoseOfTheReference(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(referenceFolder(), "actions", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	several := []string{"iam", "sts", "tag"} // what tags there depends on what is tagged
	for _, file := range files {
		service := strings.TrimSuffix(filepath.Base(file), ".json")
		listed, is := simulate.TagActions[service]
		var tags []string
		for _, a := range actionsInReference(t, service) {
			if strings.Contains(a.AccessLevel, "Tagging") && !strings.HasPrefix(a.Name, "Untag") && !strings.HasPrefix(a.Name, "Remove") && !strings.HasPrefix(a.Name, "Delete") {
				tags = append(tags, a.Name)
			}
		}
		switch {
		case len(tags) == 0 || slices.Contains(several, service):
		case !is && !slices.Contains(tags, "TagResource"):
			t.Errorf("%s tags by %v, which shared/simulate/dependent.go does not have", service, tags)
		case is && !slices.Contains(tags, listed):
			t.Errorf("%s does not tag by %s, but by %v", service, listed, tags)
		}
	}
}

// An action that is named like one that reads, and hands out credentials, may be the way to act as somebody else.
func TestNoActionThatHandsOutCredentialsCountsAsReading(t *testing.T) {
	harmless := []string{ // what they hand out opens no account of AWS
		"waf:GetChangeToken", "waf:GetChangeTokenStatus", "waf-regional:GetChangeToken", "waf-regional:GetChangeTokenStatus",
		"iam:GetAccountPasswordPolicy", "iam:GetCredentialReport", "secretsmanager:GetRandomPassword", "iq:GetChatToken",
		"managedblockchain-query:GetTokenBalance", "managedblockchain-query:BatchGetTokenBalance", "gamelift:GetComputeAuthToken",
		"codeartifact:GetAuthorizationToken", "ecr:GetAuthorizationToken", "ecr-public:GetAuthorizationToken", "sts:GetSessionToken", "sts:GetServiceBearerToken",
		"redshift:GetIdentityCenterAuthToken", "redshift-serverless:GetIdentityCenterAuthToken", "bedrock-agentcore:GetTokenVault",
		"a2c:GetContainerizationJobDetails", "a2c:GetDeploymentJobDetails", "bedrock:GetUseCaseForModelAccess", "s3:GetDataAccess", "lakeformation:GetDataAccess",
		"redshift-serverless:GetEndpointAccess",
	}
	files, err := filepath.Glob(filepath.Join(referenceFolder(), "actions", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	handing := 0
	for _, file := range files {
		service := strings.TrimSuffix(filepath.Base(file), ".json")
		for _, a := range actionsInReference(t, service) {
			name := service + ":" + a.Name
			says := slices.ContainsFunc([]string{"Credentials", "Token", "Password", "Presigned", "AccessDetails", "JobDetails"}, func(w string) bool {
				return strings.Contains(a.Name, w)
			}) || strings.HasSuffix(a.Name, "Access")
			if !says || !strings.HasPrefix(a.Name, "Get") || slices.Contains(harmless, name) {
				continue
			}
			handing++
			if inventory.ReadsOnly(name) {
				t.Errorf("%s counts as reading: can somebody act as another with what it hands out?", name)
			}
		}
	}
	if handing < 20 {
		t.Errorf("%d actions hand out credentials: this test looks in the wrong place", handing)
	}
}

type referenceAction struct {
	Name          string            `json:"name"`
	AccessLevel   string            `json:"accessLevel"`
	ResourceTypes []json.RawMessage `json:"resourceTypes"`
}

func referenceFolder() string {
	if folder := os.Getenv("DOUBLELOCK_IAM_DATA"); folder != "" {
		return folder
	}
	return filepath.Join("node_modules", "@cloud-copilot", "iam-data", "data")
}

func actionsInReference(t *testing.T, service string) []referenceAction {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(referenceFolder(), "actions", service+".json"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the service reference is not installed: %v; run make setup", err)
		}
		t.Skipf("the service reference is not installed: %v; run make setup", err)
	}
	var byName map[string]referenceAction
	if err := json.Unmarshal(raw, &byName); err != nil {
		t.Fatal(err)
	}
	var out []referenceAction
	for _, a := range byName {
		out = append(out, a)
	}
	return out
}
