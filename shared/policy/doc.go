// Package policy is the IAM policy language: it parses documents and says who is allowed what, and why.
//
// It evaluates identity, boundary, session, service control, resource control, resource and key policies and KMS
// grants, from what it is handed. It does no I/O, reads no clock and imports nothing but the standard library; what it
// was not given stays unknown, and unknown is never rounded to allowed.
package policy
