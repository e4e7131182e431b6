//go:build linux || darwin

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// lock locks an open file or folder until it is closed, without waiting.
func lock(file *os.File) lockState {
	raw, err := file.SyscallConn()
	if err != nil {
		return unlockable
	}
	state := unlockable
	err = raw.Control(func(descriptor uintptr) {
		for {
			switch err := syscall.Flock(int(descriptor), syscall.LOCK_EX|syscall.LOCK_NB); {
			case err == nil:
				state = locked
			case errors.Is(err, syscall.EINTR):
				continue
			case errors.Is(err, syscall.EWOULDBLOCK):
				state = lockedByAnother
			}
			return
		}
	})
	if err != nil {
		return unlockable
	}
	return state
}

// ours reports whether a file belongs to who runs this process.
func ours(info fs.FileInfo) bool {
	stat, is := info.Sys().(*syscall.Stat_t)
	return is && int(stat.Uid) == os.Geteuid()
}

// openAtOnce opens a file to read; a pipe that somebody put there instead does not keep it waiting.
func openAtOnce(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// syncFolder brings the names in a folder to the disk, where the file system can.
func syncFolder(root *os.Root) error {
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // only read
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("sync folder: %w", cause(err))
	}
	return nil
}
