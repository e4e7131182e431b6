package inventory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Reader is one principal before one secret.
type Reader struct {
	Principal string // ARN or service, or everybody of a population in words
	Account   string // 12 digits; "" for services, and for populations of more than one account
	Outside   bool   // a population outside the snapshot
	Secret    string // ARN
	Key       string // ARN of the key that the key lock was decided on; guard.DefaultKeyID for the AWS managed one

	As   string // the session that opens it, where the principal itself does not
	Copy string // what it opens, where that is not the current version of the secret

	Version string // label, else id, of the version that it opens, where that is not the current one

	Answer     policy.Answer // both locks: Allowed, ImplicitlyDenied or Unknown
	SecretLock policy.Decision
	KeyLock    policy.Decision
}

// Holds reports which locks the reader can certainly open.
func (r Reader) Holds() (secret, key bool) {
	return r.SecretLock.Answer == policy.Allowed, r.KeyLock.Answer == policy.Allowed
}

// Why is what decided, for people.
func (r Reader) Why() string {
	return "secret: " + r.SecretLock.Why + "; key: " + r.KeyLock.Why
}

// Readers lists every principal that holds a lock of the secret, or may: those of the snapshot, and those outside it
// that the secret's policy names. Of accounts that could not be read only a summary can be said; they are in unread.
// Root users are not listed: RootsOf says which of them open it.
func (a *Access) Readers(secretARN string) (readers []Reader, unread []Unread, err error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return nil, nil, err
	}
	l := a.locks(s)
	for _, arn := range a.candidates(s) {
		r, err := a.explain(arn, l.now)
		if err != nil {
			return nil, nil, err
		}
		if deniedBoth(r) {
			continue
		}
		readers = append(readers, r)
	}
	slices.SortStableFunc(readers, func(x, y Reader) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Principal, y.Principal))
	})
	return readers, a.blind(s), nil
}

// rank puts those who can open first, then those who may, then those with one lock.
func rank(r Reader) int {
	switch r.Answer {
	case policy.Allowed:
		return 0
	case policy.Unknown:
		return 1
	}
	if secret, _ := r.Holds(); secret {
		return 2
	}
	return 3
}

func deniedBoth(r Reader) bool { return denied(r.SecretLock.Answer) && denied(r.KeyLock.Answer) }

func denied(answer policy.Answer) bool {
	return answer == policy.ImplicitlyDenied || answer == policy.ExplicitlyDenied
}

// candidates are the principals worth asking: all of the snapshot, the sessions that policies name, and outsiders.
func (a *Access) candidates(s *Secret) []string {
	var out []string
	for i := range a.snapshot.Principals {
		out = append(out, a.snapshot.Principals[i].ARN)
	}
	return append(out, a.outsiders(s)...)
}

// Explain says how a principal (role, user, session, root or service) stands before a secret.
func (a *Access) Explain(principalARN, secretARN string) (Reader, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return Reader{}, err
	}
	return a.explain(principalARN, a.locks(s).now)
}

// Opens is Explain for whichever version the principal opens most easily: one that has another label, or none, can be asked for
// as well.
func (a *Access) Opens(principalARN, secretARN string) (Reader, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return Reader{}, err
	}
	return a.explain(principalARN, a.locks(s).any)
}

// Decrypts says whether a principal could open the secret's key lock if the secret were under another key of the
// snapshot (by ARN), or under the AWS managed key (guard.DefaultKeyID or ""). The secret lock is not asked.
func (a *Access) Decrypts(principalARN, secretARN, keyARN string) (policy.Decision, error) {
	k := Key{Facts: guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}}
	if keyARN != "" && keyARN != guard.DefaultKeyID {
		found := a.keys[keyARN]
		if found == nil {
			return policy.Decision{}, fmt.Errorf("find key %s: %w", keyARN, ErrNotInSnapshot)
		}
		k = *found
	}
	return a.DecryptsWith(principalARN, secretARN, k)
}

// DecryptsWith is Decrypts for a key that need not be in the snapshot, nor exist yet: its policy and facts are given.
func (a *Access) DecryptsWith(principalARN, secretARN string, k Key) (policy.Decision, error) {
	return a.AllowsWith(principalARN, secretARN, k, decrypt)
}

// locks are both locks of one secret.
type locks struct {
	secret *Secret
	target policy.Target // whose parameters are the caller's choice
	closed string
	ways   []way // the current version first
}

func (a *Access) locks(s *Secret) *locks {
	return &locks{secret: s, target: a.secretTarget(s), ways: a.waysTo(s), closed: closed(s.Facts)}
}

func (a *Access) explain(principalARN string, decide func(*asker) Reader) (Reader, error) {
	var best Reader
	askers, err := a.askers(principalARN)
	if err != nil {
		return Reader{}, err
	}
	for i, w := range askers {
		r := decide(w)
		if i == 0 || better(r.Answer, best.Answer) {
			best = r
		}
	}
	best.Principal = principalARN
	return best, nil
}

// variants are a principal and, of a role, the sessions that some policy names: each may be what opens a lock.
func (a *Access) variants(arn string) []string {
	p, err := policy.ParsePrincipal(arn)
	if err != nil || p.Kind != policy.KindRole {
		return []string{arn}
	}
	return append([]string{arn}, a.sessions[p.Account+"/"+p.Name]...)
}

// now is how a principal stands before the current version.
func (l *locks) now(w *asker) Reader { return l.decide(w, &l.ways[0]) }

func (l *locks) decide(w *asker, v *way) Reader {
	r := Reader{Principal: w.principal.String(), Account: w.principal.Account, Secret: l.secret.Facts.ARN, Outside: w.principal.Kind == policy.KindSomebody, As: w.as, Copy: v.String(), Version: v.asked()}
	r.SecretLock = l.askFor(w, v)
	r.KeyLock, r.Key = v.open(w)
	if w.only != "" && r.SecretLock.Answer == policy.Allowed {
		r.SecretLock = doubtful(w.only)
	}
	r.Answer = both(r.SecretLock.Answer, r.KeyLock.Answer)
	return r
}

// open takes the key that opens most easily.
func (v *way) open(w *asker) (policy.Decision, string) {
	if len(v.keys) == 0 {
		return doubtful("the keys of the version could not be read"), ""
	}
	var best policy.Decision
	var key string
	for i := range v.keys {
		if d := v.keys[i].decide(w, decrypt); i == 0 || better(d.Answer, best.Answer) {
			best, key = d, v.keys[i].key
		}
	}
	if denied(best.Answer) && !v.certain {
		return doubtful("the versions of the secret could not be read, and an older copy may open with another key"), key
	}
	return best, key
}

// both combines two locks. One that is certainly closed is enough for a no.
func both(secret, key policy.Answer) policy.Answer {
	switch {
	case denied(secret) || denied(key):
		return policy.ImplicitlyDenied
	case secret == policy.Allowed && key == policy.Allowed:
		return policy.Allowed
	}
	return policy.Unknown
}

func better(x, y policy.Answer) bool { return openness(x) > openness(y) }

func openness(x policy.Answer) int {
	switch x {
	case policy.Allowed:
		return 2
	case policy.Unknown:
		return 1
	}
	return 0
}
