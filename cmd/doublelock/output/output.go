// Package output prints what commands find: tables, JSON and CSV on standard output, progress and notes on standard
// error, and the words for counts.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Format is how results are printed.
type Format string

// The formats of -o.
const (
	FormatTable Format = "table" // fits the terminal
	FormatWide  Format = "wide"  // every value whole
	FormatJSON  Format = "json"
	FormatCSV   Format = "csv" // of commands that print tables
)

// Printer prints results to standard output in the chosen format, and what goes with them to standard error.
type Printer struct {
	Stdout, Stderr io.Writer
	Format         Format
	Color          bool // standard output shows colors
	Live           bool // standard error is a terminal, which shows progress
	Width          int  // characters in a line of standard output; 0 where nothing limits them

	Quiet time.Duration // before Wait says what it waits for; 0 is three seconds
}

// New prints to two streams; Unwritten says whether standard output took everything. NO_COLOR (no-color.org) and TERM=dumb keep a terminal plain; pipes and files are.
func New(stdout, stderr io.Writer, getenv func(variable string) string) *Printer {
	plain := getenv("NO_COLOR") != "" || getenv("TERM") == "dumb"
	return &Printer{
		Stdout: &checked{out: stdout}, Stderr: stderr, Format: FormatTable,
		Color: !plain && Terminal(stdout), Live: Terminal(stderr), Width: width(stdout),
	}
}

// Terminal reports whether a stream is a terminal.
func Terminal(stream any) bool {
	file, isFile := stream.(interface{ Fd() uintptr })
	return isFile && term.IsTerminal(int(file.Fd()))
}

func width(stream any) int {
	file, isFile := stream.(*os.File)
	if !isFile {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0 // no terminal
	}
	return columns
}

// limit is how wide a table may be; 0 is as wide as it likes.
func (p *Printer) limit() int {
	if p.Format == FormatWide {
		return 0
	}
	return p.Width
}

const tableAnnotation = "table"

// Tabular marks a command whose results are a table, which -o csv and -o wide are for.
func Tabular(cmd *cobra.Command) { annotate(cmd, tableAnnotation) }

const plainAnnotation = "plain"

// Plain marks a command whose results are sentences, which no format of -o is for.
func Plain(cmd *cobra.Command) { annotate(cmd, plainAnnotation) }

// Flag adds -o to the flags of every command below one, and refuses a format that the command does not print.
func (p *Printer) Flag(root *cobra.Command) {
	formats := []string{string(FormatTable), string(FormatWide), string(FormatJSON), string(FormatCSV)}
	root.PersistentFlags().StringVarP((*string)(&p.Format), "output", "o", string(FormatTable), "output `FORMAT`: table, wide (nothing is wrapped), json or csv (formulas begin with ')")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case !slices.Contains(formats, string(p.Format)):
			return fmt.Errorf("output %q: use -o table or -o json, or -o wide or -o csv for tables", p.Format)
		case p.Format != FormatTable && cmd.Annotations[plainAnnotation] != "":
			return fmt.Errorf("output %q: %s prints sentences; leave out -o", p.Format, cmd.CommandPath())
		case (p.Format == FormatCSV || p.Format == FormatWide) && cmd.Annotations[tableAnnotation] == "":
			return fmt.Errorf("output %q: %s prints no table; use -o json", p.Format, cmd.CommandPath())
		}
		return refuseEmpty(cmd)
	}
}

// refuseEmpty refuses a flag that was given with nothing in it, such as a variable of the shell that is not set: it would
// count as not given, and the command would do something else. Nor may there be blanks alone, which name nobody and give
// no reason. A command that takes an empty answer is MayBeEmpty.
func refuseEmpty(cmd *cobra.Command) (err error) {
	if cmd.Annotations[emptyAnnotation] != "" {
		return nil
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		var values []string
		if list, isList := f.Value.(pflag.SliceValue); isList {
			values = list.GetSlice()
		} else if f.Value.Type() == "string" {
			values = []string{f.Value.String()}
		}
		for _, value := range values {
			switch {
			case err != nil || strings.ContainsFunc(value, visible):
			case value == "":
				err = fmt.Errorf("--%s is empty; say what, or leave it out", f.Name)
			default:
				err = fmt.Errorf("--%s is blank; say what, or leave it out", f.Name)
			}
		}
	})
	return err
}

// visible reports that a character can be seen: no space, and none that changes or joins others.
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.In(r, unicode.Zs, unicode.M)
}

const emptyAnnotation = "empty"

// MayBeEmpty marks a command whose flags may be given with nothing in them, which is an answer there.
func MayBeEmpty(cmd *cobra.Command) { annotate(cmd, emptyAnnotation) }

func annotate(cmd *cobra.Command, name string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[name] = "true"
}

// AsJSON reports whether results are printed as JSON.
func (p *Printer) AsJSON() bool { return p.Format == FormatJSON }

// JSON writes a value as one line.
func (p *Printer) JSON(value any) error { return p.encode(value, "") }

// IndentedJSON writes a value for people to read.
func (p *Printer) IndentedJSON(value any) error { return p.encode(value, "  ") }

func (p *Printer) encode(value any, indent string) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// Text is where sentences beside a table go: below it, but for CSV, which is nothing but rows.
func (p *Printer) Text() io.Writer {
	if p.Format == FormatCSV {
		return p.Stderr
	}
	return p.Stdout
}

// Note says on standard error what a reader of the results should know.
func (p *Printer) Note(format string, args ...any) {
	fmt.Fprintln(p.Stderr, "doublelock: note:", Printable(fmt.Sprintf(format, args...)))
}

// Count says how many there are: "1 secret", "2 secrets". The plural ends in s unless it is given.
func Count(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// OrDash is a text as a table shows it: "-" where there is none.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return Printable(s)
}

// Printable keeps a text from writing control sequences to the terminal: it may be anybody's.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}
