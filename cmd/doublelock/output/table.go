package output

import (
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
	if r.printer.Format == FormatCSV {
		write = r.csv
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
			record[i] = Printable(cell.Text)
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (r *Rows) lowerHeader() []string {
	names := make([]string, len(r.header))
	for i, name := range r.header {
		names[i] = strings.ReplaceAll(strings.ToLower(name), " ", "_")
	}
	return names
}

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

// columns gives each column its width.
func (r *Rows) columns() []table.ColumnConfig {
	widths, limit := r.natural(), r.printer.limit()
	if r.least != nil && limit > 0 {
		widths = r.least // every batch alike
	}
	for i, least := range r.least {
		widths[i] = max(widths[i], least)
	}
	most := fit(widths, limit)
	configs := make([]table.ColumnConfig, len(widths))
	for i := range widths {
		configs[i] = table.ColumnConfig{Number: i + 1, WidthMax: most[i], WidthMaxEnforcer: text.WrapSoft}
		if r.least != nil {
			configs[i].WidthMin = min(widths[i], most[i])
		}
	}
	return configs
}

// natural is how wide the columns are when nothing is wrapped.
func (r *Rows) natural() []int {
	widths := make([]int, len(r.header))
	for i, name := range r.header {
		widths[i] = text.StringWidth(name)
	}
	for _, row := range r.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.StringWidth(OrDash(cell.Text)))
		}
	}
	return widths
}

// narrowest is the least width that a column is wrapped to: below it, words are no longer readable.
const narrowest = 8

// fit takes from the widest columns until all fit into a width. A width of 0 has room for everything.
func fit(natural []int, width int) []int {
	widths := slices.Clone(natural)
	if width == 0 || len(widths) == 0 {
		return widths
	}
	room := width - len(gap)*(len(widths)-1)
	for sum(widths) > room {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= narrowest {
			break
		}
		widths[widest]--
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
