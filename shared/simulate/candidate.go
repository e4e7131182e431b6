package simulate

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
)

// Candidate is an organization policy that may be attached.
type Candidate struct {
	Name     string
	Type     policy.Type // policy.TypeSCP or policy.TypeRCP
	Document *policy.Document
	Raw      []byte // as it would be sent, for its size
}

// ReadCandidate parses a policy file. A document that names principals is an RCP. One that AWS would not attach is an
// error that names file and line.
func ReadCandidate(name string, raw []byte) (Candidate, error) {
	d, err := policy.Parse(name, raw)
	if err != nil {
		return Candidate{}, fmt.Errorf("read candidate: %w", err)
	}
	c := Candidate{Name: name, Type: policy.TypeSCP, Document: d, Raw: raw}
	for _, s := range d.Statements {
		if s.Principal != nil || s.NotPrincipal != nil {
			c.Type = policy.TypeRCP
		}
	}
	for _, problem := range d.Check(c.Type, nil) { // sizes are compared by Limits
		return Candidate{}, fmt.Errorf("read candidate: %s:%d: %s", name, problem.Line, problem.Message)
	}
	return c, nil
}

// Candidates makes candidates of rendered SCPs, one for each content.
func Candidates(scps []preventive.SCP) ([]Candidate, error) {
	var out []Candidate
	seen := map[string]bool{}
	for _, scp := range scps {
		if seen[scp.Content] {
			continue
		}
		seen[scp.Content] = true
		c, err := ReadCandidate(scp.Name, []byte(scp.Content))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Limit is a quota and where the candidates stand to it.
type Limit struct {
	Subject  string // a candidate's name, or what is attached
	What     string
	Value    int
	Max      int
	Exceeded bool
	Note     string
}

// attachments are how many policies of a kind one root, OU or account may have, AWS's own FullAWSAccess among them.
// Source: AWS Organizations User Guide, quotas, since 15 May 2026.
var attachments = map[policy.Type]int{policy.TypeSCP: 10, policy.TypeRCP: 5}

// Limits compares the candidates' sizes and number with AWS's quotas. attached is how many policies of their kind are
// on the target already, FullAWSAccess among them.
func Limits(candidates []Candidate, attached int) []Limit {
	var out []Limit
	count := map[policy.Type]int{}
	for _, c := range candidates {
		count[c.Type]++
		size := len([]rune(string(c.Raw)))
		l := Limit{Subject: c.Name, What: "characters", Value: size, Max: policy.Limits[c.Type].Characters}
		l.Exceeded = size > l.Max
		if minified := len([]rune(string(c.Document.Minified()))); minified < size {
			l.Note = fmt.Sprintf("%d without white space", minified)
		}
		if c.Type == policy.TypeSCP && size > preventive.MaxDeployed && !l.Exceeded {
			l.Note = strings.TrimPrefix(l.Note+fmt.Sprintf("; CloudFormation takes %d", preventive.MaxDeployed), "; ")
		}
		out = append(out, l)
	}
	for _, kind := range []policy.Type{policy.TypeSCP, policy.TypeRCP} {
		if n := count[kind]; n > 0 {
			l := Limit{Subject: string(kind), What: "attached to one target", Value: n + attached, Max: attachments[kind]}
			l.Exceeded = l.Value > l.Max
			l.Note = fmt.Sprintf("%d of them already there", attached)
			out = append(out, l)
		}
	}
	return out
}
