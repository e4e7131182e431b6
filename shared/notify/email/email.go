package email

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// Limits of one mail. SNS takes 256 KB (262,144 bytes) of subject and body together; people take much less.
const (
	MaxText     = 128 * 1024 // bytes
	maxDetailed = 5          // stories in full; more have a line each
	maxListed   = 200        // stories at all
	maxAffected = 20         // secrets listed of one key
	maxName     = 512        // characters of a name, an actor or an ARN in running text
)

const rule = "------------------------------------------------------------------------"

// Render writes the text of the mail, of at most MaxText bytes.
func Render(m notify.Message) string {
	var b writer
	if len(m.Stories) > 1 || m.Digest || m.Parts > 1 {
		b.line("%s.%s", m.Count(), partOf(m))
		b.line("")
	}
	for i, s := range m.Stories[:min(len(m.Stories), maxDetailed)] {
		if i > 0 {
			b.line("")
			b.line("%s", rule)
			b.line("")
		}
		b.story(s)
	}
	b.others(m.Stories[min(len(m.Stories), maxDetailed):])
	if m.Note != "" {
		b.line("")
		b.paragraph(m.Note)
	}
	b.closing(m)
	return within(b.String(), MaxText)
}

// Whole reports that the mail of a message names every resource that it is about.
func Whole(m notify.Message) bool {
	return len(m.Stories) <= maxListed && (len(m.Stories) <= 1 || !strings.HasSuffix(Render(m), tooLong))
}

func partOf(m notify.Message) string {
	if m.Parts <= 1 {
		return ""
	}
	return fmt.Sprintf(" This is part %d of %d.", m.Part, m.Parts)
}

// writer builds a text line by line.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

func (w *writer) story(s notify.Story) {
	lead := s.Lead()
	w.line("%s.", notify.Clip(notify.Headline(lead), maxName))
	if s.Repeat {
		w.line("(You may have had this message before: its first delivery was cut off.)")
	}
	w.line("")
	w.facts(lead)
	given := map[string]bool{}
	for _, n := range s.Notices {
		w.notice(s, n, given)
	}
	if lead.Kind == guard.NoticeIncident {
		w.blast(lead)
	}
}

// facts says what and where, and who did it.
func (w *writer) facts(n guard.Notice) {
	w.fact(noun(n), notify.Name(n))
	w.fact("Account", strings.TrimSpace(n.Account+"  "+n.Region))
	w.fact("ARN", n.Resource)
	w.fact("State", string(n.State))
	w.fact(doer(n), by(n))
	if !n.At.IsZero() {
		w.fact("Seen", n.At.UTC().Format(time.RFC1123))
	}
}

func noun(n guard.Notice) string {
	switch n.Kind {
	case guard.NoticeIncident, guard.NoticeKeyRestored:
		return "Key"
	case guard.NoticeTampered:
		return "What"
	default:
		return "Secret"
	}
}

// doer labels the actor: after a change of ours it is whoever made the secret as it was before.
func doer(n guard.Notice) string {
	if n.Kind == guard.NoticeRekeyed || n.Kind == guard.NoticeUnproven || n.Kind == guard.NoticeFailed {
		return "Made"
	}
	return "Changed"
}

func (w *writer) fact(name, value string) {
	if value = notify.Clip(notify.OneLine(value), maxName); value != "" {
		w.line("  %-8s %s", name, value)
	}
}

func by(n guard.Notice) string {
	switch tool := notify.ToolName(n.Tool); {
	case n.Actor == "" && tool == "":
		return ""
	case n.Actor == "":
		return "with " + tool
	case tool == "":
		return "by " + n.Actor
	default:
		return "by " + n.Actor + " with " + tool
	}
}

// notice says why it matters and how to get rid of it, unless the same commands were given before.
func (w *writer) notice(s notify.Story, n guard.Notice, given map[string]bool) {
	if text := notify.Closing(n); text != "" {
		w.line("")
		for _, line := range wrap(text, 78) {
			w.line("%s", line)
		}
		return
	}
	w.line("")
	w.line("Why it matters%s", label(n))
	for _, p := range notify.Details(n) {
		if p.Paste {
			w.line("  %s", p.Text)
			continue
		}
		w.paragraph(p.Text)
	}
	w.paragraph(notify.Why(n))
	for i, fix := range s.FixFor(n).Parts() {
		commands := strings.Join(fix.Lines, "\n")
		if commands == "" || !given[commands] {
			w.fix(fix, i == 0)
		}
		given[commands] = true
	}
}

