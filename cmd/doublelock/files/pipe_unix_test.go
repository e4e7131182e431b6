//go:build linux || darwin

package files_test

import "syscall"

// makePipe makes a named pipe, where a file system has them.
func makePipe(path string) error { return syscall.Mkfifo(path, 0o600) }
