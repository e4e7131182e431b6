package migration

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// Assessment is what moving one secret to one key does to its readers.
type Assessment struct {
	Secret   string   `json:"secret"` // ARN
	Target   string   `json:"target"` // key ARN
	Readers  []Reader `json:"readers"`
	Problems []string `json:"problems,omitempty"` // why it is not safe, each in one sentence
	Unread   string   `json:"unread,omitempty"`   // when it is not known who used it; it is not safe either, and the next look knows more
}

// Under are the problems where those of a mode have to keep their access, too, beside those of the mode that was asked for.
func (a Assessment) Under(k Keep) []string {
	out := slices.Clone(a.Problems)
	for _, r := range a.Readers {
		if r.Spared = k.spares(r.Class); r.blocks() && !slices.Contains(out, r.problem()) {
			out = append(out, r.problem())
		}
	}
	return out
}

// Safe reports that every reader keeps access, or was accepted to lose it, and nothing else is in the way.
func (a Assessment) Safe() bool { return len(a.against()) == 0 }

// against is all that speaks against the move.
func (a Assessment) against() []string {
	if a.Unread == "" {
		return a.Problems
	}
	return append(slices.Clone(a.Problems), a.Unread)
}

// Losing lists the readers that stand in the way.
func (a Assessment) Losing() []Reader {
	var out []Reader
	for _, r := range a.Readers {
		if r.blocks() {
			out = append(out, r)
		}
	}
	return out
}

// Question is what an assessment is about.
type Question struct {
	Access    *inventory.Access
	Secret    string        // ARN, in the snapshot
	Target    inventory.Key // need not be in the snapshot
	Seen      []Sighting
	Gaps      []Gap             // in what CloudTrail was asked for
	Functions map[string]string // roles of rotation functions by function ARN
	Accepted  []string          // principals that may lose access, by somebody's word
	Rules     Rules             // say who has to keep access
	Changer   string            // ARN of the role that changes the key; "" is not asked
	Tagger    string            // likewise of the role that writes our tags
	at        time.Time         // when a fix has to help; zero is the time of the snapshot
	Replica   bool              // the secret is a copy: its readers are readers of a replica
}

// Assess finds the reader set of a secret (seen, allowed by policy, rotation, other accounts) and asks of each whether
// it can decrypt with the target key. What cannot be decided is unknown and is a problem.
func Assess(q Question) (Assessment, error) {
	secret, err := q.Access.Secret(q.Secret)
	if err != nil {
		return Assessment{}, fmt.Errorf("assess readers: %w", err)
	}
	set := readerSet{question: q, facts: secret.Facts, found: map[string]*Reader{}}
	listed, hidden, err := q.Access.Readers(secret.Facts.ARN)
	if err != nil {
		return Assessment{}, fmt.Errorf("assess readers of %s: %w", secret.Facts.Name, err)
	}
	set.addAllowed(listed)
	for _, add := range []func() error{set.addOfVersions, set.addWriters} {
		if err := add(); err != nil {
			return Assessment{}, fmt.Errorf("assess users of %s: %w", secret.Facts.Name, err)
		}
	}
	set.addSeen()
	set.addRotation()
	out := Assessment{Secret: secret.Facts.ARN, Target: q.Target.Facts.ARN, Readers: set.judged()}
	if !slices.Contains(q.Accepted, UnreadUses) {
		out.Unread = unread(q.Gaps)
	}
	out.Problems = append(problems(out.Readers, hidden), q.obstacles(*secret)...)
	if !q.Replica {
		out.Problems = append(out.Problems, closedCopies(secret.Facts)...)
	}
	if secret.PolicyUnread != "" {
		out.Problems = append(out.Problems, "its resource policy could not be read: "+secret.PolicyUnread)
	}
	return out, nil
}

func problems(readers []Reader, unread []inventory.Unread) []string {
	var out []string
	for _, r := range readers {
		if r.blocks() {
			out = append(out, r.problem())
		}
	}
	for _, u := range unread {
		out = append(out, fmt.Sprintf("%s of account %s could not be read, and readers may hide there: %s", u.Part, u.Account, u.Why))
	}
	return out
}

// problem is what stands in the way of moving the secret, of a reader that does.
func (r Reader) problem() string {
	switch r.Verdict {
	case Loses:
		out := r.Principal + " would lose access"
		if at := slices.IndexFunc(r.Uses, func(u Use) bool { return u.Verdict == Loses }); at >= 0 && (r.Uses[at].Does != Reads || r.Uses[at].Version != "") {
			out += fmt.Sprintf(": it %s, which takes %s from %s on", r.Uses[at], strings.Join(r.Uses[at].Needs, " and "), r.Uses[at].From)
		}
		return out
	case Keeps:
		return fmt.Sprintf("%s keeps access until %s alone: a date in a policy ends its right on the key", r.Principal, r.Until.UTC().Format(time.RFC3339))
	default:
		return r.Principal + " may lose access: " + r.Why
	}
}

