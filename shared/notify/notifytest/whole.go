package notifytest

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
)

// Long makes a message whose reasons, statements and commands are of any length, up to more than a chat message holds.
// pick answers a number from 0 to most.
func Long(pick func(most int) int) notify.Message {
	var notices []guard.Notice
	for i := range 1 + pick(7) {
		name := fmt.Sprintf("n%d/", i) + strings.Repeat("x", 1+pick(499))
		n := notice(guard.NoticeFailed, name, "")
		n.Move = &guard.Move{More: pick(3)}
		switch pick(5) {
		case 0:
			n = Opened(guard.SecretNotSealed, name, "")
			n.Finding.Subject.Rotation = ""
		case 1:
			n = Opened(guard.SecretKeyUnapproved, name, "")
			for r := range pick(12) {
				n.Finding.Subject.Replicas = append(n.Finding.Subject.Replicas, replicaKey(fmt.Sprintf("eu-west-%d", r), guard.KeyEnabled))
			}
		case 2:
			n.Kind, n.Move = guard.NoticeSealDue, &guard.Move{Code: `kms_key_id = "` + strings.Repeat("k", 1+pick(8999)) + `"`}
		case 3:
			n.Kind, n.Move = guard.NoticeFailed, &guard.Move{Reason: strings.Repeat("half a sentence ", 1+pick(899))}
		default:
			n.Move.Breaks = []string{"arn:aws:iam::111122223333:role/app would lose access"}
			for j := range pick(6) {
				n.Move.Remedies = append(n.Move.Remedies, guard.Remedy{Principal: "arn:aws:iam::111122223333:role/app", Statements: []guard.Statement{
					{Where: "identity policy of app", JSON: statement(pick, i, j, "identity")}, {Where: "key policy of " + keyARN, JSON: statement(pick, i, j, "key")},
				}})
			}
		}
		notices = append(notices, n)
	}
	return compose(notices...)
}

func statement(pick func(most int) int, i, j int, of string) string {
	filler := []string{"x", "<", "&", "a.b", "`"}[pick(4)]
	return fmt.Sprintf(`{"Sid":"%s%d-%d","Resource":"%s"}`, of, i, j, strings.Repeat(filler, pick(6000)))
}

// Pastes are the commands, lines of code and JSON documents of a message.
func Pastes(m notify.Message) []string {
	var all []string
	for _, s := range m.Stories {
		for _, n := range s.Notices {
			for _, p := range notify.Details(n) {
				if p.Paste {
					all = append(all, p.Text)
				}
			}
			for _, part := range s.FixFor(n).Parts() {
				all = append(all, part.Lines...)
			}
		}
	}
	return all
}

// Whole says what is wrong where a text, as people read it, holds a part of something to paste, or leaves out one that
// it does not point to; "" is nothing.
func Whole(m notify.Message, text string, pointers ...string) string {
	const start = 26 // characters by which a paste is recognized
	pastes := Pastes(m)
	missing := ""
	for _, paste := range pastes {
		if !strings.Contains(text, paste) {
			missing = paste
		}
		beginning := paste[:min(start, len(paste))]
		for at := strings.Index(text, beginning); at >= 0; {
			if !wholeAt(text[at:], pastes) {
				return fmt.Sprintf("a part of something to paste: %.200s", text[at:])
			}
			next := strings.Index(text[at+1:], beginning)
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	if missing == "" {
		return ""
	}
	for _, pointer := range pointers {
		if strings.Contains(text, pointer) {
			return ""
		}
	}
	return fmt.Sprintf("left out, and nothing says where it is: %.200s", missing)
}

func wholeAt(text string, pastes []string) bool {
	for _, paste := range pastes {
		if strings.HasPrefix(text, paste) {
			return true
		}
	}
	return false
}
