package migration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// statement is the right that a reader lacks, no wider than one secret, one key and one way.
type statement struct {
	secret, key string
	viaService  []string // what kms:ViaService may hold
	actions     []string
	grantee
}

func grantStatement(s guard.Secret, key guard.Key, actions []string) statement {
	return statement{secret: s.ARN, key: key.ARN, viaService: arn.Of(s.ARN).Partition.ViaService("secretsmanager", s.Region), actions: actions}
}

type policyStatement struct {
	SID       string            `json:"Sid,omitempty"`
	Effect    string            `json:"Effect"`
	Principal map[string]string `json:"Principal,omitempty"`
	Action    any               `json:"Action"`
	Resource  string            `json:"Resource"`
	Condition map[string]any    `json:"Condition"`
}

func (st statement) identity() json.RawMessage {
	return st.render(policyStatement{SID: "ReadSecretUnderCMK", Effect: "Allow", Resource: st.key, Condition: st.conditions()})
}

func (st statement) keyPolicy() json.RawMessage {
	out := policyStatement{SID: "ReaderOfSecret", Effect: "Allow", Principal: map[string]string{st.kind: st.name}, Resource: "*", Condition: map[string]any{}}
	for _, c := range st.atTheKey() {
		of, _ := out.Condition[c.Operator].(map[string]any)
		if of == nil {
			of = map[string]any{}
			out.Condition[c.Operator] = of
		}
		of[c.Key] = oneOrMore(c.Values)
	}
	return st.render(out)
}

