package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
)

// The most bytes that are read of a file. What is longer was named by mistake, or does not end.
const (
	MaxSnapshot = 1 << 30  // of a snapshot or a plan: those of the largest organizations have some hundred MB
	MaxDocument = 16 << 20 // of what people write: policies, cases, requests, patterns
)

// ReadFile reads a file whole, standard input for "-". One that is longer than a limit in bytes is refused. Errors name
// the file. A pipe is read as well, such as what a shell makes of <(command); a signal ends the wait for its writer.
func ReadFile(env *command.Env, path string, limit int64) ([]byte, error) {
	if path == "-" {
		return readAll(env.Stdin, "standard input", limit)
	}
	file, err := open(env.Ends, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return readAll(file, path, limit)
}

// waiting is a file that may have nothing to read yet.
type waiting struct {
	io.Reader
	io.Closer
}

// open opens a file to read until a context ends. Opening a named pipe waits for its writer and reading one for what is
// written, and neither call of the system knows of contexts: they are left behind in a goroutine. Nil is a
// context that never ends.
func open(ctx context.Context, path string) (io.ReadCloser, error) {
	if ctx == nil {
		return os.Open(path)
	}
	type answer struct {
		file *os.File
		err  error
	}
	opened := make(chan answer, 1)
	go func() {
		file, err := os.Open(path)
		opened <- answer{file, err}
	}()
	select {
	case a := <-opened:
		if a.err != nil {
			return nil, a.err
		}
		if info, err := a.file.Stat(); err == nil && info.Mode().IsRegular() {
			return a.file, nil
		}
		return waiting{Standard(ctx, a.file), a.file}, nil
	case <-ctx.Done():
		go func() {
			if a := <-opened; a.err == nil {
				_ = a.file.Close() // nobody reads it
			}
		}()
		return nil, fmt.Errorf("open %s: %w", path, context.Cause(ctx))
	}
}

// plain reports whether a path names a file that can be opened without waiting for anybody, or nothing at all.
func plain(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() || info.IsDir()
}

func readAll(in io.Reader, name string, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		err = inPath.Err // which does not name the file again
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("read %s: it is longer than %d MB; name another file", name, limit>>20)
	}
	return raw, nil
}
