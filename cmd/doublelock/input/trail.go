package input

import (
	"context"
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
	broken int
}

// Unread is how many parts of the input could not be read so far.
func (t *Trail) Unread() int { return t.broken }

// trailEndings are the names that are read in a directory. A file named by itself is read whatever it is called.
var trailEndings = []string{".json", ".jsonl", ".ndjson", ".gz"}

// digestFolder holds CloudTrail's signatures of its log files, beside them in the bucket; there are no events in it.
const digestFolder = "CloudTrail-Digest"

// Read reads what a path names: a file, a folder with all below it, or "-" for standard input.
func (t *Trail) Read(ctx context.Context, path string) error {
	if path == "-" {
		return t.read(ctx, t.Env.Stdin, "standard input")
	}
	info, err := os.Stat(path)
	if err != nil {
		return t.fail(err)
	}
	if info.IsDir() {
		return t.readFolder(ctx, path)
	}
	return t.readFile(ctx, path)
}

func (t *Trail) readFile(ctx context.Context, path string) error {
	file, err := open(ctx, path)
	if err != nil {
		return t.fail(err)
	}
	defer func() { _ = file.Close() }() // only read: there is nothing to lose
	return t.read(ctx, file, path)
}

// readFolder reads what looks like a trail, in order of names, and says what it leaves out.
func (t *Trail) readFolder(ctx context.Context, folder string) error {
	before := t.Files
	// The separator at the end makes WalkDir follow a folder that is a symbolic link.
	err := filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return t.fail(err)
		case entry.IsDir() && entry.Name() == digestFolder:
			t.Env.Note("%s: skipped: digests of log files, no events", path)
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !slices.Contains(trailEndings, strings.ToLower(filepath.Ext(path))):
			t.Env.Note("%s: skipped: not %s", path, strings.Join(trailEndings, ", "))
			return nil
		case !readable(path):
			t.Env.Note("%s: skipped: not a regular file", path)
			return nil
		}
		return t.readFile(ctx, path)
	})
	if err == nil && t.Files == before {
		t.Env.Note("%s: nothing to read in it", folder)
	}
	return err
}

// readable follows symbolic links to files; links to folders are left out, because they can lead in circles.
func readable(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // a dangling link is named when it is opened
}

// read reads one input to its end. Its error ends the whole run: the output is gone or the user has had enough.
func (t *Trail) read(ctx context.Context, in io.Reader, name string) error {
	t.Files++
	return trail.Read(in, name, func(record trail.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if record.Err != nil {
			return t.fail(record.Err)
		}
		t.Events++
		return t.Event(record)
	})
}

// NoEvents ends a command whose recorded CloudTrail held no event: nothing was inspected, which is no success.
func NoEvents(name string, paths []string) error {
	return command.Fail("%s: no events in %s, so nothing was inspected; name log files of CloudTrail, or the folder they are in", name, output.Printable(strings.Join(paths, ", ")))
}

func (t *Trail) fail(reason error) error {
	t.broken++
	return t.Broken(reason)
}
