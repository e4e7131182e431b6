package input_test

import (
	"os"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
)

func TestEveryFileOfTextIsReadAsEditorsSaveIt(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, tt := range map[string]struct{ raw, want, err string }{
		"UTF-8":                             {"{}", "{}", ""},
		"UTF-8 with a mark, as on Windows":  {"\xef\xbb\xbf{}", "{}", ""},
		"UTF-16":                            {"\xff\xfe{\x00}\x00", "", "file: the file is UTF-16; save it as UTF-8"},
		"UTF-16, the other way round":       {"\xfe\xff\x00{\x00}", "", "file: the file is UTF-16; save it as UTF-8"},
		"UTF-32":                            {"\xff\xfe\x00\x00{\x00\x00\x00", "", "file: the file is UTF-32; save it as UTF-8"},
		"a program":                         {"\x7fELF\x02\x01\x01\x00", "", "file: the file is not text; name a text file, saved as UTF-8"},
		"a tag with a delete character":     {"{\"a\":\"\x7f\"}", "{\"a\":\"\x7f\"}", ""},
		"nothing, of which its reader says": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile("file", []byte(tt.raw), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := input.Text(&command.Env{}, "file", input.MaxDocument)
			if string(got) != tt.want || (err != nil) != (tt.err != "") || err != nil && err.Error() != tt.err {
				t.Errorf("%q, %v; want %q, %s", got, err, tt.want, tt.err)
			}
		})
	}
}
