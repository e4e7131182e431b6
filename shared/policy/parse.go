package policy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Parse reads a policy document. It is as lenient as AWS (a string or a list, one statement or a list, numbers and
// booleans as condition values, any case in operator, action and condition-key names) and as strict (unknown or
// repeated elements, both or neither of Action and NotAction, a bad Effect, Version, principal or operator).
// An error is a *SyntaxError with the line and column.
func Parse(name string, raw []byte) (*Document, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	root, r, err := readNode(name, raw)
	if err != nil {
		return nil, err
	}
	d := &Document{Name: name, Size: countCharacters(raw)}
	if err := r.document(d, root); err != nil {
		return nil, err
	}
	return d, nil
}

// MustParse is Parse for documents that are part of a program; it panics on one that is not a policy.
func MustParse(name, text string) *Document {
	d, err := Parse(name, []byte(text))
	if err != nil {
		panic(err)
	}
	return d
}

func countCharacters(raw []byte) int {
	count := 0
	for _, c := range string(raw) {
		if !unicode.IsSpace(c) {
			count++
		}
	}
	return count
}

func (r *reader) document(d *Document, n node) error {
	if n.kind != nodeObject {
		return r.errorAt(n.offset, "a policy is an object, not %s", n.kind)
	}
	seen := false
	for _, f := range n.fields {
		var err error
		switch f.name {
		case "Version":
			if d.Version, err = r.text(f); err == nil && d.Version != Version2008 && d.Version != Version2012 {
				err = r.errorAt(f.value.offset, "Version is %q; it must be %q or %q", d.Version, Version2012, Version2008)
			}
		case "Id":
			d.ID, err = r.text(f)
		case "Statement":
			seen = true
			err = r.statements(d, f.value)
		default:
			err = r.unknown(f, "a policy", "Version", "Id", "Statement")
		}
		if err != nil {
			return err
		}
	}
	if !seen {
		return r.errorAt(n.offset, "the policy has no Statement")
	}
	d.compile()
	return nil
}

func (r *reader) statements(d *Document, n node) error {
	items := n.list
	if n.kind == nodeObject {
		items = []node{n}
	} else if n.kind != nodeList {
		return r.errorAt(n.offset, "Statement is an object or a list of them, not %s", n.kind)
	}
	d.Statements = make([]Statement, len(items))
	for i, item := range items {
		if err := r.statement(&d.Statements[i], item); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) statement(s *Statement, n node) error {
	if n.kind != nodeObject {
		return r.errorAt(n.offset, "a statement is an object, not %s", n.kind)
	}
	s.Line, _ = r.position(n.offset)
	for _, f := range n.fields {
		if err := r.element(s, f); err != nil {
			return err
		}
	}
	return r.complete(s, n)
}

func (r *reader) element(s *Statement, f field) (err error) {
	switch f.name {
	case "Sid":
		s.SID, err = r.text(f)
	case "Effect":
		var effect string
		if effect, err = r.text(f); err == nil && effect != string(Allow) && effect != string(Deny) {
			err = r.errorAt(f.value.offset, "Effect is %q; it must be \"Allow\" or \"Deny\"", effect)
		}
		s.Effect = Effect(effect)
	case "Principal":
		s.Principal, err = r.principals(f)
	case "NotPrincipal":
		s.NotPrincipal, err = r.principals(f)
	case "Action":
		s.Actions, err = r.actions(f)
	case "NotAction":
		s.NotActions, err = r.actions(f)
	case "Resource":
		s.Resources, err = r.texts(f)
	case "NotResource":
		s.NotResources, err = r.texts(f)
	case "Condition":
		s.Conditions, err = r.conditions(f)
	default:
		err = r.unknown(f, "a statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
			"Resource", "NotResource", "Condition")
	}
	return err
}

// complete checks that a statement has what every statement needs and no two elements that exclude each other.
func (r *reader) complete(s *Statement, n node) error {
	switch {
	case s.Effect == "":
		return r.errorAt(n.offset, "the statement has no Effect")
	case s.Actions != nil && s.NotActions != nil:
		return r.errorAt(n.offset, "the statement has both Action and NotAction")
	case s.Actions == nil && s.NotActions == nil:
		return r.errorAt(n.offset, "the statement has neither Action nor NotAction")
	case s.Resources != nil && s.NotResources != nil:
		return r.errorAt(n.offset, "the statement has both Resource and NotResource")
	case s.Principal != nil && s.NotPrincipal != nil:
		return r.errorAt(n.offset, "the statement has both Principal and NotPrincipal")
	}
	return nil
}

// actions reads Action or NotAction and checks that each is "*" or prefixed by a service.
func (r *reader) actions(f field) ([]string, error) {
	list, err := r.texts(f)
	if err != nil {
		return nil, err
	}
	for i, action := range list {
		if action == "*" || action == "*:*" {
			continue
		}
		service, name, found := strings.Cut(action, ":")
		if !found || service == "" || name == "" || strings.ContainsAny(service, "*? ") {
			return nil, r.errorAt(r.itemOffset(f, i), "%s %q must be \"*\" or service:action, the service without wildcards",
				f.name, action)
		}
	}
	return list, nil
}

func (r *reader) itemOffset(f field, i int) int {
	if f.value.kind == nodeList {
		return f.value.list[i].offset
	}
	return f.value.offset
}

func (r *reader) principals(f field) (*PrincipalSet, error) {
	set := &PrincipalSet{}
	if f.value.kind == nodeString {
		if f.value.text != "*" {
			return nil, r.errorAt(f.value.offset, "%s is %q; it must be \"*\" or an object such as {\"AWS\": …}", f.name, f.value.text)
		}
		set.All = true
		return set, nil
	}
	if f.value.kind != nodeObject || len(f.value.fields) == 0 {
		return nil, r.errorAt(f.value.offset, "%s is \"*\" or an object such as {\"AWS\": …}, not %s", f.name, f.value.kind)
	}
	for _, kind := range f.value.fields {
		var err error
		switch kind.name {
		case "AWS":
			set.AWS, err = r.texts(kind)
		case "Service":
			set.Service, err = r.texts(kind)
		case "Federated":
			set.Federated, err = r.texts(kind)
		case "CanonicalUser":
			set.CanonicalUser, err = r.texts(kind)
		default:
			err = r.unknown(kind, f.name, "AWS", "Service", "Federated", "CanonicalUser")
		}
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (r *reader) conditions(f field) ([]Condition, error) {
	if f.value.kind != nodeObject {
		return nil, r.errorAt(f.value.offset, "Condition is an object of operators, not %s", f.value.kind)
	}
	var out []Condition
	for _, operator := range f.value.fields {
		if _, ok := parseOperator(operator.name); !ok {
			return nil, r.errorAt(operator.offset, "%q is not a condition operator", operator.name)
		}
		if operator.value.kind != nodeObject {
			return nil, r.errorAt(operator.value.offset, "%s is an object of condition keys, not %s", operator.name, operator.value.kind)
		}
		for _, key := range operator.value.fields {
			values, err := r.scalars(key)
			if err != nil {
				return nil, err
			}
			out = append(out, Condition{Operator: operator.name, Key: key.name, Values: values})
		}
	}
	return out, nil
}

func (r *reader) text(f field) (string, error) {
	if f.value.kind != nodeString {
		return "", r.errorAt(f.value.offset, "%s is a string, not %s", f.name, f.value.kind)
	}
	return f.value.text, nil
}

// texts reads a string or a list of strings; never nil without an error, so that nil means "absent".
func (r *reader) texts(f field) ([]string, error) {
	items := f.value.list
	if f.value.kind != nodeList {
		items = []node{f.value}
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		if item.kind != nodeString {
			return nil, r.errorAt(item.offset, "%s is a string or a list of strings, not %s", f.name, item.kind)
		}
		if item.text == "" {
			return nil, r.errorAt(item.offset, "%s is empty", f.name)
		}
		out = append(out, item.text)
	}
	return out, nil
}

// scalars reads the values of a condition key: strings, numbers and booleans alike.
func (r *reader) scalars(f field) ([]string, error) {
	items := f.value.list
	if f.value.kind != nodeList {
		items = []node{f.value}
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		if item.kind != nodeString && item.kind != nodeScalar {
			return nil, r.errorAt(item.offset, "%s is a string, number, boolean or a list of them, not %s", f.name, item.kind)
		}
		out = append(out, item.text)
	}
	return out, nil
}

// unknown refuses an element, and says which it may have been meant to be.
func (r *reader) unknown(f field, parent string, known ...string) error {
	for _, k := range known {
		if strings.EqualFold(k, f.name) || strings.EqualFold(k+"s", f.name) || strings.EqualFold("Not"+k, "Not_"+f.name) {
			return r.errorAt(f.offset, "%q is not an element of %s; write %q", f.name, parent, k)
		}
	}
	return r.errorAt(f.offset, "%q is not an element of %s; known are %s", f.name, parent, fmt.Sprint(strings.Join(known, ", ")))
}
