package doublelock_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writer is the one room that writes files: whole, for their owner alone, and never through a link.
const writer = "cmd/doublelock/files"

// writers are the files outside of it that may change the disk, with the functions that they may use.
var writers = map[string]struct {
	why   string
	calls []string
}{
	"shared/doubles/process.go": {"the log of a double, in the empty folder that its test made for it", []string{"os.Create"}},

	"cmd/mutants/judge.go":  {"changed sources, in the tool's own folder", []string{"os.Remove", "os.WriteFile"}},
	"cmd/mutants/resume.go": {"what is known of a binary, in the tool's own folder, for the run that goes on", []string{"os.MkdirAll", "os.OpenFile", "os.Remove", "os.WriteFile"}},

	"docs/manual/manual.go": {"a part of a page of this repository, by a test that is asked to", []string{"os.WriteFile"}},

	"infra/member.go": {"the CDK writes the templates of an app into a folder of its own, which is removed", []string{"os.MkdirTemp", "os.RemoveAll"}},
	"infra/worker.go": {"an asset of the CDK, with the mode of a program, in place of a function that was not built", []string{"os.MkdirTemp", "os.RemoveAll", "os.WriteFile"}},
}

// changing are the functions that change the disk, or open what does.
var changing = map[string][]string{
	"os": {
		"Create", "CreateTemp", "OpenFile", "WriteFile", "Mkdir", "MkdirAll", "MkdirTemp", "Rename", "Link", "Symlink", "Truncate", "Remove", "RemoveAll",
		"Chmod", "Chown", "Lchown", "Chtimes", "CopyFS", "OpenRoot", "OpenInRoot", "NewFile",
	},
	"io/ioutil": {"WriteFile", "TempFile", "TempDir"},
	"syscall": {
		"Open", "Openat", "Creat", "Mkdir", "Mkdirat", "Mknod", "Mkfifo", "Rename", "Renameat", "Link", "Symlink", "Truncate", "Unlink", "Unlinkat", "Rmdir",
		"Chmod", "Fchmodat", "Chown", "Syscall", "Syscall6", "RawSyscall", "RawSyscall6",
	},
}

func TestOneRoomWritesFiles(t *testing.T) {
	found := map[string][]string{}
	for folder, sources := range goFolders(t, ".") {
		if folder == writer {
			continue
		}
		for _, file := range sources {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			calls, err := changes(text)
			if err != nil {
				t.Fatal(err)
			}
			if len(calls) > 0 {
				found[filepath.ToSlash(file)] = calls
			}
		}
	}
	for file, calls := range found {
		for _, call := range calls {
			if !slices.Contains(writers[file].calls, call) {
				t.Errorf("%s uses %s; write files with %s, or say in writers_test.go why not", file, call, writer)
			}
		}
	}
	for file, allowed := range writers {
		for _, call := range allowed.calls {
			if !slices.Contains(found[file], call) || allowed.why == "" {
				t.Errorf("%s may use %s, and does not, or nobody knows why", file, call)
			}
		}
	}
}

// changes names what in a Go file changes the disk, each once.
func changes(source []byte) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", source, 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{} // of the imported packages, in the file
	var found []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if changing[imported] == nil && imported != "golang.org/x/sys/unix" {
			continue
		}
		name := filepath.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." || imported == "golang.org/x/sys/unix" {
			found = append(found, fmt.Sprintf("%s %s", name, imported))
		}
		names[name] = imported
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if selected, is := n.(*ast.SelectorExpr); is {
			if name, is := selected.X.(*ast.Ident); is && slices.Contains(changing[names[name.Name]], selected.Sel.Name) {
				found = append(found, names[name.Name]+"."+selected.Sel.Name)
			}
		}
		return true
	})
	slices.Sort(found)
	return slices.Compact(found), nil
}

func TestWhatChangesTheDiskIsSeen(t *testing.T) {
	for source, want := range map[string][]string{
		`import "os"; func f() { os.WriteFile("x", nil, 0) }`:                                              {"os.WriteFile"},
		`import "os"; func f() { os.OpenFile("x", os.O_CREATE, 0); os.OpenFile("y",0,0) }`:                 {"os.OpenFile"},
		`import o "os"; var create = o.Create`:                                                             {"os.Create"},
		`import . "os"; func f() { Create("x") }`:                                                          {". os"},
		`import "syscall"; func f() { syscall.Open("x", 0, 0) }`:                                           {"syscall.Open"},
		`import "golang.org/x/sys/unix"; func f() { unix.Creat("x", 0) }`:                                  {"unix golang.org/x/sys/unix"},
		`import "os"; func f() { os.ReadFile("x"); os.Open("x"); os.Stat("x") }`:                           nil,
		`import "os"; type os2 struct{}; func (os2) Create() {}; func f() { os.Getpid(); os2{}.Create() }`: nil,
	} {
		got, err := changes([]byte("package p\n" + strings.ReplaceAll(source, "; ", "\n")))
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", source, diff)
		}
	}
}

// Files that commands are named are read by one room, up to a limit.
func TestOneRoomReadsTheFilesThatCommandsAreNamed(t *testing.T) {
	readers := []string{"cmd/doublelock/input", writer}
	for folder, sources := range goFolders(t, "cmd/doublelock") {
		folder = strings.TrimSuffix("cmd/doublelock/"+folder, "/.")
		if slices.Contains(readers, folder) {
			continue
		}
		for _, file := range sources {
			text, err := os.ReadFile(filepath.Join("cmd", "doublelock", file))
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range []string{"os.ReadFile(", "os.Open(", "io.ReadAll("} {
				if strings.Contains(string(text), call) {
					t.Errorf("cmd/doublelock/%s uses %s); read files with cmd/doublelock/input", file, call)
				}
			}
		}
	}
}
