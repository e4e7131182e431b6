package files

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Folder is a folder that is open: whatever happens to its path meanwhile, files are written in the folder that was found
// there. Close it.
type Folder struct {
	path string
	root *os.Root
	lock *os.File // of a temporary folder: held as long as it is in use
}

// Make opens a folder, and makes it and what is missing above it, mode 0700. It refuses a link as the folder and as what
// it would make above; links above that lead to folders are followed.
func Make(path string) (*Folder, error) {
	if path == "-" {
		return nil, errors.New("write to folder -: standard output takes no folder; name one, or ./- for a folder of that name")
	}
	f, err := makeFolder(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	f.removeLeft(isTemporary)
	return f, nil
}

func makeFolder(path string) (*Folder, error) {
	info, err := os.Lstat(path)
	if err == nil {
		return openFolder(path, info, func() (*os.Root, error) { return os.OpenRoot(path) })
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, noFolder(path, err)
	}
	above, err := folderAbove(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = above.Close() }()
	return above.make(filepath.Base(path))
}

// folderAbove opens a folder in which another is made.
func folderAbove(path string) (*Folder, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		return makeFolder(path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, noFolder(path, err)
	}
	return &Folder{path: path, root: root}, nil
}

// make opens a folder in this one, and makes it where it is missing.
func (f *Folder) make(name string) (*Folder, error) {
	err := f.root.Mkdir(name, folderMode)
	if err == nil {
		err = syncFolder(f.root)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, noFolder(f.at(name), err)
	}
	return f.enter(name)
}

// enter opens a folder in this one that is no link.
func (f *Folder) enter(name string) (*Folder, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, noFolder(f.at(name), err)
	}
	return openFolder(f.at(name), info, func() (*os.Root, error) { return f.root.OpenRoot(name) })
}

// openFolder opens what was looked at, if it is a folder, and still there when it is open.
func openFolder(path string, info fs.FileInfo, open func() (*os.Root, error)) (*Folder, error) {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("write to folder %s: it is a symbolic link; name the folder that it leads to", path)
	case !info.IsDir():
		return nil, fmt.Errorf("write to folder %s: it is not a folder; name another", path)
	}
	root, err := open()
	if err != nil {
		return nil, noFolder(path, err)
	}
	f := &Folder{path: path, root: root}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		_ = f.Close()
		return nil, fmt.Errorf("write to folder %s: somebody exchanges it at this moment; name another", path)
	}
	return f, nil
}

// noFolder is what the system answered, in one line.
func noFolder(path string, err error) error {
	return fmt.Errorf("write to folder %s: %w; name another", path, cause(err))
}

// Private refuses a folder that somebody else owns or may write in: what is read from it could be anybody's.
func (f *Folder) Private() error {
	info, err := f.root.Stat(".")
	if err != nil {
		return noFolder(f.path, err)
	}
	if !ours(info) || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("write to folder %s: others may write in it, too; remove it, or name a file elsewhere", f.path)
	}
	return nil
}

// Path is where the folder was found.
func (f *Folder) Path() string { return f.path }

// at is the path of a file in the folder.
func (f *Folder) at(name string) string { return filepath.Join(f.path, name) }

// Close lets go of the folder. A temporary one is to be removed instead.
func (f *Folder) Close() error {
	err := f.root.Close()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// Check refuses a file that Write would: a link, a device, a pipe, a folder.
func (f *Folder) Check(name string) error {
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return refused(f.at(name), err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("write %s: it is a symbolic link; name the file that it leads to", f.at(name))
	case info.IsDir():
		return fmt.Errorf("write %s: it is a folder; name a file in it", f.at(name))
	case !info.Mode().IsRegular():
		return fmt.Errorf("write %s: it is a device or a pipe; name a file", f.at(name))
	}
	return nil
}

// Write is the package's Write for a file of the folder.
func (f *Folder) Write(name string, text []byte) error { return f.write(name, text, f.root.Rename) }

func (f *Folder) write(name string, text []byte, finish func(temporary, name string) error) (err error) {
	if err := f.Check(name); err != nil {
		return err
	}
	file, temporary, err := f.fresh()
	if err != nil {
		return refused(f.at(name), err)
	}
	defer func() {
		if err != nil {
			_ = f.root.Remove(temporary)
		}
		_ = file.Close() // after the name is gone, because the lock ends with it; what was written is on disk
	}()
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync()); err != nil {
		return refused(f.at(name), err)
	}
	if err := finish(temporary, name); err != nil {
		if changed := f.Check(name); changed != nil {
			return changed
		}
		return refused(f.at(name), err)
	}
	if err := syncFolder(f.root); err != nil {
		return refused(f.at(name), err)
	}
	return nil
}

// add gives a file its name if nothing has it.
func (f *Folder) add(temporary, name string) error {
	err := f.root.Link(temporary, name)
	switch {
	case err == nil:
		return f.root.Remove(temporary)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	if _, err := f.root.Lstat(name); err == nil { // a file system without hard links
		return fs.ErrExist
	}
	return f.root.Rename(temporary, name)
}

// Read reads a file of the folder that is neither a link nor longer than a limit.
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.at(name), cause(err))
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("read %s: it is no file of at most %d bytes", f.at(name), limit)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.at(name), cause(err))
	}
	defer func() { _ = file.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.at(name), cause(err))
	}
	return text, nil
}

// RemoveFiles removes the files whose names fit, and the folder with them if nothing else is in it.
func (f *Folder) RemoveFiles(fits func(name string) bool) error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !fits(name) {
			continue
		}
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", f.at(name), cause(err))
		}
	}
	opened, err := f.root.Stat(".")
	if named, missing := os.Lstat(f.path); err == nil && missing == nil && os.SameFile(opened, named) {
		_ = os.Remove(f.path) // which takes no folder that holds something
	}
	return nil
}

func (f *Folder) names() ([]string, error) {
	open, err := f.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list folder %s: %w", f.path, cause(err))
	}
	defer func() { _ = open.Close() }() // only read
	names, err := open.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list folder %s: %w", f.path, cause(err))
	}
	return names, nil
}

// temporaryPrefix begins the names of files that are not whole yet, with a text behind it that nobody can guess.
const temporaryPrefix = ".doublelock-"

func isTemporary(name string) bool { return unguessable(name, temporaryPrefix) }

// unguessable reports whether a name is a prefix and a text of rand.Text.
func unguessable(name, prefix string) bool {
	text, begins := strings.CutPrefix(name, prefix)
	return begins && len(text) == len(rand.Text()) && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
