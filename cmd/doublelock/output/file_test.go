package output_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/output"
)

func TestAResultForStandardOutputHasItAlone(t *testing.T) {
	for path, want := range map[string]struct{ out, errs, file string }{
		"-":                          {out: "whole", errs: "beside"},
		"./-":                        {out: "beside", file: "whole"},
		"plan.json":                  {out: "beside", file: "whole"},
		filepath.Join(".", "a.json"): {out: "beside", file: "whole"},
	} {
		t.Chdir(t.TempDir())
		var out, errs bytes.Buffer
		p := output.New(&out, &errs, func(string) string { return "" })
		if err := p.CheckFile(path); err != nil {
			t.Error(err)
		}
		if err := p.WriteFile(path, []byte("whole")); err != nil {
			t.Error(err)
		}
		if _, err := p.Beside(path).Stdout.Write([]byte("beside")); err != nil {
			t.Error(err)
		}
		file, _ := os.ReadFile(path) // a file that should be there has a text
		if out.String() != want.out || errs.String() != want.errs || string(file) != want.file {
			t.Errorf("%s: out %q, errors %q, file %q, want %+v", path, out.String(), errs.String(), file, want)
		}
	}
}

func TestAResultThatStandardOutputDoesNotTakeIsAnError(t *testing.T) {
	out, err := os.Open(os.DevNull) // to read
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p := output.New(out, out, func(string) string { return "" })
	if err := p.WriteFile("-", []byte("whole")); err == nil || p.Unwritten() == nil {
		t.Errorf("%v, %v", err, p.Unwritten())
	}
}
