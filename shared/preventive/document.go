package preventive

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Values is a list that a policy document writes as one string when it has one value: shorter, and what AWS prints.
type Values []string

// MarshalJSON writes one value as a string and several as a list.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return compact(v[0])
	}
	return compact([]string(v))
}

// Condition is operator → condition key → values.
type Condition map[string]map[string]Values

// Principal is principal kind (AWS, Service) → principals; everybody is written without a kind.
type Principal map[string]Values

// MarshalJSON writes everybody as "*": an RCP takes nothing else. Source: AWS Organizations User Guide, "RCP syntax".
func (p Principal) MarshalJSON() ([]byte, error) {
	if _, all := p["*"]; all {
		return compact("*")
	}
	return compact(map[string]Values(p))
}

// Statement is one statement of a policy document. Why says in a sentence what it is for; it is not rendered.
type Statement struct {
	Sid         string    `json:"Sid"`
	Effect      string    `json:"Effect"`
	Principal   Principal `json:"Principal,omitempty"`
	Action      Values    `json:"Action"`
	Resource    Values    `json:"Resource,omitempty"`
	NotResource Values    `json:"NotResource,omitempty"`
	Condition   Condition `json:"Condition,omitempty"`
	Why         string    `json:"-"`
}

// Document is a policy document.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// NewDocument makes a document of the one policy language version there is.
func NewDocument(statements ...Statement) Document {
	return Document{Version: "2012-10-17", Statement: statements}
}

// JSON is the document minified. White space counts against the size of an SCP, so there is none.
func (d Document) JSON() (string, error) {
	raw, err := compact(d)
	if err != nil {
		return "", fmt.Errorf("render policy: %w", err)
	}
	return string(raw), nil
}

// compact is json.Marshal without the HTML escapes, which cost six characters each.
func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
