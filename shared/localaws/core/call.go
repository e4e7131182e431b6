package core

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Call is one API request after routing and authentication. The state lock is held while its operation runs.
type Call struct {
	AWS       *AWS
	Location             // where the request is addressed: Region of its SigV4 scope, account of its credentials
	Service   string     // endpoint prefix: secretsmanager, kms, sqs, …
	Operation string     // CreateSecret, …
	Caller    Caller     // who signed it
	Input     []byte     // JSON body (awsJson protocols)
	Form      url.Values // form (query protocol)
	Now       time.Time
	RequestID string
	UserAgent string
	SourceIP  string
	Request   *http.Request // method, path, query and headers; nil for a call made in this process

	Via               string               // the service that makes this call for its own caller (a forward access session); "" otherwise
	Resources         []Resource           // what the CloudTrail record names
	Recorded          func(eventID string) // learns the id of the call's CloudTrail event; nil for nobody
	owner             string               // account of the resource, where it is another than the caller's
	then              []func()             // what happens after the call has been recorded
	EncryptionContext map[string]string    // of a cryptographic operation, for the constraints of grants
}

// Operation answers one API call. It returns a value that the protocol writes (JSON by its json tags, XML by its xml
// tags), or an *Error.
type Operation func(*Call) (any, error)

// Decode reads the input into v: a JSON body, or the query protocol's form by the fields' names.
func (c *Call) Decode(v any) error {
	if c.Form != nil {
		return decodeForm(c.Form, v)
	}
	if len(c.Input) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Input, v); err != nil {
		return &Error{Code: "SerializationException", Message: err.Error(), Status: 400}
	}
	return nil
}

// After runs f when the call has succeeded and been recorded: for what AWS does, and records, later than the call.
func (c *Call) After(f func()) { c.then = append(c.then, f) }

// Error is an error as the service's own protocol reports it.
type Error struct {
	Code    string // e.g. ResourceNotFoundException
	Message string
	Status  int // HTTP status; 0 means 400
	Fields  map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Caller is the principal behind the credentials of a request.
type Caller struct {
	Account     string
	ARN         string // arn:aws:sts::…:assumed-role/Role/session, arn:aws:iam::…:user/… or …:root
	RoleARN     string // the role behind an assumed-role session; "" otherwise
	SessionName string
	PrincipalID string
	AccessKeyID string
	Service     string    // a service principal acting by itself, e.g. "secretsmanager.amazonaws.com"; "" otherwise
	issued      time.Time // of the access key
}

// Reply is a JSON object that an operation answers.
type Reply = map[string]any

// Epoch is a time as the JSON protocols write it, in seconds; nil for the zero time, so that omitempty drops it.
func Epoch(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	seconds := float64(t.UnixMilli()) / 1000
	return &seconds
}

// ISO is a time as the XML protocols and CloudTrail write it.
func ISO(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
