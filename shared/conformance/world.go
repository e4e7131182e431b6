package conformance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/trail"
)

// Patience is how long a run waits for what AWS does later.
type Patience struct {
	Trail   time.Duration // until CloudTrail shows a call
	Change  time.Duration // until a change of a key, role, policy or replica is known everywhere
	Settle  time.Duration // after the first of several events, for the others
	Between time.Duration // between two looks at what changes by the second
}

// ForAWS is how long AWS needs. LookupEvents shows a call within 15 minutes (CloudTrail user guide), key states and grants
// take up to five (KMS developer guide, eventual consistency).
func ForAWS() Patience {
	return Patience{Trail: 20 * time.Minute, Change: 5 * time.Minute, Settle: 90 * time.Second, Between: time.Second}
}

// ForDouble is how long a stand-in on this machine needs.
func ForDouble() Patience {
	return Patience{Trail: 2 * time.Second, Change: 2 * time.Second, Settle: 50 * time.Millisecond, Between: 50 * time.Millisecond}
}

// World is what one question is played in.
type World struct {
	*shared
	slug string // begins the names of what this question makes
	mu   sync.Mutex
	seen []Fact
	// meaning is what the answer means, where that depends on what was seen; "" is as the choice says.
	meaning string
}

// Fact is something that was observed, beside the answer.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (w *World) note(name, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, Fact{name, fmt.Sprintf(format, args...)})
}

// what is the name of something that the question makes.
func (w *World) what(name string) string { return w.slug + "-" + name }

// secret makes the secret of this question, w.what("s"), under a key, and answers its ARN.
func (w *World) secret(ctx context.Context, key string) (string, error) {
	return w.own.CreateSecret(ctx, w.what("s"), key)
}

// underA makes the secret of this question under the run's key A, and answers both.
func (w *World) underA(ctx context.Context) (secret, a string, err error) {
	if a, err = w.keyA(); err != nil {
		return "", "", err
	}
	secret, err = w.secret(ctx, a)
	return secret, a, err
}

// underAOfTwo is underA with key B beside it, for what is moved there.
func (w *World) underAOfTwo(ctx context.Context) (secret, a, b string, err error) {
	if a, b, err = w.keys(); err != nil {
		return "", "", "", err
	}
	secret, err = w.secret(ctx, a)
	return secret, a, b, err
}

// shared is what all questions of a run are played in.
type shared struct {
	own        *sandbox.Session // with every right that a run asks for
	management *sandbox.Session // of the organization; nil where there is none
	ou         string
	second     *sandbox.Session // own, in the second Region; nil where there is none
	patience   Patience
	now        func() time.Time

	keyA, keyB, farKey func() (string, error) // ARNs
	ready              func() (caller, error)
	rotator            func() (string, error) // ARN of a function that rotates nothing
}

// caller is the role that questions are asked as: session policies take rights from it at once, where IAM would need
// minutes.
type caller struct {
	role     string // ARN
	external string
	enforced bool // session policies count
}

func newShared(ctx context.Context, own, management *sandbox.Session, o Options) *shared {
	s := &shared{own: own, management: management, ou: o.OU, patience: o.Patience, now: o.Now}
	if o.Second != "" {
		s.second = own.In(o.Second)
	}
	s.keyA = sync.OnceValues(func() (string, error) { return own.CreateKey(ctx, "a") })
	s.keyB = sync.OnceValues(func() (string, error) { return own.CreateKey(ctx, "b") })
	s.farKey = sync.OnceValues(func() (string, error) { return s.second.CreateKey(ctx, "far") })
	s.ready = sync.OnceValues(func() (caller, error) { return s.prepare(ctx) })
	s.rotator = sync.OnceValues(func() (string, error) { return s.makeRotator(ctx) })
	return s
}

// keys are two customer managed keys.
func (s *shared) keys() (a, b string, err error) {
	a, first := s.keyA()
	b, second := s.keyB()
	return a, b, errors.Join(first, second)
}

// callerPolicy is what the caller may do: everything with the run's secrets, use keys through Secrets Manager, and disable the run's own.
func (s *shared) callerPolicy() string {
	p, account, name := s.own.Partition(), s.own.Account(), s.own.Run().Name("*")
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["secretsmanager:CreateSecret","secretsmanager:UpdateSecret","secretsmanager:DescribeSecret","secretsmanager:GetSecretValue",
			"secretsmanager:PutSecretValue","secretsmanager:TagResource","secretsmanager:ReplicateSecretToRegions","secretsmanager:RotateSecret"],"Resource":%q},
		{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey","kms:DescribeKey"],"Resource":"*",
			"Condition":{"StringLike":{"kms:ViaService":"secretsmanager.*"}}},
		{"Effect":"Allow","Action":"kms:DisableKey","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/`+sandbox.TagKey+`":%q}}},
		{"Effect":"Allow","Action":"sts:AssumeRole","Resource":%q},
		{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":%q}]}`,
		p.New("secretsmanager", "*", account, "secret:"+name), string(s.own.Run()), p.Role(account, name), p.New("lambda", "*", account, "function:"+name))
}

