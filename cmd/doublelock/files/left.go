package files

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Whoever makes something temporary holds a lock on it as long as it is in use. The lock ends with the process, however
// that ends, and is the same for every container and user that shares the disk; a process id is neither. So what has a
// temporary name and no lock was left behind. Between making it and locking it, somebody may take it for that and remove
// it: the maker looks afterwards whether it is still there, and makes another.

// claims is how often something temporary is made anew before the folder counts as one in which that is impossible.
const claims = 100

var errTaken = errors.New("somebody removes every file that is made there")

// fresh makes a file with a temporary name, locked until it is closed.
func (f *Folder) fresh() (*os.File, string, error) {
	for range claims {
		name := temporaryPrefix + rand.Text()
		file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		if err != nil {
			return nil, "", err
		}
		if f.claim(file, name) {
			return file, name, nil
		}
		_ = file.Close()
	}
	return nil, "", errTaken
}

// Temporary makes a folder, mode 0700, for as long as the process lives: Remove it at the end. RemoveLeft with the same
// prefix removes those of processes that could not.
func Temporary(parent, prefix string) (*Folder, error) {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return nil, fmt.Errorf("make folder in %s: %w", parent, cause(err))
	}
	above := &Folder{path: parent, root: root}
	defer func() { _ = above.Close() }()
	for range claims {
		name := prefix + rand.Text()
		if err := root.Mkdir(name, folderMode); err != nil {
			return nil, fmt.Errorf("make folder in %s: %w", parent, cause(err))
		}
		in, err := above.enter(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken for one that was left
		}
		if err != nil {
			return nil, err
		}
		if in.lock, err = in.root.Open("."); err == nil && above.claim(in.lock, name) {
			return in, nil
		}
		_ = in.Close()
	}
	return nil, fmt.Errorf("make folder in %s: %w", parent, errTaken)
}

// Remove removes a folder that Temporary made, with all in it.
func (f *Folder) Remove() error {
	parent, name := filepath.Split(f.path)
	root, err := os.OpenRoot(filepath.Clean(parent))
	if err == nil {
		err = errors.Join(root.RemoveAll(name), root.Close())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("remove folder %s: %w", f.path, cause(err))
	}
	return nil
}

// ErrHeld says that a process holds a file.
var ErrHeld = errors.New("it is held by a process that is alive")

// Hold makes a file that says that something is in use, until release, which removes it, or the end of the process. The
// error is ErrHeld while another process holds it. Where the system knows no locks, everybody may hold it.
func Hold(path string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", path, cause(err))
	}
	if lock(file) == lockedByAnother {
		return nil, errors.Join(ErrHeld, file.Close())
	}
	return func() { _, _ = os.Remove(path), file.Close() }, nil // the lock ends in any case
}

// RemoveLeft removes the folders of Temporary whose processes are gone. What cannot be removed is somebody else's.
func RemoveLeft(parent, prefix string) {
	root, err := os.OpenRoot(parent)
	if err != nil {
		return // and nothing of ours is in it
	}
	f := &Folder{path: parent, root: root}
	defer func() { _ = f.Close() }()
	f.removeLeft(func(name string) bool { return unguessable(name, prefix) })
}

// removeLeft removes what has a temporary name, is ours, and is used by nobody.
func (f *Folder) removeLeft(temporary func(name string) bool) {
	names, err := f.names()
	if err != nil {
		return // writing says why
	}
	for _, name := range names {
		if temporary(name) {
			f.removeUnused(name)
		}
	}
}

func (f *Folder) removeUnused(name string) {
	info, err := f.root.Lstat(name)
	if err != nil || !ours(info) || !info.IsDir() && !info.Mode().IsRegular() {
		return
	}
	file, err := openAtOnce(f.root, name)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if lock(file) == locked && f.has(file, name) {
		_ = f.root.RemoveAll(name)
	}
}

// claim locks what was just made, and reports whether it is still there. Where the file system knows no locks nobody
// removes anything either.
func (f *Folder) claim(file *os.File, name string) bool {
	return lock(file) != lockedByAnother && f.has(file, name)
}

// has reports whether a name of the folder is that of an open file, and no link to it.
func (f *Folder) has(file *os.File, name string) bool {
	named, err := f.root.Lstat(name)
	if err != nil {
		return false
	}
	opened, err := file.Stat()
	return err == nil && os.SameFile(named, opened)
}

// lockState is what became of a lock.
type lockState int

const (
	unlockable lockState = iota // the file system, or the operating system, knows no locks
	locked
	lockedByAnother
)
