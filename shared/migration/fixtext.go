package migration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// statement is the right that a reader lacks, no wider than one secret, one key and one way.
type statement struct {
	secret, key, viaService string
	actions                 []string
}

func grantStatement(s guard.Secret, key guard.Key, writes bool) statement {
	st := statement{secret: s.ARN, key: key.ARN, viaService: arn.Of(s.ARN).Partition.Regional("secretsmanager", s.Region), actions: []string{decrypt}}
	if writes {
		st.actions = append(st.actions, generate)
	}
	return st
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

func (st statement) keyPolicy(principal string) json.RawMessage {
	return st.render(policyStatement{
		SID: "ReaderOfSecret", Effect: "Allow", Principal: map[string]string{"AWS": principal}, Resource: "*", Condition: st.conditions(),
	})
}

func (st statement) conditions() map[string]any {
	return map[string]any{"StringEquals": map[string]string{
		"kms:ViaService": st.viaService, "kms:EncryptionContext:SecretARN": st.secret,
	}}
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
func (f Fix) inKey() bool      { return f.Kind == FixKey || f.Kind == FixBoth }

// terraform writes the fix for hashicorp/aws.
func terraform(f Fix, st statement, principal string) string {
	var b strings.Builder
	if f.inIdentity() {
		fmt.Fprintf(&b, "resource \"aws_iam_%s_policy\" \"read_%s\" {\n  %s = %q\n  name = \"read-%s\"\n  policy = data.aws_iam_policy_document.read_%s.json\n}\n\n",
			iamKind(principal), st.label(), iamKind(principal), nameOf(principal), strings.ReplaceAll(st.label(), "_", "-"), st.label())
		fmt.Fprintf(&b, "data \"aws_iam_policy_document\" \"read_%s\" {\n%s}\n", st.label(), st.hcl("", st.key))
	}
	if f.inKey() {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# add to the policy document of %s\n%s", st.key, st.hcl(principal, "*"))
	}
	return b.String()
}

func (st statement) hcl(principal, resource string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  statement {\n    actions   = [%s]\n    resources = [%q]\n", quoted(st.actions), resource)
	if principal != "" {
		fmt.Fprintf(&b, "    principals {\n      type        = \"AWS\"\n      identifiers = [%q]\n    }\n", principal)
	}
	for _, c := range [][2]string{{"kms:ViaService", st.viaService}, {"kms:EncryptionContext:SecretARN", st.secret}} {
		fmt.Fprintf(&b, "    condition {\n      test     = \"StringEquals\"\n      variable = %q\n      values   = [%q]\n    }\n", c[0], c[1])
	}
	b.WriteString("  }\n")
	return b.String()
}

// cdk writes the fix for the CDK in TypeScript.
func cdk(f Fix, st statement, principal string) string {
	var b strings.Builder
	conditions := fmt.Sprintf("{ StringEquals: { 'kms:ViaService': '%s', 'kms:EncryptionContext:SecretARN': '%s' } }", st.viaService, st.secret)
	actions := strings.ReplaceAll(quoted(st.actions), `"`, `'`)
	if f.inIdentity() {
		fmt.Fprintf(&b, "reader.addToPrincipalPolicy(new iam.PolicyStatement({\n  actions: [%s],\n  resources: ['%s'],\n  conditions: %s,\n}));\n", actions, st.key, conditions)
	}
	if f.inKey() {
		fmt.Fprintf(&b, "key.addToResourcePolicy(new iam.PolicyStatement({\n  actions: [%s],\n  principals: [new iam.ArnPrincipal('%s')],\n  resources: ['*'],\n  conditions: %s,\n}));\n",
			actions, principal, conditions)
	}
	return b.String()
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
