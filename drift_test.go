package doublelock_test

import (
	"bytes"
	"cmp"
	"go/types"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/doublelock/doublelock/shared/drift"
)

// leftAlone is the list of what AWS has and this code neither knows nor needs, with the reasons.
const leftAlone = "testdata/drift.yaml"

// AWS adds calls, fields, condition keys, states and error codes without asking us. Each is known to the code, or listed
// with the reason why it does not matter; what is neither may make an answer of ours wrong.
func TestNothingOfAWSIsUnknownToUs(t *testing.T) {
	sdk := sdkModels(t)
	models := append(otherModels(t), sdk...)
	for _, problem := range drift.Compare(drift.FactsOf(models, knownOf(t, sdk)), readLeftAlone(t)) {
		t.Error(problem)
	}
}

func readLeftAlone(t *testing.T) map[drift.Kind][]drift.Row {
	t.Helper()
	raw, err := os.ReadFile(leftAlone)
	if err != nil {
		t.Fatal(err)
	}
	var left map[drift.Kind][]drift.Row
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(&left); err != nil {
		t.Fatalf("read %s: %v", leftAlone, err)
	}
	return left
}

// sdkModels are those of the Go SDK that the code is compiled with.
func sdkModels(t *testing.T) []drift.Model {
	t.Helper()
	packages := map[string]*types.Package{}
	for _, s := range shippedCode(t) {
		for _, imported := range s.types.Imports() {
			packages[imported.Path()] = imported
		}
	}
	var models []drift.Model
	for _, service := range watchedServices {
		client, shapes := packages[drift.Package(service)], packages[drift.Package(service)+"/types"]
		if client == nil || shapes == nil {
			t.Fatalf("no shipped code imports the SDK's package of %s: this test looks in the wrong place", service)
		}
		m, err := drift.FromSDK(service, client, shapes)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	return models
}

// otherModels are those of botocore and of the service authorization reference, where `make setup` or `make drift` put
// them.
func otherModels(t *testing.T) []drift.Model {
	t.Helper()
	installed, err := filepath.Glob(filepath.Join(".venv", "lib", "python3*", "site-packages", "botocore", "data"))
	if err != nil {
		t.Fatal(err)
	}
	botocore := os.Getenv("DOUBLELOCK_BOTOCORE")
	if botocore == "" && len(installed) > 0 {
		botocore = installed[0]
	}
	reference := cmp.Or(os.Getenv("DOUBLELOCK_IAM_DATA"), filepath.Join("node_modules", "@cloud-copilot", "iam-data", "data"))
	var models []drift.Model
	for _, service := range watchedServices {
		for folder, read := range map[string]func(service, data string) (drift.Model, error){botocore: drift.FromBotocore, reference: drift.FromReference} {
			m, err := read(service, folder)
			switch {
			case err == nil && len(m.Calls) < 20:
				t.Fatalf("%s has %d calls of %s: this test looks in the wrong place", m.Source, len(m.Calls), service)
			case err == nil:
				models = append(models, m)
			case os.Getenv("CI") == "true":
				t.Fatalf("%v: run make setup", err)
			default:
				t.Skipf("%v: run make setup", err)
			}
		}
	}
	return models
}
