package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Every session of README that asks a snapshot prints what README says. With -update README says what they print.
func TestTheSessionsOfTheManualAreWhatIsPrinted(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, "README.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sessions := regexp.MustCompile("(?s)```\n\\$ (doublelock (?:can|readers) [^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(sessions) < 3 {
		t.Fatalf("%d sessions", len(sessions))
	}
	folder := t.TempDir()
	for i, session := range sessions {
		script := "cd $ROOT\nexec sh -c '" + session[1] + " 2>&1 || test $? -eq 2'\ncp stdout $WORK/got\ncmp $WORK/got $WORK/want\n-- want --\n" + session[2]
		if *update {
			script = strings.Replace(script, "cmp $WORK/got $WORK/want", "cp $WORK/got $GOT", 1)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("session-%d.txtar", i)), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("sessions", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: folder,
			Setup: func(env *testscript.Env) error {
				env.Setenv("ROOT", root)
				env.Setenv("GOT", filepath.Join(folder, filepath.Base(env.WorkDir)+".got"))
				env.Setenv("NO_COLOR", "1")
				return nil
			},
		})
	})
	if !*update {
		return
	}
	changed := string(text)
	for i, session := range sessions {
		got, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("script-session-%d.got", i)))
		if err != nil {
			t.Fatal(err)
		}
		changed = strings.Replace(changed, session[1]+"\n"+session[2]+"```", session[1]+"\n"+string(got)+"```", 1)
	}
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
