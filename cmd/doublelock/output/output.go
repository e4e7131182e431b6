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
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Format is how results are printed.
type Format string

// The formats of -o.
const (
	Table Format = "table"
	JSON  Format = "json"
)

// Printer prints results to standard output in the chosen format, and what goes with them to standard error.
type Printer struct {
	Stdout, Stderr io.Writer
	Format         Format
	Color          bool // standard output shows colors
	Live           bool // standard error is a terminal, which shows progress
}

// New prints to two streams. NO_COLOR (no-color.org) and TERM=dumb keep a terminal plain; pipes and files are.
func New(stdout, stderr io.Writer, getenv func(variable string) string) *Printer {
	plain := getenv("NO_COLOR") != "" || getenv("TERM") == "dumb"
	return &Printer{Stdout: stdout, Stderr: stderr, Format: Table, Color: !plain && Terminal(stdout), Live: Terminal(stderr)}
}

// Terminal reports whether a stream is a terminal.
func Terminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// Flag adds -o to the flags of every command below one, and refuses a format that does not exist.
func (p *Printer) Flag(root *cobra.Command) {
	formats := []string{string(Table), string(JSON)}
	root.PersistentFlags().StringVarP((*string)(&p.Format), "output", "o", string(Table), "output format: table or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, string(p.Format)) {
			return fmt.Errorf("output %q: use -o table or -o json", p.Format)
		}
		return nil
	}
}

// JSON writes a value as one line.
func (p *Printer) JSON(value any) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
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

// Cell is a text as a table shows it: "-" where there is none.
func Cell(s string) string {
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
