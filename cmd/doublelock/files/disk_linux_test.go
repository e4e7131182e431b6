package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

// alone does something in a thread of its own, which ends with it: what becomes of the thread stays there.
func alone(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		do()
	}()
	<-done
}

// refuses fails the test unless a file is refused in one line that says why, and everything stays as it was.
func refuses(t *testing.T, folder, want string, text []byte) {
	t.Helper()
	before := contents(t, folder)
	for does, write := range map[string]func(path string, text []byte) error{"write": files.Write, "create": files.Create} {
		path := filepath.Join(folder, does+".json")
		err := write(path, text)
		if want := "write " + path + ": " + want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", does, err, want)
		}
	}
	if diff := cmp.Diff(before, contents(t, folder)); diff != "" {
		t.Error(diff)
	}
}

func TestAFullDiskKeepsTheOldFileAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	skipped := false
	alone(func() {
		flags := uintptr(0)
		err := errors.Join(syscall.Unshare(syscall.CLONE_NEWNS), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			syscall.Mount("tmpfs", folder, "tmpfs", flags, "size=64k"))
		if skipped = err != nil; skipped {
			return
		}
		if err := files.Write(filepath.Join(folder, "write.json"), []byte("old")); err != nil {
			t.Error(err)
		}
		refuses(t, folder, "no space left on device; make room, or name a file on another disk", make([]byte, 1<<20))
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Error(err)
		}
		refuses(t, folder, "read-only file system; name a file in a folder that you may write to", []byte("new"))
		if err := files.Check(filepath.Join(folder, "plan.json")); !errors.Is(err, syscall.EROFS) {
			t.Errorf("looked at before: %v", err)
		}
	})
	if skipped {
		t.Skip("no disk of one's own without the right to mount one")
	}
}

func TestAFolderOfSomebodyElseIsRefused(t *testing.T) {
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "write.json"), []byte("old"), 0o600))
	if os.Getuid() != 0 {
		must(t, os.Chmod(folder, 0o500)) //nolint:gosec // a folder
		refuses(t, folder, "permission denied; name a file in a folder that you may write to", []byte("new"))
		return
	}
	const nobody = 65534
	must(t, os.Chmod(folder, 0o755), os.Chmod(filepath.Dir(folder), 0o755), os.Chmod(filepath.Join(folder, "write.json"), 0o644)) //nolint:gosec // for nobody to look
	alone(func() {
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Error(err)
		}
		refuses(t, folder, "permission denied; name a file in a folder that you may write to", []byte("new"))
		if f, err := files.Make(filepath.Join(folder, "parts")); err == nil || !strings.HasSuffix(err.Error(), "parts: permission denied; name another") {
			t.Errorf("%v, %v", f, err)
		}
	})
}

func TestWhatSomebodyElseLeftIsTheirs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root makes files of others")
	}
	folder := t.TempDir()
	left := filepath.Join(folder, ".doublelock-"+strings.Repeat("A", 26))
	demo := filepath.Join(folder, "demo-"+strings.Repeat("A", 26))
	must(t, os.WriteFile(left, nil, 0o600), os.Mkdir(demo, 0o700), os.Chown(left, 65534, 65534), os.Chown(demo, 65534, 65534))
	before := contents(t, folder)
	must(t, files.Check(filepath.Join(folder, "plan.json")))
	files.RemoveLeft(folder, "demo-")
	if diff := cmp.Diff(before, contents(t, folder)); diff != "" {
		t.Error(diff)
	}
	must(t, os.Chown(left, 0, 0), os.Chown(demo, 0, 0), files.Check(filepath.Join(folder, "plan.json")))
	files.RemoveLeft(folder, "demo-")
	if diff := cmp.Diff(map[string]string{}, contents(t, folder)); diff != "" {
		t.Error(diff)
	}
}
