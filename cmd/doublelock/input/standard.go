package input

import (
	"context"
	"io"
	"os"
)

// Standard is standard input until a context ends. The system's own read of a terminal or a pipe goes on until there is
// something to read, so that Ctrl-C would not end a command that waits for it.
func Standard(ctx context.Context, file *os.File) io.Reader { return &untilDone{file, ctx} }

type untilDone struct {
	file *os.File
	ctx  context.Context // io.Reader takes none
}

// Fd is how a terminal is known as one.
func (u *untilDone) Fd() uintptr { return u.file.Fd() }

func (u *untilDone) Read(p []byte) (int, error) {
	type answer struct {
		n   int
		err error
	}
	text, read := make([]byte, len(p)), make(chan answer, 1) // of its own: the read may outlast this call
	go func() {
		n, err := u.file.Read(text)
		read <- answer{n, err}
	}()
	select {
	case a := <-read:
		return copy(p, text[:a.n]), a.err
	case <-u.ctx.Done():
		return 0, context.Cause(u.ctx)
	}
}
