package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithytime "github.com/aws/smithy-go/time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
)

// What everything that a run makes is known by. Both must be there before anything is removed.
const (
	Prefix = "doublelock-conformance-" // of its name, followed by the run
	TagKey = "doublelock-conformance"  // whose value is the run
)

// Name is what the run calls something that it makes.
func (r Run) Name(what string) string { return Prefix + string(r) + "-" + what }

// AnyRun stands for every run, where things of forgotten ones are looked for.
const AnyRun Run = ""

// prefix begins the names of what the run makes.
func (r Run) prefix() string {
	if r == AnyRun {
		return Prefix
	}
	return r.Name("")
}

// of reports whether a name is one that the run gives.
func (r Run) of(name string) bool {
	is := RunOf(name)
	return is != "" && (r == AnyRun || is == r)
}

// owns reports whether something of a name of the run has the run's tag, too.
func (r Run) owns(name, tag string) bool { return r.of(name) && tag == string(RunOf(name)) }

// RunOf is the run that a name says it is of; "" when it says none, or something that is no id of a run.
func RunOf(name string) Run {
	rest, found := strings.CutPrefix(name, Prefix)
	run, _, more := strings.Cut(rest, "-")
	if !found || !more || !Run(run).Valid() {
		return ""
	}
	return Run(run)
}

// Journal writes down what is about to be made. It is made only when that went well.
type Journal func(Resource) error

// Session acts in one Region with one set of credentials, as a run.
type Session struct {
	c       *cloud.Cloud
	region  string
	account string
	arn     string
	run     Run
	journal Journal
	finds   []Kind // in its account; nil is all
	clock   Clock  // of removals
	// unreplicated says that this removal of a secret has had its replicas removed, which goes on in the background.
	unreplicated bool
}

// Clock is the time that somebody waits by.
type Clock struct {
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

var wall = Clock{time.Now, Sleep}

// Open acts as a run with the credentials of a cloud, which are those of a person, and asks AWS whose they are.
func Open(ctx context.Context, c *cloud.Cloud, region string, run Run, journal Journal) (*Session, error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return nil, err
	}
	return &Session{c: c, region: region, account: id.Account, arn: id.ARN, run: run, journal: journal, clock: wall}, nil
}

// In is the same in another Region.
func (s *Session) In(region string) *Session {
	other := *s
	other.region = region
	return &other
}

// Finding is the same where only some kinds of things can be: Find looks for no others.
func (s *Session) Finding(kinds ...Kind) *Session {
	other := *s
	other.finds = kinds
	return &other
}

// RemovingBy is the same with another clock for removals.
func (s *Session) RemovingBy(c Clock) *Session {
	other := *s
	other.clock = c
	return &other
}

// Account is the id of the account that the session acts in.
func (s *Session) Account() string { return s.account }

// ARN is who the session is.
func (s *Session) ARN() string { return s.arn }

// Region is where the session acts.
func (s *Session) Region() string { return s.region }

// Run is the run that the session is of.
func (s *Session) Run() Run { return s.run }

// Partition is the part of AWS that the session acts in.
func (s *Session) Partition() arn.Partition { return arn.PartitionOf(s.region) }

func (s *Session) at() session.Location { return session.Location{Region: s.region} }

// sessionTime is how long the sessions of a run last: the least that AWS allows of a role is an hour at most.
const sessionTime = time.Hour

// Assume takes a role, under a name that CloudTrail will show, and with a session policy ("" is none). External is the
// external id that its trust policy asks for; "" is none.
func (s *Session) Assume(ctx context.Context, roleARN, name, policy, external string) (*Session, error) {
	in := &sts.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: &name, DurationSeconds: aws.Int32(int32(sessionTime.Seconds()))}
	if policy != "" {
		in.Policy = &policy
	}
	if external != "" {
		in.ExternalId = &external
	}
	out, err := session.Client(s.c, s.at(), sts.NewFromConfig).AssumeRole(ctx, in)
	if err != nil {
		return nil, session.Fail(err, "assume role %s", roleARN)
	}
	if out.Credentials == nil {
		return nil, fmt.Errorf("assume role %s: no credentials in the answer", roleARN)
	}
	taken := s.c.As(cloud.Static{AccessKeyID: aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey), SessionToken: aws.ToString(out.Credentials.SessionToken)})
	account := arn.Of(roleARN).Account
	return &Session{c: taken, region: s.region, account: account, run: s.run, journal: s.journal, clock: s.clock,
		arn: s.Partition().New("sts", "", account, "assumed-role/"+arn.Of(roleARN).Base()+"/"+name).String()}, nil
}

// inAnswer errs where an answer has nothing of what it is for: "" would be sent on, and mean something else, such as the AWS managed key.
func inAnswer(text, format string, args ...any) (string, error) {
	if text == "" {
		return "", fmt.Errorf(format+": it is not in the answer", args...)
	}
	return text, nil
}

// orZero is a part of an answer, with nothing in it where it is not there.
func orZero[T any](part *T) T {
	if part == nil {
		var zero T
		return zero
	}
	return *part
}

// intend writes down what is about to be made.
func (s *Session) intend(kind Kind, what string) (name string, err error) {
	name = s.run.Name(what)
	if kind == Alias {
		name = aliasPrefix + name
	}
	if err := s.journal(Resource{Kind: kind, Account: s.account, Region: s.region, Name: name}); err != nil {
		return "", fmt.Errorf("write down %s %s before it is made: %w", kind, name, err)
	}
	return name, nil
}

// Sleep waits, or ends with the context.
func Sleep(ctx context.Context, d time.Duration) error {
	return smithytime.SleepWithContext(ctx, d)
}

// Until asks again and again until the answer is yes, with growing pauses of up to five seconds, for as long as a limit, and
// twice at least.
// It reports whether it was; the error is that of asking, or of the context.
func Until(ctx context.Context, limit time.Duration, ask func(context.Context) (bool, error)) (bool, error) {
	return wall.until(ctx, limit, ask)
}

func (c Clock) until(ctx context.Context, limit time.Duration, ask func(context.Context) (bool, error)) (bool, error) {
	pause, end := 50*time.Millisecond, c.Now().Add(limit)
	for last := false; ; {
		yes, err := ask(ctx)
		if yes || err != nil || last {
			return yes, err
		}
		rest := end.Sub(c.Now())
		last = rest <= pause // a slow first look is not the only one
		if err := c.Sleep(ctx, max(min(pause, rest), 0)); err != nil {
			return false, err
		}
		pause = min(pause*2, 5*time.Second)
	}
}

// eachPage calls list with the token of each page of a list, nil of the first.
func eachPage(list func(token *string) (next *string, err error)) error {
	token, err := list(nil)
	for err == nil && aws.ToString(token) != "" {
		token, err = list(token)
	}
	return err
}

// Denied reports whether an error says that somebody had no right.
func Denied(err error) bool { return errors.Is(err, guard.ErrDenied) }

// Unavailable reports whether an error says that AWS could not answer, or not now: nothing of what was asked about.
func Unavailable(err error) bool {
	return errors.Is(err, guard.ErrUnavailable) || errors.Is(err, guard.ErrThrottled)
}

// Gone reports whether an error says that there is no such thing.
func Gone(err error) bool { return errors.Is(err, guard.ErrGone) }

// Unknown reports whether whoever answered has no such operation.
func Unknown(err error) bool { return session.Unknown(err) }

// Code is the code of the error that AWS answered, "" where it answered none.
func Code(err error) string { return session.Code(err) }

// Operation is the call that an error is about, such as "KMS:CreateKey"; "" where no call was made.
func Operation(err error) string { return session.Operation(err) }
