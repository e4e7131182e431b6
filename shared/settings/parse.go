package settings

import (
	"fmt"
	"io"
	"os"
	"time"
)

// MaxBytes is the size over which a file is not read: more is not a configuration written by a person.
const MaxBytes = 1 << 20

// File is a valid configuration that remembers where its fields were written.
type File struct {
	Config Config
	where  *sourceMap
}

// Problem says what is wrong with a field, at the line where it was written: for what only others can find out (an OU
// that does not exist, an SCP that got too long). Field is a path such as rollout[1].targets[0].
func (f *File) Problem(field, what, fix string) Problem {
	return f.where.describe(f.where.find(field), field, what, fix)
}

// Load reads, completes and validates doublelock.yaml. A file that can be read but is wrong answers Problems.
func Load(path string) (Config, error) {
	file, err := Open(path, time.Time{})
	if err != nil {
		return Config{}, err
	}
	return file.Config, nil
}

// Open is Load that keeps the positions of fields, with the checks that depend on the date: waivers that have expired.
// The zero time leaves those out.
func Open(path string, now time.Time) (*File, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Read(path, raw, now)
}

// Parse reads, completes and validates the content of a file called name. The error is Problems, all of them at once.
func Parse(name string, raw []byte) (Config, error) {
	file, err := Read(name, raw, time.Time{})
	if err != nil {
		return Config{}, err
	}
	return file.Config, nil
}

// Read is Parse that keeps the positions of fields, with the checks that depend on the date.
func Read(name string, raw []byte, now time.Time) (*File, error) {
	return standard().Read(name, raw, now)
}

// Read is the package's Read for a format of its own.
func (f Format) Read(name string, raw []byte, now time.Time) (*File, error) {
	where := newSourceMap(name)
	if len(raw) > MaxBytes {
		where.problem("", fmt.Sprintf("the file is longer than %d bytes", MaxBytes), "take out what is not configuration")
		return nil, where.problems
	}
	raw, what, fix := plainText(raw, "YAML", notInText+"\x7f")
	if what != "" {
		where.problem("", what, fix)
		return nil, where.problems
	}
	config := defaults()
	if !decode(where, raw, f, &config) {
		return nil, where.problems
	}
	complete(&config)
	validate(where, f, &config, now)
	if len(where.problems) > 0 {
		return nil, where.sorted()
	}
	return &File{Config: config, where: where}, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	raw, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return raw, nil
}
