package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Way is how a call comes to the AWS managed key of Secrets Manager.
type Way string

// The ways there.
const (
	ByName    Way = "name"    // CreateSecret or UpdateSecret that names it
	ByEmpty   Way = "empty"   // UpdateSecret with an empty key
	ByDefault Way = "default" // CreateSecret without a key
	ByReplica Way = "replica" // one that names no key
	ByWrite   Way = "write"   // a new value of what is under it
)

// Layer is what a policy denies of that key.
type Layer string

// The layers.
const (
	Trials Layer = "trials" // the calls by which Secrets Manager tries a key that is set: doublelock-choice
	Uses   Layer = "uses"   // each call that writes under it: doublelock-kms
)

// Answer is what AWS was seen to do on a way, where a policy denied a layer.
type Answer struct {
	Layer    Layer
	Way      Way
	Question string // that AWS was asked; its id
	Stops    bool
	Unclear  string // why nobody can say whether it does; ""
}

// way is the way of a call that sets or uses the AWS managed key. None is known of CreateSecret with an empty key.
func (u uses) way(action string) Way {
	create := action == "secretsmanager:CreateSecret"
	switch {
	case u.named != nil && u.named.id != "":
		return ByName
	case u.named != nil && create:
		return ""
	case u.named != nil:
		return ByEmpty
	case create:
		return ByDefault
	}
	return ByWrite
}

// saying is what the answers say of a way together.
type saying struct {
	questions []string // none where they say nothing
	stops     bool
	unclear   string
}

func (s saying) passes() bool { return len(s.questions) > 0 && s.unclear == "" && !s.stops }
func (s saying) closes() bool { return len(s.questions) > 0 && s.unclear == "" && s.stops }

func (s saying) String() string {
	answer := "passes"
	if s.stops {
		answer = "is stopped"
	}
	return fmt.Sprintf("AWS answered %s: it %s", strings.Join(s.questions, " and "), answer)
}

// said is what AWS answered of a way. Where two questions are answered differently, nobody can say.
func (t *Trial) said(of Layer, way Way) saying {
	var s saying
	for _, a := range t.options.Answers {
		switch {
		case a.Layer != of || a.Way != way:
			continue
		case a.Unclear != "":
			s.unclear = a.Question + ": " + a.Unclear
		case s.unclear == "" && len(s.questions) > 0 && s.stops != a.Stops:
			s.unclear = fmt.Sprintf("%s and %s have different answers", strings.Join(s.questions, " and "), a.Question)
		}
		s.questions, s.stops = append(s.questions, a.Question), a.Stops
	}
	return s
}

// tries says whether Secrets Manager tries a key that is set, and what is not sure of that. That it tries a customer's key is
// documented; of its own, nobody knows before AWS was asked. It is not known to try the key that a secret has before a new value.
func (t *Trial) tries(k usedKey, way Way) (s step, tried bool) {
	if k.own {
		return step{way: way}, true
	}
	trial, use := t.said(Trials, way), t.said(Uses, way)
	if way == ByDefault { // which nobody asks
		if trial = t.said(Trials, ByWrite); len(trial.questions) > 0 && trial.unclear == "" {
			trial.unclear = trial.String() + ", of a new value of a secret that is there"
		}
	}
	switch {
	case trial.closes() && use.passes():
		trial.unclear = trial.String() + "; and " + use.String()
	case len(trial.questions) == 0 && way == ByWrite:
		return s, false
	case len(trial.questions) == 0 && way == ByDefault:
		s.unsure = "whether Secrets Manager tries the AWS managed key for a new secret that names none is not documented"
	case len(trial.questions) == 0:
		s.unsure = "whether Secrets Manager tries the AWS managed key is not documented; doublelock conformance asks (kms.choice), and its report goes to --conformance"
	}
	s.way, s.trial, s.asked, s.unsure = way, trial, trial.unclear, cmp.Or(s.unsure, trial.unclear)
	return s, true
}

// seen is what becomes of a step: where AWS was seen to do otherwise than is documented, that counts.
func (t *Trial) seen(s step) Verdict {
	if s.trial.passes() {
		return Verdict{Outcome: Passes, Asked: s.trial.String()}
	}
	at := t.settled(s.call)
	if len(s.others) > 0 {
		all := []Verdict{at}
		for _, other := range s.others {
			all = append(all, t.settled(other))
		}
		at = settle(all)
	}
	if s.way == "" || s.call.ownKey || s.trial.closes() || severity[at.Outcome] == 0 {
		return at
	}
	switch use := t.said(Uses, s.way); {
	case use.unclear != "":
		at = unsure(at, use.unclear)
		at.Asked = use.unclear
	case use.passes():
		without := t.settled(s.call.unseenAliases())
		if severity[without.Outcome] > 0 { // by a statement that was not asked about
			without = unsure(without, use.String())
		}
		without.Asked = use.String()
		return without
	case len(use.questions) == 0:
		if other := t.passing(); other != "" {
			at = unsure(at, other)
			at.Asked = other
		}
	}
	return at
}

// passing is an answer that some use of the AWS managed key passes where all of them are denied: then others may, too.
func (t *Trial) passing() string {
	for _, a := range t.options.Answers {
		if a.Layer == Uses && a.Unclear == "" && !a.Stops {
			return saying{questions: []string{a.Question}}.String() + ", so this way may pass as well"
		}
	}
	return ""
}

// unseenAliases is the same call of a key whose aliases policies do not see.
func (call Call) unseenAliases() Call {
	r := call.Request
	r.Context = make(map[string][]string, len(call.Request.Context))
	for key, values := range call.Request.Context {
		r.Context[key] = values
	}
	r.Context["kms:ResourceAliases"] = []string{}
	r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(key string) bool { return key == "kms:ResourceAliases" })
	call.Request = r
	return call
}
