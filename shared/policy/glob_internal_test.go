package policy

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestGlobAgreesWithRegularExpressions compares the matcher with regexp, which is slower and known to be right.
func TestGlobAgreesWithRegularExpressions(t *testing.T) {
	t.Parallel()
	pieces := []string{"a", "b", ":", "/", "é", string([]byte{anyRun}), string([]byte{anyOne}), string([]byte{segmentRun}), string([]byte{segmentOne})}
	expressions := map[byte]string{anyRun: "(?s).*", anyOne: "(?s).", segmentRun: "[^:]*", segmentOne: "[^:]"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "pattern"), "")
		value := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces[:5]), 0, 10).Draw(t, "value"), "")
		var expression strings.Builder
		expression.WriteString("^")
		for i := range len(text) {
			if e := expressions[text[i]]; e != "" {
				expression.WriteString(e)
			} else {
				expression.WriteString(text[i : i+1])
			}
		}
		expression.WriteString("$")
		want := regexp.MustCompile(expression.String()).MatchString(value)
		g := newGlob(text)
		if got := g.match(value); got != want {
			t.Fatalf("pattern %q, value %q: %t", text, value, got)
		}
		if want && !strings.HasPrefix(value, g.prefix) {
			t.Fatalf("pattern %q matches %q, which does not start with its prefix %q", text, value, g.prefix)
		}
	})
}

func TestAGlobBeginsWhereTheTextDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{{"?b", "ab", true}, {"?b", "aab", false}, {"?b", "b", false}, {"*b", "aab", true}, {"a?*", "a", false}, {"*", "", true}} {
		g := newGlob(wildcards.Replace(c.pattern))
		if got := g.match(c.text); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.text, got)
		}
	}
}

// A pattern of many stars takes no exponential time.
func TestGlobOfManyStarsEnds(t *testing.T) {
	t.Parallel()
	g := newGlob(wildcards.Replace(strings.Repeat("*a", 200) + "*b"))
	if g.match(strings.Repeat("a", 5000)) {
		t.Error("matched without a b")
	}
}

func TestNumbersAreComparedWithoutLosingDigits(t *testing.T) {
	t.Parallel()
	ascending := []string{"-10", "-9.5", "-9", "-0.5", "0", "0.001", "0.01", "1", "9", "10", "10.5", "9007199254740992", "9007199254740993"}
	for i, a := range ascending {
		for j, b := range ascending {
			x, okX := parseDecimal(a)
			y, okY := parseDecimal(b)
			if !okX || !okY {
				t.Fatalf("%s or %s is not read", a, b)
			}
			if got := x.compare(y); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare %s with %s: %d", a, b, got)
			}
		}
	}
	for _, bad := range []string{"", ".", "1.", "1e3", "0x10", "1,000", "--1", "NaN"} {
		if _, ok := parseDecimal(bad); ok {
			t.Errorf("%q is read as a number", bad)
		}
	}
}
