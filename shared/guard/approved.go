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
	// Doubts are, by the ARN of the key, which of its aliases and tags do not approve it all the same.
	Doubts map[string][]Doubt `json:"-"`
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
	by, doubt := a.by(k)
	switch {
	case known && !protected:
		return Fail
	case by != "" && doubt == nil && protected:
		return Pass
	case unread, by != "" && !doubt.certain():
		return Unknown
	default:
		return Fail
	}
}

// SelfApproved says by what a key is approved that does not count, because its owner can write it, because nobody knows
// whether he can, or because of a doubt, which it answers then; "" when that is not what it lacks.
func (a Approved) SelfApproved(k Key) (ApprovedBy, *Doubt) {
	if a.names(&k) {
		return "", nil
	}
	by, doubt := a.by(&k)
	protected, known := a.Protected[k.Account]
	switch {
	case doubt == nil && protected:
		return "", nil
	case known && !protected: // that is to be mended first, and says enough
		return by, nil
	}
	return by, doubt
}

// DependsOn lists the accounts on which the approval of keys depends: those of keys that only an alias or a tag approves, or
// could.
func (a Approved) DependsOn(keys ...Key) []string {
	var accounts []string
	for i := range keys {
		k := &keys[i]
		open := a.carries(k) || len(a.Aliases) > 0 && k.Aliases == nil || len(a.Tags) > 0 && k.Tags == nil
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

// by is which of its names, that people write, approves a key; "" is none. One that no doubt is about comes first, then one of
// which nobody knows.
func (a *Approved) by(k *Key) (by ApprovedBy, doubt *Doubt) {
	consider := func(way ApprovedBy, name string) {
		switch d := a.doubt(k, way, name); {
		case by == "", doubt != nil && d == nil, doubt.certain() && !d.certain():
			by, doubt = way, d
		}
	}
	for _, alias := range a.Aliases {
		if slices.Contains(k.Aliases, alias) {
			consider(ApprovedByAlias, alias)
		}
	}
	if len(a.Tags) > 0 && hasTags(k.Tags, a.Tags) {
		consider(ApprovedByTag, "")
	}
	return by, doubt
}

// carries reports whether a key has a name that approves keys.
func (a *Approved) carries(k *Key) bool {
	by, _ := a.by(k)
	return by != ""
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
