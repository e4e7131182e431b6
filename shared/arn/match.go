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

// Like reports whether an ARN is like a pattern as ArnLike compares: part by part, so that a wildcard ends where its part does. The
// path of a role or user may hold colons, so that Match finds ":role/Admin" in a path that anybody may choose.
func Like(pattern, arn string) bool {
	p, a := Of(pattern), Of(arn)
	return a != (ARN{}) && Match(string(p.Partition), string(a.Partition)) && Match(p.Service, a.Service) &&
		Match(p.Region, a.Region) && Match(p.Account, a.Account) && Match(p.Resource, a.Resource)
}

// Example is a text that a pattern of Match matches: each wildcard stands for one letter.
func Example(pattern string) string { return wildcards.Replace(pattern) }

var wildcards = strings.NewReplacer("*", "x", "?", "x")
