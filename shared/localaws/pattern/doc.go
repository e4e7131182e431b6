// Package pattern compiles Amazon EventBridge event patterns and matches events against them, with the semantics of
// AWS's own matcher: every operator, arrays, and matches that stay within one element of an array of objects.
// It uses the standard library alone, and knows neither buses nor targets.
package pattern
