package migration

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// ownLabels are the labels of a copy that only labels of the owner's own are on: a re-key leaves it under the key it has.
// Other copies have none.
func ownLabels(c guard.Copy) []string {
	if guard.ReEncrypted(c.Stages) {
		return nil
	}
	return c.Stages
}

// leftUnder says what a re-key left under an older key, and what takes it along.
func leftUnder(labels []string) string {
	names := strings.Join(labels, ", ")
	return "the version under " + names + " keeps its older key, because a re-key takes AWSCURRENT, AWSPENDING and AWSPREVIOUS alone: " +
		"its owner writes it again under " + names + ", or takes the label off"
}

// carried is why a re-key is proven: what it takes along opens with the target key, and what it leaves is named.
func carried(s guard.Secret, target string) string {
	var left []string
	for _, c := range guard.CopiesOf(s).Here().List {
		if !c.Needs(guard.Key{ARN: target}) {
			left = append(left, ownLabels(c)...)
		}
	}
	if len(left) == 0 {
		return "every labelled version carries the new key"
	}
	slices.Sort(left)
	return "every version that a re-key takes along carries the new key; " + leftUnder(left)
}

// writtenAgain says, before anything is done, which versions a re-key will leave under the key they have, and who reads them.
func writtenAgain(s guard.Secret, to guard.Key, readers []Reader) []string {
	var out []string
	for _, c := range guard.CopiesOf(s).Here().List {
		for _, label := range ownLabels(c) {
			if c.Alone(to) {
				continue
			}
			text := leftUnder([]string{label})
			var by []string
			for _, r := range readers {
				if slices.ContainsFunc(r.Uses, func(u Use) bool { return u.Does == Reads && u.Version == label }) {
					by = append(by, r.Principal)
				}
			}
			if len(by) > 0 {
				text += "; read by " + strings.Join(by, ", ")
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}
