package migration

import (
	"maps"
	"slices"
	"strings"
)

// Wave is a group of secrets that move together; a wave begins when the one before it is done.
type Wave string

// The waves in their order. What no tag places moves last.
const (
	Canary      Wave = "canary"
	Development Wave = "dev"
	Test        Wave = "test"
	Production  Wave = "prod"
)

// Waves lists the waves in the order in which they move.
func Waves() []Wave { return []Wave{Canary, Development, Test, Production} }

// TagWave is the tag by which an owner places a secret; it wins over the others of waveTags.
const TagWave = "doublelock:wave"

var waveTags = []string{TagWave, "environment", "env", "stage"}

var waveWords = map[string]Wave{
	"canary": Canary, "sandbox": Development, "dev": Development, "development": Development,
	"test": Test, "testing": Test, "qa": Test, "uat": Test, "stage": Test, "staging": Test, "preprod": Test,
}

// Placed says in which wave the secrets of OUs and accounts move.
type Placed struct {
	Wave    Wave     `json:"wave"`
	Targets []string `json:"targets"` // ids of roots, OUs and accounts
}

// Identity is the wave and its targets.
func (p Placed) Identity() string { return string(p.Wave) + "|" + strings.Join(p.Targets, ",") }

// WaveOf is the wave of a secret in an account with a path of root and OUs. Where waves are configured the account decides, by the
// target that is next to it, and is last where none is; tags, which the secret's owner may write, only move it to a later
// wave. Where none are, tags place it. Their names are read in any case.
func (r Rules) WaveOf(account string, path []string, tags map[string]string) Wave {
	byTag, tagged := waveOfTags(tags)
	if len(r.Waves) == 0 {
		return byTag
	}
	placed := Production
	for _, target := range slices.Backward(append(slices.Clone(path), account)) {
		at := slices.IndexFunc(r.Waves, func(p Placed) bool { return slices.Contains(p.Targets, target) })
		if at >= 0 {
			placed = r.Waves[at].Wave
			break
		}
	}
	if tagged && byTag.order() > placed.order() {
		return byTag
	}
	return placed
}

func waveOfTags(tags map[string]string) (wave Wave, tagged bool) {
	for _, want := range waveTags {
		for _, name := range slices.Sorted(maps.Keys(tags)) {
			if strings.EqualFold(name, want) {
				return waveNamed(tags[name]), true
			}
		}
	}
	return Production, false
}

func waveNamed(value string) Wave {
	if w, known := waveWords[strings.ToLower(value)]; known {
		return w
	}
	return Production
}

// order is the place of a wave, for sorting.
func (w Wave) order() int {
	if i := slices.Index(Waves(), w); i >= 0 {
		return i
	}
	return len(Waves())
}
