package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// memory is what a test may take, in KiB: a loop that never ends often collects something in every round.
const memory = 12 << 20

// A verdict is what the tests say of a mutant.
type verdict int

const (
	notReached verdict = iota // no test runs the operator
	lived                     // every test that runs it passes, of those that there is time for
	hung                      // a test ran on, and was stopped; it counts as lived
	killed                    // a test failed
)

// judge is one run over one room.
type judge struct {
	folder   string // for binaries and the files of the rewritten source
	mutants  []mutant
	verdicts []verdict
	by       []string        // the package whose test failed
	data     []byte          // the sum over all testdata
	used     map[string]bool // the notebooks of this run
	all      time.Duration   // that the tests of a package take, as far as they reach anything
	long     time.Duration   // a test that takes more is tried row by row, where it has rows
	log      io.Writer
}

func (j *judge) active() string  { return filepath.Join(j.folder, "active") }
func (j *judge) reached() string { return filepath.Join(j.folder, "reached") }

// A binary is the compiled tests of one package with all mutants in it.
type binary struct {
	file, folder string
	flags        []string
	reaching     map[int][]testTime // by operator
}

type testTime struct {
	Name string
	Took time.Duration // of processor time
}

// overlay writes files that stand for those of the room, and the list of them that the go command reads.
func (j *judge) overlay(files map[string][]byte) (string, error) {
	replace := map[string]string{}
	for name, text := range files {
		copied := filepath.Join(j.folder, filepath.Base(name))
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			return "", err
		}
		replace[name] = copied
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(j.folder, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}

func (j *judge) build(ctx context.Context, overlay, path string) (*binary, error) {
	file := filepath.Join(j.folder, strings.ReplaceAll(strings.Trim(path, "./"), "/", "-")+".test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", file, path).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests of %s: %w\n%s", path, err, out)
	}
	folder, err := filepath.Abs(path)
	b := &binary{file: file, folder: folder}
	if quiet := "-rapid.nofailfile"; exec.CommandContext(ctx, file, quiet, "-test.list", "^$").Run() == nil {
		b.flags = []string{quiet} // a failure that a mutant caused is no case for the next run
	}
	return b, err
}

// patience is the processor time that a test may take without a mutant.
const patience = 5 * time.Minute

// watch runs each test on its own, without a mutant, to learn which operators it reaches and how long it takes.
func (j *judge) watch(ctx context.Context, b *binary) error {
	command := exec.CommandContext(ctx, b.file, "-test.list", "^(Test|Example|Fuzz)")
	command.Dir = b.folder
	names, err := command.Output()
	if err != nil {
		return fmt.Errorf("list the tests of %s: %w", b.file, err)
	}
	b.reaching = map[int][]testTime{}
	if err := os.WriteFile(j.active(), []byte("reach"), 0o600); err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(names)) {
		if why := slow[name]; why != "" {
			fmt.Fprintf(j.log, "without %s: it %s\n", name, why)
			continue
		}
		whole, rows, err := j.reaches(ctx, b, name)
		if err != nil {
			return err
		}
		seen := []sight{whole}
		if whole.took > j.long && len(rows) > 0 {
			if seen, err = j.rows(ctx, b, rows); err != nil { // one needs the others
				fmt.Fprintf(j.log, "%s is taken whole: %v\n", name, err)
				seen = []sight{whole}
			}
		}
		for _, s := range seen {
			for _, operator := range s.operators {
				b.reaching[operator] = append(b.reaching[operator], testTime{Name: s.name, Took: s.took})
			}
		}
	}
	return nil
}

// A sight is what a test or a row does without a mutant.
type sight struct {
	name      string
	took      time.Duration
	operators []int
}

func (j *judge) rows(ctx context.Context, b *binary, names []string) ([]sight, error) {
	var seen []sight
	for _, name := range names {
		s, _, err := j.reaches(ctx, b, name)
		if err != nil {
			return nil, err
		}
		seen = append(seen, s)
	}
	return seen, nil
}

