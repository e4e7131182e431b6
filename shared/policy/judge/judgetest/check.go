// Package judgetest fails tests whose decisions a second engine does not share.
package judgetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/doublelock/doublelock/shared/policy/judge"
)

// Check asks the second engine about a docket, says what came of it, and reports whether nothing is left unexplained. It
// is for TestMain, when all has been played. Where the engine is not installed nothing is checked at a desk, and CI fails.
func Check(root string, docket *judge.Docket, out io.Writer) bool {
	if docket.Len() == 0 {
		return true // no test that was asked for takes decisions
	}
	r, err := judge.Ask(context.Background(), root, docket)
	switch {
	case errors.Is(err, judge.ErrNotInstalled) && os.Getenv("CI") != "true":
		fmt.Fprintln(out, "decisions are not checked:", err)
		return true
	case err != nil:
		fmt.Fprintln(out, "FAIL: second engine:", err)
		return false
	}
	return Say(r, out)
}

// Say prints a report, and reports whether nothing in it is left unexplained and the explained are few.
func Say(r judge.Report, out io.Writer) bool {
	explained, good := map[string]int{}, true
	for _, d := range r.Differences {
		if d.Reason != nil {
			explained[d.Reason.Name]++
			continue
		}
		good = false
		fmt.Fprintf(out, "FAIL: we say %s, the second engine %s%s:\n%s\n", d.Decision.Answer, d.Opinion.Answer, d.Opinion.Error, d.Decision)
	}
	fmt.Fprintf(out, "second engine: %d decisions, %d different ones, %d agreed, %d differ\n", r.Taken, r.Asked, r.Agreed, len(r.Differences))
	for _, name := range slices.Sorted(maps.Keys(explained)) {
		fmt.Fprintf(out, "  %d explained: %s\n", explained[name], name)
	}
	if few := 10; len(r.Differences)*few > r.Asked {
		fmt.Fprintf(out, "FAIL: more than one in %d differs: the second engine judges little\n", few)
		return false
	}
	return good
}
