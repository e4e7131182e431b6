package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// Limits of the schema, in characters. What exceeds them is dropped by Amazon Q without an error.
const (
	MaxTitle       = 250
	MaxDescription = 8000
	MaxStep        = 350
	MaxKeyword     = 75
)

// Limits of our own, so that a message stays readable in a chat.
const (
	maxSteps    = 10
	maxKeywords = 10
	maxDetailed = 5
	maxAffected = 10
	maxName     = 200
)

// Notification is the custom-notification schema, version 1.0.
type Notification struct {
	Version  string   `json:"version"`
	Source   string   `json:"source"`
	Content  Content  `json:"content"`
	Metadata Metadata `json:"metadata"`
}

// Content is what is shown.
type Content struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

// Metadata is what keeps messages together. Amazon Q takes strings only in AdditionalContext.
type Metadata struct {
	ThreadID          string            `json:"threadId"`
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType"`
	RelatedResources  []string          `json:"relatedResources,omitempty"`
	AdditionalContext map[string]string `json:"additionalContext,omitempty"`
}

// Compose says a message in Slack's markup, within the limits of the schema.
func Compose(m notify.Message) Notification {
	parts, shown := description(m)
	text := join(parts, MaxDescription)
	return Notification{
		Version: "1.0", Source: "custom",
		Content: Content{
			TextType: "client-markdown", Title: title(m), Description: text,
			NextSteps: nextSteps(m, shown), Keywords: keywords(m),
		},
		Metadata: Metadata{
			ThreadID: m.Thread(), Summary: escape(m.Subject(), MaxTitle), EventType: eventType(m),
			RelatedResources: resources(m),
			AdditionalContext: map[string]string{
				"owner": escape(m.Route, maxName), "severity": string(m.Severity()),
			},
		},
	}
}