// trustExternal is a trust policy for whoever in the account knows an external id, which only this process does.
func (s *shared) trustExternal(external string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"sts:ExternalId":%q}}}]}`, s.own.Partition().Root(s.own.Account()), external)
}

// trustService is a trust policy for a service.
func trustService(service string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, service+".amazonaws.com")
}

// prepare makes the caller, and waits until AWS knows it: what was refused before would be taken for an answer.
func (s *shared) prepare(ctx context.Context) (caller, error) {
	key, err := s.keyA()
	if err != nil {
		return caller{}, err
	}
	probe, err := s.own.CreateSecret(ctx, "probe", key)
	if err != nil {
		return caller{}, err
	}
	c := caller{external: rand.Text()}
	if c.role, err = s.own.CreateRole(ctx, "caller", s.trustExternal(c.external), s.callerPolicy()); err != nil {
		return caller{}, err
	}
	if err := s.eventually(ctx, "take the role of the run", func(ctx context.Context) error {
		session, err := s.assume(ctx, c, "probe")
		if err != nil {
			return err
		}
		if _, err := session.Describe(ctx, probe); err != nil { // which is denied below
			return err
		}
		return session.Read(ctx, probe)
	}); err != nil {
		return caller{}, err
	}
	limited, err := s.assume(ctx, c, "probe", deny("secretsmanager:DescribeSecret", ""))
	if err != nil {
		return caller{}, err
	}
	_, err = limited.Describe(ctx, probe)
	if c.enforced = sandbox.Denied(err); !c.enforced && err != nil {
		return caller{}, err
	}
	return c, nil
}

// eventually tries until nobody is refused any more.
func (s *shared) eventually(ctx context.Context, what string, try func(context.Context) error) error {
	var refused error
	went, err := sandbox.Until(ctx, s.patience.Change, func(ctx context.Context) (bool, error) {
		refused = try(ctx)
		if _, final := errors.AsType[*refusedNowError](refused); !final && (sandbox.Denied(refused) || sandbox.Gone(refused)) {
			return false, nil
		}
		return refused == nil, refused
	})
	if err == nil && !went {
		err = fmt.Errorf("%s within %s: %w", what, s.patience.Change, refused)
	}
	return err
}

// deny is a statement that denies an action, under a condition unless it is "".
func deny(action, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Effect":"Deny","Action":%q,"Resource":"*"%s}`, action, condition)
}

// denyKey is a statement that denies the use of one key for an action.
func denyKey(action, key string) string {
	return fmt.Sprintf(`{"Effect":"Deny","Action":%q,"Resource":%q}`, action, key)
}

