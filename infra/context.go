package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// projectRoot is the folder of cdk.json, here or above.
func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find project: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cdk.json")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find project: no cdk.json here or above; run it inside the repository")
		}
		dir = parent
	}
}

// cdkContext reads the feature flags of cdk.json. The CDK command line passes them only to what it starts itself, and
// without them the templates differ.
func cdkContext(root string) (map[string]any, error) {
	path := filepath.Join(root, "cdk.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CDK context: %w", err)
	}
	var file struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("read CDK context %s: %w", path, err)
	}
	return file.Context, nil
}
