package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/doublelock/doublelock/shared/arn"
)

// Report is what a run found out. It names no account, key or organization: see Mask.
type Report struct {
	Format  int    `json:"format"`
	Version string `json:"version"` // of doublelock
	Against string `json:"against"` // AWS, or the name of a stand-in
	// Partition is the part of AWS that was asked, e.g. "aws-us-gov"; "" in reports of older versions.
	Partition arn.Partition `json:"partition,omitempty"`
	Started   time.Time     `json:"started"`
	Results   []Result      `json:"results"`
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

// Said is AWS's answer to a question, as a run against AWS itself in a part of AWS gave it, or why there is none: from a run against
// a stand-in, in another part or one that the report does not name, to a question that was not asked or not answered, or in words that
// this version does not know; nor does a row that no run writes say anything. said reports whether somebody was answered, by whomever and
// however. p may be "", any part.
func (r Report) Said(question string, p arn.Partition, now time.Time) (answer Answer, why Reason, said bool) {
	at := slices.IndexFunc(r.Results, func(one Result) bool { return one.Question == question })
	if at < 0 {
		return "", NotAsked, false
	}
	one := r.Results[at]
	q, _ := Find(question)
	_, known := q.Choice(one.Answer)
	switch answered, _ := one.Verdict.answered(); {
	case !one.Verdict.known():
		return "", UnknownVerdict, true
	case !answered:
		return "", cmp.Or(one.Reason, Reason(Unanswered)), false
	case r.Against != AWS || p != "" && r.Partition != p:
		return "", OfAnother, true
	case !known:
		return "", UnknownAnswer, true
	case one.Title != q.Title || one.Row != q.Row || one.Assumed != q.Assumed:
		return "", OtherwiseOf, true
	case one.Reason != "" || one.Verdict != verdict(one.Answer, one.Assumed):
		return "", Contradicts, true
	case r.Started.IsZero() || r.Started.After(now.Add(mostAhead)):
		return "", OutOfTime, true
	}
	return one.Answer, "", true
}

// mostAhead is how far the clock of a run may have been ahead of the reader's.
const mostAhead = 24 * time.Hour

// ReadReport reads a report. Questions, answers and fields that this version does not know are kept: a newer one may have
// written it.
func ReadReport(from io.Reader) (Report, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxReport+1))
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w", err)
	}
	if len(text) > MaxReport {
		return Report{}, fmt.Errorf("read report: it is longer than %d bytes; name another file", MaxReport)
	}
	r, err := decodeReport(text)
	if err == nil {
		err = r.whole()
	}
	if err != nil {
		return Report{}, fmt.Errorf("read report: %w; doublelock conformance --report FILE writes one", err)
	}
	return r, nil
}

func decodeReport(text []byte) (Report, error) {
	var r Report
	if err := eachKeyOnce(text); err != nil {
		return r, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&r); err != nil {
		return r, notDecoded(text, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return r, fmt.Errorf("line %d: more follows after it", line(text, decoder.InputOffset()))
	}
	switch {
	case r.Format == reportFormat:
		return r, nil
	case r.Format != 0:
		return r, fmt.Errorf("its format is %d, and this version reads %d", r.Format, reportFormat)
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	return r, errors.Join(errors.New("it has no format, so it is no report"), strict.Decode(&Report{}))
}

// eachKeyOnce errs where an object has a key twice, in whatever case: one of two answers would be read, and nobody could say which.
// What is no JSON is left to whoever reads it.
func eachKeyOnce(text []byte) error {
	type level struct {
		object, value bool     // of an object, the value of a key comes next
		keys          []string // that the object has
	}
	levels := []level{{}}
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := decoder.Token()
		if err != nil {
			return nil //nolint:nilerr // the end, or no JSON
		}
		in := &levels[len(levels)-1]
		if key, isKey := token.(string); in.object && !in.value && isKey {
			if slices.ContainsFunc(in.keys, func(other string) bool { return strings.EqualFold(key, other) }) {
				return fmt.Errorf("line %d: an object has %q twice", line(text, decoder.InputOffset()), key)
			}
			in.keys, in.value = append(in.keys, key), true
			continue
		}
		in.value = false
		switch token {
		case json.Delim('{'), json.Delim('['):
			levels = append(levels, level{object: token == json.Delim('{')})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}

// notDecoded says what is wrong with a text that is no report, and in which line.
func notDecoded(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errors.New("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: it is cut off there", line(text, int64(len(text))))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", line(text, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %w", line(text, kind.Offset), err)
	}
	return err
}

// line is the number of the line in which a text has an offset.
func line(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(int(offset)-1, 0), len(text))], []byte{'\n'})
}

// whole answers what a report lacks to be one.
func (r Report) whole() error {
	if len(r.Results) == 0 {
		return errors.New("it has no results")
	}
	seen := map[string]bool{}
	for n, one := range r.Results {
		if one.Question == "" {
			return fmt.Errorf("result %d names no question", n+1)
		}
		if seen[one.Question] {
			return fmt.Errorf("question %q is answered twice", one.Question)
		}
		seen[one.Question] = true
		if answered, known := one.Verdict.answered(); known && answered != (one.Answer != "") {
			return fmt.Errorf("question %q has the answer %q and the verdict %q, which exclude each other", one.Question, one.Answer, one.Verdict)
		}
	}
	return nil
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

// notFollowed ends the counts where a report was followed, and not in all.
func (r Report) notFollowed() string {
	if n := r.Count(NotFollowed); n > 0 {
		return fmt.Sprintf(", %d are not followed", n)
	}
	return ""
}

// Counts are the verdicts in words.
func (r Report) Counts() string {
	return fmt.Sprintf("%d agree with the local AWS, %d differ, %d answered that it has nothing of, %d unanswered%s",
		r.Count(Agrees), r.Count(Differs), r.Count(Answered), r.Count(Unanswered), strings.Replace(r.notFollowed(), " are", "", 1))
}

// in says in which part of AWS it was asked, before a date.
func (r Report) in() string {
	if r.Partition == "" {
		return ""
	}
	return "partition " + string(r.Partition) + ", "
}

const markdownTitle = "# What "

// IsMarkdown reports whether a text is what Markdown writes.
func IsMarkdown(text []byte) bool {
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	return bytes.HasPrefix(first, []byte(markdownTitle)) && bytes.HasSuffix(first, []byte(" answers"))
}

// Markdown is the report for people.
func (r Report) Markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, markdownTitle+"%s answers\n\ndoublelock %s, %s%s: %d agree with what the local AWS assumes, %d differ, %d are answered and have no counterpart there, %d are unanswered%s.\n\n",
		r.Against, r.Version, r.in(), r.Started.Format(time.DateOnly), r.Count(Agrees), r.Count(Differs), r.Count(Answered), r.Count(Unanswered), r.notFollowed())
	out.WriteString("| live check | question | answer | the local AWS | verdict | what it means | seen |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, one := range r.Results {
		var seen []string
		for _, f := range one.Evidence {
			seen = append(seen, f.Name+": "+f.Value)
		}
		fmt.Fprintf(&out, "| %d | `%s`: %s | %s | %s | %s | %s | %s |\n", one.Row, cell(one.Question), cell(one.Title), dash(cell(string(one.Answer))), dash(cell(string(one.Assumed))), cell(string(one.Verdict)), dash(cell(one.Why())), dash(cell(strings.Join(seen, "; "))))
	}
	return out.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// cell keeps a text from ending a cell of a table, and from steering the terminal that shows it.
func cell(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(s))
}
