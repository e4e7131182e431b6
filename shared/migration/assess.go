package migration

import (
	"errors"
	"fmt"
	"maps"
	"slices"

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
}

// Safe reports that every reader keeps access, or was accepted to lose it, and nothing else is in the way.
func (a Assessment) Safe() bool { return len(a.Problems) == 0 }

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
	Functions map[string]string // roles of rotation functions by function ARN
	Accepted  []string          // principals that may lose access, by somebody's word
	Changer   string            // ARN of the role that changes the key; "" is not asked
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
	listed, unread, err := q.Access.Readers(secret.Facts.ARN)
	if err != nil {
		return Assessment{}, fmt.Errorf("assess readers of %s: %w", secret.Facts.Name, err)
	}
	set.addAllowed(listed)
	set.addSeen()
	set.addRotation()
	out := Assessment{Secret: secret.Facts.ARN, Target: q.Target.Facts.ARN, Readers: set.judged()}
	out.Problems = append(problems(out.Readers, unread), q.obstacles(*secret)...)
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
		switch {
		case !r.blocks():
		case r.Verdict == Loses:
			out = append(out, r.Principal+" would lose access")
		default:
			out = append(out, r.Principal+" may lose access: "+r.Why)
		}
	}
	for _, u := range unread {
		out = append(out, fmt.Sprintf("%s of account %s could not be read, and readers may hide there: %s", u.Part, u.Account, u.Why))
	}
	return out
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
	}
}

func (s *readerSet) addSeen() {
	for _, seen := range s.question.Seen {
		if !seen.of(s.facts.ARN, s.facts.Name, s.facts.Account, s.facts.Region) {
			continue
		}
		r := s.add(seen.Principal, accountOf(seen.Principal), SourceSeen)
		r.Reads += seen.Count
		if seen.Last.After(r.LastSeen) {
			r.LastSeen = seen.Last
		}
	}
}

func (s *readerSet) addRotation() {
	if role := s.facts.RotationRoleARN; role != "" && s.facts.RotationEnabled {
		s.add(role, accountOf(role), SourceRotation)
	}
	function := s.facts.RotationLambdaARN
	if function == "" || !s.facts.RotationEnabled {
		return
	}
	role, known := s.question.Functions[function]
	if known && role != "" {
		s.add(role, accountOf(role), SourceRotation)
		return
	}
	r := s.add(function, accountOf(function), SourceRotation)
	r.Verdict, r.Why = Unknown, "the role of the rotation function could not be read"
}

func (s *readerSet) judged() []Reader {
	var out []Reader
	for _, name := range slices.Sorted(maps.Keys(s.found)) {
		r := s.found[name]
		slices.Sort(r.Sources)
		if r.Verdict == "" {
			s.judge(r)
		}
		r.Accepted = slices.Contains(s.question.Accepted, r.Principal)
		out = append(out, *r)
	}
	return out
}

// writes are the rights on its key that a rotation needs beside reading.
// Source: Secrets Manager User Guide, "Permissions for rotation": GenerateDataKey on the customer managed key.
const generate = "kms:GenerateDataKey"

func (s *readerSet) judge(r *Reader) {
	now, err := s.question.Access.Explain(r.Principal, s.facts.ARN)
	if errors.Is(err, inventory.ErrNotInSnapshot) {
		if !slices.Contains(r.Sources, SourceRotation) {
			r.Verdict, r.Why = Cannot, "it does not exist any more"
			return
		}
		r.Verdict, r.Why = Unknown, "it is not in the snapshot"
		return
	}
	if err != nil {
		r.Verdict, r.Why = Unknown, err.Error()
		return
	}
	if denied(now.SecretLock.Answer) || (now.Answer == policy.ImplicitlyDenied && len(r.Sources) == 1 && r.Sources[0] == SourceSeen) {
		r.Verdict, r.Why = Cannot, "it cannot read the secret today: "+now.Why()
		if d := s.decide(r); !denied(now.SecretLock.Answer) && denied(d.Answer) {
			r.Fix = s.fix(r, d) // what gives it back
		}
		return
	}
	d := s.decide(r)
	switch d.Answer {
	case policy.Allowed:
		r.Verdict, r.Why = Keeps, d.Why
	case policy.Unknown:
		r.Verdict, r.Why, r.Missing = Unknown, d.Why, d.Missing
	default:
		r.Verdict, r.Why = Loses, d.Why
		r.Fix = s.fix(r, d)
	}
}

// decide asks for every right on the target that the reader needs, and answers the first it lacks.
func (s *readerSet) decide(r *Reader) policy.Decision {
	d, err := s.question.Access.DecryptsWith(r.Principal, s.facts.ARN, s.question.Target)
	if err == nil && d.Answer == policy.Allowed && slices.Contains(r.Sources, SourceRotation) {
		d, err = s.question.Access.AllowsWith(r.Principal, s.facts.ARN, s.question.Target, generate)
	}
	if err != nil {
		return policy.Decision{Answer: policy.Unknown, Why: err.Error()}
	}
	return d
}

// fix is for every right that the reader needs, whichever was found missing first.
func (s *readerSet) fix(r *Reader, d policy.Decision) *Fix {
	return smallest(s.question, s.facts, r.Principal, d, slices.Contains(r.Sources, SourceRotation))
}

const decrypt = "kms:Decrypt"

func denied(a policy.Answer) bool {
	return a == policy.ImplicitlyDenied || a == policy.ExplicitlyDenied
}

func accountOf(of string) string { return arn.Of(of).Account }
