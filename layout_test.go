// Package doublelock_test holds the house in shape: which rooms exist and which may know which.
package doublelock_test

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

const module = "github.com/doublelock/doublelock/"

// rooms lists every folder with Go code and what it may import besides the standard library. A folder with "*" stands for
// every one of that shape that has no row of its own. In a list, "shared/*" and "handlers/*" mean every room below, a
// prefix ending in "/" allows a module and all below it, and ".." is the folder above. Tests may import more, and every
// room may import shared/arn.
var rooms = map[string][]string{
	".":                             {},
	"shared/arn":                    {"github.com/aws/aws-sdk-go-v2/aws/arn"},
	"shared/guard":                  {},
	"shared/policy":                 {},
	"shared/policy/policytest":      {"shared/policy"},
	"shared/policy/judge":           {"shared/localaws", "shared/policy"},
	"shared/policy/judge/judgetest": {"shared/policy/judge"},
	"shared/trail":                  {"shared/guard", "golang.org/x/text/encoding/unicode"}, // exports in UTF-16
	"shared/preventive":             {"shared/guard", "shared/policy", "shared/settings"},
	"shared/simulate":               {"shared/guard", "shared/policy", "shared/trail", "shared/preventive", "shared/settings"},
	"shared/keyreview":              {"shared/awscli", "shared/guard", "shared/policy", "shared/inventory", "shared/trail"}, // trail: who approved a key
	"shared/inventory":              {"shared/guard", "shared/policy"},
	"shared/migration":              {"shared/guard", "shared/policy", "shared/inventory", "shared/store", "shared/awscli", "shared/hashtree", "shared/window"},
	"shared/hashtree":               {},
	"shared/window":                 {},
	"shared/operator":               {"shared/migration", "shared/store", "shared/window"},
	"shared/fleet":                  {"shared/guard", "shared/policy", "shared/inventory", "shared/migration", "shared/store", "shared/trail", "golang.org/x/sync/errgroup"},
	"shared/fleet/live/accounts":    {"shared/guard", "shared/inventory", "shared/policy", "shared/preventive", "shared/fleet", "shared/settings", "shared/store", "shared/cloud", "shared/cloud/organization"},
	"shared/fleet/live/snapshots":   {"shared/inventory", "shared/fleet", "shared/fleet/live/accounts", "shared/cloud", "shared/cloud/principals", "shared/cloud/secrets"},
	"shared/fleet/live/migrations":  {"shared/guard", "shared/migration", "shared/operator", "shared/outbox", "shared/store", "shared/fleet", "shared/fleet/live/accounts", "shared/fleet/live/snapshots", "shared/settings", "shared/cloud", "shared/cloud/*"},
	"shared/fleet/live/deployment":  {"shared/trail", "shared/outbox", "shared/preventive", "shared/store", "shared/fleet", "shared/fleet/live/accounts", "shared/settings", "shared/cloud", "shared/cloud/*"},
	"shared/fleet/live/canary":      {"shared/guard", "shared/fleet", "shared/fleet/live/accounts", "shared/settings", "shared/cloud", "shared/cloud/*"},
	"shared/awscli":                 {},
	"shared/awscli/awsclitest":      {},
	"shared/notify":                 {"shared/guard", "shared/awscli"},
	"shared/notify/*":               {"shared/guard", "shared/notify"},
	"shared/notify/slackapi":        {"shared/guard", "shared/notify", "shared/notify/slack"}, // the same words in Slack's own API
	"shared/notify/channels":        {"shared/guard", "shared/notify", "shared/notify/*"},
	"shared/store":                  {},
	"shared/outbox":                 {"shared/guard", "shared/store"},
	"shared/store/storetest":        {"shared/store", "github.com/google/go-cmp/cmp"}, // what stored types are tried with
	"shared/settings":               {"shared/guard", "shared/notify/channels", "github.com/goccy/go-yaml", "github.com/goccy/go-yaml/", "github.com/invopop/jsonschema"},

	"shared/cloud":                  {"shared/cloud/internal/session"},
	"shared/cloud/internal/session": sdk("shared/settings", "shared/store", "golang.org/x/sync/errgroup", "golang.org/x/sync/semaphore"), // store: what a call asks right before it is sent
	"shared/cloud/profile":          sdk("shared/cloud", "shared/cloud/internal/session"),
	"shared/cloud/table":            sdk("shared/cloud", "shared/cloud/internal/session", "shared/store"),
	"shared/cloud/secrets":          sdk("shared/store", "shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/organization":     sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/principals":       sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/trails":           sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings", "golang.org/x/time/rate"),
	"shared/cloud/bus":              sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/topics":           sdk("shared/cloud", "shared/cloud/internal/session"),
	"shared/cloud/subscriber":       sdk("shared/cloud", "shared/cloud/internal/session"),
	"shared/cloud/queues":           sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/functions":        sdk("shared/cloud", "shared/cloud/internal/session", "shared/settings"),
	"shared/cloud/sandbox":          sdk("shared/cloud", "shared/cloud/internal/session", "shared/cloud/trails", "shared/trail"),

	"shared/conformance": {"shared/cloud/sandbox", "shared/localaws", "shared/trail", "golang.org/x/sync/errgroup"}, // localaws: what a report makes it do

	"shared/localaws":                {"shared/localaws/core", "shared/localaws/kms", "shared/localaws/secretsmanager", "shared/localaws/messaging", "shared/localaws/dynamodb", "shared/localaws/cloudformation"},
	"shared/localaws/core":           {"shared/policy"},
	"shared/localaws/kms":            {"shared/policy", "shared/localaws/core"},
	"shared/localaws/secretsmanager": {"shared/localaws/core", "shared/localaws/kms", "shared/localaws/messaging"},
	"shared/localaws/messaging":      {"shared/policy", "shared/localaws/core", "shared/localaws/kms", "shared/localaws/pattern"},
	"shared/localaws/dynamodb":       {"shared/localaws/core"},
	"shared/localaws/cloudformation": {"shared/localaws/core"},
	"shared/localaws/pattern":        {},

	"shared/drift": {}, // AWS's models against what we know; of the tests

	"shared/doubles":             {},
	"shared/doubles/doublestest": {"shared/doubles"},

	"handlers":          {"shared/guard", "github.com/aws/aws-lambda-go/events"},
	"handlers/hub":      {"shared/notify", "shared/outbox", "shared/settings", "shared/cloud", "shared/cloud/*", "github.com/aws/aws-lambda-go/events"},
	"handlers/wires":    {"handlers", "handlers/*", "github.com/aws/aws-lambda-go/events"},
	"handlers/*":        handler,
	"handlers/*/lambda": {"..", "github.com/aws/aws-lambda-go/lambda"},

	"cmd/doublelock":                      {"cmd/doublelock/*", "github.com/spf13/cobra"},
	"cmd/doublelock/files":                {},
	"cmd/doublelock/output":               {"cmd/doublelock/files", "github.com/jedib0t/go-pretty/v6/", "github.com/schollz/progressbar/v3", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"},
	"cmd/doublelock/command":              {"cmd/doublelock/output"},
	"cmd/doublelock/input":                {"cmd/doublelock/command", "cmd/doublelock/output", "shared/inventory", "shared/migration", "shared/settings", "shared/trail", "github.com/spf13/cobra", "github.com/goccy/go-yaml"},
	"cmd/doublelock/flags":                {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd/doublelock/caller":               {"shared/cloud", "shared/guard"},
	"cmd/doublelock/hub":                  {"cmd/doublelock/command", "cmd/doublelock/input", "shared/cloud", "shared/cloud/profile", "shared/cloud/table", "shared/settings"},
	"cmd/doublelock/locks":                {"shared/inventory", "shared/policy"},
	"cmd/doublelock/commandtest":          {"cmd/doublelock/command", "cmd/doublelock/flags", "cmd/doublelock/output", "github.com/spf13/cobra"},
	"cmd/doublelock/audit":                commandLine("cmd/doublelock/caller", "shared/cloud", "shared/cloud/*", "shared/fleet", "shared/fleet/live/accounts", "shared/guard", "shared/settings"), // fleet: which SCPs are attached
	"cmd/doublelock/can":                  commandLine("cmd/doublelock/locks", "shared/inventory", "shared/policy"),
	"cmd/doublelock/config":               commandLine("shared/cloud", "shared/cloud/*", "shared/guard", "shared/preventive", "shared/settings"),
	"cmd/doublelock/conformance":          commandLine("cmd/doublelock/caller", "shared/awscli", "shared/conformance", "shared/cloud", "shared/cloud/profile", "shared/cloud/sandbox", "shared/doubles", "shared/localaws", "shared/settings"), // settings: the variable of the endpoint
	"cmd/doublelock/demo":                 commandLine("handlers", "shared/conformance", "cmd/doublelock/demo/local", "shared/cloud", "shared/cloud/*", "shared/guard", "shared/localaws", "shared/settings", "shared/trail", "testdata/config"),
	"cmd/doublelock/demo/local":           {"cmd/doublelock/files", "handlers", "handlers/wires", "github.com/aws/aws-lambda-go/events", "shared/cloud", "shared/cloud/*", "shared/guard", "shared/localaws", "shared/settings", "shared/store", "testdata/config", "testdata/templates"},
	"cmd/doublelock/demo/local/localtest": {"cmd/doublelock/demo/local", "cmd/doublelock/files", "shared/settings", "testdata/templates"},
	"cmd/doublelock/doctor":               commandLine("handlers", "shared/fleet", "shared/fleet/live/*", "shared/cloud", "shared/cloud/*", "shared/settings"),
	"cmd/doublelock/inventory":            commandLine("shared/fleet", "shared/fleet/live/*", "shared/cloud", "shared/cloud/*", "shared/inventory"),
	"cmd/doublelock/keys":                 commandLine("shared/guard", "shared/inventory", "shared/keyreview", "shared/preventive", "shared/settings", "shared/trail", "github.com/goccy/go-yaml"), // trail: who was seen using or approving keys
	"cmd/doublelock/migrate":              commandLine("shared/awscli", "shared/fleet", "shared/fleet/live/*", "shared/cloud", "shared/cloud/*", "shared/guard", "shared/inventory", "shared/migration", "shared/operator", "shared/settings", "shared/store", "shared/trail", "shared/window"),
	"cmd/doublelock/pause":                commandLine("cmd/doublelock/hub", "shared/guard", "shared/settings", "shared/store"),
	"cmd/doublelock/policy":               commandLine("shared/policy", "shared/policy/policytest"),
	"cmd/doublelock/readers":              commandLine("cmd/doublelock/locks", "shared/inventory", "shared/policy"),
	"cmd/doublelock/repair":               commandLine("cmd/doublelock/hub", "shared/cloud", "shared/cloud/table", "shared/guard", "shared/migration", "shared/store"),
	"cmd/doublelock/replay":               commandLine("shared/trail"),
	"cmd/doublelock/scp":                  commandLine("shared/conformance", "shared/guard", "shared/inventory", "shared/policy", "shared/preventive", "shared/settings", "shared/simulate", "shared/trail"), // conformance: what AWS answered
	"cmd/doublelock/version":              commandLine(),

	"cmd/mutants": {}, // a tool of the repository, not shipped

	"infra": {"shared/guard", "shared/trail", "shared/policy", "shared/preventive", "shared/settings", "shared/notify/channels", "github.com/aws/aws-cdk-go/", "github.com/aws/constructs-go/", "github.com/aws/jsii-runtime-go"},

	"docs/manual":        {"github.com/google/go-cmp/cmp"}, // for tests that write a part of a page
	"testdata/config":    {},                               // the sample configuration in each partition, embedded
	"testdata/templates": {},                               // the synthesized templates, embedded
}

// handler is what a handler may import; wiring is what its wire.go alone may, which joins it to AWS and the settings.
var (
	handler = []string{
		"handlers", "shared/guard", "shared/trail", "shared/policy", "shared/store", "shared/migration", "shared/operator", "shared/fleet", "shared/notify",
		"shared/notify/channels", "shared/inventory", "github.com/aws/aws-lambda-go/events", "golang.org/x/sync/errgroup",
	}
	wiring = []string{"handlers/hub", "handlers/detect", "shared/outbox", "shared/fleet/live/*", "shared/settings", "shared/cloud", "shared/cloud/*"}
)

// sdk is what the packages of AWS may import: one a service, so that a function links only the services that it calls.
func sdk(rooms ...string) []string {
	return append(rooms, "shared/guard", "github.com/aws/aws-sdk-go-v2/", "github.com/aws/smithy-go", "github.com/aws/smithy-go/")
}

// commandLine is what a command may import: what all of them share, and rooms of its own. The local AWS is the demo's and
// conformance's.
func commandLine(rooms ...string) []string {
	return append(rooms, "cmd/doublelock/command", "cmd/doublelock/files", "cmd/doublelock/flags", "cmd/doublelock/input", "cmd/doublelock/output", "github.com/spf13/cobra", "github.com/spf13/pflag")
}

var topLevel = []string{
	"infra", "handlers", "shared", "cdk.json", "go.mod", "go.sum", "README.md",
	"cmd", "docs", "testdata", "Makefile", ".ci", ".github", ".golangci.yml", "LICENSE", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "layout_test.go", "copies_test.go", "drift_test.go", "drift_known_test.go", "drift_alarm_test.go", "drift_actions_test.go", "drift_keys_test.go", "words_test.go", "printed_test.go", "readers_test.go", "recipes_test.go", "rights_test.go", "shipped_test.go", "writers_test.go",
	"tools.mod", "tools.sum", "package.json", "package-lock.json", "requirements-dev.txt", "requirements-strangers.txt", ".npmrc", ".gitignore", ".gitattributes",
	".git", "dist", "cdk.out", "node_modules", ".venv", ".venv-strangers", // not tracked
}

var illegalNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "models", "base"}

func TestEveryRoomIsListedAndImportsOnlyWhatItMay(t *testing.T) { checkRooms(t, ".") }

func checkRooms(t *testing.T, root string) {
	t.Helper()
	for folder, files := range goFolders(t, root) {
		allowed, listed := room(folder)
		if !listed {
			t.Errorf("%s: not a room of the house; list it in layout_test.go with what it may import", folder)
			continue
		}
		if slices.Contains(illegalNames, path.Base(folder)) {
			t.Errorf("%s: says nothing about what is inside", folder)
		}
		for _, file := range files {
			allowed := allowed
			if path.Base(filepath.ToSlash(file)) == "wire.go" {
				allowed = slices.Concat(allowed, wiring)
			}
			for _, imported := range imports(t, filepath.Join(root, file)) {
				if imported != "shared/arn" && !mayImport(allowed, imported) {
					t.Errorf("%s: %s may not import %s", file, folder, imported)
				}
			}
		}
	}
}

// room is what a folder may import: by its own row, else by that of its shape.
func room(folder string) (allowed []string, listed bool) {
	if allowed, listed = rooms[folder]; listed {
		return allowed, true
	}
	for shape, allowed := range rooms {
		if fits, err := path.Match(shape, folder); err == nil && fits {
			allowed = slices.Clone(allowed)
			if at := slices.Index(allowed, ".."); at >= 0 {
				allowed[at] = path.Dir(folder)
			}
			return allowed, true
		}
	}
	return nil, false
}

func TestEveryListedRoomIsThere(t *testing.T) {
	folders := goFolders(t, ".")
	for room := range rooms {
		there := room == "." // the top level has tests alone
		for folder := range folders {
			fits, err := path.Match(room, folder)
			there = there || err == nil && fits
		}
		if !there {
			t.Errorf("%s: listed, and has no Go file", room)
		}
	}
}

// The manual names every room, or the room above that it is part of.
func TestTheManualNamesEveryRoom(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for folder := range goFolders(t, ".") {
		named := folder == "testdata" || strings.HasPrefix(folder, "testdata/")
		for room := folder; room != "."; room = path.Dir(room) {
			named = named || strings.Contains(string(manual), "| `"+room+"` |")
		}
		if !named {
			t.Errorf("docs/architecture.md has no row for %s or what is above it", folder)
		}
	}
}

func TestTopLevelHoldsOnlyWhatItShould(t *testing.T) {
	entries, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(topLevel, entry) {
			t.Errorf("%s: does not belong at the top level", entry)
		}
	}
}

// A room that outgrows its sentence is split by meaning.
func TestNoRoomIsTooLarge(t *testing.T) {
	limits := map[string]int{"handlers": 500, "cmd/doublelock": 600, "shared/migration": 8100} // one machine
	for folder, files := range goFolders(t, ".") {
		limit, lines := cmp.Or(limits[folder], 6500), 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte{'\n'})
		}
		if lines > limit {
			t.Errorf("%s: %d lines without tests, at most %d", folder, lines, limit)
		}
	}
}

