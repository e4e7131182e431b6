package migration

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// FixKind says where the statement of a fix belongs.
type FixKind string

const (
	FixIdentity FixKind = "identity policy"                // of the reader
	FixKey      FixKind = "key policy"                     // of the target key
	FixBoth     FixKind = "identity policy and key policy" // across accounts both must allow
	FixSet      FixKind = "permission set"                 // that IAM Identity Center made the reader of
	FixSetBoth  FixKind = "permission set and key policy"  // across accounts both must allow
	FixNone     FixKind = "none"                           // something denies it, or nothing has room: no added statement helps
)

// Fix is the smallest change that lets a reader keep its access. The engine was asked again with the statement added:
// a fix that is shown works, as far as the snapshot goes.
type Fix struct {
	Kind      FixKind         `json:"kind"`
	Principal string          `json:"principal"`
	Key       string          `json:"key"`
	Identity  json.RawMessage `json:"identity,omitempty"` // statement for the reader's identity policy
	Managed   bool            `json:"managed,omitempty"`  // as a managed policy: the reader's inline policies have no room
	KeyPolicy json.RawMessage `json:"keyPolicy,omitempty"`
	Set       *SetStatement   `json:"permissionSet,omitempty"`
	Terraform string          `json:"terraform,omitempty"`
	CDK       string          `json:"cdk,omitempty"` // TypeScript
	Why       string          `json:"why"`
	Assumes   string          `json:"assumes,omitempty"` // what the fix rests on that no policy says; half a sentence
}

// SetStatement is a statement for the inline policy of a permission set: Identity Center remakes the policies of its roles.
type SetStatement struct {
	Name      string          `json:"name"`
	Statement json.RawMessage `json:"statement"`
}

// smallest tries the statements that could help, the least reaching first, and keeps the first that does.
func smallest(q Question, s guard.Secret, principal string, d policy.Decision, needs []string) *Fix {
	fix := &Fix{Principal: principal, Key: q.Target.Facts.ARN}
	if !q.Target.Facts.CanDecrypt() {
		fix.Kind, fix.Why = FixNone, "the key is "+string(q.Target.Facts.State)+": no policy opens it"
		return fix
	}
	t := trial{question: q, secret: s, principal: principal, of: behind(q.Access.Snapshot(), principal), statement: grantStatement(s, q.Target.Facts, needs)}
	t.statement.grantee = granteeOf(q, s, owner(t.of, principal))
	var full []string
	for _, kind := range kindsFor(principal, t.of) {
		if !t.helps(kind) {
			continue
		}
		managed, why := t.room(kind)
		if why != "" {
			full = append(full, why)
			continue
		}
		fix.Kind, fix.Managed, fix.Why, fix.Assumes = kind, managed, "nothing allows it: "+d.Why, t.statement.assumes
		t.write(fix)
		return fix
	}
	fix.Kind, fix.Why = FixNone, "no added statement helps: "+d.Why
	if len(full) > 0 {
		fix.Why = "a statement would help, and there is no room for it: " + strings.Join(full, "; ")
	}
	return fix
}

// kindsFor are where a statement for a principal may go, the least reaching first. Nobody edits the policies of a role that a
// service makes; those of Identity Center's are in its permission set.
func kindsFor(principal string, of *inventory.Principal) []FixKind {
	switch {
	case permissionSet(principal) != "":
		if of == nil {
			return []FixKind{FixKey}
		}
		return []FixKind{FixSet, FixKey, FixSetBoth}
	case of == nil || maintainer(principal) != "":
		return []FixKind{FixKey}
	}
	return []FixKind{FixIdentity, FixKey, FixBoth}
}

// trial is one reader and the statement that it is tried with.
type trial struct {
	question  Question
	secret    guard.Secret
	principal string
	of        *inventory.Principal // nil where the snapshot does not have it
	statement statement
}

