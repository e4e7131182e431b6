package trail

import (
	"bytes"
	"io"
)

// maxRecord bounds what one event may take. CloudTrail's are at most 256 KB, EventBridge's entries 1 MB; what is
// longer is broken, and the bound keeps a broken file from being read into memory as one event.
const maxRecord = 4 << 20

const firstWindow = 64 << 10

// stream is a window that moves over the input. Only what one event needs is in it.
type stream struct {
	name     string
	yield    func(Record) error
	src      io.Reader
	buf      []byte
	start    int // of the window in buf
	end      int
	line     int // of start, from 1
	eof      bool
	readErr  error // other than io.EOF
	reported bool  // readErr was yielded
}

func (s *stream) window() []byte { return s.buf[s.start:s.end] }

// consume moves the start of the window and counts the lines it passes.
func (s *stream) consume(n int) {
	s.line += lines(s.buf[s.start : s.start+n])
	s.start += n
}

func lines(b []byte) int { return bytes.Count(b, []byte{'\n'}) }

// grow reads more input behind the window. It answers false at the end and when the window is as large as it may be.
func (s *stream) grow() bool {
	if s.eof || s.end-s.start >= maxRecord {
		return false
	}
	if s.end == len(s.buf) {
		s.makeRoom()
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.readErr = err
			}
		}
		if n > 0 || s.eof {
			return n > 0
		}
	}
	s.eof, s.readErr = true, io.ErrNoProgress
	return false
}

// makeRoom moves the window to the front of its buffer, and doubles the buffer when it fills more than half of it.
func (s *stream) makeRoom() {
	used := s.end - s.start
	to := s.buf
	if used > len(s.buf)/2 || len(s.buf) == 0 {
		to = make([]byte, max(firstWindow, 2*len(s.buf)))
	}
	copy(to, s.buf[s.start:s.end])
	s.buf, s.start, s.end = to, 0, used
}

// next passes white space and returns the byte behind it; false at the end.
func (s *stream) next() (byte, bool) {
	for {
		w := s.window()
		for i, b := range w {
			if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
				s.consume(i)
				return b, true
			}
		}
		s.consume(len(w))
		if !s.grow() {
			return 0, false
		}
	}
}

func (s *stream) byteOrderMark() {
	mark := []byte("\xef\xbb\xbf")
	for len(s.window()) < len(mark) && s.grow() {
	}
	if bytes.HasPrefix(s.window(), mark) {
		s.consume(len(mark))
	}
}

// recordsPrefix is the length of {"Records":[ at the start of the window, 0 when something else begins there.
func (s *stream) recordsPrefix() int {
	for {
		c := cursor{buf: s.window()}
		c.expect('{')
		if c.peek() == '"' && string(c.name()) == "Records" && c.err == nil && c.expect('[') {
			return c.at
		}
		if !c.isShort() || !s.grow() {
			return 0
		}
	}
}

// toNextLine leaves the start of the window for the next line that begins with an object, or for the end.
func (s *stream) toNextLine() {
	mark := []byte("\n{")
	skip := 1
	for {
		w := s.window()
		if i := bytes.Index(w[min(skip, len(w)):], mark); i >= 0 {
			s.consume(skip + i + 1)
			return
		}
		if keep := len(mark) - 1; len(w) > keep+skip {
			s.consume(len(w) - keep)
			skip = 0
		}
		if !s.grow() {
			s.consume(len(s.window()))
			return
		}
	}
}

// position is where skipBroken has come to.
type position int

const (
	nowhere     position = iota // at the end: nothing more was found
	atSeparator                 // behind the broken element
	atElement                   // at the next element
)

// skipBroken leaves a broken element of a list. CloudTrail begins each of its records with eventVersion, which finds
// the next one even when brackets do not match; else the end of the element is where its brackets close.
func (s *stream) skipBroken() position {
	end := s.bracketsClose()
	if at := beginsRecord(s.window()[:end], 1); at > 0 {
		s.consume(at)
		return atElement
	}
	s.consume(end)
	if b, ok := s.next(); ok && (b == ',' || b == ']') {
		return atSeparator
	}
	for from := 1; ; {
		if at := beginsRecord(s.window(), from); at >= 0 {
			s.consume(at)
			return atElement
		}
		const keep = 256 // enough for an opening bracket, white space and the member's name
		if w := s.window(); len(w) > 2*keep {
			s.consume(len(w) - keep)
			from = 0
		}
		if !s.grow() {
			s.consume(len(s.window()))
			return nowhere
		}
	}
}

// beginsRecord finds {"eventVersion" that begins at from or behind it; -1 when there is none.
func beginsRecord(b []byte, from int) int {
	member := []byte(`"eventVersion"`)
	for at := from; at < len(b); at += len(member) {
		i := bytes.Index(b[at:], member)
		if i < 0 {
			return -1
		}
		at += i
		before := bytes.TrimRight(b[:at], " \t\r\n")
		if n := len(before); n > from && before[n-1] == '{' {
			return n - 1
		}
	}
	return -1
}

// bracketsClose is the length of the element at the start of the window by its brackets alone; 0 when they do not
// match or do not close.
func (s *stream) bracketsClose() int {
	for {
		n, short := matchBrackets(s.window())
		if !short || !s.grow() {
			return n
		}
	}
}

func matchBrackets(b []byte) (n int, short bool) {
	var open []byte
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if open = append(open, c+2); len(open) > maxDepth { // '}' and ']' are two behind their openers
				return 0, false
			}
		case c == '}' || c == ']':
			if len(open) == 0 {
				return i, false
			}
			if open[len(open)-1] != c {
				return 0, false
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return i + 1, false
			}
		case len(open) == 0 && c == ',':
			return i, false
		}
	}
	return 0, true
}
