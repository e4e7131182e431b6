// Package readers is doublelock readers: who can open a secret, by a snapshot.
package readers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/locks"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "readers SECRET",
		Short: "List who can open a secret, and which of its two locks each holds",
		Long: `Readers lists the principals that can open a secret, by what a snapshot of the organization says: policies, groups,
boundaries, SCPs and RCPs, the secret's resource policy, key policy and grants. SECRET is an ARN, or a name that only
one secret has.

  OPENS    yes: both locks; no: a lock is closed; unknown: what was not read, or a condition on the caller's address,
           VPC, MFA or session, would decide. Unknown is neither a yes nor a no.
  REACH    directly, or in how many steps the principal comes to open it by the shortest way: it takes roles, passes them
           to a service that runs its code, changes policies, keys, grants, credentials, or the code that rotates the
           secret. WHY says the steps.

Who may not read the organization (a snapshot taken with --own in a member account) knows no SCP: every reader is unknown.
--without-scps takes SCPs and RCPs that could not be read to be none. They only deny, so that it lists too many, never too few.

Readers answers for whichever copy of the secret is opened: a version with another label, or without one, and the replicas that the
snapshot holds, count like the current version. WHY begins with the copy where it is another.

Principals of accounts outside the snapshot are unknown at best, and so are those of accounts that could not be read: "anybody in
account …" is one row, and one in the count, which says what it leaves out; the account's root user is among them. Those of the accounts of
the snapshot are no rows: which of them can open the secret is said below the count, and in roots of -o json. Who holds only the key lock is counted, and listed
with --all.

Exit codes: 0 the question was answered, 1 an error.`,
		Example: `  doublelock readers payments/db --snapshot org.json
  doublelock readers arn:aws:secretsmanager:eu-central-1:111122223333:secret:payments/db-AbCdEf -s org.json -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("readers: name one secret, by ARN or by name")
			}
			return nil
		},
	}
	output.Tabular(cmd)
	path, without := input.SnapshotFlag(cmd), input.WithoutControlsFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list principals that hold only the key lock, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		access, err := input.SnapshotWith(env, *path, *without)
		if err != nil {
			return err
		}
		return runReaders(env, access, args[0], all)
	}
	return cmd
}

func runReaders(env *command.Env, access *inventory.Access, id string, all bool) error {
	secret, err := access.Secret(id)
	if err != nil {
		return err
	}
	readers, unread, err := access.ReadersOfCopies(secret.Facts.ARN)
	if err != nil {
		return err
	}
	paths, err := access.ReachersOf(secret.Facts.ARN)
	if err != nil {
		return err
	}
	paths = slices.DeleteFunc(paths, func(p inventory.Path) bool { // to one copy, of those who open another as it is
		return slices.ContainsFunc(readers, func(r inventory.Reader) bool { return r.Principal == p.Principal && r.Answer == policy.Allowed })
	})
	shown, counts, keyOnly := countReaders(readers, all)
	roots, err := access.RootsOf(secret.Facts.ARN)
	if err != nil {
		return err
	}
	rows, err := merge(access, shown, paths)
	if err != nil {
		return err
	}
	unknown := 0 // whoever has but a way may open it as it is, too
	for _, r := range rows {
		if r.Answer == policy.Unknown {
			unknown++
		}
	}
	if env.AsJSON() {
		err = writeReadersJSON(env, access.Assumed(), secret.Facts.ARN, rows, roots, unread)
	} else {
		err = writeReaders(env, access.Assumed(), rows)
	}
	if err != nil {
		return fmt.Errorf("write readers: %w", err)
	}
	fmt.Fprintf(env.Stderr, "%s: %s, %d unknown, %d with the secret lock alone, %d with the key lock alone%s\n", secret.Facts.ARN,
		output.Count(counts[policy.Allowed], "principal can open it", "principals can open it"), unknown, counts[policy.ImplicitlyDenied], keyOnly,
		input.NotCounted(unread))
	noteRoots(env, roots)
	certain, perhaps := locks.CountPaths(paths)
	fmt.Fprintf(env.Stderr, "in steps %d more come to open it, and maybe %d%s\n", certain, perhaps, input.NotCounted(access.UnreadPeople()))
	if secret.Facts.PendingDeletion() {
		env.Note("its deletion is scheduled: nobody reads it until secretsmanager:RestoreSecret brings it back")
	}
	if err := noteUnproved(env, access, readers, paths); err != nil {
		return err
	}
	input.NoteUnread(env, unread)
	input.NoteAssumed(env, access.Assumed())
	return nil
}

// row is a reader, with the way by which it comes to open the secret where it does not directly.
type row struct {
	inventory.Reader
	path *inventory.Path
}

// merge puts the ways to their readers, and those that only have a way behind those that open it, or may.
func merge(access *inventory.Access, readers []inventory.Reader, paths []inventory.Path) ([]row, error) {
	ways := map[string]*inventory.Path{}
	for i := range paths {
		ways[paths[i].Principal] = &paths[i]
	}
	var first, reaching, last []row
	for _, r := range readers {
		switch way := ways[r.Principal]; {
		case r.Answer == policy.Allowed || r.Answer == policy.Unknown:
			first = append(first, row{r, way})
			delete(ways, r.Principal)
		case way == nil:
			last = append(last, row{Reader: r})
		}
	}
	for i := range paths {
		p := &paths[i]
		if ways[p.Principal] == nil {
			continue
		}
		r, err := access.Explain(p.Principal, p.Secret)
		if err != nil {
			return nil, err
		}
		reaching = append(reaching, row{r, p})
	}
	return slices.Concat(first, reaching, last), nil
}

// reach says how far the secret is.
func (r row) reach() string {
	switch {
	case r.Answer == policy.Allowed:
		return "directly"
	case r.path != nil:
		return locks.Far(*r.path)
	case r.Answer == policy.Unknown:
		return "perhaps directly"
	}
	return ""
}

func (r row) why() string {
	if r.path != nil && r.Answer != policy.Unknown {
		return locks.Steps(*r.path) + "; today " + locks.Decisive(r.Reader)
	}
	return which(r.Reader) + locks.Decisive(r.Reader)
}

// which says what a reader opens, and as whom, where that is not the current version, and itself.
func which(r inventory.Reader) string {
	out := ""
	if r.Copy != "" && r.Answer != policy.ImplicitlyDenied {
		out += r.Copy + "; "
	}
	if r.As != "" && r.Answer == policy.Allowed {
		out += "as " + r.As + "; "
	}
	return out
}

// countReaders sorts out those with the key lock alone: under the AWS managed key that is everybody in the account.
func countReaders(readers []inventory.Reader, all bool) (shown []inventory.Reader, counts map[policy.Answer]int, keyOnly int) {
	counts = map[policy.Answer]int{}
	for _, r := range readers {
		if secret, _ := r.Holds(); r.Answer == policy.ImplicitlyDenied && !secret && r.SecretLock.Answer != policy.Unknown {
			keyOnly++
			if !all {
				continue
			}
		} else {
			counts[r.Answer]++
		}
		shown = append(shown, r)
	}
	return shown, counts, keyOnly
}

func writeReaders(env *command.Env, assumed string, rows []row) error {
	table := env.Rows("OPENS", "REACH", "SECRET LOCK", "KEY LOCK", "PRINCIPAL", "WHY")
	for _, r := range rows {
		table.Add(locks.ReaderWords[r.Answer], r.reach(), locks.LockWords[r.SecretLock.Answer], locks.LockWords[r.KeyLock.Answer], r.Principal, locks.Assuming(assumed, r.why()))
	}
	return table.Print()
}

func writeReadersJSON(env *command.Env, assumed, secret string, rows []row, roots []inventory.Reader, unread []inventory.Unread) error {
	out := struct {
		Secret  string             `json:"secret"`
		Readers []locks.Reader     `json:"readers"`
		Roots   []locks.Reader     `json:"roots"`
		Unread  []inventory.Unread `json:"unread"`
	}{Secret: secret, Readers: []locks.Reader{}, Roots: []locks.Reader{}, Unread: append([]inventory.Unread{}, unread...)}
	for _, r := range rows {
		found := locks.ReaderOf(r.Reader, assumed)
		if r.path != nil {
			path := locks.PathOf(*r.path)
			found.Path = &path
		}
		out.Readers = append(out.Readers, found)
	}
	for _, r := range roots {
		out.Roots = append(out.Roots, locks.ReaderOf(r, assumed))
	}
	return env.JSON(out)
}

// noteRoots counts the root users, who are no rows.
func noteRoots(env *command.Env, roots []inventory.Reader) {
	var certain, perhaps []string
	for _, r := range roots {
		if r.Answer == policy.Allowed {
			certain = append(certain, r.Account)
		} else {
			perhaps = append(perhaps, r.Account)
		}
	}
	of := func(accounts []string) string { return cmp.Or(strings.Join(accounts, ", "), "none") }
	fmt.Fprintf(env.Stderr, "beside them the root users of these accounts can open it: %s; and maybe: %s\n", of(certain), of(perhaps))
}

// noteUnproved says who has rights beyond what is followed, and is not among the rows as one who certainly comes to open it.
func noteUnproved(env *command.Env, access *inventory.Access, readers []inventory.Reader, paths []inventory.Path) error {
	names, err := access.UnprovedPrincipals()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(readers, func(r inventory.Reader) bool { return r.Principal == name && r.Answer == policy.Allowed }) ||
			slices.ContainsFunc(paths, func(p inventory.Path) bool { return p.Principal == name && p.Certain })
	})
	if len(names) > 0 {
		env.Note("%s more may use rights of which a snapshot does not say what follows, such as %s: doublelock can PRINCIPAL --only names them",
			output.Count(len(names), "principal"), names[0])
	}
	return nil
}
