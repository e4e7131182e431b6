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
		if k := &carriers[i]; k.givenBy(c) && (k.Given == nil || k.Given.Time.Before(c.Time)) {
			k.Given = &c
		}
	}
}

// givenBy reports whether a call gave the key what it carries; of several tags, one of them.
func (k *Carrier) givenBy(c trail.Change) bool {
	at := arn.Of(k.Key)
	if c.Account != at.Account || c.Key.ID != k.Key && (c.Key.ID != at.Name() || c.Key.Region != at.Region) {
		return false
	}
	switch {
	case k.By == guard.ApprovedByAlias:
		return (c.EventName == "CreateAlias" || c.EventName == "UpdateAlias") && arn.Of(c.Alias).Resource == k.Name && arn.Of(c.Alias).Region == at.Region
	case k.By == guard.ApprovedByTag && slices.Contains([]string{"TagResource", "CreateKey", "ReplicateKey"}, c.EventName):
		tags, _ := c.Request["tags"].([]any)
		return slices.ContainsFunc(tags, func(tag any) bool {
			pair, _ := tag.(map[string]any)
			name, _ := pair["tagKey"].(string)
			value, approves := k.Tags[name]
			return approves && pair["tagValue"] == value
		})
	default:
		return false
	}
}

// Since is when the key was given what it carries; zero where no record says so.
func (k *Carrier) Since() time.Time {
	if k.Given == nil {
		return time.Time{}
	}
	return k.Given.Time
}
