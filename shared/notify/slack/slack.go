package slack

import (
	"encoding/json"
	"fmt"
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
	return Notification{
		Version: "1.0", Source: "custom",
		Content: Content{
			TextType: "client-markdown", Title: title(m), Description: description(m),
			NextSteps: nextSteps(m), Keywords: keywords(m),
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

func description(m notify.Message) string {
	var parts []string
	for _, s := range m.Stories[:min(len(m.Stories), maxDetailed)] {
		parts = append(parts, story(s, len(m.Stories) > 1 || m.Digest))
	}
	for _, s := range m.Stories[min(len(m.Stories), maxDetailed):] {
		lead := s.Lead()
		parts = append(parts, fmt.Sprintf("• %s %s", escape(notify.HeadlineWithin(lead, maxName), maxName), where(lead)))
	}
	if m.Note != "" {
		parts = append(parts, escape(m.Note, maxName))
	}
	return join(parts, MaxDescription)
}

// join puts parts together as long as they fit and says how many did not. A part is never cut: half an entity or half
// a code span would show as garbage.
func join(parts []string, limit int) string {
	const reserve = 40
	var b strings.Builder
	used := 0
	for i, part := range parts {
		size := len([]rune(part)) + 1
		if used+size > limit-reserve {
			fmt.Fprintf(&b, "and %d more", len(parts)-i)
			break
		}
		b.WriteString(part)
		b.WriteByte('\n')
		used += size
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func story(s notify.Story, headed bool) string {
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
	for _, n := range s.Notices {
		if text := notify.Closing(n); text != "" {
			lines = append(lines, escape(text, 500))
			continue
		}
		for _, text := range []string{notify.Detail(n), notify.Why(n)} {
			if text != "" {
				lines = append(lines, escape(text, 500))
			}
		}
	}
	if lead.Kind == guard.NoticeIncident {
		lines = append(lines, blast(lead.Blast)...)
	}
	return strings.Join(lines, "\n")
}

func where(n guard.Notice) string {
	return escape(strings.TrimSpace("in "+n.Account+" "+n.Region), maxName)
}

func blast(b *guard.BlastRadius) []string {
	if b == nil {
		return nil
	}
	var lines []string
	add := func(what string, list []guard.Affected, count int) {
		listed := list[:min(len(list), maxAffected)]
		for _, a := range listed {
			lines = append(lines, fmt.Sprintf("• %s %s: %s", what, code(a.Name), escape(a.Describe(), 300)))
		}
		if more := count - len(listed); more > 0 {
			lines = append(lines, fmt.Sprintf("… and %d more", more))
		}
	}
	stops, remains, unknown := b.Counts()
	add("stops", b.Stops, stops)
	add("still opens", b.Remains, remains)
	add("unknown", b.Unknown, unknown)
	return lines
}

// nextSteps are the fixes, each in one step; a line that would have to be cut is left to the mail.
func nextSteps(m notify.Message) []string {
	var steps []string
	for _, s := range m.Stories {
		for _, n := range s.Notices {
			f := s.FixFor(n)
			steps = appendText(steps, f.Say)
			steps = appendText(steps, f.First)
			for _, line := range f.Lines {
				if fits(line, MaxStep-2) {
					steps = appendStep(steps, code(line))
				}
			}
			steps = appendText(steps, f.Then)
		}
	}
	return steps[:min(len(steps), maxSteps)]
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
