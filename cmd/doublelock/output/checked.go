package output

import (
	"fmt"
	"io"
)

// checked remembers the first write that failed, so that no command has to look at every one. Nothing is buffered: what
// was written is out when the command ends.
type checked struct {
	out io.Writer
	err error
}

func (c *checked) Write(text []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.out.Write(text)
	if err != nil {
		c.err = fmt.Errorf("write standard output: %w", err)
		return n, c.err
	}
	return n, nil
}

// Unwritten is the first error of writing to standard output, of a printer that New made; nil when all is out.
func (p *Printer) Unwritten() error {
	if c, is := p.Stdout.(*checked); is {
		return c.err
	}
	return nil
}
