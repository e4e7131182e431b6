package arn

import "strings"

// Match reports whether text matches a pattern in which "*" stands for any run of characters and "?" for one, as in AWS
// resource patterns. It goes back to the last "*" only, so that its cost is at most the product of the two lengths,
// whatever the pattern holds.
func Match(pattern, text string) bool {
	at, star, from := 0, -1, 0
	for i := 0; i < len(text); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, from = at, i
			at++
		case at < len(pattern) && (pattern[at] == text[i] || pattern[at] == '?'):
			at, i = at+1, i+1
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}

// Example is a text that a pattern of Match matches: each wildcard stands for one letter.
func Example(pattern string) string { return wildcards.Replace(pattern) }

var wildcards = strings.NewReplacer("*", "x", "?", "x")
