package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

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
	options *options
	env     *command.Env
	world   *world
	started time.Time
	mask    func(conformance.Result) conformance.Result

	mu      sync.Mutex // of what follows: a run that is given up reports what it has, whatever it is doing
	results []conformance.Result
	lines   bytes.Buffer
	failed  error
	done    bool // reported
}

func newAnswers(o *options, env *command.Env, w *world) *answers {
	return &answers{options: o, env: env, world: w, started: env.Now(), mask: conformance.Masked()}
}

// add keeps and prints an answer.
func (a *answers) add(r conformance.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	r = a.world.followed.Judge(r)
	a.results = append(a.results, r)
	r = a.mask(r)
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
	if env := a.beside(); env.AsJSON() && a.failed == nil {
		a.failed = env.JSON(r)
	}
}

// beside is where answers are printed: not where the report is written.
func (a *answers) beside() *command.Env { return a.env.Beside(a.options.report) }

// report writes and prints the report of results, unless that was done, and answers it.
func (a *answers) report(results []conformance.Result) (conformance.Report, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	report := conformance.NewReport(version(), a.world.against, a.started, results)
	report.Partition = arn.PartitionOf(a.options.region)
	if a.done {
		return report, nil
	}
	a.done = true
	return report, errors.Join(a.options.write(a.env, report), a.shown(report))
}

// soFar reports what was answered until now; the other questions were stopped.
func (a *answers) soFar() error {
	var results []conformance.Result
	for _, q := range conformance.Asked(a.options.questions, a.world.options.Management != nil) {
		r := conformance.Result{Question: q.ID, Row: q.Row, Title: q.Title, Assumed: q.Assumed, Verdict: conformance.Unanswered, Reason: conformance.Stopped}
		a.mu.Lock()
		at := slices.IndexFunc(a.results, func(kept conformance.Result) bool { return kept.Question == q.ID })
		if at >= 0 {
			r = a.results[at]
		}
		a.mu.Unlock()
		if at < 0 {
			a.add(r)
		}
		results = append(results, r)
	}
	_, err := a.report(results)
	return err
}

// shown prints the report, unless it was printed answer by answer, and then keeps the answers no longer.
func (a *answers) shown(report conformance.Report) error {
	err := a.failed
	if env := a.beside(); !env.AsJSON() {
		err = errors.Join(err, table(env, report))
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