// Render writes the message as JSON.
func Render(m notify.Message) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // & < > are already escaped the way Slack wants them
	if err := encoder.Encode(Compose(m)); err != nil {
		return nil, fmt.Errorf("write chat message: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

func title(m notify.Message) string {
	if len(m.Stories) == 1 && !m.Digest {
		return mark(m) + escape(notify.HeadlineWithin(m.Stories[0].Lead(), 150), MaxTitle-20)
	}
	return mark(m) + escape(m.Count(), MaxTitle-20)
}

func mark(m notify.Message) string {
	switch m.Severity() {
	case guard.SeverityCritical:
		return ":rotating_light: "
	case guard.SeverityHigh:
		return ":warning: "
	case guard.SeverityMedium:
		return ":unlock: "
	default:
		return ":lock: "
	}
}

// description says what happened, and answers which commands it shows because no step has room for them, by number.
func description(m notify.Message) ([]string, map[string]int) {
	detailed := m.Stories[:min(len(m.Stories), maxDetailed)]
	others := m.Stories[len(detailed):]
	room := MaxDescription - reserve
	if len(others) > 0 {
		room /= 2
	}
	var parts []string
	shown := map[string]int{}
	for i, s := range detailed {
		part := story(s, len(m.Stories) > 1 || m.Digest, room/(len(detailed)-i), shown)
		parts, room = append(parts, part), room-length(part)-1
	}
	for _, s := range others {
		lead := s.Lead()
		line := fmt.Sprintf("• %s %s", escape(notify.HeadlineWithin(lead, maxName), maxName), where(lead))
		if s.Repeat {
			line += " _may be a repeat_"
		}
		parts = append(parts, line)
	}
	if m.Parts > 1 {
		parts = slices.Insert(parts, 0, fmt.Sprintf("Part %d of %d.", m.Part, m.Parts))
	}
	if m.Note != "" {
		parts = append(parts, escape(m.Note, maxName))
	}
	return parts, shown
}

// Whole reports that a chat message names every resource that it is about.
func Whole(m notify.Message) bool {
	parts, _ := description(m)
	return lines(parts, MaxDescription) == len(parts)
}

func length(s string) int { return len([]rune(s)) }

// reserve is kept free in a description to say how much was left out.
const reserve = 40

// join puts parts together as long as they fit and says how many did not. A part is never cut: half an entity or half
// a code span would show as garbage.
func join(parts []string, limit int) string {
	n := lines(parts, limit)
	text := strings.Join(parts[:n], "\n")
	if n < len(parts) {
		text = strings.TrimPrefix(text+fmt.Sprintf("\nand %d more", len(parts)-n), "\n")
	}
	return text
}

// lines is how many of the parts fit.
func lines(parts []string, limit int) int {
	used := 0
	for i, part := range parts {
		if used += length(part) + 1; used > limit-reserve {
			return i
		}
	}
	return len(parts)
}

// What a message has no room for, and where it is.
const (
	leftMove  = "_The rest is too long for a chat message: doublelock migrate status has the whole reason, doublelock migrate plan and then migrate show --fixes every statement._"
	leftOther = "_The rest is too long for a chat message: doublelock inventory has the whole finding._"
	leftOut   = "(a line that a chat message cannot show: doublelock migrate plan and then migrate show --fixes have it whole)"
	leftFix   = "More is to be done than a chat message has room for: a mail to the same owner has all of it, doublelock inventory what is open, and doublelock migrate apply --dry-run the commands for a planned secret."
	leftLine  = "The command of this step is too long for a chat message: a mail to the same owner has it whole, and doublelock migrate apply --dry-run prints it for a planned secret."
)

// story is what happened to one resource in at most limit characters. Words, commands and statements are whole or left
// out, and then it says where they are.
func story(s notify.Story, headed bool, limit int, shown map[string]int) string {
	page := page{limit: limit - length(leftMove) - 1}
	for _, line := range head(s, headed) {
		page.add(line)
	}
	for _, n := range s.Notices {
		page.add(said(n)...)
	}
	if lead := s.Lead(); lead.Kind == guard.NoticeIncident {
		page.add(blast(lead)...)
	}
	for _, n := range s.Notices {
		for _, part := range s.FixFor(n).Parts() {
			for _, line := range part.Lines {
				if _, is := shown[line]; is || fits(line, MaxStep-2) || !faithful(line) {
					continue
				}
				if page.add(fmt.Sprintf("Command %d: `%s`", len(shown)+1, escapeAll(line))) {
					shown[line] = len(shown) + 1
				}
			}
		}
	}
	lines := page.lines
	switch {
	case page.full && s.Lead().Move != nil:
		lines = append(lines, leftMove)
	case page.full:
		lines = append(lines, leftOther)
	}
	return strings.Join(lines, "\n")
}

// page takes lines as long as they fit.
type page struct {
	lines []string
	limit int // characters
	full  bool
}

// add takes lines up to the first that does not fit; false: one did not.
func (p *page) add(lines ...string) bool {
	for _, line := range lines {
		if length(line)+1 > p.limit {
			p.full = true
			return false
		}
		p.lines, p.limit = append(p.lines, line), p.limit-length(line)-1
	}
	return true
}

// head names the resource and who changed it.
func head(s notify.Story, headed bool) []string {
	lead := s.Lead()
	var lines []string
	if headed {
		lines = append(lines, "*"+unstyled(escape(notify.HeadlineWithin(lead, 150), maxName))+"*")
	}
	lines = append(lines, code(notify.Name(lead))+" "+where(lead))
	if lead.Actor != "" {
		by := "changed by " + code(lead.Actor)
		if tool := notify.ToolName(lead.Tool); tool != "" {
			by += " with " + escape(tool, 40)
		}
		lines = append(lines, by)
	}
	if s.Repeat {
		lines = append(lines, "_You may have had this message before._")
	}
	return lines
}

// said is what a notice says: what was found, and why it matters.
func said(n guard.Notice) []string {
	if text := notify.Closing(n); text != "" {
		return []string{escapeAll(text)}
	}
	var lines []string
	for _, p := range notify.Details(n) {
		switch {
		case !p.Paste:
			lines = append(lines, escapeAll(p.Text))
		case faithful(p.Text):
			lines = append(lines, "`"+escapeAll(p.Text)+"`")
		default:
			lines = append(lines, leftOut)
		}
	}
	if text := notify.Why(n); text != "" {
		lines = append(lines, escapeAll(text))
	}
	return lines
}

func where(n guard.Notice) string {
	return escape(strings.TrimSpace("in "+n.Account+" "+n.Region), maxName)
}

func blast(n guard.Notice) []string {
	b := n.Blast
	if b == nil {
		return nil
	}
	var lines []string
	rest := false
	add := func(what string, list []guard.Affected, count int) {
		listed := list[:min(len(list), maxAffected)]
		for _, a := range listed {
			lines = append(lines, fmt.Sprintf("• %s %s: %s", what, code(a.Name), escape(a.Describe(), 300)))
		}
		if more := count - len(listed); more > 0 {
			lines = append(lines, fmt.Sprintf("… and %d more", more))
			rest = true
		}
	}
	counts := b.Counts()
	add("stops", b.Stops, counts.Stops)
	add("stops in part", b.Partly, counts.Partly)
	add("still opens", b.Remains, counts.Remains)
	add("unknown", b.Unknown, counts.Unknown)
	if rest {
		say, line := notify.Rest(n)
		lines = append(lines, say+" "+code(line))
	}
	return lines
}

// nextSteps are the fixes. One whose commands have no room is left out as a whole, with where it is: the first of two
// commands alone can do harm.
func nextSteps(m notify.Message, shown map[string]int) []string {
	var steps []string
	for _, s := range m.Stories {
		for _, n := range s.Notices {
			for _, part := range s.FixFor(n).Parts() {
				with := fixSteps(slices.Clone(steps), part, shown)
				if len(with) > maxSteps-1 {
					return append(steps, leftFix)
				}
				steps = with
			}
		}
	}
	return steps
}

func fixSteps(steps []string, f notify.Fix, shown map[string]int) []string {
	steps = appendText(steps, f.Say)
	steps = appendText(steps, f.First)
	for _, line := range f.Lines {
		switch number, is := shown[line]; {
		case is:
			steps = appendStep(steps, fmt.Sprintf("Run command %d of the text above.", number))
		case faithful(line) && fits(line, MaxStep-2):
			steps = appendStep(steps, code(line))
		default:
			steps = appendStep(steps, leftLine)
		}
	}
	return appendText(steps, f.Then)
}

// appendText gives a text as many steps as it needs: sentences are not cut.
func appendText(steps []string, text string) []string {
	step := ""
	for sentence := range strings.SplitAfterSeq(text, ". ") {
		if step != "" && !fits(step+sentence, MaxStep) {
			steps = appendStep(steps, escape(step, MaxStep))
			step = ""
		}
		step += sentence
	}
	return appendStep(steps, escape(step, MaxStep))
}

func appendStep(steps []string, step string) []string {
	for _, have := range steps {
		if have == step {
			return steps
		}
	}
	if step == "" || step == "``" {
		return steps
	}
	return append(steps, step)
}

func keywords(m notify.Message) []string {
	var words []string
	for _, word := range append(append([]string{string(m.Severity())}, m.Controls()...), m.Accounts()...) {
		if word != "" {
			words = append(words, escape(word, MaxKeyword))
		}
	}
	return words[:min(len(words), maxKeywords)]
}

func eventType(m notify.Message) string {
	if len(m.Stories) == 0 {
		return "digest"
	}
	return string(m.Stories[0].Lead().Kind)
}

func resources(m notify.Message) []string {
	var arns []string
	for _, s := range m.Stories[:min(len(m.Stories), maxDetailed)] {
		if arn := s.Lead().Resource; arn != "" {
			arns = append(arns, escape(arn, 512))
		}
	}
	return arns
}
