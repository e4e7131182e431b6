package doublelock_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// aliveMark begins the name of a file that is no part of a recipe: a test of what the recipe has made.
const aliveMark = "alive: "

// recipes are those of README, each with an example in testdata/recipes: a new file is whole there, an old one has hunks.
var recipes = map[string]struct {
	heading string // in README
	name    string // what <name> stands for in the example
}{
	"control": {"A control", ""},
	"channel": {"A channel", "beeper"},
	"event":   {"An event", "update-key-description"},
	"handler": {"A handler", "tally"},
}

// Whoever follows a recipe of README touches three files at most, and what they add is alive.
func TestRecipesAreThreeFilesAndWork(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for example, r := range recipes {
		t.Run(example, func(t *testing.T) {
			archive, err := txtar.ParseFile(filepath.Join("testdata", "recipes", example+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			var recipe, alive []txtar.File
			var touched []string
			for _, f := range archive.Files {
				if name, isAlive := strings.CutPrefix(f.Name, aliveMark); isAlive {
					alive = append(alive, txtar.File{Name: name, Data: f.Data})
					continue
				}
				recipe, touched = append(recipe, f), append(touched, f.Name)
			}
			files, commands := written(t, string(readme), r.heading)
			for i := range files {
				files[i] = strings.ReplaceAll(files[i], "<name>", r.name)
			}
			if diff := cmp.Diff(files, touched); diff != "" {
				t.Errorf("files (-README +%s.txtar):\n%s", example, diff)
			}
			if len(touched) > 3 {
				t.Errorf("%d files: %v", len(touched), touched)
			}
			if len(commands) == 0 {
				t.Error("README has no command for it")
			}
			if testing.Short() {
				t.Skip("builds in a scratch copy")
			}
			t.Parallel()
			scratch := scratchCopy(t)
			for _, f := range recipe {
				follow(t, scratch, f)
			}
			for _, command := range commands {
				if command != rewriteTemplates { // of every configuration; below, the test of one is run instead
					run(t, scratch, strings.Fields(strings.ReplaceAll(command, "<name>", r.name))...)
				}
			}
			checkRooms(t, scratch)
			for _, f := range alive {
				write(t, scratch, f.Name, f.Data)
				run(t, scratch, "go", "test", "-run", "^("+strings.Join(tests(f.Data), "|")+")$", "./"+path.Dir(f.Name))
			}
		})
	}
}

// rewriteTemplates synthesizes every template: a minute, and each is compared in infra's own tests.
const rewriteTemplates = "go test ./infra -update"

var (
	numbered = regexp.MustCompile("(?m)^[0-9]\\. `([^`]+)`")
	fenced   = regexp.MustCompile("(?s)```\n(.*?)\n```")
	testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// written is what README says under a heading of its recipes: the files of the numbered list, and the commands.
func written(t *testing.T, readme, heading string) (files, commands []string) {
	t.Helper()
	_, section, found := strings.Cut(readme, "\n### "+heading+"\n")
	if !found {
		t.Fatalf("README has no recipe %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	for _, match := range numbered.FindAllStringSubmatch(section, -1) {
		files = append(files, match[1])
	}
	for _, match := range fenced.FindAllStringSubmatch(section, -1) {
		commands = append(commands, strings.Split(match[1], "\n")...)
	}
	for i, command := range commands {
		command, _, _ = strings.Cut(command, "#")
		commands[i] = strings.TrimSpace(command)
	}
	return files, commands
}

func tests(source []byte) []string {
	var names []string
	for _, match := range testName.FindAllSubmatch(source, -1) {
		names = append(names, string(match[1]))
	}
	return names
}

// scratchCopy is a copy of the files that git knows or would know.
func scratchCopy(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("list files: %v", err)
	}
	to := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, name, data)
	}
	return to
}

func write(t *testing.T, folder, name string, data []byte) {
	t.Helper()
	name = filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// follow writes a new file, or edits an old one by its hunks.
func follow(t *testing.T, folder string, f txtar.File) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(f.Name)))
	if errors.Is(err, fs.ErrNotExist) {
		write(t, folder, f.Name, f.Data)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	edited, err := edit(string(old), string(f.Data))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	write(t, folder, f.Name, []byte(edited))
}

// edit adds the lines with a "+" of each hunk, in the one place where the lines with a " " stand. Hunks have no line
// numbers, so that they fit as long as these lines do.
func edit(text, hunks string) (string, error) {
	for hunk := range strings.SplitSeq(strings.TrimPrefix(hunks, "@@\n"), "\n@@\n") {
		var before, after strings.Builder
		for line := range strings.SplitSeq(strings.TrimSuffix(hunk, "\n"), "\n") {
			mark, rest := line[:min(1, len(line))], line[min(1, len(line)):]
			switch mark {
			case " ":
				before.WriteString(rest + "\n")
				after.WriteString(rest + "\n")
			case "+":
				after.WriteString(rest + "\n")
			default:
				return "", fmt.Errorf("a line of a hunk begins with %q: %q", mark, line)
			}
		}
		if n := strings.Count(text, before.String()); before.Len() == 0 || n != 1 {
			return "", fmt.Errorf("the place of a hunk is there %d times:\n%s", n, before.String())
		}
		text = strings.Replace(text, before.String(), after.String(), 1)
	}
	return text, nil
}

// run runs a command in the scratch copy.
func run(t *testing.T, folder string, command ...string) {
	t.Helper()
	if command[0] != "go" {
		t.Fatalf("README asks for %q, which this test does not run", command)
	}
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Dir = folder
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out.String())
	}
	if strings.Contains(out.String(), "no tests to run") {
		t.Fatalf("%s: %s", strings.Join(command, " "), out.String())
	}
}
