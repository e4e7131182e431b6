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

	// Protected says of accounts of keys whether an SCP of ours keeps their owners from writing those aliases and tags. Of
	// an account that is not in it that is not known.
	Protected map[string]bool `json:"-"`
}

// ApprovedBy is what of a key an approval goes by that its owner could write himself.
type ApprovedBy string

const (
	ApprovedByAlias ApprovedBy = "alias"
	ApprovedByTag   ApprovedBy = "tag"
)

func (a *Approved) empty() bool {
	return len(a.Accounts)+len(a.ARNs)+len(a.Aliases)+len(a.Tags) == 0
}

// Allows judges a customer managed key by its metadata. An alias or tag allows it only where its owner cannot write that.
// It answers Unknown when only aliases or tags could allow the key and they were not read (nil), or nobody knows whose
// they are to write.
func (a Approved) Allows(k Key, secretAccount string) Outcome { return a.allows(&k, secretAccount) }

// allows is Allows without copies of both.
func (a *Approved) allows(k *Key, secretAccount string) Outcome {
	if k.ARN == "" || k.Manager == ManagerUnknown {
		return Unknown
	}
	if a.empty() {
		return outcome(k.Account == secretAccount)
	}
	if a.names(k) {
		return Pass
	}
	protected, known := a.Protected[k.Account]
	unread := len(a.Aliases) > 0 && k.Aliases == nil || len(a.Tags) > 0 && k.Tags == nil
	switch {
	case known && !protected:
		return Fail
	case a.by(k) != "" && protected:
		return Pass
	case a.by(k) != "", unread:
		return Unknown
	default:
		return Fail
	}
}

// SelfApproved says by what a key is approved that does not count, because its owner can write it, or because nobody knows
// whether he can; "" when that is not what it lacks.
func (a Approved) SelfApproved(k Key) ApprovedBy {
	if a.names(&k) || a.Protected[k.Account] {
		return ""
	}
	return a.by(&k)
}

// DependsOn lists the accounts on which the approval of keys depends: those of keys that only an alias or a tag approves, or
// could.
func (a Approved) DependsOn(keys ...Key) []string {
	var accounts []string
	for i := range keys {
		k := &keys[i]
		open := a.by(k) != "" || len(a.Aliases) > 0 && k.Aliases == nil || len(a.Tags) > 0 && k.Tags == nil
		if open && k.Account != "" && k.Manager != ManagerAWS && !a.names(k) && !slices.Contains(accounts, k.Account) {
			accounts = append(accounts, k.Account)
		}
	}
	return accounts
}

// names reports whether the key is approved by what nobody but AWS gives it.
func (a *Approved) names(k *Key) bool {
	return slices.Contains(a.Accounts, k.Account) ||
		slices.ContainsFunc(a.ARNs, func(pattern string) bool { return arn.Match(pattern, k.ARN) })
}

// by is which of its names, that people write, approves a key; "" is none.
func (a *Approved) by(k *Key) ApprovedBy {
	switch {
	case slices.ContainsFunc(a.Aliases, func(alias string) bool { return slices.Contains(k.Aliases, alias) }):
		return ApprovedByAlias
	case len(a.Tags) > 0 && hasTags(k.Tags, a.Tags):
		return ApprovedByTag
	default:
		return ""
	}
}

// Words say that an approval does not count, and why.
func (b ApprovedBy) Words() string {
	switch b {
	case ApprovedByAlias:
		return "approved by an alias that its owner can move"
	case ApprovedByTag:
		return "approved by a tag that its owner can write"
	default:
		return "not approved"
	}
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
