package output

import (
	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

// standardOutput names it in the place of a file.
const standardOutput = "-"

// CheckFile refuses a file that WriteFile would, before a command works for minutes on what goes into it.
func (p *Printer) CheckFile(path string) error {
	if path == standardOutput {
		return nil
	}
	return files.Check(path)
}

// WriteFile writes a result that is a file of its own: as files.Write does, or to standard output for "-".
func (p *Printer) WriteFile(path string, text []byte) error {
	if path == standardOutput {
		_, err := p.Stdout.Write(text)
		return err
	}
	return files.Write(path, text)
}

// Beside prints what goes with a file: to standard error where the file itself is written to standard output.
func (p *Printer) Beside(path string) *Printer {
	if path != standardOutput {
		return p
	}
	beside := *p
	beside.Stdout, beside.Color, beside.Width = p.Stderr, false, 0
	return &beside
}
