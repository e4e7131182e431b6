package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A room is judged by its own tests and by those of other packages, those that kill most in a second first.
type room struct {
	name  string
	tests []string
}

// rooms are those that decide.
var rooms = []room{
	{"guard", []string{"handlers/detect", "handlers/sweep", "shared/migration", "handlers/remediate"}},
	{"trail", []string{"handlers/detect", "shared/simulate", "shared/fleet", "handlers/watchdog", "handlers/sweep"}},
	{"preventive", []string{"shared/simulate", "shared/keyreview"}},
	{"policy", []string{"shared/policy/policytest", "shared/inventory", "shared/keyreview", "shared/simulate", "shared/migration", "shared/preventive"}},
	{"migration", []string{"handlers/remediate", "shared/migration/fences", "shared/migration/scenarios"}},
	{"notify", []string{"shared/notify/email", "shared/notify/slack", "shared/notify/slackapi", "shared/notify/channels", "handlers/alert"}},
}

// slow are tests that no mutant is tried on. Leaving one out can only make the result worse.
var slow = map[string]string{
	"TestAgreesWithSimulator":                                              "starts node for the cases of TestConformanceWithAWSDocumentation, which asserts their answers",
	"TestAnOwnerWhoRunsWhatTheMailPrintsIsRidOfTheFinding":                 aShell,
	"TestAJobThatIsMovedTenThousandTimesDoesNotGrow":                       "takes half a minute, and asserts how many bytes a job has",
	"TestAReaderThatPollsForThirteenDaysDoesNotOutgrowTheJob":              "takes eight seconds, and asserts how many bytes a job has",
	"TestTheKeyOfAnIncidentIsBackAfterThePrintedCommands":                  aShell,
	"TestAWorkerThatWakesAfterItsLeaseChangesNothingThatAnotherHasSetBack": "takes seventeen seconds, for every call at which a worker may sleep",
	"TestADeathAtAnyCallIsEndedByAnotherWithoutASecondChange":              "takes thirteen seconds, for every call at which a worker may die",
	"TestARotationThatIsNotThereChangesNothing":                            aShell,
	"TestTheVerdictsHoldInRandomOrganizations":                             "tries others each time and as many as six seconds allow, so that a mutant would be killed today and live tomorrow",
	"TestTheExceptionThatIsPrintedLetsUsLookAgain":                         aShell,
}

const aShell = "runs the aws CLI as a process, for seconds, on commands that the samples of notifytest and their goldens hold word for word"

// least is the share of a room's mutants, in percent, that tests must kill. What is explained does not count.
const least = 95

func main() { os.Exit(run()) }

// run returns 1 where too many mutants live, and 2 where they could not be judged.
func run() int {
	only := flag.String("room", "", "one room, as guard; all if empty")
	at := flag.String("at", "", "a file of it, as blast.go, or a line of that, as blast.go:36, or more with commas between; all if empty")
	reasons := flag.String("explained", filepath.Join("testdata", "mutants"), "`folder` with a file a room that says why a mutant may live")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := report(ctx, os.Stdout, os.Stderr, *only, *at, *reasons)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		return 2
	case !good:
		return 1
	}
	return 0
}

// report judges the rooms and prints a line for each, then what is left to do.
func report(ctx context.Context, out, log io.Writer, only, at, reasons string) (bool, error) {
	var left strings.Builder
	good, known := true, false
	table := "%-12s %7v %7v %7v %7v %12v %10v %8s\n"
	fmt.Fprintf(out, table, "room", "mutants", "killed", "lived", "hung", "not reached", "explained", "killed")
	for _, r := range rooms {
		if only != "" && only != r.name {
			continue
		}
		known = true
		why, err := explained(filepath.Join(reasons, r.name))
		if err != nil {
			return false, err
		}
		j, err := inspect(ctx, log, "shared/"+r.name, at, r.tests)
		if err != nil {
			return false, err
		}
		if at != "" {
			if len(j.mutants) == 0 {
				return false, fmt.Errorf("nothing to change at %s of room %s", at, r.name)
			}
			maps.DeleteFunc(why, func(s site, _ string) bool {
				return !slices.ContainsFunc(j.mutants, func(m mutant) bool { return m.site == s })
			})
		}
		s := score(j, why)
		fmt.Fprintf(out, table, r.name, len(j.mutants), j.count(killed), j.count(lived), j.count(hung), j.count(notReached), s.explained, fmt.Sprintf("%.1f %%", s.percent))
		good = good && s.percent >= least && len(s.stale) == 0
		for _, m := range s.open {
			fmt.Fprintf(&left, "%s\t(%s; line %d)\n\n", m.site, names[j.verdicts[m.id]], m.line)
		}
		for _, stale := range s.stale {
			fmt.Fprintf(&left, "%s\texplained, and does not live: take the explanation out of %s\n\n", stale, filepath.Join(reasons, r.name))
		}
	}
	if !known {
		return false, fmt.Errorf("no room %q", only)
	}
	_, err := fmt.Fprintf(out, "\n%s", left.String())
	return good, err
}

var names = map[verdict]string{notReached: "not reached", lived: "lived", hung: "hung", killed: "killed"}

// inspect judges every mutant of a room by its own tests, and those that are left by the others, one package after the
// other.
func inspect(ctx context.Context, log io.Writer, room, at string, others []string) (*judge, error) {
	start := time.Now()
	p, err := load(ctx, "./"+room)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Join("dist", "mutants", filepath.Base(room)))
	if err != nil {
		return nil, err
	}
	locked, err := lock(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = locked.Close() }()
	j := &judge{folder: folder, mutants: standing(p.find(), at), used: map[string]bool{}, long: 2 * time.Second, log: log}
	whole := false
	defer func() { _ = j.clear(whole) }()
	if j.data, err = testdata("."); err != nil {
		return nil, err
	}
	j.verdicts, j.by = make([]verdict, len(j.mutants)), make([]string, len(j.mutants))
	fmt.Fprintf(log, "%s: %d mutants, found in %s\n", room, len(j.mutants), time.Since(start).Round(time.Second))
	for _, tests := range append([]string{room}, others...) {
		if j.count(killed) == len(j.mutants) {
			break
		}
		overlay, err := j.overlay(p.rewrite(j.mutants, j.active(), j.reached()))
		if err != nil {
			return nil, err
		}
		if err := j.try(ctx, overlay, "./"+tests); err != nil {
			return nil, err
		}
		if err := j.tryFixed(ctx, p, "./"+tests); err != nil {
			return nil, err
		}
	}
	whole = at == ""
	return j, nil
}

// A result is a room's line of the table.
type result struct {
	explained int
	percent   float64
	open      []mutant // neither killed nor explained
	stale     []site   // explained, and killed or not there
}

// endless begins the reason of a mutant that never ends. Where some of its tests would fail and others not end, it is a
// matter of time which is run first, so such a reason may stand whether the mutant is stopped or killed.
const endless = "It never ends"

// score counts what was not killed and is not explained against the room.
func score(j *judge, why map[site]string) result {
	var r result
	used := map[site]bool{}
	for i, m := range j.mutants {
		if j.verdicts[i] == killed {
			continue
		}
		if why[m.site] != "" {
			used[m.site] = true
			r.explained++
		} else {
			r.open = append(r.open, m)
		}
	}
	for s, reason := range why {
		if !used[s] && !strings.HasPrefix(reason, endless) {
			r.stale = append(r.stale, s)
		}
	}
	r.percent = 100
	if judged := len(j.mutants) - r.explained; judged > 0 {
		r.percent = 100 * float64(j.count(killed)) / float64(judged)
	}
	return r
}
