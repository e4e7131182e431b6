package slack

import (
	"math"
	"strings"

	"github.com/doublelock/doublelock/shared/notify"
)

// escape makes one line of text safe for Slack's markdown within limit characters, counted after escaping. Slack
// takes "<!channel>", "<@user>" and "<url|text>" as commands, so & < > become entities (Slack, "Formatting text").
// A backtick would open a code span, so it becomes an apostrophe. The cut comes before an entity, never inside.
func escape(s string, limit int) string {
	s = strings.ReplaceAll(notify.OneLine(s), "`", "'")
	if fits(s, limit) {
		return entities.Replace(s)
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		piece := entities.Replace(string(r))
		if used+len([]rune(piece)) > limit-1 {
			break
		}
		b.WriteString(piece)
		used += len([]rune(piece))
	}
	return b.String() + "…"
}

// fits reports whether escape would leave s whole.
func fits(s string, limit int) bool { return len([]rune(entities.Replace(notify.OneLine(s)))) <= limit }

// escapeAll is escape without a cut.
func escapeAll(s string) string { return escape(s, math.MaxInt) }

// faithful reports whether code shows s as it is. A backtick in it would end the code.
func faithful(s string) bool { return !strings.Contains(s, "`") && notify.OneLine(s) == s }

// code shows s as code, so that "_" and "*" in names stay what they are.
func code(s string) string {
	return "`" + escape(s, MaxStep-2) + "`"
}

// unstyled takes out what would style a part of a bold line.
func unstyled(s string) string {
	return strings.NewReplacer("*", "∗", "`", "'", "~", "∼").Replace(s)
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
