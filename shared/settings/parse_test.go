package settings_test

import (
	"path/filepath"
	"testing"

	"github.com/doublelock/doublelock/shared/settings"
)

func TestExamplesLoad(t *testing.T) {
	for _, name := range []string{"sample.yaml", "minimal.yaml"} {
		config, err := settings.Load(filepath.Join("../../testdata/config", name))
		if err != nil {
			t.Errorf("%s:\n%v", name, err)
		}
		if config.Organization.ManagementAccount != "111111111111" {
			t.Errorf("%s: management account %q", name, config.Organization.ManagementAccount)
		}
	}
}
