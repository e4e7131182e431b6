package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/conformance"
)

// answered ends the name of the file beside a run's state that has its answers, as JSON lines, until they are reported: a run that is
// killed loses none that it had.
const answered = ".answers"

// answers keeps what a run is answered, and prints it at once where JSON is printed.
type answers struct {
	env    *command.Env
	world  *world
	mask   func(conformance.Result) conformance.Result
	lines  bytes.Buffer
	failed error
}

func newAnswers(env *command.Env, w *world) *answers {
	return &answers{env: env, world: w, mask: conformance.Masked()}
}

// add keeps and prints an answer.
func (a *answers) add(r conformance.Result) {
	r = a.mask(a.world.followed.Judge(r))
	a.print(r)
	if a.world.file == "" {
		return
	}
	err := json.NewEncoder(&a.lines).Encode(r)
	if err == nil {
		err = files.Write(a.world.file+answered, a.lines.Bytes())
	}
	a.failed = errors.Join(a.failed, err)
}

func (a *answers) print(r conformance.Result) {
	if a.env.AsJSON() && a.failed == nil {
		a.failed = a.env.JSON(r)
	}
}

// shown prints the report, unless it was printed answer by answer, and then keeps the answers no longer.
func (a *answers) shown(report conformance.Report) error {
	err := a.failed
	if !a.env.AsJSON() {
		err = errors.Join(err, table(a.env, report))
	}
	if a.world.file == "" {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w; the answers are in %s", err, a.world.file+answered)
	}
	return files.Remove(a.world.file + answered)
}

// showLeft prints what a run was answered before it was killed.
func showLeft(env *command.Env, file string, state conformance.State) error {
	text, err := input.ReadFile(env, file+answered, conformance.MaxReport)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	report := conformance.Report{Version: version(), Against: conformance.AWS, Partition: arn.PartitionOf(state.Region), Started: state.Started}
	if state.Endpoint != "" {
		report.Against = standInForAWS
	}
	for decoder := json.NewDecoder(bytes.NewReader(text)); err == nil && decoder.More(); {
		var r conformance.Result
		if err = decoder.Decode(&r); err == nil {
			report.Results = append(report.Results, r)
		}
	}
	if err != nil {
		return fmt.Errorf("conformance: read the answers of run %s: %w", state.Run, err)
	}
	env.Note("run %s was answered this before it ended", state.Run)
	if !env.AsJSON() {
		err = table(env, report)
	}
	for _, r := range report.Results {
		if env.AsJSON() && err == nil {
			err = env.JSON(r)
		}
	}
	if err != nil {
		return err
	}
	return files.Remove(file + answered)
}
