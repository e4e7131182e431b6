package input

import (
	"fmt"
	"os"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/migration"
)

// Plan reads a plan of migrate plan, from standard input for "-".
func Plan(env *command.Env, path string) (migration.Plan, error) {
	in := env.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return migration.Plan{}, fmt.Errorf("read plan: %w", err)
		}
		defer func() { _ = file.Close() }() // only read: there is nothing to lose
		in = file
	}
	p, err := migration.LoadPlan(in)
	if err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
