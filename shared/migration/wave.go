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

// WaveOf places a secret by its tags. Tag names are read in any case.
func WaveOf(tags map[string]string) Wave {
	for _, want := range waveTags {
		for _, name := range slices.Sorted(maps.Keys(tags)) {
			if strings.EqualFold(name, want) {
				return waveNamed(tags[name])
			}
		}
	}
	return Production
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
