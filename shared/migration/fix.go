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
	FixNone     FixKind = "none"                           // something denies it: no added statement helps
)

// Fix is the smallest change that lets a reader keep its access. The engine was asked again with the statement added:
// a fix that is shown works, as far as the snapshot goes.
type Fix struct {
	Kind      FixKind         `json:"kind"`
	Principal string          `json:"principal"`
	Key       string          `json:"key"`
	Identity  json.RawMessage `json:"identity,omitempty"` // statement for the reader's identity policy
	KeyPolicy json.RawMessage `json:"keyPolicy,omitempty"`
	Terraform string          `json:"terraform,omitempty"`
	CDK       string          `json:"cdk,omitempty"` // TypeScript
	Why       string          `json:"why"`
}

// smallest tries the statements that could help, the least reaching first, and keeps the first that does.
func smallest(q Question, s guard.Secret, principal string, d policy.Decision, writes bool) *Fix {
	fix := &Fix{Principal: principal, Key: q.Target.Facts.ARN}
	if !q.Target.Facts.CanDecrypt() {
		fix.Kind, fix.Why = FixNone, "the key is "+string(q.Target.Facts.State)+": no policy opens it"
		return fix
	}
	of := behind(q.Access.Snapshot(), principal)
	statement := grantStatement(s, q.Target.Facts, writes)
	for _, kind := range []FixKind{FixIdentity, FixKey, FixBoth} {
		if of == nil && kind != FixKey {
			continue
		}
		if !helps(q, s, principal, of, statement, kind, writes) {
			continue
		}
		fix.Kind, fix.Why = kind, "nothing allows it: "+d.Why
		if kind != FixKey {
			fix.Identity = statement.identity()
		}
		if kind != FixIdentity {
			fix.KeyPolicy = statement.keyPolicy(owner(of, principal))
		}
		fix.Terraform, fix.CDK = terraform(*fix, statement, owner(of, principal)), cdk(*fix, statement, owner(of, principal))
		return fix
	}
	fix.Kind, fix.Why = FixNone, "no added statement helps: "+d.Why
	return fix
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

// helps asks again in a snapshot of nothing but what concerns the reader, with the statement added.
func helps(q Question, s guard.Secret, principal string, of *inventory.Principal, st statement, kind FixKind, writes bool) bool {
	small := excerpt(q.Access.Snapshot(), s.ARN, of)
	key := q.Target
	if kind != FixKey {
		small.Principals[0].Inline = maps.Clone(small.Principals[0].Inline)
		if small.Principals[0].Inline == nil {
			small.Principals[0].Inline = map[string]string{}
		}
		small.Principals[0].Inline["doublelock-fix"] = document(st.identity())
	}
	if kind != FixIdentity {
		added, err := withStatement(key.Policy, st.keyPolicy(owner(of, principal)))
		if err != nil {
			return false
		}
		key.Policy = added
	}
	access := inventory.Prepare(small)
	actions := []string{decrypt}
	if writes {
		actions = append(actions, generate)
	}
	for _, action := range actions {
		d, err := access.AllowsWith(principal, s.ARN, key, action)
		if err != nil || d.Answer != policy.Allowed {
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
