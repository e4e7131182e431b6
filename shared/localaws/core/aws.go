package core

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Options set what an AWS starts with. The zero value is a quiet, well-behaved AWS on the wall clock.
type Options struct {
	Now       func() time.Time // default time.Now
	Partition arn.Partition    // default arn.Standard; every ARN and host name follows it, and its Regions are those that exist
	Seed      uint64           // ids, request ids and faults come from it: same seed and calls, same output
	Faults    Faults
	// OnRecord sees every CloudTrail record in the order of the calls. It runs with the state lock held, so it must not
	// call back.
	OnRecord func(Record)
	// OnPut sees every event that PutEvents takes, or a rule of another bus forwards, under the same conditions.
	OnPut func(bus string, event map[string]any)
	// OnDecision sees every evaluation of policies, under the same conditions.
	OnDecision func(Decision)

	Behavior Behavior // answers to what AWS's documents leave open
	History  int      // how many records of an account and Region LookupEvents finds; 0: 50,000
}

// AWS is the whole cloud: one organization, its accounts, and what lives in their Regions.
type AWS struct {
	mu      sync.Mutex // held while an operation runs; guards everything below
	Options Options    // Now and Partition are never zero here
	Random  *rand.Rand
	table   map[string]Service
	bus     EventBus

	credentials  map[string]*credential // by access key id
	sessions     []*credential          // those that end, oldest first: see issueUntil
	accounts     map[string]*account
	locations    map[Location]map[reflect.Type]any // see Regional
	organization *organization
	globals      sync.Map                    // see Global
	parsed       map[string]*policy.Document // by text
	counts       map[string]int              // calls by operation, for Faults.ThrottleEvery
	iamChanges   uint64                      // how often IAM was written to
}

// EventBus is where the events of AWS services go. Both are called with the state lock held.
type EventBus struct {
	Listens func(a *AWS, at Location, readOnly bool) bool // whether any rule there could match
	Put     func(a *AWS, at Location, event map[string]any)
}

// New makes an empty AWS of some services: no organization, no accounts, no credentials.
func New(o Options, services map[string]Service, bus EventBus) *AWS {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Partition = cmp.Or(o.Partition, arn.Standard)
	return &AWS{
		Options:     o,
		table:       services,
		bus:         bus,
		Random:      rand.New(rand.NewPCG(o.Seed, 0x646f75626c656c6f)),
		credentials: map[string]*credential{},
		accounts:    map[string]*account{},
		locations:   map[Location]map[reflect.Type]any{},
		parsed:      map[string]*policy.Document{},
		counts:      map[string]int{},
	}
}

// Lock takes the state lock, for those who are no operation.
func (a *AWS) Lock() { a.mu.Lock() }

// Unlock gives the state lock back.
func (a *AWS) Unlock() { a.mu.Unlock() }

// Protocol is how a service's requests and answers are written.
type Protocol int

// The protocols of AWS: JSON with a target header in two versions, the form-encoded query protocol, and JSON over REST.
const (
	JSON10 Protocol = iota + 1
	JSON11
	Query
	REST
)

// Service is one AWS service: how it speaks and what it answers.
type Service struct {
	Protocol   Protocol
	Operations map[string]Operation
	// Route finds the operation of a REST request and the input that its path and query carry; nil for other protocols.
	Route func(*Call) (operation string)
	// Access names what an operation acts on, for the authorisation that runs before it. Services that leave it nil
	// authorise inside their operations.
	Access func(*Call) (Access, error)
	global bool // one endpoint for all Regions of a partition: state and records live in its home Region, see home
}

// Later is what an operation returns when the rest of its work must run without the state lock, because it calls
// back (a synchronous Lambda invocation does).
type Later func() (any, error)

// do calls an operation in this process, without HTTP, as the given caller: how AWS services call each other.
// Input is anything that marshals to the operation's JSON input; the answer is its JSON output.
func (a *AWS) do(p Location, who Caller, serviceName, operationName string, input any) (map[string]any, error) {
	c, err := a.NewCall(p, who, serviceName, operationName, input)
	if err != nil {
		return nil, err
	}
	result, err := a.Run(c)
	if err != nil {
		return nil, err
	}
	return AsMap(result)
}

// DoLocked is do for callers that hold the state lock already.
func (a *AWS) DoLocked(p Location, who Caller, serviceName, operationName string, input any) (map[string]any, error) {
	c, err := a.NewCall(p, who, serviceName, operationName, input)
	if err != nil {
		return nil, err
	}
	result, err := a.Dispatch(c)
	if err != nil {
		return nil, err
	}
	return AsMap(result)
}

