package trail

import (
	"bytes"
	"encoding/csv"
	"errors"
	"strings"
)

// table reports whether the input is a table of events with its parts apart by commas, semicolons or tabs: whether its first
// line names columns of CloudTrail. It keeps the header.
func (s *stream) table() bool {
	const longest = 64 << 10 // of a header
	var line []byte
	for {
		window := s.window()
		if i := bytes.IndexByte(window, '\n'); i >= 0 || s.eof || len(window) > longest {
			line = window
			if i >= 0 {
				line = window[:i]
			}
			break
		}
		if b := window[0]; b == '{' || b == '[' || !s.grow() {
			line = s.window()
			break
		}
	}
	if len(line) == 0 || len(line) > longest || line[0] == '{' || line[0] == '[' {
		return false
	}
	for _, comma := range []byte(",;\t") {
		if header, err := cells(line, comma); err == nil && eventColumns(header) {
			s.header, s.comma = header, comma
			s.consume(len(line))
			return true
		}
	}
	return false
}

// rows reads the rows of the table behind its header.
func (s *stream) rows() error {
	for index := 1; ; index++ {
		if !s.nextRow() {
			break
		}
		n := s.rowEnd()
		if n == 0 {
			if err := s.broken(index, errors.New("a quoted part of the row does not end")); err != nil {
				return err
			}
			s.toLineEnd()
			continue
		}
		found, err := cells(s.window()[:n], s.comma)
		if err != nil {
			err = s.broken(index, err)
		} else {
			err = s.tableRow(found, index)
		}
		if err != nil {
			return err
		}
		s.consume(n)
	}
	if s.readErr != nil && !s.reported {
		return s.brokenFile(cutOffBy(s.readErr))
	}
	return nil
}

// nextRow passes the ends of lines: in a table, other white space may be an empty cell.
func (s *stream) nextRow() bool {
	for {
		for i, b := range s.window() {
			if b != '\n' && b != '\r' {
				s.consume(i)
				return true
			}
		}
		s.consume(len(s.window()))
		if !s.grow() {
			return false
		}
	}
}

// rowEnd is the length of the row at the start of the window: up to the end of a line that is not quoted. It is 0 where none
// is found.
func (s *stream) rowEnd() int {
	quoted, at := false, 0
	for {
		window := s.window()
		for ; at < len(window); at++ {
			switch {
			case window[at] == '"':
				quoted = !quoted
			case window[at] == '\n' && !quoted:
				return at
			}
		}
		if !s.grow() {
			if quoted || !s.eof {
				return 0
			}
			return at
		}
	}
}

// cells parts one row.
func cells(line []byte, comma byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(line))
	r.Comma, r.FieldsPerRecord = rune(comma), -1
	found, err := r.Read()
	var inCSV *csv.ParseError
	if errors.As(err, &inCSV) {
		err = inCSV.Err // its line is that of the row
	}
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = strings.ToValidUTF8(strings.TrimPrefix(found[i], "\ufeff"), "\uFFFD")
	}
	return found, nil
}
