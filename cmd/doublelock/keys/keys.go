package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Review the keys that secrets are under, and write policies for new ones",
	}
	cmd.AddCommand(keysReviewCommand(env), keysPolicyCommand(env))
	return cmd
}

func keysReviewCommand(env *command.Env) *cobra.Command {
	var config, standard string
	var controls []string
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Judge every customer managed key of a snapshot by DL.KEY.1 to 7",
		Long: `Review judges keys: tags, rotation, who may use them, use, state, what depends on them, and whether the policy is a
lock of its own. Conditions count: a statement for everybody that asks for kms:CallerAccount and kms:ViaService is no
finding. Each finding shows the statement and the smallest change of the policy that mends it.

What is required can be said in a YAML or JSON file (--standard): rotationDays, unusedDays, secrets, applications,
environments (most under one key), approved (accounts). Accounts that the configuration approves are approved.

Exit codes: 0 nothing to say, 1 an error, 2 findings; what could not be read is a finding.`,
		Example: `  doublelock keys review --snapshot org.json
  doublelock keys review -s org.json --control DL.KEY.3 -o json | jq '{key, after}' # the policies as they should be`,
		Args: cobra.NoArgs,
	}
	path := input.SnapshotFlag(cmd)
	input.ConfigFlag(cmd, &config)
	cmd.Flags().StringVar(&standard, "standard", "", "`FILE` that says what is required")
	cmd.Flags().StringArrayVar(&controls, "control", nil, "`ID` of a control to look at; may be repeated (default: all)")
	cmd.RunE = func(*cobra.Command, []string) error { return runKeysReview(env, *path, config, standard, controls) }
	return cmd
}

func runKeysReview(env *command.Env, path, config, standard string, controls []string) error {
	if err := knownControls(controls); err != nil {
		return err
	}
	access, err := input.Snapshot(env, path)
	if err != nil {
		return err
	}
	std, err := readStandard(env, config, standard)
	if err != nil {
		return err
	}
	now := access.Snapshot().TakenAt // an old snapshot says what was true then
	if now.IsZero() {
		now = env.Now()
	}
	found := keyreview.Review(access, std, now)
	if len(controls) > 0 {
		found = slices.DeleteFunc(found, func(f keyreview.Finding) bool { return !slices.Contains(controls, string(f.Control.ID)) })
	}
	if env.Format == output.JSON {
		err = writeReviewJSON(env, found)
	} else {
		err = writeReview(env, found)
	}
	if err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	input.NoteUnread(env, access.Snapshot().Unread)
	fmt.Fprintf(env.Stderr, "%s on %s\n", output.Count(len(found), "finding"), output.Count(len(access.Snapshot().Keys), "key", "keys"))
	if len(found) > 0 {
		return command.Found()
	}
	return nil
}

func knownControls(ids []string) error {
	for _, id := range ids {
		if !slices.ContainsFunc(guard.KeyControls(), func(c guard.Control) bool { return string(c.ID) == id }) {
			return fmt.Errorf("control %q: the controls on keys are DL.KEY.1 to DL.KEY.%d", id, len(guard.KeyControls()))
		}
	}
	return nil
}

// readStandard is the default, changed by the file, with the accounts that the configuration approves.
func readStandard(env *command.Env, config, path string) (keyreview.Standard, error) {
	std := keyreview.Default()
	std.Administration = preventive.KeyAdministration
	if config != "" {
		c, _, err := input.Config(env, config)
		if err != nil {
			return std, err
		}
		std.Approved = c.Keys.Approved.Accounts
	}
	if path == "" {
		return std, nil
	}
	raw, err := os.ReadFile(path)
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
	std.RotationDays, std.UnusedDays = file.RotationDays, file.UnusedDays
	std.Secrets, std.Applications, std.Environments = file.Secrets, file.Applications, file.Environments
	std.Approved = append(std.Approved, file.Approved...)
	return std, nil
}