func label(n guard.Notice) string {
	if n.Finding == nil {
		return ""
	}
	return fmt.Sprintf(" (%s, %s)", notify.OneLine(string(n.Finding.Control)), notify.OneLine(string(n.Finding.Severity)))
}

func (w *writer) paragraph(text string) {
	for _, line := range wrap(notify.OneLine(text), 76) {
		w.line("  %s", line)
	}
}

func (w *writer) fix(f notify.Fix, first bool) {
	if f.Say == "" && f.First == "" && len(f.Lines) == 0 {
		return
	}
	title := "How to fix it"
	if !first {
		title = "What else to do"
	}
	if len(f.Lines) > 0 {
		title += " (" + f.In + ")"
	}
	w.line("")
	w.line("%s", title)
	w.paragraph(f.Say)
	if f.First != "" {
		w.line("")
		w.paragraph(f.First)
	}
	for _, line := range f.Lines {
		w.line("")
		w.line("    %s", notify.OneLine(line))
	}
	if f.Then != "" {
		w.line("")
		w.paragraph(f.Then)
	}
}

// blast lists what stops with a key, and what does not.
func (w *writer) blast(n guard.Notice) {
	b := n.Blast
	if b == nil {
		return
	}
	counts, rest := b.Counts(), false
	for _, part := range []struct {
		title string
		list  []guard.Affected
		count int
	}{{"Stops", b.Stops, counts.Stops}, {"Stops in part", b.Partly, counts.Partly}, {"Still opens", b.Remains, counts.Remains}, {"Unknown", b.Unknown, counts.Unknown}} {
		if part.count == 0 {
			continue
		}
		w.line("")
		w.line("%s (%d)", part.title, part.count)
		listed := part.list[:min(len(part.list), maxAffected)]
		for _, a := range listed {
			w.line("  - %s: %s", notify.Clip(notify.OneLine(cmp.Or(a.Name, a.Secret)), maxName), notify.OneLine(a.Describe()))
		}
		if more := part.count - len(listed); more > 0 {
			w.line("  and %d more", more)
			rest = true
		}
	}
	if rest {
		w.line("")
		say, line := notify.Rest(n)
		w.paragraph(say)
		w.line("")
		w.line("    %s", notify.OneLine(line))
	}
}

// others gives the stories beyond maxDetailed a line each.
func (w *writer) others(stories []notify.Story) {
	if len(stories) == 0 {
		return
	}
	w.line("")
	w.line("%s", rule)
	w.line("")
	w.line("The others, most urgent first")
	for _, s := range stories[:min(len(stories), maxListed-maxDetailed)] {
		lead := s.Lead()
		w.line("  - %s (%s %s)%s", notify.Clip(notify.Headline(lead), maxName), notify.OneLine(lead.Account), notify.OneLine(lead.Region), repeated(s))
	}
	if more := len(stories) - (maxListed - maxDetailed); more > 0 {
		w.line("  and %d more", more)
	}
}

// repeated marks a line about what its reader may know already.
func repeated(s notify.Story) string {
	if s.Repeat {
		return ", may be a repeat"
	}
	return ""
}

func (w *writer) closing(m notify.Message) {
	if len(m.Stories) == 0 {
		return
	}
	owner := m.Stories[0].Owner
	w.line("")
	w.line("-- ")
	w.line("%s", notify.Clip("Doublelock writes to "+notify.OneLine(m.Route)+" because "+notify.OneLine(owner.How)+".", maxName))
	w.line("Secret values are never read, stored or sent.")
}

// tooLong is the last line of a mail that has more to say than fits.
const tooLong = "(The rest is left out: it is too long for a mail. doublelock migrate status has the reason of each move, doublelock migrate plan and then migrate show --fixes the statements, doublelock inventory what is open.)\n"

// within leaves out the lines at the end that do not fit, and says where they are. A line is never cut: a part of a
// command or of a statement does harm when it is pasted.
func within(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	whole := s[:limit-len(tooLong)]
	return whole[:strings.LastIndexByte(whole, '\n')+1] + tooLong
}

// wrap breaks text between words into lines of at most width characters, longer words standing alone.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		switch {
		case current == "":
			current = word
		case len([]rune(current))+1+len([]rune(word)) > width:
			lines = append(lines, current)
			current = word
		default:
			current += " " + word
		}
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}