func oneOrMore(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

func (st statement) conditions() map[string]any {
	return map[string]any{"StringEquals": map[string]any{
		"kms:ViaService": oneOrMore(st.viaService), "kms:EncryptionContext:SecretARN": st.secret,
	}}
}

// common are the conditions of the statement wherever it is; atTheKey adds whom a key policy lets in by it.
func (st statement) common() []policy.Condition {
	return []policy.Condition{
		{Operator: "StringEquals", Key: "kms:ViaService", Values: st.viaService},
		{Operator: "StringEquals", Key: "kms:EncryptionContext:SecretARN", Values: []string{st.secret}},
	}
}

func (st statement) atTheKey() []policy.Condition {
	return slices.Concat(st.common(), st.like, st.source)
}

func (st statement) render(p policyStatement) json.RawMessage {
	p.Action = st.actions
	if len(st.actions) == 1 {
		p.Action = st.actions[0]
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil // strings and maps of strings always encode
	}
	return bytes.TrimSpace(out.Bytes())
}

func (f Fix) inIdentity() bool { return f.Kind == FixIdentity || f.Kind == FixBoth }
func (f Fix) inSet() bool      { return f.Kind == FixSet || f.Kind == FixSetBoth }
func (f Fix) inKey() bool      { return f.Kind == FixKey || f.Kind == FixBoth || f.Kind == FixSetBoth }

// terraform writes the fix for hashicorp/aws.
func terraform(f Fix, st statement, principal string) string {
	var b strings.Builder
	switch {
	case f.inIdentity() && f.Managed:
		fmt.Fprintf(&b, "resource \"aws_iam_policy\" \"read_%[1]s\" {\n  name   = \"read-%[2]s\"\n  policy = data.aws_iam_policy_document.read_%[1]s.json\n}\n\n"+
			"resource \"aws_iam_%[3]s_policy_attachment\" \"read_%[1]s\" {\n  %[3]s = %[4]q\n  policy_arn = aws_iam_policy.read_%[1]s.arn\n}\n\n",
			st.label(), strings.ReplaceAll(st.label(), "_", "-"), iamKind(principal), nameOf(principal))
	case f.inIdentity():
		fmt.Fprintf(&b, "resource \"aws_iam_%s_policy\" \"read_%s\" {\n  %s = %q\n  name = \"read-%s\"\n  policy = data.aws_iam_policy_document.read_%s.json\n}\n\n",
			iamKind(principal), st.label(), iamKind(principal), nameOf(principal), strings.ReplaceAll(st.label(), "_", "-"), st.label())
	case f.inSet():
		fmt.Fprintf(&b, "# add to the inline policy of the permission set %s\n%s", f.Set.Name, st.hcl("", "", st.key, st.common()))
	}
	if f.inIdentity() {
		fmt.Fprintf(&b, "data \"aws_iam_policy_document\" \"read_%s\" {\n%s}\n", st.label(), st.hcl("", "", st.key, st.common()))
	}
	if f.inKey() {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# add to the policy document of %s\n%s", st.key, st.hcl(st.kind, st.name, "*", st.atTheKey()))
	}
	return b.String()
}

func (st statement) hcl(kind, principal, resource string, conditions []policy.Condition) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  statement {\n    actions   = [%s]\n    resources = [%q]\n", quoted(st.actions), resource)
	if principal != "" {
		fmt.Fprintf(&b, "    principals {\n      type        = %q\n      identifiers = [%q]\n    }\n", kind, principal)
	}
	for _, c := range conditions {
		fmt.Fprintf(&b, "    condition {\n      test     = %q\n      variable = %q\n      values   = [%s]\n    }\n", c.Operator, c.Key, quoted(c.Values))
	}
	b.WriteString("  }\n")
	return b.String()
}

// cdk writes the fix for the CDK in TypeScript.
func cdk(f Fix, st statement) string {
	var b strings.Builder
	actions := strings.ReplaceAll(quoted(st.actions), `"`, `'`)
	switch {
	case f.inIdentity() && f.Managed:
		fmt.Fprintf(&b, "reader.addManagedPolicy(new iam.ManagedPolicy(this, 'Read', { statements: [new iam.PolicyStatement({\n  actions: [%s],\n  resources: ['%s'],\n  conditions: %s,\n})] }));\n",
			actions, st.key, typescript(st.common()))
	case f.inIdentity():
		fmt.Fprintf(&b, "reader.addToPrincipalPolicy(new iam.PolicyStatement({\n  actions: [%s],\n  resources: ['%s'],\n  conditions: %s,\n}));\n", actions, st.key, typescript(st.common()))
	case f.inSet():
		fmt.Fprintf(&b, "// add to the inlinePolicy of the permission set %s\nnew iam.PolicyStatement({\n  actions: [%s],\n  resources: ['%s'],\n  conditions: %s,\n});\n",
			f.Set.Name, actions, st.key, typescript(st.common()))
	}
	if f.inKey() {
		who := fmt.Sprintf("new iam.ArnPrincipal('%s')", st.name)
		if st.kind == byService {
			who = fmt.Sprintf("new iam.ServicePrincipal('%s')", st.name)
		}
		fmt.Fprintf(&b, "key.addToResourcePolicy(new iam.PolicyStatement({\n  actions: [%s],\n  principals: [%s],\n  resources: ['*'],\n  conditions: %s,\n}));\n",
			actions, who, typescript(st.atTheKey()))
	}
	return b.String()
}

// typescript is conditions as an object, each operator in the order of its first condition.
func typescript(conditions []policy.Condition) string {
	var operators []string
	of := map[string][]string{}
	for _, c := range conditions {
		if of[c.Operator] == nil {
			operators = append(operators, c.Operator)
		}
		values := strings.ReplaceAll(quoted(c.Values), `"`, `'`)
		if len(c.Values) != 1 {
			values = "[" + values + "]"
		}
		of[c.Operator] = append(of[c.Operator], fmt.Sprintf("'%s': %s", c.Key, values))
	}
	for i, operator := range operators {
		operators[i] = fmt.Sprintf("%s: { %s }", operator, strings.Join(of[operator], ", "))
	}
	return "{ " + strings.Join(operators, ", ") + " }"
}

func quoted(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, fmt.Sprintf("%q", w))
	}
	return strings.Join(out, ", ")
}

// label is the secret's name as an identifier.
func (st statement) label() string {
	name := arn.Of(st.secret).Name()
	if cut := strings.LastIndexByte(name, '-'); cut > 0 {
		name = name[:cut]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
}

func nameOf(principal string) string { return arn.Of(principal).Base() }

func iamKind(principal string) string {
	if kind, _ := arn.Of(principal).Split(); kind == "user" {
		return "user"
	}
	return "role"
}
