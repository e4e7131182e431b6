package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// AllowsWith is DecryptsWith for another action on the key through Secrets Manager, such as kms:GenerateDataKey, which
// writing a new version takes. It is a promise about access that is to stay: of the sessions of a role that may read the
// secret today, the answer is that of the worst.
func (a *Access) AllowsWith(principalARN, secretARN string, k Key, action string) (policy.Decision, error) {
	return a.AllowsUse(principalARN, secretARN, readSecret, k, action)
}

// AllowsUse is AllowsWith for those that may make a call to Secrets Manager today, such as secretsmanager:PutSecretValue, instead of
// reading.
func (a *Access) AllowsUse(principalARN, secretARN, call string, k Key, action string) (policy.Decision, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return policy.Decision{}, err
	}
	l := a.locks(s)
	d, _, err := a.allows(principalARN, a.keyUse(s, k, ""), action, func(w *asker) policy.Answer { return l.today(w, call) })
	return d, err
}

// LetsIn says whether a principal would certainly open the second lock of a secret if a key opened its current version: of the sessions
// of a role that the first lock lets in the answer is that of the worst.
func (a *Access) LetsIn(principalARN, secretARN string, k Key) (policy.Decision, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return policy.Decision{}, err
	}
	l := a.locks(s)
	d, _, err := a.allows(principalARN, a.keyUse(s, k, ""), decrypt, func(w *asker) policy.Answer { return l.now(w).SecretLock.Answer })
	return d, err
}

// allows is the worst answer of those that may do something today, the best where none may; may reports whether one may.
func (a *Access) allows(principalARN string, use keyUse, action string, today func(*asker) policy.Answer) (d policy.Decision, may bool, err error) {
	variants := a.variants(principalARN)
	for _, name := range namedIn(use.target.Policy, policy.Allow, policy.Deny) { // a key that is not in the snapshot may name others
		of, err := policy.ParsePrincipal(principalARN)
		p, nobody := policy.ParsePrincipal(name)
		if err == nil && nobody == nil && of.Kind == policy.KindRole && p.Kind == policy.KindSession && p.Account == of.Account && p.Name == of.Name && !slices.Contains(variants, name) {
			variants = append(variants, name)
		}
	}
	var best policy.Decision
	var users []policy.Decision // of those that make the call today
	for i, name := range variants {
		w, err := a.asker(name)
		if err != nil {
			return policy.Decision{}, false, fmt.Errorf("ask for %s: %w", principalARN, err)
		}
		d := use.decide(w, action)
		if i == 0 || better(d.Answer, best.Answer) {
			best = d
		}
		if !denied(today(w)) {
			users = append(users, d)
		}
	}
	if len(users) == 0 {
		return best, false, nil
	}
	byOpenness := func(x, y policy.Decision) int { return cmp.Compare(openness(x.Answer), openness(y.Answer)) }
	worst := slices.MinFunc(users, byOpenness)
	if better(slices.MaxFunc(users, byOpenness).Answer, worst.Answer) {
		worst.Why = "some sessions of the role keep the right, and of others it is " + worst.Why
	}
	return worst, true, nil
}

// today says whether somebody may make a call as the secret is now; a read takes a key as well.
func (l *locks) today(w *asker, call string) policy.Answer {
	if call == readSecret {
		return l.now(w).Answer
	}
	if l.closed != "" {
		return policy.ImplicitlyDenied
	}
	return ask(w, &l.target, call).Answer
}

// Calls says whether a principal, or a session of it that some policy names, may make a call to Secrets Manager about a secret: the best
// answer. Parameters of the request are given by their condition keys; others are not known.
func (a *Access) Calls(principalARN, secretARN, action string, parameters map[string][]string) (policy.Decision, error) {
	return a.CallsIn(principalARN, secretARN, arn.Of(secretARN).Region, action, parameters)
}

// CallsIn is Calls for the copy of a secret that is in another Region, and need not be in the snapshot: it has the same policy and tags.
func (a *Access) CallsIn(principalARN, secretARN, region, action string, parameters map[string][]string) (policy.Decision, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return policy.Decision{}, err
	}
	t := a.secretTarget(s)
	t.ARN, t.Context["aws:RequestedRegion"] = arn.Of(s.Facts.ARN).In(region).String(), []string{region}
	t.Context[viaAWSService], t.Context[secretID] = []string{"false"}, []string{t.ARN}
	maps.Copy(t.Context, parameters)
	askers, err := a.askers(principalARN)
	if err != nil {
		return policy.Decision{}, err
	}
	var best policy.Decision
	for i, w := range askers {
		d := ask(w, &t, action)
		if why := closed(s.Facts); why != "" {
			d = refused(why)
		}
		if i == 0 || better(d.Answer, best.Answer) {
			best = d
		}
	}
	return best, nil
}