// NewCall is a call that is made in this process. Input is anything that marshals to the operation's JSON input. The
// error says that this AWS has no such service or Region.
func (a *AWS) NewCall(p Location, who Caller, serviceName, operationName string, input any) (*Call, error) {
	s, ok := a.table[serviceName]
	if !ok {
		return nil, fmt.Errorf("call %s: no such service here", serviceName)
	}
	if !a.HasRegion(p.Region) {
		return nil, fmt.Errorf("call %s in %s: partition %s has no such Region", serviceName, p.Region, a.Options.Partition)
	}
	if s.global {
		p.Region = home(a.Options.Partition, serviceName)
	}
	body, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("encode input of %s %s: %w", serviceName, operationName, err)
	}
	c := &Call{AWS: a, Location: p, Service: serviceName, Operation: operationName, Caller: who, Input: body,
		UserAgent: who.Service, SourceIP: who.Service}
	if s.Protocol == Query {
		c.Form, err = formOf(body)
	}
	return c, err
}

// AsMap is an answer as a client decodes it.
func AsMap(result any) (map[string]any, error) {
	body, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	if len(body) == 0 || string(body) == "null" {
		return map[string]any{}, nil
	}
	out := map[string]any{}
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return out, nil
}

// Run dispatches under the state lock and finishes what an operation left for later.
func (a *AWS) Run(c *Call) (any, error) {
	result, err := func() (any, error) {
		a.Lock()
		defer a.Unlock()
		return a.Dispatch(c)
	}()
	if rest, ok := result.(Later); ok && err == nil {
		return rest()
	}
	return result, err
}

// Dispatch authorises and runs one call and writes its CloudTrail record. The state lock must be held.
func (a *AWS) Dispatch(c *Call) (any, error) {
	c.Now, c.RequestID = a.Options.Now().UTC(), a.UUID()
	s := a.table[c.Service]
	run, ok := s.Operations[c.Operation]
	if !ok {
		return nil, unknownOperation(s.Protocol, c.Operation)
	}
	result, err := a.perform(c, s, run)
	if c.Service == "iam" && !isReadOnly(c.Service, c.Operation) {
		a.iamChanges++
	}
	a.record(c, result, err)
	if err == nil {
		then := c.then
		c.then = nil
		for _, f := range then {
			f()
		}
		if lose := a.Options.Faults.Lose; lose != nil && c.Via == "" && c.Caller.Service == "" && lose(c) {
			return nil, lost("InternalFailure")
		}
	}
	return result, err
}

func (a *AWS) perform(c *Call, s Service, run Operation) (any, error) {
	if err := a.fault(c); err != nil {
		return nil, err
	}
	if s.Access != nil {
		on, err := s.Access(c)
		if err != nil {
			return nil, err
		}
		if err := c.Authorize(on); err != nil {
			return nil, err
		}
	}
	return run(c)
}

// UUID is a random (version 4) UUID from the seeded source.
func (a *AWS) UUID() string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], a.Random.Uint64())
	binary.BigEndian.PutUint64(raw[8:], a.Random.Uint64())
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	digits := hex.AppendEncode(make([]byte, 0, 32), raw[:])
	out := make([]byte, 0, 36)
	for i, end := range []int{8, 12, 16, 20, 32} {
		if i > 0 {
			out = append(out, '-')
		}
		out = append(out, digits[len(out)-i:end]...)
	}
	return string(out)
}

// Chance is true with a probability, from the seeded source.
func (a *AWS) Chance(p float64) bool { return p > 0 && a.Random.Float64() < p }

// Letters is a random string of n characters of the alphabet, from the seeded source.
func (a *AWS) Letters(n int, alphabet string) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[a.Random.IntN(len(alphabet))]
	}
	return string(out)
}

// Services are the services that identify and record: their state belongs to the world itself.
func Services() map[string]Service {
	return map[string]Service{
		"account":       accountManagement(),
		"sts":           {Protocol: Query, Operations: stsOperations()},
		"iam":           {Protocol: Query, Operations: iamOperations(), Access: iamAccess, global: true},
		"organizations": {Protocol: JSON11, Operations: organizationsOperations(), Access: organizationsAccess, global: true},
		"cloudtrail":    {Protocol: JSON11, Operations: cloudTrailOperations(), Access: cloudTrailAccess},
	}
}
