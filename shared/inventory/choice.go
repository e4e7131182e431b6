package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// The parameters of GetSecretValue that are condition keys: whoever reads chooses them, so that he may open what some choice opens.
const (
	secretID     = "secretsmanager:SecretId"
	versionID    = "secretsmanager:VersionId"
	versionStage = "secretsmanager:VersionStage"

	secretVersion = "kms:EncryptionContext:SecretVersionId" // which follows from the choice
)

// whether a service makes the call for the reader: he may go through one that does.
// Source: IAM User Guide, "Forward access sessions" and aws:ViaAWSService.
const viaAWSService = "aws:ViaAWSService"

// choices are the condition keys whose values the reader chooses.
var choices = []string{secretID, versionStage, versionID, viaAWSService}

// way is one version that a reader may ask for, and the keys that open it.
type way struct {
	version string // id; "" is not known
	stages  []string
	current bool // the one that a reader gets who asks for none
	keys    []keyUse
	certain bool // no other key opens it
}

// waysTo lists the versions of a secret that its location keeps: the current one, then the others. Where the versions were not
// read, the current one is the only one, under the key that is set and perhaps others; a secret without a value has the key that
// its first version will be under.
func (a *Access) waysTo(s *Secret) []way {
	copies := guard.CopiesOf(s.Facts)
	ways := []way{{stages: []string{current}, current: true, certain: !copies.Unlisted}}
	named := []guard.Key{s.Facts.Key}
	for _, c := range copies.List {
		if c.Location != 0 {
			continue
		}
		w := way{version: c.Version, stages: c.Stages, current: c.Has(current), certain: !c.More}
		keys := c.Keys
		if c.More {
			keys = named
		}
		w.keys = a.keyUses(s, keys, c.Version)
		if w.current {
			ways[0] = w
		} else {
			ways = append(ways, w)
		}
	}
	if ways[0].keys == nil {
		ways[0].keys = a.keyUses(s, named, "")
	}
	return ways
}

func (a *Access) keyUses(s *Secret, keys []guard.Key, version string) []keyUse {
	uses := []keyUse{}
	for _, k := range keys {
		uses = append(uses, a.keyUse(s, a.known(k), version))
	}
	return uses
}

// asking is one choice of the parameters: by condition key, none for a parameter that is left out.
type asking map[string][]string

// askings are the ways to ask for a version, the plainest first.
// Source: Secrets Manager API Reference, GetSecretValue: SecretId is the ARN, of another account always, or the name; an ARN may
// lack its last part.
func (v *way) askings(s *Secret, account string) []asking {
	ids := []string{s.Facts.ARN}
	if account == s.Facts.Account {
		ids = append(ids, s.Facts.Name)
	}
	if end := len(s.Facts.ARN) - suffix; end > 0 && s.Facts.ARN[end] == '-' {
		ids = append(ids, s.Facts.ARN[:end])
	}
	var out []asking
	add := func(id string, stage, version []string) {
		a := asking{secretID: {id}, versionStage: stage}
		if version != nil {
			a[versionID] = version
		}
		out = append(out, a)
	}
	versions := [][]string{{}}
	if v.version != "" {
		versions = append(versions, []string{v.version})
	} else {
		versions = append(versions, nil) // some id, which is not known
	}
	for _, id := range ids {
		for _, version := range versions {
			if v.current || len(version) > 0 {
				add(id, []string{}, version)
			}
			for _, stage := range v.stages {
				add(id, []string{stage}, version)
			}
		}
	}
	return out
}

// suffix is how long the random end of a secret's ARN is, with its hyphen.
const suffix = 7

// said is a choice for people; "" for one without labels and ids.
func (a asking) said(s *Secret) string {
	var parts []string
	for _, key := range []string{secretID, versionStage, versionID} {
		if values := a[key]; len(values) > 0 && values[0] != s.Facts.ARN {
			parts = append(parts, strings.TrimPrefix(key, "secretsmanager:")+" "+values[0])
		}
	}
	return strings.Join(parts, " and ")
}

// askFor is the first lock before a version: of all ways to ask for it, the best.
func (l *locks) askFor(w *asker, v *way) policy.Decision {
	if l.closed != "" {
		return refused(l.closed)
	}
	whole := ask(w, &l.target, readSecret)
	if whole.Answer != policy.Unknown || !restsOn(whole, choices...) {
		return whole // whatever he chooses
	}
	direct := l.target
	direct.Context = maps.Clone(direct.Context)
	direct.Context[viaAWSService] = []string{"false"}
	best := v.bestOf(l.secret, w, &direct)
	if !denied(best.Answer) || w.principal.Kind == policy.KindService || !restsOn(whole, viaAWSService) {
		return best
	}
	through := l.target
	through.Context = maps.Clone(through.Context)
	through.Context[viaAWSService] = []string{"true"}
	best = v.bestOf(l.secret, w, &through)
	if best.Answer == policy.Allowed {
		best = doubtful("only through a service of AWS that reads it for the caller, and which does is not known")
		best.Missing = []string{viaAWSService}
	}
	return best
}

// bestOf is the answer to the way to ask for a version that opens most.
func (v *way) bestOf(s *Secret, w *asker, target *policy.Target) policy.Decision {
	var best policy.Decision
	for i, choice := range v.askings(s, w.principal.Account) {
		d := choice.ask(w, target)
		if said := choice.said(s); said != "" && !denied(d.Answer) {
			d.Why += "; asked for by " + said
		}
		if i == 0 || better(d.Answer, best.Answer) {
			best = d
		}
		if best.Answer == policy.Allowed {
			break
		}
	}
	return best
}

// ask is the answer to one choice. Whether a request that asks for no label has the label that it gets by default as a condition key is
// on no page (live check 42): where that decides, it is not known.
func (a asking) ask(w *asker, target *policy.Target) policy.Decision {
	with := func(stage []string) policy.Decision {
		t := *target
		t.Context = maps.Clone(t.Context)
		maps.Copy(t.Context, a)
		t.Context[versionStage] = stage
		return ask(w, &t, readSecret)
	}
	d := with(a[versionStage])
	if len(a[versionStage]) > 0 {
		return d
	}
	if byDefault := with([]string{current}); openness(byDefault.Answer) != openness(d.Answer) {
		d = doubtful("whether a request without a label has " + versionStage + " " + current + " is not documented")
		d.Missing = []string{versionStage}
	}
	return d
}

// restsOn reports whether the value of one of the keys would matter to an unknown answer.
func restsOn(d policy.Decision, keys ...string) bool {
	return slices.ContainsFunc(d.Missing, func(missing string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, missing) })
	})
}

// any is how a principal stands before the version that opens most easily. A label or id that no version has now may be one
// tomorrow, so a policy that lets in whoever asks for such a one leaves the answer open.
func (l *locks) any(w *asker) Reader {
	best := l.decide(w, &l.ways[0])
	for i := range l.ways[1:] {
		if r := l.decide(w, &l.ways[i+1]); better(r.Answer, best.Answer) {
			best = r
		}
	}
	if !denied(best.Answer) || l.closed != "" {
		return best
	}
	if whole := ask(w, &l.target, readSecret); whole.Answer == policy.Unknown && restsOn(whole, versionStage, versionID) {
		other := best
		other.SecretLock, other.Copy = whole, "a version with a label or id that none has now"
		other.KeyLock, other.Key = l.ways[0].open(w)
		if other.Answer = both(other.SecretLock.Answer, other.KeyLock.Answer); better(other.Answer, best.Answer) {
			return other
		}
	}
	return best
}
