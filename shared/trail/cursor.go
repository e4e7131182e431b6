package trail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// maxDepth bounds nesting; CloudTrail's own records stay far below it.
const maxDepth = 128

var errShort = errors.New("unexpected end of JSON")

// cursor walks one JSON text in place, as strictly as encoding/json checks it. Only what is asked for is copied,
// which is what keeps a million events cheap. The first error sticks and ends every loop.
type cursor struct {
	buf   []byte
	at    int
	depth int
	err   error
}

// text is a JSON string still in the buffer. Its zero value is an absent, null or non-string member.
type text struct {
	raw   []byte // with its quotes
	plain bool   // no escapes and only ASCII: the bytes are the string
}

func (t text) present() bool { return len(t.raw) > 2 }

func (t text) bytes() []byte {
	if len(t.raw) < 2 {
		return nil
	}
	return t.raw[1 : len(t.raw)-1]
}

func (t text) String() string {
	if t.plain || len(t.raw) < 2 {
		return string(t.bytes())
	}
	return unquote(t.bytes())
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *cursor) short() {
	if c.err == nil {
		c.err = errShort
	}
}

// isShort reports whether the text only ended too early, so that more of it would help.
func (c *cursor) isShort() bool { return errors.Is(c.err, errShort) }

// peek returns the next byte after white space, or 0 and a sticking error at the end.
func (c *cursor) peek() byte {
	if c.err != nil {
		return 0
	}
	for c.at < len(c.buf) {
		switch b := c.buf[c.at]; b {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return b
		}
	}
	c.short()
	return 0
}

// expect consumes one byte after white space.
func (c *cursor) expect(want byte) bool {
	got := c.peek()
	if c.err != nil {
		return false
	}
	if got != want {
		c.fail("want %q, found %q", want, got)
		return false
	}
	c.at++
	return true
}

func (c *cursor) enter(open byte) bool {
	if !c.expect(open) {
		return false
	}
	if c.depth++; c.depth > maxDepth {
		c.fail("nested deeper than %d", maxDepth)
		return false
	}
	return true
}

// more reports whether another element follows, and consumes the comma before it or the closing bracket.
func (c *cursor) more(closing byte, first bool) bool {
	b := c.peek()
	switch {
	case c.err != nil:
		return false
	case b == closing:
		c.at++
		c.depth--
		return false
	case first:
		return true
	case b != ',':
		c.fail("want ',' or %q, found %q", closing, b)
		return false
	}
	c.at++
	return true
}

// object calls each with every member's name; each must consume the value. Anything but an object is skipped.
func (c *cursor) object(each func(name []byte)) {
	if b := c.peek(); c.err != nil || b != '{' {
		c.skip()
		return
	}
	if !c.enter('{') {
		return
	}
	for first := true; c.more('}', first); first = false {
		name := c.name()
		if c.err != nil {
			return
		}
		each(name)
	}
}

// array calls each at every element; each must consume it. Anything but an array is skipped.
func (c *cursor) array(each func()) {
	if b := c.peek(); c.err != nil || b != '[' {
		c.skip()
		return
	}
	if !c.enter('[') {
		return
	}
	for first := true; c.more(']', first); first = false {
		each()
		if c.err != nil {
			return
		}
	}
}

func (c *cursor) name() []byte {
	if b := c.peek(); c.err == nil && b != '"' {
		c.fail("want a member name, found %q", b)
	}
	name := c.scanString()
	c.expect(':')
	if name.plain {
		return name.bytes()
	}
	return []byte(name.String())
}

// text reads a string; any other value is skipped and reads as absent.
func (c *cursor) text() text {
	if c.peek() != '"' || c.err != nil {
		c.skip()
		return text{}
	}
	return c.scanString()
}

// flag reads a bool; any other value is skipped and reads as false.
func (c *cursor) flag() bool {
	yes := c.peek() == 't'
	c.skip()
	return yes && c.err == nil
}

// span skips a value and returns its bytes.
func (c *cursor) span() []byte {
	c.peek()
	start := c.at
	c.skip()
	if c.err != nil {
		return nil
	}
	return c.buf[start:c.at]
}

func (c *cursor) skip() {
	switch b := c.peek(); {
	case c.err != nil:
	case b == '"':
		c.scanString()
	case b == '{':
		c.skipObject()
	case b == '[':
		c.skipArray()
	case b == 't':
		c.word("true")
	case b == 'f':
		c.word("false")
	case b == 'n':
		c.word("null")
	case b == '-' || b >= '0' && b <= '9':
		c.scanNumber()
	default:
		c.fail("want a value, found %q", b)
	}
}

func (c *cursor) skipObject() {
	if !c.enter('{') {
		return
	}
	for first := true; c.more('}', first); first = false {
		if b := c.peek(); c.err == nil && b != '"' {
			c.fail("want a member name, found %q", b)
			return
		}
		c.scanString()
		c.expect(':')
		c.skip()
		if c.err != nil {
			return
		}
	}
}

