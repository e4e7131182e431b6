package migrate

import (
	"slices"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

// checkAccepted refuses --accept of what cannot be: a principal of another partition, or one that its account certainly
// does not have. A plan with it would look as if somebody had decided about a reader. One that is there and reads nothing
// of the plan is only named, and so is one of an account that was not read.
func (p *planning) checkAccepted(made migration.Plan) error {
	reads := readersOf(made)
	for _, principal := range p.accept {
		of := arn.Of(principal)
		switch {
		case reads[principal]:
		case len(p.found.Secrets) > 0 && of.Partition != arn.Of(p.found.Secrets[0].Facts.ARN).Partition:
			return command.Fail("migrate plan: --accept %s: the secrets are in partition %s, whose ARNs begin with arn:%[2]s:",
				output.Printable(principal), arn.Of(p.found.Secrets[0].Facts.ARN).Partition)
		case absent(p.found, principal, of.Account):
			return command.Fail("migrate plan: --accept %s: account %s has no such principal; doublelock readers SECRET lists those that read",
				output.Printable(principal), of.Account)
		default:
			p.env.Note("--accept %s: it reads no secret of this plan", principal)
		}
	}
	return nil
}

func readersOf(made migration.Plan) map[string]bool {
	reads := map[string]bool{}
	for _, i := range made.Items {
		for _, r := range i.Readers {
			reads[r.Principal] = true
		}
		for _, replica := range i.Replicas {
			for _, r := range replica.Readers {
				reads[r.Principal] = true
			}
		}
	}
	return reads
}

// absent reports that the principals of an account were read, all of them, and that this one is none.
func absent(s *inventory.Snapshot, principal, account string) bool {
	if slices.ContainsFunc(s.Unread, func(u inventory.Unread) bool { return u.Part == inventory.PartPrincipals && u.Account == account }) {
		return false
	}
	read := false
	for _, have := range s.Principals {
		if have.ARN == principal {
			return false
		}
		read = read || have.Account == account
	}
	return read
}
