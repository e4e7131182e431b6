package doublelock_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// printed lists the commands that messages, findings, plans and notices print, by folder, and where each is run as it is printed.
var printed = map[string]string{
	"shared/guard: doublelock migrate rollback":         "cmd/doublelock/migrate/printed_test.go TestWhatIsPrintedForTheCommandLineIsTaken",
	"shared/guard: doublelock migrate seal":             "cmd/doublelock/script_keep_test.go TestStoriesInADemoThatIsKept",
	"shared/keyreview: cancel-key-deletion":             "shared/fleet/live/snapshots/printed_test.go TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding",
	"shared/keyreview: disable-key":                     "shared/fleet/live/snapshots/printed_test.go TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding",
	"shared/keyreview: enable-key":                      "shared/fleet/live/snapshots/printed_test.go TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding",
	"shared/keyreview: enable-key-rotation":             "shared/fleet/live/snapshots/printed_test.go TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding",
	"shared/keyreview: revoke-grant":                    "shared/fleet/live/snapshots/printed_test.go TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding",
	"shared/migration: doublelock migrate plan":         "cmd/doublelock/migrate/printed_test.go TestWhatIsPrintedForTheCommandLineIsTaken",
	"shared/migration: doublelock migrate resume":       "cmd/doublelock/migrate/printed_test.go TestWhatIsPrintedForTheCommandLineIsTaken",
	"shared/migration: remove-regions-from-replication": "cmd/doublelock/migrate/printed_test.go TestWhatADryRunPrintsDoesWhatItsStepDoes",
	"shared/migration: replicate-secret-to-regions":     "cmd/doublelock/migrate/printed_test.go TestWhatADryRunPrintsDoesWhatItsStepDoes",
	"shared/migration: rotate-secret":                   "cmd/doublelock/migrate/printed_test.go TestWhatADryRunPrintsDoesWhatItsStepDoes",
	"shared/migration: update-secret":                   "cmd/doublelock/migrate/printed_test.go TestWhatADryRunPrintsDoesWhatItsStepDoes",
	"shared/notify: cancel-key-deletion":                "shared/notify/fix_cli_test.go TestTheKeyOfAnIncidentIsBackAfterThePrintedCommands",
	"shared/notify: connect-custom-key-store":           "shared/notify/fix_cli_test.go TestTheKeyOfAnIncidentIsBackAfterThePrintedCommands",
	"shared/notify: describe-secret":                    "shared/notify/fix_cli_test.go TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding",
	"shared/notify: doublelock audit":                   "cmd/doublelock/audit/printed_test.go TestTheLineOfAnIncidentListsWhateverStops",
	"shared/notify: enable-key":                         "shared/notify/fix_cli_test.go TestTheKeyOfAnIncidentIsBackAfterThePrintedCommands",
	"shared/notify: get-resource-policy":                "shared/notify/fix_cli_test.go TestTheExceptionThatIsPrintedLetsUsLookAgain",
	"shared/notify: put-secret-value":                   "shared/notify/fix_cli_test.go TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding",
	"shared/notify: replicate-secret-to-regions":        "shared/notify/fix_cli_test.go TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding",
	"shared/notify: rotate-secret":                      "shared/notify/fix_cli_test.go TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding",
	"shared/notify: update-secret":                      "shared/notify/fix_cli_test.go TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding",
}

// printedBy are the functions that write a command line by its operation.
var printedBy = []string{"OnSecret", "OnKey", "onSecret", "onKey"}

var isCommand = regexp.MustCompile(`(?:^|: |&& )(?:aws (?:kms|secretsmanager|ram|iam|organizations|sqs|ssm|cloudformation) ([a-z-]+)|(doublelock [a-z]+(?: [a-z]+)?) (?:--|$))`)

// Every command that is printed is run as printed by a test that is named here; one that is not must be run, or not be printed.
func TestEveryCommandThatIsPrintedIsRunInATest(t *testing.T) {
	found := map[string]bool{}
	for folder, files := range goFolders(t, ".") {
		if !strings.HasPrefix(folder, "shared/") && !strings.HasPrefix(folder, "handlers/") && !strings.HasPrefix(folder, "infra") && !strings.HasPrefix(folder, "cmd/doublelock/migrate") || strings.HasPrefix(folder, "shared/localaws") {
			continue
		}
		for _, file := range files {
			for _, command := range commandsOf(t, file) {
				found[folder+": "+command] = true
			}
		}
	}
	for command := range found {
		file, name, _ := strings.Cut(printed[command], " ")
		text, err := os.ReadFile(filepath.FromSlash(file))
		if name == "" || err != nil || !strings.Contains(string(text), "func "+name+"(") {
			t.Errorf("%q is run by no test (%q)", command, printed[command])
		}
	}
	for command := range printed {
		if !found[command] {
			t.Errorf("%q is printed nowhere", command)
		}
	}
}

// commandsOf are the operations of the commands that a file writes.
func commandsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	text := func(e ast.Expr) string {
		if l, is := e.(*ast.BasicLit); is && l.Kind == token.STRING {
			s, _ := strconv.Unquote(l.Value)
			return s
		}
		return ""
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if slices.Contains(printedBy, name) && len(n.Args) > 0 && text(n.Args[0]) != "" {
				out = append(out, text(n.Args[0]))
			}
		case *ast.BasicLit:
			for _, m := range isCommand.FindAllStringSubmatch(text(n), -1) {
				out = append(out, m[1]+m[2])
			}
		}
		return true
	})
	return out
}
