package localaws

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// location is one account in one Region; almost all state in AWS lives in one.
type location struct{ Account, Region string }

// call is one API request after routing and authentication. The state lock is held while its operation runs.
type call struct {
	aws       *AWS
	location             // where the request is addressed: Region of its SigV4 scope, account of its credentials
	Service   string     // endpoint prefix: secretsmanager, kms, sqs, …
	Operation string     // CreateSecret, …
	Caller    caller     // who signed it
	Input     []byte     // JSON body (awsJson protocols)
	Form      url.Values // form (query protocol)
	Now       time.Time
	RequestID string
	UserAgent string
	SourceIP  string
	Request   *http.Request // method, path, query and headers; nil for a call made in this process

	via               string               // the service that makes this call for its own caller (a forward access session); "" otherwise
	resources         []resource           // what the CloudTrail record names
	recorded          func(eventID string) // learns the id of the call's CloudTrail event; nil for nobody
	owner             string               // account of the resource, where it is another than the caller's
	then              []func()             // what happens after the call has been recorded
	encryptionContext map[string]string    // of a cryptographic operation, for the constraints of grants
}

// operation answers one API call. It returns a value that the protocol writes (JSON by its json tags, XML by its xml
// tags), or an *apiError.
type operation func(*call) (any, error)

// decode reads the input into v: a JSON body, or the query protocol's form by the fields' names.
func (c *call) decode(v any) error {
	if c.Form != nil {
		return decodeForm(c.Form, v)
	}
	if len(c.Input) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Input, v); err != nil {
		return &apiError{Code: "SerializationException", Message: err.Error(), Status: 400}
	}
	return nil
}

// after runs f when the call has succeeded and been recorded: for what AWS does, and records, later than the call.
func (c *call) after(f func()) { c.then = append(c.then, f) }

// apiError is an error as the service's own protocol reports it.
type apiError struct {
	Code    string // e.g. ResourceNotFoundException
	Message string
	Status  int // HTTP status; 0 means 400
	Fields  map[string]any
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// caller is the principal behind the credentials of a request.
type caller struct {
	Account     string
	ARN         string // arn:aws:sts::…:assumed-role/Role/session, arn:aws:iam::…:user/… or …:root
	RoleARN     string // the role behind an assumed-role session; "" otherwise
	SessionName string
	PrincipalID string
	AccessKeyID string
	Service     string // a service principal acting by itself, e.g. "secretsmanager.amazonaws.com"; "" otherwise
}
