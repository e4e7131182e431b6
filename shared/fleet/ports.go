package fleet

import (
	"context"
	"time"

	"github.com/doublelock/doublelock/shared/store"
)

// Members looks into accounts through their member roles. Answers wrap guard.ErrGone, ErrDenied, ErrNotOurs or
// ErrThrottled where they cannot answer.
type Members interface {
	Enter(ctx context.Context, account, role string) error                // takes a role
	Roles(ctx context.Context, account string) (map[string]string, error) // trust policies of the account's IAM roles, JSON, by name
	Trails(ctx context.Context, account, region string) ([]Trail, error)
	Rule(ctx context.Context, account, region, name string) (Rule, error) // of the default bus
	Waiting(ctx context.Context, account, region, queue string) (int, error)
}

// Hub looks at the hub's own parts, in its account and home Region.
type Hub interface {
	BusPolicy(ctx context.Context) (string, error) // JSON, "" is none
	Queue(ctx context.Context, name string) (Queue, error)
	Function(ctx context.Context, name string) (Function, error)
	// Unreadable counts the rows of the hub's table that are in quarantine, because nobody could read them.
	Unreadable(ctx context.Context) (int, error)
	// Late counts the notices that could not be put on the bus for an hour.
	Late(ctx context.Context) (int, error)
	// Brake says whether changes are paused.
	Brake(ctx context.Context) (store.Brake, error)
}

// Trail is a trail that records an account and Region.
type Trail struct {
	Name         string
	Logging      bool
	DeliveryFail string // AWS's word for the last failed delivery
}

// Rule is an EventBridge rule and where it sends.
type Rule struct {
	State   string
	Pattern string // JSON
	Targets []Target
}

// Target is where a rule sends; all of them are ARNs.
type Target struct{ ARN, RoleARN, DLQ string }

// SCP is a service control policy and the ids it is attached to.
type SCP struct {
	Name, Content string
	Targets       []string
}

// Queue is how full a queue is and whether it parks what fails.
type Queue struct {
	Waiting, InFlight int
	Parks             bool
}

// Function is what of a function is deployed.
type Function struct {
	State      string
	CodeSHA256 string
	ModifiedAt time.Time
	Config     string // the configuration it runs with
}

// Expected is what is to be found, as the configuration has it.
type Expected struct {
	OrganizationID string
	Management     string // account
	Hub            string // account
	Home           string // Region
	Regions        []string
	BusARN         string
	ForwardRole    string         // name of the role that forward rules send with
	DeadLetters    string         // name of the queue for what a member could not send
	Roles          []ExpectedRole // that the hub takes in each account
	Rules          []ExpectedRule
	Elsewhere      []ExpectedLocation // rules in locations that are not guarded
	SCPs           []SCP
	Workers        []string // functions and queues of the hub; each queue has a second one with "-dlq" at the end
	Config         string   // what functions run with; "" is not compared
}

// ExpectedRole is a role in each account, and the ARNs of the roles of those functions of the hub that take it.
type ExpectedRole struct {
	Name   string
	Takers []string
}

// ExpectedRule is a forward rule, the state it must be in and the event pattern it must have, as JSON.
type ExpectedRule struct{ Name, State, Pattern string }

// ExpectedLocation is a location that is not guarded and yet has some of our rules.
type ExpectedLocation struct {
	Account, Region string
	Rules           []ExpectedRule
}

// Doctor inspects everything. Organization and Members must be safe for concurrent use.
type Doctor struct {
	Expected     Expected
	Members      Members
	Organization Organization // Accounts are those to look at: the enrolled ones
	Hub          Hub
	Concurrency  int           // accounts at once; 0 is 8
	CallTime     time.Duration // of one call; 0 is 30 seconds
	Progress     func(done, total int, what string)
}
