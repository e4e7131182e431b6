package doublelock_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// privateWords are words that nobody in the field uses for what we do. Each has one that everybody knows.
var privateWords = map[string]string{
	"tell": "notify", "tells": "notify", "told": "notified", "hear": "receive", "hears": "receives", "heard": "received",
	"ear": "subscriber", "crew": "worker pool", "door": "client", "deaf": "inactive", "stirs": "active", "yard": "world",
	"theatre": "scenario", "stocktaking": "inventory", "letter": "message", "checkup": "health",
	"looker": "inspector", "place": "location", "places": "locations",
	"hall": "fake hub", "ward": "fake hub", "clinic": "fake organization", "cage": "fake path", "town": "test account",
	"realm": "testbed",
}

// A newcomer searches for the field's word and finds the room, the file, the function.
func TestNamesAreTheFieldsWords(t *testing.T) {
	for _, files := range []map[string][]string{goFolders(t, "."), testFolders(t, ".")} {
		namesAreTheFieldsWords(t, files)
	}
}

func namesAreTheFieldsWords(t *testing.T, folders map[string][]string) {
	t.Helper()
	for _, files := range folders {
		for _, file := range files {
			for _, word := range words(strings.TrimSuffix(filepath.Base(file), ".go")) {
				refuse(t, file, word)
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				name, isName := n.(*ast.Ident)
				declared := isName && name.Obj != nil
				if f, isFunction := n.(*ast.FuncDecl); isFunction {
					name, declared = f.Name, true
				}
				if declared && !strings.Contains(strings.ToLower(name.Name), "deadletter") {
					for _, word := range words(name.Name) {
						refuse(t, file+": "+name.Name, word)
					}
				}
				return true
			})
		}
	}
}

// Texts say it in the same words: comments, messages, names of test rows, the manual.
func TestTextsAreInTheFieldsWords(t *testing.T) {
	private := regexp.MustCompile(`(?i)\b(hears?|heard|deaf|crew|yard|theatre|stocktaking|stirs|clinic)\b`)
	var files []string
	for _, folders := range []map[string][]string{goFolders(t, "."), testFolders(t, ".")} {
		for _, inside := range folders {
			files = append(files, inside...)
		}
	}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if file == "words_test.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := private.FindString(line); word != "" {
				t.Errorf("%s:%d: %q is a private word: %s", file, i+1, word, strings.TrimSpace(line))
			}
		}
	}
}

func refuse(t *testing.T, where, word string) {
	t.Helper()
	if better, private := privateWords[word]; private {
		t.Errorf("%s: %q is a private word; the field says %q", where, word, better)
	}
}

// words are the parts of a name in lower case: "tellState" is "tell" and "state".
func words(name string) []string {
	var out []string
	for part := range strings.SplitSeq(name, "_") {
		start := 0
		runes := []rune(part)
		for i := 1; i < len(runes); i++ {
			if unicode.IsUpper(runes[i]) && !unicode.IsUpper(runes[i-1]) {
				out = append(out, strings.ToLower(string(runes[start:i])))
				start = i
			}
		}
		out = append(out, strings.ToLower(string(runes[start:])))
	}
	return slices.Compact(out)
}
