// Package can is doublelock can: what a principal can open, by a snapshot.
package can

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
	var read, reach bool
	var only []string
	cmd := &cobra.Command{
		Use:   "can PRINCIPAL_ARN --read",
		Short: "List every secret a principal can really open, or prove that it opens only some",
		Long: `Can lists the secrets that a principal can open, by what a snapshot of the organization says. Opening takes the
permission on the secret and the permission on its key, through Secrets Manager. Which version it asks for, and by which
name of the secret, is the principal's choice. PRINCIPAL_ARN is a role, a user, a role session or a root user.

With --reach it lists those, too, that the principal comes to open in steps, with the shortest way to each: it takes roles
(sts:AssumeRole, iam:PassRole to a service that runs its code), changes policies, keys, grants, credentials, the code that
rotates a secret, and the tags and aliases by which policies decide.

With --only it proves isolation instead: exit code 2 when the principal can open any other secret, itself or in steps, or
can change what decides, and also when that cannot be ruled out. It names the statements, the steps or the right. A right
is ruled out only where it is known what follows from it: one that makes a service run code, makes users or roles, or that
nobody knows, is no isolation. Nor is a Region or an account where it may read secrets and that the snapshot did not read:
take one of all Regions (inventory --region), or deny it the others. It holds from the time of the snapshot on: what opens
from some date on is not isolated. Whom the policies of secrets that were not read let in
is not asked. Rights to write data, and to call what others run, are named; what the others' code does
with that is not asked.

Exit codes: 0 the question was answered, 1 an error, 2 isolation (--only) is not proved.`,
		Example: `  doublelock can arn:aws:iam::111122223333:role/app --read --snapshot org.json
  doublelock can arn:aws:iam::111122223333:role/app --read --reach --snapshot org.json
  doublelock can arn:aws:iam::111122223333:role/vendor --read --only vendor/acme --snapshot org.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("can: name one principal by ARN, such as " + flags.ExampleARN("iam"))
			}
			return nil
		},
	}
	output.Tabular(cmd)
	path, without := input.SnapshotFlag(cmd), input.WithoutControlsFlag(cmd)
	cmd.Flags().BoolVar(&read, "read", false, "ask about reading secrets (the only question so far)")
	cmd.Flags().BoolVar(&reach, "reach", false, "list what it comes to open in steps, too")
	cmd.Flags().StringArrayVar(&only, "only", nil, "secret that it may open, by ARN or name; may be repeated")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !read {
			return errors.New("can: say what: --read")
		}
		access, err := input.SnapshotWith(env, *path, *without)
		if err != nil {
			return err
		}
		return runCan(env, access, args[0], only, reach)
	}
	return cmd
}

func runCan(env *command.Env, access *inventory.Access, principal string, only []string, reach bool) error {
	allowed, err := secretARNs(access, only)
	if err != nil {
		return err
	}
	if allowed != nil {
		access = access.FromNowOn()
	}
	can, err := access.Can(principal)
	if err != nil {
		return err
	}
	readers, err := explainAll(access, can)
	if err != nil {
		return err
	}
	var paths []inventory.Path
	var beyond inventory.Elsewhere
	if reach || allowed != nil {
		if paths, err = access.Reach(principal); err != nil {
			return err
		}
		if beyond, err = access.Elsewhere(principal, allowed); err != nil {
			return err
		}
		for _, u := range beyond.Unread {
			if !slices.Contains(can.Unread, u) {
				can.Unread = append(can.Unread, u)
			}
		}
	}
	proof := prove(can, readers, allowed, access.Assumed())
	if allowed != nil {
		if err := proof.reach(access, principal, allowed, paths, beyond); err != nil {
			return err
		}
	}
	if !reach {
		paths = nil
	}
	if env.AsJSON() {
		err = writeCanJSON(env, access.Assumed(), can, readers, paths, allowed, proof)
	} else {
		err = writeCan(env, access.Assumed(), readers, paths)
	}
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	input.NoteUnread(env, can.Unread)
	input.NoteAssumed(env, access.Assumed())
	fmt.Fprintf(env.Stderr, "%s can open %s of %d, and maybe %d more%s\n", principal,
		output.Count(len(can.Open), "secret"), len(access.Snapshot().Secrets), len(can.Unknown), input.NotCounted(can.Unread))
	if reach {
		certain, perhaps := locks.CountPaths(paths)
		fmt.Fprintf(env.Stderr, "in steps it comes to open %d more, and maybe %d%s\n", certain, perhaps, input.NotCounted(slices.Concat(access.UnreadPeople(), can.Unread)))
		if len(beyond.Unproved) > 0 {
			env.Note("it may use %s, and a snapshot does not say what follows from that: there may be more ways", output.Printable(named(rightsOf(beyond.Unproved))))
		}
	}
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
	Unread         bool          `json:"unread,omitempty"`         // secrets that could not be inspected, or were not
	Unopened       []string      `json:"unopened,omitempty"`       // secrets of --only that do not open
	Path           *locks.Path   `json:"path,omitempty"`           // the shortest way to another secret that it comes to open in steps
	Power          *power        `json:"power,omitempty"`          // a right to change what decides
	Unproved       []right       `json:"unproved,omitempty"`       // rights of which it is not known what follows from them
	Unseen         []string      `json:"unseen,omitempty"`         // what the snapshot does not hold, and could let it in
	Data           []right       `json:"data,omitempty"`           // rights to write data, or to call what others run

	path   inventory.Path
	unread []inventory.Unread
}

// reach looks beyond what the principal opens now: at the roles that it may take, and at what it or they may change.
func (p *proof) reach(access *inventory.Access, principal string, allowed []string, paths []inventory.Path, beyond inventory.Elsewhere) error {
	chains, err := access.Chains(principal)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if !slices.Contains(allowed, path.Secret) && (p.Path == nil || len(path.Steps) < len(p.path.Steps)) {
			found := locks.PathOf(path)
			p.Path, p.path = &found, path
		}
	}
	for _, c := range slices.Concat([]inventory.Chain{{}}, chains) {
		who := principal
		if len(c.Roles) > 0 {
			who = c.Roles[len(c.Roles)-1]
		}
		powers, err := access.Powers(who, allowed)
		if err != nil {
			return err
		}
		if len(powers) > 0 {
			p.Power = &power{Roles: c.Roles, Certain: len(c.Roles) == 0 && powers[0].Certain, Action: powers[0].Action, Resource: powers[0].Resource, Why: powers[0].Why}
			break
		}
	}
	p.Unproved, p.Data = rightsOf(beyond.Unproved), rightsOf(beyond.Data)
	p.Unseen = beyond.Unseen
	p.Isolated = p.Isolated && p.Path == nil && p.Power == nil && len(p.Unproved) == 0 && len(p.Unseen) == 0
	return nil
}

// right is an action, as a policy names it, that the principal or a role that it may take may use.
type right struct {
	As     string `json:"as"`
	Action string `json:"action"`
	Policy string `json:"policy"`
}

func rightsOf(found []inventory.Right) []right {
	var out []right
	for _, r := range found {
		out = append(out, right(r))
	}
	return out
}

// named are rights in words, the first few of them.
func named(rights []right) string {
	const most = 3
	var out []string
	for _, r := range rights[:min(most, len(rights))] {
		out = append(out, r.Action)
	}
	if more := len(rights) - most; more > 0 {
		return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(out, ", ")
}

// power is a right by which the principal, or a role that it may take, may come to open more.
type power struct {
	Roles    []string `json:"roles,omitempty"` // taken before
	Certain  bool     `json:"certain"`
	Action   string   `json:"action"`
	Resource string   `json:"resource"`
	Why      string   `json:"why"` // what the right is good for
}

func prove(can inventory.Openings, readers []inventory.Reader, allowed []string, assumed string) proof {
	p := proof{Unread: len(can.Unread) > 0, unread: can.Unread}
	var plainest *inventory.Reader
	for i := range readers {
		r := &readers[i]
		if slices.Contains(allowed, r.Secret) {
			continue
		}
		p.Others++
		if plainest == nil || plainer(r, plainest) {
			plainest = r
		}
	}
	if plainest != nil {
		found := locks.ReaderOf(*plainest, assumed)
		p.Counterexample = &found
	}
	for _, arn := range allowed {
		if !slices.Contains(can.Open, arn) {
			p.Unopened = append(p.Unopened, arn)
		}
	}
	p.Isolated = p.Others == 0 && !p.Unread
	return p
}

// plainer reports whether a counterexample is the better one: certain, or with fewer things that are not known.
func plainer(a, b *inventory.Reader) bool {
	if certain := a.Answer == policy.Allowed; certain != (b.Answer == policy.Allowed) {
		return certain
	}
	return doubts(a) < doubts(b)
}

func doubts(r *inventory.Reader) int {
	count := 0
	for _, d := range []policy.Decision{r.SecretLock, r.KeyLock} {
		count += len(d.Missing) + len(d.Unreadable) + len(d.Notes)
	}
	return count
}

func reportProof(env *command.Env, p proof) error {
	for _, arn := range p.Unopened {
		env.Note("it cannot certainly open %s", arn)
	}
	switch {
	case p.Isolated:
		fmt.Fprintln(env.Stderr, "isolated: of this snapshot it opens nothing else, neither itself nor in steps, and can change no right to open more")
		if len(p.Data) > 0 {
			env.Note("it may write data, or call what others run (%s): what their code does with that was not asked", output.Printable(named(p.Data)))
		}
		return nil
	case p.Counterexample == nil && p.Path != nil:
		return command.Finding("not isolated: %s it opens %s: %s", locks.Far(p.path), p.Path.Secret, output.Printable(locks.Steps(p.path)))
	case p.Counterexample == nil && p.Power != nil:
		c := p.Power
		by, verb := "it", "can"
		if len(c.Roles) > 0 {
			by = "by way of " + strings.Join(c.Roles, ", from there ") + " it"
		}
		if !c.Certain {
			verb = "may be able to"
		}
		return command.Finding("not isolated: %s %s use %s on %s, which %s", by, verb, c.Action, c.Resource, c.Why)
	case p.Counterexample == nil && len(p.Unproved) > 0:
		r := p.Unproved[0]
		return command.Finding("isolation is not proved: %s may use %s, and a snapshot does not say what follows from that (%s)", r.As,
			output.Printable(named(p.Unproved)), output.Printable(r.Policy))
	case p.Counterexample == nil && len(p.Unseen) > 0:
		return command.Finding("isolation is not proved: %s is not in the snapshot", p.Unseen[0])
	case p.Counterexample == nil:
		return command.Finding("isolation is not proved: %s", output.Printable(input.UnreadLine(p.unread[0])))
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

func writeCan(env *command.Env, assumed string, readers []inventory.Reader, paths []inventory.Path) error {
	table := env.Rows("OPENS", "SECRET", "KEY", "WHY")
	for _, r := range readers {
		table.Add(locks.ReaderWords[r.Answer], r.Secret, r.Key, locks.Assuming(assumed, locks.Decisive(r)))
	}
	for _, p := range paths {
		table.Add(locks.Far(p), p.Secret, "", locks.Assuming(assumed, locks.Steps(p)))
	}
	return table.Print()
}

func writeCanJSON(env *command.Env, assumed string, can inventory.Openings, readers []inventory.Reader, paths []inventory.Path, allowed []string, p proof) error {
	out := struct {
		Principal string             `json:"principal"`
		Secrets   []locks.Reader     `json:"secrets"`
		Paths     []locks.Path       `json:"paths,omitempty"` // --reach
		Unread    []inventory.Unread `json:"unread"`
		Only      []string           `json:"only,omitempty"`
		Proof     *proof             `json:"proof,omitempty"`
	}{Principal: can.Principal, Secrets: []locks.Reader{}, Unread: append([]inventory.Unread{}, can.Unread...), Only: allowed}
	for _, r := range readers {
		out.Secrets = append(out.Secrets, locks.ReaderOf(r, assumed))
	}
	for _, path := range paths {
		out.Paths = append(out.Paths, locks.PathOf(path))
	}
	if allowed != nil {
		out.Proof = &p
	}
	return env.JSON(out)
}
