package config_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/config"
)

// Editors and shells of other systems write byte order marks and UTF-16.
func TestFilesThatEditorsWrite(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "config", "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sample := string(raw)
	var wide []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + sample)) {
		wide = binary.LittleEndian.AppendUint16(wide, unit)
	}
	refused := func(why string) string {
		return "standard input:1:1: the file is " + why + "\ndoublelock: 1 problem in 1 file\n"
	}
	for name, tt := range map[string]struct {
		text           string
		code           int
		stdout, stderr string
	}{
		"a byte order mark is read over": {"\ufeff" + sample, 0, "1 file: no problems, 2 warnings\n", warnings("standard input")},
		"UTF-16 is refused in one line":  {string(wide), 1, "", refused("UTF-16; save it as UTF-8")},
		"so is what is no text":          {"\x7fELF\x02\x01\x01\x00\x1b[2J", 1, "", refused("not text; name a YAML file, saved as UTF-8")},
		"and text in another encoding":   {"# f\xfcr alle\n" + sample, 1, "", refused("not text; name a YAML file, saved as UTF-8")},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := commandtest.Line{New: config.New, Stdin: tt.text}.Run(t, "config", "validate", "-")
			if code != tt.code || out != tt.stdout || errs != tt.stderr {
				t.Errorf("exit code %d\n%q\n%q", code, out, errs)
			}
		})
	}
}

func TestTheFileMayBeNamedByTheFlagOfEveryCommand(t *testing.T) {
	sample := filepath.Join("..", "..", "..", "testdata", "config", "sample.yaml")
	for _, flag := range []string{"--config", "-c"} {
		if out, errs, code := (commandtest.Line{New: config.New}).Run(t, "config", "validate", flag, sample); code != 0 || out != "1 file: no problems, 2 warnings\n" || errs != warnings(sample) {
			t.Errorf("%s: exit code %d, %q, %q", flag, code, out, errs)
		}
	}
}

// warnings are those of the sample: its last stage is guarded by no SCP yet.
func warnings(name string) string {
	const fix = "; set protectApproval: true or scp: true there, or approve its keys by account or ARN\n"
	return name + ":39:15: warning: in stage watching the owner of a key can move alias/doublelock/secrets, so it approves none there" + fix +
		name + ":40:5: warning: in stage watching the owner of a key can write its tags, so they approve none there" + fix
}