// write puts the statement where its kind says, as JSON and as code.
func (t *trial) write(fix *Fix) {
	if fix.inIdentity() {
		fix.Identity = t.statement.identity()
	}
	if fix.inSet() {
		fix.Set = &SetStatement{permissionSet(t.principal), t.statement.identity()}
	}
	if fix.inKey() {
		fix.KeyPolicy = t.statement.keyPolicy()
	}
	fix.Terraform, fix.CDK = terraform(*fix, t.statement, owner(t.of, t.principal)), cdk(*fix, t.statement)
}

// owner is the principal that a policy names: the role of a session.
func owner(of *inventory.Principal, principal string) string {
	if of != nil {
		return of.ARN
	}
	return principal
}

func behind(s *inventory.Snapshot, principal string) *inventory.Principal {
	name := principal
	if p, err := policy.ParsePrincipal(principal); err == nil && p.Role != "" {
		name = p.Role
	}
	for i := range s.Principals {
		if s.Principals[i].ARN == name {
			return &s.Principals[i]
		}
	}
	return nil
}

// helps asks again in a snapshot of nothing but what concerns the reader, with the statement added. What the service of the
// statement sends of its source is in no snapshot: there the statement without that must help, and nothing else may be missing.
func (t *trial) helps(kind FixKind) bool {
	if t.statement.source == nil {
		return t.answers(kind, t.statement, func(d policy.Decision) bool { return d.Answer == policy.Allowed })
	}
	plain := t.statement
	plain.source = nil
	return t.answers(kind, plain, func(d policy.Decision) bool { return d.Answer == policy.Allowed }) &&
		t.answers(kind, t.statement, func(d policy.Decision) bool {
			return d.Answer == policy.Allowed || d.Answer == policy.Unknown && len(d.Unreadable) == 0 && !slices.ContainsFunc(d.Missing, func(key string) bool { return !saysSource(key) })
		})
}

// answers reports whether every right that the reader needs is decided well, with the statement added.
func (t *trial) answers(kind FixKind, st statement, well func(policy.Decision) bool) bool {
	small := excerpt(t.question.Access.Snapshot(), t.secret.ARN, t.of)
	if at := t.question.at; !at.IsZero() {
		small.TakenAt = at
	}
	key := t.question.Target
	if kind != FixKey {
		small.Principals[0].Inline = maps.Clone(small.Principals[0].Inline)
		if small.Principals[0].Inline == nil {
			small.Principals[0].Inline = map[string]string{}
		}
		small.Principals[0].Inline["doublelock-fix"] = document(st.identity())
	}
	if (Fix{Kind: kind}).inKey() {
		added, err := withStatement(key.Policy, st.keyPolicy())
		if err != nil {
			return false
		}
		key.Policy = added
	}
	access := inventory.Prepare(small)
	for _, action := range st.actions {
		d, err := access.AllowsWith(t.principal, t.secret.ARN, key, action)
		if err != nil || !well(d) {
			return false
		}
	}
	return true
}

func excerpt(full *inventory.Snapshot, secret string, of *inventory.Principal) inventory.Snapshot {
	small := *full
	small.Principals, small.Secrets, small.Keys = nil, nil, nil
	if of != nil {
		small.Principals = []inventory.Principal{*of}
	}
	i := slices.IndexFunc(full.Secrets, func(s inventory.Secret) bool { return s.Facts.ARN == secret })
	if i >= 0 {
		small.Secrets = []inventory.Secret{full.Secrets[i]}
	}
	return small
}

func document(statement json.RawMessage) string {
	return `{"Version":"2012-10-17","Statement":[` + string(statement) + `]}`
}

// withStatement adds a statement to a policy and leaves the rest as it is.
func withStatement(text string, statement json.RawMessage) (string, error) {
	if text == "" {
		return document(statement), nil
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return "", err
	}
	list := strings.TrimSpace(string(doc["Statement"]))
	switch {
	case list == "" || list == "[]":
		list = "[" + string(statement) + "]"
	case strings.HasPrefix(list, "["):
		list = strings.TrimSuffix(list, "]") + "," + string(statement) + "]"
	default:
		list = "[" + list + "," + string(statement) + "]"
	}
	doc["Statement"] = json.RawMessage(list)
	out, err := json.Marshal(doc)
	return string(out), err
}
