package demo

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
)

// line is one thing that happened in the demo.
type line struct {
	Seq      int       `json:"seq"`
	Time     time.Time `json:"time"`
	Stage    string    `json:"stage"`
	Account  string    `json:"account"`
	Region   string    `json:"region"`
	Actor    string    `json:"actor"`
	Resource string    `json:"resource"`
	Control  string    `json:"control"`
	Finding  string    `json:"finding"` // control, a bar, canonical ARN
	Detail   string    `json:"detail"`
}

// Stages of the timeline.
const (
	stageCall     = "api_call"
	stageDenied   = "scp_denied"
	stageEvent    = "cloudtrail_event"
	stageOpened   = "finding_opened"
	stageResolved = "finding_resolved"
	stageTagged   = "tagged"
	stageNotified = "notified"
	stageRekeyed  = "rekeyed"
	stageSealed   = "sealed"
	stageDrifted  = "drifted"
	stageIncident = "incident_opened"
	stageRestored = "key_restored"
	stageBlocked  = "blocked"
	stageLost     = "reader_lost"
	stageBack     = "rolled_back"
	stageIgnored  = "ignored"
	stageSummary  = "summary"
)

// timeline numbers what happens and prints it, for people or as one JSON object a line.
type timeline struct {
	mu      sync.Mutex
	printer *output.Printer
	now     func() time.Time
	json    bool
	paint   painter
	names   map[string]string // account names
	seq     int
	counts  map[string]int
	err     error
}

func newTimeline(env *command.Env, now func() time.Time, names map[string]string) *timeline {
	return &timeline{
		printer: env.Printer, now: now, json: env.AsJSON(), paint: painter(env.Color),
		names: names, counts: map[string]int{},
	}
}

// add records one line. A failed write is kept and ends the demo.
func (t *timeline) add(l line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	l.Seq, l.Time = t.seq, t.now().UTC()
	t.counts[l.Stage]++
	if t.json {
		t.keep(t.printer.JSON(l))
		return
	}
	_, err := io.WriteString(t.printer.Stdout, t.human(l))
	t.keep(err)
}

func (t *timeline) keep(err error) {
	if t.err == nil {
		t.err = err
	}
}

// heading starts a scene; JSON has no headings.
func (t *timeline) heading(number int, title, why string) {
	if t.json {
		return
	}
	t.print("\n%s\n%s\n\n", t.paint.bold(fmt.Sprintf("%2d  %s", number, title)), t.paint.dim(wrap(why, "    ", 108)))
}

func (t *timeline) print(format string, args ...any) {
	if t.json {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintf(t.printer.Stdout, format, args...)
	t.keep(err)
}

func (t *timeline) human(l line) string {
	var b strings.Builder
	where := t.names[l.Account]
	if where == "" {
		where = l.Account
	}
	if l.Region != "" {
		where += " " + l.Region
	}
	fmt.Fprintf(&b, "    %s  %s  %-19s  ", t.paint.dim(l.Time.Format("15:04:05")), t.paint.stage(l.Stage), where)
	parts := []string{}
	if l.Actor != "" && (l.Stage == stageCall || l.Stage == stageDenied || l.Stage == stageEvent) {
		parts = append(parts, shortActor(l.Actor))
	}
	if l.Control != "" {
		parts = append(parts, t.paint.bold(l.Control))
	}
	if l.Resource != "" {
		parts = append(parts, shortResource(l.Resource))
	}
	if l.Detail != "" {
		parts = append(parts, l.Detail)
	}
	b.WriteString(strings.Join(parts, "  "))
	b.WriteByte('\n')
	return b.String()
}

// shortActor is the name people know a principal by: the role and session, or the user.
func shortActor(principal string) string {
	at := arn.Of(principal)
	if kind, name := at.Split(); kind == "assumed-role" {
		return name
	}
	return cmp.Or(at.Base(), principal)
}

// shortResource is the name of a secret or the start of a key id.
func shortResource(id string) string {
	at := arn.Of(id)
	kind, name := at.Split()
	switch {
	case at.Service == "secretsmanager" && kind == "secret":
		if i := strings.LastIndex(name, "-"); i > 0 && len(name)-i == 7 {
			return name[:i]
		}
		return name
	case at.Service == "kms" && kind == "key" && len(name) > 8:
		return "key " + name[:8] + "…"
	}
	return id
}

// wrap breaks text at spaces so that no line is longer than width, and indents every line.
func wrap(text, indent string, width int) string {
	var lines []string
	current := indent
	for _, word := range strings.Fields(text) {
		if len(current)+1+len(word) > width && current != indent {
			lines = append(lines, current)
			current = indent
		}
		if current != indent {
			current += " "
		}
		current += word
	}
	return strings.Join(append(lines, current), "\n")
}

// painter colors text for a terminal; false leaves it plain.
type painter bool

func (p painter) with(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) bold(text string) string { return p.with("1", text) }
func (p painter) dim(text string) string  { return p.with("2", text) }

// stageColors are by meaning: red is stopped or wrong, green is right again, yellow is news, cyan is the guard at work.
var stageColors = map[string]string{
	stageDenied: "31", stageOpened: "33", stageDrifted: "31", stageIncident: "31;1", stageResolved: "32", stageSealed: "32;1",
	stageBlocked: "33;1", stageLost: "31", stageBack: "32",
	stageTagged: "36", stageNotified: "35", stageRekeyed: "36;1", stageIgnored: "2", stageEvent: "2", stageSummary: "1",
}

func (p painter) stage(stage string) string {
	return p.with(stageColors[stage], fmt.Sprintf("%-16s", stage))
}
