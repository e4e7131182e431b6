package guard

import (
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
)

// Approved says which customer managed keys an organization accepts. A key is fine when any line of it allows the
// key. An empty Approved accepts every customer managed key of the secret's own account.
type Approved struct {
	Accounts []string          `json:"accounts,omitempty"` // every key of these accounts, e.g. the central key account
	ARNs     []string          `json:"arns,omitempty"`     // key ARNs, "*" and "?" stand for anything
	Aliases  []string          `json:"aliases,omitempty"`  // alias/…, in whichever account the key lives
	Tags     map[string]string `json:"tags,omitempty"`     // all of these tags on the key
}

func (a Approved) empty() bool {
	return len(a.Accounts)+len(a.ARNs)+len(a.Aliases)+len(a.Tags) == 0
}

// Allows judges a customer managed key by its metadata. It answers Unknown when only aliases or tags could allow the
// key and they were not read (nil).
func (a Approved) Allows(k Key, secretAccount string) Outcome {
	if k.ARN == "" || k.Manager == ManagerUnknown {
		return Unknown
	}
	if a.empty() {
		return outcome(k.Account == secretAccount)
	}
	if slices.Contains(a.Accounts, k.Account) {
		return Pass
	}
	if slices.ContainsFunc(a.ARNs, func(pattern string) bool { return arn.Match(pattern, k.ARN) }) {
		return Pass
	}
	if slices.ContainsFunc(a.Aliases, func(alias string) bool { return slices.Contains(k.Aliases, alias) }) {
		return Pass
	}
	if len(a.Tags) > 0 && hasTags(k.Tags, a.Tags) {
		return Pass
	}
	if (len(a.Aliases) > 0 && k.Aliases == nil) || (len(a.Tags) > 0 && k.Tags == nil) {
		return Unknown
	}
	return Fail
}

func hasTags(have, want map[string]string) bool {
	for name, value := range want {
		if got, ok := have[name]; !ok || got != value {
			return false
		}
	}
	return true
}

func outcome(pass bool) Outcome {
	if pass {
		return Pass
	}
	return Fail
}