func TestNoGoFileSitsInSharedItself(t *testing.T) {
	files, err := filepath.Glob("shared/*.go")
	if err != nil || len(files) > 0 {
		t.Errorf("shared holds %v (%v); each file belongs in a room", files, err)
	}
}

// trail recognises our own sessions without knowing settings, which name them.
func TestNamesThatTwoRoomsShareAreTheSame(t *testing.T) {
	if trail.SessionPrefix != settings.SessionPrefix {
		t.Errorf("trail.SessionPrefix = %q, settings.SessionPrefix = %q", trail.SessionPrefix, settings.SessionPrefix)
	}
	roles := []string{settings.RoleRead, settings.RoleTag, settings.RoleChange}
	if !slices.Equal(trail.OwnRoles(), roles) {
		t.Errorf("trail.OwnRoles() = %q, settings has %q", trail.OwnRoles(), roles)
	}
	if guard.ReadRole != settings.RoleRead {
		t.Errorf("guard.ReadRole = %q, settings.RoleRead = %q", guard.ReadRole, settings.RoleRead)
	}
	if trail.TaskSource != settings.EventSource || trail.TaskDetailType != settings.DetailTypeSchedule {
		t.Errorf("trail reads tasks of %q as %q, settings names %q and %q", trail.TaskSource, trail.TaskDetailType, settings.EventSource, settings.DetailTypeSchedule)
	}
	for _, c := range guard.Controls() {
		if !strings.HasPrefix(string(c.ID), "DL.") {
			t.Errorf("control %q does not begin with DL.", c.ID)
		}
	}
}

