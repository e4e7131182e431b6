package input

import (
	"fmt"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/migration"
)

// Plan reads a plan of migrate plan, from standard input for "-".
func Plan(env *command.Env, path string) (migration.Plan, error) {
	in, err := readJSON(env, path, planKind)
	if in == nil {
		return migration.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	if err != nil {
		return migration.Plan{}, fmt.Errorf("%s: %w", path, err)
	}
	p, err := migration.LoadPlan(in)
	if err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
