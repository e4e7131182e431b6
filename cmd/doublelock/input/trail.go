package input

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/trail"
)

// Trail reads recorded CloudTrail from files, folders and standard input. An error of Event or Broken ends the reading.
type Trail struct {
	Env    *command.Env
	Event  func(trail.Record) error // an event that could be read
	Broken func(reason error) error // a part of the input that could not
	Files  int                      // read so far
	Events int                      // among them
	Passed int                      // files that hold no events by their nature, or parts that do not: digests, Insights
	broken int
	passed []passedOver // of the path that is read
}

// passedOver is what was left out of a path for one reason.
type passedOver struct {
	what  string
	first string // file
	last  string
	more  int // files
}

// Unread is how many parts of the input could not be read so far.
func (t *Trail) Unread() int { return t.broken }

// Nothing reports whether not even a file was there that holds no events by its nature.
func (t *Trail) Nothing() bool { return t.Events == 0 && t.Passed == 0 }

// trailEndings are those of names that promise a text of CloudTrail. In a folder, a file of another name is read if it holds
// one, and passed over if it does not. A file named by itself is to hold one.
var trailEndings = []string{".json", ".jsonl", ".ndjson", ".csv"}

const zippedEnding = ".gz"

// Read reads what a path names: a file, a folder with all below it, or "-" for standard input. What it passes over is said
// in one line for each reason.
func (t *Trail) Read(ctx context.Context, path string) error {
	t.passed = nil
	defer func() {
		for _, p := range t.passed {
			t.Env.Note("%s", p)
		}
	}()
	if path == "-" {
		return t.read(ctx, t.Env.Stdin, "standard input", false)
	}
	info, err := os.Stat(path)
	if err != nil {
		return t.fail(err)
	}
	if info.IsDir() {
		return t.readFolder(ctx, path)
	}
	return t.readFile(ctx, path, false)
}

func (t *Trail) readFile(ctx context.Context, path string, inFolder bool) error {
	file, err := open(ctx, path)
	if err != nil {
		return t.fail(err)
	}
	defer func() { _ = file.Close() }() // only read: there is nothing to lose
	in := bufio.NewReader(file)
	return t.read(ctx, in, path, inFolder && !promises(path, in))
}

// promises reports whether a file has to hold a text of CloudTrail, by its name. One that is said to be zipped and is not is
// broken.
func promises(path string, in *bufio.Reader) bool {
	name, zipped := strings.CutSuffix(strings.ToLower(path), zippedEnding)
	if slices.Contains(trailEndings, filepath.Ext(name)) {
		return true
	}
	magic, _ := in.Peek(2)
	return zipped && !bytes.Equal(magic, []byte{0x1f, 0x8b})
}

// readFolder reads what is in a folder and all below it, in order of names.
func (t *Trail) readFolder(ctx context.Context, folder string) error {
	before := t.Files
	// The separator at the end makes WalkDir follow a folder that is a symbolic link.
	err := filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return t.fail(err)
		case entry.IsDir():
			return nil
		case !readable(path):
			t.pass(path, "not a regular file")
			return nil
		}
		return t.readFile(ctx, path, true)
	})
	if err == nil && t.Files == before && len(t.passed) == 0 {
		t.Env.Note("%s: nothing to read in it", folder)
	}
	return err
}

// readable follows symbolic links to files; links to folders are left out, because they can lead in circles.
func readable(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // a dangling link is named when it is opened
}

// errForeign ends the reading of a file that is none of CloudTrail's.
var errForeign = errors.New("no export of CloudTrail")

// read reads one input to its end. Its error ends the whole run: the output is gone or the user has had enough. What is no
// export of CloudTrail is passed over where it may be.
func (t *Trail) read(ctx context.Context, in io.Reader, name string, mayBeForeign bool) error {
	t.Files++
	first := true
	err := trail.Read(in, name, func(record trail.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		alone := first
		first = false
		switch {
		case alone && mayBeForeign && errors.Is(record.Err, trail.ErrForeign):
			return errForeign
		case record.Err != nil:
			return t.fail(record.Err)
		case record.Passed != "":
			t.Passed++
			t.pass(name, record.Passed)
			return nil
		}
		t.Events++
		return t.Event(record)
	})
	if errors.Is(err, errForeign) {
		t.Files--
		t.pass(name, "not CloudTrail")
		return nil
	}
	return err
}

// pass keeps for the end of the path that something was passed over.
func (t *Trail) pass(file, what string) {
	i := slices.IndexFunc(t.passed, func(p passedOver) bool { return p.what == what })
	switch {
	case i < 0:
		t.passed = append(t.passed, passedOver{what: what, first: file, last: file})
	case t.passed[i].last != file:
		t.passed[i].more, t.passed[i].last = t.passed[i].more+1, file
	}
}

func (p passedOver) String() string {
	files := p.first
	if p.more > 0 {
		files += fmt.Sprintf(" and %d more", p.more)
	}
	return files + ": passed over, no events in it: " + p.what
}

// NoEvents ends a command whose recorded CloudTrail held no event: nothing was inspected, which is no success.
func NoEvents(name string, paths []string) error {
	return command.Fail("%s: no events in %s, so nothing was inspected; name log files of CloudTrail, or the folder they are in", name, output.Printable(strings.Join(paths, ", ")))
}

func (t *Trail) fail(reason error) error {
	t.broken++
	return t.Broken(reason)
}
