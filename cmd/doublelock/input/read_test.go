package input_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
)

func TestAFileIsReadUpToItsLimitAndNamedBeyondIt(t *testing.T) {
	t.Chdir(t.TempDir())
	const limit = 1 << 20
	for name, size := range map[string]int{"fits": limit, "long": limit + 1} {
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		path  string
		stdin int
		want  string // of the error
	}{
		"a file that fits":              {path: "fits"},
		"a file that is longer":         {path: "long", want: "read long: it is longer than 1 MB; name another file"},
		"a device that does not end":    {path: "/dev/zero", want: "read /dev/zero: it is longer than 1 MB; name another file"},
		"a folder":                      {path: ".", want: "read .: is a directory"},
		"nothing":                       {path: "gone", want: "open gone: no such file or directory"},
		"standard input that fits":      {path: "-", stdin: limit},
		"standard input that is longer": {path: "-", stdin: limit + 1, want: "read standard input: it is longer than 1 MB; name another file"},
	} {
		env := &command.Env{Stdin: strings.NewReader(strings.Repeat("x", tt.stdin))}
		raw, err := input.ReadFile(env, tt.path, limit)
		switch {
		case tt.want == "" && (err != nil || len(raw) != limit):
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		case tt.want != "" && (err == nil || err.Error() != tt.want):
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func TestASnapshotAndAPlanThatCannotBeReadAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := &command.Env{}
	_, noSnapshot := input.Snapshot(env, path)
	_, noPlan := input.Plan(env, path)
	for what, err := range map[string]error{"snapshot": noSnapshot, "plan": noPlan} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
