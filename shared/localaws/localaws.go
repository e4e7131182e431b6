package localaws

import (
	"context"
	"maps"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/cloudformation"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/dynamodb"
	"github.com/doublelock/doublelock/shared/localaws/kms"
	"github.com/doublelock/doublelock/shared/localaws/messaging"
	"github.com/doublelock/doublelock/shared/localaws/secretsmanager"
)

// What a caller of this package names. The packages below say what each is.
type (
	Options     = core.Options
	Faults      = core.Faults
	Behavior    = core.Behavior
	Record      = core.Record
	Decision    = core.Decision
	Credentials = core.Credentials
	Function    = messaging.Function
	Failure     = messaging.Failure
	Mail        = messaging.Mail
	Stats       = messaging.Stats
	Stack       = cloudformation.Stack
	Deployed    = cloudformation.Deployed
)

// What Behavior leaves to be chosen among more than two.
const (
	EmptyKeyAbsent  = core.EmptyKeyAbsent
	EmptyKeyText    = core.EmptyKeyText
	EmptyKeyManaged = core.EmptyKeyManaged

	InvokeNotAsked   = core.InvokeNotAsked
	InvokeViaService = core.InvokeViaService
	InvokeDirect     = core.InvokeDirect

	DisabledIsDecryptionFailure = core.DisabledIsDecryptionFailure
	DisabledIsAccessDenied      = core.DisabledIsAccessDenied
	DisabledIsInvalidRequest    = core.DisabledIsInvalidRequest
	DisabledIsKMSError          = core.DisabledIsKMSError
	DisabledIsInternalError     = core.DisabledIsInternalError
	DisabledGoesOn              = core.DisabledGoesOn

	TrustPrincipalIsSession = core.TrustPrincipalIsSession
	TrustPrincipalIsAbsent  = core.TrustPrincipalIsAbsent
)

// AWS is the whole cloud: one organization, its accounts, and what lives in their Regions.
type AWS struct{ *core.AWS }

// New makes an empty AWS: no organization, no accounts, no credentials.
func New(o Options) *AWS {
	services := map[string]core.Service{}
	for _, some := range []map[string]core.Service{core.Services(), secretsmanager.Services(), kms.Services(), messaging.Services(), dynamodb.Services()} {
		maps.Copy(services, some)
	}
	return &AWS{core.New(o, services, messaging.Bus())}
}

// Elapse does what AWS would have done by itself up to now: it ends recovery windows and waiting periods that are
// over, and rotates the secrets and keys that are due. Calls notice by themselves what concerns them; Elapse is for
// clocks that jump while nobody calls.
func (a *AWS) Elapse() {
	a.Lock()
	defer a.Unlock()
	for _, at := range a.SortedLocations() {
		secretsmanager.Elapse(a.AWS, at)
		kms.Elapse(a.AWS, at)
	}
}

// ShareKey has AWS RAM keep a policy for a key, as one that is shared has it.
func (a *AWS) ShareKey(keyARN, policy string) error { return kms.Share(a.AWS, keyARN, policy) }

// KeyWithID makes a customer managed key with an id of the caller's choice, as a configuration names it, and returns its
// ARN. An empty policy is the one KMS gives a key by default.
func (a *AWS) KeyWithID(account, region, id, policy string) string {
	return kms.KeyWithID(a.AWS, account, region, id, policy)
}

// ServiceOwnedSecret makes a secret that another AWS service owns, e.g. "rds", under a key ("" is the AWS managed
// one), with a generated value and managed rotation. It returns the ARN.
func (a *AWS) ServiceOwnedSecret(account, region, service, name, keyID string) (string, error) {
	return secretsmanager.ServiceOwnedSecret(a.AWS, account, region, service, name, keyID)
}

// RotationFunction says which role a rotation function runs under. Rotation then succeeds only with that role's rights;
// a function of which nothing is said may do everything.
func (a *AWS) RotationFunction(functionARN, roleARN string) {
	secretsmanager.RotationFunction(a.AWS, functionARN, roleARN)
}

