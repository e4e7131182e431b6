package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// question is one thing that has to be known to write a configuration.
type question struct {
	flag, ask string
	field     string // of the configuration: problems there put the question again
	example   string // how an answer looks; "" where there is a default
	byDefault func(answers) string
}

// answers are by flag.
type answers map[string]string

func always(answer string) func(answers) string { return func(answers) string { return answer } }

func sameAs(flag string) func(answers) string { return func(a answers) string { return a[flag] } }

// breakGlass is a pattern of roles in the partition of the home Region.
func breakGlass(a answers) string {
	return arn.PartitionOf(a["home-region"]).Role("*", "BreakGlass*")
}

// questions are in the order of the file that is written.
func questions() []question {
	return []question{
		{flag: "organization", ask: "Organization id", field: "organization.id", example: "o-exampleorgid"},
		{flag: "root", ask: "Id of the organization root", field: "organization.rootId", example: "r-ab12"},
		{flag: "management-account", ask: "Management account", field: "organization.managementAccount", example: "111122223333"},
		{flag: "security-account", ask: "Security account, where the hub lives", field: "organization.securityAccount", example: "444455556666"},
		{flag: "home-region", ask: "Home Region of the hub", field: "regions.home", byDefault: always("us-east-1")},
		{flag: "regions", ask: "Guarded Regions, with commas between", field: "regions.guarded", byDefault: sameAs("home-region")},
		{flag: "targets", ask: "OUs or accounts of the first stage, with commas between", field: "rollout[0].targets", byDefault: sameAs("root")},
		{flag: "mode", ask: "Mode of the first stage: observe, notify or remediate", field: "rollout[0].mode", byDefault: always("observe")},
		{flag: "create-keys", ask: "Make a key in every account and Region: true or false", field: "keys", byDefault: always("true")},
		{flag: "break-glass", ask: "Role that the SCPs exempt in an emergency", field: "breakGlassRoles", byDefault: breakGlass},
		{flag: "owner-tags", ask: "Tags that name the owner of a secret, with commas between", field: "owners.tags", byDefault: always("Owner")},
		{flag: "fallback", ask: "Owner of what nobody owns", field: "owners.fallback", byDefault: always(settings.DefaultFallback)},
		{flag: "email", ask: "E-mail of that owner", field: "owners.channels", example: "security@example.com"},
	}
}

