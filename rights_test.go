package doublelock_test

import (
	"encoding/json"
	"go/ast"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// prefixes are how IAM calls the services of the SDK, where it has another name for them.
var prefixes = map[string]string{"eventbridge": "events"}

// calledByAWS are the rights that no call of ours asks for: AWS asks for them on the way.
var calledByAWS = map[string]string{
	"events:InvokeApiDestination": "EventBridge posts with the role of the destination",
	"kms:Decrypt":                 "Secrets Manager, DynamoDB, SNS and SQS use keys with their caller's session",
	"kms:Encrypt":                 "Secrets Manager re-encrypts with its caller's session",
	"kms:GenerateDataKey":         "as kms:Decrypt",
	"lambda:InvokeFunction":       "RotateSecret asks for it",
	"logs:CreateLogStream":        "Lambda writes the log with the function's role",
	"logs:PutLogEvents":           "as logs:CreateLogStream",
	"xray:PutTelemetryRecords":    "as xray:PutTraceSegments",
	"xray:PutTraceSegments":       "Lambda writes traces with the function's role",
}

// sandboxed is the code that acts with the rights of whoever runs doublelock conformance: what it calls is no reason for a
// role to have a right. shared/conformance has a test of its own for its rights.
const sandboxed = "shared/cloud/sandbox"

// calls lists what the shipped code that a main comes to asks of AWS, as IAM actions.
func calls(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	add := func(service, operation string) {
		if prefix := prefixes[service]; prefix != "" {
			service = prefix
		}
		found[service+":"+operation] = true
	}
	reached(t, func(s shipped, f *ast.FuncDecl) {
		ast.Inspect(f, func(n ast.Node) bool {
			identifier, _ := n.(*ast.Ident)
			if called, isFunction := s.info.Uses[identifier].(*types.Func); isFunction {
				if service, operation, _ := operationOf(called); operation != "" {
					add(service, operation)
				}
			}
			return true
		})
	})
	return found
}

// reached yields each function that a main comes to, but for those that act with the rights of whoever runs them.
func reached(t *testing.T, yield func(shipped, *ast.FuncDecl)) {
	t.Helper()
	all := shippedCode(t)
	comesTo := reachable(all)
	for _, s := range all {
		if s.path == sandboxed {
			continue
		}
		for _, parsed := range s.files {
			for _, declaration := range parsed.Decls {
				f, isFunction := declaration.(*ast.FuncDecl)
				if isFunction && comesTo[functionKey(s.info.Defs[f.Name].(*types.Func))] {
					yield(s, f)
				}
			}
		}
	}
}

var (
	servicePackage = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)$`)
	paginator      = regexp.MustCompile(`^New(\w+)Paginator$`)
)

// operationOf is the operation that a function of the SDK asks for, and whether page by page; "" where it asks for none.
func operationOf(called *types.Func) (service, operation string, paged bool) {
	if called.Pkg() == nil {
		return "", "", false
	}
	from := servicePackage.FindStringSubmatch(called.Pkg().Path())
	if from == nil {
		return "", "", false
	}
	if pages := paginator.FindStringSubmatch(called.Name()); pages != nil {
		return from[1], pages[1], true
	}
	if receiver := called.Signature().Recv(); receiver != nil && strings.HasSuffix(typeName(receiver.Type()), ".Client") {
		return from[1], called.Name(), false
	}
	return "", "", false
}

// granted lists the actions that the roles of the deployed templates are allowed, and one place of each.
func granted(t *testing.T) map[string]string {
	t.Helper()
	actions := map[string]string{}
	for _, name := range []string{"hub", "member", "org"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "templates", name+".template.json"))
		if err != nil {
			t.Fatal(err)
		}
		var template struct {
			Resources map[string]struct {
				Type       string
				Properties map[string]any
			}
		}
		if err := json.Unmarshal(raw, &template); err != nil {
			t.Fatal(err)
		}
		for id, r := range template.Resources {
			if r.Type != "AWS::IAM::Role" {
				continue
			}
			policies, _ := r.Properties["Policies"].([]any)
			for _, policy := range policies {
				document, _ := policy.(map[string]any)["PolicyDocument"].(map[string]any)
				for _, statement := range listOf(document["Statement"]) {
					s, _ := statement.(map[string]any)
					if s["Effect"] != "Allow" {
						continue
					}
					for _, action := range listOf(s["Action"]) {
						actions[action.(string)] = name + " " + id
					}
				}
			}
		}
	}
	return actions
}

func listOf(v any) []any {
	if list, isList := v.([]any); isList {
		return list
	}
	return []any{v}
}

// A right that nothing uses is a right for whoever takes the role over.
func TestEveryRightIsUsed(t *testing.T) {
	asked, may := calls(t), granted(t)
	if len(asked) < 40 || len(may) < 40 {
		t.Fatalf("%d calls, %d rights: this test looks in the wrong place", len(asked), len(may))
	}
	for _, action := range slices.Sorted(maps.Keys(may)) {
		if !asked[action] && calledByAWS[action] == "" {
			t.Errorf("%s (%s): no code that ships calls it", action, may[action])
		}
	}
	for _, action := range slices.Sorted(maps.Keys(calledByAWS)) {
		switch {
		case may[action] == "":
			if action != "events:InvokeApiDestination" { // of the Slack API, which the sample does not deploy
				t.Errorf("%s is explained and not granted", action)
			}
		case asked[action]:
			t.Errorf("%s is explained, and our own code calls it", action)
		}
	}
}