// RegisterFunction says what the function of that name does. A function that was not created yet gets a plain
// configuration.
func (a *AWS) RegisterFunction(account, region, name string, f Function) {
	messaging.RegisterFunction(a.AWS, account, region, name, f)
}

// FunctionEnvironment is the environment variables that a function was created with, nil when there is no such function.
func (a *AWS) FunctionEnvironment(account, region, name string) map[string]string {
	return messaging.FunctionEnvironment(a.AWS, account, region, name)
}

// FunctionRole is the ARN of the role that a function runs as, "" when it has none.
func (a *AWS) FunctionRole(account, region, name string) string {
	return messaging.FunctionRole(a.AWS, account, region, name)
}

// Failures are the last invocations that answered an error, oldest first: what the functions' logs would hold.
func (a *AWS) Failures() []Failure { return messaging.Failures(a.AWS) }

// Mailbox is everything that arrived at people and chats so far, oldest first.
func (a *AWS) Mailbox() []Mail { return messaging.Mailbox(a.AWS) }

// TakeMail is what arrived at people and chats since it was last asked, oldest first. It leaves the mailbox empty.
func (a *AWS) TakeMail() []Mail { return messaging.TakeMail(a.AWS) }

// Stats counts what passed between services since the start.
func (a *AWS) Stats() Stats { return messaging.StatsOf(a.AWS) }

// Settle carries everything to its end: events through rules to targets, queues to functions, and what those cause,
// until nothing is on its way and no queue with a function has a visible message. Messages that a function failed
// stay hidden until their visibility timeout ends on Options.Now; see NextRetry. It must not be called by a function.
func (a *AWS) Settle(ctx context.Context) error { return messaging.Settle(ctx, a.AWS) }

// Next hands over the next thing, and answers what remains to be done of it: an invocation, which may run beside others;
// nil is nothing. more is false when nothing is on its way and no queue with a function has a visible message. It is Settle
// for those who decide themselves what happens when.
func (a *AWS) Next() (do func(context.Context), more bool) { return messaging.Next(a.AWS) }

// Run settles again and again until the context ends: when something is put on its way, and every second for what
// the clock brings back.
func (a *AWS) Run(ctx context.Context) { messaging.Run(ctx, a.AWS) }

// NextRetry is when the next hidden or delayed message of a queue with a function becomes visible again: what to set
// the clock to before the next Settle. ok is false when there is none.
func (a *AWS) NextRetry() (at time.Time, ok bool) { return messaging.NextRetry(a.AWS) }

// DuplicateNext makes the next n deliveries to targets happen twice.
func (a *AWS) DuplicateNext(n int) { messaging.DuplicateNext(a.AWS, n) }

// ReorderNext keeps the next n deliveries to targets back and lets them go in the opposite order: when n are there,
// or when nothing else is left to do.
func (a *AWS) ReorderNext(n int) { messaging.ReorderNext(a.AWS, n) }

// Deploy creates a stack: every resource by the API call that CloudFormation would make, in the order of what they
// need. When one fails, what was made is removed again, and the error names stack, logical id and property. A stack
// that exists is an error: a template is deployed once. Sections that only guard a deployment (Rules) are not read.
func (a *AWS) Deploy(ctx context.Context, s Stack) (*Deployed, error) {
	return cloudformation.Deploy(ctx, a.AWS, s)
}

// Undeploy deletes a stack, newest resource first. Resources whose deletion policy is Retain stay.
func (a *AWS) Undeploy(ctx context.Context, name, account, region string) error {
	return cloudformation.Undeploy(ctx, a.AWS, name, account, region)
}

// Enroll gives an account that joined the organization, or moved within it, the instances of every stack set that
// deploys by itself. AWS does so some minutes after the account came; it heeds no account filter then.
func (a *AWS) Enroll(ctx context.Context, account string) error {
	return cloudformation.Enroll(ctx, a.AWS, account)
}
