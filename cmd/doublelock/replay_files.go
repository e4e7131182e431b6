package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// trailEndings are the names that are read in a directory. A file named by itself is read whatever it is called.
var trailEndings = []string{".json", ".jsonl", ".ndjson", ".gz"}

// digestFolder holds CloudTrail's signatures of its log files, beside them in the bucket; there are no events in it.
const digestFolder = "CloudTrail-Digest"

func (r *replay) readPath(ctx context.Context, path string) error {
	if path == "-" {
		return r.read(ctx, r.env.Stdin, "standard input")
	}
	info, err := os.Stat(path)
	if err != nil {
		return r.tellBroken(err)
	}
	if info.IsDir() {
		return r.readFolder(ctx, path)
	}
	return r.readFile(ctx, path)
}

func (r *replay) readFile(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return r.tellBroken(err)
	}
	defer func() { _ = file.Close() }() // only read: there is nothing to lose
	return r.read(ctx, file, path)
}

// readFolder reads what looks like a trail, in order of names, and says what it leaves out.
func (r *replay) readFolder(ctx context.Context, folder string) error {
	before := r.files
	// The separator at the end makes WalkDir follow a folder that is a symbolic link.
	err := filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return r.tellBroken(err)
		case entry.IsDir() && entry.Name() == digestFolder:
			r.note("%s: skipped: digests of log files, no events", path)
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !slices.Contains(trailEndings, strings.ToLower(filepath.Ext(path))):
			r.note("%s: skipped: not %s", path, strings.Join(trailEndings, ", "))
			return nil
		case !readable(path):
			r.note("%s: skipped: not a regular file", path)
			return nil
		}
		return r.readFile(ctx, path)
	})
	if err == nil && r.files == before {
		r.note("%s: nothing to read in it", folder)
	}
	return err
}

// readable follows symbolic links to files; links to folders are left out, because they can lead in circles.
func readable(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // a dangling link is named when it is opened
}
