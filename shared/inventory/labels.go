package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// relabelled are secrets and keys with labels, by which policies decide, that nobody knows yet: tags, or aliases.
type relabelled struct {
	secrets *policy.Index // nil for aliases, which no secret has
	uses    *policy.Index // of keys, as in openings
	keys    *policy.Index // as they are to be changed, as in world
}

// resourceTags are the families of condition keys that look at the tags of a resource, and resourceAliases the key that looks at the
// aliases of a key.
var resourceTags = append([]string{"secretsmanager:ResourceTag/"}, tagsOfPrincipals...)

const resourceAliases = "kms:ResourceAliases"

func (w *world) newTagged() *relabelled {
	if !w.access.decidesBy("aws:resourcetag/", "secretsmanager:resourcetag/") {
		return nil
	}
	return &relabelled{retagged(w.open.secrets), retagged(w.open.keys), retagged(w.keys)}
}

func (w *world) newAliased() *relabelled {
	if !w.access.decidesBy("kms:resourcealiases") {
		return nil
	}
	return &relabelled{uses: realiased(w.open.keys), keys: realiased(w.keys)}
}

func retagged(index *policy.Index) *policy.Index { return untold(index, resourceTags...) }

func realiased(index *policy.Index) *policy.Index { return untold(index, resourceAliases) }

// untold are resources with labels of which nothing is known: of keys, or of families of them, that end with a slash.
func untold(index *policy.Index, labels ...string) *policy.Index {
	is := func(key string) bool {
		return slices.ContainsFunc(labels, func(label string) bool {
			return strings.EqualFold(key, label) || strings.HasSuffix(label, "/") && len(key) > len(label) && strings.EqualFold(key[:len(label)], label)
		})
	}
	var targets []policy.Target
	for i := range index.Targets() {
		t := *index.Target(i)
		context := map[string][]string{}
		for key, values := range t.Context {
			if !is(key) {
				context[strings.ToLower(key)] = values // which is how an index keeps them
			}
		}
		t.Context, t.Absent, t.Unknown = context, slices.DeleteFunc(slices.Clone(t.Absent), is), slices.Clone(t.Unknown)
		for _, label := range labels {
			if strings.HasSuffix(label, "/") {
				label += "*"
			}
			t.Unknown = append(t.Unknown, label)
		}
		targets = append(targets, t)
	}
	return policy.NewIndex(targets)
}

// opens is the second lock with other labels.
func (r *relabelled) opens(w *world, who *asker, answers []int8) {
	q := who.about(r.uses, decrypt)
	for i := range answers {
		for j := range w.open.uses[i] {
			if w.open.uses[i][j].closed == "" && !denied(q.Answer(w.open.first[i]+j)) {
				answers[i] = max(answers[i], 1)
			}
		}
	}
}

// askRelabelled adds the rights that somebody who may change the labels of a secret or key, by one of some rights, has with others.
func (s *standing) askRelabelled(who *asker, l lock, index *policy.Index, answers []int8, by []lock, have func(lock) []int8) {
	may := make([][]int8, len(by)) // which few have
	for n, right := range by {
		if s.of(right) != nil {
			may[n] = have(right)
		}
	}
	if !slices.ContainsFunc(may, func(answers []int8) bool { return answers != nil }) {
		return
	}
	q := who.about(index, changes[l][0])
	for i := range q.Candidates() {
		if answers[i] > 0 {
			continue
		}
		at := slices.IndexFunc(may, func(answers []int8) bool { return answers != nil && answers[i] > 0 })
		if at < 0 || denied(q.Answer(i)) {
			continue
		}
		if s.before[l] == nil {
			s.before[l] = make([]lock, index.Targets())
		}
		answers[i], s.before[l][i] = 1, by[at]
	}
}

// mayNameAlias reports whether somebody may do something to an alias of a key, of whatever name: beside the key, that takes a right on the
// alias, which IAM policies alone give.
// Source: KMS Developer Guide, "Controlling access to aliases".
func (a *Access) mayNameAlias(w *asker, action, keyARN string) bool {
	at := arn.Of(keyARN)
	at.Resource = "alias/*"
	t := policy.Target{ARN: at.String(), Pattern: true, Account: at.Account, Kind: policy.ResourcePlain}
	a.addResourceOrganization(&t)
	return !denied(ask(w, &t, action).Answer)
}

// moving are the secrets that name their keys by aliases. Whoever moves one to another key of the account and Region has the versions to
// come written under that, as by UpdateSecret; what is there stays as it is.
// Source: KMS API Reference, UpdateAlias: both keys are of the alias's account and Region, and it takes rights on the alias and on both.
type moving struct {
	aliases *policy.Index
	of      []int         // secrets, in the order of aliases
	keys    *policy.Index // of their accounts and Regions, that could be used
}

func (w *world) newMoving() *moving {
	m := &moving{}
	var targets, keys []policy.Target
	locations := map[string]bool{}
	for i, n := range w.at {
		if name := aliasOf(&w.access.snapshot.Secrets[n]); name != "" {
			targets, m.of, locations[locationOf(name)] = append(targets, w.access.target(name, arn.Of(name).Account)), append(m.of, i), true
		}
	}
	if targets == nil {
		return nil
	}
	for i := range w.access.snapshot.Keys {
		k := &w.access.snapshot.Keys[i]
		if closed, _ := stateOf(k.Facts); closed != "" || !k.Facts.Symmetric() || !locations[locationOf(k.Facts.ARN)] {
			continue
		}
		keys = append(keys, w.access.keyTarget(k))
	}
	m.aliases, m.keys = policy.NewIndex(targets), policy.NewIndex(keys)
	return m
}

// aliasOf is the ARN of the alias by which a secret names its key; "" where it names none.
func aliasOf(s *Secret) string {
	return guard.AliasNamed(s.Facts.KeyID, s.Facts.Account, s.Facts.Region)
}

// rights are the answers about a right to move the alias of each secret, or to make a key to move it to.
func (m *moving) rights(w *world, who *asker, l lock, answers []int8) {
	action := changes[l][0]
	if l == createsKey && denied(w.access.mayAnywhere(who, action)) {
		return
	}
	named, keys := who.about(m.aliases, action), who.about(w.keys, action)
	for n, i := range m.of {
		s := &w.access.snapshot.Secrets[w.at[i]].Facts
		if w.access.abroad(who, s.Account) || l != createsKey && denied(named.Answer(n)) {
			continue
		}
		forbids := func(k int) bool { return w.keys.Target(k).ARN == s.Key.ARN && denied(keys.Answer(k)) }
		if l != movesNamed && l != dropsNamed || !slices.ContainsFunc(w.keysOf[i], forbids) { // by the key that the alias leads to now
			answers[i] = 1
		}
	}
}

// opens is the second lock once the alias leads to another key of the snapshot.
func (m *moving) opens(w *world, who *asker, answers []int8) {
	q := who.about(m.keys, decrypt)
	open := map[string][]string{} // keys, by their locations
	for k := range m.keys.Targets() {
		if key := m.keys.Target(k).ARN; !denied(q.Answer(k)) {
			open[locationOf(key)] = append(open[locationOf(key)], key)
		}
	}
	for _, i := range m.of {
		s := &w.access.snapshot.Secrets[w.at[i]]
		if slices.ContainsFunc(open[locationOf(aliasOf(s))], func(key string) bool { return key != s.Facts.Key.ARN }) {
			answers[i] = 1
		}
	}
}

// locationOf is the account and Region of a key or alias.
func locationOf(of string) string { return arn.Of(of).Account + arn.Of(of).Region }
