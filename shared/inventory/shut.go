package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// shut is what keys that open nothing as they are would open, and what brings them back.
type shut struct {
	states []guard.KeyState // of each of the world's keys
	needs  [][]lock         // of each secret, the rights that bring its key back; nil where none of its keys is off
}

// back is what brings a key back, right after right. New material has to be what it was, and a custom key store one that can be
// connected.
// Source: KMS Developer Guide, "Key states of AWS KMS keys": a key is disabled once its deletion is cancelled, and unavailable while its
// custom key store is disconnected; "Reimport key material".
func back(state guard.KeyState) []lock {
	switch state {
	case guard.KeyDisabled:
		return []lock{enables}
	case guard.KeyPendingDeletion, guard.KeyPendingReplicaDeletion:
		return []lock{cancels, enables}
	case guard.KeyPendingImport:
		return []lock{imports}
	case guard.KeyUnavailable:
		return []lock{connects}
	}
	return nil
}

func (w *world) newShut(states []guard.KeyState) *shut {
	s := &shut{states: states, needs: make([][]lock, len(w.at))}
	some := false
	for i, of := range w.keysOf {
		for _, k := range of {
			if need := back(states[k]); len(need) > len(s.needs[i]) { // of several keys what the worst needs, which is enough for each
				s.needs[i], some = need, true
			}
		}
	}
	if !some {
		return nil
	}
	return s
}

// opens is the second lock once the keys are on again. Of several, which one is brought back is left open.
func (s *shut) opens(w *world, who *asker, answers []int8) {
	q := who.about(w.open.keys, decrypt)
	for i := range answers {
		if s.needs[i] == nil {
			continue
		}
		best, off := int8(0), 0
		for j := range w.open.uses[i] {
			u := &w.open.uses[i][j]
			if u.closed == "" {
				continue
			}
			off++
			on := *u
			on.closed = ""
			best = max(best, who.certainty(w.open.use(q, w.open.first[i]+j, &on, who)))
		}
		if off > 1 {
			best = min(best, 1)
		}
		answers[i] = max(answers[i], best)
	}
}

// rights are the answers about a right that brings keys back, by those about each key.
func (s *shut) rights(w *world, found []int8, l lock, answers []int8) {
	for i, of := range w.keysOf {
		for _, k := range of {
			if !slices.Contains(back(s.states[k]), l) {
				continue
			}
			answer := found[k]
			if l == imports || l == connects || s.states[k] == guard.KeyPendingReplicaDeletion {
				answer = min(answer, 1)
			}
			answers[i] = max(answers[i], answer)
		}
	}
}

// matters reports whether anything in the world is opened by it.
func (w *world) matters(l lock) bool {
	switch l {
	case opensEnabled, opensAnyEnabled, enables, cancels, imports, connects:
		return w.shut != nil
	case opensTagged, opensKeyTagged, tags, untags, tagsKey, untagsKey:
		return w.tagged != nil
	case opensKeyAliased, createsAlias, updatesAlias, deletesAlias:
		return w.aliased != nil
	case opensOtherKey, movesNamed, dropsNamed, makesNamed, createsKey:
		return w.moving != nil
	case restores:
		return slices.Contains(w.gone, true)
	}
	return true
}

// abroad reports whether somebody is certainly of another account than a key, whose state, tags and aliases are changed from its own alone.
// Source: KMS API Reference, EnableKey, CancelKeyDeletion, ImportKeyMaterial, TagResource, UntagResource, CreateAlias, UpdateAlias,
// DeleteAlias: "Cross-account use: No".
func (a *Access) abroad(w *asker, account string) bool {
	if w.principal.Account != "" {
		return w.principal.Account != account
	}
	return slices.Contains(w.principal.NotAccounts, account)
}

// handedOn are the grants of a key whose grantees may give others the use of it for a version: a grant gives at most what it has,
// under constraints that are at least as tight. The second value tells such lists apart.
// Source: KMS API Reference, CreateGrant, and Developer Guide, "Grants in AWS KMS", "Delegating CreateGrant permissions".
func (a *Access) handedOn(k Key, u *keyUse) (out []policy.Grant, which string) {
	const encryptionContext = "kms:EncryptionContext:"
	for _, g := range a.grantsOf(k) {
		has := func(operation string) bool {
			return slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold(o, operation) })
		}
		fits := len(g.EncryptionContextEquals) == 0 || len(g.EncryptionContextEquals) == 2 // the ARN and the version
		for _, pairs := range []map[string]string{g.EncryptionContextEquals, g.EncryptionContextSubset} {
			for name, value := range pairs {
				key := encryptionContext + name
				for known := range u.target.Context {
					if strings.EqualFold(known, key) {
						key = known
					}
				}
				values, known := u.target.Context[key]
				fits = fits && (known && slices.Contains(values, value) || !known && strings.EqualFold(key, secretVersion))
			}
		}
		if has("CreateGrant") && (!has("Decrypt") || !fits) {
			g.Operations = slices.DeleteFunc(slices.Clone(g.Operations), func(o string) bool { return strings.EqualFold(o, "CreateGrant") })
			which += " " + g.ID
		}
		out = append(out, g)
	}
	return out, which
}