type readerSet struct {
	question Question
	facts    guard.Secret
	found    map[string]*Reader
}

func (s *readerSet) add(principal, account string, source Source) *Reader {
	r := s.found[principal]
	if r == nil {
		r = &Reader{Principal: principal, Account: account}
		s.found[principal] = r
		if account != "" && account != s.facts.Account {
			r.Sources = append(r.Sources, SourceAccount)
		}
		if s.question.Replica {
			r.Sources = append(r.Sources, SourceReplica)
		}
	}
	if !slices.Contains(r.Sources, source) {
		r.Sources = append(r.Sources, source)
	}
	return r
}

// use adds a use to a reader, or counts it where it is known already.
func (r *Reader) use(does Does, version string) *Use {
	at := slices.IndexFunc(r.Uses, func(u Use) bool { return u.Does == does && u.Version == version })
	if at < 0 {
		at = len(r.Uses)
		r.Uses = append(r.Uses, Use{Does: does, Version: version})
	}
	return &r.Uses[at]
}

// addAllowed takes who opens both locks today, or may, and who of another account is let in by the secret's policy:
// the secret is shared with it, whatever its key says today.
func (s *readerSet) addAllowed(listed []inventory.Reader) {
	for _, r := range listed {
		shared := (r.Outside || r.Account != "" && r.Account != s.facts.Account) && !denied(r.SecretLock.Answer) && s.facts.Key.Manager == guard.ManagerCustomer
		if denied(r.Answer) && !shared {
			continue
		}
		added := s.add(r.Principal, r.Account, SourceAllowed)
		if r.Outside && !slices.Contains(added.Sources, SourceAccount) { // of no one account
			added.Sources = append(added.Sources, SourceAccount)
		}
		added.use(Reads, "")
	}
}

// addOfVersions takes who may not read the current version, and may another, by policies that decide by which one is asked for.
func (s *readerSet) addOfVersions() error {
	a := s.question.Access
	if !a.DecidesByVersion() {
		return nil
	}
	for i := range a.Snapshot().Principals {
		name := a.Snapshot().Principals[i].ARN
		if s.found[name] != nil {
			continue
		}
		r, err := a.Opens(name, s.facts.ARN)
		if err != nil {
			return err
		}
		if !denied(r.Answer) && r.Version != "" {
			s.add(name, r.Account, SourceAllowed).use(Reads, r.Version)
		}
	}
	return nil
}

// addWriters takes who may write new versions today: who may update the secret alone changes its key or description, unless it was seen.
// A copy takes its versions from the primary.
func (s *readerSet) addWriters() error {
	if s.question.Replica || s.facts.IsReplica() {
		return nil
	}
	for _, does := range []Does{Writes, Updates} {
		call := Use{Does: does}.call()
		names, err := s.question.Access.Callers(s.facts.ARN, call)
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == s.question.Changer || does == Updates && s.writes(name) || !s.couldWrite(name, call) {
				continue
			}
			s.add(name, accountOf(name), SourceWrites).use(does, "")
		}
	}
	return nil
}

func (s *readerSet) writes(name string) bool {
	r := s.found[name]
	return r != nil && slices.ContainsFunc(r.Uses, func(u Use) bool { return u.Does == Writes })
}

// couldWrite reports whether the key that the secret has today lets somebody write under it, as far as that was read.
func (s *readerSet) couldWrite(name, call string) bool {
	key := s.question.keyOf(s.facts.Key)
	if s.facts.Key.Manager != guard.ManagerCustomer || key == nil {
		return true
	}
	d, err := s.question.Access.AllowsUse(name, s.facts.ARN, call, *key, generate)
	return err != nil || !denied(d.Answer)
}

func (s *readerSet) addSeen() {
	for _, seen := range s.question.Seen {
		if !seen.of(s.facts.ARN, s.facts.Name, s.facts.Account, s.facts.Region) {
			continue
		}
		name := s.named(seen.Principal)
		does, source := seen.does(), SourceWrites
		if does == Reads {
			source = SourceSeen
		}
		r := s.add(name, accountOf(name), source)
		if name != seen.Principal {
			r.SeenAs = seen.Principal
		}
		if does == Reads {
			r.Reads += seen.Count
		}
		u := r.use(does, seen.Version)
		u.Seen += seen.Count
		if seen.Last.After(u.LastSeen) {
			u.LastSeen = seen.Last
		}
		if seen.Last.After(r.LastSeen) {
			r.LastSeen = seen.Last
		}
	}
}

