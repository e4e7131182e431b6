package guard

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Move is what a notice says of a migration: facts, which Passages puts into words. Each kind of notice uses the fields
// it has something to say about.
type Move struct {
	Reason   string      `json:"reason,omitzero"`   // of the machine, as its job keeps it: half a sentence, without commands
	Key      string      `json:"key,omitzero"`      // ARN that the secret was moved to
	Code     string      `json:"code,omitzero"`     // line that keeps the key in the code that makes the secret
	ProveBy  time.Time   `json:"proveBy,omitzero"`  // until when a change that is not proven is looked for
	Sought   time.Time   `json:"sought,omitzero"`   // since when it was looked for, before it came to its owner
	Previous string      `json:"previous,omitzero"` // key that it was set back to; "" is the AWS managed key
	Again    bool        `json:"again,omitzero"`    // it went back by itself, and moves again when that is mended
	Unproven bool        `json:"unproven,omitzero"` // it was set back, and whether its copies followed could not be read
	Breaks   []string    `json:"breaks,omitempty"`  // what stands in the way, each in half a sentence
	Reader   *LostReader `json:"reader,omitempty"`  // that was refused
	Remedies []Remedy    `json:"remedies,omitempty"`
	More     int         `json:"more,omitzero"` // remedies that there was no room for
}

// LostReader is a reader that was refused after a move, and what was done about it.
type LostReader struct {
	Principal string `json:"principal"`
	Right     string `json:"right,omitzero"`    // it lacks, such as "kms:Decrypt on KEY"; "" where secret or key may have refused it
	Answer    string `json:"answer"`            // of the machine: rollback, grant, page, session
	Again     int    `json:"again,omitzero"`    // times that it was refused since the last notice of it, those ten minutes after another not counted
	Problem   string `json:"problem,omitzero"`  // that a rollback or grant met, in half a sentence that says which
	Security  bool   `json:"security,omitzero"` // for those who watch who starts such sessions, whoever owns the secret
}

// Remedy is what lets one reader keep its access: statements, all of which are needed, or what a person decides where no
// statement of ours belongs. The zero Remedy is none.
type Remedy struct {
	Principal  string      `json:"principal"`
	Statements []Statement `json:"statements,omitempty"`
	Decide     string      `json:"decide,omitzero"`  // about the reader, "it", in a sentence or half of one
	Accept     string      `json:"accept,omitzero"`  // command that moves the secret although the reader loses access
	Then       []Statement `json:"then,omitempty"`   // all of which let the reader in, where a person decides that it is to read
	Assumes    string      `json:"assumes,omitzero"` // what the statements rest on that no policy says, in half a sentence
}

// Statement is one statement and the policy that it is added to. It travels as text: a bus may write a document inside an
// event anew, with its names in another order, and people compare what they read in two documents.
type Statement struct {
	Where string `json:"where"` // "identity policy of arn:…", "key policy of arn:…"
	JSON  string `json:"json"`
}

// Passage is a piece of a text: words to read, or a command, a line of code or a JSON document to paste, which is printed
// whole or not at all.
type Passage struct {
	Text  string
	Paste bool
}

// Passages are what a notice of a migration says, as half sentences; none where it says nothing.
func (n Notice) Passages() []Passage {
	var s script
	switch m := n.Move; {
	case m == nil && n.Detail != "":
		s.say(n.Detail)
	case m == nil:
	case n.Kind == NoticeRekeyed:
		s.say("every labelled version carries " + m.Key)
		s.code(m.Code, "; keep it in the code:")
	case n.Kind == NoticeUnproven:
		m.unproven(&s, n.Resource)
	case n.Kind == NoticeSealDue:
		s.say("write a new version to seal it, twice where AWSPREVIOUS counts: rotate it, or run")
		s.paste("doublelock migrate seal " + n.Resource)
		s.say("with your own credentials")
		s.code(m.Code, "; and keep the key in the code:")
	case n.Kind == NoticeRolledBack && m.Unproven:
		s.say(m.Reason + ". Whether its readers open it as before is not known. Every sweep looks again")
	case n.Kind == NoticeRolledBack:
		s.say("back under " + cmp.Or(m.Previous, "the AWS managed key") + ": " + m.Reason)
	case n.Kind == NoticeReaderLost && m.Reader != nil:
		m.lost(&s)
	default:
		m.failed(&s)
	}
	return s
}

