package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

// Row is one line of a request table: a call written down by hand, and what the candidates should do to it.
type Row struct {
	Name      string              `json:"name"`
	Principal string              `json:"principal"` // ARN, or a service
	Action    string              `json:"action"`
	Resource  string              `json:"resource"` // ARN; "" or "*" is none for an action that is about none, else any
	Account   string              `json:"account"`  // of the resource; "" takes the ARN's, or the principal's
	Context   map[string][]string `json:"context"`
	Unknown   []string            `json:"unknownContext"` // keys with values not known
	Tool      string              `json:"tool"`
	Expected  Outcome             `json:"expected"` // denied, unknown, exempt, unbound or passes; "" is not checked
}

// Calls reads a table: a JSON list of rows. The rows come beside the calls.
func Calls(name string, raw []byte) ([]Call, []Row, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var rows []Row
	if err := dec.Decode(&rows); err != nil {
		return nil, nil, fmt.Errorf("read requests %s: %w", name, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read requests %s: more than one list", name)
	}
	var calls []Call
	for i, row := range rows {
		call, err := row.call()
		if err != nil {
			return nil, nil, fmt.Errorf("read requests %s: row %d: %w", name, i+1, err)
		}
		if call.Name == "" {
			call.Name = fmt.Sprintf("%s row %d", name, i+1)
		}
		calls = append(calls, call)
	}
	return calls, rows, nil
}

var outcomes = []Outcome{"", Denied, Unknown, Exempt, Unbound, Passes}

func (r Row) call() (Call, error) {
	p, err := policy.ParsePrincipal(r.Principal)
	if err != nil {
		return Call{}, err
	}
	if r.Action == "" {
		return Call{}, errors.New(`no "action"`)
	}
	if !slices.Contains(outcomes, r.Expected) {
		return Call{}, fmt.Errorf("expected %q: use denied, unknown, exempt, unbound or passes", r.Expected)
	}
	request := policy.Request{Principal: p, Action: r.Action, Resource: r.Resource, ResourceAccount: r.Account, Context: r.Context, Unknown: r.Unknown}
	if err := request.CheckUnknown(); err != nil {
		return Call{}, fmt.Errorf("unknownContext: %w", err)
	}
	if request.Resource == "" {
		request.Resource = "*"
	}
	call := Call{Name: r.Name, Request: request, Tool: r.Tool, NoResource: request.Resource == "*" && !TakesNoResource(r.Action)}
	if strings.HasPrefix(r.Action, "secretsmanager:") {
		call.uses = r.uses()
	}
	call.addDependentsOf(r.Context)
	return call, nil
}

// uses are what the row says of keys. Its context is complete, so a key that it names is the one meant; of a secret that is there
// it says nothing.
func (r Row) uses() uses {
	var u uses
	for name, values := range r.Context {
		switch key := strings.ToLower(name); {
		case len(values) == 0:
		case key == "secretsmanager:kmskeyid", key == "secretsmanager:kmskeyarn" && u.named == nil:
			u.named = &keyName{id: values[0], customer: true}
		}
	}
	u.does(r.Action, r.Resource)
	if u.named == nil && u.current == nil {
		return uses{}
	}
	return u
}
