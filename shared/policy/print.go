package policy

import (
	"bytes"
	"encoding/json"
)

// printed is the canonical shape: elements in AWS's order, single values as strings, lists as lists.
type printed struct {
	Version   string             `json:"Version,omitempty"`
	ID        string             `json:"Id,omitempty"`
	Statement []printedStatement `json:"Statement"`
}

type printedStatement struct {
	SID          string            `json:"Sid,omitempty"`
	Effect       Effect            `json:"Effect"`
	Principal    *printedPrincipal `json:"Principal,omitempty"`
	NotPrincipal *printedPrincipal `json:"NotPrincipal,omitempty"`
	Action       values            `json:"Action,omitzero"`
	NotAction    values            `json:"NotAction,omitzero"`
	Resource     values            `json:"Resource,omitzero"`
	NotResource  values            `json:"NotResource,omitzero"`
	Condition    conditions        `json:"Condition,omitzero"`
}

// values is a list that prints as a string where it has one value; nil is left out.
type values []string

func (v values) IsZero() bool { return v == nil }

func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return encode(v[0])
	}
	return encode([]string(v))
}

type printedPrincipal PrincipalSet

func (p *printedPrincipal) MarshalJSON() ([]byte, error) {
	if p.All {
		return []byte(`"*"`), nil
	}
	return encode(struct {
		AWS           values `json:"AWS,omitzero"`
		Service       values `json:"Service,omitzero"`
		Federated     values `json:"Federated,omitzero"`
		CanonicalUser values `json:"CanonicalUser,omitzero"`
	}{p.AWS, p.Service, p.Federated, p.CanonicalUser})
}

// conditions prints operators and keys in the order in which they were written.
type conditions []Condition

func (c conditions) IsZero() bool { return len(c) == 0 }

func (c conditions) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	done := map[string]bool{}
	for _, first := range c {
		if done[first.Operator] {
			continue
		}
		if len(done) > 0 {
			out.WriteByte(',')
		}
		done[first.Operator] = true
		if err := c.writeOperator(&out, first.Operator); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (c conditions) writeOperator(out *bytes.Buffer, operator string) error {
	name, err := encode(operator)
	if err != nil {
		return err
	}
	out.Write(name)
	separator := ":{"
	for _, condition := range c {
		if condition.Operator != operator {
			continue
		}
		key, err := encode(condition.Key)
		if err != nil {
			return err
		}
		list, err := encode(values(condition.Values))
		if err != nil {
			return err
		}
		out.WriteString(separator)
		out.Write(key)
		out.WriteByte(':')
		out.Write(list)
		separator = ","
	}
	out.WriteByte('}')
	return nil
}

// encode is json.Marshal without escaping <, > and &, which ARNs and conditions may hold.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// Minified is the canonical text in as few characters as possible, which is what the quotas of SCPs and RCPs count.
func (d *Document) Minified() []byte {
	p := printed{Version: d.Version, ID: d.ID, Statement: make([]printedStatement, len(d.Statements))}
	for i := range d.Statements {
		s := &d.Statements[i]
		p.Statement[i] = printedStatement{
			SID: s.SID, Effect: s.Effect,
			Principal: (*printedPrincipal)(s.Principal), NotPrincipal: (*printedPrincipal)(s.NotPrincipal),
			Action: s.Actions, NotAction: s.NotActions, Resource: s.Resources, NotResource: s.NotResources,
			Condition: s.Conditions,
		}
	}
	text, err := encode(p)
	if err != nil {
		return nil // strings always encode
	}
	return text
}

// Print is the canonical text, indented. Parsing it gives the document again.
func (d *Document) Print() []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, d.Minified(), "", "  "); err != nil {
		return nil // Minified is JSON
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// New makes a document, of Version 2012-10-17, from statements written in Go, checked as Parse checks text.
func New(name string, statements ...Statement) (*Document, error) {
	d := &Document{Name: name, Version: Version2012, Statements: statements}
	return Parse(name, d.Print())
}