// named is the principal of the snapshot that an event means. Of another account it says an id alone, and of a session whose role it does
// not name the role's path is not known.
func (s *readerSet) named(principal string) string {
	all := s.question.Access.Snapshot().Principals
	same := func(of inventory.Principal) bool { return of.ARN == principal }
	if slices.ContainsFunc(all, same) {
		return principal
	}
	if account, id, found := strings.Cut(principal, "/"); found && !arn.Is(principal) {
		same = func(of inventory.Principal) bool { return of.Account == account && of.UniqueID == id && id != "" }
	} else if kind, _ := arn.Of(principal).Split(); kind == "role" {
		same = func(of inventory.Principal) bool {
			return of.Kind == inventory.Role && of.Account == arn.Of(principal).Account && arn.Of(of.ARN).Base() == arn.Of(principal).Base()
		}
	}
	if at := slices.IndexFunc(all, same); at >= 0 {
		return all[at].ARN
	}
	return principal
}

func (s *readerSet) addRotation() {
	if role := s.facts.RotationRoleARN; role != "" && s.facts.RotationEnabled {
		s.add(role, accountOf(role), SourceRotation).use(Rotates, "")
	}
	function := s.facts.RotationLambdaARN
	if function == "" || !s.facts.RotationEnabled {
		return
	}
	role, known := s.question.Functions[function]
	if known && role != "" {
		s.add(role, accountOf(role), SourceRotation).use(Rotates, "")
		return
	}
	r := s.add(function, accountOf(function), SourceRotation)
	u := r.use(Rotates, "")
	u.plan(s.facts)
	u.Verdict = Unknown
	r.Verdict, r.Why = Unknown, "the role of the rotation function could not be read"
}

func (s *readerSet) judged() []Reader {
	var out []Reader
	for _, name := range slices.Sorted(maps.Keys(s.found)) {
		r := s.found[name]
		slices.Sort(r.Sources)
		r.Class = s.question.classOf(r)
		r.Spared = s.question.Rules.MustKeep.spares(r.Class)
		if r.Verdict == "" {
			s.judge(r)
		}
		s.question.accept(r)
		out = append(out, *r)
	}
	return out
}

// judge asks for each use, and keeps the worst.
func (s *readerSet) judge(r *Reader) {
	if verdict, why := s.absent(r); verdict != "" {
		r.Verdict, r.Why = verdict, why
		for i := range r.Uses {
			r.Uses[i].plan(s.facts)
			r.Uses[i].Verdict = verdict
		}
		return
	}
	var lacks *policy.Decision
	for i := range r.Uses {
		u := &r.Uses[i]
		u.plan(s.facts)
		verdict, why, d := s.judgeUse(r, u)
		if u.Verdict = verdict; r.Verdict == "" || worse(verdict, r.Verdict) {
			r.Verdict, r.Why, r.Missing = verdict, why, nil
			if verdict == Unknown {
				r.Missing = d.Missing
			}
			lacks = &d
		}
		if !u.Until.IsZero() && (r.Until.IsZero() || u.Until.Before(r.Until)) {
			r.Until = u.Until
		}
	}
	if r.Verdict != Keeps {
		r.Until = time.Time{}
	}
	if (denied(lacks.Answer) || !r.Until.IsZero()) && !r.Spared { // nobody asks for theirs, and they are many
		r.Fix = s.fix(r, *lacks)
	}
}

// absent is the verdict on somebody who is not in the snapshot, or cannot be asked about; "" is everybody else.
func (s *readerSet) absent(r *Reader) (Verdict, string) {
	taken := s.question.Access.Snapshot().TakenAt
	_, err := s.question.Access.Explain(r.Principal, s.facts.ARN)
	switch {
	case err == nil:
		return "", ""
	case !errors.Is(err, inventory.ErrNotInSnapshot) && strings.Contains(r.Principal, "/") && !arn.Is(r.Principal):
		return Unknown, "CloudTrail names no more of it than its account and its id, and whose that is was not read"
	case !errors.Is(err, inventory.ErrNotInSnapshot):
		return Unknown, err.Error()
	case slices.Contains(r.Sources, SourceRotation):
		return Unknown, "it is not in the snapshot"
	case r.LastSeen.After(taken):
		return Unknown, "it was made after the snapshot of " + taken.UTC().Format(time.RFC3339) + ", which does not have it: take another"
	}
	return Cannot, "it does not exist any more"
}

