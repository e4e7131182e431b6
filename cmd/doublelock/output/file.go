package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Modes of the files that are written: what says who reads which secret, or opens anything, is for its owner alone.
const (
	Private fs.FileMode = 0o600
	Public  fs.FileMode = 0o644
)

// WriteFile writes or replaces a file as a whole: to a temporary name beside it, renamed when all is on disk, so that
// nobody reads half of it and a run that is stopped leaves the old one. What CheckFile refuses is refused.
func WriteFile(path string, text []byte, mode fs.FileMode) (err error) {
	if err := CheckFile(path); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), ".doublelock-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh.Name())
		}
	}()
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Chmod(mode), fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err = os.Rename(fresh.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// CheckFile refuses a path that WriteFile would: a link, which leads to who knows what, a device, a pipe, a folder, and
// "-", which reads like standard output.
func CheckFile(path string) error {
	if path == "-" {
		return errors.New("write -: results go to a file here; name one, or ./- for a file of that name")
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write file: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("write %s: it is a symbolic link; name the file that it leads to", path)
	case info.IsDir():
		return fmt.Errorf("write %s: it is a folder; name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("write %s: it is a device or a pipe; name a file", path)
	}
	return nil
}

// MakeFolder makes a folder for files to be written to, and those above it. One that is there is left as it is. What
// CheckFolder refuses is refused.
func MakeFolder(path string, mode fs.FileMode) error {
	if err := CheckFolder(path); err != nil {
		return err
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// CheckFolder refuses a path that files are not written to: a link, as CheckFile does, and what is no folder. One that
// is not there is fine.
func CheckFolder(path string) error {
	if path == "-" {
		return errors.New("write to folder -: name one, or ./- for a folder of that name")
	}
	path = filepath.Clean(path) // a slash at the end would follow a link
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write to folder: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("write to folder %s: it is a symbolic link; name the folder that it leads to", path)
	case !info.IsDir():
		return fmt.Errorf("write to folder %s: it is not a folder; name another", path)
	}
	return nil
}