// readOwn is the one file besides seal.go that reads values: of secrets that a conformance run made itself, random and
// dropped as soon as they are read, with the credentials of whoever runs it. No handler may import its room.
const readOwn = "shared/cloud/sandbox/secrets.go"

// Reading a value takes the owner's own credentials on the command line. No handler can do it, not even by mistake.
func TestOnlyAnOwnerSealsFromTheCommandLine(t *testing.T) {
	callers := map[string][]string{}
	for _, files := range goFolders(t, ".") {
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, isCall := n.(*ast.CallExpr)
				if !isCall {
					return true
				}
				s, isSelector := call.Fun.(*ast.SelectorExpr)
				if isSelector && slices.Contains([]string{"Seal", "GetSecretValue", "BatchGetSecretValue"}, s.Sel.Name) {
					callers[s.Sel.Name] = append(callers[s.Sel.Name], filepath.ToSlash(file))
				}
				return true
			})
		}
	}
	for name, want := range map[string]string{"GetSecretValue": "shared/cloud/secrets/seal.go", "Seal": "cmd/doublelock/migrate/seal.go", "BatchGetSecretValue": ""} {
		for _, file := range callers[name] {
			if file == readOwn && name == "GetSecretValue" {
				continue
			}
			if file != want && !strings.HasPrefix(file, "shared/localaws/") { // which seals nobody's secrets but its own
				t.Errorf("%s calls %s; only %q may", file, name, want)
			}
		}
	}
	for _, reads := range []string{"shared/cloud/secrets/seal.go", readOwn} {
		if !slices.Contains(callers["GetSecretValue"], reads) {
			t.Errorf("%s does not read a value any more: this test looks in the wrong place", reads)
		}
	}
	for folder, files := range goFolders(t, ".") {
		for _, file := range files {
			imported := imports(t, file)
			mayReadOwn := folder == "shared/conformance" || folder == "cmd/doublelock/conformance"
			if slices.Contains(imported, path.Dir(readOwn)) && !mayReadOwn {
				t.Errorf("%s imports %s, which reads values; only conformance may", file, path.Dir(readOwn))
			}
			if slices.Contains(imported, "shared/conformance") && !strings.HasPrefix(folder, "cmd/doublelock/") {
				t.Errorf("%s imports shared/conformance, which makes things in AWS; only the command line may", file)
			}
		}
	}
}

