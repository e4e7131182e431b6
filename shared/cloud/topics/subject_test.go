package topics_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/doublelock/doublelock/shared/cloud/topics"
)

func FuzzSubjectsFitSNS(f *testing.F) {
	for _, s := range []string{"", "plain", "two\nlines", strings.Repeat("long ", 40), "\x00\x7f", "日本", " lead"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := topics.CleanSubject(s)
		if len(got) > 100 || strings.TrimSpace(got) != got {
			t.Errorf("%q becomes %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' || r == 0x7f }) {
			t.Errorf("%q becomes %q", s, got)
		}
		if again := topics.CleanSubject(got); again != got {
			t.Errorf("%q is cleaned twice to %q", got, again)
		}
	})
}
