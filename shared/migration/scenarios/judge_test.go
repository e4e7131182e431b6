package scenarios_test

import (
	"os"
	"testing"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/policy/judge"
	"github.com/doublelock/doublelock/shared/policy/judge/judgetest"
)

// decisions are all that the local AWS took while the scenarios were played.
var decisions judge.Docket

func decided(d localaws.Decision) { decisions.Add(judge.Decision(d)) }

// A belief that the engine, the local AWS and the product share passes every scenario; a second engine is asked as well.
func TestMain(m *testing.M) {
	code := m.Run()
	if !judgetest.Check("../../..", &decisions, os.Stderr) {
		code = max(code, 1)
	}
	os.Exit(code)
}
