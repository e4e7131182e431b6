package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws"
)

// Report is what a run found out. It names no account, key or organization: see Mask.
type Report struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of doublelock
	Against string    `json:"against"` // AWS, or the name of a stand-in
	Started time.Time `json:"started"`
	Results []Result  `json:"results"`
}

// reportFormat is the version of Report's JSON.
const reportFormat = 1

// MaxReport is the most that is read of a report, in bytes; a whole one has some 30 KB.
const MaxReport = 1 << 20

// AWS is what a report of AWS itself is against.
const AWS = "AWS"

// NewReport is the report of a run, masked.
func NewReport(version, against string, started time.Time, results []Result) Report {
	m := &mask{}
	r := Report{Format: reportFormat, Version: version, Against: against, Started: started.UTC().Truncate(time.Second)}
	for _, one := range results {
		r.Results = append(r.Results, m.result(one))
	}
	return r
}

// ReadReport reads a report. Questions and answers that this version does not know are errors: a report is believed as a
// whole, or not at all.
func ReadReport(from io.Reader) (Report, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxReport+1))
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	if len(text) > MaxReport {
		return Report{}, fmt.Errorf("read report: it is longer than %d bytes", MaxReport)
	}
	var r Report
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Report{}, fmt.Errorf("read report: more follows after it")
	}
	if r.Format != reportFormat {
		return Report{}, fmt.Errorf("read report: its format is %d, and this version reads %d", r.Format, reportFormat)
	}
	if len(r.Results) == 0 {
		return Report{}, errors.New("read report: it has no results")
	}
	seen := map[string]bool{}
	for _, one := range r.Results {
		q, known := Find(one.Question)
		if !known {
			return Report{}, fmt.Errorf("read report: no question %q in this version", one.Question)
		}
		if seen[q.ID] {
			return Report{}, fmt.Errorf("read report: question %q is answered twice", q.ID)
		}
		seen[q.ID] = true
		if _, known := q.Choice(one.Answer); one.Answer != "" && !known {
			return Report{}, fmt.Errorf("read report: question %q has no answer %q", q.ID, one.Answer)
		}
	}
	return r, nil
}

// Behavior is the local AWS as a report says that AWS is. Left are the ids of the questions whose answers it cannot follow:
// they are not what it does, and it has no other way.
func (r Report) Behavior() (b localaws.Behavior, left []string) {
	for _, one := range r.Results {
		q, known := Find(one.Question)
		if !known || one.Answer == "" {
			continue
		}
		choice, _ := q.Choice(one.Answer)
		switch {
		case choice.Set != nil:
			choice.Set(&b)
		case one.Answer != q.Assumed && !choice.Own:
			left = append(left, q.ID)
		}
	}
	return b, left
}

// ReadBehavior is the local AWS as a file with a report says that AWS is, and what it cannot follow. No file ("") is as
// always. Read reads the file. A report without an answer is refused: there is nothing to follow in it.
func ReadBehavior(path string, read func(path string) ([]byte, error)) (b localaws.Behavior, left []string, err error) {
	if path == "" {
		return b, nil, nil
	}
	text, err := read(path)
	if err != nil {
		return b, nil, err
	}
	r, err := ReadReport(bytes.NewReader(text))
	if err == nil && !slices.ContainsFunc(r.Results, func(one Result) bool { return one.Answer != "" }) {
		err = errors.New("read report: it answers no question")
	}
	if err != nil {
		return b, nil, fmt.Errorf("%s: %w", path, err)
	}
	b, left = r.Behavior()
	return b, left, nil
}

// Count is how many results have a verdict.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, one := range r.Results {
		if one.Verdict == v {
			n++
		}
	}
	return n
}

// Markdown is the report for people.
func (r Report) Markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# What %s answers\n\ndoublelock %s, %s: %d agree with what the local AWS assumes, %d differ, %d are answered and have no counterpart there, %d are unanswered.\n\n",
		r.Against, r.Version, r.Started.Format(time.DateOnly), r.Count(Agrees), r.Count(Differs), r.Count(Answered), r.Count(Unanswered))
	out.WriteString("| live check | question | answer | the local AWS | verdict | what it means | seen |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, one := range r.Results {
		meaning := one.Meaning
		if one.Verdict == Unanswered {
			meaning = strings.TrimSuffix(string(one.Reason)+": "+one.Detail, ": ")
		}
		var seen []string
		for _, f := range one.Evidence {
			seen = append(seen, f.Name+": "+f.Value)
		}
		fmt.Fprintf(&out, "| %d | `%s`: %s | %s | %s | %s | %s | %s |\n", one.Row, one.Question, cell(one.Title), dash(string(one.Answer)), dash(string(one.Assumed)), one.Verdict, dash(cell(meaning)), dash(cell(strings.Join(seen, "; "))))
	}
	return out.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// cell keeps a text from ending a cell of a table.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(s) }
