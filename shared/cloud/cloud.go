package cloud

import (
	"context"
	"net/http"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Cloud is AWS as seen from one hub. It is safe for concurrent use and holds no goroutine.
type Cloud = session.Cloud

// Options says who we are, where we may look and how patient we are.
type Options = session.Options

// Static is a fixed set of credentials. It never prints itself.
type Static = session.Static

// Identity is who AWS takes us for.
type Identity = session.Identity

// Open prepares the way to AWS with the credentials of the options. It calls nobody: what is wrong with the credentials
// shows at the first call. Package profile opens it with the credentials of a person.
func Open(ctx context.Context, o Options) (*Cloud, error) { return session.Open(ctx, o) }

// WithNetwork makes every Cloud that is opened with the context reach AWS through a round tripper instead of the network.
func WithNetwork(ctx context.Context, network http.RoundTripper) context.Context {
	return session.WithNetwork(ctx, network)
}

// FromEnv reads the variables that infra writes and Lambda adds. The local run passes its own map.
func FromEnv(getenv func(string) string) Options { return session.FromEnv(getenv) }

// Answer is what AWS itself said, without the SDK's wrapping; the whole error where AWS said nothing.
func Answer(err error) string { return session.Answer(err) }
