package keyreview

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/trail"
)

// Carrier is a customer managed key and one thing on it that approves keys.
type Carrier struct {
	Key   string           // ARN
	By    guard.ApprovedBy // "" where aliases or tags of the key were not read, so that it may carry some
	Name  string           // alias/…, or the tags as key=value, sorted
	Given *trail.Change    // the last call that gave it that; nil where no record says so
	Maybe *trail.Change    // a call that may have, later than Given or at a time that is not said: its export left out what decides
	Tags  map[string]string
}

// Carriers lists the keys of a snapshot that carry an approved alias, or all of the approving tags, in order of keys.
func Carriers(s *inventory.Snapshot, approved guard.Approved) []Carrier {
	var found []Carrier
	for _, k := range s.Keys {
		facts := k.Facts
		if facts.Manager == guard.ManagerAWS {
			continue
		}
		for _, alias := range approved.Aliases {
			if slices.Contains(facts.Aliases, alias) {
				found = append(found, Carrier{Key: facts.ARN, By: guard.ApprovedByAlias, Name: alias})
			}
		}
		if len(approved.Tags) > 0 && facts.Tags != nil && carries(facts.Tags, approved.Tags) {
			found = append(found, Carrier{Key: facts.ARN, By: guard.ApprovedByTag, Name: tagWords(approved.Tags), Tags: approved.Tags})
		}
		if len(approved.Aliases) > 0 && facts.Aliases == nil || len(approved.Tags) > 0 && facts.Tags == nil {
			found = append(found, Carrier{Key: facts.ARN})
		}
	}
	slices.SortStableFunc(found, func(a, b Carrier) int { return cmp.Compare(a.Key, b.Key) })
	return found
}

func carries(have, want map[string]string) bool {
	for name, value := range want {
		if got, is := have[name]; !is || got != value {
			return false
		}
	}
	return true
}

func tagWords(tags map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		words = append(words, name+"="+tags[name])
	}
	return strings.Join(words, " ")
}

// Attribute takes over a recorded call where it gave a key what it carries, and is later than what was taken over before.
// Calls may come in any order.
func Attribute(carriers []Carrier, c trail.Change) {
	if c.ErrorCode != "" {
		return
	}
	for i := range carriers {
		k := &carriers[i]
		gave := k.givenBy(c)
		if gave == certainly && (c.Lacks("errorCode") || c.Lacks("eventTime")) {
			gave = perhaps
		}
		switch {
		case gave == certainly && (k.Given == nil || k.Given.Time.Before(c.Time)):
			k.Given = &c
		case gave == perhaps && (k.Maybe == nil || c.Time.IsZero() || !k.Maybe.Time.IsZero() && k.Maybe.Time.Before(c.Time)):
			k.Maybe = &c
		}
	}
}

// Doubted reports whether it is not known which call gave the key what it carries.
func (k *Carrier) Doubted() bool {
	return k.Given == nil || k.Maybe != nil && (k.Maybe.Time.IsZero() || k.Given.Time.Before(k.Maybe.Time))
}

// answer is whether a call gave a key what it carries, as far as the export of its record says.
type answer int

const (
	not answer = iota
	perhaps
	certainly
)

// givenBy says whether a call gave the key what it carries; of several tags, one of them.
func (k *Carrier) givenBy(c trail.Change) answer {
	at := arn.Of(k.Key)
	named := perhaps
	switch {
	case c.Account != "" && c.Account != at.Account, c.Region != "" && c.Region != at.Region && c.Key.ID != k.Key:
		return not
	case c.Account != "" && (c.Key.ID == k.Key || c.Key.ID == at.Name() && c.Key.Region == at.Region):
		named = certainly
	case c.Key.ID != "" && c.Key.ID != k.Key && c.Key.ID != at.Name(), c.Key.ID == "" && !c.Lacks("requestParameters"):
		return not
	}
	switch {
	case k.By == guard.ApprovedByAlias && (c.EventName == "CreateAlias" || c.EventName == "UpdateAlias"):
		switch led := arn.Of(c.Alias); {
		case c.Alias == "" && c.Lacks("requestParameters"):
			return perhaps
		case led.Resource != k.Name || led.Region != "" && led.Region != at.Region:
			return not
		}
		return named
	case k.By == guard.ApprovedByTag && slices.Contains([]string{"TagResource", "CreateKey", "ReplicateKey"}, c.EventName):
		if c.Lacks("requestParameters") {
			return perhaps
		}
		tags, _ := c.Request["tags"].([]any)
		if slices.ContainsFunc(tags, func(tag any) bool {
			pair, _ := tag.(map[string]any)
			name, _ := pair["tagKey"].(string)
			value, approves := k.Tags[name]
			return approves && pair["tagValue"] == value
		}) {
			return named
		}
	}
	return not
}

// Since is when the key was given what it carries; zero where no record says so.
func (k *Carrier) Since() time.Time {
	if k.Given == nil {
		return time.Time{}
	}
	return k.Given.Time
}
