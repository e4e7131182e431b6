package drift

// Known is what the code knows of the services, as whoever reads the code finds it. Names are those of Fact.
type Known struct {
	Made   []string                      // calls that it makes: "kms:DescribeKey"
	Events []string                      // calls and service events that it has a decision for; "kms:Rotate*" stands for any ending
	Reads  []string                      // calls whose refusal it takes for a reader's lost access
	Codes  []string                      // error codes that it has a meaning for
	Lost   []string                      // error codes of a refused read that it takes for lost access
	Named  []string                      // actions and condition keys that stand in it, with * and ? where it has them
	Multi  []string                      // condition keys that it takes for multivalued
	Fields []string                      // of responses, that it reads: "kms:DescribeKey.KeyMetadata.KeyState"
	Params []string                      // of requests, that it sets: "kms:DescribeKey(KeyId)"
	Values []string                      // of enums, that it looks at: "kms:KeyState=Disabled"
	Absent func(action, key string) bool // whether it takes a condition key of a request for absent, of the actions in Locks
	Locks  []string                      // actions that it decides about for people: "kms:Decrypt"
}

// Kind is what a fact is about, and the heading of the rows in the list of what is left alone.
type Kind string

const (
	Calls       Kind = "calls"          // "kms:DescribeKey": an operation that exists
	Actions     Kind = "actions"        // "kms:ReEncryptTo": a right that is no operation
	Events      Kind = "events"         // "kms:RotateKey": known to the code, and no operation
	Names       Kind = "names"          // "kms:Foo": stands in the code, and AWS has neither action nor condition key of that name
	Params      Kind = "parameters"     // "kms:ListKeys(Limit)": of a call that the code makes
	Fields      Kind = "fields"         // "kms:DescribeKey.KeyMetadata.Arn": likewise
	Values      Kind = "values"         // "kms:KeyState=Disabled": of a field that it reads
	Errors      Kind = "errors"         // "kms!NotFoundException": that a call it makes may answer
	Refusals    Kind = "refusals"       // "kms:Decrypt!DisabledException": that a reader's call may answer
	Conditions  Kind = "condition keys" // "kms:ViaService"
	Mentions    Kind = "mentions"       // "kms:PolicyName": AWS's documentation has it, and the reference neither as action nor as condition key
	Absences    Kind = "absences"       // "kms:Decrypt?kms:ViaService": a request may have it, and the code takes it for absent
	Multivalues Kind = "multivalued"    // "kms:ResourceAliases": the code and the reference differ over its being multivalued
	Differences Kind = "differences"    // "kms:DescribeKey, not in botocore": a source lacks what another has
)

// advice says what to do about an unknown fact of a kind.
var advice = map[Kind]string{
	Calls:       "if its event can change which keys open a secret, or who may, give it a row in shared/trail/calls.go; a call that only reads may be made by shared/cloud",
	Actions:     "if it opens or closes a secret or key, let shared/preventive and shared/inventory know the right",
	Events:      "strike its row in shared/trail/calls.go, or name the page that documents the event",
	Names:       "AWS has no such action or condition key (any more): put it right where it stands",
	Params:      "set it where the call is made, if what we do or find is not whole without it",
	Fields:      "read it in shared/cloud and judge by it in shared/guard, if it says which keys open a copy, where, or until when",
	Values:      "give it a case where the values beside it have one",
	Errors:      "give it a meaning in shared/cloud/internal/session/errors.go",
	Refusals:    "if a reader who gets it lost access, add it to deniedReadCodes in shared/trail/calls.go",
	Conditions:  "declare it in shared/policy, and let shared/inventory and shared/simulate give it its value where that is known",
	Mentions:    "find out what it is for: documentation is ahead of models, and new rights and condition keys show there first",
	Absences:    "declare in shared/policy that the action has it, and let shared/inventory give it its value where that is known",
	Multivalues: "put multivaluedKeys in shared/policy right",
	Differences: "say what follows from it: a call the SDK cannot make, a model that is behind",
}
