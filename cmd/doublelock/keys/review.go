package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

func keysReviewCommand(env *command.Env) *cobra.Command {
	var config, standard string
	var controls, trails []string
	approved := false
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Judge every customer managed key of a snapshot by DL.KEY.1 to 7",
		Long: `Review judges keys: tags, rotation, who may use them, use, state, what depends on them, and whether the policy is a
lock of its own. Conditions and Denies count: a statement for everybody that asks for kms:CallerAccount and kms:ViaService is
no finding, one that others may fit is, and so is a key that nobody can manage. Each finding shows the statement and the
smallest change of the policy that mends it.

What is required can be said in a YAML or JSON file (--standard): rotationDays (90 to 2560, as KMS takes), unusedDays,
secrets, applications, environments (most under one key), approved (accounts). Accounts that the configuration approves are
approved. What its waivers excuse is listed and is no finding, and no policy that is proposed for another takes it away; nor
does one take away what --control leaves out.

No policy is proposed that takes the key from somebody who was seen using it (--trail), be it a principal, another account or
a service, as far as CloudTrail recorded that. A call that names its key by an alias, or not at all, may be a use of every key
that its caller may use, and so may one that failed for another reason than rights, or whose export left out whether it
succeeded. Nor is one proposed after which nobody of the account, past its SCPs, RCPs and boundaries, could change the policy.
A grant is revoked on the same terms. What the trail shows to be changed after the snapshot was taken gets a row, and no fix
but to take it again.

Who may not read the organization (a snapshot taken with --own in a member account) knows no SCP or RCP: who can manage a key is
unknown. --without-scps takes those that could not be read to be none, and says so: what a proposal promises then holds as far
as they deny nothing.

With --approved it judges nothing, and lists the keys that carry an alias or tag that approves keys by the configuration:
look at them before the SCP that protects those is attached, which stops only what comes. Recorded CloudTrail (--trail,
read like that of "doublelock replay") says since when and by whom, and whether that role may approve.

Exit codes: 0 nothing to say, 1 an error, 2 findings; keys that could not be listed, and what could not be read of one, are
findings, and so is a key of --approved that is not known to carry that by somebody who may approve.`,
		Example: `  doublelock keys review --snapshot org.json
  doublelock keys review -s org.json --control DL.KEY.3 -o json | jq '{key, after}' # the policies as they should be
  doublelock keys review -s org.json --approved --trail trail/                      # before doublelock-approval is attached`,
		Args: cobra.NoArgs,
	}
	output.Tabular(cmd)
	path, without := input.SnapshotFlag(cmd), input.WithoutControlsFlag(cmd)
	input.ConfigFlag(cmd, &config, "configuration `FILE`, whose approved accounts count (default: none)")
	cmd.Flags().StringVar(&standard, "standard", "", "`FILE` that says what is required")
	flags.Choices(cmd, &controls, controlIDs(), "control", "`ID` of a control to judge by; may be repeated (default: all)")
	cmd.Flags().BoolVar(&approved, "approved", false, "list the keys that carry an alias or tag that approves keys, instead")
	cmd.Flags().StringArrayVar(&trails, "trail", nil, "file or folder of recorded CloudTrail: who uses the keys, or with --approved who approved them; may be repeated")
	cmd.MarkFlagsMutuallyExclusive("approved", "standard")
	cmd.MarkFlagsMutuallyExclusive("approved", "control")
	cmd.MarkFlagsMutuallyExclusive("approved", "without-scps")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		access, err := readKeys(env, *path, *without)
		if err != nil {
			return err
		}
		if approved {
			return runKeysApproved(cmd.Context(), env, access, config, trails)
		}
		return runKeysReview(cmd.Context(), env, access, config, standard, controls, trails)
	}
	return cmd
}

// readKeys reads a snapshot that has keys.
func readKeys(env *command.Env, path string, withoutControls bool) (*inventory.Access, error) {
	access, err := input.SnapshotWith(env, path, withoutControls)
	if err != nil {
		return nil, err
	}
	if len(access.Snapshot().Keys) == 0 {
		input.NoteUnread(env, access.Snapshot().Unread)
		return nil, command.Fail("keys review: no key in %s, so nothing was reviewed; take a snapshot of accounts and Regions that have keys", path)
	}
	return access, nil
}