// reaches runs one test or row, and names the rows that it has.
func (j *judge) reaches(ctx context.Context, b *binary, name string) (sight, []string, error) {
	s := sight{name: name}
	if err := os.Remove(j.reached()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, nil, err
	}
	r := runTests(ctx, b, []string{name}, patience)
	if r.verdict != lived {
		return s, nil, fmt.Errorf("%s of %s fails without a mutant", name, b.folder)
	}
	s.took = r.used
	text, err := os.ReadFile(j.reached())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return s, nil, err
	}
	for operator := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(operator)
		if err != nil {
			return s, nil, err
		}
		s.operators = append(s.operators, n)
	}
	slices.Sort(s.operators)
	s.operators = slices.Compact(s.operators) // a test that starts processes reaches one more than once
	return s, r.rows, nil
}

// try judges, with one package's tests, every mutant that is not killed yet. One that hangs in a package would in the next.
func (j *judge) try(ctx context.Context, overlay, path string) error {
	start, before := time.Now(), j.count(killed)
	b, err := j.build(ctx, overlay, path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(b.file); errors.Is(err, os.ErrNotExist) {
		return nil // the package has no tests
	}
	notes, err := j.open(b)
	if err != nil {
		return err
	}
	var known bool
	if b.reaching, known = notes.reach(); !known {
		if err := errors.Join(j.watch(ctx, b), ctx.Err()); err != nil {
			return err
		}
		if err := notes.writeReach(b.reaching); err != nil {
			return err
		}
	}
	took := map[string]time.Duration{}
	for _, tests := range b.reaching {
		for _, t := range tests {
			took[t.Name] = t.Took
		}
	}
	j.all = 0
	for _, t := range took {
		j.all += t
	}
	for i, m := range j.mutants {
		if i%100 == 99 {
			fmt.Fprintf(j.log, "%s: %d of %d after %s\n", path, i, len(j.mutants), time.Since(start).Round(time.Second))
		}
		tests := b.reaching[m.operator]
		if m.fixed || j.verdicts[i] >= hung || len(tests) == 0 {
			continue
		}
		v, known := notes.verdicts[i]
		if !known {
			if err := os.WriteFile(j.active(), []byte(strconv.Itoa(m.id)), 0o600); err != nil {
				return err
			}
			v = inTurn(ctx, b, tests)
			if err := ctx.Err(); err != nil { // a test that was stopped by hand says nothing
				return err
			}
			if err := notes.write(i, v); err != nil {
				return err
			}
		}
		j.say(i, v, path)
	}
	fmt.Fprintf(j.log, "%s: %d killed in %s\n", path, j.count(killed)-before, time.Since(start).Round(time.Second))
	return nil
}

// tryFixed judges a mutant of a constant: it needs a build of its own, and any test may reach it.
func (j *judge) tryFixed(ctx context.Context, p *source, path string) error {
	if err := os.WriteFile(j.active(), nil, 0o600); err != nil {
		return err
	}
	for i, m := range j.mutants {
		if !m.fixed || j.verdicts[i] >= hung {
			continue
		}
		overlay, err := j.overlay(map[string][]byte{p.set.Position(m.node.Pos()).Filename: p.mutated(m)})
		if err != nil {
			return err
		}
		b, err := j.build(ctx, overlay, path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(b.file); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		notes, err := j.open(b)
		if err != nil {
			return err
		}
		v, known := notes.verdicts[0]
		if !known {
			v = runTests(ctx, b, nil, time.Minute+3*j.all).verdict
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := notes.write(0, v); err != nil {
				return err
			}
		}
		j.say(i, v, path)
	}
	return nil
}

func (j *judge) say(i int, v verdict, by string) {
	if v > j.verdicts[i] {
		j.verdicts[i], j.by[i] = v, by
	}
}

func (j *judge) count(v verdict) int {
	n := 0
	for _, other := range j.verdicts {
		if other == v {
			n++
		}
	}
	return n
}

// enough is the processor time for which a mutant is tried on a package's tests, the quick first. Whatever is left out can only
// make the result worse.
const enough = 10 * time.Second

// inTurn runs the quick tests in one process, then the slow ones, until one fails. Rows share a process with rows of
// their table.
func inTurn(ctx context.Context, b *binary, tests []testTime) verdict {
	tests = slices.SortedFunc(slices.Values(tests), func(a, b testTime) int { return cmp.Compare(a.Took, b.Took) })
	worst, spent := lived, time.Duration(0)
	for len(tests) > 0 && spent < enough {
		var names []string
		var took time.Duration
		var left []testTime
		for _, t := range tests {
			if len(names) > 0 && (took+t.Took >= time.Second/2 || table(t.Name) != table(names[0])) {
				left = append(left, t)
				continue
			}
			names, took = append(names, t.Name), took+t.Took
		}
		tests = left
		r := runTests(ctx, b, names, 2*time.Second+3*took)
		worst, spent = max(worst, r.verdict), spent+r.used
		if worst == killed {
			break
		}
	}
	return worst
}

// table is the test that a row is of; "" for a test.
func table(name string) string {
	of, _, isRow := strings.Cut(name, "/")
	if !isRow {
		return ""
	}
	return of
}

// selecting is the -test.run of tests, or of rows of one table.
func selecting(names []string) string {
	if len(names) == 0 {
		return "."
	}
	of, choice := table(names[0]), []string{}
	for _, name := range names {
		choice = append(choice, regexp.QuoteMeta(name[strings.Index(name, "/")+1:]))
	}
	selected := "^(" + strings.Join(choice, "|") + ")$"
	if of != "" {
		selected = "^" + of + "$/" + selected
	}
	return selected
}

var (
	failed = regexp.MustCompile(`^\s*--- FAIL: `)
	begun  = regexp.MustCompile(`^=== RUN   ([^/]+/[^/]+)\n`)
)

// ran is what came of a process that ran tests.
type ran struct {
	verdict
	used time.Duration // of processor time
	rows []string      // that it ran
}

// runTests runs tests by name, or all but the slow, and stops at the first sign of a failure.
// The limit is of processor time, which other work on the machine does not use up; a test that waits may take twelve
// times as long.
func runTests(ctx context.Context, b *binary, names []string, limit time.Duration) ran {
	ctx, cancel := context.WithTimeout(ctx, 12*limit)
	defer cancel()
	limits := fmt.Sprintf(`ulimit -v %d 2>/dev/null; ulimit -t %d; exec "$0" "$@"`, memory, int(limit.Round(time.Second).Seconds()))
	command := exec.CommandContext(ctx, "sh", "-c", limits, b.file, "-test.v", "-test.failfast", "-test.run", selecting(names), "-test.skip", "^("+strings.Join(slices.Sorted(maps.Keys(slow)), "|")+")$")
	command.Args = append(command.Args, b.flags...)
	command.Dir = b.folder
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with the processes that a test starts
	stop := func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.Cancel = stop
	command.WaitDelay = time.Second
	out, err := command.StdoutPipe()
	if err != nil {
		return ran{verdict: hung}
	}
	if err := command.Start(); err != nil {
		return ran{verdict: hung}
	}
	fails, r := false, ran{}
	for lines := bufio.NewReader(out); !fails; {
		line, err := lines.ReadString('\n')
		fails = failed.MatchString(line)
		if row := begun.FindStringSubmatch(line); row != nil {
			r.rows = append(r.rows, row[1])
		}
		if err != nil {
			break
		}
	}
	if fails {
		_ = stop()
	}
	err = command.Wait()
	r.used = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case fails:
		r.verdict = killed
	case status.Signaled():
		r.verdict = hung
	case err != nil:
		r.verdict = killed // it panicked, or left in another way
	default:
		r.verdict = lived
	}
	return r
}
