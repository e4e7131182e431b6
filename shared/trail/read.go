package trail

import (
	"cmp"
	"errors"
	"fmt"
	"io"
)

// Record is one event of a file, or the reason why a part of the file could not be read or holds none.
type Record struct {
	Name   string // of the file, as given to Read
	Line   int    // on which it begins, from 1; of what carries it
	Index  int    // within a log file's Records, a list or a table, from 1; 0 elsewhere
	Change Change
	Raw    []byte // its JSON, of an event in another shape as CloudTrail would have it; only until yield returns
	Passed string // what this is that holds no event, such as "a digest of CloudTrail's log files"; "" for an event
	Err    error  // set when this could not be read; it is an *Error and names file, line and record
}

// Error says what could not be read, and where.
type Error struct {
	Name  string
	Line  int // from 1
	Index int // of the record in its list or in the file, from 1; 0 when it is about the file
	Err   error
}

func (e *Error) Error() string {
	if e.Index > 0 {
		return fmt.Sprintf("%s:%d: record %d: %v", e.Name, e.Line, e.Index, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Read reads events one by one, in memory that does not grow with the input. What they come in is found by looking at it,
// not by its name:
//
//   - events as they are: log files ({"Records":[…]}), EventBridge envelopes and bare records, one after the other, one a
//     line or in lists, also as strings
//   - what AWS's command line prints: cloudtrail lookup-events and get-query-results of CloudTrail Lake, sqs receive-message,
//     logs filter-log-events, get-log-events and get-query-results, kinesis get-records, athena get-query-results
//   - what carries them: messages of SNS and SQS, subscriptions and exports of CloudWatch Logs, Kinesis and Firehose, events
//     of Lambda functions, hits of Elastic, results of Splunk
//   - tables: CSV of Athena, CloudTrail Lake, Logs Insights and CloudTrail's console, and rows of them as JSON
//   - Security Lake's OCSF as JSON
//
// Any of them may be gzipped or in UTF-16. What is known to hold no events is yielded as a Record with Passed. What is
// broken is yielded as a Record with Err, and reading goes on behind it as far as it can. The returned error is yield's,
// which ends the reading.
func Read(r io.Reader, name string, yield func(Record) error) error {
	s := &stream{name: name, yield: yield, line: 1}
	text, err := plainText(r)
	if err != nil {
		return s.brokenFile(err)
	}
	s.src = text
	return s.run()
}

var (
	errEmpty    = foreign{"is empty: it holds no events"}
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
		if empty && s.depth == 0 && s.table() {
			return s.rows()
		}
		empty = false
		if err := s.topLevel(b); err != nil {
			return err
		}
	}
	switch {
	case s.readErr != nil && !s.reported:
		return s.brokenFile(cutOffBy(s.readErr))
	case empty:
		return s.brokenFile(errEmpty)
	}
	return nil
}

func (s *stream) topLevel(b byte) error {
	switch b {
	case '{', '"':
		if n, open := s.listPrefix(); n > 0 {
			s.consume(n)
			return s.list(open)
		}
		s.number++
		whole, err := s.event(0)
		if err == nil && !whole {
			s.toNextLine()
		}
		return err
	case '[':
		s.consume(1)
		return s.list(0)
	default:
		return s.prefixed(b)
	}
}

// event reads the event at the start of the window, or what carries some, and yields it. It answers false when its JSON is
// broken, so that its end is not known; it is then still at the start of the window.
func (s *stream) event(index int) (bool, error) {
	var c cursor
	var change Change
	var err error
	for {
		c = cursor{buf: s.window()}
		if change, err = readAt(&c); !c.isShort() || !s.grow() {
			break
		}
	}
	if c.err != nil {
		return false, s.broken(index, s.reason(&c))
	}
	switch raw := c.buf[:c.at]; {
	case errors.Is(err, errNotAsWritten):
		err = s.broken(index, err)
	case err != nil:
		err = s.unwrap(raw, index, err)
	case change.EventSource == "aws.s3" && change.DetailType == objectCreated:
		err = s.passed(index, passedFileNames)
	default:
		err = s.yield(Record{Name: s.name, Line: s.line, Index: index, Change: change, Raw: raw})
	}
	s.consume(c.at)
	return true, err
}

// objectCreated is EventBridge's notice of a new object in S3.
const objectCreated = "Object Created"

// prefixed reads an event behind something else on its line, as exports and tails of CloudWatch Logs have the time before it.
func (s *stream) prefixed(b byte) error {
	n := s.eventInLine()
	if n == 0 {
		reason := foreign{fmt.Sprintf("want an event, found %q", b)}
		if s.number == 0 {
			return s.lost(reason)
		}
		return s.lost(errors.New(reason.reason))
	}
	s.consume(n)
	s.number++
	s.behind = true
	if _, err := s.event(0); err != nil {
		return err
	}
	s.toLineEnd()
	return nil
}

// reason says why a text is not JSON, and on which line where that is not the one it begins on.
func (s *stream) reason(c *cursor) error {
	err := c.err
	switch {
	case c.isShort() && s.readErr != nil:
		s.reported = true
		err = cutOffBy(s.readErr)
	case c.isShort() && !s.eof:
		err = fmt.Errorf("longer than %d bytes", maxRecord)
	}
	if further := lines(c.buf[:c.at]); further > 0 {
		return fmt.Errorf("%w (on line %d)", err, s.line+further)
	}
	return err
}

// list reads the elements of a list up to its end, and then what closes the objects around it: so many are open.
func (s *stream) list(open int) error {
	for index := 1; ; index++ {
		b, ok := s.next()
		if !ok {
			return s.cutOff()
		}
		if b == ']' && index == 1 {
			return s.endList(open)
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
				return s.brokenFile(errRestLost)
			case atSeparator:
			}
		}
		if b, ok = s.next(); !ok {
			return s.cutOff()
		}
		if b == ']' {
			return s.endList(open)
		}
		if b != ',' {
			return s.lost(fmt.Errorf("want ',' or ']' after record %d, found %q", index, b))
		}
		s.consume(1)
	}
}

// endList leaves a list and the objects around it, of which other members may follow, and more lists among them.
func (s *stream) endList(open int) error {
	s.consume(1)
	s.inRows, s.header = false, nil
	for open > 0 {
		b, ok := s.next()
		switch {
		case !ok:
			return s.cutOff()
		case b == '}':
			s.consume(1)
			open--
		case b == ',':
			n, further, err := s.nextMember(open)
			if err != nil {
				return s.lost(err)
			}
			s.consume(n)
			if further > 0 {
				return s.list(further)
			}
		default:
			return s.lost(fmt.Errorf("want '}' after the records, found %q", b))
		}
	}
	return nil
}

// cutOff yields that the input ends too early, unless the end of run says why.
func (s *stream) cutOff() error {
	if s.readErr == nil {
		return s.brokenFile(errShort)
	}
	return nil
}

// broken yields a record that could not be read: by its index in a list, else as the how-manieth of the input.
func (s *stream) broken(index int, err error) error {
	found := &Error{Name: s.name, Line: s.line, Index: cmp.Or(index, s.number), Err: err}
	return s.yield(Record{Name: s.name, Line: s.line, Index: index, Err: found})
}

// brokenFile yields that more than a record could not be read.
func (s *stream) brokenFile(err error) error {
	return s.yield(Record{Name: s.name, Line: s.line, Err: &Error{Name: s.name, Line: s.line, Err: err}})
}

// lost yields a part that could not be read and goes on at the next line that begins an object.
func (s *stream) lost(reason error) error {
	err := s.brokenFile(reason)
	s.toNextLine()
	return err
}

func cutOffBy(err error) error { return fmt.Errorf("cut off: %w", err) }
