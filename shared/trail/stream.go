package trail

import (
	"bytes"
	"io"
	"slices"
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

	number  int      // of values at the top of the input so far
	depth   int      // of carriers around this input
	behind  bool     // events stand behind something else on their lines
	inRows  bool     // within the list of rows of a table
	header  []string // of its columns
	columns []string // of the row that is read: those of the header that it has a part for
	comma   byte     // that parts its cells
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

// lists are the members whose lists carry events, by who writes them.
var lists = []string{
	"Records", "records", // log files, Lambda events, Kinesis; Firehose
	"Events", "events", // lookup-events; filter-log-events
	"logEvents",       // subscriptions of CloudWatch Logs
	"Messages",        // receive-message
	"results",         // Logs Insights, Splunk
	"QueryResultRows", // CloudTrail Lake
	"Rows",            // Athena
	"hits",            // Elastic
}

// around are the members that have such a list one level further down.
var around = []string{"hits", "ResultSet"}

// listPrefix is the length of an object up to the elements of a list that carries events, and how many objects are open
// there; 0 when there is no such list, or an event begins here.
func (s *stream) listPrefix() (n, open int) {
	for {
		c := cursor{buf: s.window()}
		if c.peek() != '{' {
			return 0, 0
		}
		n, open := s.findList(&c)
		if n > 0 || !c.isShort() || !s.grow() {
			return n, open
		}
	}
}

// findList looks for the list in the object at the cursor.
func (s *stream) findList(c *cursor) (n, open int) {
	if !c.enter('{') {
		return 0, 0
	}
	for first := true; c.more('}', first); first = false {
		if n, open := s.listMember(c, 1); n > 0 || open < 0 {
			return n, open
		}
	}
	return 0, 0
}

// listMember passes one member of an object, if it is none with a list that carries events. Of one that no list follows it
// answers -1, and is still at its value.
func (s *stream) listMember(c *cursor, open int) (n, inside int) {
	name := c.name()
	switch b := c.peek(); {
	case c.err != nil:
		return 0, 0
	case marksEvent(name):
		return 0, -1
	case b == '[' && among(lists, name):
		c.at++
		s.inRows, s.header = string(name) == "Rows", nil
		return c.at, open
	case b == '{' && among(around, name):
		c.enter('{')
		for first := true; c.more('}', first); first = false {
			if n, inside := s.listMember(c, open+1); n > 0 {
				return n, inside
			} else if inside < 0 {
				c.skip()
			}
		}
		return 0, 0
	case string(name) == "messageType" && b == '"':
		before := c.at
		if string(c.text().bytes()) == controlMessage {
			c.at = before
			return 0, -1 // its logEvents are none
		}
		return 0, 0
	}
	c.skip()
	return 0, 0
}

func among(names []string, name []byte) bool {
	return slices.ContainsFunc(names, func(known string) bool { return known == string(name) })
}

// marksEvent reports whether a member is one of an event, whose lists are its own.
func marksEvent(name []byte) bool {
	switch string(name) {
	case "eventVersion", "userIdentity", "eventName", "eventSource", "eventTime", "detail-type", "detail":
		return true
	}
	return false
}

// nextMember is the length of ',' and the member behind it; where that has another list, up to its elements, and how many
// objects are open there.
func (s *stream) nextMember(open int) (n, further int, err error) {
	for {
		c := cursor{buf: s.window()}
		c.expect(',')
		n, further = s.listMember(&c, open)
		if n == 0 && further < 0 {
			c.skip()
		}
		if n > 0 || !c.isShort() || !s.grow() {
			return max(n, c.at), max(further, 0), c.err
		}
	}
}

// eventInLine is where an object begins in the line at the start of the window, 0 where none does.
func (s *stream) eventInLine() int {
	const most = 1 << 10 // before it: a time and the name of a log stream
	for len(s.window()) < most && !bytes.ContainsRune(s.window(), '\n') && s.grow() {
	}
	line, _, _ := bytes.Cut(s.window()[:min(most, len(s.window()))], []byte{'\n'})
	at := bytes.IndexByte(line, '{')
	if at < 0 || !bytes.HasPrefix(bytes.TrimLeft(line[at+1:], " \t"), []byte{'"'}) {
		return 0
	}
	return at
}

// toLineEnd leaves the rest of the line.
func (s *stream) toLineEnd() {
	for {
		if i := bytes.IndexByte(s.window(), '\n'); i >= 0 {
			s.consume(i)
			return
		}
		s.consume(len(s.window()))
		if !s.grow() {
			return
		}
	}
}

// toNextLine leaves the start of the window for the next line that begins with an object, or for the end.
func (s *stream) toNextLine() {
	if s.behind {
		s.toLineEnd()
		return
	}
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