func writeReview(env *command.Env, found []keyreview.Finding) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "CONTROL\tSEVERITY\tOUTCOME\tKEY\tDETAIL")
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Control.ID, f.Control.Severity, f.Outcome, output.Cell(f.Key), output.Printable(f.Detail))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range found {
		fmt.Fprintf(env.Stdout, "\n%s %s\n  %s\n", f.Control.ID, output.Cell(f.Key), output.Printable(f.Detail))
		if f.Statement != "" {
			fmt.Fprintln(env.Stdout, "  statement:", output.Printable(f.Statement))
		}
		fmt.Fprintln(env.Stdout, "  fix:", output.Printable(f.Fix))
		for line := range strings.Lines(f.Diff) {
			fmt.Fprintln(env.Stdout, "    "+output.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return nil
}

func writeReviewJSON(env *command.Env, found []keyreview.Finding) error {
	enc := json.NewEncoder(env.Stdout)
	enc.SetEscapeHTML(false)
	for _, f := range found {
		if err := enc.Encode(struct {
			Control   guard.ControlID `json:"control"`
			Severity  guard.Severity  `json:"severity"`
			Title     string          `json:"title"`
			Key       string          `json:"key"`
			Outcome   guard.Outcome   `json:"outcome"`
			Detail    string          `json:"detail"`
			Statement string          `json:"statement,omitempty"`
			Fix       string          `json:"fix"`
			Diff      string          `json:"diff,omitempty"`
			After     json.RawMessage `json:"after,omitempty"` // the key policy after the fix
		}{f.Control.ID, f.Control.Severity, f.Control.Title, f.Key, f.Outcome, f.Detail, f.Statement, f.Fix, f.Diff, json.RawMessage(f.After)}); err != nil {
			return err
		}
	}
	return nil
}

func keysPolicyCommand(env *command.Env) *cobra.Command {
	var r preventive.KeyRequest
	var shape, as string
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write the least key policy for an application, a vendor or named accounts",
		Long: `Policy writes a key policy for one of three shapes and checks it before it is printed: administrators manage and
cannot decrypt, users use the key through Secrets Manager alone, nobody else gets in.

  app      the secrets of one application: --reader, --writer, --secret
  vendor   one secret for one role of somebody else: --reader, --writer, --secret
  central  a key for the secrets of several accounts: --use-account`,
		Example: `  doublelock keys policy --shape app --account 111122223333 --region eu-central-1 \
      --reader arn:aws:iam::111122223333:role/app --writer arn:aws:iam::111122223333:role/deploy
  doublelock keys policy --shape vendor --account 111122223333 --region eu-central-1 --as terraform \
      --reader arn:aws:iam::555566667777:role/acme --writer arn:aws:iam::111122223333:role/deploy \
      --secret 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:vendor/acme-??????'
  doublelock keys policy --shape central --account 222222222222 --region eu-central-1 --use-account 111122223333 --as cdk`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r.Shape = preventive.Shape(shape)
			return runKeysPolicy(env, r, as)
		},
	}
	f := cmd.Flags()
	f.StringVar(&shape, "shape", "", "app, vendor or central")
	f.StringVar(&r.Account, "account", "", "account that owns the key")
	f.StringVar(&r.Region, "region", "", "Region of the key and the secrets")
	f.StringArrayVar(&r.Admins, "admin", nil, "`ARN` of a role that manages the key; may be repeated (default: by IAM in the account)")
	f.StringArrayVar(&r.Readers, "reader", nil, "`ARN` of a role that reads; may be repeated")
	f.StringArrayVar(&r.Writers, "writer", nil, "`ARN` of a role that creates, writes or rotates; may be repeated")
	f.StringArrayVar(&r.Secrets, "secret", nil, "`ARN` of a secret, with * and ?; may be repeated")
	f.StringArrayVar(&r.Accounts, "use-account", nil, "`ACCOUNT` that uses a central key; may be repeated")
	f.StringVar(&as, "as", "json", "json, cdk or terraform")
	return cmd
}

func runKeysPolicy(env *command.Env, r preventive.KeyRequest, as string) error {
	print, found := map[string]func(preventive.Document) (string, error){
		"json": preventive.Document.Indented, "cdk": preventive.KeyCDK, "terraform": preventive.KeyTerraform,
	}[as]
	if !found {
		return errors.New("keys policy: --as json, cdk or terraform")
	}
	d, err := preventive.KeyPolicy(r)
	if err != nil {
		return err
	}
	text, err := print(d)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.Stdout, strings.TrimSuffix(text, "\n")); err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	for _, s := range d.Statement {
		fmt.Fprintf(env.Stderr, "%-14s %s\n", s.Sid, s.Why)
	}
	fmt.Fprintln(env.Stderr, "checked: administrators cannot decrypt, users decrypt only through Secrets Manager, nobody else gets in")
	return nil
}
