package session

import (
	"context"
	"net/http"
	"time"
)

// networkKey is the context's key of what WithNetwork put there.
type networkKey struct{}

// WithNetwork makes every Cloud that is opened with the context reach AWS through a round tripper instead of the network:
// a local AWS in the same process, or a network that loses what it carries. (golang.org/x/oauth2 takes its client the same
// way.) Limits of time are kept as ever.
func WithNetwork(ctx context.Context, network http.RoundTripper) context.Context {
	return context.WithValue(ctx, networkKey{}, network)
}

func networkOf(ctx context.Context) http.RoundTripper {
	network, _ := ctx.Value(networkKey{}).(http.RoundTripper)
	return network
}

// through is a client as the SDK's own: it follows no redirect.
func through(network http.RoundTripper, tryTimeout time.Duration) *http.Client {
	return &http.Client{Transport: network, Timeout: tryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