// assume takes the caller's role with a session policy of some denies.
func (s *shared) assume(ctx context.Context, c caller, name string, denies ...string) (*sandbox.Session, error) {
	policy := ""
	if len(denies) > 0 {
		policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` + strings.Join(denies, ",") + `]}`
	}
	return s.own.Assume(ctx, c.role, s.sessionName(name), policy, c.external)
}

// sessionName is what CloudTrail calls a session of the run.
func (s *shared) sessionName(name string) string { return string(s.own.Run()) + "-" + name }

// as is the caller, under a name that is this question's.
func (w *World) as(ctx context.Context, name string) (*sandbox.Session, error) {
	c, err := w.ready()
	if err != nil {
		return nil, err
	}
	return w.assume(ctx, c, w.what(name))
}

// without is the caller without some rights, or with all of them where none are named. The error is errNotEvaluated where session policies do not count.
func (w *World) without(ctx context.Context, name string, denies ...string) (*sandbox.Session, error) {
	c, err := w.ready()
	if err != nil {
		return nil, err
	}
	if !c.enforced {
		return nil, errNotEvaluated
	}
	return w.assume(ctx, c, w.what(name), denies...)
}

// denier is a way to take rights from the caller; release gives them back.
type denier func(ctx context.Context, w *World, name, statement string) (session *sandbox.Session, release func(context.Context) error, err error)

// bySession denies with a session policy: it has the condition keys that a service control policy has.
func bySession(ctx context.Context, w *World, name, statement string) (*sandbox.Session, func(context.Context) error, error) {
	session, err := w.without(ctx, name, statement)
	return session, func(context.Context) error { return nil }, err
}

// bySCP denies with a service control policy on the OU, to the run's own role: others in the account work on. It holds a marker
// beside, by which one sees when it counts.
func bySCP(ctx context.Context, w *World, name, statement string) (*sandbox.Session, func(context.Context) error, error) {
	c, err := w.ready()
	if err != nil {
		return nil, nil, err
	}
	session, err := w.assume(ctx, c, w.what(name))
	if err != nil {
		return nil, nil, err
	}
	marker := w.own.Run().Name(w.what(name) + "-marker")
	content, err := denyOnly(c.role, fmt.Sprintf(`{"Effect":"Deny","Action":"secretsmanager:DescribeSecret","Resource":%q}`,
		w.own.Partition().New("secretsmanager", "*", "*", "secret:"+marker+"*")), statement)
	if err != nil {
		return nil, nil, err
	}
	if _, err := session.Describe(ctx, marker); !sandbox.Gone(err) { // then it is not the policy by which it is denied
		return nil, nil, errors.Join(errUnexpected, err)
	}
	if err := w.management.AttachPolicy(ctx, w.what(name), w.ou, content); err != nil {
		return nil, nil, err
	}
	counts, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		_, err := session.Describe(ctx, marker)
		if sandbox.Gone(err) {
			return false, nil
		}
		return sandbox.Denied(err), nil
	})
	if err == nil && !counts {
		err = errNotEvaluated
	}
	return session, func(ctx context.Context) error { return w.management.DetachPolicy(ctx, w.what(name)) }, err
}

// denyOnly is a policy of some statements, each of which counts for the sessions of one role alone.
func denyOnly(role string, statements ...string) (string, error) {
	policy := struct {
		Version   string
		Statement []map[string]any
	}{Version: "2012-10-17"}
	for _, text := range statements {
		var statement map[string]any
		if err := json.Unmarshal([]byte(text), &statement); err != nil {
			return "", fmt.Errorf("read statement: %w", err)
		}
		conditions, _ := statement["Condition"].(map[string]any)
		if conditions == nil {
			conditions = map[string]any{}
		}
		conditions["ArnEquals"] = map[string]any{"aws:PrincipalArn": role}
		statement["Condition"] = conditions
		policy.Statement = append(policy.Statement, statement)
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return "", fmt.Errorf("write policy: %w", err)
	}
	return string(text), nil
}

// settled looks until the answer is another than early, which is what was there before the change that is asked about, or has
// stayed so for as long as AWS may need until it shows a change everywhere. That AWS was not available is looked at again as long.
func (w *World) settled(ctx context.Context, early Answer, look func(context.Context) (Answer, error)) (answer Answer, err error) {
	_, ended := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		answer, err = look(ctx)
		if sandbox.Unavailable(err) {
			return false, ctx.Err()
		}
		return err != nil || answer != early, nil //nolint:nilerr // the error is answered below
	})
	return answer, cmp.Or(err, ended)
}

// recorded waits until CloudTrail shows enough of what a session did since a time, by the run's clock, and then until it shows
// whatever it will of calls that were made before began: that a call is not there is an answer, too.
func (w *World) recorded(ctx context.Context, session string, since, began time.Time, enough func([]trail.Change) bool) ([]trail.Change, error) {
	// What was shown is true, also where a later look does not show it; and an absence is none where nothing is shown any more.
	shown := map[string]trail.Change{}
	look := func(ctx context.Context) (bool, error) {
		events, err := w.own.Events(ctx, w.sessionName(w.what(session)), since.Add(-time.Minute))
		for _, e := range events {
			shown[e.EventID] = e
		}
		return err == nil && enough(events), err
	}
	found, err := sandbox.Until(ctx, w.patience.Trail, look)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("events of the session within %s: %w", w.patience.Trail, errNotShown)
	}
	end := time.Now().Add(max(w.patience.Settle, time.Until(began.Add(w.patience.Trail))))
	for rest := time.Until(end); rest > 0; rest = time.Until(end) {
		if err := sandbox.Sleep(ctx, min(rest, max(w.patience.Settle, betweenTrails))); err != nil {
			return nil, err
		}
		if found, err = look(ctx); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("events of the session, which were there before: %w", errNotShown)
	}
	return slices.Collect(maps.Values(shown)), nil
}

// betweenTrails is the least time between two looks at CloudTrail that wait for what may never come: it allows two look-ups a
// second in an account and Region.
const betweenTrails = 30 * time.Second

// Why a question has no answer, beside what AWS says.
var (
	errNotEvaluated = errors.New("policies are not evaluated")
	errNotShown     = errors.New("not shown")
	errUnexpected   = errors.New("none of the possible answers")
)
