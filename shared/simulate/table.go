package simulate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/trail"
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
	call.unsureRole = p.Kind == policy.KindSession && p.PermissionSet() == ""
	call.addNeedsOf(r)
	call.addDependentsOf(r.Context)
	return call, nil
}

// addNeedsOf adds what a recorded call of the kind takes, of which the row says what its condition keys do, and no more.
func (call *Call) addNeedsOf(r Row) {
	service, name, _ := strings.Cut(r.Action, ":")
	at, said := arn.Of(r.Resource), r.parameters()
	c := trail.Change{EventSource: service + principalSuffix, EventName: name, Region: cmp.Or(at.Region, text(said["region"])),
		Account: cmp.Or(r.Account, at.Account, call.Request.Principal.Account)}
	switch {
	case service == "secretsmanager":
		call.uses = r.uses(said)
		if name != "CreateSecret" { // whose context is complete
			call.addSecretNeeds(name, c, said)
		}
	case text(said["manageMasterUserPassword"]) == "true":
		call.addSecretsOfServices(c, said)
	}
}

// parameters are those of the call that have condition keys, by their names in a record, and the Region.
func (r Row) parameters() map[string]any {
	names := map[string]string{"rds:managemasteruserpassword": "manageMasterUserPassword", "aws:requestedregion": "region"}
	for parameter, key := range secretContext {
		names[strings.ToLower(key)] = parameter
	}
	out := map[string]any{}
	for key, values := range r.Context {
		switch key = strings.ToLower(key); {
		case len(values) == 0:
		case names[key] != "":
			out[names[key]] = values[0]
		case key == "secretsmanager:addreplicaregions":
			var list []any
			for _, region := range values {
				list = append(list, map[string]any{"region": region})
			}
			out["addReplicaRegions"] = list
		}
	}
	return out
}

// uses are what the row says of keys. A key that it names is the one meant. Of the key of a secret that is there it says nothing, and nothing of
// those of replicas.
func (r Row) uses(said map[string]any) uses {
	u := usesOf(r.Action, r.Resource, said)
	for name, values := range r.Context {
		if strings.EqualFold(name, "secretsmanager:KmsKeyArn") && len(values) > 0 && u.named == nil {
			u.named = &keyName{id: values[0]}
		}
	}
	if r.Action == "secretsmanager:ReplicateSecretToRegions" && len(u.replicas) == 0 {
		u.replicas = []replica{{}}
	}
	for i := range u.replicas {
		u.replicas[i].key.unsaid = true
	}
	switch unknown := slices.ContainsFunc(r.Unknown, func(key string) bool {
		return arn.Match(strings.ToLower(key), "secretsmanager:kmskeyid") || arn.Match(strings.ToLower(key), "secretsmanager:kmskeyarn")
	}); {
	case u.named != nil:
		u.named.customer, u.current = true, nil
	case unknown:
		u.current, u.anyKey = nil, true
	}
	return u
}
