package output

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Rows are printed under a header: as a table, or as CSV. On a terminal a table fits its width, and long cells are
// wrapped; a pipe, a file and -o wide get every value whole, on one line.
type Rows struct {
	printer *Printer
	header  []string
	rows    [][]Cell
	least   []int // width of each column of a table that is printed while it grows, in characters
	begun   bool
	err     error // of writing
}

// Cell is a value with its color, as the parameters of an ANSI sequence ("31;1"); "" is none.
type Cell struct {
	Text  string
	Color string
}

// Rows begins a table.
func (p *Printer) Rows(header ...string) *Rows { return &Rows{printer: p, header: header} }

// Stream begins a table that is printed while it grows, and so cannot wait for its widest cell: it begins with the
// widths it is given, in characters.
func (p *Printer) Stream(header []string, widths ...int) *Rows {
	return &Rows{printer: p, header: header, least: widths}
}

// batch is how many rows of a stream are printed together.
const batch = 256

// Add adds a row of texts, numbers and Cells.
func (r *Rows) Add(values ...any) {
	row := make([]Cell, len(values))
	for i, value := range values {
		if cell, colored := value.(Cell); colored {
			row[i] = cell
			continue
		}
		row[i].Text = fmt.Sprint(value)
	}
	r.rows = append(r.rows, row)
	if r.least != nil && len(r.rows) == batch {
		_ = r.Print() // kept
	}
}

// Err is the first error of writing, which ends a stream.
func (r *Rows) Err() error { return r.err }

// Print prints the rows that were not printed yet; the header comes before the first.
func (r *Rows) Print() error {
	if r.err != nil || r.begun && len(r.rows) == 0 {
		return r.err
	}
	write := r.table
	switch {
	case r.printer.Format == FormatCSV:
		write = r.csv
	case r.least != nil && r.printer.limit() == 0:
		write = r.stream
	}
	if err := write(r.printer.Stdout); err != nil {
		r.err = fmt.Errorf("write table: %w", err)
		return r.err
	}
	r.begun, r.rows = true, r.rows[:0]
	return nil
}

func (r *Rows) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	if !r.begun {
		if err := w.Write(r.lowerHeader()); err != nil {
			return err
		}
	}
	for _, row := range r.rows {
		record := make([]string, len(row))
		for i, cell := range row {
			record[i] = noFormula(cell.Text)
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// noFormula keeps a spreadsheet from running a cell, which may be anybody's name: an apostrophe before it makes it text
// (OWASP, CSV injection).
func noFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + Printable(cell)
	}
	return Printable(cell)
}

func (r *Rows) lowerHeader() []string {
	names := make([]string, len(r.header))
	for i, name := range r.header {
		names[i] = strings.ReplaceAll(strings.ToLower(name), " ", "_")
	}
	return names
}

// stream writes rows that nothing limits, in columns of the widths that the stream began with; a cell that is wider
// pushes the rest of its row. A recorded trail has millions of rows, and laying each batch out takes twice as long.
func (r *Rows) stream(out io.Writer) error {
	var lines bytes.Buffer
	write := func(row []Cell) {
		for i, cell := range row {
			lines.WriteString(r.shown(cell))
			if i < len(row)-1 {
				lines.WriteString(strings.Repeat(" ", max(r.least[i]-charactersOf(cell), 0)) + gap)
			}
		}
		lines.WriteByte('\n')
	}
	if !r.begun {
		var header []Cell
		for _, name := range r.header {
			header = append(header, Cell{Text: name})
		}
		write(header)
	}
	for _, row := range r.rows {
		write(row)
	}
	_, err := out.Write(lines.Bytes())
	return err
}

// charactersOf is how wide a cell is on a screen.
func charactersOf(c Cell) int { return text.StringWidthWithoutEscSequences(OrDash(c.Text)) }

// gap is the space between two columns.
const gap = "  "

// plain is a table of nothing but its cells: what is easy to read is easy to cut with awk, too.
func plain() table.Style {
	return table.Style{Box: table.BoxStyle{PaddingRight: gap}, Options: table.OptionsNoBordersAndSeparators}
}

func (r *Rows) table(out io.Writer) error {
	w := table.NewWriter()
	w.SetStyle(plain())
	w.SuppressTrailingSpaces()
	header := make(table.Row, len(r.header))
	for i, name := range r.header {
		header[i] = name
	}
	if !r.begun {
		w.AppendRow(header)
	}
	for _, row := range r.rows {
		line := make(table.Row, len(row))
		for i, cell := range row {
			line[i] = r.shown(cell)
		}
		w.AppendRow(line)
	}
	w.SetColumnConfigs(r.columns())
	_, err := io.WriteString(out, w.Render()+"\n")
	return err
}

func (r *Rows) shown(c Cell) string {
	s := OrDash(c.Text)
	if r.printer.Color && c.Color != "" {
		return "\x1b[" + c.Color + "m" + s + "\x1b[0m"
	}
	return s
}

// columns gives each column its width: the most where the terminal limits it, the least where a stream began with it.
func (r *Rows) columns() []table.ColumnConfig {
	limit := r.printer.limit()
	widths := r.least
	if widths == nil && limit > 0 {
		widths = r.natural()
	}
	configs := make([]table.ColumnConfig, len(widths))
	for i, width := range fit(widths, limit) {
		configs[i].Number = i + 1
		if limit > 0 {
			configs[i].WidthMax, configs[i].WidthMaxEnforcer = width, text.WrapSoft
		}
		if r.least != nil {
			configs[i].WidthMin = width
		}
	}
	return configs
}

// natural is how wide the columns are when nothing is wrapped.
func (r *Rows) natural() []int {
	widths := make([]int, len(r.header))
	for i, name := range r.header {
		widths[i] = text.StringWidthWithoutEscSequences(name)
	}
	for _, row := range r.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], charactersOf(cell))
		}
	}
	return widths
}

// Columns are narrowed from the widest on: first those wider than a word, so that names of states, accounts and Regions
// stay whole, then all, but none below the least width in which words are readable.
const (
	wordWidth = 16
	narrowest = 8
)

// fit narrows columns until all fit into a width. A width of 0 has room for everything.
func fit(natural []int, width int) []int {
	widths := slices.Clone(natural)
	if width == 0 || len(widths) == 0 {
		return widths
	}
	room := width - len(gap)*(len(widths)-1)
	for _, widerThan := range []int{wordWidth, 0} {
		for sum(widths) > room {
			widest := -1
			for i, w := range widths {
				if natural[i] > widerThan && w > narrowest && (widest < 0 || w > widths[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
		}
	}
	return widths
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
