package input

import (
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
// the file.
func ReadFile(env *command.Env, path string, limit int64) ([]byte, error) {
	if path == "-" {
		return readAll(env.Stdin, "standard input", limit)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return readAll(file, path, limit)
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
