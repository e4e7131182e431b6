package output_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "plan.json")
	for _, tt := range []struct {
		text string
		mode os.FileMode
	}{{"first", output.Public}, {"second", output.Private}} {
		if err := output.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != tt.text {
			t.Errorf("%q, %v; want %q", got, err, tt.text)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != tt.mode {
			t.Errorf("mode %v, %v; want %v", info.Mode(), err, tt.mode)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestNoFileIsWrittenThroughALinkOrIntoADevice(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, err := range []error{
		os.WriteFile("victim", []byte("as it was"), 0o600), os.Symlink("victim", "link"), os.Symlink("nowhere", "dangling"), os.Mkdir("folder", 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"link":      "write link: it is a symbolic link; name the file that it leads to",
		"dangling":  "write dangling: it is a symbolic link; name the file that it leads to",
		"folder":    "write folder: it is a folder; name a file in it",
		"/dev/null": "write /dev/null: it is a device or a pipe; name a file",
		"-":         "write -: results go to a file here; name one, or ./- for a file of that name",
	} {
		if err := output.WriteFile(path, []byte("overwritten"), output.Public); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if err := output.WriteFile("gone/file", nil, output.Public); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if got, err := os.ReadFile("victim"); err != nil || string(got) != "as it was" {
		t.Errorf("behind the link: %q, %v", got, err)
	}
	if _, err := os.Lstat("nowhere"); err == nil {
		t.Error("a file was made where the link leads")
	}
}

func TestNoFolderIsWrittenToThroughALink(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, err := range []error{
		os.Mkdir("victim", 0o700), os.Symlink("victim", "link"), os.Symlink("nowhere", "dangling"), os.WriteFile("file", nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"link":      "write to folder link: it is a symbolic link; name the folder that it leads to",
		"link/":     "write to folder link: it is a symbolic link; name the folder that it leads to",
		"dangling":  "write to folder dangling: it is a symbolic link; name the folder that it leads to",
		"file":      "write to folder file: it is not a folder; name another",
		"/dev/null": "write to folder /dev/null: it is not a folder; name another",
		"-":         "write to folder -: name one, or ./- for a folder of that name",
	} {
		if err := output.MakeFolder(path, 0o700); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	for _, path := range []string{"victim", "new/inside", "new/"} {
		if err := output.MakeFolder(path, 0o700); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Lstat("nowhere"); err == nil {
		t.Error("a folder was made where the link leads")
	}
}
