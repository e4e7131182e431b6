// Package files writes the files that commands make: whole or not at all, for their owner alone, and never through a
// link. What a killed process left behind is removed by the next one that writes in the same folder.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Modes of what is written: it says who reads which secret, or opens something, and is for its owner alone.
const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// Write writes or replaces a file as a whole: to a temporary name beside it, renamed when all is on disk, so that nobody
// reads half of it and a process that is stopped leaves the old one. Of several writers the last one wins. What Check
// refuses is refused.
func Write(path string, text []byte) error {
	return beside(path, func(f *Folder, name string) error { return f.Write(name, text) })
}

// Create is Write for a file that must not be there yet; one that is answers fs.ErrExist and stays as it is.
func Create(path string, text []byte) error {
	return beside(path, func(f *Folder, name string) error { return f.write(name, text, f.add) })
}

// Remove removes a file; one that is not there is no error.
func Remove(path string) error {
	return beside(path, func(f *Folder, name string) error {
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", path, cause(err))
		}
		return nil
	})
}

// Check refuses a path that Write would: a link, which leads to who knows what, a device, a pipe, a folder, "-", which
// reads like standard output, and whatever is in a folder that takes no new files. A command calls it before it works
// for minutes on what goes into the file.
func Check(path string) error {
	return beside(path, func(f *Folder, name string) error {
		if err := f.Check(name); err != nil {
			return err
		}
		file, temporary, err := f.fresh()
		if err != nil {
			return refused(f.at(name), err)
		}
		if err := errors.Join(f.root.Remove(temporary), file.Close()); err != nil {
			return refused(f.at(name), err)
		}
		return nil
	})
}

// beside does something with a file in its folder, which is opened for it; links that lead to the folder are followed.
func beside(path string, do func(f *Folder, name string) error) error {
	folder, name := filepath.Split(path)
	switch {
	case path == "":
		return errors.New(`write "": no file is named`)
	case path == "-":
		return errors.New("write -: results go to a file here; name one, or ./- for a file of that name")
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("write %s: it is a folder; name a file in it", path)
	}
	folder = filepath.Clean(folder)
	root, err := os.OpenRoot(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write %s: there is no folder %s; make it, or name a file elsewhere", path, folder)
	case err != nil:
		if info, missing := os.Stat(folder); missing == nil && !info.IsDir() {
			return fmt.Errorf("write %s: %s is not a folder; name a file elsewhere", path, folder)
		}
		return refused(path, err)
	}
	f := &Folder{path: folder, root: root}
	defer func() { _ = f.Close() }()
	f.removeLeft(isTemporary)
	return do(f, name)
}

// refused is what the system answered, in one line: what was to be written, the reason, and what would do.
func refused(path string, err error) error {
	fix := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		fix = "; make room, or name a file on another disk"
	case errors.Is(err, syscall.EFBIG):
		fix = "; raise the limit of ulimit -f, or name a file on another disk"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		fix = "; name a file in a folder that you may write to"
	case errors.Is(err, syscall.ENAMETOOLONG):
		fix = "; name a shorter one"
	}
	return fmt.Errorf("write %s: %w%s", path, cause(err), fix)
}

// cause takes off the temporary name that an error of the system has in front, which nobody has seen.
func cause(err error) error {
	var inPath *fs.PathError
	var inLink *os.LinkError
	switch {
	case errors.As(err, &inPath):
		return inPath.Err
	case errors.As(err, &inLink):
		return inLink.Err
	}
	return err
}