// Callers lists the principals that may make a call to Secrets Manager about a secret, certainly or perhaps: those of the snapshot, and
// those outside it whom the secret's policy names.
func (a *Access) Callers(secretARN, action string) ([]string, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range a.callersOf(action)[a.secrets[s.Facts.ARN]] {
		out = append(out, a.snapshot.Principals[i].ARN)
	}
	return append(out, a.outsidersOf(a.secretPolicy(s), action)...), nil
}

// callersOf are the principals that may make a call, by the secret that it is about: each is asked for all secrets at once.
func (a *Access) callersOf(action string) [][]int32 {
	a.calling.Lock()
	defer a.calling.Unlock()
	if found, known := a.callers[action]; known {
		return found
	}
	var targets []policy.Target
	for i := range a.snapshot.Secrets {
		targets = append(targets, a.secretTarget(&a.snapshot.Secrets[i]))
	}
	index := policy.NewIndex(targets)
	out := make([][]int32, len(targets))
	for n := range a.snapshot.Principals {
		askers, err := a.askers(a.snapshot.Principals[n].ARN)
		if err != nil {
			continue // of no principal of the snapshot
		}
		for _, w := range askers {
			q := w.about(index, action)
			for i := range q.Candidates() {
				if last := len(out[i]) - 1; !denied(q.Answer(i)) && (last < 0 || out[i][last] != int32(n)) {
					out[i] = append(out[i], int32(n))
				}
			}
		}
	}
	a.callers[action] = out
	return out
}

// Ends is when a right that AllowsUse says a principal has ends by a date in some policy, while it could go on making the call; zero is
// never, by what was read.
func (a *Access) Ends(principalARN, secretARN, call string, k Key, action string) (time.Time, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return time.Time{}, err
	}
	dates := a.datesWith(k)
	if len(dates) == 0 {
		return time.Time{}, nil
	}
	use, l := a.keyUse(s, k, ""), a.locks(s)
	for _, date := range dates {
		after := date.Add(time.Second)
		askedAt(&use.target, after)
		askedAt(&l.target, after)
		for i := range l.ways {
			for j := range l.ways[i].keys {
				askedAt(&l.ways[i].keys[j].target, after)
			}
		}
		d, may, err := a.allows(principalARN, use, action, func(w *asker) policy.Answer { return l.today(w, call) })
		if err != nil {
			return time.Time{}, err
		}
		if may && d.Answer != policy.Allowed {
			return date, nil
		}
	}
	return time.Time{}, nil
}

// askedAt asks about a target at a time, or at one of several. The target's maps are its own.
func askedAt(t *policy.Target, times ...time.Time) {
	into := t.Context
	if len(times) > 1 {
		into = t.OneOf
	}
	into["aws:CurrentTime"] = each(times, func(when time.Time) string { return when.UTC().Format(time.RFC3339) })
	into["aws:EpochTime"] = each(times, func(when time.Time) string { return strconv.FormatInt(when.Unix(), 10) })
}

// datesWith are the dates after the snapshot by which its policies, or that of a key that it need not hold, decide.
func (a *Access) datesWith(k Key) []time.Time {
	a.bulkKeys.Do(a.findConditionKeys)
	out := a.dates
	if own := a.keyPolicy(&k).Dates(); len(own) > 0 {
		out = slices.Concat(out, own)
	}
	out = slices.DeleteFunc(slices.Clone(out), func(t time.Time) bool { return t.Before(a.snapshot.TakenAt) })
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

// DecidesByVersion reports whether some policy decides by which version is asked for, so that somebody may read another one than the
// current alone.
func (a *Access) DecidesByVersion() bool {
	return a.decidesBy("secretsmanager:versionstage", "secretsmanager:versionid")
}

// RunsCode reports whether a role is given to code: by a service, or by an identity provider of the kind that signs code in, or perhaps.
// CloudFormation deploys with it what people and pipelines ask for; identity providers of SAML sign people in.
func (a *Access) RunsCode(roleARN string) bool {
	of := a.principals[roleARN]
	if of == nil {
		return true
	}
	trust := a.documents.read("trust policy of "+of.ARN, of.Trust)
	return slices.ContainsFunc(servicesOf(trust), func(name string) bool { return !strings.HasSuffix(name, "cloudformation.amazonaws.com") }) ||
		slices.ContainsFunc(providersOf(trust), func(provider string) bool { return !strings.Contains(provider, ":saml-provider/") })
}
