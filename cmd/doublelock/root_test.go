package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func newRoot() (*cobra.Command, *bytes.Buffer) {
	var out bytes.Buffer
	none := func(string) string { return "" }
	env := &command.Env{Printer: output.New(&out, &out, none), Stdin: strings.NewReader(""), Now: time.Now, Getenv: none}
	return rootCommand(env), &out
}

// everyCommand calls do with each command that a user can run.
func everyCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	for _, child := range cmd.Commands() {
		do(child)
		everyCommand(child, do)
	}
}

func TestEveryCommandHelps(t *testing.T) {
	root, _ := newRoot()
	everyCommand(root, func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", name, cmd.Short)
		}
		if !strings.HasPrefix(strings.TrimSpace(cmd.Example), "doublelock ") {
			t.Errorf("%s: no example, or not of doublelock: %q", name, cmd.Example)
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Long, "\n\nExit codes: 0 ") {
			t.Errorf("%s: its exit codes are not in its help", name)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help", name, f.Name)
			}
		})
	})
}

var (
	pipeline = regexp.MustCompile(`\s[|>#].*$`)
	words    = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
)

// What the examples say can be typed: commands exist, flags are theirs, values are read.
func TestEveryExampleIsRead(t *testing.T) {
	root, _ := newRoot()
	var examples []string
	everyCommand(root, func(cmd *cobra.Command) {
		text := strings.ReplaceAll(cmd.Example, "\\\n", " ")
		for line := range strings.SplitSeq(text, "\n") {
			if _, call, found := strings.Cut(line, "doublelock "); found && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				examples = append(examples, strings.TrimSpace(pipeline.ReplaceAllString(" "+call, "")))
			}
		}
	})
	if len(examples) < 40 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, example := range examples {
		var args []string
		for _, word := range words.FindAllString(example, -1) {
			args = append(args, strings.Trim(word, `'"`))
		}
		root, _ := newRoot()
		cmd, rest, err := root.Find(args)
		if err == nil && cmd == root {
			t.Errorf("doublelock %s: no such command", example)
			continue
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("doublelock %s: %v", example, err)
		}
	}
}

// fullDisk takes some bytes and then no more.
type fullDisk struct{ left int }

func (d *fullDisk) Write(text []byte) (int, error) {
	if len(text) > d.left {
		return 0, syscall.ENOSPC
	}
	d.left -= len(text)
	return len(text), nil
}

func TestOutputThatIsLostIsAFailure(t *testing.T) {
	commands := [][]string{
		{"scp", "render"}, {"scp", "render", "-o", "json"}, {"version"}, {"config", "schema"}, {"completion", "bash"}, {},
		{"readers", "vendor/acme", "-s", filepath.Join("..", "..", "testdata", "inventory", "acme.json")},
		{"keys", "review", "-s", filepath.Join("..", "..", "testdata", "inventory", "acme.json")},
	}
	root, _ := newRoot()
	everyCommand(root, func(cmd *cobra.Command) {
		commands = append(commands, append(strings.Fields(cmd.CommandPath())[1:], "--help"))
	})
	for _, args := range commands {
		var errs bytes.Buffer
		none := func(string) string { return "" }
		env := &command.Env{Printer: output.New(&fullDisk{left: 10}, &errs, none), Stdin: strings.NewReader(""), Now: time.Now, Getenv: none}
		root := rootCommand(env)
		root.SetArgs(args)
		code := command.Code(env, root.Execute())
		if code != command.Failure || !strings.HasSuffix(errs.String(), "doublelock: write standard output: no space left on device\n") {
			t.Errorf("%v: exit code %d: %s", args, code, errs.String())
		}
	}
}

