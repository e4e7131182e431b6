package demo_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/policy/judge"
	"github.com/doublelock/doublelock/shared/policy/judge/judgetest"
)

// A belief that the engine, the local AWS and the product share passes the whole story; a second engine is asked as well.
func TestASecondEngineDecidesTheStoryAsTheLocalAWSDoes(t *testing.T) {
	var decisions judge.Docket
	decide := func(d localaws.Decision) { decisions.Add(judge.Decision(d)) }
	env := &command.Env{Printer: output.New(io.Discard, io.Discard, os.Getenv)}
	play, stop, err := demo.Watched(t.Context(), env, 1, decide)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := play(t.Context()); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if !judgetest.Check("../../..", &decisions, &said) || decisions.Len() < 200 {
		t.Errorf("%d decisions\n%s", decisions.Len(), &said)
	}
	t.Log(said.String())
}
