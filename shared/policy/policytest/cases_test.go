package policytest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/doublelock/doublelock/shared/policy/policytest"
)

const casesDir = "../../../testdata/policy/cases"

// loadCases reads every case file, decoded and raw, by file name.
func loadCases(t *testing.T) map[string][]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(casesDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find cases in %s: %v", casesDir, err)
	}
	out := map[string][]any{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []any
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatalf("decode %s: %v", file, err)
		}
		out[filepath.Base(file)] = list
	}
	return out
}

// The cases were written from AWS's documentation; each names the page that it was written from.
func TestConformanceWithAWSDocumentation(t *testing.T) {
	t.Parallel()
	count := 0
	for file, list := range loadCases(t) {
		cases, err := policytest.Read(list)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, c := range cases {
			count++
			if source, _ := list[i].(map[string]any)["source"].(string); source == "" {
				t.Errorf("%s: case %d %q names no source", file, i, c.Name)
			}
			if result := policytest.Run(c); !result.Passed {
				t.Errorf("%s: %s: %s", file, c.Name, result.Explanation())
			}
		}
	}
	if count < 200 {
		t.Errorf("only %d cases", count)
	}
}
