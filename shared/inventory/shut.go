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

// tagged are secrets and keys with tags that nobody knows yet.
type tagged struct {
	secrets, keys *policy.Index
}

// resourceTags are the families of condition keys that look at the tags of a secret or key.
var resourceTags = []string{"aws:ResourceTag/", "secretsmanager:ResourceTag/"}

func (w *world) newTagged() *tagged {
	if !w.access.decidesBy("aws:resourcetag/", "secretsmanager:resourcetag/") {
		return nil
	}
	var secrets, keys []policy.Target
	for i := range w.open.secrets.Targets() {
		secrets = append(secrets, untold(*w.open.secrets.Target(i)))
	}
	for i := range w.open.keys.Targets() {
		keys = append(keys, untold(*w.open.keys.Target(i)))
	}
	return &tagged{policy.NewIndex(secrets), policy.NewIndex(keys)}
}

// untold is a resource with tags of which nothing is known.
func untold(t policy.Target) policy.Target {
	context := map[string][]string{}
	isTag := func(key string) bool {
		return slices.ContainsFunc(resourceTags, func(family string) bool { return strings.HasPrefix(key, family) })
	}
	for key, values := range t.Context {
		if !isTag(key) {
			context[key] = values
		}
	}
	t.Context = context
	t.Absent = slices.DeleteFunc(slices.Clone(t.Absent), isTag)
	t.Unknown = slices.Clone(t.Unknown)
	for _, family := range resourceTags {
		t.Unknown = append(t.Unknown, family+"*")
	}
	return t
}

// opens is the second lock with other tags.
func (t *tagged) opens(w *world, who *asker, answers []int8) {
	q := who.about(t.keys, decrypt)
	for i := range answers {
		for j := range w.open.uses[i] {
			if w.open.uses[i][j].closed == "" && !denied(q.Answer(w.open.first[i]+j)) {
				answers[i] = max(answers[i], 1)
			}
		}
	}
}

// askTagged adds the rights that somebody who may change the tags of a secret has with other tags.
func (s *standing) askTagged(who *asker, l lock, answers []int8) {
	w := s.world
	if w.tagged == nil {
		return
	}
	may := func(i int) bool {
		for _, right := range []lock{tags, untags} {
			if have := s.of(right); have != nil && have[i] > 0 {
				return true
			}
		}
		return false
	}
	q := who.about(w.tagged.secrets, changes[l][0])
	for i := range q.Candidates() {
		if answers[i] > 0 || !may(i) || denied(q.Answer(i)) {
			continue
		}
		if s.retags[l] == nil {
			s.retags[l] = make([]bool, len(w.at))
		}
		answers[i], s.retags[l][i] = 1, true
	}
}

// matters reports whether anything in the world is opened by it.
func (w *world) matters(l lock) bool {
	switch l {
	case opensEnabled, opensAnyEnabled, enables, cancels, imports, connects:
		return w.shut != nil
	case opensTagged, opensKeyTagged, tags, untags, tagsKey, untagsKey:
		return w.tagged != nil
	case restores:
		return slices.Contains(w.gone, true)
	}
	return true
}

// abroad reports whether somebody is certainly of another account than a key, whose state and tags are changed from its own alone.
// Source: KMS API Reference, EnableKey, CancelKeyDeletion, ImportKeyMaterial, TagResource, UntagResource: "Cross-account use: No".
func (a *Access) abroad(w *asker, account string) bool {
	if w.principal.Account != "" {
		return w.principal.Account != account
	}
	return slices.Contains(w.principal.NotAccounts, account)
}

// handedOn are the grants of a key whose grantees may give others the use of it for a version: a grant gives at most what it has,
// under constraints that are at least as tight. The second value tells such lists apart.
// Source: KMS API Reference, CreateGrant, and Developer Guide, "Grants in AWS KMS", "Delegating CreateGrant permissions".
func handedOn(k Key, u *keyUse) (out []policy.Grant, which string) {
	const encryptionContext = "kms:EncryptionContext:"
	for _, g := range grantsOf(k) {
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