func TestWhatIsNotACommandIsRefusedInOneLineWithAFix(t *testing.T) {
	for line, want := range map[string]string{
		"completion nope":     `unknown command "nope" for "doublelock completion"; doublelock completion --help lists them`,
		"completion basj":     `unknown command "basj" for "doublelock completion"; did you mean bash?`,
		"completion bash x":   `doublelock completion bash: unexpected argument "x"; leave it out, or see doublelock completion bash --help`,
		"help nope":           `unknown command "nope" for "doublelock"; doublelock --help lists them`,
		"help migrate nope":   `unknown command "nope" for "doublelock migrate"; doublelock migrate --help lists them`,
		"audit foo":           `doublelock audit: unexpected argument "foo"; leave it out, or see doublelock audit --help`,
		"version extra":       `doublelock version: unexpected argument "extra"; leave it out, or see doublelock version --help`,
		"config init a b":     "doublelock config init: it accepts at most 1 arg(s), received 2; see doublelock config init --help",
		"keys policy":         `write key policy: shape "": use app, vendor or central; account "" is not 12 digits; no Region; no writer: nobody could put a secret under the key`,
		"help migrate":        "",
		"completion":          "",
		"completion bash":     "",
		"migrate help":        `unknown command "help" for "doublelock migrate"; doublelock migrate --help lists them`,
		"help completion zsh": "",
	} {
		root, _ := newRoot()
		root.SetArgs(strings.Fields(line))
		got := ""
		if err := root.Execute(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("doublelock %s: %q, want %q", line, got, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"commands":      {[]string{"mig"}, "migrate\t"},
		"subcommands":   {[]string{"migrate", "ap"}, "apply\t"},
		"waves":         {[]string{"migrate", "apply", "plan.json", "--wave", ""}, "canary\n"},
		"Regions":       {[]string{"audit", "--region", "eu-c"}, "eu-central-1\n"},
		"formats":       {[]string{"audit", "-o", ""}, "csv\n"},
		"shapes":        {[]string{"keys", "policy", "--shape", ""}, "vendor\n"},
		"configuration": {[]string{"scp", "render", "--config", ""}, ":8\n"}, // files by ending
	} {
		t.Run(name, func(t *testing.T) {
			root, out := newRoot()
			root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, tt.args...))
			if err := root.Execute(); err != nil || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		root, out := newRoot()
		root.SetArgs([]string{"completion", shell})
		if err := root.Execute(); err != nil || out.Len() < 1000 {
			t.Errorf("%s: %v, %d bytes", shell, err, out.Len())
		}
	}
}

// A second value would win over the first without a word: rollback --secret a --secret b would set back b alone. What
// takes several says so in its help.
func TestAFlagThatIsRepeatedIsAListOrRefused(t *testing.T) {
	root, _ := newRoot()
	checked := 0
	check := func(cmd *cobra.Command, f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		checked++
		value := map[string]string{"string": "x", "bool": "true", "account": "111122223333", "region": "eu-central-1", "number": "2", "uint64": "2", "duration": "2h", "time": "2h"}[f.Value.Type()]
		switch f.Value.Type() {
		case "stringArray", "stringSlice":
			value = "x"
		case "ARN":
			for _, service := range []string{"iam", "kms", "secretsmanager"} {
				if value == "" && f.Value.Set(flags.ExampleARN(service)) == nil {
					value = flags.ExampleARN(service)
				}
			}
		case "word":
			words := strings.FieldsFunc(f.Value.Set("no word").Error(), func(r rune) bool { return r == ' ' || r == ',' }) // "use a, b or c"
			value = words[len(words)-1]
		}
		if value == "" {
			t.Fatalf("%s: --%s is a %s: say here how it is given", cmd.CommandPath(), f.Name, f.Value.Type())
		}
		_ = f.Value.Set(value) // the first
		switch err, list := f.Value.Set(value), strings.Contains(f.Usage, "repeated"); {
		case list && err != nil:
			t.Errorf("%s: --%s may be repeated by its help: %v", cmd.CommandPath(), f.Name, err)
		case !list && (err == nil || !strings.Contains(err.Error(), "it takes one value, and was given before")):
			t.Errorf("%s: --%s a second time: %v", cmd.CommandPath(), f.Name, err)
		}
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { check(root, f) })
	everyCommand(root, func(cmd *cobra.Command) { cmd.Flags().VisitAll(func(f *pflag.Flag) { check(cmd, f) }) })
	if checked < 50 {
		t.Errorf("%d flags: this test looks in the wrong place", checked)
	}
}
