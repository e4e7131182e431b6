package guard

import (
	"slices"
	"strings"
	"time"
)

// Tags that Doublelock writes on a secret. Nothing else is ever added, changed or removed.
const (
	TagPrefix   = "doublelock:" // of all of them
	TagState    = "doublelock:state"
	TagControls = "doublelock:controls"
	TagSince    = "doublelock:since"
)

// MaxTags is how many tags Secrets Manager keeps on one secret.
const MaxTags = 50

// Tags returns what a record says, as tags: the lock state, the open controls (waived ones left out), and since when.
func Tags(r Record) map[string]string {
	controls := []string{}
	for _, f := range r.Findings {
		if f.Status == FindingOpen {
			controls = append(controls, string(f.Control))
		}
	}
	slices.Sort(controls)
	value := strings.Join(controls, " ")
	if value == "" {
		value = "none"
	}
	return map[string]string{
		TagState:    string(r.State),
		TagControls: value,
		TagSince:    r.Since.UTC().Format(time.RFC3339),
	}
}

// OwnTags returns those of the wanted tags whose names are on a secret already: what we wrote on it before.
func OwnTags(have, want map[string]string) map[string]string {
	own := map[string]string{}
	for name, value := range want {
		if _, present := have[name]; present {
			own[name] = value
		}
	}
	return own
}

// MissingTags returns the tags that have to be written to make have agree with want, or none when they would not
// fit: a guard must not use up the owner's tags.
func MissingTags(have, want map[string]string) map[string]string {
	missing := map[string]string{}
	added := 0
	for name, value := range want {
		got, present := have[name]
		if !present {
			added++
		}
		if !present || got != value {
			missing[name] = value
		}
	}
	if len(have)+added > MaxTags {
		return map[string]string{}
	}
	return missing
}
