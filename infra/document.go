package main

import (
	"encoding/json"
	"fmt"

	"github.com/doublelock/doublelock/shared/preventive"
)

// document is a policy document as CDK's low-level constructs take it. CDK references in its strings stay references.
func document(statements ...preventive.Statement) any {
	return plain(preventive.NewDocument(statements...))
}

// plain turns a value into the maps, lists and scalars that cross into CDK unchanged. Only our own types come here,
// and all of them marshal.
func plain(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("write %T as JSON: %v", v, err))
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(fmt.Sprintf("read %T back: %v", v, err))
	}
	return out
}

// allow is a statement that allows actions on resources.
func allow(sid string, actions, resources []string, condition preventive.Condition) preventive.Statement {
	return preventive.Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources, Condition: condition}
}

// trust is a statement that lets a principal take a role.
func trust(kind, principal string, condition preventive.Condition) preventive.Statement {
	return preventive.Statement{
		Sid: "Trust", Effect: "Allow", Principal: preventive.Principal{kind: {principal}},
		Action: preventive.Values{"sts:AssumeRole"}, Condition: condition,
	}
}

// onlyTLS denies a queue or a topic to whoever does not come over TLS.
func onlyTLS(action, resource string) preventive.Statement {
	return preventive.Statement{
		Sid: "OnlyTLS", Effect: "Deny", Principal: preventive.Principal{"AWS": {"*"}},
		Action: preventive.Values{action}, Resource: preventive.Values{resource},
		Condition: preventive.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}
