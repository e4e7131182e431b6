package policytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

// Case is one test: a request, the policies around it and the answer that is expected.
type Case struct {
	Index    int // in its file, from 0
	Name     string
	Request  policy.Request
	Policies policy.Policies
	Expected policy.Answer
}

// Read turns decoded JSON or YAML (a list of cases, one case, or an object whose "cases" is the list) into cases.
// A malformed case is left out and named by a *FieldError; several are joined.
func Read(decoded any) ([]Case, error) {
	var list []any
	switch v := decoded.(type) {
	case []any:
		list = v
	case map[string]any:
		list = []any{v}
		if inner, ok := v["cases"].([]any); ok {
			list = inner
		}
	default:
		return nil, &FieldError{Index: -1, Message: "a file of cases is a list or one case, not " + kind(decoded)}
	}
	cases := make([]Case, 0, len(list))
	var problems []error
	for i, value := range list {
		c, err := readCase(i, value)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		cases = append(cases, c)
	}
	return cases, errors.Join(problems...)
}

func readCase(i int, value any) (c Case, err error) {
	c.Index = i
	fields, ok := value.(map[string]any)
	o := object{index: i, fields: fields}
	if !ok {
		return c, o.fail("", "a case is an object, not %s", kind(value))
	}
	if err := o.only("name", "description", "comment", "source", "request", "identityPolicies", "permissionBoundaries",
		"permissionBoundaryPolicies", "sessionPolicy", "serviceControlPolicies", "resourceControlPolicies",
		"resourcePolicy", "vpcEndpointPolicies", "grants", "managementAccount", "expected"); err != nil {
		return c, err
	}
	if c.Name, err = o.text("name"); err != nil {
		return c, err
	}
	if c.Request, err = readRequest(o); err != nil {
		return c, err
	}
	if c.Policies, err = readPolicies(o); err != nil {
		return c, err
	}
	c.Expected, err = readExpected(o)
	return c, err
}

func readRequest(o object) (policy.Request, error) {
	var r policy.Request
	q, err := o.object("request")
	if err != nil {
		return r, err
	}
	if err = q.only("action", "resource", "principal", "context", "contextVariables", "unknownContext", "wildcardOnlyAction"); err != nil {
		return r, err
	}
	if r.Action, err = q.text("action"); err != nil {
		return r, err
	}
	if service, name, found := strings.Cut(r.Action, ":"); !found || service == "" || name == "" {
		return r, q.fail("action", "%q is not service:Action", r.Action)
	}
	if r.Principal, err = readPrincipal(q); err != nil {
		return r, err
	}
	if err = readResource(q, &r); err != nil {
		return r, err
	}
	if err = readWildcardOnly(q, r.Resource); err != nil {
		return r, err
	}
	if r.Context, err = readContext(q); err != nil {
		return r, err
	}
	if q.fields["unknownContext"] == nil {
		return r, nil
	}
	if r.Unknown, err = q.texts("unknownContext"); err != nil {
		return r, err
	}
	if err := r.CheckUnknown(); err != nil {
		return r, q.fail("unknownContext", "%s", err)
	}
	return r, nil
}

// readResource reads {resource, accountId}, or an ARN alone.
func readResource(q object, r *policy.Request) error {
	if arn, ok := q.fields["resource"].(string); ok && arn != "" {
		r.Resource = arn
		return nil
	}
	o, err := q.object("resource")
	if err != nil {
		return err
	}
	if err = o.only("resource", "accountId"); err != nil {
		return err
	}
	if r.Resource, err = o.text("resource"); err != nil {
		return err
	}
	if o.fields["accountId"] != nil && o.fields["accountId"] != "" {
		r.ResourceAccount, err = o.text("accountId")
	}
	return err
}

// readWildcardOnly reads whether the action has no resources. It says nothing that the resource does not say: such a request is
// about "*", which no ARN in a policy matches.
func readWildcardOnly(q object, resource string) error {
	switch only := q.fields["wildcardOnlyAction"].(type) {
	case nil:
		return nil
	case bool:
		if only && resource != "*" {
			return q.fail("wildcardOnlyAction", "is true, and the resource is %s: an action without resources is about \"*\"", resource)
		}
		return nil
	default:
		return q.fail("wildcardOnlyAction", "is true or false, not %s", kind(only))
	}
}

// readPrincipal reads an ARN, a service, an account or "*", or an object with at least the type.
func readPrincipal(q object) (policy.Principal, error) {
	if _, ok := q.fields["principal"].(map[string]any); ok {
		return readPrincipalObject(q)
	}
	text, err := q.text("principal")
	if err != nil {
		return policy.Principal{}, err
	}
	p, err := policy.ParsePrincipal(text)
	if err != nil {
		return p, q.fail("principal", "%s", err)
	}
	return p, nil
}