func runKeysReview(ctx context.Context, env *command.Env, access *inventory.Access, config, standard string, controls, trails []string) error {
	std, err := readStandard(env, config, standard)
	if err != nil {
		return err
	}
	covered := map[location]bool{}
	if std.Seen, err = seen(ctx, env, trails, covered); err != nil {
		return err
	}
	now := access.Snapshot().TakenAt // an old snapshot says what was true then
	if now.IsZero() {
		now = env.Now()
	}
	for _, id := range controls {
		std.Controls = append(std.Controls, guard.ControlID(id))
	}
	found := keyreview.Review(access, std, now)
	if env.AsJSON() {
		err = writeReviewJSON(env, found)
	} else {
		err = writeReview(env, found, keyNames(access.Snapshot()))
	}
	if err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	input.NoteUnread(env, access.Snapshot().Unread)
	input.NoteAssumed(env, access.Assumed())
	if len(trails) > 0 {
		noteUncovered(env, access.Snapshot(), covered)
	}
	fmt.Fprintln(env.Stderr, summary(found, len(access.Snapshot().Keys)))
	if slices.ContainsFunc(found, func(f keyreview.Finding) bool { return f.Waived.IsZero() }) {
		return command.Found()
	}
	return nil
}

// location is an account and Region. Of a record whose export left one out, it may be any, so that it is "".
type location struct{ account, region string }

// noteUncovered says of which keys the trail has nothing to say: that nobody was seen using them says nothing.
func noteUncovered(env *command.Env, s *inventory.Snapshot, covered map[location]bool) {
	said := map[location]bool{}
	for _, k := range s.Keys {
		at := location{k.Facts.Account, k.Facts.Region}
		known := covered[at] || covered[location{"", at.region}] || covered[location{at.account, ""}] || covered[location{}]
		if k.Facts.Manager == guard.ManagerAWS || known || said[at] {
			continue
		}
		said[at] = true
		fmt.Fprintf(env.Stderr, "doublelock: keys review: the trail has no event of account %s in %s: who uses its keys is not known by it\n", output.Printable(at.account), output.Printable(at.region))
	}
}

// seen reads who used which key, a line for each way, with its first and last time, and of which locations there are records.
func seen(ctx context.Context, env *command.Env, trails []string, covered map[location]bool) ([]keyreview.Use, error) {
	var out []keyreview.Use
	known := map[keyreview.Use]int{}
	broken, err := readTrails(ctx, env, trails, func(r trail.Record) {
		covered[location{r.Change.Account, r.Change.Region}] = true
		for _, u := range keyreview.UsesOf(r) {
			way := u
			way.First, way.Last = time.Time{}, time.Time{}
			at, found := known[way]
			switch {
			case !found:
				known[way] = len(out)
				out = append(out, u)
				continue
			case u.Last.IsZero() || out[at].Last.IsZero(): // one that may be of any time
				out[at].First, out[at].Last = time.Time{}, time.Time{}
				continue
			}
			if u.First.Before(out[at].First) {
				out[at].First = u.First
			}
			if u.Last.After(out[at].Last) {
				out[at].Last = u.Last
			}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case broken > 0:
		return nil, command.Fail("%s could not be read, see above; no policy is proposed on half of what was recorded", output.Count(broken, "part of the trail", "parts of the trail"))
	}
	return out, nil
}

// readTrails hands over the calls of recorded CloudTrail. broken counts what could not be read, each part of which is said.
func readTrails(ctx context.Context, env *command.Env, trails []string, event func(trail.Record)) (broken int, err error) {
	reader := &input.Trail{Env: env}
	reader.Event = func(r trail.Record) error {
		event(r)
		return nil
	}
	reader.Broken = func(reason error) error {
		_, err := fmt.Fprintln(env.Stderr, "doublelock: keys review:", output.Printable(reason.Error()))
		return err
	}
	for _, path := range trails {
		if err := reader.Read(ctx, path); err != nil {
			return 0, err
		}
	}
	if len(trails) > 0 && reader.Events == 0 && reader.Unread() == 0 {
		return 0, input.NoEvents("keys review", trails)
	}
	return reader.Unread(), nil
}

// summary counts findings by severity, the worst first.
func summary(found []keyreview.Finding, keys int) string {
	counts := map[guard.Severity]int{}
	waived := 0
	for _, f := range found {
		if !f.Waived.IsZero() {
			waived++
			continue
		}
		counts[f.Control.Severity]++
	}
	var parts []string
	for _, severity := range []guard.Severity{guard.SeverityCritical, guard.SeverityHigh, guard.SeverityMedium, guard.SeverityLow} {
		if counts[severity] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[severity], severity))
		}
	}
	line := output.Count(len(found)-waived, "finding") + " on " + output.Count(keys, "key")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if waived > 0 {
		line += fmt.Sprintf("; %d waived", waived)
	}
	return line
}

func controlIDs() []string {
	var ids []string
	for _, c := range guard.KeyControls() {
		ids = append(ids, string(c.ID))
	}
	return ids
}