// judgeUse is the verdict on one use, why, and what decided it: a decision that denies is one that a statement may mend.
func (s *readerSet) judgeUse(r *Reader, u *Use) (Verdict, string, policy.Decision) {
	if today, by, why := s.today(r, u); denied(today) {
		d := policy.Decision{Answer: policy.Unknown}
		if u.Does == Reads && by == LockKey {
			if then, _ := s.decide(r, u); denied(then.Answer) {
				d = then // what gives it back
			}
		}
		if u.Seen == 0 {
			return Cannot, "it cannot do so today: " + why, d
		}
		return Unknown, s.conflict(u, why), d
	}
	d, action := s.decide(r, u)
	switch d.Answer {
	case policy.Allowed:
		for _, needed := range u.Needs {
			ends, err := s.question.Access.Ends(r.Principal, s.facts.ARN, u.call(), s.question.Target, needed)
			if err != nil {
				return Unknown, err.Error(), policy.Decision{Answer: policy.Unknown}
			}
			if !ends.IsZero() && (u.Until.IsZero() || ends.Before(u.Until)) {
				u.Until = ends
			}
		}
		return Keeps, d.Why, d
	case policy.Unknown:
		return Unknown, u.because(d, action), d
	default:
		return Loses, u.because(d, action), d
	}
}

// conflict says which of two is wrong where CloudTrail saw what the policies do not let somebody do.
func (s *readerSet) conflict(u *Use, why string) string {
	seen := fmt.Sprintf("it %s, last at %s, and the policies do not let it", u, u.LastSeen.UTC().Format(time.RFC3339))
	if taken := s.question.Access.Snapshot().TakenAt; u.LastSeen.After(taken) {
		return fmt.Sprintf("%s: they are wrong here, for the snapshot is of %s: take another (%s)", seen, taken.UTC().Format(time.RFC3339), why)
	}
	return fmt.Sprintf("%s: either its right was taken away since, which is for you to accept, or something lets it that was not read (%s)", seen, why)
}

// today says whether a use can be made as things are, and if not which lock forbids it, and why.
func (s *readerSet) today(r *Reader, u *Use) (answer policy.Answer, by Lock, why string) {
	if u.Does != Reads && u.Does != Rotates {
		d, err := s.question.Access.Calls(r.Principal, s.facts.ARN, u.call(), nil)
		if err != nil {
			return policy.Unknown, LockUnknown, ""
		}
		return d.Answer, LockSecret, d.Why
	}
	now, err := s.question.Access.Explain(r.Principal, s.facts.ARN)
	if err == nil && denied(now.Answer) && u.Version != "" {
		now, err = s.question.Access.Opens(r.Principal, s.facts.ARN)
	}
	switch {
	case err != nil:
		return policy.Unknown, LockUnknown, ""
	case denied(now.SecretLock.Answer):
		return now.SecretLock.Answer, LockSecret, "secret: " + now.SecretLock.Why
	case denied(now.Answer) && !slices.Contains(r.Sources, SourceAllowed) && !slices.Contains(r.Sources, SourceRotation):
		return now.Answer, LockKey, "key: " + now.KeyLock.Why
	}
	return policy.Allowed, LockUnknown, ""
}

// decide asks for every right on the target that a use takes, and answers the worst, with the right.
func (s *readerSet) decide(r *Reader, u *Use) (policy.Decision, string) {
	worst, of := policy.Decision{Answer: policy.Allowed, Why: "it takes no right on the key"}, ""
	for i, action := range u.Needs {
		d, err := s.question.Access.AllowsUse(r.Principal, s.facts.ARN, u.call(), s.question.Target, action)
		if err != nil {
			d = policy.Decision{Answer: policy.Unknown, Why: err.Error()}
		}
		if i == 0 || worst.Answer == policy.Allowed && d.Answer != policy.Allowed || worst.Answer == policy.Unknown && denied(d.Answer) {
			worst, of = d, action
		}
	}
	return worst, of
}

// fix is for every right that the reader's uses take, whichever was found missing first.
func (s *readerSet) fix(r *Reader, d policy.Decision) *Fix {
	needs := []string{decrypt}
	for _, u := range r.Uses {
		for _, action := range u.Needs {
			if !slices.Contains(needs, action) && (u.Verdict == Loses || u.Does == Rotates || u.Seen > 0) {
				needs = append(needs, action)
			}
		}
	}
	q := s.question
	if !r.Until.IsZero() {
		q.at, d.Why = r.Until.Add(time.Second), "its right ends at "+r.Until.UTC().Format(time.RFC3339)
	}
	return smallest(q, s.facts, r.Principal, d, needs)
}

func denied(a policy.Answer) bool {
	return a == policy.ImplicitlyDenied || a == policy.ExplicitlyDenied
}

func accountOf(of string) string { return arn.Of(of).Account }
