// Package simulate tries organization policies before they are attached: on calls that CloudTrail recorded, on calls
// written down by hand, and on the known ways around them.
//
// It asks package policy, about the candidates alone: whether other policies allow a call is not its business. It
// attaches nothing and calls nobody.
package simulate