func readPrincipalObject(q object) (policy.Principal, error) {
	var p policy.Principal
	o, err := q.object("principal")
	if err != nil {
		return p, err
	}
	if err = o.only("type", "arn", "service", "provider", "account", "value", "role", "roleArn", "user", "uniqueId", "tags"); err != nil {
		return p, err
	}
	switch name := o.pick("arn", "service", "provider", "account", "value", "roleArn"); {
	case o.fields[name] != nil:
		text, err := o.text(name)
		if err != nil {
			return p, err
		}
		if p, err = policy.ParsePrincipal(text); err != nil {
			return p, o.fail(name, "%s", err)
		}
	default:
		kind, err := o.text("type")
		if err != nil {
			return p, err
		}
		if !strings.EqualFold(kind, string(policy.KindAnonymous)) {
			return p, o.fail("type", "%q needs an arn, service, provider or account; only Anonymous needs none", kind)
		}
		p = policy.Principal{Kind: policy.KindAnonymous}
	}
	for name, target := range map[string]*string{"role": &p.Role, "roleArn": &p.Role, "user": &p.User, "uniqueId": &p.UniqueID} {
		if o.fields[name] == nil {
			continue
		}
		if *target, err = o.text(name); err != nil {
			return p, err
		}
	}
	p.Tags, err = o.pairs("tags")
	return p, err
}

func readContext(q object) (map[string][]string, error) {
	name := q.pick("context", "contextVariables")
	if q.fields[name] == nil {
		return nil, nil
	}
	o, err := q.object(name)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]string, len(o.fields))
	seen := make(map[string]bool, len(o.fields))
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		value := o.fields[key]
		if lower := strings.ToLower(key); seen[lower] {
			return nil, o.fail(key, "is there twice, in different case: a request has a condition key one time")
		} else {
			seen[lower] = true
		}
		if value == nil {
			continue // null: the request does not have the key
		}
		if out[key], err = o.texts(key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readExpected(o object) (policy.Answer, error) {
	e, err := o.object("expected")
	if err != nil {
		return "", err
	}
	text, err := e.text("response")
	if err != nil {
		return "", err
	}
	answers := []policy.Answer{policy.Allowed, policy.ImplicitlyDenied, policy.ExplicitlyDenied, policy.Unknown}
	for _, answer := range answers {
		if strings.EqualFold(string(answer), text) {
			return answer, nil
		}
	}
	return "", e.fail("response", "%q is none of Allowed, ImplicitlyDenied, ExplicitlyDenied and Unknown", text)
}

// document reads a policy given as an object, or as JSON in a string. One that does not parse stays in the test as a
// broken document: the answer then is unknown, which a case may expect.
func (o object) document(field, name string, value any) (*policy.Document, error) {
	if text, ok := value.(string); ok {
		return policy.Read(name, []byte(text)), nil
	}
	if _, ok := value.(map[string]any); !ok {
		return nil, o.fail(field, "is a policy document, not %s", kind(value))
	}
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, o.fail(field, "encode policy: %s", err)
	}
	return unplaced(name, raw), nil
}

// unplaced parses a document that was decoded with its case: the places in its text are not those in the file.
func unplaced(name string, raw []byte) *policy.Document {
	d, err := policy.Parse(name, raw)
	var syntax *policy.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return policy.Broken(name, errors.New(syntax.Message))
	case err != nil:
		return policy.Broken(name, err)
	}
	for i := range d.Statements {
		d.Statements[i].Line = 0
	}
	return d
}

// documents reads a list of {name, policy} objects or bare documents.
func (o object) documents(field string) ([]*policy.Document, error) {
	list, err := o.list(field)
	if err != nil || list == nil {
		return nil, err
	}
	out := make([]*policy.Document, 0, len(list))
	for i, value := range list {
		d, err := o.named(fmt.Sprintf("%s[%d]", field, i), value)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// named reads {name, policy} or a bare document.
func (o object) named(field string, value any) (*policy.Document, error) {
	fields, ok := value.(map[string]any)
	inner, wrapped := fields["policy"]
	if !ok || !wrapped {
		return o.document(field, field, value)
	}
	w := object{index: o.index, path: join(o.path, field), fields: fields}
	if err := w.only("name", "policy"); err != nil {
		return nil, err
	}
	name := field
	if w.fields["name"] != nil {
		text, err := w.text("name")
		if err != nil {
			return nil, err
		}
		name = text
	}
	return w.document("policy", name, inner)
}