func (m Move) unproven(s *script, secret string) {
	if m.Sought.IsZero() {
		s.say(m.Reason + ". Whether older copies still open with the previous key alone is not known. Every sweep looks again until " + Minute(m.ProveBy) + "; then it is yours")
		return
	}
	s.say(m.Reason + ". It was looked for since " + Minute(m.Sought) + " and is yours now: find out why it cannot be read, or set the previous key again with")
	s.paste("doublelock migrate rollback --reason 'its versions were not proven' --secret " + secret)
	s.say(". Every sweep still looks")
}

// Minute is a time as people are told it.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

func (m Move) lost(s *script) {
	r := m.Reader
	what := ", by the secret or by its key"
	switch {
	case r.Answer == "session":
		what = " in one of its sessions"
	case r.Right != "":
		what = ": it lacks " + r.Right
	}
	s.say(r.Principal + " read the secret before and was refused" + what)
	if r.Again > 0 {
		s.say(", and at least " + Count(r.Again, "time", "times") + " more since the last message about it")
	}
	for _, remedy := range m.Remedies {
		s.say(";")
		remedy.put(s)
	}
	switch r.Answer {
	case "rollback":
		s.say(". The secret was set back (" + m.Reason + ")" + r.Problem)
	case "grant":
		s.say(". Access was restored by a grant (" + m.Reason + ")" + r.Problem)
	case "session":
		s.say(". Nothing was changed: " + m.Reason)
	default:
		s.say(". Nothing was changed (" + m.Reason + "). A person decides" + r.Problem)
	}
}

func (m Move) failed(s *script) {
	if len(m.Breaks) == 0 {
		s.say(m.Reason)
		s.code(m.Code, "; set it in the code:")
		return
	}
	s.say("it was not moved, because readers would break: " + strings.Join(m.Breaks, "; "))
	if len(m.Remedies) > 0 || m.More > 0 {
		s.say(".")
	}
	for _, remedy := range m.Remedies {
		s.say("For " + remedy.Principal + ":")
		remedy.put(s)
		s.say(".")
	}
	if m.More > 0 {
		s.say(fmt.Sprintf("And for %d more: doublelock migrate plan, then doublelock migrate show --fixes.", m.More))
	}
}

// Empty reports that there is none.
func (r Remedy) Empty() bool { return len(r.Statements) == 0 && r.Decide == "" }

// String says a remedy without the last full stop, for logs.
func (r Remedy) String() string {
	var s script
	r.put(&s)
	return s.String()
}

func (r Remedy) put(s *script) {
	putStatements(s, r.Statements)
	switch len(r.Statements) {
	case 0:
		s.say(r.Decide)
		if len(r.Then) > 0 {
			s.say(". Where it is to read,")
			putStatements(s, r.Then)
			s.say("as printed")
		}
		if r.Accept != "" {
			s.say(". Or run")
			s.paste(r.Accept)
			s.say("to move the secret although it loses access")
		}
	case 1:
		s.say("as it is printed")
	default:
		s.say("both as they are printed, because one alone does not help")
	}
	if r.Assumes != "" {
		s.say("; " + r.Assumes)
	}
}

func putStatements(s *script, statements []Statement) {
	for i, statement := range statements {
		to := "add to the "
		if i > 0 {
			to = "and to the "
		}
		s.say(to + statement.Where + ":")
		s.paste(statement.JSON)
	}
}

// script is passages as they are written.
type script []Passage

// say adds words. Those that begin with a mark of punctuation go on with the words before.
func (s *script) say(words string) {
	if at := len(*s) - 1; at >= 0 && !(*s)[at].Paste {
		(*s)[at].Text = join((*s)[at].Text, words)
		return
	}
	if words != "" {
		*s = append(*s, Passage{Text: words})
	}
}

func (s *script) paste(text string) { *s = append(*s, Passage{Text: text, Paste: true}) }

func (s *script) code(line, words string) {
	if line != "" {
		s.say(words)
		s.paste(line)
	}
}

// String is everything in one line.
func (s script) String() string {
	text := ""
	for _, p := range s {
		text = join(text, p.Text)
	}
	return text
}

func join(before, after string) string {
	if before == "" || after == "" || strings.HasPrefix(after, ".") || strings.HasPrefix(after, ";") {
		return before + after
	}
	return before + " " + after
}