// readStandard is the default, changed by the file, with the accounts that the configuration approves.
func readStandard(env *command.Env, config, path string) (keyreview.Standard, error) {
	std := keyreview.Default()
	if config != "" {
		c, _, err := input.Config(env, config)
		if err != nil {
			return std, err
		}
		std.Approved, std.Waivers = c.Keys.Approved.Accounts, c.Runtime().GuardWaivers()
	}
	if path == "" {
		return std, nil
	}
	raw, err := input.Text(env, path, input.MaxDocument)
	if err != nil {
		return std, fmt.Errorf("read standard: %w", err)
	}
	file := struct {
		RotationDays int      `yaml:"rotationDays"`
		UnusedDays   int      `yaml:"unusedDays"`
		Secrets      int      `yaml:"secrets"`
		Applications int      `yaml:"applications"`
		Environments int      `yaml:"environments"`
		Approved     []string `yaml:"approved"`
	}{std.RotationDays, std.UnusedDays, std.Secrets, std.Applications, std.Environments, nil}
	if err := settings.UnmarshalYAML(raw, &file, yaml.Strict()); err != nil {
		return std, fmt.Errorf("read standard %s: %s", path, strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " "))
	}
	if file.RotationDays < keyreview.ShortestRotation || file.RotationDays > keyreview.LongestRotation {
		return std, fmt.Errorf("read standard %s: rotationDays is %d: KMS rotates every %d to %d days", path, file.RotationDays, keyreview.ShortestRotation, keyreview.LongestRotation)
	}
	std.RotationDays, std.UnusedDays = file.RotationDays, file.UnusedDays
	std.Secrets, std.Applications, std.Environments = file.Secrets, file.Applications, file.Environments
	std.Approved = append(std.Approved, file.Approved...)
	return std, nil
}

// keyNames are the names that people know keys by, by ARN: an alias where there is one.
func keyNames(s *inventory.Snapshot) map[string]string {
	names := map[string]string{}
	for _, k := range s.Keys {
		names[k.Facts.ARN] = arn.Of(k.Facts.ARN).Resource
		if len(k.Facts.Aliases) > 0 {
			names[k.Facts.ARN] = slices.Min(k.Facts.Aliases)
		}
	}
	return names
}

// The table is no wider than widest: what it cuts is printed whole below it, and in CSV and with -o wide.
const (
	widest   = 120
	keyWidth = 30
)

func writeReview(env *command.Env, found []keyreview.Finding, names map[string]string) error {
	table := env.Rows("CONTROL", "SEVERITY", "OUTCOME", "ACCOUNT", "REGION", "KEY", "DETAIL")
	whole := env.Format == output.FormatCSV || env.Format == output.FormatWide
	cut := func(text string, width int) string {
		if runes := []rune(text); !whole && len(runes) > width {
			return string(runes[:width-1]) + "…"
		}
		return text
	}
	regions, keys := len("REGION"), len("KEY")
	for _, f := range found {
		regions = max(regions, len(arn.Of(f.Key).Region))
		keys = min(keyWidth, max(keys, len([]rune(cmp.Or(names[f.Key], f.Key)))))
	}
	detail := widest - len("DL.KEY.1  critical  unknown  123456789012      ") - regions - keys
	for _, f := range found {
		at := arn.Of(f.Key)
		table.Add(f.Control.ID, f.Control.Severity, outcome(f), at.Account, at.Region, cut(cmp.Or(names[f.Key], f.Key), keyWidth), cut(f.Detail, detail))
	}
	if err := table.Print(); err != nil {
		return err
	}
	out := env.Text()
	for _, f := range found {
		fmt.Fprintf(out, "\n%s %s\n  %s\n", f.Control.ID, output.OrDash(f.Key), output.Printable(f.Detail))
		if !f.Waived.IsZero() {
			fmt.Fprintln(out, "  waived until", f.Waived.Format(time.DateOnly))
		}
		if f.Statement != "" {
			fmt.Fprintln(out, "  statement:", output.Printable(f.Statement))
		}
		fmt.Fprintln(out, "  fix:", output.Printable(f.Fix))
		for line := range strings.Lines(f.Diff) {
			fmt.Fprintln(out, "    "+output.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return nil
}

// outcome is what the control says, or that somebody excused it.
func outcome(f keyreview.Finding) string {
	if f.Waived.IsZero() {
		return string(f.Outcome)
	}
	return "waived"
}

func writeReviewJSON(env *command.Env, found []keyreview.Finding) error {
	for _, f := range found {
		if err := env.JSON(struct {
			Control   guard.ControlID `json:"control"`
			Severity  guard.Severity  `json:"severity"`
			Title     string          `json:"title"`
			Key       string          `json:"key"`
			Outcome   guard.Outcome   `json:"outcome"`
			Waived    time.Time       `json:"waivedUntil,omitzero"`
			Detail    string          `json:"detail"`
			Statement string          `json:"statement,omitempty"`
			Fix       string          `json:"fix"`
			Diff      string          `json:"diff,omitempty"`
			After     json.RawMessage `json:"after,omitempty"` // the key policy after the fix
		}{f.Control.ID, f.Control.Severity, f.Control.Title, f.Key, f.Outcome, f.Waived, f.Detail, f.Statement, f.Fix, f.Diff, json.RawMessage(f.After)}); err != nil {
			return err
		}
	}
	return nil
}
