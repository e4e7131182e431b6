// Package policytest is the form of unit tests for policies: cases with a request, policies and the expected answer.
//
// It reads cases that were already decoded from JSON or YAML into maps and lists, and runs them through package policy.
// It does no I/O; a case that is malformed is named by its index and field.
package policytest
