package demo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
)

// That a lost reader is seen before it breaks rests on which copy AWS tries first: an open question. With the other answer
// the story goes otherwise.
func TestTheStoryFollowsAReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	for _, tt := range []struct {
		report, says string
		code         int
		rolledBack   bool
	}{
		{`{"format":1,"results":[{"question":"secretsmanager.rekeyed.tried-first","answer":"new-first"}]}`, "", 0, true},
		{`{"format":1,"results":[{"question":"secretsmanager.rekeyed.tried-first","answer":"old-first"}]}`, "", 0, true}, // a read that fails by every key
		{`{"format":1,"results":[{"question":"secretsmanager.rekeyed.listed","answer":"new-only"}]}`, "cannot follow the report in secretsmanager.rekeyed.listed: new-only: the local AWS cannot behave so\n", 4, true},
		{`{"format":1,"results":[{"question":"kms.newer","answer":"yes"}]}`, "doublelock: demo: --behavior: 1 answer is not followed\n", 4, true},
		{`{"format":1,"against":"AWS","results":[{"question":"secretsmanager.replica.own-key","answer":"refused"},{"question":"secretsmanager.replica.own-key-shown","answer":"shown"}]}`,
			"doublelock: demo: --behavior: 1 answer is not followed\n", 4, true},
		{`{"format":1,"partition":"aws-cn","results":[{"question":"secretsmanager.rekeyed.tried-first","answer":"old-first"}]}`, `it is of "aws-cn", and the local AWS is in aws`, 1, false},
		{`{"format":3}`, "doublelock: demo: --behavior: " + file + ": read report: its format is 3", 1, false},
	} {
		if err := os.WriteFile(file, []byte(tt.report), 0o600); err != nil {
			t.Fatal(err)
		}
		out, errs, code := commandtest.Line{New: demo.New}.Run(t, "demo", "--behavior", file)
		if code != tt.code || !strings.Contains(errs, tt.says) || strings.Contains(out, "rolled_back") != tt.rolledBack {
			t.Errorf("%s: exit code %d, rolled back %t: %s", tt.report, code, strings.Contains(out, "rolled_back"), errs)
		}
	}
}
