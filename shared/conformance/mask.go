package conformance

import (
	"fmt"
	"regexp"
)

// mask replaces what identifies somebody by tokens, the same for the same.
type mask struct {
	tokens map[string]string
	counts map[string]int
}

// identifying are the ids that AWS gives: of keys, organizations and what is in them, and accounts; and addresses of accounts. What they are replaced
// by looks like them, so that ARNs stay ARNs.
var identifying = []struct {
	kind    string
	pattern *regexp.Regexp
	token   string // with the number of the id
}{
	{"key", regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}`), "key-%d"},
	{"ou", regexp.MustCompile(`\bou-[0-9a-z]{4,32}-[0-9a-z]{8,32}\b`), "ou-masked-%d"},
	{"root", regexp.MustCompile(`\br-[0-9a-z]{4,32}\b`), "r-%d"},
	{"policy", regexp.MustCompile(`\bp-[0-9a-zA-Z_]{8,128}\b`), "p-masked-%d"},
	{"email", regexp.MustCompile(`[\w.+%-]+@[\w-]+(\.[\w-]+)+`), "masked-%d@example.com"},
	{"organization", regexp.MustCompile(`\bo-[a-z0-9]{10,32}\b`), "o-masked-%d"},
	{"access key", regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b`), "access-key-%d"},
	{"account", regexp.MustCompile(`[0-9]{12,}`), "1111222233%02d"}, // longer runs of digits are no ids, but hold what looks like one
	{"run", regexp.MustCompile(`doublelock-conformance-[a-z0-9]+`), "doublelock-conformance-run%d"},
}

// text masks a text.
func (m *mask) text(s string) string {
	for _, one := range identifying {
		s = one.pattern.ReplaceAllStringFunc(s, func(found string) string { return m.token(one.kind, one.token, found) })
	}
	return s
}

func (m *mask) token(kind, format, found string) string {
	if m.tokens == nil {
		m.tokens, m.counts = map[string]string{}, map[string]int{}
	}
	known, ok := m.tokens[kind+found]
	if !ok {
		m.counts[kind]++
		known = fmt.Sprintf(format, m.counts[kind])
		m.tokens[kind+found] = known
	}
	return known
}

// Masked is what replaces what identifies somebody in results, one after the other: the same token is the same id in all of them.
func Masked() func(Result) Result { return (&mask{}).result }

func (m *mask) result(r Result) Result {
	// Of a report that somebody else wrote are the question, where this version does not know it, and what was reported.
	r.Question, r.Reported = m.text(r.Question), Answer(m.text(string(r.Reported)))
	r.Detail = m.text(r.Detail)
	facts := r.Evidence
	r.Evidence = nil
	for _, f := range facts {
		r.Evidence = append(r.Evidence, Fact{m.text(f.Name), m.text(f.Value)})
	}
	return r
}