// A partition is that of the Region or ARN at hand: what is written down is right in one of them. Help is prose, and has
// examples of the standard one.
func TestOnlySharedARNWritesARNs(t *testing.T) {
	exempt := []string{"shared/arn", "shared/notify/notifytest"} // the second is a test kit
	found := 0
	for folder, files := range goFolders(t, ".") {
		for _, file := range files {
			for _, text := range literals(t, file) {
				switch {
				case !strings.Contains(text, "arn:aws:") && !strings.Contains(text, "arn:aws-"):
				case slices.Contains(exempt, folder):
					found++
				default:
					t.Errorf("%s: %q; build it with shared/arn", filepath.ToSlash(file), text)
				}
			}
		}
	}
	if found == 0 {
		t.Error("not even the test kit of channels has an ARN: this test looks in the wrong place")
	}
}

// literals are the texts of a file, but for a command's Example and Long.
func literals(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			key, isName := n.Key.(*ast.Ident)
			return !isName || key.Name != "Example" && key.Name != "Long"
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				text, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// goFolders lists the Go files below a folder that are no tests, by their folders in it.
// goFolders are the folders with Go code that is no test, and their files.
func goFolders(t *testing.T, root string) map[string][]string {
	t.Helper()
	return folders(t, root, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// testFolders are those with tests, and the files of the tests.
func testFolders(t *testing.T, root string) map[string][]string {
	t.Helper()
	return folders(t, root, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

func folders(t *testing.T, root string, wanted func(name string) bool) map[string][]string {
	t.Helper()
	folders := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || slices.Contains([]string{"node_modules", "dist", "cdk.out"}, d.Name())):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go") && wanted(name):
			folder := path.Dir(name)
			folders[folder] = append(folders[folder], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
			paths = append(paths, strings.TrimPrefix(imported, module))
		}
	}
	return paths
}

func mayImport(allowed []string, imported string) bool {
	for _, a := range allowed {
		switch {
		case a == imported,
			strings.HasSuffix(a, "/*") && strings.HasPrefix(imported, strings.TrimSuffix(a, "*")),
			strings.HasSuffix(a, "/") && strings.HasPrefix(imported, a):
			return true
		}
	}
	return false
}
