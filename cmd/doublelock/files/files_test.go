package files_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

// contents are the files and folders below a folder, with what is in them; folders end in a slash.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			found[name+"/"] = ""
		case entry.Type()&fs.ModeSymlink != 0:
			found[name], err = os.Readlink(path)
			found[name] = "-> " + found[name]
		default:
			var text []byte
			text, err = os.ReadFile(path)
			found[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsReplacedAsAWholeAndIsForItsOwnerAlone(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "plan.json")
	must(t, os.WriteFile(path, []byte("for everybody"), 0o644), os.Chmod(path, 0o644)) //nolint:gosec // which is what is mended
	for _, text := range []string{"first", "second", ""} {
		must(t, files.Check(path), files.Write(path, []byte(text)))
		if diff := cmp.Diff(map[string]string{"plan.json": text}, contents(t, folder)); diff != "" {
			t.Error(diff)
		}
		if got := mode(t, path); got != 0o600 {
			t.Errorf("mode %v", got)
		}
	}
}

func TestAnotherNameOfAFileKeepsWhatItHad(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("old", []byte("as it was"), 0o600), os.Link("old", "plan.json"), files.Write("plan.json", []byte("new")))
	if diff := cmp.Diff(map[string]string{"old": "as it was", "plan.json": "new"}, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatSomebodyElseMadeMeanwhileIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, files.Create("doublelock.yaml", []byte("first")))
	if err := files.Create("doublelock.yaml", []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"doublelock.yaml": "first"}, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
	if got := mode(t, "doublelock.yaml"); got != 0o600 {
		t.Errorf("mode %v", got)
	}
}

func TestNoFileIsWrittenThroughALinkOrIntoADevice(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("victim", []byte("as it was"), 0o600), os.Symlink("victim", "link"), os.Symlink("nowhere", "dangling"), os.Mkdir("folder", 0o700))
	before := contents(t, ".")
	for path, want := range map[string]string{
		"link":        "write link: it is a symbolic link; name the file that it leads to",
		"dangling":    "write dangling: it is a symbolic link; name the file that it leads to",
		"folder":      "write folder: it is a folder; name a file in it",
		"folder/":     "write folder/: it is a folder; name a file in it",
		"link/":       "write link/: it is a folder; name a file in it",
		".":           "write .: it is a folder; name a file in it",
		"folder/..":   "write folder/..: it is a folder; name a file in it",
		"/":           "write /: it is a folder; name a file in it",
		"/dev/null":   "write /dev/null: it is a device or a pipe; name a file",
		"-":           "write -: results go to a file here; name one, or ./- for a file of that name",
		"":            `write "": no file is named`,
		"gone/file":   "write gone/file: there is no folder gone; make it, or name a file elsewhere",
		"victim/file": "write victim/file: victim is not a folder; name a file elsewhere",
		strings.Repeat("x", 300): "write " + strings.Repeat("x", 300) +
			": file name too long; name a shorter one",
	} {
		for does, do := range map[string]func() error{
			"write":  func() error { return files.Write(path, []byte("overwritten")) },
			"create": func() error { return files.Create(path, []byte("overwritten")) },
			"check":  func() error { return files.Check(path) },
		} {
			if err := do(); err == nil || err.Error() != want {
				t.Errorf("%s %s: %v, want %s", does, path, err, want)
			}
		}
	}
	if diff := cmp.Diff(before, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
}

func TestAFolderIsMadeForItsOwnerAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("there", 0o755), os.Chmod("there", 0o755), os.Symlink("there", "link")) //nolint:gosec // somebody else's choice
	for _, path := range []string{"a/b/c", "./d/../e", "there", "link/below", "e/new/", ".", "/", "a", ".."} {
		f, err := files.Make(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		must(t, f.Close())
	}
	want := map[string]string{"a/": "", "a/b/": "", "a/b/c/": "", "e/": "", "e/new/": "", "there/": "", "there/below/": "", "link": "-> there"}
	if diff := cmp.Diff(want, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]fs.FileMode{"a": 0o700, "a/b": 0o700, "a/b/c": 0o700, "e": 0o700, "there/below": 0o700, "there": 0o755} {
		if got := mode(t, path).Perm(); got != want {
			t.Errorf("%s: mode %v", path, got)
		}
	}
}

func TestNoFolderIsMadeThroughALink(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, os.Mkdir("elsewhere", 0o700), os.Symlink("elsewhere", "link"), os.Symlink("nowhere", "dangling"), os.WriteFile("file", nil, 0o600))
	before := contents(t, ".")
	for path, want := range map[string]string{
		"link":             "write to folder link: it is a symbolic link; name the folder that it leads to",
		"link/":            "write to folder link: it is a symbolic link; name the folder that it leads to",
		"dangling":         "write to folder dangling: it is a symbolic link; name the folder that it leads to",
		"dangling/below/x": "write to folder dangling: it is a symbolic link; name the folder that it leads to",
		"file":             "write to folder file: it is not a folder; name another",
		"file/below":       "write to folder file/below: not a directory; name another",
		"/dev/null":        "write to folder /dev/null: it is not a folder; name another",
		"-":                "write to folder -: standard output takes no folder; name one, or ./- for a folder of that name",
	} {
		if f, err := files.Make(path); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v, want %s", path, f, err, want)
		}
	}
	if diff := cmp.Diff(before, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyAFolderThatNobodyElseWritesInIsPrivate(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{0o700: true, 0o755: true, 0o775: false, 0o702: false, 0o777: false} {
		path := t.TempDir()
		must(t, os.Chmod(path, mode))
		f, err := files.Make(path)
		must(t, err)
		if err := f.Private(); (err == nil) != want {
			t.Errorf("mode %v: %v", mode, err)
		}
		must(t, f.Close())
	}
}

func TestWhatAFolderKeptIsReadAndRemovedAndNothingElse(t *testing.T) {
	t.Chdir(t.TempDir())
	f, err := files.Make("parts")
	must(t, err, f.Write("1.json", []byte("one")), f.Write("2.json", []byte("two")), os.Symlink("1.json", "parts/link.json"))
	if got, err := f.Read("1.json", 3); err != nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
	for name, limit := range map[string]int64{"1.json": 2, "link.json": 100, "gone.json": 100} {
		if got, err := f.Read(name, limit); err == nil || !strings.HasPrefix(err.Error(), "read parts/"+name+": ") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	must(t, f.RemoveFiles(func(name string) bool { return name == "1.json" }))
	if diff := cmp.Diff(map[string]string{"parts/": "", "parts/2.json": "two", "parts/link.json": "-> 1.json"}, contents(t, ".")); diff != "" {
		t.Error(diff)
	}
	must(t, f.RemoveFiles(func(string) bool { return true }), f.Close())
	if left := contents(t, "."); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
