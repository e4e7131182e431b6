package session

import (
	"context"
	"net/http"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
)

// As is the same way to AWS with other credentials: the endpoints are those that the configuration names for the own ones.
func (c *Cloud) As(keys Static) *Cloud {
	o := c.opt
	o.AssumeRoles, o.Credentials = false, &keys
	base := c.base.Copy()
	base.Credentials = keys.provider()
	return newCloud(o, base)
}

// Endpoints are where a function's calls would be sent, by the SDK's id of the service, as scheme and host: nothing is. Where own,
// it is asked where AWS's own endpoints are, whatever somebody configured.
func (c *Cloud) Endpoints(own bool, calls func(*Cloud)) map[string]string {
	seen := map[string]string{}
	dry := c.As(Static{AccessKeyID: "nobody", SecretAccessKey: "nobody"})
	dry.own = "000000000000"
	dry.base.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		seen[awsmiddleware.GetServiceID(r.Context())] = r.URL.Scheme + "://" + r.URL.Host
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	if own {
		dry.base.BaseEndpoint = nil
		dry.base.ConfigSources = append([]any{ownEndpoints{}}, dry.base.ConfigSources...)
	}
	calls(dry)
	return seen
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// ownEndpoints is a source of the SDK's configuration, as AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is one.
type ownEndpoints struct{}

func (ownEndpoints) GetIgnoreConfiguredEndpoints(context.Context) (value, found bool, err error) {
	return true, true, nil
}
