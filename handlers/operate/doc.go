// Package operate carries out what operators ask the hub for: it records plans, applies them, and sets secrets back.
//
// Who asks is what SQS says of the sender of a message, and no field of it.
package operate
