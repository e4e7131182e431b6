package main

import "github.com/spf13/cobra"

// commands lists every command; each has a file of its own.
func commands(env *environment) []*cobra.Command {
	return []*cobra.Command{
		auditCommand(env),
		canCommand(env),
		demoCommand(env),
		doctorCommand(env),
		configCommand(env),
		inventoryCommand(env),
		keysCommand(env),
		migrateCommand(env),
		readersCommand(env),
		replayCommand(env),
		scpCommand(env),
		policyCommand(env),
		versionCommand(env),
	}
}
