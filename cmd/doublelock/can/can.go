// Package can is doublelock can: what a principal can open, by a snapshot.
package can

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/locks"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	var read bool
	var only []string
	cmd := &cobra.Command{
		Use:   "can PRINCIPAL_ARN --read",
		Short: "List every secret a principal can really open, or prove that it opens only some",
		Long: `Can lists the secrets that a principal can open, by what a snapshot of the organization says. Opening takes the
permission on the secret and the permission on its key, through Secrets Manager. PRINCIPAL_ARN is a role, a user, a
role session or a root user.

With --only it proves isolation instead: exit code 2 when the principal can open any other secret, with the statements
that let it, and also when that cannot be ruled out.

Exit codes: 0 the question was answered, 1 an error, 2 isolation (--only) is not proved.`,
		Example: `  doublelock can arn:aws:iam::111122223333:role/app --read --snapshot org.json
  doublelock can arn:aws:iam::111122223333:role/vendor --read --only vendor/acme --snapshot org.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("can: name one principal by ARN, such as " + flags.ExampleARN("iam"))
			}
			return nil
		},
	}
	output.Tabular(cmd)
	path := input.SnapshotFlag(cmd)
	cmd.Flags().BoolVar(&read, "read", false, "ask about reading secrets (the only question so far)")
	cmd.Flags().StringArrayVar(&only, "only", nil, "secret that it may open, by ARN or name; may be repeated")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !read {
			return errors.New("can: say what: --read")
		}
		return runCan(env, *path, args[0], only)
	}
	return cmd
}

func runCan(env *command.Env, path, principal string, only []string) error {
	access, err := input.Snapshot(env, path)
	if err != nil {
		return err
	}
	allowed, err := secretARNs(access, only)
	if err != nil {
		return err
	}
	can, err := access.Can(principal)
	if err != nil {
		return err
	}
	readers, err := explainAll(access, can)
	if err != nil {
		return err
	}
	proof := prove(can, readers, allowed)
	if env.AsJSON() {
		err = writeCanJSON(env, can, readers, allowed, proof)
	} else {
		err = writeCan(env, readers)
	}
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	input.NoteUnread(env, can.Unread)
	fmt.Fprintf(env.Stderr, "%s can open %s of %d, and maybe %d more\n", principal,
		output.Count(len(can.Open), "secret"), len(access.Snapshot().Secrets), len(can.Unknown))
	if allowed == nil {
		return nil
	}
	return reportProof(env, proof)
}

func secretARNs(access *inventory.Access, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		s, err := access.Secret(id)
		if err != nil {
			return nil, err
		}
		out = append(out, s.Facts.ARN)
	}
	return out, nil
}

func explainAll(access *inventory.Access, can inventory.Openings) ([]inventory.Reader, error) {
	var out []inventory.Reader
	for _, arn := range slices.Concat(can.Open, can.Unknown) {
		r, err := access.Opens(can.Principal, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// proof is what --only found.
type proof struct {
	Isolated       bool          `json:"isolated"`
	Counterexample *locks.Reader `json:"counterexample,omitempty"` // another secret that opens, or may
	Others         int           `json:"others"`                   // how many there are
	Unread         bool          `json:"unread,omitempty"`         // secrets that could not be inspected
	Unopened       []string      `json:"unopened,omitempty"`       // secrets of --only that do not open
}

func prove(can inventory.Openings, readers []inventory.Reader, allowed []string) proof {
	p := proof{Unread: len(can.Unread) > 0}
	for _, r := range readers {
		if slices.Contains(allowed, r.Secret) {
			continue
		}
		p.Others++
		if p.Counterexample == nil {
			found := locks.ReaderOf(r)
			p.Counterexample = &found
		}
	}
	for _, arn := range allowed {
		if !slices.Contains(can.Open, arn) {
			p.Unopened = append(p.Unopened, arn)
		}
	}
	p.Isolated = p.Others == 0 && !p.Unread
	return p
}

func reportProof(env *command.Env, p proof) error {
	for _, arn := range p.Unopened {
		env.Note("it cannot certainly open %s", arn)
	}
	switch {
	case p.Isolated:
		fmt.Fprintln(env.Stderr, "isolated: it opens nothing else")
		return nil
	case p.Counterexample == nil:
		return command.Finding("isolation is not proved: there are secrets that could not be read, see above")
	}
	c := p.Counterexample
	verb := "can open"
	if c.Answer != policy.Allowed {
		verb = "may be able to open"
	}
	more := ""
	if p.Others > 1 {
		more = fmt.Sprintf(" and %d more", p.Others-1)
	}
	return command.Finding("not isolated: %s %s %s%s\n  secret: %s\n  key: %s", c.Principal, verb, c.Secret, more,
		output.Printable(c.SecretLock.Why), output.Printable(c.KeyLock.Why))
}

func writeCan(env *command.Env, readers []inventory.Reader) error {
	table := env.Rows("OPENS", "SECRET", "KEY", "WHY")
	for _, r := range readers {
		table.Add(locks.ReaderWords[r.Answer], r.Secret, r.Key, locks.Decisive(r))
	}
	return table.Print()
}

func writeCanJSON(env *command.Env, can inventory.Openings, readers []inventory.Reader, allowed []string, p proof) error {
	out := struct {
		Principal string             `json:"principal"`
		Secrets   []locks.Reader     `json:"secrets"`
		Unread    []inventory.Unread `json:"unread"`
		Only      []string           `json:"only,omitempty"`
		Proof     *proof             `json:"proof,omitempty"`
	}{Principal: can.Principal, Secrets: []locks.Reader{}, Unread: append([]inventory.Unread{}, can.Unread...), Only: allowed}
	for _, r := range readers {
		out.Secrets = append(out.Secrets, locks.ReaderOf(r))
	}
	if allowed != nil {
		out.Proof = &p
	}
	return env.JSON(out)
}
