package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

// written is a flag, or an argument, that names what is written.
type written struct {
	args   []string // up to the name
	folder bool     // it names a folder, in which there are files
	whole  bool     // the command comes to its end without AWS
	dash   bool     // "-" is standard output, also without AWS
}

const aCase = `[{"name":"c","request":{"action":"a:B","resource":{"resource":"*"},"principal":"arn:aws:iam::111122223333:user/ana"},"expected":{"response":"ImplicitlyDenied"}}]`

// writers are those of each command, by its path and the flag.
func writers(cases string) map[string]written {
	return map[string]written{
		"doublelock inventory --out":      {args: []string{"inventory", "--out"}},
		"doublelock migrate plan --out":   {args: []string{"migrate", "plan", "--out"}},
		"doublelock policy test --junit":  {args: []string{"policy", "test", cases, "--junit"}, whole: true, dash: true},
		"doublelock scp render --dir":     {args: []string{"scp", "render", "--dir"}, whole: true, folder: true},
		"doublelock conformance --report": {args: []string{"conformance", "--against", "localaws", "--question", "secretsmanager.describe.missing", "--report"}, whole: true, dash: true},
		"doublelock conformance --state":  {args: []string{"conformance", "--against", "http://127.0.0.1:9", "--yes", "--state"}},
		"doublelock config init [FILE]":   {args: []string{"config", "init", "--organization", "o-exampleorgid", "--root", "r-ab12", "--management-account", "111122223333", "--security-account", "444455556666", "--email", "security@example.com"}, whole: true, dash: true},
	}
}

// readFlags name what is read.
var readFlags = []string{"config", "behavior", "program", "standard", "snapshot", "trail", "file", "allow", "candidate", "requests", "conformance"}

// namedInTree are the flags and arguments of the tree that name a file or folder, and are no reader's.
func namedInTree() []string {
	placeholder := regexp.MustCompile(`\b(FILE|FOLDER|DIR|PATH)\b`)
	root, _ := newRoot()
	var out []string
	everyCommand(root, func(cmd *cobra.Command) {
		if path := cmd.CommandPath(); placeholder.MatchString(strings.ReplaceAll(cmd.Use, "--out FILE", "")) && cmd.Name() == "init" {
			out = append(out, path+" [FILE]")
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if placeholder.MatchString(f.Usage) && f.Value.Type() != "bool" && !slices.Contains(readFlags, f.Name) {
				out = append(out, cmd.CommandPath()+" --"+f.Name)
			}
		})
	})
	slices.Sort(out)
	return out
}

// typed runs the command line in this process.
func typed(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &command.Env{Printer: output.New(&out, &errs, os.Getenv), Stdin: strings.NewReader(""), Now: time.Now, Getenv: os.Getenv, Ends: t.Context()}
	root := rootCommand(env)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	code = command.Code(env, root.ExecuteContext(t.Context()))
	return out.String(), errs.String(), code
}

// A flag that is new in the tree is in the table above, or among the readers; each that writes refuses what is no file of its own,
// leaves that as it is, and writes for its owner alone.
func TestWhateverNamesWhatIsWrittenRefusesLinksDevicesAndFolders(t *testing.T) {
	cases := filepath.Join(t.TempDir(), "cases.json")
	if err := os.WriteFile(cases, []byte(aCase), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "DOUBLELOCK_CONFIG", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_REGION", "us-east-1")
	var known []string
	for name := range writers(cases) {
		known = append(known, name)
	}
	slices.Sort(known)
	if got := namedInTree(); !slices.Equal(got, known) {
		t.Fatalf("the tree has %q, and these are tried: %q", got, known)
	}
	for name, w := range writers(cases) {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			refuses(t, w)
			if w.dash {
				if out, complaints, code := typed(t, append(slices.Clone(w.args), "-")...); code != 0 || out == "" {
					t.Errorf("to standard output: exit %d\n%s%s", code, out, complaints)
				}
				if _, err := os.Lstat("-"); err == nil {
					t.Error("a file called - was made")
				}
			}
			if !w.whole {
				return
			}
			if out, complaints, code := typed(t, append(slices.Clone(w.args), "new")...); code != 0 {
				t.Fatalf("exit %d\n%s%s", code, out, complaints)
			}
			private(t, "new")
		})
	}
}

// refuses has a writer write to what it must not.
func refuses(t *testing.T, w written) {
	t.Helper()
	if err := os.WriteFile("precious", []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, link := range [][2]string{{"precious", "link"}, {"nowhere", "dangling"}} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	bad := []string{"link", "dangling", "/dev/null"}
	if w.folder {
		bad = []string{"precious", "/dev/null", "dangling"}
	} else if !slices.Contains(w.args, "--report") { // which takes a folder
		if err := os.Mkdir("folder", 0o700); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, "folder", "folder/")
	}
	for _, to := range bad {
		out, complaints, code := typed(t, append(slices.Clone(w.args), to)...)
		if code != 1 || !strings.Contains(complaints, to) {
			t.Errorf("%s: exit %d\n%s%s", to, code, out, complaints)
		}
	}
	if text, err := os.ReadFile("precious"); err != nil || string(text) != "precious" {
		t.Errorf("behind the link is %q, %v", text, err)
	}
	if _, err := os.Lstat("nowhere"); err == nil {
		t.Error("something was made behind the dangling link")
	}
	if info, err := os.Lstat("/dev/null"); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		t.Errorf("the device is %v, %v", info, err)
	}
}

// private holds what was written to its owner.
func private(t *testing.T, path string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %s", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were written, %v", files, err)
	}
}

// No command writes a file by itself: what is written is written by package files.
func TestFilesAreWrittenByOneRoom(t *testing.T) {
	writes := regexp.MustCompile(`\bos\.(WriteFile|Create|CreateTemp|OpenFile|Mkdir|MkdirAll|MkdirTemp|Rename|Symlink|Link|Chmod|Truncate)\b`)
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "files"+string(filepath.Separator)) {
			return err
		}
		text, err := os.ReadFile(path)
		seen++
		if call := writes.Find(text); call != nil {
			t.Errorf("%s: %s: package files writes what commands write", path, call)
		}
		return err
	})
	if err != nil || seen < 50 {
		t.Errorf("%d files were read, %v", seen, err)
	}
}