func (c *cursor) skipArray() {
	if !c.enter('[') {
		return
	}
	for first := true; c.more(']', first); first = false {
		c.skip()
		if c.err != nil {
			return
		}
	}
}

func (c *cursor) word(want string) {
	for i := 0; i < len(want); i++ {
		if c.at >= len(c.buf) {
			c.short()
			return
		}
		if c.buf[c.at] != want[i] {
			c.fail("want %s, found %q", want, c.buf[c.at])
			return
		}
		c.at++
	}
}

// stringByte sorts the bytes inside a string: 0 goes on, the others need a look.
var stringByte = func() (table [256]byte) {
	for b := range table {
		switch {
		case b < 0x20:
			table[b] = 'c'
		case b == '"' || b == '\\':
			table[b] = byte(b)
		case b >= 0x80:
			table[b] = 'u'
		}
	}
	return table
}()

func (c *cursor) scanString() text {
	if c.err != nil {
		return text{}
	}
	start, i, plain := c.at, c.at+1, true
	for i = clean(c.buf, i); i < len(c.buf); i = clean(c.buf, i) {
		switch b := c.buf[i]; stringByte[b] {
		case '"':
			c.at = i + 1
			return text{raw: c.buf[start:c.at], plain: plain}
		case 'c':
			c.at = i
			c.fail("a string is not closed before %q", b)
			return text{}
		case 'u':
			plain = false
			i++
		case '\\':
			plain = false
			n := c.escape(i)
			if c.err != nil {
				return text{}
			}
			i += n
		}
	}
	c.at = len(c.buf)
	c.short()
	return text{}
}

// clean returns the first place from i on that needs a look, eight bytes at a time while there are eight. In each
// byte the high bit comes up for a control character, a quote, a backslash or a byte above ASCII; a borrow can only
// raise it above the lowest that is meant.
func clean(buf []byte, i int) int {
	const every, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(buf); i += 8 {
		x := binary.LittleEndian.Uint64(buf[i:])
		if found := (x | (x - 0x20*every) | ((x ^ '"'*every) - every) | ((x ^ '\\'*every) - every)) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(buf) && stringByte[buf[i]] == 0 {
		i++
	}
	return i
}

// escape checks the escape sequence at i and returns its length.
func (c *cursor) escape(i int) int {
	if i+1 >= len(c.buf) {
		c.at = len(c.buf)
		c.short()
		return 0
	}
	switch b := c.buf[i+1]; b {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			if j >= len(c.buf) {
				c.at = len(c.buf)
				c.short()
				return 0
			}
			if !isHex(c.buf[j]) {
				c.at = j
				c.fail("want a hexadecimal digit in an escape, found %q", c.buf[j])
				return 0
			}
		}
		return 6
	default:
		c.at = i
		c.fail("unknown escape \\%c in a string", b)
		return 0
	}
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func (c *cursor) scanNumber() []byte {
	start := c.at
	if c.buf[c.at] == '-' {
		c.at++
	}
	if c.at < len(c.buf) && c.buf[c.at] == '0' {
		c.at++
	} else {
		c.digits()
	}
	if c.err == nil && c.at < len(c.buf) && c.buf[c.at] == '.' {
		c.at++
		c.digits()
	}
	if c.err == nil && c.at < len(c.buf) && (c.buf[c.at] == 'e' || c.buf[c.at] == 'E') {
		c.at++
		if c.at < len(c.buf) && (c.buf[c.at] == '+' || c.buf[c.at] == '-') {
			c.at++
		}
		c.digits()
	}
	return c.buf[start:c.at]
}

func (c *cursor) digits() {
	start := c.at
	for c.at < len(c.buf) && c.buf[c.at] >= '0' && c.buf[c.at] <= '9' {
		c.at++
	}
	switch {
	case c.err != nil || c.at > start:
	case c.at >= len(c.buf):
		c.short()
	default:
		c.fail("want a digit, found %q", c.buf[c.at])
	}
}

// value reads any value as encoding/json would, without the members that secretMember names.
func (c *cursor) value() any {
	switch b := c.peek(); {
	case c.err != nil:
		return nil
	case b == '"':
		return c.scanString().String()
	case b == '{':
		members := map[string]any{}
		c.object(func(name []byte) {
			if secretMember(name) {
				c.skip()
				return
			}
			key := string(name)
			members[key] = c.value()
		})
		return members
	case b == '[':
		elements := []any{}
		c.array(func() { elements = append(elements, c.value()) })
		return elements
	case b == 't' || b == 'f':
		return c.flag()
	case b == '-' || b >= '0' && b <= '9':
		number, err := strconv.ParseFloat(string(c.scanNumber()), 64)
		if err != nil {
			return nil
		}
		return number
	default:
		c.skip()
		return nil
	}
}
