package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/doublelock/doublelock/shared/policy"
)

// ErrNotInstalled says that the second engine is not there: npm ci installs it.
var ErrNotInstalled = errors.New("node_modules has no @cloud-copilot/iam-simulate: run npm ci")

// Opinion is what the second engine says of one question.
type Opinion struct {
	Answer policy.Answer `json:"answer"`
	Error  string        `json:"error"` // why it gives none
}

// Opinions asks the second engine, in one process for all. Questions are anything that marshals to cases as
// testdata/policy/simulate.mjs reads them; root is the way to the repository's root.
func Opinions(ctx context.Context, root string, questions any) ([]Opinion, error) {
	if _, err := os.Stat(filepath.Join(root, "node_modules", "@cloud-copilot", "iam-simulate")); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotInstalled
	}
	input, err := json.Marshal(questions)
	if err != nil {
		return nil, fmt.Errorf("encode questions: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(root, "testdata", "policy", "simulate.mjs"))
	cmd.Stdin = bytes.NewReader(input)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run second engine: %w: %s", err, problems.String())
	}
	var opinions []Opinion
	if err := json.Unmarshal(output, &opinions); err != nil {
		return nil, fmt.Errorf("decode its answers: %w", err)
	}
	return opinions, nil
}

// Difference is a decision of which the second engine thinks otherwise.
type Difference struct {
	Decision Decision
	Opinion  Opinion
	Reason   *Reason // what explains it; nil for nothing
}

// Report is what came of a docket.
type Report struct {
	Taken, Asked, Agreed int // decisions; Asked are those that differ from each other
	Differences          []Difference
}

// Ask asks the second engine for all decisions of a docket.
func Ask(ctx context.Context, root string, docket *Docket) (Report, error) {
	list, taken := docket.list()
	questions := make([]question, 0, len(list))
	for _, d := range list {
		questions = append(questions, asked(d))
	}
	opinions, err := Opinions(ctx, root, questions)
	if err != nil {
		return Report{}, err
	}
	if len(opinions) != len(list) {
		return Report{}, fmt.Errorf("%d answers to %d questions", len(opinions), len(list))
	}
	r := Report{Taken: taken, Asked: len(list)}
	for i, d := range list {
		if opinions[i].Answer == d.Answer {
			r.Agreed++
			continue
		}
		r.Differences = append(r.Differences, Difference{Decision: d, Opinion: opinions[i], Reason: explain(d, opinions[i])})
	}
	return r, nil
}
