package trail

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// Record is one event of a file, or the reason why a part of the file could not be read.
type Record struct {
	Name   string // of the file, as given to Read
	Line   int    // on which it begins, from 1
	Index  int    // within a log file's Records or a list, from 1; 0 elsewhere
	Change Change
	Raw    []byte // its JSON; only until yield returns
	Err    error  // set when this could not be read; it is an *Error and names file and line
}

// Error says what could not be read, and where.
type Error struct {
	Name  string
	Line  int // from 1
	Index int // of the record, from 1; 0 outside a list
	Err   error
}

func (e *Error) Error() string {
	if e.Index > 0 {
		return fmt.Sprintf("%s:%d: record %d: %v", e.Name, e.Line, e.Index, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Read reads events one by one, in memory that does not grow with the input: EventBridge envelopes and bare
// CloudTrail records, one after the other or one a line, in lists, and log files ({"Records":[…]}), also several of
// them; gzip is detected. What is broken is yielded as a Record with Err, and reading goes on behind it as far as it
// can. The returned error is yield's, which ends the reading.
func Read(r io.Reader, name string, yield func(Record) error) error {
	s := &stream{name: name, yield: yield, line: 1}
	buffered := bufio.NewReaderSize(r, 4<<10)
	s.src = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return s.broken(0, fmt.Errorf("open gzip: %w", err))
		}
		s.src = unzipped
	}
	return s.run()
}

var (
	errEmpty    = errors.New("is empty: it holds no events")
	errRestLost = errors.New("no further record could be found in this file")
)

func (s *stream) run() error {
	s.byteOrderMark()
	empty := true
	for {
		b, ok := s.next()
		if !ok {
			break
		}
		empty = false
		if err := s.topLevel(b); err != nil {
			return err
		}
	}
	switch {
	case s.readErr != nil && !s.reported:
		return s.broken(0, fmt.Errorf("cut off: %w", s.readErr))
	case empty:
		return s.broken(0, errEmpty)
	}
	return nil
}

func (s *stream) topLevel(b byte) error {
	switch b {
	case '{':
		if n := s.recordsPrefix(); n > 0 {
			s.consume(n)
			return s.list("}")
		}
		whole, err := s.event(0)
		if err == nil && !whole {
			s.toNextLine()
		}
		return err
	case '[':
		s.consume(1)
		return s.list("")
	default:
		return s.lost(fmt.Errorf("want an event, found %q", b))
	}
}

// event reads the event at the start of the window and yields it. It answers false when its JSON is broken, so that
// its end is not known; it is then still at the start of the window.
func (s *stream) event(index int) (bool, error) {
	var c cursor
	var change Change
	var err error
	for {
		c = cursor{buf: s.window()}
		if change, err = decodeAt(&c); !c.isShort() || !s.grow() {
			break
		}
	}
	if c.err != nil {
		return false, s.broken(index, s.reason(&c))
	}
	record := Record{Name: s.name, Line: s.line, Index: index, Change: change, Raw: c.buf[:c.at]}
	if err != nil {
		record.Err = &Error{Name: s.name, Line: s.line, Index: index, Err: err}
	}
	err = s.yield(record)
	s.consume(c.at)
	return true, err
}

// reason says why a text is not JSON, and on which line where that is not the one it begins on.
func (s *stream) reason(c *cursor) error {
	err := c.err
	switch {
	case c.isShort() && s.readErr != nil:
		s.reported = true
		err = fmt.Errorf("cut off: %w", s.readErr)
	case c.isShort() && !s.eof:
		err = fmt.Errorf("longer than %d bytes", maxRecord)
	}
	if further := lines(c.buf[:c.at]); further > 0 {
		return fmt.Errorf("%w (on line %d)", err, s.line+further)
	}
	return err
}

// list reads the elements of a list up to its end, and then what closes the object around it.
func (s *stream) list(closing string) error {
	for index := 1; ; index++ {
		b, ok := s.next()
		if !ok {
			return s.cutOff()
		}
		if b == ']' && index == 1 {
			return s.endList(closing)
		}
		whole, err := s.event(index)
		if err != nil {
			return err
		}
		if !whole {
			switch s.skipBroken() {
			case atElement:
				continue
			case nowhere:
				return s.broken(0, errRestLost)
			case atSeparator:
			}
		}
		if b, ok = s.next(); !ok {
			return s.cutOff()
		}
		if b == ']' {
			return s.endList(closing)
		}
		if b != ',' {
			return s.lost(fmt.Errorf("want ',' or ']' after record %d, found %q", index, b))
		}
		s.consume(1)
	}
}

func (s *stream) endList(closing string) error {
	s.consume(1)
	for i := range len(closing) {
		b, ok := s.next()
		if !ok {
			return s.cutOff()
		}
		if b != closing[i] {
			return s.lost(fmt.Errorf("want %q after the records, found %q", closing[i], b))
		}
		s.consume(1)
	}
	return nil
}

// cutOff yields that the input ends too early, unless the end of run says why.
func (s *stream) cutOff() error {
	if s.readErr == nil {
		return s.broken(0, errShort)
	}
	return nil
}

// broken yields a part that could not be read.
func (s *stream) broken(index int, err error) error {
	return s.yield(Record{
		Name: s.name, Line: s.line, Index: index,
		Err: &Error{Name: s.name, Line: s.line, Index: index, Err: err},
	})
}

// lost yields a part that could not be read and goes on at the next line that begins an object.
func (s *stream) lost(reason error) error {
	err := s.broken(0, reason)
	s.toNextLine()
	return err
}