func configInitCommand(env *command.Env) *cobra.Command {
	i := interview{env: env, given: answers{}}
	force := false
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Ask what has to be known and write a commented doublelock.yaml",
		Long: `Writes a configuration (doublelock.yaml when no file is named, - for standard output) that validates, with comments
on everything else that can be said. On a terminal it asks for what no flag answers; elsewhere it takes the defaults.
It never overwrites a file without --force.

Exit codes: 0 fine, 1 an error.`,
		Example: `  doublelock config init
  doublelock config init --organization o-exampleorgid --root r-ab12 --management-account 111122223333 \
    --security-account 444455556666 --email security@example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := input.ConfigName
			if len(args) > 0 {
				name = args[0]
			}
			if err := mayWrite(name, force); err != nil {
				return err
			}
			for _, q := range questions() {
				if flag := cmd.Flags().Lookup(q.flag); flag.Changed {
					i.given[q.flag] = flag.Value.String()
				}
			}
			text, err := i.conduct()
			if err != nil {
				return err
			}
			return writeConfig(env, name, text, force)
		},
	}
	output.Plain(cmd)
	output.MayBeEmpty(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&force, "force", false, "overwrite the file")
	for _, q := range questions() {
		flags.String(q.flag, "", uncapital(q.ask))
	}
	return cmd
}

// mayWrite refuses what cannot be written before anything is asked.
func mayWrite(name string, force bool) error {
	if name == "-" {
		return nil
	}
	if err := files.Check(name); err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil && !force {
		return isThere(name)
	}
	return nil
}

func isThere(name string) error {
	return fmt.Errorf("%s is there already; --force overwrites it", name)
}

// uncapital begins a sentence with a small letter, but for a word that has capitals of its own, such as OUs.
func uncapital(sentence string) string {
	if len(sentence) > 1 && unicode.IsUpper(rune(sentence[1])) {
		return sentence
	}
	return strings.ToLower(sentence[:1]) + sentence[1:]
}

// writeConfig writes the file, unless somebody else did while questions were answered.
func writeConfig(env *command.Env, name string, text []byte, force bool) error {
	var err error
	switch {
	case name == "-":
		_, err := env.Stdout.Write(text)
		return err
	case force:
		err = files.Write(name, text)
	default:
		err = files.Create(name, text)
	}
	if errors.Is(err, fs.ErrExist) {
		return isThere(name)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "wrote %s; check it against AWS with: doublelock config validate --live %s\n", name, name)
	return err
}

// interview finds the answers: from flags, from a person at a terminal, else the defaults.
type interview struct {
	env   *command.Env
	given answers
	lines *bufio.Reader // nil when nobody is there to ask
}

// conduct answers the text of a configuration without problems.
func (i *interview) conduct() ([]byte, error) {
	if output.Terminal(i.env.Stdin) {
		i.lines = bufio.NewReader(i.env.Stdin)
	}
	open := map[string]bool{}
	for _, q := range questions() {
		_, known := i.given[q.flag]
		open[q.flag] = !known
	}
	for {
		if err := i.askAll(open); err != nil {
			return nil, err
		}
		text, err := renderConfig(i.given)
		if err != nil {
			return nil, err
		}
		_, err = settings.Read(input.ConfigName, text, i.env.Now())
		var problems settings.Problems
		if !errors.As(err, &problems) {
			return text, err
		}
		if open, err = i.reopen(problems); err != nil {
			return nil, err
		}
	}
}

// askAll puts the open questions. Where nobody is there, all that have no default are named at once.
func (i *interview) askAll(open map[string]bool) error {
	var missing []string
	for _, q := range questions() {
		if !open[q.flag] {
			continue
		}
		byDefault := ""
		if q.byDefault != nil {
			byDefault = q.byDefault(i.given)
		}
		switch {
		case i.lines != nil:
			answer, err := i.ask(q, byDefault)
			if err != nil {
				return err
			}
			i.given[q.flag] = answer
		case byDefault == "" && q.byDefault == nil:
			missing = append(missing, "--"+q.flag)
		default:
			i.given[q.flag] = byDefault
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("standard input is no terminal to ask on; add %s", strings.Join(missing, ", "))
	}
	return nil
}

// ask puts one question until it is answered.
func (i *interview) ask(q question, byDefault string) (string, error) {
	hint := "such as " + q.example
	if byDefault != "" {
		hint = "Enter for " + byDefault
	}
	for {
		if _, err := fmt.Fprintf(i.env.Stderr, "%s (%s): ", q.ask, hint); err != nil {
			return "", err
		}
		line, err := i.lines.ReadString('\n')
		if answer := strings.TrimSpace(line); answer != "" {
			return answer, nil
		}
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the input ended before %q was answered; nothing was written", q.ask)
		}
		if err != nil {
			return "", fmt.Errorf("read answer: %w", err)
		}
		if byDefault != "" {
			return byDefault, nil
		}
	}
}

// reopen says what is wrong with the answers, and which questions have to be put again.
func (i *interview) reopen(problems settings.Problems) (map[string]bool, error) {
	open := map[string]bool{}
	var lines []string
	for _, problem := range problems {
		q := questionOf(problem.Field)
		open[q.flag] = true
		lines = append(lines, fmt.Sprintf("--%s: %s; %s", q.flag, problem.What, problem.Fix))
	}
	if i.lines == nil {
		return nil, errors.New(strings.Join(lines, "\n"))
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintf(i.env.Stderr, "%s; %s\n", problem.What, problem.Fix); err != nil {
			return nil, err
		}
	}
	return open, nil
}

// questionOf is the question whose answer stands at a field: that with the longest field in front of it.
func questionOf(field string) question {
	best := questions()[0]
	for _, q := range questions() {
		if strings.HasPrefix(field, q.field) && (len(q.field) > len(best.field) || !strings.HasPrefix(field, best.field)) {
			best = q
		}
	}
	return best
}
